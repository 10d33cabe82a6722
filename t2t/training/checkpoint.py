"""Checkpoints: all that a run needs to go on as if it had never stopped.

    checkpoints/step-00000500/
        model/                  a plain `save_pretrained` folder: config, weights, tokenizer
        optimizer.safetensors   moments by parameter: "model.shared.weight/exp_avg"
        trainer.json            step, running loss and time

Nothing is pickled. Data order and dropout follow from (seed, step), so no state of theirs is stored. A
checkpoint is written aside under a name with a leading dot, synced to the disk and renamed: a folder called
`step-*` is complete, whenever the process or the machine dies.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.errors import CheckpointError, Location
from t2t.model.pretrained import save_model
from t2t.tokens.batches import Batch

FORMAT = 1

# Every process gets and gives whole tensors by name, however the optimizer's own are sharded.
_WHOLE = StateDictOptions(full_state_dict=True)


@dataclass
class TrainerState:
    """Where a run stands: the numbers that are not in the model or the optimizer.

    Attributes:
        step: optimizer updates done.
        loss_sum: nats over the target tokens since the last metrics line.
        num_target_tokens, num_tokens: target tokens, and source and target tokens, since then.
        step_seconds: time spent in steps since then.
        seconds: time the run has taken, validation and checkpoints included.
    """

    step: int = 0
    loss_sum: float = 0.0
    num_target_tokens: int = 0
    num_tokens: int = 0
    step_seconds: float = 0.0
    seconds: float = 0.0

    def add_step(self, loss: float, batch: Batch, *, seconds: float) -> None:
        """Count a step with its loss in nats per target token."""
        self.step += 1
        self.loss_sum += loss * batch.num_target_tokens
        self.num_target_tokens += batch.num_target_tokens
        self.num_tokens += batch.num_source_tokens + batch.num_target_tokens
        self.step_seconds += seconds

    def take_metrics(self) -> dict[str, float]:
        """Mean loss and tokens per second since the last call, which then begin anew."""
        line = {
            "step": self.step,
            "loss": self.loss_sum / self.num_target_tokens,
            "tokens_rate": round(self.num_tokens / self.step_seconds),
            "seconds": round(self.seconds, 1),
        }
        self.loss_sum, self.num_target_tokens, self.num_tokens, self.step_seconds = 0.0, 0, 0, 0.0
        return line


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    """`checkpoints/step-00000500`"""
    return checkpoints / f"step-{step:08d}"


def newest_checkpoint(checkpoints: Path) -> Path | None:
    """The complete checkpoint of the latest step, or None."""
    return max(checkpoints.glob("step-*"), default=None)


def write_checkpoint(
    checkpoints: Path,
    trainer: TrainerState,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer_tensors: Mapping[str, Tensor],
    keep: int,
) -> Path:
    """Write a checkpoint aside, rename it, then remove all but the `keep` newest."""
    checkpoints.mkdir(parents=True, exist_ok=True)
    folder = checkpoint_folder(checkpoints, trainer.step)
    aside = folder.with_name(f".{folder.name}.new")
    for leftover in checkpoints.glob(".step-*"):  # of a process that was killed while writing
        shutil.rmtree(leftover)
    aside.mkdir()
    save_model(model, tokenizer, aside / "model")
    save_file(dict(optimizer_tensors), aside / "optimizer.safetensors")
    facts = {"format": FORMAT, **asdict(trainer)}
    (aside / "trainer.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    _sync(aside)
    aside.rename(folder)
    _sync_folder(checkpoints)
    for old in sorted(checkpoints.glob("step-*"))[:-keep]:
        # renamed first, so that a kill half-way leaves no damaged folder that looks complete
        shutil.rmtree(old.rename(old.with_name(f".{old.name}.old")))
    return folder


def read_trainer_state(folder: Path) -> TrainerState:
    """The numbers of a checkpoint. Raises: CheckpointError if they are missing or of another format."""
    path = folder / "trainer.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts.pop("format") != FORMAT:
            raise ValueError(f"not of format {FORMAT}")
        return TrainerState(**facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error


def optimizer_tensors(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as named tensors: "model.shared.weight/exp_avg". Every process must call it."""
    state: Any = get_optimizer_state_dict(model, optimizer, options=_WHOLE)["state"]
    return {
        f"{name}/{key}": torch.as_tensor(value).cpu().contiguous()
        for name, values in state.items()
        for key, value in values.items()
    }


def restore_optimizer(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Give the optimizer the state that `optimizer_tensors` took from it.

    Raises: CheckpointError if the file is damaged or belongs to another model or optimizer.
    """
    path = folder / "optimizer.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error
    whole: Any = get_optimizer_state_dict(
        model, optimizer, options=_WHOLE
    )  # makes an empty state, to be filled
    wanted = {f"{name}/{key}" for name, values in whole["state"].items() for key in values}
    if tensors.keys() != wanted:
        raise CheckpointError(
            "the optimizer's state belongs to another model or optimizer",
            where=Location(file=path, field=min(tensors.keys() ^ wanted)),
            mend="resume with the config of the run",
        )
    for name, values in whole["state"].items():
        for key, value in values.items():
            tensor = tensors[f"{name}/{key}"]
            values[key] = tensor if isinstance(value, Tensor) else tensor.item()
    set_optimizer_state_dict(model, optimizer, whole, options=_WHOLE)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint is damaged: {error}",
        where=Location(file=path),
        mend="remove that checkpoint folder; --resume then takes the one before it",
    )


def _sync(folder: Path) -> None:
    """Make everything below a folder survive a power cut."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
