"""The texts of a corpus in blocks: what one worker takes at a time, and where an interrupted build goes on.

    source                                        blocks                        documents
    .jsonl, also .gz .xz .zst                     whole lines, about 1 MiB      the text column of each row
    .csv .tsv, also .gz .xz .zst; .parquet        rows, about 1 MiB of text     the text column of each row
    .txt, also .gz .xz .zst                       one                           one: the whole file
    hub:owner/name[:configuration[:split]]        rows, about 1 MiB of text     the text column of each row

Where blocks begin depends on the contents alone. The lines of .jsonl are cut here and parsed by whoever takes
the block, so that one large file, compressed or not, keeps any number of workers busy.
"""

import gzip
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from t2t.data.readers import read_rows, unpack_zst
from t2t.errors import CorruptRowError, DataError, Location, MissingDataError, T2TError, raise_faults

_BLOCK_SIZE = 2**20  # bytes of lines, characters of texts: a quarter of a second of encoding
_DOCUMENT_LIMIT = 2**26  # bytes of one line or .txt file: a block holds at least one document
_LINE_KINDS = (".jsonl", ".txt")
_ROW_KINDS = (".csv", ".tsv")
_COMPRESSIONS = ("", ".gz", ".xz", ".zst")
SUFFIXES = (
    *(kind + compression for kind in (*_LINE_KINDS, *_ROW_KINDS) for compression in _COMPRESSIONS),
    ".parquet",
)


@dataclass(frozen=True)
class Block:
    """Consecutive documents of one source.

    Args:
        place: file and first line of the block, for error messages; the line is None where there are none.
        column: of the text in `lines`.
        lines: JSON lines not yet parsed, or empty.
        parsed: the documents of other formats.
        position: bytes of the file read so far, as it lies on the disk.
    """

    place: Location
    column: str
    lines: bytes = b""
    parsed: list[str] = field(default_factory=list)
    position: int = 0

    def texts(self) -> list[str]:
        """Its documents. Raises: CorruptRowError with file and line."""
        return [*self.parsed, *self._texts_of_lines()]

    def _texts_of_lines(self) -> Iterator[str]:
        for number, line in enumerate(self.lines.split(b"\n"), self.place.line or 0):
            if line.strip():
                where = Location(self.place.file, number)
                yield document_text(_parse(line, where), self.column, where=where)


class TextSource(Protocol):
    """Where documents come from. `name` and `version` tell whether it is the same as at another time."""

    name: str
    version: str
    num_bytes: int | None  # on the disk; None where nobody knows

    def blocks(self, column: str, *, skip_blocks: int = 0, skip_rows: int = 0) -> Iterator[Block]:
        """Its blocks from number `skip_blocks` on; those before it hold `skip_rows` rows."""
        ...


