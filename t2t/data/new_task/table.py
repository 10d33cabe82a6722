"""The rows of a user's file, those of its other splits beside it, and what each column holds."""

import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

from t2t.data.readers import SUFFIXES, Row, read_rows
from t2t.errors import DataError, Location

MAX_ROWS = 100_000  # of a file: what is not known by then is not guessed any better
MIN_ROWS = 3  # a task file shows three
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
# Names that a template cannot use for a column: words of Jinja, and what the template makes itself.
_TAKEN = {"answer_choices", "demonstrations", "loop", "none", "true", "false", "self"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        source: its name in the data.
        name: its name in templates: the same, where that can be one.
        values: one for each row; None where the row has none.
    """

    source: str
    name: str
    values: tuple[Any, ...]

    @cached_property
    def given(self) -> list[Any]:
        """The values that are there: neither null nor blank."""
        return [value for index, value in enumerate(self.values) if not self.is_gap(index)]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value comes up, by its text."""
        return Counter(str(value) for value in self.given)

    @property
    def has_gaps(self) -> bool:
        return len(self.given) < len(self.values)

    def is_gap(self, index: int) -> bool:
        """Whether a row has no value, or a blank one."""
        value = self.values[index]
        return value is None or not str(value).strip()

    def is_all(self, *types: type) -> bool:
        """Whether all values are of these types; bool is no int here."""
        return bool(self.given) and all(type(value) in types for value in self.given)

    @property
    def is_texts(self) -> bool:
        """Whether it holds lists of texts, two or more in each."""
        return self.is_all(list) and all(
            len(value) > 1 and all(isinstance(item, str) for item in value) for value in self.given
        )

    @property
    def is_items(self) -> bool:
        """Whether it holds lists of texts, perhaps empty ones: labels or tags."""
        return self.is_all(list) and all(isinstance(item, str) for value in self.given for item in value)

    @property
    def is_alternatives(self) -> bool:
        """Whether it holds lists of texts of which each is an acceptable answer, as its name says."""
        return self.is_items and self.spoken.endswith(("references", "answers", "outputs"))

    @property
    def is_number(self) -> bool:
        return self.is_all(int, float) or (
            self.is_all(str) and all(re.fullmatch(r"-?\d+([.,]\d+)?", value) for value in self.given)
        )

    @property
    def mean_words(self) -> float:
        return sum(len(str(value).split()) for value in self.given) / max(1, len(self.given))

    @property
    def spoken(self) -> str:
        """Its name as words: `is_spam` and `isSpam` as "is spam"."""
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.source)
        return " ".join(re.findall(r"[^\W_]+", words)).lower() or self.name


@dataclass(frozen=True)
class Table:
    """The rows of one or more splits.

    Attributes:
        files: our split name -> file.
        columns: in the order of the first row.
        lacking: files beside the one named that have nothing in some of its columns, with these columns.
    """

    files: Mapping[str, Path]
    columns: tuple[Column, ...]
    lacking: Mapping[Path, Sequence[str]]

    @property
    def num_rows(self) -> int:
        return len(self.columns[0].values)

    def column(self, source: str) -> Column | None:
        return next((column for column in self.columns if column.source == source), None)


def read_table(path: str | Path, *, leave_out: Collection[Path] = ()) -> Table:
    """Read a file of rows and those of the other splits beside it, but for some.

    Raises: DataError where rows are too few, or a column has no name; and what `read_rows` raises.
    """
    files = {split: file for split, file in find_splits(Path(path)).items() if file not in leave_out}
    rows_of = {file: list(islice(read_rows(file), MAX_ROWS)) for file in files.values()}
    rows = list(chain.from_iterable(rows_of.values()))
    if len(rows) < MIN_ROWS:
        raise DataError(
            f"too few rows to make a task of: {len(rows)}, and at least {MIN_ROWS} are needed",
            where=Location(path),
        )
    sources = list(dict.fromkeys(name for row in rows for name in row))
    if any(not isinstance(name, str) or not name.strip() for name in sources):
        raise DataError("a column has no name", where=Location(path), have=sources, mend="name it")
    named = {name for row in rows_of.get(Path(path), ()) for name in row}
    lacking = {
        file: [name for name in sorted(named) if all(row.get(name) in (None, "") for row in rows)]
        for file, rows in rows_of.items()
        if file != Path(path)
    }
    lacking = {file: names for file, names in lacking.items() if names}
    return Table(files, tuple(_columns(sources, rows)), lacking)


def find_splits(path: Path) -> dict[str, Path]:
    """Our split name -> file; a file that is not named for a split is the test split, there to be asked.

    `reviews_train.csv` with `reviews_dev.csv` beside it: {"train": ..., "validation": ...}
    """
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), path.suffix)
    stem = path.name.removesuffix(suffix)
    match = re.fullmatch(r"(?:(.*)[-_. ])?([A-Za-z]+)", stem)
    names = [name for every in SPLIT_NAMES.values() for name in every]
    if match is None or match[2].lower() not in names:
        return {"test": path}
    found: dict[str, Path] = {}
    for split, aliases in SPLIT_NAMES.items():
        for alias in (spelt for name in aliases for spelt in (name, name.capitalize(), name.upper())):
            file = path.with_name(f"{stem[: match.start(2)]}{alias}{suffix}")
            if file.is_file() and split not in found:
                found[split] = file
    return found or {"test": path}


def _columns(sources: Sequence[str], rows: Sequence[Row]) -> Iterator[Column]:
    taken = {source.lower() for source in sources}
    for source in sources:
        name = source
        if not (source.isascii() and source.isidentifier()) or keyword.iskeyword(source) or source in _TAKEN:
            name = re.sub(r"[^a-z0-9]+", "_", source.lower()).strip("_") or "column"
            name = name if name[0].isalpha() else f"column_{name}"
            while name in taken or name in _TAKEN or keyword.iskeyword(name):
                name += "_"
            taken.add(name)
        yield Column(source, name, tuple(row.get(source) for row in rows))
