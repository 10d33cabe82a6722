"""How much of an evaluation set occurs in training data: runs of 13 words, and whole texts.

    evaluated  boolq validation:7   {"passage": "The Nile is ...", "question": "does the nile flow north"}
    against    wiki.jsonl:5124      {"text": "... the Nile is ..."}

The texts of a row are the strings in it, at any depth. A row has an n-gram hit where 13 words in a row of one
of its texts occur in a text on the other side (Brown et al. 2020, arXiv:2005.14165, appendix C), and an exact
hit where its longest text is a whole text there, or a whole line of one. Case, punctuation and white space do
not count. Rows without 13 words in a text can have exact hits only, and a hit says nothing about the answer:
two tasks that ask different things about one passage have it in common.

Only hashes of the evaluated rows are kept, about 50 bytes for each of their runs of 13 words; what they are
compared with is read as a stream, in several processes, and takes as much memory for a gigabyte as for a
megabyte. Only a .txt file is read in one piece.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from t2t.data.ngram_hashes import MAX_CHARACTERS, TextHashes, hash_texts
from t2t.data.readers import read_rows
from t2t.data.run_hashes import Hashes, Places
from t2t.data.task import Task
from t2t.errors import CorruptRowError, DataError, Location

_PIECE = MAX_CHARACTERS // 2  # characters of a text that are hashed at a time
_SHARED = 1_000  # characters that two pieces of a long text have in common: more than 13 words
_NOWHERE = np.iinfo(np.int64).max
_ROW_BITS = 40  # a place is one number: source << 40 | row
_KINDS = ("ngrams", "wholes")


@dataclass(frozen=True)
class Source:
    """Rows to read: a split of a task, or a data file."""

    name: str  # "rte train" or the path
    task: Task | None = None
    split: str | None = None
    path: Path | None = None

    @classmethod
    def of_task(cls, task: Task, split: str) -> "Source":
        return cls(f"{task.name} {split}", task=task, split=split)

    @classmethod
    def of_file(cls, path: Path) -> "Source":
        """A .txt file, which is one text, or any file of `readers.py`; all its columns are read."""
        return cls(str(path), path=path)

    def texts(self) -> Iterator[list[str]]:
        """The texts of each row. Raises: whatever reading raises."""
        if self.task is not None and self.split is not None:
            same = {*self.task.file.constants, *self.task.file.label_names}
            for _, row in self.task.rows(self.split):
                yield list(_strings([value for name, value in row.items() if name not in same]))
        elif self.path is not None and self.path.suffix == ".txt":
            yield [_read_text(self.path)]
        elif self.path is not None:
            for row in read_rows(self.path):
                yield list(_strings(row))

    def place(self, row: int) -> str:
        """Where a row stands: `rte train:17` counts from 0, as example ids do, `wiki.jsonl:18` from 1."""
        return f"{self.name}:{row}" if self.task is not None else f"{self.name}:{row + 1}"


@dataclass(frozen=True)
class Hit:
    """One evaluated row, and the first place where a part of it was found."""

    row: str
    place: str


@dataclass(frozen=True)
class Overlap:
    """What was found of one evaluated split."""

    task: str
    split: str
    num_rows: int
    num_short: int  # rows without 13 words in one text, which can have exact hits only
    num_ngram_hits: int  # rows
    num_exact_hits: int  # rows
    ngram_hits: tuple[Hit, ...]  # the first few
    exact_hits: tuple[Hit, ...]


def find_overlap(
    evaluated: Sequence[tuple[Task, str]],
    against: Sequence[Source],
    *,
    num_processes: int | None = None,
    num_examples: int = 3,
    on_source: Callable[[int], None] | None = None,
) -> list[Overlap]:
    """Look for the rows of evaluated splits in other rows.

    Args:
        evaluated: tasks and the split of each.
        against: what a model was or will be trained on.
        num_processes: a source is read by one of them; None takes the number of cores. With several, a
            script that calls this needs `if __name__ == "__main__":`, as multiprocessing says.
        num_examples: how many hits of a kind are named for a split.
        on_source: called after each source with their number.
    Raises: DataError if there is nothing to compare; what reading raises.
    """
    if not evaluated or not against:
        raise DataError("overlap needs something to evaluate and something to compare it with")
    rows = [_hash_rows(task, split) for task, split in evaluated]
    tables = {kind: _sorted_once([getattr(part, kind) for part in rows]) for kind in _KINDS}
    found = {kind: np.full(len(table), _NOWHERE) for kind, table in tables.items()}
    for kind, positions, places in _scan_all(tables, against, num_processes, on_source):
        np.minimum.at(found[kind], positions, places)
    return [
        _overlap(task, split, part, tables, found, against, num_examples)
        for (task, split), part in zip(evaluated, rows, strict=True)
    ]


@dataclass(frozen=True)
class _Rows:
    """The hashes of a split's rows; `wholes` has one for each row with a word in it."""

    num_rows: int
    ngrams: Hashes
    ngram_rows: Places
    wholes: Hashes
    whole_rows: Places


