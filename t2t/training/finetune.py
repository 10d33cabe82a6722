"""Train an encoder-decoder on a mixture of prompted tasks: `t2t finetune run.yaml`.

Rows of many tasks are rendered through many templates; the model learns to write the target of each. A task
that is held out is in no batch, so that it can be asked zero-shot afterwards. With `denoising:` a share of
the steps denoises a corpus, so that a model may learn its language and the tasks together.

With an adapter the model's own weights stay as they are, and a few new ones are trained: checkpoints and
`model/` then hold the adapter alone (see t2t.model.adapters).

Papers: Sanh et al. 2022, arXiv:2110.08207 (T0); Wei et al. 2022, arXiv:2109.01652 (Flan).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.config import AdapterConfig, DenoisingConfig, FinetuneConfig, FinetuneModelConfig
from t2t.data.mixture import Mixture
from t2t.data.task import Task
from t2t.errors import Location, MixtureError
from t2t.model import load_model
from t2t.model.adapters import Adapters
from t2t.model.injected_layers import ia3_config, lora_config
from t2t.model.soft_prompt import prompt_tuning_config
from t2t.model.training_record import TrainingRecord
from t2t.training.batches import MixtureBatches
from t2t.training.chosen_tasks import build_mixture, choose_tasks, task_templates, task_weights
from t2t.training.contents import store_contents, task_contents, tokenizer_contents, weight_contents
from t2t.training.dealt_batches import DealtBatches
from t2t.training.initial_model import load_or_build
from t2t.training.loop import Metrics, Outcome, Progress
from t2t.training.pretrain import store_batches
from t2t.training.run import Data, train_model
from t2t.training.validation import SPLIT, TaskScorer, choose_validated

# Validation draws do not depend on the run's seed, so that runs with different seeds can be compared.
_VALIDATION_SEED = 0

_TASKS = 0  # the place of tasks before that of a corpus, where a run has both


def finetune(
    config: FinetuneConfig,
    *,
    origins: Mapping[str, str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Fine-tune a model on a mixture; the run folder then holds it in `model/`.

    Args:
        origins: where each value of the config comes from, as `load_config` gives it.
        resume: go on from the newest checkpoint of the run folder.
    Raises: HeldOutLeakError if a held-out task is in the mixture; TrainingError if the run cannot start;
        NonFiniteLossError.
    """
    mixture = config.mixture
    tasks = choose_tasks(mixture)

    def load(checkpoint: Path | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        if config.adapter is not None:
            return load_with_adapter(config.model, config.adapter, checkpoint)
        model, tokenizer = load_or_build(config.model, checkpoint)
        if config.model.dropout_rate is not None:
            set_dropout(model, config.model.dropout_rate)
        return model, tokenizer

    def build_data(tokenizer: PreTrainedTokenizerBase) -> Data:
        drawn = build_mixture(tasks, mixture, split="train", seed=config.seed)
        train = build_batches(drawn, tokenizer, config, seed=config.seed)
        shared = None
        if config.denoising is not None:
            shared = share_with_denoising(train, tokenizer, config, config.denoising)
        validated = (
            choose_validated(tasks, config.validation.tasks) if config.training.num_eval_batches else []
        )
        validation, scorer = build_validation(validated, tokenizer, config)

        def describe(step: int) -> Metrics:
            made = step - 1
            return train.left_out(made if shared is None else shared.last_step_of(_TASKS, made))

        def contents() -> dict[str, str]:
            corpus = {} if config.denoising is None else {"denoising.data": config.denoising.data}
            rows = task_contents(tasks, splits=("train",)) | task_contents(validated, splits=(SPLIT,))
            weights = {}
            if config.model.init_from and (config.adapter is not None or config.regularization.mixout):
                weights = weight_contents(config.model.init_from)
            return tokenizer_contents(tokenizer) | weights | store_contents(corpus) | rows

        return Data(shared or train, validation, describe, contents, scorer, by_source=shared is not None)

    def record_after(before: TrainingRecord) -> TrainingRecord:
        rates = mixture.rates or task_weights(mixture.weights, tasks)
        drawn = {name for name, rate in rates.items() if rate > 0}
        return TrainingRecord(before.tasks | drawn, frozenset(mixture.held_out), before.is_complete)

    return train_model(
        config,
        origins=origins or {},
        resume=resume,
        progress=progress,
        load=load,
        build_data=build_data,
        record_after=record_after,
    )


def load_with_adapter(
    model: FinetuneModelConfig, adapter: AdapterConfig, checkpoint: Path | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model with the adapter to train: a new one, or the one that a checkpoint holds.

    Raises: ModelError if the adapter does not fit the model.
    """
    assert model.init_from is not None  # FinetuneConfig checked it
    loaded = load_model(model.init_from, device="cpu", dtype="float32")
    if model.dropout_rate is not None:  # the adapter, still to come, has a rate of its own
        set_dropout(loaded.model, model.dropout_rate)
    adapters = Adapters(loaded.model, name=loaded.name)
    if checkpoint is not None:
        adapters.load(adapter.name, checkpoint / "model", trainable=True)
    elif adapter.name == "lora":
        assert adapter.rank is not None and adapter.alpha is not None  # AdapterConfig filled them in
        adapters.add(
            adapter.name,
            lora_config(
                loaded.model,
                rank=adapter.rank,
                alpha=adapter.alpha,
                dropout=adapter.dropout or 0.0,
                target_modules=adapter.target_modules,
            ),
        )
    elif adapter.name == "ia3":
        adapters.add(adapter.name, ia3_config(loaded.model))
    else:
        assert adapter.num_virtual_tokens is not None
        config = prompt_tuning_config(loaded.model, num_virtual_tokens=adapter.num_virtual_tokens)
        adapters.add(adapter.name, config)
    return loaded.model, loaded.tokenizer


def share_with_denoising(
    tasks: MixtureBatches,
    tokenizer: PreTrainedTokenizerBase,
    config: FinetuneConfig,
    denoising: DenoisingConfig,
) -> DealtBatches:
    """The run's batches of tasks, with steps that denoise between them.

    Raises: TokenStoreError if the store was built with another tokenizer.
    """
    corpus = store_batches(
        denoising.data,
        tokenizer,
        objective=denoising.objective,
        batch_size=config.training.batch_size,
        seed=config.seed,
    )
    return DealtBatches((tasks, corpus), (1 - denoising.share, denoising.share), seed=config.seed)


def build_batches(
    mixture: Mixture,
    tokenizer: PreTrainedTokenizerBase,
    config: FinetuneConfig,
    *,
    seed: int,
    window: int | None = None,
) -> MixtureBatches:
    """Batches of a mixture, of the sizes that the config names.

    Args:
        window: batches sorted together; None takes that of the config.
    """
    return MixtureBatches(
        mixture.draw,
        tokenizer,
        batch_size=config.training.batch_size,
        window=window or config.bucketing.window,
        max_source_len=config.lengths.max_source_len,
        max_target_len=config.lengths.max_target_len,
        source_multiple=config.bucketing.source_multiple,
        target_multiple=config.bucketing.target_multiple,
        seed=seed,
        with_wrong_choices=config.loss == "t_few",
    )


def build_validation(
    validated: Sequence[Task], tokenizer: PreTrainedTokenizerBase, config: FinetuneConfig
) -> tuple[MixtureBatches | None, TaskScorer | None]:
    """Batches of validation rows, and what scores the model on such rows; None without such tasks.

    The tasks of the batches come equally often, as they count alike in the score.

    Raises: MixtureError if the score is wanted and no task has validation rows.
    """
    wanted = config.validation
    if not validated:
        if wanted.metric == "score":
            raise MixtureError(
                "no task of the mixture has validation rows to score the model on",
                where=Location(field="validation.metric"),
                mend="set validation.metric=loss, or give a task a validation split",
            )
        return None, None
    evenly = {"rates": {task.name: 1.0 for task in validated}, "weights": {}}
    mixture = config.mixture.model_copy(update=evenly)
    held = build_mixture(validated, mixture, split=SPLIT, seed=_VALIDATION_SEED)
    # One window of all batches: the first of a larger one would be of some lengths, and so of some tasks.
    num_batches = config.training.num_eval_batches
    batches = build_batches(held, tokenizer, config, seed=_VALIDATION_SEED, window=num_batches)
    if wanted.metric == "loss":
        return batches, None
    return batches, TaskScorer(
        validated,
        templates=task_templates(config.mixture.templates, validated),
        num_rows=wanted.num_rows,
        num_templates=wanted.num_templates,
        max_source_len=config.lengths.max_source_len,
        max_new_tokens=config.lengths.max_target_len,
        length_norm="mean_token" if config.loss == "t_few" else "sum",
    )


def set_dropout(model: PreTrainedModel, rate: float) -> None:
    """Set the dropout of a loaded model: of its layers, and of those that keep a bare number.

    A rate of 0 also ends the layerdrop of BART and M2M100, which skips whole blocks.
    """
    # BART keeps that of attention as "dropout" and that of its feed-forward as "activation_dropout"
    numbers = ("dropout", "attention_dropout", "activation_dropout")
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        for name in numbers:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, rate)
        if rate == 0 and hasattr(module, "layerdrop"):
            module.layerdrop = rate
    layerdrops = ("encoder_layerdrop", "decoder_layerdrop") if rate == 0 else ()
    for name in ("dropout_rate", *numbers, *layerdrops):
        if hasattr(model.config, name):
            setattr(model.config, name, rate)
