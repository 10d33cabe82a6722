"""`t2t eval`: scores of a model on tasks, over templates, shots and seeds."""

from pathlib import Path
from typing import Annotated

import typer

from t2t.cli.choose_with_rows import choose_with_rows
from t2t.cli.options import (
    AdapterOption,
    DataRootOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LengthNormOption,
    MaxNewTokensOption,
    ModelOption,
    SeedOption,
    TasksDirOption,
    example,
    split_list,
)
from t2t.cli.output import print_json, print_rich, progress_bar

EXAMPLE = example("t2t eval --tasks rte,dbpedia14 --shots 0,4 --limit 200")


def evaluate_tasks(
    tasks: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Tasks, files of tasks, clusters, or patterns such as text2sql_*. Of a cluster or pattern, "
            "those with rows to score.",
        ),
    ],
    templates: Annotated[
        list[str] | None,
        typer.Option(
            metavar="all|NAME", help="A template, several times. Default: all that ask the original task."
        ),
    ] = None,
    shots: Annotated[str, typer.Option(metavar="K,...", help="Numbers of demonstrations.")] = "0",
    seeds: Annotated[int, typer.Option(min=1, help="How often demonstrations are drawn anew.")] = 1,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: test where it is labelled, else validation.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows per task, sampled at random.")] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="A new folder for the results is made here.")
    ] = Path("results"),
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Score tasks that the model was trained on, too, marked.")
    ] = False,
    length_norm: LengthNormOption = "sum",
    max_new_tokens: MaxNewTokensOption = 64,
    data_root: DataRootOption = None,
    tasks_dirs: TasksDirOption = None,
    seed: SeedOption = 0,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Score a model on tasks, beside the majority answer and chance."""
    names, numbers = _names(tasks), _numbers(shots)
    from t2t.data.task import EXAMPLES, Task
    from t2t.evaluation import Answer, evaluate
    from t2t.evaluation.questions import ALL, LABELLED_FIRST
    from t2t.evaluation.report import ResultsFolder, evaluation_document, evaluation_table
    from t2t.inference import Text2Text

    wanted = (split,) if split else LABELLED_FIRST

    def has_rows(task: Task) -> bool:
        return any(name in (EXAMPLES, *task.readable_splits()) for name in wanted)

    loaded_tasks = choose_with_rows(
        names,
        has_rows,
        rows=f"{' or '.join(wanted)} rows",
        data_root=data_root,
        tasks_dirs=tasks_dirs or (),
    )
    loaded = Text2Text.load(model, device=device, dtype=dtype, adapter=adapter)
    folder = ResultsFolder.create(out, model=loaded.full_name)
    with folder.answers() as write, progress_bar("asking", unit="examples") as advance:

        def on_answer(answer: Answer, total: int) -> None:
            write(answer)
            advance(total=total)

        evaluation = evaluate(
            loaded,
            loaded_tasks,
            templates=ALL if templates in (None, [ALL]) else templates,
            shots=numbers,
            seeds=seeds,
            seed=seed,
            split=split,
            limit=limit,
            length_norm=length_norm,
            max_new_tokens=max_new_tokens,
            allow_seen=allow_seen,
            on_answer=on_answer,
        )
    folder.finish(evaluation)
    if as_json:
        print_json({"folder": str(folder.path), **evaluation_document(evaluation)})
    else:
        print_rich(evaluation_table(evaluation))
        print(f"every answer: {folder.path}")


def _names(text: str) -> list[str]:
    names = split_list(text)
    if not names:
        raise typer.BadParameter(f"--tasks takes names such as in --tasks sst2,trec, not {text!r}")
    return names


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(item) for item in split_list(text)]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0:
        raise typer.BadParameter(f"--shots takes numbers such as 0,4, not {text!r}")
    return numbers
