"""`t2t show`: a task, and what its templates make of a row."""

import shutil
import sys
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t.cli.options import DataRootOption, JsonOption, ModelOption, TasksDirOption, example
from t2t.cli.output import print_json, print_rich

if TYPE_CHECKING:
    from t2t.templates import RenderedExample
    from t2t.tokens import TokenCounter

EXAMPLE = example("t2t show rte --row 1")
MIN_WIDTH = 60  # columns; below, source and target stand one under the other


def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's name, or the path of a task file.")],
    template: Annotated[str | None, typer.Option(metavar="NAME", help="Only this template.")] = None,
    row: Annotated[int, typer.Option(min=0, help="Which row of the split, from 0.")] = 0,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="train, validation, test or examples. Default: the task file's own examples, else its data.",
        ),
    ] = None,
    model: ModelOption = None,
    data_root: DataRootOption = None,
    tasks_dirs: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the templates of a task rendered on one row. With each, the tokens that a model reads."""
    from t2t.data.task import EXAMPLES, Task
    from t2t.errors import DataError, T2TError
    from t2t.tokens import TokenCounter

    loaded = Task.load(task, data_root=data_root, tasks_dirs=tasks_dirs or ())
    if split is None:
        split = EXAMPLES if loaded.file.examples else next(iter(loaded.splits()), EXAMPLES)
    templates = loaded.templates if template is None else (loaded.file.template(template),)
    rows = list(loaded.rows(split, limit=row + 1))
    if len(rows) <= row:
        raise DataError(
            f'split "{split}" of task "{loaded.name}" has no row {row}: it has {len(rows)}',
            mend=None if rows else "write rows under examples:, or name a split of the data with --split",
        )
    counter = TokenCounter.load(model)
    example_id, context = rows[row]
    shown: list[dict[str, Any]] = []
    failed: list[T2TError] = []
    for each in templates:
        try:
            render = each.render if loaded.file.has_target(each, context) else each.render_source
            shown.append(_document(render(context), counter))
        except T2TError as fault:  # the others help to see why
            failed.append(fault)
            shown.append({"template": each.name, "error": str(fault)})
    if as_json:
        print_json(
            {
                "task": loaded.name,
                "cluster": loaded.cluster,
                "description": loaded.file.description,
                "model": counter.name,
                "example_id": example_id,
                "row": _as_json(context),
                "templates": shown,
            }
        )
    else:
        print(f"{loaded.name} ({loaded.cluster}): {loaded.file.description}")
        print(f'row {example_id}, tokens of "{counter.name}"')
        if failed:  # what the row holds tells why
            print(*(f"  {name}: {value!r}" for name, value in context.items()), sep="\n")
        for one in shown:
            _print_template(one)
    if failed:
        raise typer.Exit(1)


def _document(one: "RenderedExample", counter: "TokenCounter") -> dict[str, Any]:
    """An example for printing; target and its tokens are None where the row has no label."""
    return {
        "template": one.template,
        "source": one.source,
        "target": one.target or None,
        "answer_choices": one.answer_choices,
        "references": one.references,
        "num_source_tokens": counter.count([one.source])[0],
        "num_target_tokens": counter.count([one.target], are_targets=True)[0] if one.target else None,
    }


def _as_json(value: Any) -> Any:
    """The value as JSON can hold it: a date, a decimal or NaN of a Parquet file becomes its text."""
    if isinstance(value, Mapping):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    is_plain = value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
    return value if is_plain else str(value)


def _print_template(one: Mapping[str, Any]) -> None:
    """Source and target side by side on a terminal; one under the other where that is narrow, or a pipe."""
    print(f"\n--- {one['template']} ---")
    if "error" in one:
        print(one["error"])
        return
    target = one["target"] or "none, for the row has no label"
    tokens = f", {one['num_target_tokens']} tokens" if one["target"] else ""
    heads = (f"source, {one['num_source_tokens']} tokens", f"target{tokens}")
    choices = "" if one["answer_choices"] is None else f"choices: {' | '.join(one['answer_choices'])}"
    if sys.stdout.isatty() and shutil.get_terminal_size().columns >= MIN_WIDTH:
        from rich.box import MINIMAL
        from rich.table import Column, Table

        columns = [Column(head, ratio=r, overflow="fold") for head, r in zip(heads, (7, 3), strict=True)]
        table = Table(*columns, box=MINIMAL, expand=True, show_edge=False, pad_edge=False)
        table.add_row(one["source"], "\n\n".join(filter(None, [target, choices])))
        print_rich(table)
    else:
        print(f"[{heads[0]}]\n{one['source']}\n[{heads[1]}]\n{target}")
        if choices:
            print(f"[{choices}]")
