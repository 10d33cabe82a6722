"""`t2t check`: every fault of task files, all at once, and again whenever one of them is saved."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t.cli.options import DataRootOption, JsonOption, ModelOption, TasksDirOption, example
from t2t.cli.output import counted, print_json, progress_bar
from t2t.cli.overlap import AgainstOption, TasksOption, report_overlap

if TYPE_CHECKING:
    from t2t.errors import T2TError

EXAMPLE = example("t2t check my_tasks/", "t2t check --overlap --tasks sst2,trec --against texts.jsonl")
POLL_SECONDS = 0.5
MAX_SOURCE_LEN = 2048  # tokens; hardly an encoder-decoder is run on more
MAX_TARGET_LEN = 1024  # tokens; likewise for writing
FILE_OPTIONS = ("rows", "max_source_len", "max_target_len", "model")  # mean nothing to --overlap

Stamp = tuple[int, ...] | None


def check(
    ctx: typer.Context,
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE|DIR", exists=True, help="Task files, or folders of them."),
    ] = None,
    rows: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Rows of each split to try, where there are data."),
    ] = 100,
    max_source_len: Annotated[
        int, typer.Option(min=1, metavar="N", help="Tokens that a source may have.")
    ] = MAX_SOURCE_LEN,
    max_target_len: Annotated[
        int, typer.Option(min=1, metavar="N", help="Likewise of a target.")
    ] = MAX_TARGET_LEN,
    model: ModelOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Check again what is saved, until Ctrl-C.")] = False,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="Instead, count evaluation rows that occur in training data.")
    ] = False,
    tasks: TasksOption = None,
    against: AgainstOption = None,
    data_root: DataRootOption = None,
    tasks_dirs: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check task files; without arguments, all that t2t finds. Exits with 1 if anything is wrong."""
    if overlap:
        if places or watch:
            raise typer.BadParameter("--overlap compares --tasks with --against, and checks no files")
        for name in FILE_OPTIONS:
            source = ctx.get_parameter_source(name)
            if source is not None and source.name != "DEFAULT":
                raise typer.BadParameter(f"--{name.replace('_', '-')} is for task files, not for --overlap")
        report_overlap(tasks, against, data_root=data_root, tasks_dirs=tasks_dirs or (), as_json=as_json)
        return
    if tasks or against:
        raise typer.BadParameter("--tasks and --against belong to --overlap")
    if places and tasks_dirs:
        raise typer.BadParameter("--tasks-dir adds to all that t2t finds; name its files instead")
    if watch and as_json:
        raise typer.BadParameter("--json prints one document; --watch has no end to print it at")
    from t2t.data.task_check import check_task_with_data
    from t2t.tokens import TokenCheck, TokenCounter

    lint = TokenCheck(TokenCounter.load(model), max_source_len, max_target_len)

    def faults_of(path: Path) -> "list[T2TError]":
        return check_task_with_data(path, num_rows=rows, data_root=data_root, lints=[lint])

    def files() -> list[Path]:
        return _task_files(places, tasks_dirs or ())

    # Before reading: what is saved meanwhile is seen.
    stamps = {path: _stamp(path) if watch else None for path in files()}
    found: dict[Path, list[T2TError]] = {}
    with progress_bar("checking", unit="files", total=len(stamps)) as advance:
        for path in stamps:
            found[path] = faults_of(path)
            advance()
    num_faults = sum(map(len, found.values()))
    if as_json:
        documents = [_document(path, fault) for path, faults in found.items() for fault in faults]
        print_json({"num_files": len(found), "faults": documents})
    else:
        _print_faults(fault for faults in found.values() for fault in faults)
        print(f"{counted(len(found), 'task file')}, {counted(num_faults, 'fault')}")
    if watch:
        _watch(stamps, files, faults_of)
    elif num_faults:
        raise typer.Exit(1)


def _task_files(places: list[Path] | None, tasks_dirs: Iterable[Path]) -> list[Path]:
    """The files themselves and those of the folders, each once."""
    from t2t.errors import TaskNotFoundError
    from t2t.templates import find_task_files
    from t2t.templates.library import task_files_under, task_folders

    if not places:
        return list(find_task_files(*task_folders(tasks_dirs)).values())
    files: list[Path] = []
    for place in places:
        inside = task_files_under(place) if place.is_dir() else [place]
        if not inside:
            raise TaskNotFoundError(f"there is no task file (.yaml) in {place}")
        files += inside
    return list(dict.fromkeys(files))


def _watch(
    known: Mapping[Path, Stamp],
    files: Callable[[], list[Path]],
    faults_of: "Callable[[Path], list[T2TError]]",
) -> None:
    """Check every file that is new or has been saved since it was looked at last, until Ctrl-C.

    Args:
        known: the stamps of the files that have been looked at.
    """
    from t2t.errors import T2TError

    print("watching; Ctrl-C ends it", flush=True)
    told = ""
    try:
        while True:
            time.sleep(POLL_SECONDS)
            try:
                stamps = {path: _stamp(path) for path in files()}
            except T2TError as error:  # the last file is gone, or another has its name: perhaps for a moment
                if str(error) != told:
                    print(told := str(error), flush=True)
                continue
            told = ""
            for path, stamp in stamps.items():
                if stamp is not None and stamp != known.get(path):
                    faults = faults_of(path)
                    _print_faults(faults)
                    print(f"{time.strftime('%H:%M:%S')} {path}: {counted(len(faults), 'fault')}", flush=True)
            known = stamps
    except KeyboardInterrupt:
        return


def _stamp(path: Path) -> Stamp:
    """Changes with the file, those beside it that tasks include, and the data files that it names.

    None while it is replaced.
    """
    try:
        own = tuple(one.stat().st_mtime_ns for one in (path, *sorted(path.parent.glob("_*.yaml"))))
        return (*own, *(data.stat().st_mtime_ns for data in _data_files(path, own) if data.exists()))
    except OSError:
        return None


@lru_cache(maxsize=10_000)
def _data_files(path: Path, _changed: Stamp) -> tuple[Path, ...]:
    """`dataset.files` of a task file, which is read again once it has changed."""
    from t2t.templates.check import try_to_read

    file, _ = try_to_read(path)
    return tuple(path.parent / name for name in file.dataset.files.values()) if file else ()


def _print_faults(faults: Iterable["T2TError"]) -> None:
    for fault in faults:
        print(f"{type(fault).__name__}: {fault}")


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
