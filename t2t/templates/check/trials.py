"""Try each template on rows: what fails is a fault, and what comes out is what the other lints look at."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from t2t.errors import DataError, Location, T2TError, TaskFileError, did_you_mean
from t2t.templates.task_file import TaskFile
from t2t.templates.template import RenderedExample, Template

Row = Mapping[str, Any] | tuple[str, Mapping[str, Any]]
Context = Mapping[str, Any]
NO_SPLIT = "row"  # of rows that came without an id
QUOTE = "put it in quotes, so that YAML reads a word"


@dataclass(frozen=True)
class Trial:
    """A template and what it made of the rows that it can be rendered on.

    Attributes:
        index: its place in the file.
        contexts: the labelled rows as templates read them, the file's own examples first.
        rendered: what became of them, in the same order.
        has_failed: whether it failed on other rows, which has been told.
    """

    template: Template
    index: int
    contexts: tuple[Context, ...]
    rendered: tuple[RenderedExample, ...]
    has_failed: bool

    def columns(self, field: str) -> dict[str, int]:
        """The names that a field reads, each with the line of its text where it is read first."""
        programs = self.template.programs(field)
        return {name: line for program in reversed(programs) for name, line in program.columns.items()}


Lint = Callable[[TaskFile, Sequence[Trial]], Iterable[T2TError]]


def is_example(example_id: str) -> bool:
    """Whether a row is one of the task file's own examples."""
    return example_id.startswith("examples:")


def try_templates(file: TaskFile, rows: Iterable[Row]) -> tuple[list[T2TError], list[Trial]]:
    """Render every template on the file's examples and on `rows`; faults, and what was rendered."""
    faults, contexts = _contexts(file, rows)
    if not contexts:
        return faults, []
    # What the data lack is lacking, also where the examples have it.
    of_data = [context for example_id, context in contexts if not is_example(example_id)]
    columns = set().union(*(of_data or [context for _, context in contexts]))
    if file.labels is not None and file.label_column not in columns:
        faults.append(
            TaskFileError(
                f'no row has the label column "{file.label_column}"',
                where=file.location("label_column"),
                have=sorted(columns),
                mend=did_you_mean(file.label_column, columns) or "write label_column: and its name",
            )
        )
        columns |= {"label", "label_name"}  # said once, not again by every template
    for name, source in file.dataset.columns.items():
        if name not in columns:
            faults.append(
                TaskFileError(
                    f'no row has the column "{source}", which the task calls "{name}"',
                    where=file.location("dataset", "columns", name),
                    have=sorted(columns),
                    mend=did_you_mean(source, columns) or "write the name as the data have it",
                )
            )
            columns |= {name}
    trials = []
    for index, template in enumerate(file.templates):
        if missing := template.missing_columns(columns):
            faults += missing
            continue
        trial, failures = _try(file, template, index, contexts)
        trials.append(trial)
        faults += failures
    return faults, trials


def _contexts(file: TaskFile, rows: Iterable[Row]) -> tuple[list[T2TError], list[tuple[str, Context]]]:
    """Pairs (example id, row as templates read it), those of the file's examples first."""
    faults: list[T2TError] = []
    contexts: list[tuple[str, Context]] = []
    for index, example in enumerate(file.examples):
        try:
            contexts.append((f"examples:{index}", file.context(example)))
        except DataError as fault:
            where = file.location("examples", index, file.label_column)
            is_word = isinstance(example.get(file.label_column), str)
            mend = (fault.mend or "write one of these") if is_word else QUOTE
            faults.append(DataError(fault.problem, where=where, have=fault.have, mend=mend))
    for index, row in enumerate(rows):
        example_id, values = (f"{NO_SPLIT}:{index}", row) if isinstance(row, Mapping) else row
        try:
            contexts.append((example_id, file.context(values)))
        except DataError as fault:
            problem = f"{fault.problem} (in {example_id})"
            faults.append(DataError(problem, where=fault.where, have=fault.have, mend=fault.mend))
    by_place = {str(fault.where): fault for fault in reversed(faults)}  # the next row would say the same
    return list(by_place.values())[::-1], contexts


def _try(
    file: TaskFile, template: Template, index: int, contexts: Sequence[tuple[str, Context]]
) -> tuple[Trial, list[T2TError]]:
    failed: dict[Location | None, list[tuple[str, T2TError]]] = {}
    tried: list[Context] = []
    rendered: list[RenderedExample] = []
    for example_id, context in contexts:
        try:
            if file.has_target(template, context):
                # Without its id, which an error would begin with: one fault stands for several rows here.
                rendered.append(replace(template.render(context), example_id=example_id))
                tried.append(context)
            else:
                template.render_source(context)
        except T2TError as fault:
            failed.setdefault(fault.where, []).append((example_id, fault))
    faults = []
    for failures in failed.values():  # what fails on one row mostly fails on the next: it is told once
        example_id, first = failures[0]
        others = f" and {len(failures) - 1} more of {len(contexts)}" if len(failures) > 1 else ""
        problem = f"{first.problem} (in {example_id}{others})"
        mend = first.mend or _look_at(file, example_id)
        faults.append(type(first)(problem, where=first.where, have=first.have, mend=mend))
    return Trial(template, index, tuple(tried), tuple(rendered), has_failed=bool(failed)), faults


def _look_at(file: TaskFile, example_id: str) -> str | None:
    """Where a mend is not plain from the fault, the row may tell; None for a row of no split."""
    split, _, row = example_id.partition(":")
    if split == NO_SPLIT:
        return None
    return f"look at the row: t2t show {file.path or file.task} --split {split} --row {row}"
