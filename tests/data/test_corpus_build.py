"""Builds of a corpus: the same store however it is made, going on after a kill, and what is left out."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from t2t.data import block_encoding, blocks, corpus_build, unfinished
from t2t.data.blocks import corpus_files
from t2t.data.corpus import TokenStore
from t2t.data.corpus_build import build_corpus
from t2t.errors import CorruptRowError, TokenStoreError
from t2t.tokens import document_encoder, train_tokenizer

EOS = 1
FILES = {"a": 40, "b": 10, "c": 1}  # documents


def encode(texts: list[str]) -> list[list[int]]:
    """A toy tokenizer: one id a UTF-8 byte, after three special ids."""
    return [[3 + byte for byte in text.encode()] for text in texts]


def build(files: list[Path], folder: Path, **options) -> TokenStore:
    fixed = {"encode": encode, "eos_id": EOS, "vocab_size": 259, "tokenizer_digest": "0" * 64}
    return build_corpus(corpus_files(files), folder, **(fixed | options))


def documents(store: TokenStore) -> list[str]:
    rows = [store.tokens[start:end] for start, end in zip(store.offsets[:-1], store.offsets[1:], strict=True)]
    assert all(row[-1] == EOS for row in rows)
    return [(row[:-1] - 3).astype(np.uint8).tobytes().decode() for row in rows]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """Three files of numbered documents."""
    return [
        write(tmp_path / f"{name}.jsonl", [f"{name}{number:02}" for number in range(count)])
        for name, count in FILES.items()
    ]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of two documents, that is eight tokens, put on the disk four at a time."""
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 32)  # a line takes 16 bytes
    monkeypatch.setattr(unfinished, "_COMMIT_TOKENS", 30)


class Killed(BaseException):
    """Stands for Ctrl-C."""


class Interrupting:
    """Encodes a number of batches, then ends the build."""

    def __init__(self, num_calls: int, error: BaseException) -> None:
        self.left, self.error = num_calls, error

    def __call__(self, texts: list[str]) -> list[list[int]]:
        if not self.left:
            raise self.error
        self.left -= 1
        return encode(texts)


def test_a_store_holds_every_document_once(tmp_path, files, small_blocks):
    store = build(files, tmp_path / "store")
    assert sorted(documents(store)) == [
        f"{name}{i:02}" for name, count in FILES.items() for i in range(count)
    ]
    store.check_contents()
    # 51 documents of 3 characters, each with its eos
    assert (store.num_documents, store.num_characters, store.num_tokens) == (51, 153, 204)


def test_sources_are_mixed_and_documents_of_a_block_stay_together(tmp_path, files, small_blocks):
    found = documents(build(files, tmp_path / "store"))
    names = [text[0] for text in found]
    # ten documents of b among 51: not in a row, and both halves of the store hold some
    assert "b" * 10 not in "".join(names)
    assert "b" in names[:26]
    assert "b" in names[26:]
    assert found[found.index("a00") + 1] == "a01"


def test_the_seed_decides_the_order_and_nothing_else(tmp_path, files, small_blocks):
    one, same, other = (
        documents(build(files, tmp_path / f"store{number}", seed=seed))
        for number, seed in enumerate([0, 0, 1])
    )
    assert one == same
    assert one != other
    assert sorted(one) == sorted(other)


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_SIZE", 2000)
    texts = [f"The boat number {number % 70} sails by the house on the sea." for number in range(200)]
    files = [write(tmp_path / f"{part}.jsonl", texts[part::2]) for part in range(2)]
    tokenizer = train_tokenizer(texts, vocab_size=384)
    options = {"encode": document_encoder(tokenizer), "vocab_size": 384, "duplicates": "near"}
    alone = build(files, tmp_path / "alone", **options)
    assert alone.num_documents == 70
    build(files, tmp_path / "helped", num_workers=2, **options)
    assert contents(tmp_path / "helped") == contents(alone.folder)


@pytest.mark.parametrize("num_calls", [0, 9, 25])
@pytest.mark.parametrize("duplicates", ["keep", "near"])
def test_an_interrupted_build_goes_on_and_gives_the_same_bytes(
    tmp_path, files, small_blocks, num_calls, duplicates
):
    whole = build(files, tmp_path / "whole", duplicates=duplicates)
    with pytest.raises(Killed):
        build(files, tmp_path / "store", duplicates=duplicates, encode=Interrupting(num_calls, Killed()))
    assert not (tmp_path / "store").exists()
    counted = Interrupting(26 - num_calls, AssertionError("encoded again"))  # 20 + 5 + 1 blocks in all
    build(files, tmp_path / "store", duplicates=duplicates, encode=counted)
    assert contents(tmp_path / "store") == contents(whole.folder)
    assert not (tmp_path / "store.unfinished").exists()


KILLED_BUILD = """\
import os, signal, sys
from t2t.data import blocks, unfinished
from t2t.data.blocks import corpus_files
from t2t.data.corpus_build import build_corpus

blocks._BLOCK_SIZE, unfinished._COMMIT_TOKENS = 32, 20
left = int(sys.argv[1])

def encode(texts):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return [[3 + byte for byte in text.encode()] for text in texts]

build_corpus(corpus_files(sys.argv[3:]), sys.argv[2], encode=encode, eos_id=1, vocab_size=259,
             tokenizer_digest="0" * 64, duplicates="near")
"""


