"""Checkpoints: all that a run needs to go on as if it had never stopped.

    checkpoints/step-00000500/
        model/                  a plain `save_pretrained` folder: config, weights, tokenizer; training.json
        optimizer.safetensors   moments by parameter: "model.shared.weight/exp_avg"
        weights.safetensors     the weights as trained, where model/ holds their average
        trainer.json            step, running loss and time

Nothing is pickled. Data order and dropout follow from (seed, step), so no state of theirs is stored. A
checkpoint is written aside under a name with a leading dot, synced to the disk and renamed: a folder called
`step-*` is complete, whenever the process or the machine dies.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.errors import CheckpointError, Location
from t2t.model.pretrained import save_model, share_tensors
from t2t.model.training_record import TrainingRecord
from t2t.tokens.batches import Batch
from t2t.training.sharding import slice_like
from t2t.training.step_numbers import StepNumbers

FORMAT = 1
WEIGHTS = "weights.safetensors"


@dataclass
class TrainerState:
    """Where a run stands: the numbers that are not in the model or the optimizer.

    Attributes:
        step: optimizer updates done.
        micro_batch_size: examples per forward pass, on which dropout depends; None before the first.
        grad_norm: of the last step, before clipping.
        loss_sum: nats over the target tokens since the last metrics line.
        num_target_tokens, num_tokens: target tokens, and source and target tokens, since then.
        denoising_loss_sum, num_denoising_tokens: nats and target tokens since then of batches of no task.
        flops: floating-point operations since then, see t2t.training.throughput.
        step_seconds: time spent in steps since then.
        seconds: time the run has taken, validation and checkpoints included.
        task_counts: examples of each task since the last validation; a task once drawn stays, with 0.
        best_step, best_value: of the best validation; None before the first.
        reference_value: what a validation must be better than, by min_delta, for the run not to end.
        num_since_best: validations since one was, see t2t.training.early_stopping.
    """

    step: int = 0
    micro_batch_size: int | None = None
    grad_norm: float = 0.0
    loss_sum: float = 0.0
    num_target_tokens: int = 0
    num_tokens: int = 0
    denoising_loss_sum: float = 0.0
    num_denoising_tokens: int = 0
    flops: float = 0.0
    step_seconds: float = 0.0
    seconds: float = 0.0
    task_counts: dict[str, int] = field(default_factory=dict)
    best_step: int | None = None
    best_value: float | None = None
    reference_value: float | None = None
    num_since_best: int = 0

    def add_step(self, numbers: StepNumbers, *, flops: float) -> None:
        """Count the loss and the tokens of a step; `step` and the times are counted by the loop."""
        batch = numbers.batch
        self.grad_norm = numbers.grad_norm
        self.loss_sum += numbers.loss * batch.num_target_tokens
        self.num_target_tokens += batch.num_target_tokens
        self.num_tokens += batch.num_source_tokens + batch.num_target_tokens
        if not batch.tasks:
            self.denoising_loss_sum += numbers.loss * batch.num_target_tokens
            self.num_denoising_tokens += batch.num_target_tokens
        self.flops += flops
        for task in batch.tasks:
            self.task_counts[task] = self.task_counts.get(task, 0) + 1

    def take_metrics(self, peak_flops: float | None, *, by_source: bool = False) -> dict[str, Any]:
        """What happened since the last call; these counts begin anew, but for those of tasks.

        Loss, tokens per second; `mfu` where the peak is known.

        Args:
            by_source: some batches are of tasks and some of a corpus; the loss of each, where there were such
                batches, stands beside that of all.
        """
        line: dict[str, Any] = {
            "step": self.step,
            "loss": self.loss_sum / self.num_target_tokens,
            **(self._losses_by_source() if by_source else {}),
            "grad_norm": self.grad_norm,
            "tokens_rate": round(self.num_tokens / self.step_seconds),
        }
        if peak_flops is not None:
            line["mfu"] = round(self.flops / self.step_seconds / peak_flops, 4)
        line["seconds"] = round(self.seconds, 1)
        self.loss_sum, self.num_target_tokens, self.num_tokens, self.flops = 0.0, 0, 0, 0.0
        self.denoising_loss_sum, self.num_denoising_tokens = 0.0, 0
        self.step_seconds = 0.0
        return line

    def take_task_shares(self) -> dict[str, dict[str, float]]:
        """`task_shares` of the examples since the last call, where some are of tasks; counts begin anew.

        For the lines of validations: with hundreds of tasks it is long, and says little of a few steps.
        """
        num_examples = sum(self.task_counts.values())
        if not num_examples:
            return {}
        shares = {task: round(self.task_counts[task] / num_examples, 4) for task in sorted(self.task_counts)}
        self.task_counts = dict.fromkeys(self.task_counts, 0)
        return {"task_shares": shares}

    def _losses_by_source(self) -> dict[str, float]:
        sums = {
            "denoising_loss": (self.denoising_loss_sum, self.num_denoising_tokens),
            "task_loss": (
                self.loss_sum - self.denoising_loss_sum,
                self.num_target_tokens - self.num_denoising_tokens,
            ),
        }
        return {name: nats / num_tokens for name, (nats, num_tokens) in sums.items() if num_tokens}


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
    weights: Mapping[str, Tensor],
    tokenizer: PreTrainedTokenizerBase,
    optimizer_tensors: Mapping[str, Tensor],
    keep: int,
    keep_step: int | None = None,
    weights_as_trained: Mapping[str, Tensor] | None = None,
    record: TrainingRecord | None = None,
) -> Path:
    """Write a checkpoint aside, rename it, then remove all but the `keep` newest.

    Args:
        keep_step: the checkpoint of this step stays too, if there is one.
        weights: whole tensors by the model's own names; its `save_pretrained` decides which it writes.
        weights_as_trained: likewise, where `weights` are an average; None where they are what is trained.
        record: what the model has been trained on, which evaluation reads beside the weights.
    Raises: whatever the disk says; what was half-written is then gone, and older checkpoints are not.
    """
    checkpoints.mkdir(parents=True, exist_ok=True)
    folder = checkpoint_folder(checkpoints, trainer.step)
    aside = folder.with_name(f".{folder.name}.new")
    for leftover in checkpoints.glob(".step-*"):  # of a process that was killed while writing
        shutil.rmtree(leftover)
    aside.mkdir()
    try:
        save_model(model, tokenizer, aside / "model", weights=weights, record=record)
        save_file(dict(optimizer_tensors), aside / "optimizer.safetensors")
        if weights_as_trained is not None:
            save_file(dict(weights_as_trained), aside / WEIGHTS)
        facts = {"format": FORMAT, **asdict(trainer)}
        (aside / "trainer.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        share_tensors(aside, mode_of="trainer.json")
        _sync(aside)
        aside.rename(folder)
    except Exception:
        shutil.rmtree(aside, ignore_errors=True)  # on a full disk the room is needed
        raise
    _sync_folder(checkpoints)
    kept = None if keep_step is None else checkpoint_folder(checkpoints, keep_step)
    for old in sorted(checkpoints.glob("step-*"))[:-keep]:
        if old == kept:
            continue
        # renamed first, so that a kill half-way leaves no damaged folder that looks complete
        shutil.rmtree(old.rename(old.with_name(f".{old.name}.old")))
    return folder


def write_batch(batch: Batch, path: Path, *, step: int) -> None:
    """Write a batch as safetensors: its arrays, and in the metadata its step and the rows' names."""
    names = ("input_ids", "attention_mask", "labels", "wrong_labels")
    arrays = {name: array for name in names if (array := getattr(batch, name)) is not None}
    metadata = {"step": str(step), "names": json.dumps(batch.names)}
    save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata)


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
    """The optimizer's state as named tensors: "model.shared.weight/exp_avg".

    Every process must call it; the main process gets the tensors, the others nothing.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    whole: Any = get_optimizer_state_dict(model, optimizer, options=options)
    return {
        f"{name}/{key}": torch.as_tensor(value).cpu().contiguous()
        for name, values in whole.get("state", {}).items()
        for key, value in values.items()
    }


def restore_weights(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Give weights, by the model's own names, the values that a checkpoint holds beside their average.

    Raises: CheckpointError if the file is damaged or belongs to another model.
    """
    path = folder / WEIGHTS
    tensors = _load(path)
    if tensors.keys() != weights.keys():
        raise CheckpointError(
            "the weights belong to another model",
            where=Location(file=path, field=min(tensors.keys() ^ weights.keys())),
            mend="resume with the config of the run",
        )
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(tensors[name])


