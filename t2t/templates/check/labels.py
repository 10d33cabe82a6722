"""Labels: a model can give each of them, and none of them stands in the source for it to copy."""

from collections.abc import Iterator, Sequence
from typing import Any

from t2t.errors import T2TError, TemplateError
from t2t.templates.check.choices import MIN_ROWS, MOST, is_named, words_of
from t2t.templates.check.trials import QUOTE, Trial, is_example
from t2t.templates.task_file import TaskFile

MIN_LABELLED = 10  # rows, to tell a source that shows its label from one that happens to
FEW = 0.5  # of the rows


def check_labels(file: TaskFile, trials: Sequence[Trial]) -> Iterator[T2TError]:
    """Every label has an answer and every fixed choice a label; no source shows the answer."""
    yield from _check_types(file, trials)
    for trial in trials:
        yield from _check_reachable(file, trial)
        shown = list(_check_shown(file, trial))
        yield from shown or _check_told(file, trial)


def _check_reachable(file: TaskFile, trial: Trial) -> Iterator[T2TError]:
    """With each label in its place, a row renders; and each fixed choice is the answer to some label."""
    template, choices = trial.template, trial.template.answer_choices
    reads = set(trial.columns("target")) - {"answer_choices"}
    if file.labels is None or choices is None or not trial.contexts or trial.has_failed or not reads:
        return
    if not reads <= file.label_names:
        return
    where = file.location("templates", trial.index, "answer_choices")
    answers = set()
    for index, label in enumerate(file.labels):
        row: dict[str, Any] = {**trial.contexts[0], file.label_column: label}
        try:
            answers.add(template.render({**row, "label": index, "label_name": label}).target)
        except T2TError as fault:
            problem = f'template "{template.name}" cannot answer "{label}": {fault.problem}'
            mend = "give one choice for each label, in their order"
            yield TemplateError(problem, where=where, have=file.labels, mend=mend)
            return
    if isinstance(choices, tuple):
        for choice in trial.rendered[0].answer_choices or ():
            if choice not in answers:
                problem = f'template "{template.name}" has an answer choice that no label gives: "{choice}"'
                mend = "leave the choice out, or let the target give it"
                yield TemplateError(problem, where=where, have=sorted(answers), mend=mend)


def _check_shown(file: TaskFile, trial: Trial) -> Iterator[T2TError]:
    """The source reads a column that the target is made of."""
    template = trial.template
    target_columns, labels = set(trial.columns("target")), file.label_names
    # Choices are made of columns too, and a source may list them.
    answers = target_columns - set(trial.columns("answer_choices")) - {"answer_choices"}
    for name in trial.columns("source"):
        is_label = name in labels and not answers.isdisjoint(labels)
        if is_label or (name in answers and _is_answer(trial, name)):
            yield TemplateError(
                f'template "{template.name}" shows the answer in its source: "{name}"',
                where=file.location("templates", trial.index, "source"),
                mend=f'leave "{name}" out of the source',
            )


def _is_answer(trial: Trial, column: str) -> bool:
    """Whether the target is the column, or an item of it, and stands in the source, in nearly every row."""
    shown = 0
    for context, one in zip(trial.contexts, trial.rendered, strict=True):
        value = context.get(column)
        items = [str(item).strip() for item in (value if isinstance(value, list) else [value])]
        is_whole = one.target.strip() in items
        shown += is_whole and is_named(one.target, one.source, words_of(one.source))
    return len(trial.rendered) >= MIN_ROWS and shown >= MOST * len(trial.rendered)


def _check_told(file: TaskFile, trial: Trial) -> Iterator[T2TError]:
    """Of the fixed choices, the source nearly always names the right one, and seldom another."""
    template = trial.template
    if not isinstance(template.answer_choices, tuple) or template.about.choices_in_source:
        return
    targets = {one.target for one in trial.rendered}
    if len(trial.rendered) < MIN_LABELLED or len(targets) < 2:
        return
    right = wrong = 0
    for one in trial.rendered:
        words = words_of(one.source)
        right += is_named(one.target, one.source, words)
        wrong += any(is_named(other, one.source, words) for other in targets - {one.target})
    if right >= MOST * len(trial.rendered) and wrong <= FEW * len(trial.rendered):
        columns = [name for name in trial.columns("source") if _tells(trial, name)]
        yield TemplateError(
            f'template "{template.name}" shows the answer in its source: it names the right choice in'
            f" {right} of {len(trial.rendered)} rows, and another in {wrong}",
            where=file.location("templates", trial.index, "source"),
            mend=f"leave out what tells it: {', '.join(columns)}" if columns else "leave out what tells it",
        )


def _tells(trial: Trial, column: str) -> bool:
    """Whether the column names the target in nearly every row."""
    named = 0
    for context, one in zip(trial.contexts, trial.rendered, strict=True):
        text = str(context.get(column))
        named += is_named(one.target, text, words_of(text))
    return named >= MOST * len(trial.rendered)


def _check_types(file: TaskFile, trials: Sequence[Trial]) -> Iterator[T2TError]:
    """A word in the data is a word in the examples: YAML makes true, 3 and null of what looks like them."""
    pairs = [
        (one.example_id, context)
        for trial in trials[:1]
        for context, one in zip(trial.contexts, trial.rendered, strict=True)
    ]
    data = [context for example_id, context in pairs if not is_example(example_id)]
    for example_id, context in pairs:
        if not is_example(example_id):
            continue
        for column, value in context.items():
            if isinstance(value, bool | int | float) and column not in file.label_names:
                others = [row[column] for row in data if row.get(column) is not None]
                if others and all(isinstance(other, str) for other in others):
                    yield TemplateError(
                        f'an example has a word that YAML reads as {_yaml_text(value)}: "{column}"',
                        where=file.location("examples", int(example_id.partition(":")[2]), column),
                        mend=QUOTE,
                    )


def _yaml_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