def test_a_build_killed_again_and_again_gives_the_same_bytes(tmp_path, files, small_blocks):
    whole = build(files, tmp_path / "whole", duplicates="near")
    for num_calls in (4, 9, 7):
        command = [
            sys.executable,
            "-c",
            KILLED_BUILD,
            str(num_calls),
            str(tmp_path / "store"),
            *map(str, files),
        ]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    build(files, tmp_path / "store", duplicates="near")
    assert contents(tmp_path / "store") == contents(whole.folder)


@pytest.mark.parametrize("name", ["tokens", "documents", "blocks"])
def test_what_a_kill_left_half_written_is_cut_off(tmp_path, files, small_blocks, name):
    whole = build(files, tmp_path / "whole")
    with pytest.raises(Killed):
        build(files, tmp_path / "store", encode=Interrupting(9, Killed()))
    with (tmp_path / "store.unfinished" / f"{name}.bin").open("ab") as file:
        file.write(b"half")
    build(files, tmp_path / "store")
    assert contents(tmp_path / "store") == contents(whole.folder)


def test_blocks_whose_tokens_never_reached_the_disk_are_encoded_again(tmp_path, files, small_blocks):
    whole = build(files, tmp_path / "whole")
    with pytest.raises(Killed):
        build(files, tmp_path / "store", encode=Interrupting(9, Killed()))
    os.truncate(tmp_path / "store.unfinished" / "tokens.bin", 50)
    build(files, tmp_path / "store")
    assert contents(tmp_path / "store") == contents(whole.folder)


def test_a_mended_line_goes_on_with_the_files_before_it(tmp_path, files, small_blocks):
    good = files[1].read_text()
    files[1].write_text(good + "{\n")
    with pytest.raises(CorruptRowError, match=r"^row is not a JSON object: \{\n  where: .*/b\.jsonl:11\n"):
        build(files, tmp_path / "store")
    files[1].write_text(good + "\n")
    counted = Interrupting(6, AssertionError("encoded again"))  # 5 blocks of b, one of c
    assert build(files, tmp_path / "store", encode=counted).num_documents == 51


def test_a_second_build_of_the_same_store_fails_at_once_and_harms_nothing(tmp_path, files, small_blocks):
    whole = build(files, tmp_path / "whole")
    refused = []

    def encode_while_another_tries(texts: list[str]) -> list[list[int]]:
        with pytest.raises(TokenStoreError) as caught:
            build(files[:1], tmp_path / "store", duplicates="near")
        refused.append(str(caught.value))
        return encode(texts)

    build(files, tmp_path / "store", encode=encode_while_another_tries)
    assert set(refused) == {
        "another process is building this token store\n"
        f"  where: {tmp_path}/store.unfinished\n"
        "  mend:  wait until it ends, or choose another folder"
    }
    assert contents(tmp_path / "store") == contents(whole.folder)
    assert not (tmp_path / "store.unfinished").exists()


def test_a_build_that_comes_when_another_has_just_ended_is_refused(tmp_path, files, monkeypatch):
    alone_in = corpus_build.alone_in

    @contextmanager
    def locked_late(folder: Path, *, busy: TokenStoreError) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(corpus_build, "alone_in", alone_in)
            build(files, tmp_path / "store")
        with alone_in(folder, busy=busy):
            yield

    monkeypatch.setattr(corpus_build, "alone_in", locked_late)
    with pytest.raises(TokenStoreError, match=r"^the output folder exists already\n"):
        build(files, tmp_path / "store")
    assert sorted(documents(TokenStore.open(tmp_path / "store")))[0] == "a00"


def test_an_unfinished_build_with_other_settings_is_left_alone(tmp_path, files, small_blocks):
    with pytest.raises(Killed):
        build(files, tmp_path / "store", encode=Interrupting(9, Killed()))
    with pytest.raises(TokenStoreError) as caught:
        build(files, tmp_path / "store", tokenizer_digest="f" * 64, duplicates="exact")
    assert str(caught.value) == (
        "an unfinished build with other settings is in the way: tokenizer, duplicates\n"
        f"  where: {tmp_path}/store.unfinished\n"
        "  mend:  start with the settings it had, or remove it"
    )
    assert build(files, tmp_path / "store").num_documents == 51


def test_documents_left_out_are_counted_by_kind(tmp_path):
    words = [f"word{number}" for number in range(300)]
    almost = [*words[:150], "another", *words[151:]]
    texts = ["one", " ", "ONE", " ".join(words), "two", "two\n", " ".join(almost), "three", ""]
    file = write(tmp_path / "texts.jsonl", texts)
    store = build([file], tmp_path / "store", duplicates="near")
    assert documents(store) == ["one", " ".join(words), "two", "three"]
    assert (store.num_empty, store.num_duplicates, store.num_near_duplicates) == (2, 2, 1)
    assert TokenStore.open(store.folder).counts() == store.counts()

    exact = build([file], tmp_path / "exact", duplicates="exact")
    assert documents(exact)[-2:] == [" ".join(almost), "three"]
    assert build([file], tmp_path / "all").num_documents == 7


