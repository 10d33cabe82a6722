"""The documents of a text corpus, and how files of any number and size are mixed into one even stream.

A document is one column of a row, or one whole `.txt` file, of any format that `blocks.py` lists.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from t2t.data.blocks import CorpusFile, corpus_files
from t2t.errors import CorruptRowError, Location

_OPEN_FILES = 32  # files read side by side; an xz stream may hold a dictionary of 64 MiB


@dataclass(frozen=True)
class TextFile:
    """One file of a corpus, counted beforehand so that files of any size can be mixed evenly."""

    path: Path
    num_documents: int
    column: str = "text"


def count_documents(
    paths: Iterable[str | Path],
    *,
    column: str = "text",
    on_file: Callable[[TextFile], None] | None = None,
) -> list[TextFile]:
    """Read every file once: the number of its documents. Faulty rows show here, not an hour later.

    Args:
        column: of rows, the one that holds the documents.
        on_file: called after each file.
    Raises: MissingDataError, DataError, CorruptRowError.
    """
    files = []
    for source in corpus_files(paths):
        file = TextFile(source.path, sum(1 for _ in _documents(source, column)), column)
        files.append(file)
        if on_file:
            on_file(file)
    return files


def read_documents(path: str | Path, *, column: str = "text") -> Iterator[str]:
    """The documents of one file, in order. Raises: MissingDataError, DataError, CorruptRowError."""
    return _documents(CorpusFile(path), column)


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


def _documents(source: CorpusFile, column: str) -> Iterator[str]:
    for block in source.blocks(column):
        yield from block.texts()


def _mix(files: Sequence[TextFile]) -> Iterator[str]:
    streams = [read_documents(file.path, column=file.column) for file in files]
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
