"""One training loop for every run: `setup`, then `fit`, which steps, validates and checkpoints.

The loss is the cross-entropy in nats per target token over the whole global batch: summed over all
micro-batches and processes, then divided by the target tokens of the batch. Accelerate drives the devices.
All that is random follows from (seed, step, rank), so that a resumed run repeats an uninterrupted one.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.config import TrainingConfig
from t2t.errors import Location, NonFiniteLossError, TrainingError
from t2t.tokens.batches import Batch
from t2t.training.batches import Batches, micro_batches, prefetch
from t2t.training.checkpoint import (
    TrainerState,
    optimizer_tensors,
    read_trainer_state,
    restore_optimizer,
    write_checkpoint,
)
from t2t.training.interrupt import stop_on_signals
from t2t.training.loss import SummedLoss
from t2t.training.run_folder import RunFolder
from t2t.training.schedule import Schedule

Metrics = Mapping[str, Any]


class Progress(Protocol):
    """Told how a run goes, in the main process only; the command line draws it."""

    def start(self, *, step: int, num_steps: int) -> None:
        """The run begins or goes on after `step` steps."""

    def step(self, step: int, loss: float) -> None:
        """So many steps are done; the loss of the last, in nats per target token."""

    def metrics(self, line: Metrics) -> None:
        """A line that was just added to metrics.jsonl."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: after `step` steps; stopped by a signal, or None at its end."""

    step: int
    stopped_by: Signals | None
    is_main_process: bool


@dataclass
class Trainer:
    """What a run works on, as Accelerate prepared it, and where it stands. Made by `setup`."""

    accelerator: Accelerator
    model: nn.Module  # SummedLoss, perhaps wrapped
    tokenizer: PreTrainedTokenizerBase
    optimizer: Any  # accelerate's AcceleratedOptimizer around ours
    folder: RunFolder
    state: TrainerState


def setup(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    accelerator: Accelerator,
    build_optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    folder: RunFolder,
    checkpoint: Path | None,
    compile_model: bool,
) -> Trainer:
    """Bring a model and its optimizer to the devices.

    Args:
        model: float32 weights to begin with; those of the checkpoint, if there is one.
        checkpoint: folder to take the optimizer's state and the step from.
    """
    loss = SummedLoss(model).train()
    prepared, optimizer = accelerator.prepare(loss, build_optimizer(loss.parameters()))
    state = TrainerState()
    if checkpoint is not None:
        state = read_trainer_state(checkpoint)
        restore_optimizer(checkpoint, prepared, optimizer.optimizer)
    if compile_model:
        prepared.compile()
    return Trainer(accelerator, prepared, tokenizer, optimizer, folder, state)


def fit(
    trainer: Trainer,
    batches: Batches,
    *,
    training: TrainingConfig,
    schedule: Schedule,
    clip_norm: float,
    seed: int,
    validation: Batches | None = None,
    describe: Callable[[int], Metrics] = lambda step: {},
    progress: Progress | None = None,
) -> Outcome:
    """Train up to `training.num_steps` or until a signal; either way a checkpoint holds the last step.

    Args:
        validation: its batches 0 to `training.num_eval_batches` - 1 are the validation set; None for none.
        describe: further entries for the metrics line of a step.
    Raises: NonFiniteLossError if loss or gradient become NaN or infinite; the newest checkpoint then is an
        earlier, sound one.
    """
    state, is_main = trainer.state, trainer.accelerator.is_main_process
    _check_divisible(training, trainer.accelerator.num_processes)
    if progress and is_main:
        progress.start(step=state.step, num_steps=training.num_steps)

    def log(line: Metrics) -> None:
        if is_main:
            trainer.folder.append_metrics(line)
            if progress:
                progress.metrics(line)

    run_began = time.perf_counter() - state.seconds
    steps = range(state.step, training.num_steps)
    with stop_on_signals() as stop, closing(prefetch(batches, steps)) as upcoming:
        step_began = time.perf_counter()
        for batch in upcoming:
            lr = schedule(state.step)
            loss, grad_norm = train_step(
                trainer, batch, lr=lr, clip_norm=clip_norm, seed=seed, num_parts=training.grad_accumulation
            )
            state.add_step(loss, batch, seconds=time.perf_counter() - step_began)
            state.seconds = time.perf_counter() - run_began
            if progress and is_main:
                progress.step(state.step, loss)
            is_last = state.step == training.num_steps
            is_stopping = _in_any_process(trainer.accelerator, stop.signal is not None)
            if state.step % training.log_every == 0 or is_last:
                log({**state.take_metrics(), "lr": lr, "grad_norm": grad_norm, **describe(state.step)})
            if validation and (state.step % training.eval_every == 0 or is_last):
                log({"step": state.step, **validate(trainer, validation, training.num_eval_batches)})
            if state.step % training.checkpoint_every == 0 or is_last or is_stopping:
                save_checkpoint(trainer, keep=training.keep_checkpoints)
            if is_stopping:
                return Outcome(state.step, stop.signal or Signals.SIGTERM, is_main)
            step_began = time.perf_counter()
    return Outcome(state.step, None, is_main)


