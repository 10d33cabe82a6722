"""What the page does when someone presses a button: plain functions, without Gradio.

They take the model and the plain values of the page, and give plain values back. A user's mistake is a
`t2t.T2TError`, which the page shows in place of an answer.

Terms: a *field* is a column of a row that the chosen template reads, shown as text for editing; a *query* is
the row that the model is asked about, with its template.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import t2t

LengthNorm = Literal["sum", "mean_token", "mean_byte"]
Folders = tuple[str | Path, ...]
GREEDY = 0.0  # the temperature that means no sampling
MAX_SAMPLES = 8  # sample rows of a task
MAX_CHOICE_LEN = 2000  # characters: what a model needs for one choice grows with the square of its length
FIRST_TASK = "sst2"


@dataclass(frozen=True)
class Settings:
    """How answers are scored and written.

    Attributes:
        length_norm: "sum", "mean_token" or "mean_byte", as in `Text2Text.rank`.
        max_new_tokens: at most so many are written.
        temperature: of sampling; 0 always writes the likeliest token.
    """

    length_norm: LengthNorm = "sum"
    max_new_tokens: int = 64
    temperature: float = GREEDY

    def decoding(self) -> dict[str, Any]:
        """The options of `Text2Text.generate`."""
        temperature = None if self.temperature == GREEDY else self.temperature
        return {"max_new_tokens": int(self.max_new_tokens), "temperature": temperature}


@dataclass(frozen=True)
class Choice:
    """What is chosen on the task page: a template, and one of the task's sample rows by its place."""

    task: str
    template: str
    row: int = 0


@dataclass(frozen=True)
class Query:
    """A row for the model, as the user left it.

    Attributes:
        row: under the names that templates read.
        is_edited: it differs from the sample row, so its label may no longer hold.
    """

    file: t2t.TaskFile
    template: t2t.Template
    example_id: str
    row: dict[str, Any]
    is_edited: bool


@dataclass(frozen=True)
class Shots:
    """How many demonstrations stand before a query, and the seed that they are drawn with."""

    number: int = 0
    seed: int = 0


@dataclass(frozen=True)
class TaskAnswer:
    """A prediction with the right answers, and what it says.

    Attributes:
        references: none where the row was edited or has no label.
        label: of several templates' answers, the task's label that the template words like this; None where
            there is none, or more than one.
    """

    prediction: t2t.Prediction
    references: tuple[str, ...]
    label: str | None = None

    @property
    def is_correct(self) -> bool | None:
        """None where nobody knows: without a reference, or of a written text that is none of them."""
        if self.prediction.text in self.references:
            return True
        return False if self.references and self.prediction.choices is not None else None


def describe_model(model: t2t.Text2Text) -> str:
    """One line for the head of the page: `starter, 12.3 million parameters, cpu`."""
    number = model.model.num_parameters()
    size = f"{number / 1e6:.1f} million" if number < 1e9 else f"{number / 1e9:.1f} billion"
    return f"{model.name or 'unnamed model'}, {size} parameters, {model.model.device.type}"


def parse_choices(text: str) -> list[str] | None:
    """Answer choices from lines of text; None where there are none.

    >>> parse_choices(" positive \\n\\nnegative")
    ['positive', 'negative']

    Raises: T2TError for a single choice, and for one that is too long.
    """
    choices = [line.strip() for line in text.splitlines() if line.strip()]
    if len(choices) == 1:
        raise t2t.T2TError(
            f'"{choices[0]}" is the only answer choice, so there is nothing to choose',
            mend="write one choice on each line, or leave the box empty to let the model write freely",
        )
    check_lengths(choices)
    return choices or None


def check_lengths(choices: Iterable[str]) -> None:
    """Raises: T2TError for an answer choice that one machine for all visitors had better not read."""
    for choice in choices:
        if len(choice) > MAX_CHOICE_LEN:
            raise t2t.T2TError(
                f'the answer choice "{choice[:40]} ..." has {len(choice):,} characters, and may have '
                f"{MAX_CHOICE_LEN:,}",
                mend="shorten it, or break its line where another choice begins",
            )


