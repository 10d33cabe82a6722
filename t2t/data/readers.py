"""Rows from files and from the Hub: every format gives plain dicts, one at a time.

    suffix       read by     a row's values
    .jsonl       jsonlines   as JSON gives them, NaN as null; the file is UTF-8, blank lines are skipped
    .csv .tsv    csv         text; the first line names the columns, quoting as spreadsheets write it; a .csv
                             whose first line has semicolons and no comma is divided by semicolons
    .parquet     pyarrow     as Python objects

The text formats may be compressed: `.jsonl.gz`, `.csv.xz`, `.tsv.zst`. A row that does not parse is an error
with its file and line; nothing is skipped.
"""

import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import jsonlines

from t2t.errors import CorruptRowError, DataError, Location, MissingDataError

Row = dict[str, Any]

_MOST_FIELD_CHARS = 2**26  # of a CSV; as much as a line of a corpus may have


def unpack_zst(file: BinaryIO) -> BinaryIO:
    """The contents of a file packed by zstd; pyarrow raises OSError without an errno if it is damaged."""
    import pyarrow  # 40 ms; the other compressions do without

    return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd"))


@contextmanager
def _open_zst(path: Path, _mode: str) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        yield unpack_zst(file)


_OPENERS: dict[str, Callable[..., Any]] = {
    "": open,
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".zst": _open_zst,
}


def read_rows(path: str | Path) -> Iterator[Row]:
    """The rows of a data file, read lazily, in file order.

    Raises:
        MissingDataError: there is no such file.
        DataError: its suffix is unknown, or it cannot be opened.
        CorruptRowError: a row does not parse; the message holds file and line (parquet has no lines).
    """
    path = Path(path)
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        raise DataError(
            f'data file "{path.name}" is of a kind that cannot be read',
            where=Location(path),
            have=SUFFIXES,
            mend="convert it to one of these",
        )
    if not path.is_file():
        raise MissingDataError(f'there is no data file "{path}"')
    if suffix == ".parquet":
        return _read_parquet(path)
    kind, _, compression = suffix[1:].partition(".")
    return _TEXT_READERS[kind](path, _lines(path, f".{compression}" if compression else ""))


def read_hub_rows(path: str, name: str | None, split: str, *, label_numbers: bool = False) -> Iterator[Row]:
    """The rows of a dataset on the Hugging Face Hub (or in its local cache), in order.

    A class label comes as its word, since only the dataset knows its own numbering, or as its number where
    that is asked for; -1, the Hub's mark of a hidden label, leaves the column out. No code from the Hub is
    ever run.

    Args:
        path: dataset id, such as "nyu-mll/glue".
        name: its configuration, such as "rte", or None.
        split: split name on the Hub, such as "validation_matched".
        label_numbers: class labels stay numbers, for templates that know the dataset's numbering.
    Raises: MissingDataError if `datasets` is not installed, or the dataset cannot be had.
    """
    wanted = f'"{path}"' + (f' (configuration "{name}")' if name else "") + f', split "{split}"'
    try:
        import datasets
    except ImportError as error:
        raise MissingDataError(
            f'the Hub dataset {wanted} needs the package "datasets"', mend='pip install "t2t[hub]"'
        ) from error
    try:
        dataset = datasets.load_dataset(path, name, split=split)
    except (
        Exception
    ) as error:  # no network, no such id, configuration or split: each has exceptions of its own
        raise MissingDataError(
            f"the Hub dataset {wanted} cannot be had: {type(error).__name__}: {error}",
            mend="check the id and the network, or use a local copy",
        ) from error
    words = {
        column: feature.names
        for column, feature in dataset.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    return (_with_labels(row, words, label_numbers=label_numbers) for row in dataset)


def _with_labels(row: Row, words: dict[str, list[str]], *, label_numbers: bool) -> Row:
    for column, names in words.items():
        index = row.pop(column)
        if index is not None and index >= 0:
            row[column] = index if label_numbers else names[index]
    return row


def _lines(path: Path, compression: str) -> Iterator[bytes]:
    """Lines of a file, ended by a line feed alone: JSON and CSV texts may hold other line separators."""
    num_lines = 0
    try:
        with _OPENERS[compression](path, "rb") as file:
            for line in file:
                num_lines += 1
                yield line
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"data file cannot be read: {error.strerror}", where=Location(path)) from error
        # Left alone, the EOFError of a cut-off .gz would end jsonlines' loop as if the file were complete.
        raise CorruptRowError(
            f"compressed data are damaged or cut off: {error}",
            where=Location(path, num_lines + 1),
            mend="copy the file again",
        ) from error


