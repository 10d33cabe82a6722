"""`t2t tokenizer train`, `t2t corpus build` and `t2t corpus stats`, one after the other on toy files."""

import json

import pytest
from typer.testing import CliRunner

from t2t.cli import corpus as corpus_command
from t2t.cli import tokenizer as tokenizer_command
from t2t.data.corpus import TokenStore
from t2t.errors import T2TError
from t2t.tokens import load_tokenizer, tokenizer_digest

TEXT = "The lighthouse keeper wrote down the weather every morning, and nobody ever read his notes."


@pytest.fixture
def texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": TEXT}) + "\n", encoding="utf-8")
    (tmp_path / "more.txt").write_text("The weather.\nThe keeper.", encoding="utf-8")


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
    # more.txt comes first: files are sorted by name, and both are due at once
    assert (
        tokenizer.decode(store.tokens[: store.offsets[1]], skip_special_tokens=True)
        == "The weather.\nThe keeper."
    )

    counts = json.loads(run(corpus_command.app, "stats", "store", "--json"))
    assert counts["num_documents"] == 2
    assert counts["num_tokens"] == store.num_tokens
    assert counts["num_characters"] == len(TEXT) + len("The weather.\nThe keeper.")


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
