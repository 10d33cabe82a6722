"""Rows from files: every format, every compression, and what a damaged file says."""

import csv
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t.data.readers import SUFFIXES, read_hub_rows, read_rows
from t2t.errors import CorruptRowError, DataError, MissingDataError

ROWS = [
    {"text": 'She said "no",\nand left.', "label": "negative"},
    {"text": "déjà vu \u2028 twice\ttabbed", "label": "positive"},
]


def open_zst(path: Path, *_, **options) -> io.TextIOWrapper:
    return io.TextIOWrapper(pa.CompressedOutputStream(str(path), "zstd"), **options)


OPENERS: dict[str, Callable] = {"": open, ".gz": gzip.open, ".xz": lzma.open, ".zst": open_zst}


def write_rows(path: Path, rows: list[dict]) -> Path:
    kind, _, compression = path.name.removeprefix("rows.").partition(".")
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    with OPENERS["." + compression if compression else ""](path, "wt", encoding="utf-8", newline="") as file:
        if kind == "jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(
                file, ["text", "label"], dialect="excel" if kind == "csv" else "excel-tab"
            )
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_rows(tmp_path, suffix):
    assert list(read_rows(write_rows(tmp_path / f"rows{suffix}", ROWS))) == ROWS


json_values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())


@given(st.lists(st.dictionaries(st.text(), json_values)))
def test_any_json_rows_come_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("any") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert list(read_rows(path)) == rows