def train_step(
    trainer: Trainer, batch: Batch, *, lr: float, clip_norm: float, seed: int, num_parts: int
) -> tuple[float, float]:
    """One optimizer update on a global batch, which each process works through in `num_parts` micro-batches.

    Returns: loss in nats per target token, and the gradient's norm before clipping.
    """
    accelerator, step, rank = trainer.accelerator, trainer.state.step, trainer.accelerator.process_index
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0]))  # dropout
    # Gradients are averaged over processes, and the loss is a sum over them: hence the factor.
    scale = accelerator.num_processes / batch.num_target_tokens
    parts = micro_batches(
        batch,
        rank=rank,
        num_processes=accelerator.num_processes,
        num_parts=num_parts,
        device=accelerator.device,
    )
    local_sum = torch.zeros((), device=accelerator.device)
    for number, part in enumerate(parts, start=1):
        with nullcontext() if number == num_parts else accelerator.no_sync(trainer.model):
            part_sum = trainer.model(**part)
            accelerator.backward(part_sum * scale)
        local_sum += part_sum.detach()
    grad_norm = float(accelerator.clip_grad_norm_(trainer.model.parameters(), clip_norm))
    loss = float(accelerator.reduce(local_sum)) / batch.num_target_tokens
    _check_finite(loss, grad_norm, step, batch)
    for group in trainer.optimizer.param_groups:
        group["lr"] = lr
    trainer.optimizer.step()
    trainer.optimizer.zero_grad(set_to_none=True)
    return loss, grad_norm


@torch.no_grad()
def validate(trainer: Trainer, batches: Batches, num_batches: int) -> Metrics:
    """Loss over the first batches, in nats per target token: `{"validation_loss": 2.31}`."""
    accelerator = trainer.accelerator
    trainer.model.eval()
    local_sum, num_target_tokens = torch.zeros((), device=accelerator.device), 0
    for batch in prefetch(batches, range(num_batches)):
        for part in micro_batches(
            batch,
            rank=accelerator.process_index,
            num_processes=accelerator.num_processes,
            num_parts=1,
            device=accelerator.device,
        ):
            local_sum += trainer.model(**part)
        num_target_tokens += batch.num_target_tokens
    trainer.model.train()
    return {"validation_loss": float(accelerator.reduce(local_sum)) / num_target_tokens}


def save_checkpoint(trainer: Trainer, *, keep: int) -> None:
    """Write a checkpoint of the step that was just made; every process takes part."""
    tensors = optimizer_tensors(trainer.model, trainer.optimizer.optimizer)
    if trainer.accelerator.is_main_process:
        write_checkpoint(
            trainer.folder.checkpoints,
            trainer.state,
            model=trainer.accelerator.unwrap_model(trainer.model).model,
            tokenizer=trainer.tokenizer,
            optimizer_tensors=tensors,
            keep=keep,
        )
    trainer.accelerator.wait_for_everyone()


def _check_divisible(training: TrainingConfig, num_processes: int) -> None:
    if training.batch_size % (num_processes * training.grad_accumulation):
        raise TrainingError(
            f"batch_size {training.batch_size} cannot be shared evenly by {num_processes} processes "
            f"in {training.grad_accumulation} parts each",
            where=Location(field="training.batch_size"),
            mend="make it a multiple of processes times grad_accumulation",
        )


def _check_finite(loss: float, grad_norm: float, step: int, batch: Batch) -> None:
    if math.isfinite(loss) and math.isfinite(grad_norm):
        return
    name, value = ("loss", loss) if not math.isfinite(loss) else ("gradient's norm", grad_norm)
    raise NonFiniteLossError(
        f"the {name} became {value} in step {step}, on the batch of {', '.join(batch.names)}",
        mend="look at those examples; else lower optim.lr, lengthen schedule.warmup_steps, or set "
        "training.dtype=float32, and go on from the newest checkpoint with --resume",
    )


def _in_any_process(accelerator: Accelerator, flag: bool) -> bool:
    """Whether the flag is up anywhere: all processes must stop at the same step."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor(float(flag), device=accelerator.device)) > 0)
