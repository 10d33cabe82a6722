"""`t2t run`: rows through a task's template, and the model's answers."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t.cli.answer_file import Kept, partial_file, read_kept, write_answers
from t2t.cli.options import (
    AdapterOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LengthNormOption,
    MaxNewTokensOption,
    ModelOption,
    SeedOption,
    TasksDirOption,
    example,
)
from t2t.cli.output import print_json, progress_bar
from t2t.cli.predictions import prediction_document, print_prediction
from t2t.resources import STARTER

if TYPE_CHECKING:
    from t2t.inference import Prediction

EXAMPLE = example(
    't2t run sst2 --set text="I loved it" --template all',
    "t2t run sst2 --input reviews.jsonl --output answers.jsonl --shots 2",
)


def run(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's name, or the path of a task file.")],
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="COLUMN=TEXT",
            help='A column of the row to ask; COLUMN:=JSON for a list, as in choices:=\'["a", "b"]\'.',
        ),
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input", exists=True, help="Rows to ask: .jsonl, .csv, .tsv or .parquet, also compressed."
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            dir_okay=False,
            help="Where the answers go, one JSON object a line; replaced if there.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the answers that a stopped run of this model left.")
    ] = False,
    template: Annotated[
        str | None, typer.Option(metavar="NAME|all", help="A template's name. Default: the first one.")
    ] = None,
    shots: Annotated[int, typer.Option(min=0, help="Demonstrations from the task file's examples.")] = 0,
    length_norm: LengthNormOption = "sum",
    max_new_tokens: MaxNewTokensOption = 64,
    tasks_dirs: TasksDirOption = None,
    seed: SeedOption = 0,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask a model one row of a task, or a file of rows. Its templates make prompts of them."""
    row = _row(values or [])
    _check_source_of_rows(bool(row), input_file, output_file, resume)
    from t2t.data.readers import read_rows
    from t2t.inference import Text2Text
    from t2t.inference.task_prompts import choose_templates, task_prompts
    from t2t.templates import read_task_file

    file = read_task_file(task, tasks_dirs=tasks_dirs or ())
    templates = choose_templates(file, template)

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        found = [row] if input_file is None else read_rows(input_file)
        return ((f"row:{index}", row) for index, row in enumerate(found))  # as `Text2Text.run` names them

    answered_by: dict[str, str | int | None] = {
        "model": _name(model or STARTER),
        "adapter": adapter and _name(adapter),
        "max_new_tokens": max_new_tokens,
    }
    kept = Kept()
    if output_file is not None and resume:
        questions = task_prompts(file, rows(), templates=templates, shots=shots, seed=seed)
        kept = read_kept(
            output_file, questions, len(templates), answered_by=answered_by, length_norm=length_norm
        )
    loaded = Text2Text.load(model, device=device, dtype=dtype, adapter=adapter)
    predictions: Iterator[Prediction] = loaded.run(
        file,
        islice(rows(), kept.num_rows, None),
        template=template,
        shots=shots,
        seed=seed,
        length_norm=length_norm,
        max_new_tokens=max_new_tokens,
    )
    if input_file is not None and output_file is not None:
        with progress_bar("asking", unit="rows", total=_num_rows(input_file)) as advance:
            advance(kept.num_rows)
            summary = write_answers(
                predictions, output_file, len(templates), kept, answered_by=answered_by, on_row=advance
            )
        if as_json:
            print_json({"task": file.task, "output": str(output_file), **summary})
        else:
            print(
                f"{output_file}: {summary['num_answers']:,} answers, {summary['num_truncated']:,} truncated"
            )
    elif as_json:
        print_json({"task": file.task, "predictions": [prediction_document(one) for one in predictions]})
    else:
        for prediction in predictions:
            print(f"--- {prediction.template} ---\n{prediction.source}\n")
            print_prediction(prediction)


def _name(place: str) -> str:
    """A folder or Hub id, however it was typed: ./mine and mine/ are mine."""
    return str(PurePosixPath(place))


def _row(values: Iterable[str]) -> dict[str, Any]:
    """The row that `--set` options spell out: `a=1` is the text "1", `a:=1` the number."""
    row: dict[str, Any] = {}
    for value in values:
        column, equals, text = value.partition("=")
        if not equals or not column.rstrip(":"):
            raise typer.BadParameter(f"--set takes COLUMN=TEXT or COLUMN:=JSON, not {value!r}")
        name = column.removesuffix(":")
        if name in row:
            raise typer.BadParameter(f'--set gives the column "{name}" twice')
        try:
            row[name] = json.loads(text) if column.endswith(":") else text
        except (ValueError, RecursionError) as error:  # also of a number that is too long for Python
            raise typer.BadParameter(f"--set {value}: what follows := is no JSON: {error}") from error
    return row


def _check_source_of_rows(
    has_row: bool, input_file: Path | None, output_file: Path | None, resume: bool
) -> None:
    if has_row == (input_file is not None):
        raise typer.BadParameter(
            "give either a row with --set COLUMN=TEXT or a file of rows with --input FILE"
        )
    if output_file is None:
        if resume:
            raise typer.BadParameter("--resume needs the --output of the run that was stopped")
        return
    if input_file is None:
        raise typer.BadParameter("--output is for the rows of an --input file")
    if output_file.suffix != ".jsonl":
        stem = Path(re.sub(r"\.(gz|bz2|xz|zst)$", "", output_file.name)).stem
        raise typer.BadParameter(f"--output writes JSON lines: name it {stem}.jsonl")
    if not output_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output_file.parent} for --output")
    partial = partial_file(output_file)
    if resume and output_file.exists() and not partial.exists():
        raise typer.BadParameter(f"nothing to go on with: {output_file} is complete")
    if not resume and partial.exists() and partial.stat().st_size:
        raise typer.BadParameter(
            f"answers of a run that was stopped are in {partial}: go on with --resume, or remove it"
        )
    if output_file.exists() and output_file.samefile(input_file):
        raise typer.BadParameter("--output is the --input file, and would replace its rows: name another one")


def _num_rows(path: Path) -> int:
    """Rows of a file, which also finds a corrupt one before the model is asked."""
    from t2t.data.readers import read_rows

    return sum(1 for _ in read_rows(path))
