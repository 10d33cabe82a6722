"""One training loop for every run: `setup`, then `fit`, which steps, validates and checkpoints.

The loss is the cross-entropy in nats per target token over the whole global batch: summed over all
micro-batches and processes, then divided by the target tokens of the batch. Accelerate drives the devices.
All that is random follows from (seed, step, micro-batch), so that a resumed run repeats an uninterrupted one,
also with another number of processes (see t2t.training.micro_batches).
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.config import TrainingConfig
from t2t.errors import Location, NonFiniteLossError
from t2t.tokens.batches import Batch
from t2t.training.average import WeightAverage, trained_weights
from t2t.training.batches import Batches, prefetch
from t2t.training.checkpoint import (
    TrainerState,
    optimizer_tensors,
    read_trainer_state,
    restore_optimizer,
    restore_weights,
    write_batch,
    write_checkpoint,
)
from t2t.training.depth import Unfreezing, parameter_groups
from t2t.training.early_stopping import is_over, note_validation
from t2t.training.interrupt import stop_on_signals
from t2t.training.loss import SummedLoss, compile_loss, own_name
from t2t.training.micro_batches import choose_micro_batch_size, micro_batches, seed_dropout
from t2t.training.run_folder import RunFolder
from t2t.training.schedule import Schedule
from t2t.training.sharding import shard, whole, whole_weights
from t2t.training.step_numbers import QueuedStep, StepNumbers
from t2t.training.throughput import FlopCounter, peak_flops
from t2t.training.validation import Validation, validate

Metrics = Mapping[str, Any]


class Progress(Protocol):
    """Told how a run goes, in the main process only; the command line draws it."""

    def start(self, *, step: int, num_steps: int) -> None:
        """The run begins or goes on after `step` steps."""

    def step(self, step: int) -> None:
        """So many steps have been queued on the device, or made where it is a CPU."""

    def metrics(self, line: Metrics) -> None:
        """A line that was just added to metrics.jsonl."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        step: steps that were made.
        stopped_by: the signal that stopped it; None at its end.
        best_step: the step of the best validation; None without validations.
        ended_early: it was at its end because validations got no better.
        published_step: the step that `model/` is of, once it is there.
    """

    step: int
    stopped_by: Signals | None
    is_main_process: bool
    best_step: int | None = None
    ended_early: bool = False
    published_step: int | None = None


@dataclass
class Trainer:
    """What a run works on, as it was brought to the devices, and where it stands. Made by `setup`.

    Attributes:
        loss: the SummedLoss, perhaps wrapped (DDP) or sharded (FSDP).
        model: the model in it, which knows how to save itself.
        average: of its weights; None where the weights as trained are what is validated and published.
        unfreezing: which weights are yet to be trained; None where all are from the start.
        peak_flops: operations a second that all devices can do at best; None where unknown.
    """

    accelerator: Accelerator
    loss: nn.Module
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    optimizer: torch.optim.Optimizer
    folder: RunFolder
    state: TrainerState
    flop_counter: FlopCounter
    peak_flops: float | None
    average: WeightAverage | None = None
    unfreezing: Unfreezing | None = None

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model have its averaged weights, where there is an average."""
        return nullcontext() if self.average is None else self.average.in_use()

    def local_parts(self, batch: Batch) -> Iterator[tuple[int, dict[str, Tensor | None]]]:
        """The micro-batches that this process computes, with their numbers in the global batch."""
        assert self.state.micro_batch_size is not None  # setup chose it
        return micro_batches(
            batch,
            size=self.state.micro_batch_size,
            rank=self.accelerator.process_index,
            num_processes=self.accelerator.num_processes,
            device=self.accelerator.device,
        )


