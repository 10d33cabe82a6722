"""The model that ships with t2t, as a stranger's `transformers` sees it and as we do."""

import json

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import t2t
from t2t.resources import starter_dir
from t2t.tokens import sentinel_ids

SOURCES = [
    "Is this review positive or negative?\nA {warm} and funny film.",
    "Topic of: stocks fell on Monday",
]


@pytest.fixture(scope="module")
def model():
    return t2t.load(device="cpu")


def test_transformers_loads_it_with_no_code_of_ours_and_the_same_logits(model):
    theirs = AutoModelForSeq2SeqLM.from_pretrained(starter_dir(), dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(starter_dir())
    batch = tokenizer(SOURCES, padding=True, return_tensors="pt")
    labels = tokenizer(["positive", "business"], padding=True, return_tensors="pt").input_ids
    batch = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        assert torch.equal(model.model(**batch, labels=labels).logits, theirs(**batch, labels=labels).logits)
    assert [model.tokenizer(source).input_ids for source in SOURCES] == [
        tokenizer(source).input_ids for source in SOURCES
    ]


def test_it_is_small_enough_to_live_in_the_repository():
    assert sum(path.stat().st_size for path in starter_dir().iterdir()) < 40e6  # bytes


def test_its_tokenizer_gives_any_text_back(model):
    text = " {braces}\n\tand tabs, ünïcödé, 漢字 🙂  two spaces"
    ids = model.tokenizer(text).input_ids
    assert model.tokenizer.decode(ids, skip_special_tokens=True) == text
    assert len(sentinel_ids(model.tokenizer)) == 100


@pytest.mark.parametrize(
    ("review", "answer"),
    [("I loved every minute of it.", "positive"), ("A dull, stupid waste of time.", "negative")],
)
def test_it_tells_praise_from_blame(model, review, answer):
    source = f"Review: {review}\nSentiment:"  # a wording it was trained on
    assert model(source, choices=["positive", "negative"]).text == answer


def test_its_record_holds_out_the_clusters_of_the_card():
    record = json.loads((starter_dir() / "training.json").read_text())
    assert {"nli", "coreference_wsd", "sentence_completion"} <= set(record["held_out"])
    assert {"sst2", "ag_news", "trec"} <= set(record["tasks"])
    assert not set(record["tasks"]) & set(record["held_out"])