def test_a_duplicate_gives_way_to_an_earlier_file(tmp_path):
    files = [write(tmp_path / "a.jsonl", ["Same", "a"]), write(tmp_path / "b.jsonl", ["b", "same"])]
    assert sorted(documents(build(files[::-1], tmp_path / "store", duplicates="exact"))) == ["Same", "a", "b"]


def test_a_long_document_is_encoded_in_pieces_and_stays_one(tmp_path, monkeypatch):
    monkeypatch.setattr(block_encoding, "_PIECE_SIZE", 10)
    lens: list[int] = []

    def encode_and_note(texts: list[str]) -> list[list[int]]:
        lens.append(sum(map(len, texts)))
        return encode(texts)

    texts = ["one two three\nfour five six seven", "abcdefghijklmnopqrstuvwxyz", "x"]
    file = write(tmp_path / "texts.jsonl", texts)
    store = build([file], tmp_path / "store", encode=encode_and_note, duplicates="near")
    assert documents(store) == texts
    assert max(lens) <= 10


def test_near_duplicates_are_found_among_long_documents(tmp_path, monkeypatch):
    monkeypatch.setattr(block_encoding, "_PIECE_SIZE", 1000)
    words = [f"word{number}" for number in range(2000)]
    file = write(
        tmp_path / "texts.jsonl", [" ".join(words), " ".join(["first", *words]), " ".join(words[::-1])]
    )
    assert build([file], tmp_path / "store", duplicates="near").num_near_duplicates == 1


def test_texts_without_a_document_are_refused(tmp_path):
    with pytest.raises(TokenStoreError) as caught:
        build([write(tmp_path / "texts.jsonl", [" ", ""])], tmp_path / "store")
    assert str(caught.value) == "the texts hold no document\n  mend:  give files with text in them"
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]


def test_nothing_is_overwritten(tmp_path, files):
    (tmp_path / "store").mkdir()
    with pytest.raises(TokenStoreError, match=r"^the output folder exists already\n"):
        build(files, tmp_path / "store")


def test_a_full_disk_keeps_what_is_done(tmp_path, files, small_blocks, monkeypatch):
    whole = build(files, tmp_path / "whole")
    left = 10

    def sync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(unfinished.os, "fsync", sync)
        with pytest.raises(TokenStoreError) as caught:
            build(files, tmp_path / "store")
    assert str(caught.value) == (
        "the token store cannot be written: No space left on device\n"
        f"  where: {tmp_path}/store.unfinished\n"
        "  mend:  make room and start again: it goes on where it was"
    )
    assert not (tmp_path / "store").exists()
    build(files, tmp_path / "store")
    assert contents(tmp_path / "store") == contents(whole.folder)


def test_a_disk_without_room_for_the_store_is_noticed_before_it_is_written(tmp_path, files, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(corpus_build.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(TokenStoreError) as caught:
        build(files, tmp_path / "store")
    assert str(caught.value) == (
        "the store needs 0 MB and the disk has 0 MB left\n"
        f"  where: {tmp_path}/store.unfinished\n"
        "  mend:  make room and start again: it goes on where it was"
    )


def test_a_worker_that_dies_ends_the_build(tmp_path, files, monkeypatch):
    (tmp_path / "dying_encoder.py").write_text("import os\n\ndef encode(texts):\n    os._exit(9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    from dying_encoder import encode as dying  # workers find it where this process does

    with pytest.raises(TokenStoreError) as caught:
        build(files, tmp_path / "store", encode=dying, num_workers=1)
    assert str(caught.value) == (
        "a worker process died: perhaps the memory was used up\n"
        "  mend:  start again with fewer workers: the build goes on where it was"
    )


def test_faults_found_by_a_worker_keep_their_place(tmp_path):
    file = write(tmp_path / "texts.jsonl", ["one"])
    file.write_text(file.read_text() + '{"body": "two"}\n')
    tokenizer = train_tokenizer(["The boat sails by the house."], vocab_size=320, num_sentinels=60)
    with pytest.raises(CorruptRowError) as caught:
        build([file], tmp_path / "store", encode=document_encoder(tokenizer), num_workers=1)
    assert str(caught.value) == (
        'row has no column "text"\n'
        f"  where: {file}:2, text\n"
        "  have:  body\n"
        "  mend:  name the column that holds the documents (text_column)"
    )


def test_progress_runs_from_nothing_to_all_of_each_phase(tmp_path, files, small_blocks):
    seen: dict[str, list[tuple[int, int | None]]] = {}
    build(
        files,
        tmp_path / "store",
        duplicates="near",
        on_progress=lambda phase, done, total: seen.setdefault(phase, []).append((done, total)),
    )
    assert list(seen) == ["encoding", "comparing", "writing"]
    for steps in seen.values():
        assert steps == sorted(steps)
        assert steps[-1][0] == steps[-1][1]
    assert seen["encoding"][-1][0] == 51 * 16  # bytes