def restore_optimizer(
    folder: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    untouched: Collection[Tensor] = (),
) -> None:
    """Give the optimizer the state that `optimizer_tensors` took from it.

    A parameter of which the file holds nothing never had a gradient, such as LED's unused ones, and has no
    state either.

    Args:
        untouched: parameters that no step has updated yet, which have no state.
    Raises: CheckpointError if the file is damaged or belongs to another model or optimizer.
    """
    path = folder / "optimizer.safetensors"
    tensors = _load(path)
    state: Any = get_optimizer_state_dict(model, optimizer)  # makes an empty one, to be filled
    without = {id(parameter) for parameter in untouched}
    for name, parameter in model.named_parameters():
        if id(parameter) in without:
            state["state"].pop(name.removeprefix("module."), None)  # DDP's prefix, which torch leaves out
    wanted = {f"{name}/{key}" for name, values in state["state"].items() for key in values}
    held = {key.rpartition("/")[0] for key in tensors} & state["state"].keys()
    state["state"] = {name: values for name, values in state["state"].items() if name in held}
    expected = {key for key in wanted if key.rpartition("/")[0] in held}
    if tensors.keys() != expected or (wanted and not held):
        raise CheckpointError(
            "the optimizer's state belongs to another model or optimizer",
            where=Location(file=path, field=min(tensors.keys() ^ (expected or wanted))),
            mend="resume with the config of the run",
        )
    for name, values in state["state"].items():
        for key, value in values.items():
            tensor = tensors[f"{name}/{key}"]
            values[key] = slice_like(value, tensor) if isinstance(value, Tensor) else tensor.item()
    set_optimizer_state_dict(model, optimizer, state, options=StateDictOptions(strict=False))


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from error


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
