"""`t2t show`: a task, and what its templates make of a row."""

from typing import Annotated

import typer

from t2t.cli.options import DataRootOption, JsonOption, example
from t2t.cli.output import print_json

EXAMPLE = example("t2t show rte --row 1")


def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task's name, or the path of a task file.")],
    template: Annotated[str | None, typer.Option(metavar="NAME", help="Only this template.")] = None,
    row: Annotated[int, typer.Option(min=0, help="Which row of the split, from 0.")] = 0,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="train, validation, test, or the task file's own examples.")
    ] = "examples",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every template of a task rendered on one row."""
    from t2t.data.task import Task
    from t2t.errors import DataError

    loaded = Task.load(task, data_root=data_root)
    templates = loaded.templates if template is None else (loaded.file.template(template),)
    rows = list(loaded.rows(split, limit=row + 1))
    if len(rows) <= row:
        raise DataError(f'split "{split}" of task "{loaded.name}" has no row {row}: it has {len(rows)}')
    example_id, context = rows[row]
    rendered = [each.render(context, example_id=example_id) for each in templates]
    if as_json:
        print_json(
            {
                "task": loaded.name,
                "cluster": loaded.cluster,
                "description": loaded.file.description,
                "example_id": example_id,
                "row": context,
                "templates": [
                    {
                        "template": one.template,
                        "source": one.source,
                        "target": one.target,
                        "answer_choices": one.answer_choices,
                        "references": one.references,
                    }
                    for one in rendered
                ],
            }
        )
        return
    print(f"{loaded.name} ({loaded.cluster}): {loaded.file.description}\nrow {example_id}")
    for one in rendered:
        print(f"\n--- {one.template} ---\n{one.source}\n=> {one.target}")
        if one.answer_choices is not None:
            print(f"   choices: {' | '.join(one.answer_choices)}")
