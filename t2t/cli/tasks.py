"""`t2t tasks`: which tasks there are."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t.cli.options import DataRootOption, JsonOption, TasksDirOption, example
from t2t.cli.output import counted, print_json, print_table

if TYPE_CHECKING:
    from t2t.data.task import Task

EXAMPLE = example("t2t tasks --cluster nli")


def tasks(
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the tasks of this cluster.")
    ] = None,
    data_root: DataRootOption = None,
    tasks_dirs: TasksDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tasks that come with t2t, and your own."""
    from t2t.data.task import Task
    from t2t.errors import TaskNotFoundError, did_you_mean
    from t2t.templates import find_task_files, task_folders
    from t2t.templates.check import try_to_read

    files = find_task_files(*task_folders(tasks_dirs or ()))
    found, folders, num_faulty = [], [], 0
    for path in files.values():
        file, faults = try_to_read(path)
        if file is None:
            num_faulty += 1
            print(f"left out: {path} has {counted(len(faults), 'fault')}, see t2t check", file=sys.stderr)
        else:
            found.append(Task(file, data_root=data_root))
            folders.append(path.parent.name)
    if cluster is not None:
        clusters = sorted({task.cluster for task in found})
        found = [
            task for task, folder in zip(found, folders, strict=True) if cluster in (task.cluster, folder)
        ]
        if not found:
            raise TaskNotFoundError(
                f'no cluster of that name: "{cluster}"', have=clusters, mend=did_you_mean(cluster, clusters)
            )
    documents = [_document(task) for task in sorted(found, key=lambda task: (task.cluster, task.name))]
    counts = {
        "num_tasks": len(documents),
        "num_left_out": num_faulty,
        "num_clusters": len({document["cluster"] for document in documents}),
        "num_templates": sum(len(document["templates"]) for document in documents),
    }
    if as_json:
        print_json({**counts, "tasks": documents})
        return
    print_table(
        ("cluster", "task", "templates", "metrics", "local data", "description"),
        [
            (
                document["cluster"],
                document["task"],
                len(document["templates"]),
                ", ".join(document["metrics"]),
                ", ".join(document["local_splits"]) or "-",
                document["description"],
            )
            for document in documents
        ],
    )
    print("{num_tasks} tasks, {num_templates:,} templates, {num_clusters} clusters".format(**counts))


def _document(task: "Task") -> dict[str, Any]:
    file = task.file
    return {
        "task": file.task,
        "cluster": file.cluster,
        "description": file.description,
        "templates": [template.name for template in file.templates],
        "labels": file.labels,
        "metrics": file.metrics,
        "languages": file.languages,
        "local_splits": task.splits(),
    }
