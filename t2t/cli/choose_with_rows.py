"""The tasks that a command line names, and of a cluster or pattern those that have rows."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from t2t.data.task import Task


def choose_with_rows(
    names: Sequence[str],
    has_rows: "Callable[[Task], bool]",
    *,
    rows: str,
    data_root: Path | None,
    tasks_dirs: Sequence[Path],
) -> "list[Task]":
    """The tasks of these names, each once; of a cluster or pattern those with rows. stderr tells the others.

    The one task of a name stays in any case: reading it tells which places were tried.

    Args:
        has_rows: whether a task has the rows that are wanted.
        rows: what messages call those, such as "training rows".
    Raises: TaskNotFoundError; MissingDataError for a name of several tasks none of which has rows.
    """
    from t2t.data.task import Task
    from t2t.errors import MissingDataError, first_few
    from t2t.templates.library import choose_task_files

    chosen: dict[Path, Task] = {}
    left_out: dict[Path, Task] = {}
    for name in names:
        files = choose_task_files([name], tasks_dirs=tasks_dirs)
        found = {path.resolve(): Task.load(path, data_root=data_root) for path in files}
        kept = {path: task for path, task in found.items() if len(found) == 1 or has_rows(task)}
        if not kept:
            raise MissingDataError(
                f'no task of "{name}" has {rows}',
                mend="name the folder of local data sets with --data-root or T2T_DATA",
            )
        chosen.update(kept)
        left_out.update(found)
    if more := [task.name for path, task in left_out.items() if path not in chosen]:
        print(f"left out, without {rows}: {first_few(more)}", file=sys.stderr)
    return list(chosen.values())