def setup(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    accelerator: Accelerator,
    build_optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer],
    folder: RunFolder,
    checkpoint: Path | None,
    training: TrainingConfig,
    build_loss: Callable[[PreTrainedModel], SummedLoss] = SummedLoss,
    layer_lr_decay: float = 1.0,
    unfreeze_every: int | None = None,
    num_passes: int = 1,
) -> Trainer:
    """Bring a model and its optimizer to the devices.

    Args:
        model: float32 weights to begin with; those of the checkpoint, if there is one. Parameters that need
            no gradient stay as they are.
        build_optimizer: is given parameter groups, each with its `lr_scale`.
        checkpoint: folder to take the optimizer's state and the step from.
        layer_lr_decay, unfreeze_every: see t2t.training.depth.
        num_passes: of each row through the model in a step: 2 with R-Drop.
    Raises: TrainingError if the batch cannot be shared by the processes, or the model does not suit an
        option; CheckpointError.
    """
    state = TrainerState() if checkpoint is None else read_trainer_state(checkpoint)
    state.micro_batch_size = choose_micro_batch_size(
        training, before=state.micro_batch_size, num_processes=accelerator.num_processes
    )
    flop_counter = FlopCounter.of_model(model, num_passes=num_passes)
    if training.activation_checkpointing:
        # transformers renamed it within version 5
        enable = (
            getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        )
        enable({"use_reentrant": False})
    loss: nn.Module = build_loss(model).train()
    averages = None
    if training.ema_decay is not None:
        # a checkpoint's model/ holds the average, and beside it are the weights as trained
        averages = {name: weight.detach().clone() for name, weight in trained_weights(loss).items()}
        if checkpoint is not None:
            restore_weights(checkpoint, trained_weights(loss))
    if training.shard and accelerator.num_processes > 1:
        loss = shard(loss, accelerator, block_names=set(getattr(model, "_no_split_modules", None) or ()))
    else:
        loss = accelerator.prepare_model(loss)
    average = None
    if averages is not None and training.ema_decay is not None:
        average = WeightAverage(loss, averages, decay=training.ema_decay)
    unfreezing = None if unfreeze_every is None else Unfreezing(loss, every=unfreeze_every)
    optimizer = build_optimizer(parameter_groups(loss, layer_lr_decay=layer_lr_decay))
    if checkpoint is not None:
        untouched = unfreezing.frozen(state.step - 1) if unfreezing else []
        restore_optimizer(checkpoint, loss, optimizer, untouched=untouched)
    if training.compile:
        compile_loss(loss)
    peak = peak_flops(
        accelerator.device,
        peak_tflops=training.peak_tflops,
        in_bfloat16=accelerator.mixed_precision == "bf16",
    )
    return Trainer(
        accelerator,
        loss,
        model,
        tokenizer,
        optimizer,
        folder,
        state,
        flop_counter,
        peak and peak * accelerator.num_processes,
        average,
        unfreezing,
    )


