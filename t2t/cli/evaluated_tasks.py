"""The tasks that the option `--tasks` names for scoring, or to look for in training data."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2t.data.task import Task


def split_list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def evaluated_tasks(
    names: Sequence[str], *, data_root: Path | None, tasks_dirs: Sequence[Path], split: str | None = None
) -> "list[Task]":
    """The tasks of these names, each once; of a cluster or pattern those with rows here.

    The others are told. If none of a name's tasks has rows here all are taken: the Hub may have them.

    Args:
        split: the rows that count; None counts those of every split but train.
    """
    from t2t.data.task import Task
    from t2t.templates.library import choose_task_files

    found: dict[Path, Task] = {}
    left_out: dict[str, None] = {}
    for name in names:
        files = choose_task_files([name], tasks_dirs=tasks_dirs)
        chosen = {path: Task.load(path, data_root=data_root) for path in files}
        with_rows = {path: task for path, task in chosen.items() if evaluation_splits(task, split)} or chosen
        left_out.update((task.name, None) for path, task in chosen.items() if path not in with_rows)
        found.update(with_rows)
    if left_out:
        rows = f"{split} rows" if split else "validation or test rows"
        print(f"left out, without {rows} on this machine: {', '.join(left_out)}", file=sys.stderr)
    return list(found.values())


def evaluation_splits(task: "Task", split: str | None = None) -> list[str]:
    """The splits of a task that are here, but for train; or the one that is asked for."""
    return [name for name in task.splits() if (name == split if split else name != "train")]
