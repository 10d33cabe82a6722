"""Check a task file on its own data: the first rows of every split that is here, and all labels."""

from collections.abc import Sequence
from pathlib import Path

from t2t.data.task import Task
from t2t.errors import DataError, HiddenLabelError, T2TError, TaskFileError
from t2t.templates.check import Lint, Row, check_task, try_to_read

MAX_LABEL_ROWS = 100_000  # of a split, a second; a label that has not come up by then hardly will


def check_task_with_data(
    path: str | Path, *, num_rows: int, data_root: str | Path | None = None, lints: Sequence[Lint] = ()
) -> list[T2TError]:
    """Every fault of a task file and of what is here of its data; none is raised, nothing is fetched.

    Args:
        num_rows: rows of each split to render; 0 looks at the file alone.
        data_root: where local data sets are; None takes T2T_DATA.
        lints: more to check, as in `check_task_file`.
    """
    file, unreadable = try_to_read(path)
    if file is None:
        return unreadable
    faults, rows = _read(Task(file, data_root=data_root), num_rows) if num_rows else ([], [])
    return [*faults, *check_task(file, rows, lints=lints)]


def _read(task: Task, num_rows: int) -> tuple[list[T2TError], list[Row]]:
    """The first rows of every split, and more of it until each label has come up."""
    faults: list[T2TError] = []
    rows: list[Row] = []
    labels = task.file.labels or ()
    unseen = dict.fromkeys(labels)
    try:  # a file that is named but not there is a fault, too
        splits = dict.fromkeys((*task.splits(), *task.file.dataset.files))
    except DataError as fault:  # two files for one split
        return [fault], []
    for split in splits:
        num_read = 0
        try:
            for index, (example_id, row) in enumerate(task.rows(split, limit=max(num_rows, MAX_LABEL_ROWS))):
                num_read += 1
                unseen.pop(str(row.get("label_name")), None)
                if index < num_rows:
                    rows.append((example_id, row))
                elif not unseen:
                    break
        except DataError as fault:
            if isinstance(fault, HiddenLabelError) and num_read == 0 and split in ("test", "validation"):
                continue  # its answers are kept back: an evaluation passes over such a split, too
            mend = fault.mend or "correct the data, or the task file"
            faults.append(type(fault)(fault.problem, where=fault.where, have=fault.have, mend=mend))
    if len(unseen) < len(labels) and not faults:  # else there are no labels at all, or they are not all read
        for label in unseen:
            faults.append(
                TaskFileError(
                    f'no row has the label "{label}"',
                    where=task.file.location("labels", labels.index(label)),
                    have=[other for other in labels if other not in unseen],
                    mend="spell it as the data do, or leave it out of labels",
                )
            )
    return faults, rows
