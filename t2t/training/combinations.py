"""Options of a run that do not go together, found before anything is loaded."""

import logging
import math

from t2t.config import FinetuneConfig, PretrainConfig
from t2t.errors import Location, TrainingError, raise_faults

logger = logging.getLogger(__name__)


def check_combinations(config: PretrainConfig | FinetuneConfig) -> None:
    """Raises: TrainingError, or Faults of several, if an option cannot act beside the others."""
    raise_faults([*_optimizer_faults(config), *_regularization_faults(config), *_validation_faults(config)])


def _optimizer_faults(config: PretrainConfig | FinetuneConfig) -> list[TrainingError]:
    optim, schedule, training = config.optim, config.schedule, config.training
    adapter = config.adapter.name if isinstance(config, FinetuneConfig) and config.adapter else None
    faults = []
    if training.shard and optim.name == "adafactor":
        faults.append(
            TrainingError(
                "adafactor looks at whole tensors, and training.shard cuts them",
                where=Location(field="optim.name"),
                mend="set optim.name=adamw_rms or training.shard=false",
            )
        )
    num_warmup_steps = schedule.num_warmup_steps(training.num_steps)
    if num_warmup_steps > training.num_steps:  # a short trial of a long run's file, mostly
        logger.warning(
            "the rate rises for %d steps, of a run of %d: it never reaches its peak",
            num_warmup_steps,
            training.num_steps,
        )
    if schedule.decay_steps is not None and num_warmup_steps + schedule.decay_steps > training.num_steps:
        faults.append(
            TrainingError(
                f"{num_warmup_steps} steps of warm-up and {schedule.decay_steps} of decay "
                f"do not fit into {training.num_steps}",
                where=Location(field="schedule.decay_steps"),
                mend="lower schedule.decay_steps or schedule.warmup_steps, or raise training.num_steps",
            )
        )
    if optim.unfreeze_every is not None and optim.unfreeze_every >= training.num_steps:
        faults.append(
            TrainingError(
                f"one more block begins to learn after every {optim.unfreeze_every} steps, and the run has "
                f"{training.num_steps}",
                where=Location(field="optim.unfreeze_every"),
                mend="lower optim.unfreeze_every, or leave it out",
            )
        )
    if adapter == "lora" and "name" not in optim.model_fields_set:
        logger.warning(
            "%s moves weights in proportion to their size, and half of LoRA's begin at zero: it learns slowly"
            " at first; optim.name=adamw optim.lr=0.001 suits it",
            optim.name,
        )
    if adapter == "prompt_tuning":
        faults += [
            TrainingError(
                f"prompt_tuning trains nothing in the blocks, which optim.{name} tells apart",
                where=Location(field=f"optim.{name}"),
                mend="leave it out, or take another adapter",
            )
            for name, is_set in (
                ("layer_lr_decay", optim.layer_lr_decay != 1),
                ("unfreeze_every", optim.unfreeze_every is not None),
            )
            if is_set
        ]
    return faults


def _regularization_faults(config: PretrainConfig | FinetuneConfig) -> list[TrainingError]:
    options = config.regularization
    faults = []
    if options.mixout and config.model.init_from is None:
        faults.append(
            TrainingError(
                "mixout goes back to the weights of model.init_from, and there is none",
                where=Location(field="regularization.mixout"),
                mend="leave mixout out, or give model.init_from",
            )
        )
    if isinstance(config, PretrainConfig):
        return faults
    if options.mixout and config.adapter is not None:
        faults.append(
            TrainingError(
                "mixout acts on the model's own weights, which an adapter leaves as they are",
                where=Location(field="regularization.mixout"),
                mend="leave out mixout or the adapter",
            )
        )
    if config.loss == "t_few":
        faults += [
            TrainingError(
                f"{name} is a change to the cross-entropy, and the loss is t_few",
                where=Location(field=f"regularization.{name}"),
                mend="leave it out, or set loss=cross_entropy",
            )
            for name in ("label_smoothing", "r_drop")
            if getattr(options, name)
        ]
    return faults


def _validation_faults(config: PretrainConfig | FinetuneConfig) -> list[TrainingError]:
    training, stopping = config.training, config.training.early_stopping
    faults = []
    # The first validation is the best so far, and after the last the run is over anyway.
    num_chances = math.ceil(training.num_steps / training.eval_every) - 2
    if stopping is not None and stopping.patience > num_chances:
        faults.append(
            TrainingError(
                f"{training.num_steps} steps with a validation every {training.eval_every} cannot end early "
                f"with patience {stopping.patience}",
                where=Location(field="training.early_stopping.patience"),
                mend="lower patience or training.eval_every, or leave early_stopping out",
            )
        )
    if isinstance(config, FinetuneConfig) and config.validation.tasks and not training.num_eval_batches:
        faults.append(
            TrainingError(
                "validation.tasks names tasks, and nothing is validated",
                where=Location(field="validation.tasks"),
                mend="give training.num_eval_batches, or leave validation.tasks out",
            )
        )
    return faults
