import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from t2t.errors import CheckpointError
from t2t.model import build_model
from t2t.tokens.batches import Batch
from t2t.training.checkpoint import (
    TrainerState,
    newest_checkpoint,
    optimizer_tensors,
    read_trainer_state,
    restore_optimizer,
    write_checkpoint,
)
from t2t.training.loss import SummedLoss
from t2t.training.optimizer import build_optimizer
from t2t.training.step_numbers import StepNumbers


def trained(name: str, *, num_steps: int):
    """A tiny model and its optimizer after some steps on fixed batches."""
    torch.manual_seed(0)
    model = SummedLoss(build_model("tiny", vocab_size=384, pad_id=0, eos_id=1))
    optimizer = build_optimizer(model.parameters(), name=name, lr=0.02)
    for step in range(num_steps):
        train_one(model, optimizer, step)
    return model, optimizer


def train_one(model, optimizer, step):
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(3, 384, (2, 8), generator=generator)
    model(ids, torch.ones_like(ids), ids).backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.fixture
def write(tmp_path: Path, tokenizer):
    model, optimizer = trained("adamw_rms", num_steps=1)

    def write(step: int, *, keep: int = 2) -> Path:
        return write_checkpoint(
            tmp_path / "checkpoints",
            TrainerState(step=step, loss_sum=0.1 + 0.2, num_target_tokens=7),
            model=model.model,
            weights=model.model.state_dict(),
            tokenizer=tokenizer,
            optimizer_tensors=optimizer_tensors(model, optimizer),
            keep=keep,
        )

    return write


def test_who_may_read_a_checkpoint_may_go_on_with_it(write):
    before = os.umask(0o022)
    try:
        folder = write(5)
    finally:
        os.umask(before)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}


@pytest.mark.parametrize("name", ["adamw_rms", "adafactor"])
def test_a_restored_optimizer_goes_on_as_if_it_had_never_stopped(name, tmp_path):
    model, optimizer = trained(name, num_steps=3)
    save_file(optimizer_tensors(model, optimizer), tmp_path / "optimizer.safetensors")
    weights = {key: weight.clone() for key, weight in model.state_dict().items()}
    train_one(model, optimizer, 3)

    resumed, resumed_optimizer = trained(name, num_steps=0)
    resumed.load_state_dict(weights)
    restore_optimizer(tmp_path, resumed, resumed_optimizer)
    train_one(resumed, resumed_optimizer, 3)
    for key, weight in model.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], weight), key


def test_a_checkpoint_holds_no_pickle(write):
    folder = write(5)
    assert {path.name for path in folder.iterdir()} == {"model", "optimizer.safetensors", "trainer.json"}
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_trainer_state_survives_exactly(write):
    assert read_trainer_state(write(5)) == TrainerState(step=5, loss_sum=0.1 + 0.2, num_target_tokens=7)


def step_of(*tasks: str, loss: float, num_target_tokens: int) -> StepNumbers:
    """A step of one row a task, or of rows of a corpus."""
    ids = np.ones((1, 1), dtype=np.int64)
    batch = Batch(ids, ids, ids, 1, num_target_tokens, names=("row",), tasks=tasks)
    return StepNumbers(step=0, batch=batch, loss=loss, grad_norm=1.0, stop_asked=False)


def test_losses_of_tasks_and_of_a_corpus_are_told_apart_where_a_run_has_both():
    state = TrainerState(step_seconds=1.0)
    state.add_step(step_of("rte", loss=2.0, num_target_tokens=4), flops=0.0)
    state.add_step(step_of(loss=5.0, num_target_tokens=8), flops=0.0)
    state.add_step(step_of(loss=8.0, num_target_tokens=4), flops=0.0)
    plain = replace(state).take_metrics(None)
    line = state.take_metrics(None, by_source=True)
    # corpus: (5 * 8 + 8 * 4) / 12 = 6; with the task's: (72 + 2 * 4) / 16 = 5
    assert (line["loss"], line["denoising_loss"], line["task_loss"]) == (5.0, 6.0, 2.0)
    assert plain == {key: line[key] for key in line if key not in ("denoising_loss", "task_loss")}
    state.step_seconds = 1.0
    state.add_step(step_of("rte", loss=3.0, num_target_tokens=4), flops=0.0)
    line = state.take_metrics(None, by_source=True)
    assert (line["loss"], line["task_loss"]) == (3.0, 3.0)
    assert "denoising_loss" not in line


