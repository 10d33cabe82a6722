"""What an evaluation asks: the rows of a labelled split, rendered by templates, with demonstrations in front.

A sample of rows is drawn at random with a fixed seed, never from the top: many data sets are sorted by label.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from t2t.data.task import EXAMPLES, Task
from t2t.errors import EvaluationError, HiddenLabelError, MissingDataError, T2TError, TemplateError
from t2t.templates.few_shot import choose_demonstrations, with_demonstrations, without_query
from t2t.templates.filters import MADE
from t2t.templates.task_file import is_hidden
from t2t.templates.template import RenderedExample, Template

T = TypeVar("T")
Row = tuple[str, dict[str, Any]]  # example id and context, as Task.rows gives them

ALL = "all"
LABELLED_FIRST = ("test", "validation")  # the order in which a split is looked for
POOL_SIZE = 1000  # training rows to draw demonstrations from; rendering all of a big split takes longer
SAMPLE_SEED = 0  # the same rows for every model, template and seed, so that scores can be compared


@dataclass(frozen=True)
class Questions:
    """The rows of one task that are asked, and the ways of asking them.

    Attributes:
        rows: pairs (example id, context), in the order of the split.
        pool: rows that demonstrations are drawn from; empty where no shots are asked for.
        pool_split: the split they are from, None where there is no pool.
    """

    task: Task
    split: str
    rows: tuple[Row, ...]
    templates: tuple[Template, ...]
    pool: tuple[Row, ...]
    pool_split: str | None

    @classmethod
    def prepare(
        cls,
        task: Task,
        *,
        templates: str | Sequence[str] = ALL,
        split: str | None = None,
        limit: int | None = None,
        with_pool: bool = False,
    ) -> "Questions":
        """Choose split, rows and templates, and read the rows.

        Args:
            templates: names, or "all" for every template that asks the original task.
            split: None takes test where it is labelled, else validation.
            limit: how many rows to sample at random; None takes all.
            with_pool: read rows to draw demonstrations from too.
        Raises: MissingDataError, CorruptRowError; TemplateError for an unknown template; EvaluationError if
            there are no labelled rows.
        """
        split = split or labelled_split(task)
        rows = sample(task.rows(split), limit)
        if not rows:
            raise EvaluationError(f'split "{split}" of task "{task.name}" has no rows')
        pool, pool_split = _demonstration_pool(task) if with_pool else ((), None)
        return cls(task, split, rows, _choose_templates(task, templates), pool, pool_split)

    def examples(self, template: Template) -> list[RenderedExample]:
        """The rows through a template, without demonstrations.

        Raises: TemplateError for a row that does not render.
        """
        return [template.render(row, example_id=example_id) for example_id, row in self.rows]

    def check(self, *, shots: int) -> None:
        """Render every row by every template once, with as many demonstrations as it will ever have.

        Raises: TemplateError for a row that does not render, DataError where there are fewer than shots.
        """
        for template in self.templates:
            self.with_shots(self.examples(template), template, shots=shots, seed=0)

    def with_shots(
        self, examples: Sequence[RenderedExample], template: Template, *, shots: int, seed: int
    ) -> list[RenderedExample]:
        """The examples with demonstrations of the same template in front; as they are for no shots.

        Raises: DataError where there are fewer rows than shots.
        """
        if shots == 0:
            return list(examples)
        pool = [template.render(row, example_id=example_id) for example_id, row in self.pool]
        return [
            with_demonstrations(
                example,
                choose_demonstrations(
                    # A row may stand in both splits, and the examples of a task file may be rows of its data.
                    without_query(pool, example),
                    example_id=example.example_id,
                    shots=shots,
                    seed=seed,
                ),
            )
            for example in examples
        ]


def labelled_split(task: Task) -> str:
    """The first of test and validation whose first row has an answer.

    A split that is not there, or whose first row's answer is not told, is passed over, and no other fault:
    a test split with a mistake in it must be mended, not swapped for another split unseen.

    Raises: MissingDataError where neither is there, EvaluationError where neither is labelled; DataError or
        TemplateError for a split that cannot be found or read, or whose first row does not render.
    """
    failures: list[T2TError] = []
    for split in LABELLED_FIRST:
        try:
            for example_id, row in task.rows(split, limit=1):
                _check_answer(task.templates[0], row, example_id)
                return split
        except (MissingDataError, HiddenLabelError, _NoAnswerError) as failure:
            failures.append(failure)
    if all(isinstance(failure, MissingDataError) for failure in failures) and failures:
        raise failures[0]
    raise EvaluationError(
        f'task "{task.name}" has no labelled {" or ".join(LABELLED_FIRST)} split: '
        + "; ".join(failure.problem for failure in failures),
        mend="name a labelled split",
    )


class _NoAnswerError(EvaluationError):
    """A row has a source but no target, since a column that the target reads is missing or blank."""


def _check_answer(template: Template, row: Mapping[str, Any], example_id: str) -> None:
    template.render_source(row, example_id=example_id)
    try:
        template.render(row, example_id=example_id)
    except TemplateError as fault:
        read = {
            name
            for program in template.programs("target")
            for name in program.columns.keys() - program.optional - MADE
        }
        if any(name not in row or _is_blank(row[name]) for name in read):
            raise _NoAnswerError(fault.problem) from fault
        raise


def _is_blank(value: object) -> bool:
    """Whether a column's value tells nothing: null, blank, -1, or a list or mapping of such values alone."""
    if isinstance(value, Mapping):
        return all(map(_is_blank, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_blank, value))
    return value is None or (isinstance(value, str) and not value.strip()) or is_hidden(value)


def sample(items: Iterable[T], size: int | None) -> tuple[T, ...]:
    """At most `size` items at random, in their order, reading each once (reservoir sampling).

    >>> len(sample(range(100), 3)), sample("abc", 5)
    (3, ('a', 'b', 'c'))
    """
    if size is None:
        return tuple(items)
    rng = random.Random(SAMPLE_SEED)
    kept: list[tuple[int, T]] = []
    for index, item in enumerate(items):
        if index < size:
            kept.append((index, item))
        elif (place := rng.randrange(index + 1)) < size:
            kept[place] = (index, item)
    return tuple(item for _, item in sorted(kept, key=lambda pair: pair[0]))


def _demonstration_pool(task: Task) -> tuple[tuple[Row, ...], str]:
    """Training rows, or the task file's own examples where there are none."""
    try:
        return sample(task.rows("train"), POOL_SIZE), "train"
    except MissingDataError:
        return tuple(task.rows(EXAMPLES)), EXAMPLES


def _choose_templates(task: Task, names: str | Sequence[str]) -> tuple[Template, ...]:
    if names != ALL:
        return tuple(task.file.template(name) for name in ([names] if isinstance(names, str) else names))
    original = tuple(template for template in task.templates if template.about.original_task)
    if not original:
        raise EvaluationError(
            f'no template of task "{task.name}" asks the original task',
            have=[template.name for template in task.templates],
            mend="name the templates to evaluate",
        )
    return original
