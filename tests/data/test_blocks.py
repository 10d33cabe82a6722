"""Blocks of a corpus: every format gives its documents, cut by contents alone, and faults name their line."""

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t.data import blocks
from t2t.data.blocks import SUFFIXES, CorpusFile, corpus_files
from t2t.errors import CorruptRowError, DataError, Faults, MissingDataError


def open_zst(path: Path, mode: str) -> Any:
    return pyarrow.CompressedOutputStream(str(path), "zstd")


OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".zst": open_zst}


def write(path: Path, contents: bytes) -> CorpusFile:
    with OPENERS.get(path.suffix, open)(path, "wb") as file:
        file.write(contents)
    return CorpusFile(path)


def jsonl(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def texts_of(file: CorpusFile, column: str = "text") -> list[str]:
    return [text for block in file.blocks(column) for text in block.texts()]


def fault_of(file: CorpusFile, column: str = "text") -> str:
    with pytest.raises(CorruptRowError) as caught:
        texts_of(file, column)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".parquet"])
def test_every_text_format_and_compression_is_read(tmp_path, suffix):
    contents = {
        "jsonl": jsonl(["one\ntwo", "déjà"]),
        "csv": 'id,text\n1,"one\ntwo"\n2,déjà\n'.encode(),
        "tsv": 'id\ttext\n1\t"one\ntwo"\n2\tdéjà\n'.encode(),
        "txt": b"\xef\xbb\xbfone\ntwo",  # as Windows writes it
    }[suffix.split(".")[1]]
    expected = ["one\ntwo"] if suffix.startswith(".txt") else ["one\ntwo", "déjà"]
    assert texts_of(write(tmp_path / f"texts{suffix}", contents)) == expected


def test_parquet_is_read(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"body": ["one", "two"]}), tmp_path / "texts.parquet")
    assert texts_of(CorpusFile(tmp_path / "texts.parquet"), "body") == ["one", "two"]


def test_lines_are_cut_into_blocks_of_whole_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 32)
    # A line takes 16 bytes: {"text": "a00"} and a line feed. Two of them make a block.
    file = write(tmp_path / "texts.jsonl", jsonl([f"a{number:02}" for number in range(5)]))
    found = list(file.blocks("text"))
    assert [block.texts() for block in found] == [["a00", "a01"], ["a02", "a03"], ["a04"]]
    assert [block.place.line for block in found] == [1, 3, 5]


def test_rows_are_cut_into_blocks_by_their_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 4)
    file = write(tmp_path / "texts.csv", b"text\nab\ncd\nefghij\nk\n")
    assert [block.texts() for block in file.blocks("text")] == [["ab", "cd"], ["efghij"], ["k"]]


@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=40)), size=st.integers(1, 99))
def test_blocks_hold_all_documents_in_order_whatever_their_size(tmp_path_factory, texts, size):
    folder = tmp_path_factory.mktemp("blocks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK_SIZE", size)
        plain = write(folder / "texts.jsonl", jsonl(texts))
        packed = write(folder / "texts.jsonl.gz", jsonl(texts))
        assert texts_of(plain) == texts
        # the same cuts however the file is packed
        assert [b.lines for b in plain.blocks("text")] == [b.lines for b in packed.blocks("text")]


def test_skipped_blocks_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 4)
    file = write(tmp_path / "texts.csv", b"text\nabcd\nefgh\nijkl\n")
    assert [block.texts() for block in file.blocks("text", skip_blocks=1)] == [["efgh"], ["ijkl"]]


def test_the_position_ends_at_the_size_of_the_file(tmp_path):
    file = write(tmp_path / "texts.jsonl.xz", jsonl(["one", "two"]))
    assert [block.position for block in file.blocks("text")] == [(tmp_path / "texts.jsonl.xz").stat().st_size]


def test_a_blank_line_and_a_byte_order_mark_are_no_fault(tmp_path):
    assert texts_of(write(tmp_path / "texts.jsonl", b"\xef\xbb\xbf" + jsonl(["one"]) + b"\n \r\n")) == ["one"]


def test_a_line_that_does_not_parse_is_located(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 16)
    file = write(tmp_path / "texts.jsonl", jsonl(["one", "two"]) + b'{"text": "thr\n')
    assert fault_of(file) == (
        'row is not a JSON object: {"text": "thr\n'
        f"  where: {tmp_path}/texts.jsonl:3\n"
        "  mend:  the parser says: Unterminated string starting at: line 1 column 10 (char 9)"
    )


