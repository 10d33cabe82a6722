"""`t2t check --overlap`: how much of the evaluation sets occurs in what a model is trained on."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2t.cli.choose_with_rows import choose_with_rows
from t2t.cli.options import split_list
from t2t.cli.output import counted, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from t2t.config import MixtureConfig
    from t2t.data.overlap import Overlap, Source
    from t2t.data.task import Task

TasksOption = Annotated[
    str | None,
    typer.Option(
        "--tasks",
        metavar="NAME,...",
        help="With --overlap: tasks, clusters or patterns such as '*', whose validation and test rows are "
        "looked for. Of a cluster or pattern, those with such rows on this machine.",
    ),
]
AgainstOption = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="WHAT",
        help="With --overlap, where to look, several times: the training rows of a task, cluster or pattern, "
        "or of the mixture of a finetune RUN.yaml; a file of rows or text, or a folder of such files.",
    ),
]


def report_overlap(
    tasks: str | None,
    against: Sequence[str] | None,
    *,
    data_root: Path | None,
    tasks_dirs: Sequence[Path],
    as_json: bool,
) -> None:
    """Count evaluation rows with 13 words in a row, or a whole text, that occur elsewhere."""
    names = split_list(tasks or "")
    if not names or not against:
        raise typer.BadParameter("--overlap needs --tasks and --against")
    from t2t.data.overlap import find_overlap
    from t2t.errors import MissingDataError, first_few

    named = choose_with_rows(
        names,
        lambda task: bool(_evaluation_splits(task)),
        rows="rows to evaluate here",
        data_root=data_root,
        tasks_dirs=tasks_dirs,
    )
    if without := [task.name for task in named if not _evaluation_splits(task)]:
        raise MissingDataError(
            f"there are no validation or test rows on this machine of {first_few(without)}",
            mend="name the folder of local data sets with --data-root or T2T_DATA",
        )
    evaluated = [(task, split) for task in named for split in _evaluation_splits(task)]
    sources = [source for what in against for source in _sources(what, data_root, tasks_dirs)]
    with progress_bar("comparing", unit="files", total=len(sources)) as advance:
        found = find_overlap(evaluated, sources, on_source=lambda _: advance())
    if as_json:
        print_json(
            {"against": [source.name for source in sources], "overlap": [asdict(one) for one in found]}
        )
        return
    columns = ("task", "split", "rows", "13 words", "%", "whole text", "%", "first hit")
    print_table(columns, [_cells(one) for one in found])
    num_short = sum(one.num_short for one in found)
    print(
        f"{sum(one.num_rows for one in found):,} rows against {counted(len(sources), 'file')}; "
        f"{num_short:,} rows have no text of 13 words, and were looked for as whole texts only"
    )


def _cells(one: "Overlap") -> tuple[str, ...]:
    hit = next(iter((*one.exact_hits, *one.ngram_hits)), None)
    return (
        one.task,
        one.split,
        f"{one.num_rows:,}",
        f"{one.num_ngram_hits:,}",
        _percent(one.num_ngram_hits, one.num_rows),
        f"{one.num_exact_hits:,}",
        _percent(one.num_exact_hits, one.num_rows),
        f"{hit.row} in {hit.place}" if hit else "",
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def _evaluation_splits(task: "Task") -> list[str]:
    return [split for split in task.splits() if split != "train"]


def _can_train_here(task: "Task") -> bool:
    return "train" in task.splits()


def _sources(what: str, data_root: Path | None, tasks_dirs: Sequence[Path]) -> "list[Source]":
    from t2t.data.overlap import Source
    from t2t.data.readers import SUFFIXES
    from t2t.errors import MissingDataError, first_few

    path, suffixes = Path(what), (*SUFFIXES, ".txt")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(suffixes) and file.is_file())
        if not files:
            raise MissingDataError(f'there are no data files in "{path}"', have=suffixes)
        return [Source.of_file(file) for file in files]
    if path.name.endswith(suffixes):
        return [Source.of_file(path)]
    if path.suffix in (".yaml", ".yml") and path.is_file() and (mixture := _mixture_of(path)):
        from t2t.training.chosen_tasks import choose_tasks

        places = {
            "tasks_dirs": (*tasks_dirs, *mixture.tasks_dirs),
            "data_root": data_root or mixture.data_root,
        }
        tasks = choose_tasks(mixture.model_copy(update=places))
        if elsewhere := [task.name for task in tasks if not _can_train_here(task)]:
            print(f"not compared, without training rows here: {first_few(elsewhere)}", file=sys.stderr)
            tasks = [task for task in tasks if _can_train_here(task)]
    else:
        tasks = choose_with_rows(
            [what], _can_train_here, rows="training rows here", data_root=data_root, tasks_dirs=tasks_dirs
        )
    return [Source.of_task(task, "train") for task in tasks]


def _mixture_of(path: Path) -> "MixtureConfig | None":
    """The mixture of a finetune run; None for a file of another kind, such as a task."""
    from t2t.config import FinetuneConfig, load_config
    from t2t.yaml_file import read_yaml

    data = read_yaml(path).data
    if not isinstance(data, dict) or "mixture" not in data:
        return None
    config, _ = load_config(FinetuneConfig, path)
    return config.mixture