def _hash_rows(task: Task, split: str) -> _Rows:
    num_rows = 0

    def counted() -> Iterator[list[str]]:
        nonlocal num_rows
        for texts in Source.of_task(task, split).texts():
            num_rows += 1
            yield texts

    ngrams, ngram_rows = [], []
    longest: dict[int, tuple[int, int]] = {}  # row -> words and hash of its longest text
    for rows, hashes in _hashed(counted(), by_line=False):
        ngrams.append(hashes.ngrams)
        ngram_rows.append(rows[hashes.ngram_texts])
        for text, whole in zip(hashes.whole_texts.tolist(), hashes.wholes.tolist(), strict=True):
            words, row = int(hashes.num_words[text]), int(rows[text])
            if row not in longest or words > longest[row][0]:
                longest[row] = (words, whole)
    return _Rows(
        num_rows,
        np.concatenate([np.empty(0, np.uint64), *ngrams]),
        np.concatenate([np.empty(0, np.int64), *ngram_rows]),
        np.array([whole for _, whole in longest.values()], dtype=np.uint64),
        np.array(list(longest), dtype=np.int64),
    )


def _hashed(rows: Iterable[list[str]], *, by_line: bool) -> Iterator[tuple[Places, TextHashes]]:
    """Hashes of many rows at a time, and the row (num_texts,) of each text that they were made of."""
    texts: list[str] = []
    numbers: list[int] = []
    size = 0
    for number, row in enumerate(rows):
        for text in row:
            for piece in _pieces(text):
                # Some letters become two when lowered ("İ"), so that half of the room is left.
                if texts and size + len(piece) + 1 > _PIECE:
                    yield np.array(numbers), hash_texts(texts, by_line=by_line)
                    texts, numbers, size = [], [], 0
                texts.append(piece)
                numbers.append(number)
                size += len(piece) + 1
    if texts:
        yield np.array(numbers), hash_texts(texts, by_line=by_line)


def _pieces(text: str) -> Iterator[str]:
    """A text of any length in pieces that can be hashed; they overlap, so that no run of words is lost."""
    step = _PIECE - 1 - _SHARED
    for start in range(0, max(len(text) - _SHARED, 1), step):
        yield text[start : start + _PIECE - 1]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorruptRowError(
            f"byte {error.start} is not UTF-8", where=Location(path), mend="convert the file to UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"data file cannot be read: {error.strerror}", where=Location(path)) from error


def _sorted_once(parts: Sequence[Hashes]) -> Hashes:
    """All hashes, sorted, each once; np.unique takes twenty times as long for them."""
    hashes = np.concatenate(parts)
    hashes.sort()
    is_first = np.ones(len(hashes), dtype=np.bool_)
    np.not_equal(hashes[1:], hashes[:-1], out=is_first[1:])
    return hashes[is_first]


Found = tuple[str, Places, Places]  # kind, positions in its table, and the first place of each


def _scan_all(
    tables: dict[str, Hashes],
    against: Sequence[Source],
    num_processes: int | None,
    on_source: Callable[[int], None] | None,
) -> Iterator[Found]:
    """What is found of the tables in all sources; each is read in one of several processes."""
    processes = min(num_processes or os.cpu_count() or 1, len(against))
    with tempfile.TemporaryDirectory(prefix="t2t-overlap-") as folder:
        # On disk, so that all processes share one copy in memory.
        for kind, table in tables.items():
            np.save(Path(folder) / f"{kind}.npy", table)
            np.save(Path(folder) / f"{kind}-filter.npy", _filter(table))
        if processes == 1:
            for number, source in enumerate(against):
                yield from _scan(folder, source, number)
                if on_source:
                    on_source(len(against))
            return
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(_scan, folder, source, number) for number, source in enumerate(against)]
            try:
                for future in as_completed(futures):
                    yield from future.result()
                    if on_source:
                        on_source(len(against))
            finally:
                pool.shutdown(cancel_futures=True)


