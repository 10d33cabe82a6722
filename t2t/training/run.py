"""A training run from start to end, the same for every kind: open, load, set up, fit, publish."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedType
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.config import FinetuneConfig, PretrainConfig, TrainingConfig
from t2t.data.locks import alone_in
from t2t.errors import Location, TrainingError, raise_faults
from t2t.inference.answering import max_positions, max_source_positions
from t2t.model.pretrained import replace_folder
from t2t.model.training_record import TrainingRecord
from t2t.training.batches import Batches
from t2t.training.checkpoint import checkpoint_folder, newest_checkpoint
from t2t.training.combinations import check_combinations
from t2t.training.depth import depths
from t2t.training.freed_memory import keep_freed_memory
from t2t.training.loop import Metrics, Outcome, Progress, fit, setup
from t2t.training.loss import SummedLoss
from t2t.training.optimizer import build_optimizer
from t2t.training.r_drop import check_dropout
from t2t.training.regularization import regularize
from t2t.training.run_folder import RunFolder, open_run
from t2t.training.schedule import build_schedule
from t2t.training.trackers import check_trackers, tracked
from t2t.training.validation import TaskScorer, Validation


@dataclass(frozen=True)
class Data:
    """Batches to train on and to validate with.

    Attributes:
        describe: what a metrics line should say of them at a step.
        contents: digests of all that they come from, by name (see t2t.training.contents).
        scorer: scores the model on tasks at each validation; None where its loss tells which was the best.
        by_source: some batches are of tasks and some of a corpus; metrics tell their losses apart.
    """

    train: Batches
    validation: Batches | None
    describe: Callable[[int], Metrics]
    contents: Callable[[], Mapping[str, str]]
    scorer: TaskScorer | None = None
    by_source: bool = False


def train_model(
    config: PretrainConfig | FinetuneConfig,
    *,
    origins: Mapping[str, str],
    resume: bool,
    progress: Progress | None,
    load: Callable[[Path | None], tuple[PreTrainedModel, PreTrainedTokenizerBase]],
    build_data: Callable[[PreTrainedTokenizerBase], Data],
    record_after: Callable[[TrainingRecord], TrainingRecord],
) -> Outcome:
    """Run a config to its end, or until a signal stops it.

    Args:
        load: gives the model and its tokenizer, from a checkpoint where there is one.
        build_data: gives the data, with that tokenizer.
        record_after: what the trained model will have seen, from what the model to begin with had;
            evaluation reads it beside the weights.
    Raises: TrainingError if the run cannot start, or if the disk is full; the newest checkpoint is whole.
    """
    check_combinations(config)
    check_trackers(config.training)
    accelerator = build_accelerator(config.training, config.run_dir)
    folder = RunFolder(config.run_dir)
    if accelerator.is_main_process:
        folder = open_run(config.run_dir, config, resume=resume)
    checkpoint = newest_checkpoint(folder.checkpoints) if resume else None
    before = TrainingRecord.before_training(config.model.init_from, checkpoint=checkpoint)
    folder = replace(folder, record=record_after(before))
    torch.manual_seed(config.seed)
    model, tokenizer = load(checkpoint)
    regularize(
        model,
        mixout=config.regularization.mixout,
        layer_drop=config.regularization.layer_drop,
        load_start=lambda: model if checkpoint is None else load(None)[0],
    )
    check_model(model, config)
    check_layerdrop(model, num_processes=accelerator.num_processes)
    data = build_data(tokenizer)
    validation = build_validation(data, config.training)
    contents = data.contents() if accelerator.is_main_process else {}
    if resume and accelerator.is_main_process:
        folder.check_contents(contents)
    trainer = setup(
        model,
        tokenizer,
        accelerator=accelerator,
        build_optimizer=partial(
            build_optimizer,
            name=config.optim.name,
            lr=config.optim.lr,
            weight_decay=config.optim.weight_decay,
            betas=config.optim.betas,
        ),
        folder=folder,
        checkpoint=checkpoint,
        training=config.training,
        build_loss=partial(
            SummedLoss,
            label_smoothing=config.regularization.label_smoothing,
            r_drop=config.regularization.r_drop,
        ),
        layer_lr_decay=config.optim.layer_lr_decay,
        unfreeze_every=config.optim.unfreeze_every,
        num_passes=2 if config.regularization.r_drop else 1,
    )
    if config.training.publish == "best":
        check_best_checkpoint(folder, trainer.state.best_step)
    with full_disk_explained(config.run_dir), ExitStack() as stack:
        if accelerator.is_main_process:
            busy = TrainingError(
                "another process is training in this run folder",
                where=Location(file=config.run_dir),
                mend="wait until it ends or stop it, or give another run_dir",
            )
            stack.enter_context(alone_in(config.run_dir, busy=busy))
            if newest_checkpoint(folder.checkpoints) != checkpoint:  # it ended since we looked
                raise busy
            folder.begin(config, origins, contents=contents, step=trainer.state.step)
        with tracked(progress, accelerator, folder, config, step=trainer.state.step) as told:
            outcome = fit(
                trainer,
                data.train,
                training=config.training,
                schedule=build_schedule(
                    config.schedule.name,
                    peak_lr=config.optim.lr,
                    warmup_steps=config.schedule.num_warmup_steps(config.training.num_steps),
                    num_steps=config.training.num_steps,
                    final_lr_ratio=config.schedule.final_lr_ratio,
                    decay_steps=config.schedule.decay_steps,
                ),
                clip_norm=config.optim.clip_norm,
                seed=config.seed,
                validation=validation,
                describe=data.describe,
                by_source=data.by_source,
                progress=told,
            )
        if outcome.stopped_by is not None:
            return outcome
        step = choose_published_step(outcome, config.training)
        if accelerator.is_main_process:
            publish_model(folder, step)
    return replace(outcome, published_step=step)


def check_model(model: PreTrainedModel, config: PretrainConfig | FinetuneConfig) -> None:
    """Raises: TrainingError if the model does not suit an option, before hours go into reading the data."""
    if config.regularization.r_drop:
        check_dropout(model)
    if config.optim.layer_lr_decay != 1:
        depths(name for name, _ in model.named_parameters())
    if config.optim.unfreeze_every is not None:
        check_unfreezing(model, every=config.optim.unfreeze_every, num_steps=config.training.num_steps)
    check_lengths(model, config)


def check_unfreezing(model: PreTrainedModel, *, every: int, num_steps: int) -> None:
    """Raises: TrainingError if some of the weights to train would be frozen until the run is over."""
    depth = depths(name for name, _ in model.named_parameters())
    trained = {depth[name] for name, weight in model.named_parameters() if weight.requires_grad}
    num_frozen = sum(level * every >= num_steps for level in trained)
    if not num_frozen:
        return
    most = (num_steps - 1) // max(trained)  # the deepest begins with step max(trained) * every, from 0
    raise TrainingError(
        f"one more depth begins to learn after every {every} steps: of {len(trained)} depths {num_frozen} "
        f"would stay frozen for all {num_steps} steps",
        where=Location(field="optim.unfreeze_every"),
        mend=f"set optim.unfreeze_every={most} or less, or raise training.num_steps"
        if most
        else f"set training.num_steps={max(trained) * every + 1} or more, or leave optim.unfreeze_every out",
    )


def check_layerdrop(model: PreTrainedModel, *, num_processes: int) -> None:
    """Raises: TrainingError if processes, which share gradients, would each skip blocks of their own."""
    skips = any(
        getattr(module, "layerdrop", 0) and any(weight.requires_grad for weight in module.parameters())
        for module in model.modules()
    )
    if num_processes > 1 and skips:
        raise TrainingError(
            "the model skips blocks (its layerdrop), whose gradients the other processes wait for",
            where=Location(field="model"),
            mend="fine-tune with model.dropout_rate=0, or set encoder_layerdrop and decoder_layerdrop to 0 "
            "in the model's config.json; regularization.layer_drop goes with any number of processes",
        )


def check_lengths(model: PreTrainedModel, config: PretrainConfig | FinetuneConfig) -> None:
    """Compare the lengths of a config with a BART's positions.

    The targets of denoising are left out: they are as long as sources may be at most, unless most of a text
    is noise.

    Raises: TrainingError, or Faults of several, for what is longer than the model has positions for.
    """
    if isinstance(config, PretrainConfig):
        source_lens = {"objective.max_source_len": config.objective.max_source_len}
        target_lens = {}
    else:
        source_lens = {"lengths.max_source_len": config.lengths.max_source_len}
        target_lens = {"lengths.max_target_len": config.lengths.max_target_len}
        if config.denoising:
            source_lens["denoising.objective.max_source_len"] = config.denoising.objective.max_source_len
    faults = [
        TrainingError(
            f"{key} is {length}, and the model's {part} has {positions} positions",
            where=Location(field=key),
            mend=f"set {key}={positions} or less",
        )
        for part, lens, positions in [
            ("encoder", source_lens, max_source_positions(model)),
            ("decoder", target_lens, max_positions(model)),
        ]
        for key, length in lens.items()
        if positions is not None and length > positions
    ]
    raise_faults(faults)


def build_validation(data: Data, training: TrainingConfig) -> Validation | None:
    """What the run is validated with, if it has validation data.

    Raises: TrainingError if it has none, and something goes by validations.
    """
    if data.validation is not None:
        return Validation(data.validation, training.num_eval_batches, data.scorer)
    for name, is_asked in [
        ("early_stopping", training.early_stopping is not None),
        ("publish", training.publish == "best"),
    ]:
        if is_asked:
            raise TrainingError(
                f"training.{name} goes by validations, and the run has no validation data",
                where=Location(field=f"training.{name}"),
                mend="give the run validation data, or leave that option out",
            )
    return None


def check_best_checkpoint(folder: RunFolder, step: int | None) -> None:
    """Raises: TrainingError if the checkpoint of the best validation so far is not there any more."""
    if step is not None and not checkpoint_folder(folder.checkpoints, step).is_dir():
        raise TrainingError(
            f"the best validation so far was in step {step}, whose checkpoint is gone",
            where=Location(file=folder.checkpoints, field="training.publish"),
            mend="resume with training.publish=last; the best is kept where a run begins with publish=best",
        )


def choose_published_step(outcome: Outcome, training: TrainingConfig) -> int:
    """The step whose model a finished run publishes.

    Raises: TrainingError if it is to be the best one, and no validation came to a number.
    """
    if training.publish == "last":
        return outcome.step
    if outcome.best_step is None:
        raise TrainingError(
            "none of the validations came to a number, so that none of them is the best",
            where=Location(field="training.publish"),
            mend="look at metrics.jsonl; --resume with training.publish=last publishes the last step",
        )
    return outcome.best_step


def build_accelerator(training: TrainingConfig, run_dir: Path) -> Accelerator:
    """Accelerate for the devices of this process, computing in bfloat16 where that is faster.

    Nothing is written to the run folder yet; trackers will log below it.
    """
    if training.num_threads is not None:
        torch.set_num_threads(training.num_threads)
    if os.environ.get("ACCELERATE_MIXED_PRECISION") == "fp16":
        raise TrainingError(
            "accelerate was told to train in fp16, in which T5's feed-forward layers overflow",
            where=Location(field="training.dtype"),
            mend="launch it without --mixed_precision; training.dtype takes bfloat16 or float32",
        )
    on_cpu = training.device == "cpu" or not torch.accelerator.is_available()
    if on_cpu:
        keep_freed_memory()
    use_bfloat16 = training.dtype == "bfloat16" or (training.dtype == "auto" and _has_fast_bfloat16(on_cpu))
    try:
        accelerator = Accelerator(
            cpu=training.device == "cpu",
            mixed_precision="bf16" if use_bfloat16 else "no",
            log_with=list(training.trackers) or None,
            project_dir=run_dir / "tensorboard",
        )
    except ValueError as error:  # Accelerate keeps one set-up per process
        raise TrainingError(
            "this process has trained with another device or dtype before",
            where=Location(field="training"),
            mend="start a new process, or keep training.device and training.dtype",
        ) from error
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise TrainingError(
            f"accelerate was told to shard with {accelerator.distributed_type.value}, which t2t does itself",
            where=Location(field="training.shard"),
            mend="launch it without that option, and set training.shard=true",
        )
    return accelerator


@contextmanager
def full_disk_explained(run_dir: Path) -> Iterator[None]:
    """Turn whatever error a full disk makes a library raise into one that says so."""
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise TrainingError(
            "the disk is full, or your share of it",
            where=Location(file=run_dir),
            mend="make room, then go on from the newest checkpoint, which is whole, with --resume",
        ) from error


def is_full_disk(error: Exception) -> bool:
    """Whether the system said "no space left" or "quota exceeded".

    Libraries written in Rust and `shutil.copytree` pass that on in words only.
    """
    numbers = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError) and error.errno in numbers:
        return True
    words = [word.format(number) for number in numbers for word in ("(os error {})", "[Errno {}]")]
    return any(word in str(error) for word in words)


def publish_model(folder: RunFolder, step: int) -> None:
    """Copy the model of a checkpoint to `model/`, where it replaces an older one at once."""
    aside = folder.model.with_name(".model.new")
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed while copying
    shutil.copytree(checkpoint_folder(folder.checkpoints, step) / "model", aside)
    replace_folder(aside, folder.model)
    folder.note_published(step)


def _has_fast_bfloat16(on_cpu: bool) -> bool:
    if on_cpu:
        abilities = torch.cpu.get_capabilities()
        return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
    # Emulated, as on V100 and T4, it is slower than float32.
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
