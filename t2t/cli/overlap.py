"""`t2t check --overlap`: how much of the evaluation sets occurs in what a model is trained on."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2t.cli.choose_with_rows import choose_with_rows, evaluation_splits
from t2t.cli.options import split_list
from t2t.cli.output import counted, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from t2t.config import MixtureConfig
    from t2t.data.overlap import Overlap, Source

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

    evaluated = [
        (task, split)
        for task in choose_with_rows(names, data_root=data_root, tasks_dirs=tasks_dirs)
        for split in evaluation_splits(task.splits())
    ]
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


def _sources(what: str, data_root: Path | None, tasks_dirs: Sequence[Path]) -> "list[Source]":
    from t2t.data.overlap import Source
    from t2t.data.readers import SUFFIXES
    from t2t.data.task import Task
    from t2t.errors import MissingDataError
    from t2t.templates.library import choose_task_files
    from t2t.training.chosen_tasks import choose_tasks

    path, suffixes = Path(what), (*SUFFIXES, ".txt")
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.name.endswith(suffixes) and file.is_file())
        if not files:
            raise MissingDataError(f'there are no data files in "{path}"', have=suffixes)
        return [Source.of_file(file) for file in files]
    if path.name.endswith(suffixes):
        return [Source.of_file(path)]
    if path.suffix in (".yaml", ".yml") and path.is_file() and (mixture := _mixture_of(path)):
        places = {
            "tasks_dirs": (*tasks_dirs, *mixture.tasks_dirs),
            "data_root": mixture.data_root or data_root,
        }
        chosen = choose_tasks(mixture.model_copy(update=places))
    elif len(files := choose_task_files([what], tasks_dirs=tasks_dirs)) == 1:
        chosen = [Task.load(files[0], data_root=data_root)]
    else:
        chosen = choose_with_rows([what], data_root=data_root, tasks_dirs=tasks_dirs, split="train")
    return [Source.of_task(task, "train") for task in chosen]


def _mixture_of(path: Path) -> "MixtureConfig | None":
    """The mixture of a finetune run; None for a file of another kind, such as a task."""
    from t2t.config import FinetuneConfig, load_config
    from t2t.yaml_file import read_yaml

    data = read_yaml(path).data
    if not isinstance(data, dict) or "mixture" not in data:
        return None
    config, _ = load_config(FinetuneConfig, path)
    return config.mixture
