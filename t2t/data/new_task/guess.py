"""Guess what a table asks: which column holds the answers, which are read, and what kind of task that makes.

classification    the answer is one of a few words that come up again and again
multiple choice   the answer is one of the row's own options: a list, or columns such as A, B, C, D
writing           the answer is free text
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from t2t.data.new_task.table import Column, Table
from t2t.errors import DataError, Location, did_you_mean

MAX_LABELS = 60
MAX_LABEL_LEN = 60  # characters
MAX_INPUTS = 12  # columns; a wider table makes no prompt
TEXT_WORDS = 3  # mean words of a column that is worth reading by itself
MAX_SHORT = 3  # columns, for those of a word or two to be shown beside a text

# Best first. Compared with the words of a column's name.
_TARGET_NAMES = (
    *("label", "labels", "target", "answer", "class", "category", "gold", "sentiment", "intent", "topic"),
    *("emotion", "stance", "polarity", "rating", "stars", "score", "output", "response", "summary"),
    *("translation", "completion", "verdict", "judgment", "reference", "y"),
)
_NO_INPUTS = {
    *("id", "idx", "index", "uid", "uuid", "guid", "date", "time", "timestamp", "created"),
    *("user", "username", "author", "url", "link", "split", "fold", "filename", "file"),
}
# What comes before the letter or number of an option's column: option1, answer_a, sol2; A alone has nothing.
_OPTION_NAMES = {
    *("", "option", "opt", "choice", "answer", "ans", "ending", "end", "sol", "solution", "alternative"),
    *("candidate", "hyp", "hypothesis", "response", "completion", "continuation", "quiz"),
}
_WHOSE = {"user", "author", "file"}  # may have a message, and a text
_OPTION = re.compile(r"(?:(.*?)[_ ]?)([A-Ha-h]|\d)", re.DOTALL)


@dataclass(frozen=True)
class Guess:
    """What a table asks.

    Attributes:
        target: the column with the answers.
        inputs: the columns that a source shows, options not among them.
        options: the column of lists, or the columns of single texts, that hold a row's options.
        answers: the target's distinct values as text, in order; empty unless it is a classification.
        expression: Jinja for the target.
        uses_labels: whether the file has `labels`: the data hold their words, or indices from 0.
    """

    kind: Literal["classification", "multiple choice", "writing"]
    target: Column
    inputs: tuple[Column, ...]
    expression: str
    options: tuple[Column, ...] = ()
    answers: tuple[str, ...] = ()
    uses_labels: bool = False


def guess_task(table: Table, *, target: str | None = None) -> Guess:
    """Guess the column with the answers, what is read, and the kind of task.

    Args:
        target: the name of the column with the answers, as the data have it; None guesses.
    Raises: DataError where no column fits, or the one named does not.
    """
    where = Location(next(iter(table.files.values())))
    sources = [column.source for column in table.columns]
    if target is not None and table.column(target) is None:
        raise DataError(
            f'there is no column "{target}"', where=where, have=sources, mend=did_you_mean(target, sources)
        )
    named = None if target is None else table.column(target)
    # Of two that are as likely, the last: answers mostly stand at the end.
    likely = sorted(filter(_may_answer, reversed(table.columns)), key=_target_rank)
    candidates = [named] if named else likely
    options = _options(table)
    for picking in candidates:
        if (expression := _picks_option(picking, options)) is not None:
            inputs = _inputs(table, picking, options)
            return _checked(table, Guess("multiple choice", picking, inputs, expression, options))
    named_so = candidates[0] if candidates and (named or _is_named_so(candidates[0])) else None
    column = named_so or next(filter(_has_few_values, candidates), None)
    if column is None and len(table.columns) == 2:
        column = table.columns[1]  # question and answer, text and translation
    if column is None:
        raise DataError(
            "no column is plainly the one with the answers",
            where=where,
            have=sources,
            mend="name it: --target COLUMN",
        )
    inputs = _inputs(table, column, ())
    if not _has_few_values(column):
        return _checked(table, Guess("writing", column, inputs, _written(column)))
    return _checked(table, _classification(column, inputs))


def _checked(table: Table, guess: Guess) -> Guess:
    """Raises: DataError for a target with gaps or without variety, labels that look alike, no input."""
    column, where = guess.target, Location(next(iter(table.files.values())))
    empty = [
        index
        for index, value in enumerate(column.values)
        if column.is_gap(index) or (column.is_alternatives and not value)
    ]
    if empty:
        raise DataError(
            f'column "{column.source}" has no answer in {len(empty)} of {table.num_rows} rows,'
            f" the first of them row {empty[0] + 1}",
            where=where,
            mend="fill them in or take these rows out, or name another column: --target COLUMN",
        )
    if guess.kind == "writing" and column.is_items and not column.is_alternatives:
        long = [item for value in column.given for item in value if "; " in item]
        if long:
            raise DataError(
                f'an item would be read as several, since "; " stands between items: "{long[0]}"',
                where=where,
                mend="write it with a comma",
            )
    if len(column.counts) < 2:
        raise DataError(
            f'column "{column.source}" has the same answer in every row: "{next(iter(column.counts))}"',
            where=where,
            mend="name another column: --target COLUMN",
        )
    alike: dict[str, str] = {}
    for answer in guess.answers:
        first = alike.setdefault(" ".join(answer.casefold().split()), answer)
        if first != answer:
            raise DataError(
                f'answers in "{column.source}" differ in case or spaces alone: {first!r}, {answer!r}',
                where=where,
                mend="write them alike",
            )
        if "{{" in answer or "{%" in answer:
            raise DataError(
                f'an answer would be read as a template: "{answer}"', where=where, mend="reword it"
            )
    if not guess.inputs:
        raise DataError(
            f'beside the answers in "{column.source}" there is no column to read',
            where=where,
            have=[other.source for other in table.columns],
            mend="a template reads what is inside a column as {{ column.name }}: write the file by hand"
            if any(other.is_all(dict) for other in table.columns)
            else "name another column: --target COLUMN",
        )
    return guess


def _classification(column: Column, inputs: tuple[Column, ...]) -> Guess:
    if column.is_all(bool):
        expression = f'{{{{ "yes" if {column.name} else "no" }}}}'
        return Guess("classification", column, inputs, expression, answers=("no", "yes"))
    answers = tuple(sorted(column.counts, key=_sort_key))
    is_index = column.is_all(int) and answers == tuple(map(str, range(len(answers))))
    if column.is_all(str) or is_index:
        expression = "{{ answer_choices[label] }}"
        return Guess("classification", column, inputs, expression, answers=answers, uses_labels=True)
    return Guess("classification", column, inputs, f"{{{{ {column.name} }}}}", answers=answers)


def _written(column: Column) -> str:
    """Free text; the first of several acceptable texts; or the items of a list, as `item_f1` reads them."""
    if column.is_alternatives:
        return f"{{{{ {column.name}[0] }}}}"
    shown = f'{column.name} | join("; ") or "none"' if column.is_items else column.name
    return f"{{{{ {shown} }}}}"


def _sort_key(answer: str) -> tuple[float, str]:
    try:
        return float(answer), ""
    except ValueError:
        return float("inf"), answer.casefold()


def _may_answer(column: Column) -> bool:
    return bool(column.given) and not _is_id(column) and column.is_all(str, int, float, bool)


def _name_words(column: Column) -> list[str]:
    return column.spoken.split()


def _is_named_so(column: Column) -> bool:
    return any(word in _TARGET_NAMES for word in _name_words(column))


def _target_rank(column: Column) -> tuple[int, bool, int]:
    """Lower is likelier: by name, there a word before the number that stands for it; then by few values."""
    ranks = [_TARGET_NAMES.index(word) for word in _name_words(column) if word in _TARGET_NAMES]
    return min(ranks, default=len(_TARGET_NAMES)), bool(ranks) and column.is_number, len(column.counts)


def _has_few_values(column: Column) -> bool:
    """Whether its values are labels: few, short, and each comes up again, or nearly so."""
    if not column.is_all(str, int, float, bool):
        return False
    num_distinct, num_rows = len(column.counts), len(column.given)
    return 2 <= num_distinct <= min(MAX_LABELS, max(2, num_rows // 2)) and (
        num_distinct < num_rows and max(map(len, column.counts)) <= MAX_LABEL_LEN
    )


def _is_id(column: Column) -> bool:
    """By its name: user_id, qid1, and created_at, though not the texts of user_message or a user_intent."""
    words = re.sub(r"\d", " ", column.spoken).split()
    found = _NO_INPUTS.intersection(words)
    if words and (words[-1] in _NO_INPUTS or re.fullmatch(r"[pqstu]?ids?", words[-1])):
        return True
    is_said = column.mean_words >= TEXT_WORDS or _is_named_so(column)
    return bool(found) and not (is_said and found <= _WHOSE)


def _inputs(table: Table, target: Column, options: tuple[Column, ...]) -> tuple[Column, ...]:
    """What a source shows: the texts; with short columns where they are few; all of a table of numbers."""
    rest = [
        column
        for column in table.columns
        if column is not target
        and column not in options
        and column.given
        and not _says_the_same(column, target)
    ]
    rest = [column for column in rest if not _is_id(column) and not column.is_all(dict)]
    texts = [column for column in rest if column.is_all(str) and column.mean_words >= TEXT_WORDS]
    short = [column for column in rest if column.is_all(str) and not column.is_number]
    chosen = (short if len(short) <= MAX_SHORT else texts) if texts else rest
    return tuple(
        # In a template these two are the answer's.
        replace(column, name=f"{column.name}_") if column.name in ("label", "label_name") else column
        for column in chosen[:MAX_INPUTS]
    )


def _says_the_same(column: Column, target: Column) -> bool:
    """Whether it is the target in other words, as the number of a label is: each has one partner."""
    if column.mean_words >= TEXT_WORDS or not (_has_few_values(column) and _has_few_values(target)):
        return False
    pairs = {(str(one), str(other)) for one, other in zip(column.values, target.values, strict=True)}
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _options(table: Table) -> tuple[Column, ...]:
    """A column of lists of texts, or two to eight columns named in a row: A B C, or option1 option2."""
    if lists := [column for column in table.columns if column.is_texts]:
        return (lists[0],)
    groups: dict[str, list[Column]] = {}
    for column in table.columns:
        if _is_id(column) or not column.is_all(str) or None in column.values:
            continue
        if match := _OPTION.fullmatch(column.source):
            groups.setdefault((match[1] or "").lower(), []).append(column)
    longest = max(groups.values(), key=len, default=[])
    return tuple(longest) if len(longest) > 1 else ()


def _are_named_so(options: tuple[Column, ...]) -> bool:
    """Whether each name says that it is an option; sentence1 and question2 do not."""
    stems = [match[1] or "" for column in options if (match := _OPTION.fullmatch(column.source))]
    last_words = [(re.findall(r"[A-Z]?[a-z]+|[A-Z]+", stem) or [""])[-1].lower() for stem in stems]
    return all(word in _OPTION_NAMES for word in last_words)


def _picks_option(column: Column, options: tuple[Column, ...]) -> str | None:
    """Jinja for the option that the column picks by its text, letter or number; None if it picks none."""
    if not options or column in options:
        return None
    rows = list(zip(*(option.values for option in options), strict=True))
    choices = [row[0] if options[0].is_texts else list(row) for row in rows]
    if any(not isinstance(each, list) for each in choices):
        return None
    pairs = list(zip(column.values, choices, strict=True))
    if all(value in each for value, each in pairs):
        return f"{{{{ {column.name} }}}}"
    for letters in ("ABCDEFGH", "abcdefgh"):
        if all(isinstance(value, str) and value and value in letters[: len(each)] for value, each in pairs):
            return f'{{{{ answer_choices["{letters}".index({column.name})] }}}}'
    if len(options) == 2 and not _are_named_so(options):
        return None  # two sentences, and whether they mean the same
    numbers = [int(value) if re.fullmatch(r"\d", str(value)) else -1 for value in column.values]
    for first in (0, 1):
        fits = all(first <= number < len(each) + first for number, each in zip(numbers, choices, strict=True))
        if fits and first in numbers:
            return f"{{{{ answer_choices[{column.name} | int{' - 1' if first else ''}] }}}}"
    return None
