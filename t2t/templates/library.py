"""Find task files: every `<task>.yaml` (or `.yml`) under the folders of tasks, at any depth.

Several folders may hold tasks: the one that comes with t2t, those that the environment variable T2T_TASKS
lists (separated as in PATH), and those that a caller names (`--tasks-dir`). A file's name is its task's name,
so finding opens no file; two files of one name are an error. A name that starts with _ is no task but what
tasks include, and one that starts with a dot is an editor's.
"""

import os
from collections.abc import Container, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from t2t.errors import Location, T2TError, TaskFileError, TaskNotFoundError, did_you_mean, raise_faults
from t2t.resources import task_templates_dir
from t2t.templates.task_file import TaskFile

TASKS_VARIABLE = "T2T_TASKS"
SUFFIXES = (".yaml", ".yml")


def task_folders(tasks_dirs: Iterable[str | Path] = ()) -> tuple[Path, ...]:
    """Where tasks are looked for: the shipped folder, those of T2T_TASKS, and `tasks_dirs`."""
    listed = os.environ.get(TASKS_VARIABLE, "").split(os.pathsep)
    return (task_templates_dir(), *(Path(folder) for folder in (*filter(None, listed), *tasks_dirs)))


def find_task_files(*folders: str | Path) -> dict[str, Path]:
    """Task name -> file, sorted by name.

    Args:
        folders: searched with all their subfolders; without any, those of `task_folders`.
    Raises: TaskNotFoundError for a folder that is not there; TaskFileError or Faults for names that two files
        share.
    """
    found: dict[str, Path] = {}
    faults: list[T2TError] = []
    for folder in map(Path, folders or task_folders()):
        if not folder.is_dir():
            raise TaskNotFoundError(f"no such folder of tasks: {folder}")
        for path in task_files_under(folder):
            first = found.setdefault(path.stem, path)
            if not first.samefile(path):
                problem = f'two files define the task "{path.stem}"'
                faults.append(
                    TaskFileError(problem, where=Location(path), have=[first], mend="rename one of them")
                )
    raise_faults(faults)
    return dict(sorted(found.items()))


def task_files_under(folder: Path) -> list[Path]:
    """The task files of one folder and its subfolders, in order of their paths; hidden ones are left out."""
    found = (path for suffix in SUFFIXES for path in folder.rglob(f"*{suffix}"))
    return sorted(
        path
        for path in found
        if not path.name.startswith("_")
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def choose_task_files(
    names: Iterable[str | Path], *, tasks_dirs: Iterable[str | Path] = (), leave_out: Container[str] = ()
) -> list[Path]:
    """The files of tasks that are named one by one, by cluster, or by a pattern; each once, in this order.

        sst2                the task
        my_tasks/mood.yaml  the file
        nli                 every task of the cluster, see `clusters_of`
        text2sql_*  *       every task whose name fits, in the shell's way

    Args:
        leave_out: tasks and clusters that a cluster or a pattern does not bring in; what is named itself
            comes all the same.
    Raises: TaskNotFoundError for a name or a pattern that fits nothing, with the nearest name.
    """
    files = find_task_files(*task_folders(tasks_dirs))
    clusters = cache(clusters_of)
    chosen: list[Path] = []
    for name in map(str, names):
        if name in files or _is_path(name):
            chosen.append(_task_path(name, files))
            continue
        found = [path for task, path in files.items() if fnmatchcase(task, name) or name in clusters(path)]
        if not found:
            known = [*files, *(cluster for path in files.values() for cluster in clusters(path))]
            raise TaskNotFoundError(
                f'no task, cluster or pattern of tasks: "{name}"',
                mend=did_you_mean(name, known) or "t2t tasks lists them all",
            )
        chosen += [
            path for path in found if not any(key in leave_out for key in (path.stem, *clusters(path)))
        ]
    first = {path.resolve(): path for path in reversed(chosen)}  # one file may be named in several ways
    return [path for path in dict.fromkeys(chosen) if first[path.resolve()] == path]


def clusters_of(path: Path) -> set[str]:
    """The clusters that a task file is in: its folder, and the one that it names itself.

    These are the same for what ships with t2t. In a folder of one's own a file may name another one.
    """
    folder = path.parent.name
    if path.is_relative_to(task_templates_dir()):
        return {folder}
    return {folder, TaskFile.read_cluster(path) or folder}


def read_task_file(name_or_path: str | Path, *, tasks_dirs: Iterable[str | Path] = ()) -> TaskFile:
    """Read a task by its name, or by the path of its file.

    Anything with a folder in it or with the ending `.yaml` is a path.

    Raises: TaskNotFoundError with the nearest name; TaskFileError, TemplateError or Faults where the file is
        malformed.
    """
    name = str(name_or_path)
    files = {} if _is_path(name) else find_task_files(*task_folders(tasks_dirs))
    return TaskFile.read(_task_path(name, files))


def _is_path(name: str) -> bool:
    return Path(name).suffix in SUFFIXES or len(Path(name).parts) > 1


def _task_path(name: str, files: Mapping[str, Path]) -> Path:
    if _is_path(name):
        if not Path(name).is_file():
            raise TaskNotFoundError(f"no such task file: {name}")
        return Path(name)
    if name not in files:
        # Not `have`: two hundred names would hide the one that was meant.
        raise TaskNotFoundError(
            f'no task of that name: "{name}"', mend=did_you_mean(name, files) or "t2t tasks lists them all"
        )
    return files[name]
