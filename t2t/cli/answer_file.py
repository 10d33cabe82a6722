"""The answers of `t2t run`: written beside their file and renamed once all are there, or gone on with."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2t.cli.predictions import prediction_document
from t2t.errors import Location, T2TError

if TYPE_CHECKING:
    from t2t.inference import Prediction


def partial_file(output: Path) -> Path:
    """Where answers stand until all are there."""
    return output.with_name(f"{output.name}.partial")


@dataclass(frozen=True)
class Kept:
    """What a stopped run has answered: whole rows."""

    num_rows: int = 0
    num_truncated: int = 0  # answers of these


def read_kept(output: Path, templates: Sequence[str]) -> Kept:
    """The rows that a stopped run has answered; what it wrote of one more is cut off, for it is asked again.

    Raises: T2TError if the answers are of other templates.
    """
    partial = partial_file(output)
    if not partial.exists():
        return Kept()
    kept, end, num_answers, num_truncated = Kept(), 0, 0, 0
    with partial.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            row_index, place = divmod(num_answers, len(templates))
            answer = json.loads(line)
            if (answer["row"], answer["template"]) != (row_index, templates[place]):
                raise T2TError(
                    f'the run that was stopped asked with other templates: "{answer["template"]}"',
                    where=Location(partial, num_answers + 1),
                    have=templates,
                    mend="resume with its --template, or remove the file",
                )
            num_answers += 1
            num_truncated += answer["truncated"]
            if place == len(templates) - 1:
                kept, end = Kept(row_index + 1, num_truncated), file.tell()
        file.truncate(end)
    return kept


def write_answers(
    predictions: "Iterable[Prediction]",
    output: Path,
    num_templates: int,
    kept: Kept,
    *,
    on_row: Callable[[], None],
) -> dict[str, int]:
    """Write answers; a run that is stopped leaves what it has.

    Args:
        num_templates: predictions per row, which come one after the other.
        kept: what is there from a stopped run; predictions go on behind it.
        on_row: called after each row.
    """
    partial = partial_file(output)
    num_answers, num_truncated = kept.num_rows * num_templates, kept.num_truncated
    try:
        with open(partial, "a" if kept.num_rows else "w", encoding="utf-8") as file:
            for prediction in predictions:
                row_index, place = divmod(num_answers, num_templates)
                document = {"row": row_index, **prediction_document(prediction)}
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
                num_answers += 1
                num_truncated += prediction.truncated
                if place == num_templates - 1:
                    on_row()
    except BaseException:  # Ctrl-C too: hours of answers are worth a line
        if num_answers:
            print(f"stopped: {num_answers} answers are in {partial}; go on with --resume", file=sys.stderr)
        else:
            partial.unlink(missing_ok=True)
        raise
    os.replace(partial, output)
    return {"num_answers": num_answers, "num_truncated": num_truncated}