def _scan(folder: str, source: Source, number: int) -> list[Found]:
    """What is found of the tables in one source."""
    lookups = {kind: _Lookup.open(folder, kind) for kind in _KINDS}
    first = {kind: np.full(len(lookup.table), _NOWHERE) for kind, lookup in lookups.items()}
    for rows, hashes in _hashed(source.texts(), by_line=True):
        places = number << _ROW_BITS | rows
        for kind, queries, texts in (
            ("ngrams", hashes.ngrams, hashes.ngram_texts),
            ("wholes", hashes.wholes, hashes.whole_texts),
        ):
            positions, which = lookups[kind].find(queries)
            np.minimum.at(first[kind], positions, places[texts[which]])
    found = {kind: np.flatnonzero(places != _NOWHERE) for kind, places in first.items()}
    return [(kind, positions, first[kind][positions]) for kind, positions in found.items()]


@dataclass(frozen=True)
class _Lookup:
    """Sorted hashes, and a filter that says of most others at once that they are not among them."""

    table: Hashes
    filter: npt.NDArray[np.bool_]  # by a hash's first bits: is there any that begins so

    @classmethod
    def open(cls, folder: str, kind: str) -> "_Lookup":
        return cls(
            np.load(Path(folder) / f"{kind}.npy", mmap_mode="r"),
            np.load(Path(folder) / f"{kind}-filter.npy", mmap_mode="r"),
        )

    def find(self, queries: Hashes) -> tuple[Places, Places]:
        """Of the queries that are in the table: their positions there, and which queries these are."""
        which = np.flatnonzero(self.filter[queries >> _shift(len(self.filter))])
        positions = np.searchsorted(self.table, queries[which])
        there = positions < len(self.table)
        there[there] = self.table[positions[there]] == queries[which[there]]
        return positions[there], which[there]


def _filter(table: Hashes) -> npt.NDArray[np.bool_]:
    """Sixteen entries for each hash: one other hash in sixteen passes, and costs a binary search."""
    size = 2 ** min(max(len(table) * 16 - 1, 1).bit_length(), 28)
    has = np.zeros(size, dtype=np.bool_)
    has[table >> _shift(size)] = True
    return has


def _shift(size: int) -> np.uint64:
    return np.uint64(64 - (size.bit_length() - 1))


def _overlap(
    task: Task,
    split: str,
    rows: _Rows,
    tables: dict[str, Hashes],
    found: dict[str, Places],
    against: Sequence[Source],
    num_examples: int,
) -> Overlap:
    first: dict[str, Places] = {}  # of each kind, the first place of each row
    for kind, hashes, numbers in (
        ("ngrams", rows.ngrams, rows.ngram_rows),
        ("wholes", rows.wholes, rows.whole_rows),
    ):
        first[kind] = np.full(rows.num_rows, _NOWHERE)
        np.minimum.at(first[kind], numbers, found[kind][np.searchsorted(tables[kind], hashes)])
    hits = {kind: np.flatnonzero(places != _NOWHERE) for kind, places in first.items()}

    def examples(kind: str) -> tuple[Hit, ...]:
        named = [(int(row), int(first[kind][row])) for row in hits[kind][:num_examples]]
        mask = (1 << _ROW_BITS) - 1
        return tuple(
            Hit(f"{split}:{row}", against[place >> _ROW_BITS].place(place & mask)) for row, place in named
        )

    return Overlap(
        task.name,
        split,
        num_rows=rows.num_rows,
        num_short=rows.num_rows - int((np.bincount(rows.ngram_rows, minlength=rows.num_rows) > 0).sum()),
        num_ngram_hits=len(hits["ngrams"]),
        num_exact_hits=len(hits["wholes"]),
        ngram_hits=examples("ngrams"),
        exact_hits=examples("wholes"),
    )