def _read_jsonl(path: Path, lines: Iterator[bytes]) -> Iterator[Row]:
    try:
        yield from jsonlines.Reader(lines, loads=_parse_json).iter(type=dict, skip_empty=True)
    except jsonlines.InvalidLineError as error:
        text = error.line if isinstance(error.line, str) else error.line.decode("utf-8", "replace")
        raise CorruptRowError(
            f"row is not a JSON object: {_shortened(text)}",
            where=Location(path, error.lineno),
            mend=f"the parser says: {error.__cause__}" if error.__cause__ else "write one {...} a line",
        ) from error


def _parse_json(line: str) -> Any:
    try:
        row = _decode(line)
        if _SURROGATE.search(line):
            json.dumps(row, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("unicode_escape").decode()
        raise ValueError(f"{half} is half of a surrogate pair, which is no text") from error
    return row


def _constant(name: str) -> float | None:
    """NaN is how pandas writes a gap."""
    return None if name == "NaN" else float(name)


_decode = json.JSONDecoder(parse_constant=_constant).decode
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # half of a pair or the whole


def _read_csv(path: Path, lines: Iterator[bytes], dialect: str = "excel") -> Iterator[Row]:
    texts = _decoded(path, lines)
    before = []  # up to the first line with a column's name, blank ones
    for text in texts:
        before.append(text)
        if text.strip():
            break
    first = "".join(before)
    delimiter = csv.get_dialect(dialect).delimiter
    if dialect == "excel" and "," not in first:
        # Spreadsheets write semicolons where the decimal point is a comma; some call a file of tabs .csv.
        delimiter = next((mark for mark in (";", "\t") if mark in first), delimiter)
    csv.field_size_limit(_MOST_FIELD_CHARS)
    reader = csv.reader(chain(before, texts), dialect, delimiter=delimiter, strict=True)
    columns: list[str] = []
    while True:
        line = reader.line_num + 1  # where the row begins; a field in quotes may run over several
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise CorruptRowError(
                f"row cannot be split into fields: {error}",
                where=Location(path, line),
                mend="check its quotes and line ends, or write the rows as .jsonl",
            ) from error
        if values is None:
            return
        if delimiter == "\t" and any("\t" in value and "\n" in value for value in values):
            # Files of tabs are mostly written without quoting: two rows that each hold one mark became one.
            raise CorruptRowError(
                f"a quotation mark opens a field that ends only in line {reader.line_num}",
                where=Location(path, line),
                mend='double the marks of a text and put it in quotes, """Yes"", he said", or write .jsonl',
            )
        if not values:  # a blank line
            continue
        if not columns:
            columns = values
            _check_header(path, line, columns)
        elif len(values) == len(columns):
            yield dict(zip(columns, values, strict=True))
        else:
            raise CorruptRowError(
                f"row has {len(values)} fields, the first line names {len(columns)} columns",
                where=Location(path, line),
                have=columns,
                mend="put fields that hold a separator, a quote or a line break in double quotes",
            )


def _read_tsv(path: Path, lines: Iterator[bytes]) -> Iterator[Row]:
    return _read_csv(path, lines, dialect="excel-tab")


def _decoded(path: Path, lines: Iterator[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            # Spreadsheets begin a file with a byte order mark, which would become part of a column's name.
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise CorruptRowError(
                f"row is not UTF-8: {_shortened(line.decode('utf-8', 'replace'))}",
                where=Location(path, number),
                mend="save the file as UTF-8",
            ) from error


def _check_header(path: Path, line: int, columns: list[str]) -> None:
    wrong = [column for column, count in Counter(columns).items() if count > 1 or not column.strip()]
    if wrong:
        raise CorruptRowError(
            f"columns need names of their own, these are empty or repeated: {', '.join(map(repr, wrong))}",
            where=Location(path, line),
            have=columns,
            mend="name each in the first line (with pandas: to_csv(..., index=False))",
        )


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet  # 60 ms; the other formats do without

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise CorruptRowError(
                    f"columns are there twice: {', '.join(map(repr, twice))}",
                    where=Location(path),
                    have=names,
                    mend="rename one of them",
                )
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise CorruptRowError(f"not a readable parquet file: {error}", where=Location(path)) from error


def _shortened(text: str, limit: int = 80) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"{text[:limit]}..."


_TEXT_READERS: dict[str, Callable[[Path, Iterator[bytes]], Iterator[Row]]] = {
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "tsv": _read_tsv,
}

# Most wanted first: the order in which a split's file is looked for, and which "have:" shows.
SUFFIXES = (
    *(f".{kind}{compression}" for kind in _TEXT_READERS for compression in _OPENERS),
    ".parquet",
)
