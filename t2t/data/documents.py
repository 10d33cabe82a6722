"""The documents of a text corpus, and how files of any number and size are mixed into one even stream.

A document is one row's `text` (any format of `readers.py`), or one whole `.txt` file.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from t2t.data.readers import read_rows
from t2t.errors import CorruptRowError, Location, MissingDataError

_OPEN_FILES = 32  # files read side by side; an xz stream may hold a dictionary of 64 MiB
_TXT_LIMIT = 2**27  # bytes of a .txt file: it is one document, and is encoded in one piece


@dataclass(frozen=True)
class TextFile:
    """One file of a corpus, counted beforehand so that files of any size can be mixed evenly."""

    path: Path
    num_documents: int


def count_documents(
    paths: Iterable[str | Path], *, on_file: Callable[[TextFile], None] | None = None
) -> list[TextFile]:
    """Read every file once: the number of its documents. Faulty rows show here, not an hour later.

    Raises: MissingDataError, CorruptRowError.
    """
    files = []
    for path in sorted({Path(path) for path in paths}):
        file = TextFile(path, sum(1 for _ in _read_documents(path)))
        files.append(file)
        if on_file:
            on_file(file)
    return files


def mix_documents(files: Sequence[TextFile]) -> Iterator[str]:
    """All documents, the files side by side: at any point the same share of each has been read.

        a (4 documents) and b (2)  ->  a0 b0 a1 a2 b1 a3

    So any stretch of the stream is a sample of the whole, and the order depends on names and counts alone.
    With very many files, groups of them follow each other, each taken from all over the list.
    """
    num_groups = -(-len(files) // _OPEN_FILES)
    for group in range(num_groups):
        yield from _mix(files[group::num_groups])


def first_characters(texts: Iterable[str], num_characters: int) -> Iterator[str]:
    """Texts from the front until that many characters have been given; the last one is not cut."""
    for text in texts:
        if num_characters <= 0:
            return
        yield text
        num_characters -= len(text)


def _mix(files: Sequence[TextFile]) -> Iterator[str]:
    streams = [_read_documents(file.path) for file in files]
    counts = np.array([file.num_documents for file in files])
    left = counts.copy()
    # Document i of n is due when (i + 0.5) / n of the whole has been read: the middle of its share.
    due = np.where(counts > 0, 0.5 / np.maximum(counts, 1), np.inf)
    for _ in range(counts.sum()):
        first = int(due.argmin())
        text = next(streams[first], None)
        if text is None:
            raise CorruptRowError(
                f"the file now holds fewer than {files[first].num_documents} documents",
                where=Location(file=files[first].path),
                mend="it changed while it was read: start again",
            )
        yield text
        left[first] -= 1
        due[first] = due[first] + 1 / counts[first] if left[first] else np.inf


def _read_documents(path: Path) -> Iterator[str]:
    if path.suffix == ".txt":
        yield _read_text_file(path)
        return
    for number, row in enumerate(read_rows(path)):
        text = row.get("text")
        if not isinstance(text, str):
            raise CorruptRowError(
                f"row {number} has no text" if text is None else f"row {number}: text is not a string",
                where=Location(file=path, field="text"),
                have=row,
                mend='put each document into a field named "text"',
            )
        if not text.isascii():
            _check_encodable(text, path, number)
        yield text


def _read_text_file(path: Path) -> str:
    if not path.is_file():
        raise MissingDataError(f'there is no data file "{path}"')
    if path.stat().st_size > _TXT_LIMIT:
        raise CorruptRowError(
            f"a .txt file is one document, and this one has more than {_TXT_LIMIT >> 20} MiB",
            where=Location(file=path),
            mend='write it as .jsonl, one {"text": ...} a line',
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorruptRowError(
            f"byte {error.start} is not UTF-8", where=Location(file=path), mend="convert the file to UTF-8"
        ) from error


def _check_encodable(text: str, path: Path, number: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair, "\ud83d"; no UTF-8 can
        raise CorruptRowError(
            f"row {number}: character {error.start} is half a surrogate pair",
            where=Location(file=path, field="text"),
            mend="repair or drop this document",
        ) from error
