"""The two kinds of runs, `t2t pretrain` and `t2t finetune`, and the sections that only one of them has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from t2t.config.objective import ObjectiveConfig
from t2t.config.regularization import RegularizationConfig
from t2t.config.section import Count, Fraction, PositiveCount, Section
from t2t.config.training import OptimConfig, ScheduleConfig, TrainingConfig, ValidationConfig


class ModelConfig(Section):
    """Which model to train: a new one of a preset's size, or an existing one."""

    preset: str | None = Field(default=None, description="size of a new model, a key of t2t.model.PRESETS")
    tokenizer: str | None = Field(default=None, description="folder of the new model's tokenizer")
    attention_init: Literal["random", "mimetic"] = Field(
        default="random", description="of a new T5: mimetic, see t2t.model.mimetic"
    )
    init_from: str | None = Field(default=None, description="folder or Hub id of a model to go on from")

    @model_validator(mode="after")
    def _new_or_existing(self) -> Self:
        if self.init_from is not None and (self.preset is not None or self.tokenizer is not None):
            raise ValueError("init_from brings its own size and tokenizer", "leave out preset and tokenizer")
        if self.init_from is None and (self.preset is None or self.tokenizer is None):
            raise ValueError("no model to train", "give preset and tokenizer, or init_from")
        if self.init_from is not None and self.attention_init != "random":
            raise ValueError("attention_init is of new weights, and init_from brings its own", "leave it out")
        return self


Stores = Path | Annotated[Mapping[str, Path], Field(min_length=1)]


class PretrainDataConfig(Section):
    """Token stores made by `t2t corpus`: one, or one for each language token of an mBART: `de_DE: FOLDER`."""

    train: Stores = Field(description="token store folder, or folders by language")
    validation: Stores | None = Field(default=None, description="likewise; without one nothing is validated")
    temperature: float = Field(
        default=1.0,
        ge=1,
        description="languages are drawn in proportion to tokens ** (1 / temperature); 1.43 is mBART's",
    )

    @model_validator(mode="after")
    def _languages_agree(self) -> Self:
        by_language = not isinstance(self.train, Path)
        if self.validation is not None and by_language == isinstance(self.validation, Path):
            raise ValueError(
                "one of train and validation is by language, the other is not", "give both in one form"
            )
        if self.temperature != 1 and not by_language:
            raise ValueError("temperature is of several languages, and train is one store", "leave it out")
        return self


class PretrainConfig(Section):
    """A denoising run over a corpus: `t2t pretrain`."""

    run_dir: Path = Field(description="folder of checkpoints, metrics.jsonl, run.json and model/")
    seed: Count = Field(default=0, description="of weights, data order, noise and dropout")
    model: ModelConfig
    data: PretrainDataConfig
    objective: ObjectiveConfig = ObjectiveConfig()
    optim: OptimConfig = OptimConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    regularization: RegularizationConfig = RegularizationConfig()
    training: TrainingConfig

    @model_validator(mode="after")
    def _language_is_told_once(self) -> Self:
        if self.objective.language and not isinstance(self.data.train, Path):
            raise ValueError("objective.language stands beside stores by language", "leave it out")
        return self


class FinetuneModelConfig(ModelConfig):
    """The model to start from; a new one learns the tasks from nothing, see `denoising`."""

    dropout_rate: Fraction | None = Field(
        default=None,
        description="null: as the model was saved; 0 for a new one; 0 also ends a model's layerdrop",
    )


class ShotsConfig(Section):
    """Demonstrations put before some of the prompts."""

    share: Fraction = Field(default=0.0, description="fraction of examples that get demonstrations")
    max: Count = Field(default=0, description="most demonstrations per example")

    @model_validator(mode="after")
    def _share_has_a_most(self) -> Self:
        if self.share > 0 and not self.max:
            raise ValueError(f"share is {self.share}, of at most 0 demonstrations", "give max")
        return self


class MixtureConfig(Section):
    """The tasks and how often each is drawn: as weight * min(its size, cap) ** (1 / temperature)."""

    tasks: tuple[str, ...] = Field(
        min_length=1, description="tasks, files, clusters, or patterns such as text2sql_*"
    )
    held_out: tuple[str, ...] = Field(
        default=(), description="tasks or clusters that must not be among them, nor other tasks on their rows"
    )
    cap: PositiveCount | None = Field(default=None, description="largest size, in examples, a task counts as")
    temperature: float = Field(default=1.0, ge=1, description="1 proportional to size, larger: more even")
    weights: Mapping[str, float] = Field(
        default={}, description="factors by task, cluster or pattern; those that name one task multiply"
    )
    rates: Mapping[str, float] = Field(default={}, description="fixed rates by task, instead of all that")
    data_root: Path | None = Field(
        default=None, description="folder of task data; null: T2T_DATA, else the Hub"
    )
    tasks_dirs: tuple[Path, ...] = Field(
        default=(), description="folders of own tasks, besides those that T2T_TASKS lists"
    )
    templates: Mapping[str, tuple[str, ...]] = Field(
        default={},
        description="by task, cluster or pattern, whose tasks have them all: the only templates to use",
    )
    balanced: tuple[str, ...] = Field(
        default=(), description="tasks, clusters or patterns whose labels are trained on equally often"
    )
    max_rows: PositiveCount | None = Field(
        default=None, description="rows of a task in use; of more rows, so many are chosen at random"
    )
    shots: ShotsConfig = ShotsConfig()

    @model_validator(mode="after")
    def _weights_are_used(self) -> Self:
        if self.weights and self.rates:
            raise ValueError("weights stand beside rates, which need none", "give either, not both")
        if self.rates and (self.cap is not None or self.temperature != 1):
            raise ValueError("cap and temperature stand beside rates, which need none", "leave them out")
        return self