class CorpusFile:
    """A file of documents.

    Raises: MissingDataError, or DataError if its suffix is unknown; both before anything is read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        suffix = next((suffix for suffix in SUFFIXES if self.path.name.endswith(suffix)), None)
        if suffix is None:
            raise DataError(
                f'data file "{self.path.name}" is of a kind that cannot be read',
                where=Location(self.path),
                have=SUFFIXES,
                mend="convert it to one of these",
            )
        if not self.path.is_file():
            raise MissingDataError(f'there is no data file "{path}"')
        kind, _, compression = suffix[1:].partition(".")
        self._kind, self._compression = kind, compression
        facts = self.path.stat()
        self.num_bytes: int | None = facts.st_size
        self.version = str(facts.st_mtime_ns)

    def blocks(self, column: str, *, skip_blocks: int = 0, skip_rows: int = 0) -> Iterator[Block]:
        if self._kind == "jsonl":
            blocks = self._line_blocks(column)
        elif self._kind == "txt":
            blocks = self._whole()
        else:
            blocks = row_blocks(read_rows(self.path), column, Location(self.path))
        # Skipped blocks are read, perhaps unpacked, but not parsed: twenty times as fast as encoding them.
        for number, block in enumerate(blocks):
            if number >= skip_blocks:
                yield block

    def _line_blocks(self, column: str) -> Iterator[Block]:
        line, rest = 1, b""
        with self._open() as file:
            for chunk in self._chunks(file):
                lines = rest + chunk
                end = lines.rfind(b"\n") + 1
                if end:
                    yield Block(Location(self.path, line), column, lines[:end], position=file.tell())
                    line += lines.count(b"\n", 0, end)
                rest = lines[end:]
                if len(rest) > _DOCUMENT_LIMIT:
                    raise _too_long("a line", Location(self.path, line))
            if rest:
                yield Block(Location(self.path, line), column, rest, position=file.tell())

    def _whole(self) -> Iterator[Block]:
        contents = bytearray()
        with self._open() as file:
            for chunk in self._chunks(file):
                contents += chunk
                if len(contents) > _DOCUMENT_LIMIT:
                    raise _too_long("a .txt file is one document, and this one", Location(self.path))
        try:
            text = contents.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise CorruptRowError(
                f"byte {error.start} is not UTF-8",
                where=Location(self.path),
                mend="convert the file to UTF-8",
            ) from error
        yield Block(Location(self.path), "", parsed=[text], position=self.num_bytes or 0)

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise DataError(
                f"data file cannot be read: {error.strerror}", where=Location(self.path)
            ) from error

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        """The unpacked contents in pieces of `_BLOCK_SIZE`."""
        try:
            stream = _unpacked(file, self._compression)
            while chunk := stream.read(_BLOCK_SIZE):
                yield chunk
        except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
            raise CorruptRowError(
                f"the file cannot be read to its end: {error}",
                where=Location(self.path),
                mend="copy the file again" if self._compression else None,
            ) from error


def corpus_files(paths: Iterable[str | Path]) -> list[CorpusFile]:
    """The files, sorted by name, each once. Raises: MissingDataError, DataError, or all of them as Faults."""
    files: list[CorpusFile] = []
    faults: list[T2TError] = []
    for path in sorted({Path(path) for path in paths}):
        try:
            files.append(CorpusFile(path))
        except DataError as error:
            faults.append(error)
    raise_faults(faults)
    return files


def row_blocks(
    rows: Iterable[dict[str, Any]], column: str, place: Location, *, first_row: int = 0
) -> Iterator[Block]:
    """Rows that are parsed already, as blocks.

    Raises: CorruptRowError naming the row, if its column is missing or is no text.
    """
    texts: list[str] = []
    size = position = 0
    for number, row in enumerate(rows, first_row):
        text = document_text(row, column, where=place, name=f"row {number}")
        texts.append(text)
        size += len(text)
        if size >= _BLOCK_SIZE:
            position += size  # near enough for a progress bar: rows know no place on the disk
            yield Block(place, column, parsed=texts, position=position)
            texts, size = [], 0
    if texts:
        yield Block(place, column, parsed=texts, position=position + size)


def document_text(row: dict[str, Any], column: str, *, where: Location, name: str = "row") -> str:
    """The text of a row. Raises: CorruptRowError if there is none, or no UTF-8 can hold it."""
    text = row.get(column)
    place = Location(where.file, where.line, column)
    if not isinstance(text, str):
        raise CorruptRowError(
            f'{name} has no column "{column}"'
            if column not in row
            else f'column "{column}" of {name} holds no text but {type(text).__name__}',
            where=place,
            have=row,
            mend="name the column that holds the documents (text_column)",
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:  # JSON can spell half a surrogate pair, "\ud83d"
            raise CorruptRowError(
                f"{name}: character {error.start} is half a surrogate pair",
                where=place,
                mend="repair or drop this document",
            ) from error
    return text


def _parse(line: bytes, where: Location) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig" if where.line == 1 else "utf-8"))
        reason = None if isinstance(row, dict) else "write one {...} a line"
    except (ValueError, RecursionError) as error:  # also UnicodeDecodeError, JSONDecodeError
        row, reason = {}, f"the parser says: {error}"
    if reason:
        shown = line[:80].decode("utf-8", "replace").strip()
        raise CorruptRowError(f"row is not a JSON object: {shown}", where=where, mend=reason)
    return row


def _unpacked(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gz":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if compression == "xz":
        return lzma.LZMAFile(file)  # type: ignore[return-value]
    if compression == "zst":
        return unpack_zst(file)
    return file


def _too_long(what: str, where: Location) -> CorruptRowError:
    return CorruptRowError(
        f"{what} has more than {_DOCUMENT_LIMIT >> 20} MiB",
        where=where,
        mend='write it as .jsonl, one {"text": ...} a line, each a document of its own',
    )
