"""Check a task file beyond what reading it needs: is every template sound, on every row we can try it on?"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from t2t.errors import Faults, T2TError, TaskFileError, TemplateError
from t2t.resources import task_templates_dir
from t2t.templates.task_file import TaskFile

MIN_TEMPLATES = 3  # the spread between wordings is half of what an evaluation tells
MIN_EXAMPLES = 3  # so that the UI has something to show, and demonstrations need no dataset


def check_task_file(path: str | Path, rows: Iterable[Mapping[str, Any]] | None = None) -> list[T2TError]:
    """Every fault of a task file; none is raised.

    Args:
        rows: rows of the dataset, as it holds them, to render besides the file's own examples.
    """
    try:
        file = TaskFile.read(path)
    except Faults as failure:
        return list(failure.faults)
    except T2TError as failure:
        return [failure]
    found = [*_check_place(file, Path(path)), *_check_counts(file), *_check_wordings(file)]
    found += _check_rows(file, [*file.examples, *(rows or ())])
    # A template that fails on one row mostly fails on the next: each fault is told once.
    return list({(fault.problem, fault.where): fault for fault in reversed(found)}.values())[::-1]


def _check_place(file: TaskFile, path: Path) -> Iterator[T2TError]:
    stem, folder = path.stem, path.resolve().parent.name
    if file.task != stem:
        problem = f'the task is called "{file.task}" and its file "{path.name}"'
        mend = f"rename the file to {file.task}.yaml, or write task: {stem}"
        yield TaskFileError(problem, where=file.location("task"), mend=mend)
    is_shipped = path.resolve().is_relative_to(task_templates_dir().resolve())
    if is_shipped and file.cluster != folder:  # a file of a user's own may lie anywhere
        problem = f'the cluster is called "{file.cluster}" and the folder "{folder}"'
        mend = f"move the file to {file.cluster}/, or write cluster: {folder}"
        yield TaskFileError(problem, where=file.location("cluster"), mend=mend)


def _check_counts(file: TaskFile) -> Iterator[T2TError]:
    for key, values, minimum in (
        ("templates", file.templates, MIN_TEMPLATES),
        ("examples", file.examples, MIN_EXAMPLES),
    ):
        if len(values) < minimum:
            problem = f"too few {key}: {len(values)}, and at least {minimum} are needed"
            yield TaskFileError(problem, where=file.location(key), mend=f"write {minimum - len(values)} more")


def _check_wordings(file: TaskFile) -> Iterator[T2TError]:
    first: dict[tuple[str, str], str] = {}
    for index, template in enumerate(file.templates):
        wording = (" ".join(template.source.split()), " ".join(template.target.split()))
        earlier = first.setdefault(wording, template.name)
        if earlier != template.name:
            problem = f'template "{template.name}" has the wording of template "{earlier}"'
            yield TemplateError(problem, where=file.location("templates", index, "source"))
        for key, text in (("source", template.source), ("target", template.target)):
            if text != text.rstrip():  # a model would have to learn, or to write, an empty line
                problem = f'template "{template.name}" has a {key} that ends in white space'
                where = file.location("templates", index, key)
                yield TemplateError(problem, where=where, mend="write |- for |")


def _check_rows(file: TaskFile, rows: Iterable[Mapping[str, Any]]) -> Iterator[T2TError]:
    contexts = []
    for row in rows:
        try:
            contexts.append(file.context(row))
        except T2TError as fault:
            yield fault
    if not contexts:
        return
    columns = set().union(*contexts)
    for template in file.templates:
        yield from template.missing_columns(columns)
        for context in contexts:
            try:
                template.render(context)
            except T2TError as fault:
                yield fault
