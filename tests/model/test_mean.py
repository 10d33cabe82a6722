import copy
import json
import shutil

import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration

import t2t
from t2t.errors import ModelError
from t2t.model import build_model, save_model
from t2t.model.mean import load_mean_model
from t2t.model.training_record import TrainingRecord


def save(folder, tokenizer, seed, *, preset="tiny", tasks=()):
    torch.manual_seed(seed)
    model = build_model(preset, vocab_size=384, pad_id=0, eos_id=1)
    save_model(model, tokenizer, folder, record=TrainingRecord(frozenset(tasks)))
    return model


def test_each_weight_is_its_mean(tmp_path, tokenizer):
    folders = [tmp_path / name for name in "abc"]
    states = [save(folder, tokenizer, seed).state_dict() for seed, folder in enumerate(folders)]
    mean = load_mean_model(folders, device="cpu")
    for key, weight in mean.model.state_dict().items():
        expected = torch.stack([state[key] for state in states]).mean(0)
        torch.testing.assert_close(weight, expected)
    assert not torch.equal(mean.model.state_dict()["shared.weight"], states[0]["shared.weight"])
    assert not mean.model.training
    assert mean.name == "mean of " + ", ".join(f"{tmp_path.name}-{name}" for name in "abc")


def test_the_mean_of_one_model_is_that_model(tmp_path, tokenizer):
    state = save(tmp_path / "a", tokenizer, 0).state_dict()
    mean = load_mean_model([tmp_path / "a"], device="cpu", dtype="bfloat16")
    assert mean.dtype == torch.bfloat16
    for key, weight in mean.model.state_dict().items():
        assert torch.equal(weight, state[key].to(torch.bfloat16))


def test_the_mean_was_trained_on_what_any_of_them_was(tmp_path, tokenizer):
    for seed, (name, tasks) in enumerate([("a", ["sst2"]), ("b", ["rte", "sst2"])]):
        save(tmp_path / name, tokenizer, seed, tasks=tasks)
    t2t.Text2Text.load_mean([tmp_path / "a", tmp_path / "b"], device="cpu").save(tmp_path / "mean")
    assert TrainingRecord.read(tmp_path / "mean").tasks == {"rte", "sst2"}
    assert t2t.load(tmp_path / "mean", device="cpu").rank("Good?", ["yes", "no"]).text in ("yes", "no")


def test_models_that_do_not_match_have_no_mean(tmp_path, tokenizer):
    save(tmp_path / "a", tokenizer, 0)
    other_tokenizer = copy.deepcopy(tokenizer)
    other_tokenizer.add_tokens(["shell"])
    save(tmp_path / "small", tokenizer, 0, preset="small")
    save(tmp_path / "other", other_tokenizer, 0)
    with pytest.raises(ModelError, match=r'small have no mean: "shared\.weight" is \[384, \d+\] in one and'):
        load_mean_model([tmp_path / "a", tmp_path / "small"], device="cpu")
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    shutil.copytree(tmp_path / "a", tmp_path / "near")
    distance = {"relative_attention_max_distance": 64}
    (tmp_path / "near" / "config.json").write_text(json.dumps(config | distance))
    with pytest.raises(
        ModelError, match='"relative_attention_max_distance" is 128 in one and 64 in the other'
    ):
        load_mean_model([tmp_path / "a", tmp_path / "near"], device="cpu")
    with pytest.raises(ModelError, match="their tokenizers differ"):
        load_mean_model([tmp_path / "a", tmp_path / "other"], device="cpu")
    settings = json.loads((tmp_path / "a" / "tokenizer.json").read_text())
    shutil.copytree(tmp_path / "a", tmp_path / "lower")
    lower = settings | {"normalizer": {"type": "Lowercase"}}  # the same vocabulary
    (tmp_path / "lower" / "tokenizer.json").write_text(json.dumps(lower))
    with pytest.raises(ModelError, match="their tokenizers differ"):
        load_mean_model([tmp_path / "a", tmp_path / "lower"], device="cpu")


def test_the_bias_of_the_logits_which_bart_keeps_as_a_buffer_is_a_mean_too(tmp_path, tokenizer):
    for bias in (1, 4):
        model = BartForConditionalGeneration(
            BartConfig(
                vocab_size=384, d_model=16, encoder_layers=1, decoder_layers=1, max_position_embeddings=8
            )
        )
        model.final_logits_bias.fill_(bias)
        save_model(model, tokenizer, tmp_path / str(bias))
    mean = load_mean_model([tmp_path / "1", tmp_path / "4"], device="cpu")
    assert mean.model.final_logits_bias.unique().tolist() == [2.5]


@pytest.mark.parametrize("names", [[], "starter"])
def test_a_mean_is_of_a_list(names):
    with pytest.raises(ModelError, match="a mean is of a list of models, not of"):
        load_mean_model(names)


def test_any_iterable_keeps_the_record(tmp_path, tokenizer):
    for seed, name in enumerate("ab"):
        save(tmp_path / name, tokenizer, seed, tasks=[name])
    t2t.Text2Text.load_mean((tmp_path / name for name in "ab"), device="cpu").save(tmp_path / "mean")
    assert TrainingRecord.read(tmp_path / "mean").tasks == {"a", "b"}
