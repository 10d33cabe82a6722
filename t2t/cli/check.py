"""`t2t check`: every fault of task files, all at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t.cli.options import JsonOption, example
from t2t.cli.output import print_json

if TYPE_CHECKING:
    from t2t.errors import T2TError

EXAMPLE = example("t2t check my_tasks/")


def check(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE|DIR]...", exists=True, help="Task files, or folders of them."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check task files; without arguments, those that come with t2t. Exits with 1 if anything is wrong."""
    from t2t.templates import check_task_file

    files = _task_files(places)
    faults = [(path, fault) for path in files for fault in check_task_file(path)]
    if as_json:
        print_json({"num_files": len(files), "faults": [_document(path, fault) for path, fault in faults]})
    else:
        for _, fault in faults:
            print(f"{type(fault).__name__}: {fault}")
        print(f"{len(files)} task files, {len(faults)} faults")
    if faults:
        raise typer.Exit(1)


def _task_files(places: list[Path] | None) -> list[Path]:
    """The files themselves and those of the folders, each once."""
    from t2t.errors import TaskNotFoundError
    from t2t.resources import task_templates_dir

    files: list[Path] = []
    for place in places or [task_templates_dir()]:
        inside = sorted(place.rglob("*.yaml")) if place.is_dir() else [place]
        if not inside:
            raise TaskNotFoundError(f"there is no task file (.yaml) in {place}")
        files += inside
    return list(dict.fromkeys(files))


def _document(path: Path, fault: "T2TError") -> dict[str, Any]:
    where = fault.where
    return {
        "file": str(path),
        "line": where.line if where else None,
        "field": where.field if where else None,
        "kind": type(fault).__name__,
        "problem": fault.problem,
        "have": fault.have,
        "mend": fault.mend,
    }