@pytest.mark.parametrize(
    ("line", "mend"),
    [
        (b"[1]", "write one {...} a line"),
        (b'{"text": "\xff"}', "the parser says: 'utf-8' codec can't decode byte 0xff in position 10: "),
        (b"[" * 100_000, "the parser says: maximum recursion depth exceeded"),
    ],
    ids=["list", "not UTF-8", "deep"],
)
def test_a_line_that_is_no_object_says_why(tmp_path, line, mend):
    fault = fault_of(write(tmp_path / "texts.jsonl", line + b"\n"))
    assert f"  where: {tmp_path}/texts.jsonl:1\n  mend:  {mend}" in fault


def test_a_missing_column_names_those_there_are(tmp_path):
    file = write(tmp_path / "texts.jsonl", b'{"text": "one"}\n{"body": "two", "id": 7}\n')
    assert fault_of(file) == (
        'row has no column "text"\n'
        f"  where: {tmp_path}/texts.jsonl:2, text\n"
        "  have:  body, id\n"
        "  mend:  name the column that holds the documents (text_column)"
    )


def test_a_missing_column_of_a_table_names_the_row(tmp_path):
    assert fault_of(write(tmp_path / "texts.csv", b"id,body\n1,one\n")) == (
        'row 0 has no column "text"\n'
        f"  where: {tmp_path}/texts.csv, text\n"
        "  have:  id, body\n"
        "  mend:  name the column that holds the documents (text_column)"
    )


def test_a_text_that_is_a_number_is_refused(tmp_path):
    fault = fault_of(write(tmp_path / "texts.jsonl", b'{"text": 5}\n'))
    assert fault.startswith('column "text" of row holds no text but int\n')


def test_half_a_surrogate_pair_is_refused(tmp_path):
    assert fault_of(write(tmp_path / "texts.jsonl", b'{"text": "ok \\ud83d"}\n')) == (
        "row: character 3 is half a surrogate pair\n"
        f"  where: {tmp_path}/texts.jsonl:1, text\n"
        "  mend:  repair or drop this document"
    )


def test_a_text_file_that_is_not_utf8_is_refused(tmp_path):
    assert fault_of(write(tmp_path / "latin.txt", "déjà".encode("latin-1"))) == (
        f"byte 1 is not UTF-8\n  where: {tmp_path}/latin.txt\n  mend:  convert the file to UTF-8"
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [("a.txt", "a .txt file is one document, and this one"), ("a.jsonl", "a line")],
)
def test_a_document_too_long_for_memory_is_refused(tmp_path, monkeypatch, name, what):
    monkeypatch.setattr(blocks, "_DOCUMENT_LIMIT", 2**20)
    where = f"{tmp_path}/{name}" + (":1" if name == "a.jsonl" else "")
    assert fault_of(write(tmp_path / name, b"a" * (2**20 + 1))) == (
        f"{what} has more than 1 MiB\n"
        f"  where: {where}\n"
        '  mend:  write it as .jsonl, one {"text": ...} a line, each a document of its own'
    )


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_file_that_was_cut_off_is_refused(tmp_path, suffix):
    path = tmp_path / f"texts.jsonl{suffix}"
    write(path, jsonl([str(number) for number in range(100)]))
    path.write_bytes(path.read_bytes()[:-20])
    fault = fault_of(CorpusFile(path))
    assert fault.startswith("the file cannot be read to its end: ")
    assert fault.endswith(f"\n  where: {path}\n  mend:  copy the file again")


def test_files_are_sorted_and_taken_once(tmp_path):
    for name in ("b.txt", "a.txt"):
        write(tmp_path / name, b"x")
    files = corpus_files([tmp_path / "b.txt", tmp_path / "a.txt", str(tmp_path / "b.txt")])
    assert [file.path.name for file in files] == ["a.txt", "b.txt"]


def test_all_impossible_files_are_named_at_once(tmp_path):
    with pytest.raises(Faults) as caught:
        corpus_files([tmp_path / "page.html", tmp_path / "none.jsonl"])
    unknown, missing = sorted(caught.value.faults, key=lambda fault: type(fault).__name__)
    assert isinstance(missing, MissingDataError)
    assert str(missing) == f'there is no data file "{tmp_path}/none.jsonl"'
    assert isinstance(unknown, DataError)
    assert str(unknown) == (
        'data file "page.html" is of a kind that cannot be read\n'
        f"  where: {tmp_path}/page.html\n"
        "  have:  .jsonl, .jsonl.gz, .jsonl.xz, .jsonl.zst, .txt, .txt.gz, .txt.xz, .txt.zst, "
        ".csv, .csv.gz, .csv.xz, .csv.zst, .tsv, .tsv.gz, .tsv.xz, .tsv.zst, .parquet\n"
        "  mend:  convert it to one of these"
    )
