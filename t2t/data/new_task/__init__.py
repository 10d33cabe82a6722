"""A task file to start from, made of a user's own rows: `reviews.csv` becomes `mood.yaml`.

table.py   the rows of all splits, and what each column holds
guess.py   which column is the answer, and what kind of task that makes
wording.py three starter wordings for each kind
write.py   the task file, with comments on what to look at
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from t2t.data.new_task.guess import Guess, guess_task
from t2t.data.new_task.table import Table, read_table
from t2t.data.new_task.write import task_text
from t2t.data.task_check import check_task_with_data
from t2t.errors import T2TError, TaskFileError
from t2t.templates.task_file import Name

__all__ = ["Guess", "NewTask", "Table", "write_new_task"]

NUM_CHECKED_ROWS = 100  # of each split


@dataclass(frozen=True)
class NewTask:
    """A task file that has just been written, what it rests on, and what is still to be mended in it."""

    path: Path
    table: Table
    guess: Guess
    left_out: tuple[Path, ...]  # files of other splits, which have no answers
    faults: tuple[T2TError, ...]  # as `t2t check` finds them


def write_new_task(
    name: str, rows_file: str | Path, *, folder: str | Path = ".", target: str | None = None
) -> NewTask:
    """Guess a task from a file of rows, and write `<folder>/<name>.yaml`.

    Args:
        name: of the task: lower case, digits and single underscores.
        rows_file: .jsonl, .csv, .tsv or .parquet, compressed or not. If it is named for a split, as in
            `reviews_train.csv`, the files of the other splits beside it are taken too.
        target: the column that holds the answers; None guesses it.
    Raises: DataError for rows that make no task; TaskFileError for an unfit name, or for a file that is there
        already. In every case nothing is written.
    """
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as failure:
        mend = "use lower case, digits and single underscores"
        raise TaskFileError(f'unfit for the name of a task: "{name}"', mend=mend) from failure
    path = Path(folder) / f"{name}.yaml"
    if path.exists():
        raise TaskFileError(f"there is a file {path} already", mend="choose another name, or remove it")
    table = read_table(rows_file)
    left_out: list[Path] = []
    if table.lacking:  # a competition's test.csv has no answers: no split to learn from, nor to be scored on
        target = guess_task(read_table(rows_file, leave_out=table.lacking), target=target).target.source
        left_out = [file for file, columns in table.lacking.items() if target in columns]
        table = read_table(rows_file, leave_out=left_out)
    guess = guess_task(table, target=target)
    text = task_text(name, table, guess, folder=path.parent)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    faults = check_task_with_data(path, num_rows=NUM_CHECKED_ROWS)
    return NewTask(path, table, guess, tuple(left_out), tuple(faults))