def test_rows_are_read_lazily(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\nbroken\n')
    assert next(read_rows(path)) == {"a": 1}


def test_a_corrupt_line_is_named_with_its_file_and_line(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2,\n')
    with pytest.raises(CorruptRowError) as caught:
        list(read_rows(path))
    assert str(caught.value) == (
        'row is not a JSON object: {"a": 2,\n'
        f"  where: {path}:3\n"
        "  mend:  the parser says: Expecting property name enclosed in double quotes: "
        "line 2 column 1 (char 9)"
    )


@pytest.mark.parametrize("line", ["[1, 2]", "null", '"text"', "3", "[" * 100_000])
def test_a_json_line_that_is_no_object_is_an_error(tmp_path, line):
    path = tmp_path / "train.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(CorruptRowError, match="row is not a JSON object") as caught:
        list(read_rows(path))
    assert str(caught.value.where) == f"{path}:2"


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_text_that_is_not_utf8_is_an_error(tmp_path, suffix):
    path = tmp_path / f"train{suffix}"
    path.write_bytes(b'{"a": 1}\n{"a": "caf\xe9"}\n')
    with pytest.raises(CorruptRowError) as caught:
        list(read_rows(path))
    assert str(caught.value.where) == f"{path}:2"


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.xz", ".jsonl.zst", ".csv.gz", ".csv.zst"])
def test_a_cut_off_compressed_file_is_an_error_not_a_shorter_file(tmp_path, suffix):
    path = write_rows(tmp_path / f"rows{suffix}", ROWS * 50)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptRowError, match="compressed data are damaged or cut off"):
        list(read_rows(path))


def test_a_csv_row_with_too_many_fields_is_an_error(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nfine,positive\nwell, not so fine,negative\n")
    with pytest.raises(CorruptRowError) as caught:
        list(read_rows(path))
    assert str(caught.value) == (
        "row has 3 fields, the first line names 2 columns\n"
        f"  where: {path}:3\n"
        "  have:  text, label\n"
        "  mend:  put fields that hold a separator, a quote or a line break in double quotes"
    )


def test_a_csv_may_be_divided_by_semicolons(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes('\ufefftext;label\r\n"Good; really, good";1\r\n'.encode())
    assert list(read_rows(path)) == [{"text": "Good; really, good", "label": "1"}]
    path.write_text("text,a;b\nGood,1\n")
    assert list(read_rows(path)) == [{"text": "Good", "a;b": "1"}]


@pytest.mark.parametrize("text", ["\n\na;b\n1;2\n", "a\tb\n1\t2\n", "\r\na\tb\r\n1\t2\r\n"])
def test_a_csv_may_begin_with_blank_lines_and_hold_tabs(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    assert list(read_rows(path)) == [{"a": "1", "b": "2"}]


def test_a_csv_may_hold_a_long_document(tmp_path):
    path = tmp_path / "rows.csv"
    text = "A long walk. " * 20_000
    path.write_text(f"text,label\n{text},1\n")
    assert list(read_rows(path)) == [{"text": text, "label": "1"}]


def test_a_csv_with_an_open_quote_is_an_error(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"never closed,positive\n')
    with pytest.raises(CorruptRowError, match="row cannot be split into fields: unexpected end of data"):
        list(read_rows(path))


def test_an_open_quote_is_told_where_it_opens(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,label\nfine,positive\n"never closed,positive\n' + "fine,positive\n" * 50)
    with pytest.raises(CorruptRowError) as caught:
        list(read_rows(path))
    assert f"where: {path}:3\n" in str(caught.value)


def test_rows_that_a_quotation_mark_makes_one_are_an_error(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text('text\tlabel\nfine\tpos\n"I loved it .\tpos\nA mess .\tneg\nTruly . "\tpos\n')
    with pytest.raises(CorruptRowError) as caught:
        list(read_rows(path))
    assert str(caught.value) == (
        "a quotation mark opens a field that ends only in line 5\n"
        f"  where: {path}:3\n"
        '  mend:  double the marks of a text and put it in quotes, """Yes"", he said", or write .jsonl'
    )


def test_half_a_character_is_no_text(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "\\ud83d\\ude00"}\n{"text": "cut \\ud83d off"}\n')
    with pytest.raises(CorruptRowError) as caught:
        list(read_rows(path))
    assert f"{path}:2\n" in str(caught.value)
    assert "\\ud83d is half of a surrogate pair, which is no text" in str(caught.value)


def test_nan_is_a_gap(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "fine", "label": NaN, "score": 1.5}\n')
    assert list(read_rows(path)) == [{"text": "fine", "label": None, "score": 1.5}]


@pytest.mark.parametrize("header", ["text,text", "text,"])
def test_csv_columns_need_names_of_their_own(tmp_path, header):
    path = tmp_path / "rows.csv"
    path.write_text(f"{header}\na,b\n")
    with pytest.raises(CorruptRowError, match="columns need names of their own"):
        list(read_rows(path))


def test_a_csv_from_a_spreadsheet_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\r\nfine,positive\r\n")
    assert list(read_rows(path)) == [{"text": "fine", "label": "positive"}]


def test_columns_of_a_parquet_file_need_names_of_their_own(tmp_path):
    rows = pa.table([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    pq.write_table(rows, tmp_path / "rows.parquet")
    with pytest.raises(CorruptRowError, match="columns are there twice: 'a'"):
        list(read_rows(tmp_path / "rows.parquet"))


def test_a_parquet_file_of_texts_that_are_no_utf8_is_an_error(tmp_path):
    raw = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"a": raw}), tmp_path / "rows.parquet")
    with pytest.raises(CorruptRowError, match="not a readable parquet file"):
        list(read_rows(tmp_path / "rows.parquet"))


def test_a_damaged_parquet_file_is_an_error(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(CorruptRowError, match="not a readable parquet file"):
        list(read_rows(path))


def test_an_unknown_suffix_names_those_that_can_be_read(tmp_path):
    path = tmp_path / "rows.xlsx"
    path.touch()
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert str(caught.value) == (
        'data file "rows.xlsx" is of a kind that cannot be read\n'
        f"  where: {path}\n"
        "  have:  .jsonl, .jsonl.gz, .jsonl.xz, .jsonl.zst, .csv, .csv.gz, .csv.xz, .csv.zst, "
        ".tsv, .tsv.gz, .tsv.xz, .tsv.zst, .parquet\n"
        "  mend:  convert it to one of these"
    )


def test_a_missing_file_is_an_error_before_the_first_row(tmp_path):
    with pytest.raises(MissingDataError, match="there is no data file"):
        read_rows(tmp_path / "rows.jsonl")


class FakeClassLabel:
    names = ("entailment", "not_entailment")


@pytest.fixture
def fake_hub(monkeypatch):
    """Stands in for the package `datasets`, with one dataset that holds a labelled and an unlabelled row."""

    class Dataset(list):
        features: dict = {"premise": object(), "label": FakeClassLabel()}  # noqa: RUF012

    def load_dataset(path, name, *, split):
        if (path, name, split) != ("nyu-mll/glue", "rte", "test"):
            raise ConnectionError("no route to the Hub")
        return Dataset([{"premise": "It rains.", "label": 1}, {"premise": "It snows.", "label": -1}])

    fake = SimpleNamespace(load_dataset=load_dataset, ClassLabel=FakeClassLabel)
    monkeypatch.setitem(sys.modules, "datasets", fake)


def test_hub_labels_come_as_words_and_hidden_ones_are_left_out(fake_hub):
    assert list(read_hub_rows("nyu-mll/glue", "rte", "test")) == [
        {"premise": "It rains.", "label": "not_entailment"},
        {"premise": "It snows."},
    ]


def test_hub_labels_stay_numbers_where_that_is_asked_for(fake_hub):
    assert list(read_hub_rows("nyu-mll/glue", "rte", "test", label_numbers=True)) == [
        {"premise": "It rains.", "label": 1},
        {"premise": "It snows."},
    ]


def test_a_hub_failure_names_the_dataset(fake_hub):
    with pytest.raises(MissingDataError) as caught:
        read_hub_rows("nyu-mll/glue", "rte", "validation")
    assert str(caught.value) == (
        'the Hub dataset "nyu-mll/glue" (configuration "rte"), split "validation" cannot be had: '
        "ConnectionError: no route to the Hub\n"
        "  mend:  check the id and the network, or use a local copy"
    )


def test_without_the_hub_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingDataError) as caught:
        read_hub_rows("fancyzhx/ag_news", None, "train")
    assert str(caught.value) == (
        'the Hub dataset "fancyzhx/ag_news", split "train" needs the package "datasets"\n'
        '  mend:  pip install "t2t[hub]"'
    )