def fit(
    trainer: Trainer,
    batches: Batches,
    *,
    training: TrainingConfig,
    schedule: Schedule,
    clip_norm: float,
    seed: int,
    validation: Validation | None = None,
    describe: Callable[[int], Metrics] = lambda step: {},
    by_source: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Train up to `training.num_steps`, until validations get no better, or until a signal.

    However it ends, a checkpoint holds the last step.

    Args:
        validation: what the model is judged by; None for no validations.
        describe: further entries for the metrics line of a step.
        by_source: some batches are of tasks and some of a corpus; metrics tell their losses apart.
    Raises: NonFiniteLossError if loss or gradient become NaN or infinite: the batch is then in the run
        folder, and the newest checkpoint is an earlier, sound one.
    """
    accelerator, state, is_main = trainer.accelerator, trainer.state, trainer.accelerator.is_main_process
    if progress and is_main:
        progress.start(step=state.step, num_steps=training.num_steps)

    def log(line: Metrics) -> None:
        if is_main:
            trainer.folder.append_metrics(line)
            if progress:
                progress.metrics(line)

    if state.step < training.num_steps and is_over(state, training.early_stopping):  # a run that had ended
        return Outcome(state.step, None, is_main, state.best_step, ended_early=True)
    is_alone = accelerator.num_processes == 1
    may_lag = 0 if accelerator.device.type == "cpu" else 1  # see t2t.training.step_numbers
    queued: deque[QueuedStep] = deque()
    run_began = time.perf_counter() - state.seconds
    steps = range(state.step, training.num_steps)
    ends_early = False
    with stop_on_signals() as stop, closing(prefetch(batches, steps)) as upcoming:
        step_began = time.perf_counter()
        for batch in upcoming:
            lr, stops = schedule(state.step), stop.signal is not None
            numbers = train_step(trainer, batch, lr=lr, clip_norm=clip_norm, seed=seed, stops=stops)
            queued.append(QueuedStep(state.step, batch, numbers))
            state.step += 1
            if progress and is_main:
                progress.step(state.step)

            is_last = state.step == training.num_steps
            logs = state.step % training.log_every == 0 or is_last
            validates = state.step % training.eval_every == 0 or is_last
            saves = state.step % training.checkpoint_every == 0 or is_last
            is_stopping = settle(trainer, queued, keep=0 if logs or validates or saves else may_lag)
            is_stopping |= is_alone and stop.signal is not None
            state.step_seconds += time.perf_counter() - step_began
            state.seconds = time.perf_counter() - run_began

            if logs:
                line = state.take_metrics(trainer.peak_flops, by_source=by_source)
                log({**line, "lr": lr, **describe(state.step)})
            if validates and validation is not None:
                with trainer.averaged():
                    line = validate(trainer, validation)
                is_best = note_validation(
                    state,
                    line[validation.metric],
                    higher_is_better=validation.higher_is_better,
                    min_delta=training.early_stopping.min_delta if training.early_stopping else 0.0,
                )
                shares = state.take_task_shares()
                log({"step": state.step, **line, **shares, "best_step": state.best_step})
                ends_early = is_over(state, training.early_stopping) and not is_last
                saves |= ends_early or (is_best and training.publish == "best")
            if saves or is_stopping:
                settle(trainer, queued, keep=0)
                save_checkpoint(trainer, keep=training.keep_checkpoints, keep_best=training.publish == "best")
            if is_stopping:
                return Outcome(state.step, stop.signal or Signals.SIGTERM, is_main, state.best_step)
            if ends_early:
                return Outcome(state.step, None, is_main, state.best_step, ended_early=True)
            step_began = time.perf_counter()
    return Outcome(state.step, None, is_main, state.best_step)


def train_step(
    trainer: Trainer, batch: Batch, *, lr: float, clip_norm: float, seed: int, stops: bool = False
) -> Tensor:
    """Queue one optimizer update on a global batch; nothing here waits for the device.

    Args:
        stops: this process was asked to stop, which the others learn by the numbers of the step.
    Returns: (3,) float32 on the device: loss in nats summed over the batch, the gradient's norm before
        clipping, and how many processes were asked to stop.
    """
    accelerator, device = trainer.accelerator, trainer.accelerator.device
    # Gradients are averaged over processes, and the loss is a sum over them: hence the factor.
    scale = accelerator.num_processes / batch.num_target_tokens
    parts = list(trainer.local_parts(batch))
    sums = torch.tensor([0.0, float(stops)], device=device)  # nats, stops
    for number, part in parts:
        seed_dropout(seed, trainer.state.step, number)
        with _gradients_shared(trainer, number == parts[-1][0]):
            part_sum = trainer.loss(**part)
            (part_sum * scale).backward()
        sums[0] += part_sum.detach()
    if trainer.unfreezing is not None:
        trainer.unfreezing.drop_gradients(trainer.state.step)
    grad_norm = whole(nn.utils.clip_grad_norm_(trainer.loss.parameters(), clip_norm))
    for group in trainer.optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]
    trainer.optimizer.step()
    if trainer.average is not None:
        trainer.average.update(trainer.state.step + 1)
    trainer.optimizer.zero_grad(set_to_none=True)
    nats, num_stops = accelerator.reduce(sums)
    return torch.stack([nats, grad_norm.float(), num_stops])


def settle(trainer: Trainer, queued: deque[QueuedStep], *, keep: int) -> bool:
    """Count the queued steps but for the newest `keep`; whether a process had been asked to stop.

    Raises: NonFiniteLossError, having written the batch.
    """
    stop_asked = False
    while len(queued) > keep:
        numbers = queued.popleft().read()
        _check_finite(trainer, numbers)
        trainer.state.add_step(numbers, flops=trainer.flop_counter.count(numbers.batch))
        stop_asked |= numbers.stop_asked
    return stop_asked


def save_checkpoint(trainer: Trainer, *, keep: int, keep_best: bool = False) -> None:
    """Write a checkpoint of the step that was just made; every process takes part.

    Args:
        keep: how many of the newest stay.
        keep_best: that of the best validation stays too.
    """
    with trainer.averaged():
        weights = {own_name(name): weight for name, weight in whole_weights(trainer.loss).items()}
        # after the weights: gathering them leaves a model sharded, also one that has just been validated
        tensors = optimizer_tensors(trainer.loss, trainer.optimizer)
        as_trained = None if trainer.average is None else trainer.average.set_aside()
        if trainer.accelerator.is_main_process:
            write_checkpoint(
                trainer.folder.checkpoints,
                trainer.state,
                model=trainer.model,
                weights=weights,
                weights_as_trained=as_trained,
                tokenizer=trainer.tokenizer,
                optimizer_tensors=tensors,
                keep=keep,
                keep_step=trainer.state.best_step if keep_best else None,
                record=trainer.folder.record,
            )
    trainer.accelerator.wait_for_everyone()


def _gradients_shared(trainer: Trainer, is_last: bool) -> AbstractContextManager[None]:
    """Processes exchange their gradients in the backward pass of a step's last micro-batch only."""
    if isinstance(trainer.loss, FSDPModule):
        trainer.loss.set_requires_gradient_sync(is_last)
        return nullcontext()
    exchanges: AbstractContextManager[None] = trainer.accelerator.no_sync(trainer.loss)
    return nullcontext() if is_last else exchanges


def _check_finite(trainer: Trainer, numbers: StepNumbers) -> None:
    problem = numbers.non_finite()
    if problem is None:
        return
    path = trainer.folder.bad_batch(numbers.step)
    if trainer.accelerator.is_main_process:
        write_batch(numbers.batch, path, step=numbers.step)
    raise NonFiniteLossError(
        f"the {problem} in step {numbers.step}, on the batch of {', '.join(numbers.batch.names)}",
        where=Location(file=path),
        mend="look at those examples; else lower optim.lr, lengthen schedule.warmup_steps, or set "
        "training.dtype=float32, and go on from the newest checkpoint with --resume",
    )
