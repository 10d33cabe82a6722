"""Find task files: every `<cluster>/<task>.yaml` under the folders of tasks.

Several folders may hold tasks: the one that comes with t2t, and a user's own (`--tasks-dir`). A file's name
is its task's name, so finding opens no file.
"""

from collections.abc import Iterable
from pathlib import Path

from t2t.errors import Location, T2TError, TaskFileError, TaskNotFoundError, did_you_mean, raise_faults
from t2t.resources import task_templates_dir
from t2t.templates.task_file import TaskFile


def find_task_files(*folders: str | Path) -> dict[str, Path]:
    """Task name -> file, sorted by name.

    Args:
        folders: searched with all their subfolders; without any, the tasks that come with t2t.
    Raises: TaskNotFoundError for a folder that is not there; TaskFileError or Faults for names that two files
        share.
    """
    found: dict[str, Path] = {}
    faults: list[T2TError] = []
    for folder in _folders(folders):
        if not folder.is_dir():
            raise TaskNotFoundError(f"no such folder of tasks: {folder}")
        for path in sorted(folder.rglob("*.yaml")):
            first = found.setdefault(path.stem, path)
            if not first.samefile(path):
                problem = f'two files define the task "{path.stem}"'
                faults.append(
                    TaskFileError(problem, where=Location(path), have=[first], mend="rename one of them")
                )
    raise_faults(faults)
    return dict(sorted(found.items()))


def read_task_file(name_or_path: str | Path, *, folders: Iterable[str | Path] = ()) -> TaskFile:
    """Read a task by its name, or by the path of its file.

    Anything with a folder in it or with the ending `.yaml` is a path.

    Raises: TaskNotFoundError with the nearest name; TaskFileError, TemplateError or Faults where the file is
        malformed.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise TaskNotFoundError(f"no such task file: {path}")
        return TaskFile.read(path)
    files = find_task_files(*folders)
    if str(name_or_path) not in files:
        raise TaskNotFoundError(
            f'no task of that name: "{name_or_path}"', have=files, mend=did_you_mean(str(name_or_path), files)
        )
    return TaskFile.read(files[str(name_or_path)])


def _folders(folders: Iterable[str | Path]) -> list[Path]:
    if folders:
        return [Path(folder) for folder in folders]
    return [task_templates_dir()]
