"""`t2t tokenizer train`, `t2t corpus build` and `t2t corpus stats`, one after the other on toy files."""

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from t2t.cli import corpus as corpus_command
from t2t.cli import tokenizer as tokenizer_command
from t2t.data.corpus import TokenStore
from t2t.errors import T2TError, TokenizerError
from t2t.tokens import load_tokenizer, save_tokenizer, tokenizer_digest, train_tokenizer

TEXT = "The lighthouse keeper wrote down the weather every morning, and nobody ever read his notes."


@pytest.fixture
def texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": TEXT}) + "\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text("The weather.\nThe keeper.", encoding="utf-8")


@pytest.fixture
def tokenizer_folder(texts) -> None:
    save_tokenizer(train_tokenizer([TEXT], vocab_size=384), "tok")


def run(app, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_text_files_become_a_tokenizer_and_a_token_store(texts):
    train = ["train", "texts.jsonl", "more.txt", "--out", "tok", "--vocab-size", "384"]
    assert run(tokenizer_command.app, *train).startswith("tok: 384 ids, digest ")
    build = ["build", "texts.jsonl", "more.txt", "--tokenizer", "tok", "--out", "store"]
    assert run(corpus_command.app, *build).startswith("store: 2 documents, ")

    tokenizer, store = load_tokenizer("tok"), TokenStore.open("store")
    store.check_tokenizer(tokenizer_digest(tokenizer))
    starts = zip(store.offsets[:-1], store.offsets[1:], strict=True)
    texts_found = {tokenizer.decode(store.tokens[a:b], skip_special_tokens=True) for a, b in starts}
    assert texts_found == {TEXT, "The weather.\nThe keeper."}

    counts = json.loads(run(corpus_command.app, "stats", "store", "--json"))
    assert counts["num_documents"] == 2
    assert counts["num_tokens"] == store.num_tokens
    assert counts["num_characters"] == len(TEXT) + len("The weather.\nThe keeper.")
    assert counts["document_len_quantiles"]["100%"] == np.diff(store.offsets).max()
    assert "tokens of a document" in run(corpus_command.app, "stats", "store")


def test_a_tokenizer_learns_from_the_column_that_is_named(texts):
    rows = [{"body": TEXT, "text": "x"}, {"body": "The weather.", "text": "x"}]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = ["--out", "tok", "--vocab-size", "384"]
    run(tokenizer_command.app, "train", "rows.jsonl", "--text-column", "body", *options)
    expected = tokenizer_digest(train_tokenizer([TEXT, "The weather."], vocab_size=384))
    assert tokenizer_digest(load_tokenizer("tok")) == expected


def test_a_column_that_rows_lack_is_named_with_the_line(texts):
    with pytest.raises(T2TError) as caught:
        run(tokenizer_command.app, "train", "texts.jsonl", "--text-column", "body", "--out", "tok")
    assert str(caught.value) == (
        'row has no column "body"\n'
        "  where: texts.jsonl:1, body\n"
        "  have:  text\n"
        "  mend:  name the column that holds the documents (text_column)"
    )


def test_a_tokenizer_without_end_of_sequence_builds_no_store(texts, tokenizer_folder):
    path = Path("tok/tokenizer_config.json")
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "eos_token": None}), encoding="utf-8")
    with pytest.raises(TokenizerError) as caught:
        run(corpus_command.app, "build", "texts.jsonl", "--tokenizer", "tok", "--out", "store")
    assert str(caught.value) == (
        'the tokenizer "tok" has no end-of-sequence token, which is put after each document\n'
        "  mend:  name the tokenizer of an encoder-decoder, such as T5 or BART"
    )
    assert sorted(path.name for path in Path().iterdir()) == ["more.txt", "texts.jsonl", "tok"]


def test_column_duplicates_and_workers_can_be_chosen(texts, tokenizer_folder):
    rows = [{"body": TEXT}, {"body": TEXT.upper()}]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = ["--text-column", "body", "--duplicates", "exact", "--workers", "0", "--seed", "3"]
    printed = run(corpus_command.app, "build", "rows.jsonl", "--tokenizer", "tok", "--out", "store", *options)
    assert printed.startswith("store: 1 documents, ")
    assert printed.endswith("left out: 0 empty documents, 1 duplicates, 0 near-duplicates\n")


def test_progress_is_shown_in_megabytes_phase_by_phase(monkeypatch):
    shown: list[tuple] = []

    @contextmanager
    def progress_bar(description, *, unit, total):
        shown.append((description, unit, total))
        yield lambda steps: shown.append((description, steps))

    monkeypatch.setattr(corpus_command, "progress_bar", progress_bar)
    with corpus_command._bar_of_phases() as on_progress:
        for step in [("encoding", 1_400_000, None), ("encoding", 2_600_000, None), ("writing", 10**6, 10**6)]:
            on_progress(*step)
    assert shown == [
        ("encoding", "MB", None),
        ("encoding", 1),  # 1.4 rounded
        ("encoding", 2),  # 2.6 rounded, less the 1
        ("writing", "MB", 1),
        ("writing", 1),
    ]


@pytest.mark.parametrize(
    ("app", "arguments"),
    [
        (tokenizer_command.app, ["train", "texts.jsonl", "--out", "here"]),
        (corpus_command.app, ["build", "texts.jsonl", "--tokenizer", "none", "--out", "here"]),
    ],
)
def test_an_existing_output_folder_is_refused_at_once(texts, tmp_path, app, arguments):
    (tmp_path / "here").mkdir()
    with pytest.raises(T2TError) as caught:
        run(app, *arguments)
    assert str(caught.value) == (
        "the output folder exists already\n  where: here\n  mend:  remove it, or choose another"
    )