def answer_prompt(model: t2t.Text2Text, prompt: str, choices: str, settings: Settings) -> t2t.Prediction:
    """Answer a typed prompt: rank its choices if there are lines of them, else write. Raises: T2TError."""
    if not prompt.strip():
        raise t2t.T2TError("the prompt is empty", mend="type a question, or pick one of the examples")
    parsed = parse_choices(choices)
    if parsed is None:
        return model(prompt, **settings.decoding())
    return model(prompt, choices=parsed, length_norm=settings.length_norm)


def list_tasks(folders: Folders) -> list[tuple[str, str]]:
    """Pairs ("nli / rte", "rte"), by cluster.

    Tasks of the last folder come first: a user's own are named after the shipped ones.

    Raises: T2TError if there are none.
    """
    files = t2t.find_task_files(*folders)
    if not files:
        raise t2t.T2TError(f"no task files under {', '.join(map(str, folders))}", mend="name another folder")
    rank = {name: -place for place, folder in enumerate(folders) for name in t2t.find_task_files(folder)}
    pairs = []
    for name, path in files.items():
        is_shipped = rank.get(name, 0) == 0  # then its folder names its cluster, and no file is opened
        cluster = path.parent.name if is_shipped else cluster_of(path, path.stat().st_mtime_ns)
        pairs.append((f"{cluster} / {name}", name))
    return sorted(pairs, key=lambda pair: (rank.get(pair[1], 0), pair))


@lru_cache(maxsize=10_000)
def cluster_of(path: Path, _changed: int) -> str:
    """What a task file says its cluster is, else its folder's name; read again once it has changed."""
    return t2t.TaskFile.read_cluster(path) or path.parent.name


def first_task(tasks: list[tuple[str, str]], folders: Folders) -> str:
    """The task that the page opens on: a user's own, else one that a newcomer understands at once."""
    names = [name for _, name in tasks]
    return names[0] if len(folders) > 1 or FIRST_TASK not in names else FIRST_TASK


def read_task(name: str, folders: Folders) -> t2t.TaskFile:
    """Read a task's file afresh, so that edits show without a restart. Raises: T2TError."""
    files = t2t.find_task_files(*folders)
    if name not in files:
        raise t2t.T2TError(f'there is no task "{name}" any more', mend="reload the page")
    file = t2t.TaskFile.read(files[name])
    if not sample_rows(file):
        raise t2t.T2TError(
            f'task "{name}" has no sample rows', mend="add three to five under examples: in its file"
        )
    return file


def sample_rows(file: t2t.TaskFile) -> list[tuple[str, dict[str, Any]]]:
    """The task's own rows as ("examples:2", row under the names that templates read).

    A task without any shows the first of its data, where those are on this machine.
    """
    task = t2t.Task(file)
    split = "examples" if file.examples else next(iter(task.splits()), "examples")
    return list(task.rows(split, limit=MAX_SAMPLES))


def _sample(file: t2t.TaskFile, choice: Choice) -> tuple[str, dict[str, Any]]:
    rows = sample_rows(file)
    return rows[choice.row % len(rows)]


def max_shots(file: t2t.TaskFile) -> int:
    """How many sample rows are left for demonstrations beside the query."""
    return len(sample_rows(file)) - 1


def row_fields(file: t2t.TaskFile, choice: Choice) -> dict[str, str]:
    """What the template's source and choices read of the sample row, as text, in the row's order."""
    _, row = _sample(file, choice)
    template = file.template(choice.template)
    programs = [*template.programs("source"), *template.programs("answer_choices")]
    read = {column for program in programs for column in program.columns}
    return {
        name: field_text(value) for name, value in row.items() if name in read and name not in file.constants
    }


def typed_texts(shown: Mapping[str, str], texts: Iterable[str | None]) -> dict[str, str]:
    """The fields whose text, in their order, is not the one that they were shown with."""
    return {
        name: text
        for (name, before), text in zip(shown.items(), texts, strict=False)
        if text is not None and _one_newline(text) != _one_newline(before)
    }


