"""The tasks that a command line names, and of a cluster or pattern those that have rows."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2t.data.task import Task

_NUM_NAMED = 10  # tasks that a message names


def choose_with_rows(
    names: Sequence[str],
    *,
    data_root: Path | None,
    tasks_dirs: Sequence[Path],
    split: str | None = None,
    from_hub: bool = False,
) -> "list[Task]":
    """The tasks of these names, each once; of a cluster or pattern those with rows. stderr tells the others.

    Args:
        split: whose rows count; None counts those of any split but train.
        from_hub: rows count, too, that the task file says the Hub has, where there are none of the task here.
    Raises: TaskNotFoundError; MissingDataError if no task of a cluster or pattern has rows.
    """
    from t2t.data.task import Task
    from t2t.errors import MissingDataError
    from t2t.templates.library import choose_task_files

    what = f"{split} rows" if split else "rows to evaluate"
    found: dict[Path, Task] = {}
    left_out: dict[Path, Task] = {}
    for name in names:
        files = choose_task_files([name], tasks_dirs=tasks_dirs)
        chosen = {path.resolve(): Task.load(path, data_root=data_root) for path in files}
        with_rows = {
            path: task
            for path, task in chosen.items()
            if evaluation_splits(task.readable_splits() if from_hub else task.splits(), split)
        }
        if not with_rows and (len(chosen) > 1 or not from_hub):
            raise MissingDataError(
                f'"{name}" has no {what}' + ("" if from_hub else " on this machine"),
                mend="name the folder of local data sets with --data-root or T2T_DATA",
            )
        found.update(with_rows or chosen)  # a single task stays: reading it tells which places were tried
        left_out.update(chosen)
    if more := [task.name for path, task in left_out.items() if path not in found]:
        listed = ", ".join(
            [*more[:_NUM_NAMED], *([f"and {len(more) - _NUM_NAMED} more"] if more[_NUM_NAMED:] else [])]
        )
        print(f"left out, without {what}: {listed}", file=sys.stderr)
    return list(found.values())


def evaluation_splits(splits: Sequence[str], split: str | None = None) -> list[str]:
    """All but train; or the one that is asked for."""
    return [name for name in splits if (name == split if split else name != "train")]
