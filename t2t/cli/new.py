"""`t2t new`: a task file to start from, made of one's own rows."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t.cli.options import JsonOption, TasksDirOption, example
from t2t.cli.output import print_json

if TYPE_CHECKING:
    from t2t.data.new_task import Guess, NewTask

EXAMPLE = example("t2t new mood --from reviews.csv")
MAX_SHOWN = 60  # characters of a sample text


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the task: lower case, digits, single _.")
    ],
    rows_file: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Rows: .csv, .tsv, .jsonl or .parquet. X_train comes with the X_test beside it.",
        ),
    ],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column with the answers. Default: guessed.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Where NAME.yaml goes. Default: your first folder of tasks, else here.",
        ),
    ] = None,
    tasks_dirs: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a task file for your own rows. What they ask is guessed, and three wordings are a start."""
    from t2t.data.new_task import write_new_task
    from t2t.errors import TaskFileError
    from t2t.templates import find_task_files
    from t2t.templates.library import task_folders

    folders = task_folders(tasks_dirs or ())
    taken = find_task_files(*folders).get(name)
    if taken is not None:
        raise TaskFileError(f'there is a task "{name}" already: {taken}', mend="choose another name")
    folder = out or next(iter(folders[1:]), Path())
    made = write_new_task(name, rows_file, folder=folder, target=target)
    if as_json:
        print_json(_document(made))
        return
    guess = made.guess
    print(f"{made.path}: {guess.kind}, {made.table.num_rows:,} rows")
    print(f"  reads    {', '.join(column.source for column in (*guess.inputs, *guess.options))}")
    print(f"  answers  {guess.target.source}" + (f": {' | '.join(guess.answers)}" if guess.answers else ""))
    print(f"  files    {', '.join(f'{split} {path}' for split, path in made.table.files.items())}")
    for path in made.left_out:
        print(f"  left out {path}, which has no answers in {guess.target.source}")
    if made.faults:
        print("To mend first, as t2t check says:")
        for fault in made.faults:
            print(f"  {fault}")
    print("Next:")
    for command in _next_commands(made):
        print(f"  {command}")


def _next_commands(made: "NewTask") -> list[str]:
    path = shlex.quote(str(made.path))
    split = "" if {"test", "validation"} & set(made.table.files) else " --split train"
    return [
        f"t2t show {path}",
        f"t2t check {path}",
        f"t2t run {path} {_sample_row(made.guess)}",
        f"t2t eval --tasks {path}{split} --limit 100",
    ]


def _sample_row(guess: "Guess") -> str:
    """A row as `--set` options, long texts cut: the first one without an empty cell, if there is any."""
    words = []
    columns = (*guess.inputs, *guess.options)
    indices = range(len(guess.target.values))
    row = next((index for index in indices if not any(column.is_gap(index) for column in columns)), 0)
    for column in columns:
        value = column.values[row]
        if isinstance(value, str):
            cut = value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN].rsplit(' ', 1)[0]} ..."
            words.append(f"{column.name}={' '.join(cut.split())}")
        elif value is not None:
            words.append(f"{column.name}:={json.dumps(value, ensure_ascii=False, default=str)}")
    return " ".join(f"--set {shlex.quote(word)}" for word in words)


def _document(made: "NewTask") -> dict[str, Any]:
    guess = made.guess
    return {
        "file": str(made.path),
        "kind": guess.kind,
        "reads": [column.source for column in (*guess.inputs, *guess.options)],
        "target": guess.target.source,
        "answers": guess.answers,
        "files": {split: str(path) for split, path in made.table.files.items()},
        "left_out": [str(path) for path in made.left_out],
        "num_rows": made.table.num_rows,
        "faults": [str(fault) for fault in made.faults],
    }