def field_text(value: object) -> str:
    """A column's value for editing: a text as it is, a list of lines one per line, anything else as JSON.

    What JSON cannot write, such as dates and byte strings of a parquet file, is shown as Python prints it.
    """
    if isinstance(value, str):
        return value
    if is_lines(value):
        return "\n".join(value)  # type: ignore[arg-type]
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # a type, a key or a nesting that JSON does not have
        return str(value)


def field_value(name: str, text: str, sample: object) -> Any:
    """The value that a field's text stands for: the sample row's own where nothing was edited.

    Else it is in the sample's type, and beside a null or a value that JSON cannot write, JSON or else text.

    Raises: T2TError for a text that is not the JSON that the sample's type asks for.
    """
    text = _one_newline(text)
    if text == _one_newline(field_text(sample)):
        return sample
    if isinstance(sample, str):
        return text
    if is_lines(sample):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number that is too long for Python
        if sample is None or not _is_json(sample):
            return text
        raise t2t.T2TError(
            f'the field "{name}" does not parse: {error}',
            mend=f"write it as JSON, such as {field_text(sample)}",
        ) from error


def _one_newline(text: str) -> str:
    """With the line ends that a page sends back, whichever the row has."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def is_lines(value: object) -> bool:
    """Whether it is a list of one-line texts, which can be edited one per line."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, str) and len(item.splitlines()) == 1 for item in value)
    )


def make_query(file: t2t.TaskFile, choice: Choice, texts: Mapping[str, str | None] | None = None) -> Query:
    """The chosen sample row with the fields' texts put in; None leaves it, or a column of it, as it is.

    A box of the page has no text yet while the page opens.

    Raises: T2TError.
    """
    example_id, sample = _sample(file, choice)
    row = {**sample}
    for name, text in (texts or {}).items():
        if text is not None:
            row[name] = field_value(name, text, sample[name])
    # By identity first: a value that is not equal to itself, such as NaN, was kept all the same.
    is_edited = any(row[name] is not sample[name] and row[name] != sample[name] for name in row)
    return Query(file, file.template(choice.template), example_id, row, is_edited=is_edited)


def render_source(query: Query, shots: Shots) -> str:
    """The text that the model would read, demonstrations in front. Raises: T2TError."""
    [prompt] = t2t.task_prompts(
        query.file,
        [(query.example_id, query.row)],
        templates=[query.template],
        shots=shots.number,
        demonstrations=sample_rows(query.file),
        seed=shots.seed,
    )
    return prompt.source


def answer_query(
    model: t2t.Text2Text, query: Query, shots: Shots, settings: Settings, *, all_templates: bool = False
) -> list[TaskAnswer]:
    """One answer from the query's template, or one from each of the task's. Raises: T2TError."""
    templates = query.file.templates if all_templates else (query.template,)
    for template in templates:
        rendered = template.render_source(query.row, example_id=query.example_id)
        check_lengths(rendered.answer_choices or ())
    predictions: Iterable[t2t.Prediction] = model.run(
        query.file,
        [(query.example_id, query.row)],
        template="all" if all_templates else query.template.name,
        shots=shots.number,
        demonstrations=sample_rows(query.file),
        seed=shots.seed,
        length_norm=settings.length_norm,
        **settings.decoding(),
    )
    return [
        TaskAnswer(
            prediction,
            _references(query, template),
            _label(query, template, prediction.text) if all_templates else None,
        )
        for template, prediction in zip(templates, predictions, strict=True)
    ]


def _label(query: Query, template: t2t.Template, text: str) -> str | None:
    """The one label for which the template's target is this text."""
    others = {name: value for name, value in query.row.items() if name not in query.file.label_names}
    meant = []
    for label in query.file.labels or ():
        row = query.file.context({**others, query.file.label_column: label})
        try:
            if template.render(row).target == text:
                meant.append(label)
        except t2t.T2TError:  # the target reads more than the label, and that is missing
            return None
    return meant[0] if len(meant) == 1 else None


def _references(query: Query, template: t2t.Template) -> tuple[str, ...]:
    if query.is_edited:
        return ()
    try:
        return template.render(query.row).references
    except t2t.T2TError:  # a sample row without a label has a source but no target
        return ()
