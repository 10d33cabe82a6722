"""The text of a task file for a guess: plain YAML with comments on what to look at and to change."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from t2t.data.new_task.guess import Guess
from t2t.data.new_task.table import Column, Table
from t2t.data.new_task.wording import answer_choices, description, wordings

NUM_EXAMPLES = 4
NUM_LOOKED_AT = 500  # rows, for examples that are short
MAX_EXAMPLE_LEN = 400  # characters, where there are such
SHORT_ANSWER = 8  # words
_NO_WORDS = ("true", "false", "null", "yes", "no", "on", "off")  # to some readers of YAML


def task_text(name: str, table: Table, guess: Guess, *, folder: Path) -> str:
    """The task file as text.

    Args:
        folder: where the file will lie, for the way from there to the data.
    """
    return "\n".join(
        [
            *_head(name, guess),
            *_dataset(table, guess, folder),
            *_answers(guess),
            "",
            "# Wordings to start from: write them as you would ask a colleague, and add more.",
            f"# See them on your rows: t2t show {name}.yaml",
            "templates:",
            *_templates(guess),
            "",
            "# Shown in the browser, and as worked examples (--shots). These are rows of the data: put",
            "# some of your own in their place, so that no answer of the test rows is given away.",
            "examples:",
            *_examples(table, guess),
            "",
        ]
    )


def _head(name: str, guess: Guess) -> Iterator[str]:
    yield f"task: {name}"
    yield f"cluster: {guess.kind.replace(' ', '_')}  # tasks of a kind share one"
    yield f"description: {_escaped(description(guess))}"


def _dataset(table: Table, guess: Guess, folder: Path) -> Iterator[str]:
    yield "dataset:"
    yield "  files:  # from the folder of this file"
    for split, path in table.files.items():
        way = os.path.relpath(path.resolve(), folder.resolve())
        yield f"    {split}: {_quoted(way.replace(os.sep, '/'))}"
    if list(table.files) == ["test"]:
        yield "    # To fine-tune, divide the rows into two files and name the other one as train."
    renamed = {column.name: column.source for column in _used(guess) if column.name != column.source}
    if renamed:
        yield "  columns:  # the templates' name: the data's name"
        yield from (f"    {name}: {_quoted(source)}" for name, source in renamed.items())


def _answers(guess: Guess) -> Iterator[str]:
    if guess.uses_labels:
        yield f"labels: {_list(guess.answers)}  # as the data write them"
        yield f"label_column: {_quoted(guess.target.name)}"
    yield f"metrics: [{_metrics(guess)}]"
    if guess.target.is_alternatives and guess.kind == "writing":
        yield f"references: {_single_quoted(f'{{{{ {guess.target.name} }}}}')}  # each is as good as another"
    yield "languages: [en]  # of the texts"


def _metrics(guess: Guess) -> str:
    if guess.kind == "classification":
        return "accuracy, macro_f1"
    if guess.kind == "multiple choice" or guess.target.is_number:  # to exact_match, -5 and 5 are one
        return "accuracy"
    if guess.target.is_items and not guess.target.is_alternatives:
        return "item_f1"
    return "exact_match, squad_f1" if guess.target.mean_words <= SHORT_ANSWER else "rouge_l"


def _templates(guess: Guess) -> Iterator[str]:
    choices = answer_choices(guess)
    if choices and all(re.fullmatch(r"-?\d+(\.\d+)?", choice) for choice in choices):
        yield "  # A model knows words and not your numbers: say what each means, as in"
        yield f"  # answer_choices: {_list([f'word for {choice}' for choice in choices[:2]])}"
    for wording in wordings(guess):
        yield f"  - name: {wording.name}"
        yield "    source: |-"
        yield from (f"      {line}".rstrip() for line in wording.source.split("\n"))
        yield f"    target: {_single_quoted(guess.expression)}"
        if guess.kind == "multiple choice":
            yield f"    answer_choices: {_options(guess.options)}"
        elif choices:
            yield f"    answer_choices: {_list(choices)}"
        if wording.lists_choices:
            yield "    about: {choices_in_source: true}"


def _options(options: Sequence[Column]) -> str:
    if options[0].is_texts:
        return _quoted(f"{{{{ {options[0].name} }}}}")
    return _list([f"{{{{ {column.name} }}}}" for column in options])


def _examples(table: Table, guess: Guess) -> Iterator[str]:
    for index in _chosen_rows(table, guess):
        lead = "  - "
        for column in _used(guess):
            value = column.values[index]
            if value is not None:
                yield f"{lead}{column.name}: {_value(value)}"
                lead = "    "


def _chosen_rows(table: Table, guess: Guess) -> list[int]:
    """Rows of all answers in turn; those with an empty cell come last, and short ones before long ones."""
    indices = range(min(table.num_rows, NUM_LOOKED_AT))
    excess = {
        index: max(0, sum(len(str(column.values[index])) for column in guess.inputs) - MAX_EXAMPLE_LEN)
        for index in indices
    }
    by_answer: dict[str, list[int]] = {}
    gaps = {index: sum(column.is_gap(index) for column in guess.inputs) for index in indices}
    for index in sorted(indices, key=lambda index: (gaps[index], excess[index])):
        answer = str(guess.target.values[index]) if guess.kind == "classification" else ""
        by_answer.setdefault(answer, []).append(index)
    in_turn = [index for turn in zip_longest(*by_answer.values()) for index in turn if index is not None]
    return in_turn[:NUM_EXAMPLES]


def _used(guess: Guess) -> tuple[Column, ...]:
    return (*guess.inputs, *guess.options, guess.target)


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    """A YAML scalar that is the text: bare where it can only be read as words."""
    if re.fullmatch(r"[A-Za-z][A-Za-z _/.-]*[A-Za-z.]", text) and text.lower() not in _NO_WORDS:
        return text
    return _escaped(text)


def _single_quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _value(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else _escaped(value)


def _escaped(value: Any) -> str:
    """JSON, which is YAML where characters that YAML does not print are escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", lambda match: f"\\u{ord(match[0]):04x}", text)