def test_shares_of_tasks_are_those_since_they_were_last_taken():
    state = TrainerState(step_seconds=1.0)
    assert state.take_task_shares() == {}
    state.add_step(step_of("rte", "sst2", "rte", "rte", loss=2.0, num_target_tokens=4), flops=0.0)
    assert "task_shares" not in state.take_metrics(None)
    assert state.take_task_shares() == {"task_shares": {"rte": 0.75, "sst2": 0.25}}
    assert state.take_task_shares() == {}
    state.add_step(step_of("sst2", loss=2.0, num_target_tokens=4), flops=0.0)
    assert state.take_task_shares() == {"task_shares": {"rte": 0.0, "sst2": 1.0}}


def test_only_the_newest_are_kept(write):
    folders = [write(step) for step in (5, 10, 15)]
    assert sorted(path.name for path in folders[0].parent.iterdir()) == ["step-00000010", "step-00000015"]
    assert newest_checkpoint(folders[0].parent) == folders[2]


def test_what_a_killed_process_left_is_neither_taken_nor_kept(write):
    folder = write(5)
    half_written, half_removed = (
        folder.with_name(name) for name in (".step-00000010.new", ".step-00000001.old")
    )
    half_written.mkdir()
    half_removed.mkdir()
    assert newest_checkpoint(folder.parent) == folder
    write(15)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["step-00000005", "step-00000015"]


def test_no_checkpoint(tmp_path):
    assert newest_checkpoint(tmp_path / "checkpoints") is None


def test_damaged_trainer_state(write):
    path = write(5) / "trainer.json"
    path.write_text(json.dumps({"format": 2}))
    with pytest.raises(CheckpointError) as caught:
        read_trainer_state(path.parent)
    assert str(caught.value) == (
        "the checkpoint is damaged: not of format 1\n"
        f"  where: {path}\n"
        "  mend:  remove that checkpoint folder; --resume then takes the one before it"
    )


def test_damaged_optimizer_state(write):
    path = write(5) / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    model, optimizer = trained("adamw_rms", num_steps=0)
    with pytest.raises(CheckpointError, match=r"^the checkpoint is damaged: "):
        restore_optimizer(path.parent, model, optimizer)


def test_a_parameter_without_any_state_never_had_a_gradient(write):
    folder = write(5)
    path = folder / "optimizer.safetensors"
    tensors = load_file(path)
    unused = min(tensors).partition("/")[0]
    save_file({key: tensor for key, tensor in tensors.items() if not key.startswith(f"{unused}/")}, path)
    model, optimizer = trained("adamw_rms", num_steps=0)
    restore_optimizer(folder, model, optimizer)
    stateless = {name for name, weight in model.named_parameters() if not optimizer.state.get(weight)}
    assert stateless == {unused}


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {key: tensors[key] for key in sorted(tensors)[1:]},  # a part of a parameter's state
        lambda tensors: {**tensors, "model.stranger/step": torch.tensor(1.0)},
        lambda tensors: {"model.stranger/step": torch.tensor(1.0)},
        lambda tensors: {},
    ],
)
def test_state_of_another_model(write, change):
    folder = write(5)
    path = folder / "optimizer.safetensors"
    save_file(change(load_file(path)), path)
    model, optimizer = trained("adamw_rms", num_steps=0)
    with pytest.raises(CheckpointError, match="the optimizer's state belongs to another model or optimizer"):
        restore_optimizer(folder, model, optimizer)


def test_state_of_another_optimizer(write):
    folder = write(5)
    model, optimizer = trained("adafactor", num_steps=0)
    with pytest.raises(CheckpointError) as caught:
        restore_optimizer(folder, model, optimizer)
    first = min(key for key in load_file(folder / "optimizer.safetensors") if key.endswith("/exp_avg"))
    assert str(caught.value) == (
        "the optimizer's state belongs to another model or optimizer\n"
        f"  where: {folder / 'optimizer.safetensors'}, {first.removesuffix('exp_avg')}RMS\n"
        "  mend:  resume with the config of the run"
    )
