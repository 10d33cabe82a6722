"""Runs with regularisers, rates by depth, gradual unfreezing and averaged weights, from start to end."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM

from t2t.errors import CheckpointError, TrainingError
from t2t.model import build_model, load_model, save_model
from t2t.training import depth
from t2t.training.checkpoint import read_trainer_state
from t2t.training.finetune import finetune
from t2t.training.pretrain import pretrain

from .conftest import finetune_config, metrics_of, pretrain_config
from .test_pretrain import KillAt, Killed

EVERYTHING: dict[str, Any] = {
    "regularization": {"label_smoothing": 0.1, "mixout": 0.3, "r_drop": 2.0, "layer_drop": 0.2},
    "optim": {"layer_lr_decay": 0.5, "unfreeze_every": 3},
    "schedule": {"name": "wsd", "warmup_steps": 2, "decay_steps": 3},
    "training": {"ema_decay": 0.9, "micro_batch_size": 2},
}


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder, device="cpu", dtype="float32").model.state_dict()


def losses_of(values: dict[str, Any], run_dir: Path, **changes: Any) -> list[float]:
    config = finetune_config(values, run_dir=run_dir, **changes)
    finetune(config)
    return [line["loss"] for line in metrics_of(run_dir) if "loss" in line]


def test_each_option_makes_another_run(finetune_values, tmp_path):
    options: list[dict[str, Any]] = [
        {"regularization": {"label_smoothing": 0.1}},
        {"regularization": {"mixout": 0.3}},
        {"regularization": {"r_drop": 1.0}},
        {"regularization": {"layer_drop": 0.3}},
        {"optim": {"layer_lr_decay": 0.5}},
        {"optim": {"unfreeze_every": 1}},
    ]
    values = {**finetune_values, "training": {**finetune_values["training"], "num_steps": 4}}
    plain = losses_of(values, tmp_path / "plain")
    losses = [losses_of(values, tmp_path / str(number), **changes) for number, changes in enumerate(options)]
    # mixout of weights that have not moved yet changes nothing in the first step, rates only act after it:
    # the second metrics line, of steps 2 and 3, has them all
    assert all(len(run) == 2 and run[1] != plain[1] for run in losses)


@pytest.mark.parametrize(
    ("killed_at", "optimizer"), [(5, "adamw_rms"), (7, "adamw_rms"), (5, "adafactor"), (5, "adamw")]
)
def test_a_killed_run_with_everything_goes_on_as_if_nothing_had_happened(
    finetune_values, tmp_path, killed_at, optimizer
):
    """Checkpoints after 3 and 6 steps: at the first the lower blocks and embeddings are still frozen."""
    changes = {**EVERYTHING, "optim": {**EVERYTHING["optim"], "name": optimizer, "lr": 0.01}}
    config = finetune_config(finetune_values, **changes)
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(killed_at))
    finetune(config, resume=True)
    whole = finetune_config(finetune_values, run_dir=tmp_path / "whole", **changes)
    finetune(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
    expected = weights_of(whole.run_dir / "model")
    resumed = weights_of(config.run_dir / "model")
    assert resumed.keys() == expected.keys()
    assert all(torch.equal(weight, expected[key]) for key, weight in resumed.items())


def test_a_bart_trains_with_everything_and_loads_with_transformers_alone(
    finetune_values, tokenizer, tmp_path
):
    torch.manual_seed(0)
    model = build_model("bart-tiny", vocab_size=len(tokenizer), pad_id=0, eos_id=1, dropout_rate=0.1)
    save_model(model, tokenizer, tmp_path / "bart")
    config = finetune_config(finetune_values, **EVERYTHING, model={"init_from": str(tmp_path / "bart")})
    assert finetune(config).step == 8
    trained = AutoModelForSeq2SeqLM.from_pretrained(config.run_dir / "model")
    assert trained.state_dict().keys() == model.state_dict().keys()


def test_frozen_weights_do_not_move_and_have_no_moments(finetune_values):
    training = {"num_steps": 5, "checkpoint_every": 2, "keep_checkpoints": 3}
    config = finetune_config(
        finetune_values, optim={"unfreeze_every": 2, "weight_decay": 0.1}, training=training
    )
    finetune(config)
    checkpoint = config.run_dir / "checkpoints/step-00000002"
    before = weights_of(Path(finetune_values["model"]["init_from"]))
    after = weights_of(checkpoint / "model")
    moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert moved
    assert {name for name in moved if "block.1." not in name and "final_layer_norm" not in name} == set()
    moments = load_file(checkpoint / "optimizer.safetensors")
    assert {name.removeprefix("model.").rpartition("/")[0] for name in moments} == moved


def test_with_an_average_the_model_is_that_and_the_checkpoint_has_both(finetune_values, tmp_path):
    plain = finetune_config(finetune_values, run_dir=tmp_path / "plain")
    training = {"ema_decay": 0.5, "checkpoint_every": 1, "keep_checkpoints": 8}
    averaged = finetune_config(finetune_values, training=training)
    finetune(plain)
    finetune(averaged)
    losses, same = (
        [line["loss"] for line in metrics_of(config.run_dir) if "loss" in line]
        for config in (plain, averaged)
    )
    assert losses == same  # an average takes no part in training
    validation, other = (
        [line["validation_loss"] for line in metrics_of(config.run_dir) if "validation_loss" in line]
        for config in (plain, averaged)
    )
    assert all(one != another for one, another in zip(validation, other, strict=True))

    name = "decoder.block.1.layer.2.DenseReluDense.wo.weight"
    expected = weights_of(Path(finetune_values["model"]["init_from"]))[name]
    for step in range(1, 9):
        checkpoint = averaged.run_dir / "checkpoints" / f"step-{step:08d}"
        as_trained = load_file(checkpoint / "weights.safetensors")[name]
        expected = torch.lerp(expected, as_trained, 1 - min(0.5, (1 + step) / (10 + step)))
        torch.testing.assert_close(weights_of(checkpoint / "model")[name], expected)
    torch.testing.assert_close(weights_of(averaged.run_dir / "model")[name], expected)
    torch.testing.assert_close(as_trained, weights_of(plain.run_dir / "model")[name], rtol=0, atol=0)


def test_an_adapter_is_averaged_alone(finetune_values, tmp_path):
    changes = {"adapter": {"name": "lora", "rank": 2}, "training": {"ema_decay": 0.9}}
    config = finetune_config(finetune_values, **changes)
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(5))
    finetune(config, resume=True)
    whole = finetune_config(finetune_values, run_dir=tmp_path / "whole", **changes)
    finetune(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
    one, other = (load_file(run.run_dir / "model/adapter_model.safetensors") for run in (config, whole))
    assert all(torch.equal(one[key], other[key]) for key in one)
    kept = load_file(whole.run_dir / "checkpoints/step-00000008/weights.safetensors")
    assert all("lora_" in name for name in kept)


def test_a_checkpoint_without_the_weights_as_trained(finetune_values):
    config = finetune_config(finetune_values, training={"ema_decay": 0.9})
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(5))
    path = config.run_dir / "checkpoints/step-00000003/weights.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match=r"^the checkpoint is damaged: "):
        finetune(config, resume=True)


def test_r_drop_takes_twice_the_operations(finetune_values, tmp_path):
    training = {"num_steps": 2, "checkpoint_every": 1}  # the metrics line after 2 steps counts both
    flops = []
    for r_drop in (0.0, 1.0):
        config = finetune_config(
            finetune_values,
            run_dir=tmp_path / f"r_drop {r_drop}",
            regularization={"r_drop": r_drop},
            training=training,
        )
        finetune(config)
        flops.append(read_trainer_state(config.run_dir / "checkpoints/step-00000001").flops)
    assert flops[1] == 2 * flops[0] > 0


def test_r_drop_of_a_new_model_is_refused_before_anything_is_written(pretrain_values):
    config = pretrain_config(pretrain_values, regularization={"r_drop": 1.0})
    with pytest.raises(TrainingError, match=r"^r_drop compares two passes with other dropout, and this"):
        pretrain(config)
    assert not config.run_dir.exists()


def test_a_model_that_does_not_suit_an_option_is_refused_before_the_data_are_read(
    pretrain_values, monkeypatch
):
    values = pretrain_values | {"data": {"train": "nowhere"}}
    with pytest.raises(TrainingError, match=r"^r_drop compares two passes with other dropout, and this"):
        pretrain(pretrain_config(values, regularization={"r_drop": 1.0}))
    monkeypatch.setattr(depth, "_BLOCK", re.compile(r"tower\.(\d+)"))
    for options in ({"layer_lr_decay": 0.5}, {"unfreeze_every": 3}):
        with pytest.raises(TrainingError, match=r"^the blocks of this model are not found, which "):
            pretrain(pretrain_config(values, optim=options))