class DenoisingConfig(Section):
    """Denoising of a corpus as one more task: T5's multi-task pretraining, see t2t.training.finetune."""

    share: float = Field(gt=0, lt=1, description="fraction of the steps that denoise instead")
    data: Path = Field(description="token store folder, made by `t2t corpus`")
    objective: ObjectiveConfig = Field(
        default=ObjectiveConfig(), description="max_source_len: that of the prompts, unless it is given"
    )


class LengthsConfig(Section):
    """Where encoded examples are cut."""

    max_source_len: int = Field(default=512, ge=2, description="tokens, with </s>; one more is needed")
    max_target_len: PositiveCount = Field(default=128, description="tokens, with </s>")


class BucketingConfig(Section):
    """How examples of like length come together, see t2t.training.batches."""

    window: PositiveCount = Field(default=16, description="batches sorted together")
    source_multiple: PositiveCount = Field(
        default=32, description="source lengths are padded to a multiple of this"
    )
    target_multiple: PositiveCount = Field(
        default=16, description="target lengths are padded to a multiple of this"
    )


# Which options each kind of adapter has, and their defaults; those not listed have none.
ADAPTER_OPTIONS: Mapping[str, Mapping[str, int | float | None]] = {
    "lora": {"rank": 8, "alpha": 16.0, "dropout": 0.0, "target_modules": None},
    "ia3": {},
    "prompt_tuning": {"num_virtual_tokens": 20},
}


class AdapterConfig(Section):
    """A few new weights that are trained while the model's own stay frozen, see t2t.model.adapters."""

    name: Literal["lora", "ia3", "prompt_tuning"] = Field(description="kind of adapter")
    rank: PositiveCount | None = Field(
        default=None, description="lora: inner width of the change to a matrix; null: 8"
    )
    alpha: float | None = Field(
        default=None, gt=0, description="lora: the change is multiplied by alpha / rank; null: 16"
    )
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="lora: of the input of each change; null: 0"
    )
    target_modules: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="lora: names of the matrices; null: queries and values"
    )
    num_virtual_tokens: PositiveCount | None = Field(
        default=None, description="prompt_tuning: learned embeddings before the source; null: 20"
    )

    @model_validator(mode="after")
    def _fill(self) -> Self:
        """Refuse the options of other kinds, and fill in what is not given."""
        have = ADAPTER_OPTIONS[self.name]
        for key in AdapterConfig.model_fields.keys() - {"name"}:
            if getattr(self, key) is None:
                object.__setattr__(self, key, have.get(key))  # frozen only from here on
            elif key not in have:
                names = ", ".join(have) or "no options"
                raise ValueError(f'{self.name} has no "{key}"', f"leave it out; {self.name} has {names}")
        return self


class FinetuneConfig(Section):
    """A supervised run over a mixture of tasks: `t2t finetune`."""

    run_dir: Path = Field(description="folder of checkpoints, metrics.jsonl, run.json and model/")
    seed: Count = Field(default=0, description="of data order, templates, demonstrations and dropout")
    model: FinetuneModelConfig
    adapter: AdapterConfig | None = Field(
        default=None, description="null trains all weights of the model, and no others"
    )
    loss: Literal["cross_entropy", "t_few"] = Field(
        default="cross_entropy",
        description="t_few adds two terms over the wrong answer choices, see t2t.training.choice_loss",
    )
    mixture: MixtureConfig
    denoising: DenoisingConfig | None = Field(default=None, description="null: every step trains on tasks")
    lengths: LengthsConfig = LengthsConfig()
    bucketing: BucketingConfig = BucketingConfig()
    optim: OptimConfig = OptimConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    regularization: RegularizationConfig = RegularizationConfig()
    validation: ValidationConfig = ValidationConfig()
    training: TrainingConfig

    @model_validator(mode="after")
    def _denoise_as_long_as_prompts(self) -> Self:
        if self.denoising and "max_source_len" not in self.denoising.objective.model_fields_set:
            lens = {"max_source_len": self.lengths.max_source_len}
            objective = self.denoising.objective.model_copy(update=lens)
            denoising = self.denoising.model_copy(update={"objective": objective})
            object.__setattr__(self, "denoising", denoising)  # frozen only from here on
        return self

    @model_validator(mode="after")
    def _adapted_model_exists(self) -> Self:
        if self.adapter is not None and self.model.init_from is None:
            raise ValueError("an adapter needs a trained model", "give model.init_from, or no adapter")
        return self

    @model_validator(mode="after")
    def _score_is_validated(self) -> Self:
        if self.validation.metric == "score" and not self.training.num_eval_batches:
            raise ValueError(
                "validation.metric is score, and nothing is validated",
                "give training.num_eval_batches, or set validation.metric to loss",
            )
        return self
