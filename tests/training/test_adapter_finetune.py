"""Fine-tuning an adapter: what is trained, what is saved, how it goes on."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from t2t.inference import Text2Text
from t2t.model import load_model
from t2t.training.finetune import finetune, load_with_adapter

from .conftest import finetune_config, metrics_of
from .test_pretrain import KillAt, Killed

ADAPTERS = [
    {"name": "lora", "rank": 2, "dropout": 0.1},
    {"name": "ia3"},
    {"name": "prompt_tuning", "num_virtual_tokens": 4},
]


def name_of(adapter):
    return adapter["name"]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=name_of)
def test_the_run_holds_an_adapter_that_loads_on_its_model(finetune_values, adapter):
    config = finetune_config(finetune_values, adapter=adapter, optim={"lr": 0.1})
    assert finetune(config).step == 8
    folder = config.run_dir / "model"
    assert not (folder / "model.safetensors").exists()
    assert json.loads((folder / "training.json").read_text())["tasks"] == ["toy_mood", "toy_sums"]
    start = finetune_values["model"]["init_from"]
    model = Text2Text.load(start, adapter=folder)
    assert model.full_name == f"{start} + run"
    question = ("We won the train game 3.", ["happy", "sad"])
    trained = model.rank(*question).logprobs
    model.use_adapter(None)
    untrained = model.rank(*question).logprobs
    assert untrained == pytest.approx(Text2Text.load(start).rank(*question).logprobs)
    assert max(abs(one - other) for one, other in zip(trained, untrained, strict=True)) > 1e-3


@pytest.mark.parametrize("adapter", ADAPTERS, ids=name_of)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(finetune_values, tmp_path, adapter):
    config = finetune_config(finetune_values, adapter=adapter)
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(5))
    finetune(config, resume=True)
    whole = finetune_config(finetune_values, run_dir=tmp_path / "whole", adapter=adapter)
    finetune(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
    one, other = (load_file(run.run_dir / "model" / "adapter_model.safetensors") for run in (config, whole))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_the_dropout_of_the_model_is_not_that_of_the_adapter(finetune_values):
    config = finetune_config(finetune_values, adapter=ADAPTERS[0], model={"dropout_rate": 0.2})
    assert config.adapter is not None
    model, _ = load_with_adapter(config.model, config.adapter, None)
    rates = {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}
    assert {rate for name, rate in rates.items() if "lora_dropout" in name} == {0.1}
    assert {rate for name, rate in rates.items() if "lora_dropout" not in name} == {0.2}


def test_the_optimizer_keeps_moments_of_the_adapter_alone(finetune_values):
    config = finetune_config(finetune_values, adapter={"name": "ia3"})
    finetune(config)
    moments = load_file(config.run_dir / "checkpoints" / "step-00000008" / "optimizer.safetensors")
    assert moments
    assert all("ia3_l" in name for name in moments)


def test_a_checkpoint_of_another_model_is_refused(finetune_values):
    """The base model is read again when a run goes on; it must still be the same."""
    config = finetune_config(finetune_values, adapter={"name": "ia3"})
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(5))
    start = Path(finetune_values["model"]["init_from"])
    loaded = load_model(start, device="cpu")
    with torch.no_grad():
        loaded.model.shared.weight += 1
    Text2Text(loaded.model, loaded.tokenizer).save(start)
    with pytest.raises(Exception, match="has other weights"):
        finetune(config, resume=True)


@pytest.mark.parametrize("adapter", [None, {"name": "ia3"}], ids=["all weights", "ia3"])
def test_the_loss_of_t_few_falls(finetune_values, adapter):
    changes = {} if adapter is None else {"adapter": adapter}
    config = finetune_config(
        {**finetune_values, "loss": "t_few"},
        training={"num_steps": 40, "log_every": 10, "eval_every": 20},
        optim={"lr": 0.02 if adapter is None else 0.1},
        **changes,
    )
    finetune(config)
    losses = [line["loss"] for line in metrics_of(config.run_dir) if "loss" in line]
    assert losses[-1] < 0.9 * losses[0]
