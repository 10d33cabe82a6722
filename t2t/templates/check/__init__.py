"""Check a task file beyond what reading it needs: is every template sound, on every row we can try it on?

    form.py      name, folder, counts, white space, sources that read no column
    trials.py    each template rendered on the rows: missing columns, empty texts, targets outside the choices
    wordings.py  no two templates ask alike
    labels.py    labels: in the data, within reach of a model, and out of the sources
    choices.py   answer choices that a source names are declared, and those declared are named

A lint is a function `(file, trials) -> faults`. Rooms further right add lints of their own: that of
`t2t.tokens` knows how long texts become.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from t2t.errors import Faults, T2TError
from t2t.templates.check.choices import check_choices_in_sources
from t2t.templates.check.form import check_form
from t2t.templates.check.labels import check_labels
from t2t.templates.check.trials import Lint, Row, Trial, try_templates
from t2t.templates.check.wordings import check_wordings
from t2t.templates.task_file import TaskFile

__all__ = ["Lint", "Row", "Trial", "check_task", "check_task_file", "try_to_read"]

LINTS: tuple[Lint, ...] = (check_form, check_wordings, check_labels, check_choices_in_sources)


def check_task_file(
    path: str | Path, rows: Iterable[Row] = (), *, lints: Sequence[Lint] = ()
) -> list[T2TError]:
    """Every fault of a task file; none is raised.

    Args:
        rows: rows of the dataset to render besides the file's own examples: as the dataset holds them, or as
            pairs (example id, row).
        lints: more to check than LINTS.
    """
    file, faults = try_to_read(path)
    return faults if file is None else check_task(file, rows, lints=lints)


def try_to_read(path: str | Path) -> tuple[TaskFile | None, list[T2TError]]:
    """The task file, or None and what is wrong with it."""
    try:
        return TaskFile.read(path), []
    except Faults as failure:
        return None, list(failure.faults)
    except T2TError as failure:
        return None, [failure]


def check_task(file: TaskFile, rows: Iterable[Row] = (), *, lints: Sequence[Lint] = ()) -> list[T2TError]:
    """The faults of a task file that has been read, in the order of its lines; else as `check_task_file`."""
    faults, trials = try_templates(file, rows)
    for lint in (*LINTS, *lints):
        faults += lint(file, trials)
    return sorted(faults, key=_place)


def _place(fault: T2TError) -> tuple[str, int]:
    where = fault.where
    return (str(where.file), where.line or 0) if where else ("", 0)
