"""How an answer is shown: a JSON object, or choices with bars of probability."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from t2t.cli.output import print_table
from t2t.errors import T2TError

if TYPE_CHECKING:
    from t2t.inference import Prediction

_BAR_WIDTH = 30  # characters of a probability of 1


def prediction_document(prediction: "Prediction") -> dict[str, Any]:
    """The fields of a `Prediction` under their own names, as plain values for JSON."""
    return asdict(prediction)


def print_prediction(prediction: "Prediction") -> None:
    """The answer; where it was chosen, every choice with its probability, the likeliest first."""
    if prediction.choices is None or prediction.probabilities is None:
        print(prediction.text)
        return
    ranked = sorted(zip(prediction.probabilities, prediction.choices, strict=True), key=lambda pair: -pair[0])
    print_table(
        ("choice", "probability", ""),
        [
            (choice, f"{probability:.3f}", "█" * round(probability * _BAR_WIDTH))
            for probability, choice in ranked
        ],
    )


def text_or_stdin(text: str) -> str:
    """The text itself; for "-" standard input, without the line end that every shell adds."""
    if text != "-":
        return text
    try:
        # Of bytes: what Python makes of those that are no text depends on the locale.
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise T2TError(
            f"standard input is not UTF-8: byte {error.start}", mend="convert it to UTF-8, as with iconv"
        ) from error
