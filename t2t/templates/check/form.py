"""What can be checked by looking at the file alone: its name and place, how much it holds, how texts end."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from t2t.errors import T2TError, TaskFileError, TemplateError
from t2t.resources import task_templates_dir
from t2t.templates.check.trials import Trial
from t2t.templates.task_file import TaskFile

MIN_TEMPLATES = 3  # the spread between wordings is half of what an evaluation tells
MIN_EXAMPLES = 3  # so that the UI has something to show, and demonstrations need no dataset
_ONE_BRACE = re.compile(r"\{\w+\}")  # how Python's own templates name what they show


def check_form(file: TaskFile, trials: Sequence[Trial]) -> Iterator[T2TError]:
    """Name and folder fit the file, there is enough in it, sources read a column, no text ends in space."""
    if file.path is not None:
        yield from _check_place(file, file.path)
        if _is_shipped(file.path):
            yield from _check_counts(file)
    for index, template in enumerate(file.templates):
        if not template.columns_shown and (file.labels is not None or _ONE_BRACE.search(template.source)):
            yield TemplateError(
                f'template "{template.name}" asks every row the same: its source reads no column',
                where=file.location("templates", index, "source"),
                mend="write a column as {{ text }}, with two braces on each side",
            )
        for key, text in (("source", template.source), ("target", template.target)):
            if text != text.rstrip():  # a model would have to learn, or to write, an empty line
                yield TemplateError(
                    f'template "{template.name}" has a {key} that ends in white space',
                    where=file.location("templates", index, key),
                    mend="take it away, or write |- for |",
                )


def _is_shipped(path: Path) -> bool:
    """Whether it comes with t2t; a file of a user's own may lie anywhere, and hold little."""
    return path.resolve().is_relative_to(task_templates_dir().resolve())


def _check_counts(file: TaskFile) -> Iterator[T2TError]:
    for key, values, minimum in (
        ("templates", file.templates, MIN_TEMPLATES),
        ("examples", file.examples, MIN_EXAMPLES),
    ):
        if len(values) < minimum:
            problem = f"too few {key}: {len(values)}, and at least {minimum} are needed"
            yield TaskFileError(problem, where=file.location(key), mend=f"write {minimum - len(values)} more")


def _check_place(file: TaskFile, path: Path) -> Iterator[T2TError]:
    stem, folder = path.stem, path.resolve().parent.name
    if file.task != stem:
        problem = f'the task is called "{file.task}" and its file "{path.name}"'
        mend = f"rename the file to {file.task}.yaml, or write task: {stem}"
        yield TaskFileError(problem, where=file.location("task"), mend=mend)
    if _is_shipped(path) and file.cluster != folder:
        problem = f'the cluster is called "{file.cluster}" and the folder "{folder}"'
        mend = f"move the file to {file.cluster}/, or write cluster: {folder}"
        yield TaskFileError(problem, where=file.location("cluster"), mend=mend)
