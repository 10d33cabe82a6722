"""The answers of `t2t run`: written beside their file and renamed once all are there, or gone on with."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2t.cli.predictions import prediction_document
from t2t.errors import Location, T2TError

if TYPE_CHECKING:
    from t2t.inference import Prediction
    from t2t.inference.prompts import Prompt


def partial_file(output: Path) -> Path:
    """Where answers stand until all are there."""
    return output.with_name(f"{output.name}.partial")


@dataclass(frozen=True)
class Kept:
    """What a stopped run has answered: whole rows."""

    num_rows: int = 0
    num_truncated: int = 0  # answers of these


def read_kept(
    output: Path,
    questions: Iterator["Prompt"],
    num_templates: int,
    *,
    answered_by: Mapping[str, str | int | None],
    length_norm: str,
) -> Kept:
    """The rows that a stopped run has answered; what it wrote of one more is cut off, for it is asked again.

    Args:
        questions: all that is to be asked, in order.
        answered_by: see `write_answers`; names are compared, and not what they name. `max_new_tokens` is not
            compared where an answer was chosen.
        length_norm: of the scores of choices.
    Raises: T2TError if an answer is to something else, or by another model.
    """
    partial = partial_file(output)
    if not partial.exists():
        return Kept()
    kept, end, num_truncated = Kept(), 0, 0
    with partial.open("r+b") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                break
            row_index, place = divmod(number, num_templates)
            question = next(questions, None)
            expected = {} if question is None else _asked(question, row_index, length_norm)
            try:
                answer = json.loads(line)
                asked = {name: answer[name] for name in expected}
                by = {name: answer[name] for name in answered_by}
                num_truncated += answer["truncated"]
            except (ValueError, KeyError, TypeError):
                asked = {}
            if not asked or asked != expected:
                raise T2TError(
                    "the run that was stopped asked something else",
                    where=Location(partial, number + 1),
                    mend="resume with its task, rows and options, or remove the file",
                )
            for name, found in by.items():
                if name == "max_new_tokens" and asked["choices"] is not None:
                    continue  # the answer was chosen, and none written
                if found != answered_by[name]:
                    raise T2TError(
                        f"the run that was stopped had another {name}: {found or 'none'}",
                        where=Location(partial, number + 1),
                        mend=f"resume {'with it' if found else f'without --{name}'}, or remove the file",
                    )
            if place == num_templates - 1:
                kept, end = Kept(row_index + 1, num_truncated), file.tell()
        file.truncate(end)
    return kept


def _asked(question: "Prompt", row_index: int, length_norm: str) -> dict[str, Any]:
    """What the answer to a question says of it: all of it must be the same."""
    choices = question.choices
    return {
        "row": row_index,
        "template": question.template,
        "source": question.source,
        "choices": None if choices is None else list(choices),
        "length_norm": None if choices is None else length_norm,
    }


def write_answers(
    predictions: "Iterable[Prediction]",
    output: Path,
    num_templates: int,
    kept: Kept,
    *,
    answered_by: Mapping[str, str | int | None],
    on_row: Callable[[], None],
) -> dict[str, int]:
    """Write answers; a run that is stopped leaves what it has.

    Args:
        num_templates: predictions per row, which come one after the other.
        kept: what is there from a stopped run; predictions go on behind it.
        answered_by: `model` and `adapter` by name, and `max_new_tokens`, which stand in every line.
        on_row: called after each row.
    """
    partial = partial_file(output)
    num_answers, num_truncated = kept.num_rows * num_templates, kept.num_truncated
    try:
        # By lines: an answer is on disk as soon as it is there, also if the run is killed.
        with open(partial, "a" if kept.num_rows else "w", encoding="utf-8", buffering=1) as file:
            for prediction in predictions:
                row_index, place = divmod(num_answers, num_templates)
                document = {"row": row_index, **answered_by, **prediction_document(prediction)}
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
