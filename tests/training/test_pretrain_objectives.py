"""A tiny model learns from every objective: its validation loss falls within seconds."""

import math
from collections import Counter
from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from transformers import MBartForConditionalGeneration

from t2t.config import ObjectiveName
from t2t.model import save_model
from t2t.model.presets import BartPreset
from t2t.training.pretrain import build_batches, pretrain

from .conftest import metrics_of, pretrain_config

NAMES = sorted(get_args(ObjectiveName))
MIX = {
    "mix": [
        {"name": "span_corruption", "rate": 2, "prefix": "spans:"},
        {"name": "causal_lm", "prefix": "write:"},
        {"name": "sentence_order"},
    ]
}


UNIFORM_LOSS = math.log(384)  # nats per token, of a model that finds all ids of the vocabulary alike


def check_loss_falls(values, **changes):
    training = {
        "num_steps": 24,
        "eval_every": 8,
        "log_every": 24,
        "num_eval_batches": 3,
        "checkpoint_every": 24,
    }
    config = pretrain_config(values, training=training, **changes)
    pretrain(config)
    losses = [line["validation_loss"] for line in metrics_of(config.run_dir) if "validation_loss" in line]
    assert losses[2] < losses[1] < losses[0]
    assert losses[2] < 0.9 * UNIFORM_LOSS


@pytest.mark.parametrize("name", NAMES)
def test_the_validation_loss_falls(pretrain_values, name):
    check_loss_falls(pretrain_values, objective={"name": name, "max_source_len": 40})


def test_the_validation_loss_of_a_mix_falls(pretrain_values):
    check_loss_falls(pretrain_values, objective={**MIX, "max_source_len": 40})


def test_bart_is_trained_as_bart_was(pretrain_values):
    values = {**pretrain_values, "model": {**pretrain_values["model"], "preset": "bart-tiny"}}
    # normalised behind each layer, and from weights of size 0.02, it sets out more slowly than T5
    check_loss_falls(values, objective={"name": "bart", "max_source_len": 40}, optim={"lr": 0.05})


@pytest.fixture
def mbart_values(pretrain_values, tokenizer, tmp_path):
    """A tiny mBART whose language tokens are two of the sentinels."""
    size = BartPreset(d_model=64, d_ff=128, num_heads=4, num_layers=2, max_len=64, is_mbart=True)
    torch.manual_seed(0)
    model = MBartForConditionalGeneration(size.config(len(tokenizer), 0, 1, 0.0))
    save_model(model, tokenizer, tmp_path / "mbart")
    return {**pretrain_values, "model": {"init_from": str(tmp_path / "mbart")}}


def test_mbart_goes_on_with_one_language(mbart_values):
    check_loss_falls(
        mbart_values,
        objective={"name": "bart", "max_source_len": 40, "language": "<extra_id_7>"},
    )


def test_mbart_learns_several_languages_each_from_its_store(mbart_values, corpus, tokenizer):
    stores = {"<extra_id_7>": str(corpus / "train"), "<extra_id_8>": str(corpus / "validation")}
    config = pretrain_config(
        {**mbart_values, "objective": {"name": "bart", "max_source_len": 40}},
        data={"train": stores, "validation": stores, "temperature": 2},
    )
    batches, raw_tokens = build_batches(config.data.train, tokenizer, config, seed=0)
    drawn = [batches(step) for step in range(1000)]
    # the language stands behind </s>, last of all
    tags = Counter(int(batch.input_ids[0, batch.attention_mask[0].sum() - 1]) for batch in drawn)
    # 40 documents and 10 of them: sizes 4 to 1, shares 2 to 1 at temperature 2
    seven, eight = tokenizer.convert_tokens_to_ids(["<extra_id_7>", "<extra_id_8>"])
    assert set(tags) == {seven, eight}
    assert tags[seven] / tags[eight] == pytest.approx(2, rel=0.05)
    assert raw_tokens == sum(len(range(*map(int, name.split()[1].split(":")))) for name in drawn[0].names)
    assert pretrain(config).step == 8


def test_a_language_is_told_once(mbart_values, corpus):
    data = {"train": {"<extra_id_7>": str(corpus / "train")}, "validation": None}
    with pytest.raises(ValidationError, match=r"objective\.language stands beside stores by language"):
        pretrain_config(mbart_values, data=data, objective={"name": "bart", "language": "<extra_id_7>"})


def test_the_order_of_languages_in_the_config_changes_nothing(mbart_values, corpus, tokenizer):
    stores = {"<extra_id_7>": str(corpus / "train"), "<extra_id_8>": str(corpus / "validation")}
    names = []
    for order in (stores, dict(reversed(stores.items()))):
        config = pretrain_config(
            mbart_values, objective={"name": "bart"}, data={"train": order, "validation": order}
        )
        batches, _ = build_batches(config.data.train, tokenizer, config, seed=0)
        names.append([batches(step).names for step in range(20)])
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"train": {}}, "should have at least 1 item"),
        ({"train": {"<extra_id_7>": "a"}, "validation": "b"}, "one of train and validation is by language"),
        ({"train": "a", "validation": "b", "temperature": 2}, "temperature is of several languages"),
    ],
)
def test_stores_that_do_not_go_together(pretrain_values, data, problem):
    with pytest.raises(ValidationError, match=problem):
        pretrain_config({**pretrain_values, "data": data})
