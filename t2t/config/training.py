"""What pretraining and fine-tuning are both told: optimizer, learning rate, length and rhythm."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from t2t.config.section import Count, Fraction, PositiveCount, Section

Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimConfig(Section):
    """The optimizer, see t2t.training.optimizer."""

    name: Literal["adamw_rms", "adafactor", "adamw"] = Field(default="adamw_rms", description="optimizer")
    lr: float = Field(
        default=0.02,
        gt=0,
        description="peak learning rate, relative to a tensor's RMS; adamw's is not, and must be given",
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        description="fraction of a weight, times the rate, per step; of adafactor times the rate and the "
        "tensor's RMS",
    )
    betas: tuple[Decay, Decay] = Field(default=(0.9, 0.999), description="decay of both moments per step")
    clip_norm: float = Field(default=1.0, gt=0, description="largest global norm of the gradient")
    layer_lr_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="rate of a block as a fraction of that of the block above; 0.385 is 1/2.6, see "
        "t2t.training.depth",
    )
    unfreeze_every: PositiveCount | None = Field(
        default=None,
        description="steps after which one more block begins to learn, from the top down; null: all do",
    )

    @model_validator(mode="after")
    def _betas_are_used(self, info: ValidationInfo) -> Self:
        if self.name == "adafactor" and self._is_given("betas", info):
            raise ValueError("adafactor keeps no first moment, and takes no betas", "leave betas out")
        return self

    @model_validator(mode="after")
    def _rate_of_adamw_is_given(self) -> Self:
        if self.name == "adamw" and "lr" not in self.model_fields_set:
            raise ValueError(
                "adamw lacks lr: the default is relative to a tensor's RMS, and ruins a run with adamw",
                "give one such as optim.lr=0.001; LoRA mostly takes 0.001 to 0.0001",
            )
        return self


class ScheduleConfig(Section):
    """The learning rate over the run, see t2t.training.schedule."""

    name: Literal["cosine", "linear", "inverse_sqrt", "constant", "wsd"] = Field(
        default="cosine", description="shape after warm-up"
    )
    warmup_steps: Count | None = Field(
        default=None,
        description="steps of linear growth from 0; null: a tenth of the run, at most 500, and then "
        "inverse_sqrt too follows num_steps",
    )
    final_lr_ratio: Fraction = Field(
        default=0.0, description="smallest rate after warm-up, fraction of the peak"
    )
    decay_steps: PositiveCount | None = Field(
        default=None, description="wsd: last steps of the run, in which the rate falls; it needs a number"
    )

    def num_warmup_steps(self, num_steps: int) -> int:
        """Those of a run of `num_steps`."""
        return min(num_steps // 10, 500) if self.warmup_steps is None else self.warmup_steps

    @model_validator(mode="after")
    def _decay_is_for_wsd(self) -> Self:
        if self.name == "wsd" and self.decay_steps is None:
            raise ValueError("wsd lacks decay_steps", "give the steps in which the rate falls at the end")
        if self.name != "wsd" and self.decay_steps is not None:
            raise ValueError(f"{self.name} takes no decay_steps", "leave them out, or set name: wsd")
        return self


class EarlyStoppingConfig(Section):
    """End a run that no longer gets better, see t2t.training.early_stopping."""

    patience: PositiveCount = Field(description="validations in a row without a better one that end the run")
    min_delta: float = Field(
        default=0.0,
        ge=0,
        description="how much better a validation must be to count: nats per target token, or points; which "
        "one is the best does not depend on it",
    )


class ValidationConfig(Section):
    """What validations of a fine-tuning run ask, and what tells which of them was the best."""

    metric: Literal["loss", "score"] = Field(
        default="loss",
        description="what the best validation is told by; score: the mean over tasks of each task's first "
        "metric, 0-100, from ranked or written answers, as t2t eval gives it of sources cut as in training",
    )
    tasks: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="tasks, files, clusters or patterns of the mixture; null: all that have validation rows",
    )
    num_rows: PositiveCount = Field(default=64, description="score: rows of each task, a sample")
    num_templates: PositiveCount = Field(
        default=1, description="score: templates of each task, the first that ask the original task"
    )

    @model_validator(mode="after")
    def _score_is_asked(self, info: ValidationInfo) -> Self:
        for name in ("num_rows", "num_templates"):
            if self.metric == "loss" and self._is_given(name, info):
                raise ValueError(f"{name} is of a score, and metric is loss", "set metric to score")
        return self


class TrainingConfig(Section):
    """Length, size, precision and rhythm of a run. A step is one optimizer update."""

    num_steps: PositiveCount = Field(description="steps")
    batch_size: PositiveCount = Field(default=32, description="examples per step, over all processes")
    micro_batch_size: PositiveCount | None = Field(
        default=None,
        description="examples per forward pass, on which dropout depends; null: batch_size shared by the "
        "processes that begin the run",
    )
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        default="auto",
        description="of the matrix products; weights and loss are float32. auto: bfloat16 where fast",
    )
    compile: bool = Field(default=False, description="torch.compile: minutes at the start, faster steps")
    log_every: PositiveCount = Field(default=10, description="steps between lines of metrics.jsonl")
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = Field(
        default=(), description="where the numbers of metrics.jsonl also go, see t2t.training.trackers"
    )
    eval_every: PositiveCount = Field(default=500, description="steps between validations")
    num_eval_batches: Count = Field(
        default=20, description="batches that give a validation's loss; 0 validates nothing, scores included"
    )
    checkpoint_every: PositiveCount = Field(default=500, description="steps between checkpoints")
    keep_checkpoints: PositiveCount = Field(default=2, description="newest checkpoints that are kept")
    publish: Literal["last", "best"] = Field(
        default="last",
        description="the step that model/ is of; best: that of the best validation, whose checkpoint is kept",
    )
    early_stopping: EarlyStoppingConfig | None = Field(
        default=None, description="null: num_steps are made, whatever the validations say"
    )
    activation_checkpointing: bool = Field(
        default=False,
        description="compute activations again in the backward pass: far less memory, about 30 % more time",
    )
    ema_decay: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the averaged weights that a step keeps, 0.999 say; the average is then "
        "validated and is what model/ holds, see t2t.training.average",
    )
    shard: bool = Field(
        default=False,
        description="spread weights, gradients and moments over the processes (FSDP) instead of copying them",
    )
    peak_tflops: float | None = Field(
        default=None,
        gt=0,
        description="what one device does at best, TFLOP/s, for the metric mfu; null: of known GPUs",
    )
    device: Literal["auto", "cpu"] = Field(default="auto", description="auto: what accelerate finds")
    num_threads: PositiveCount | None = Field(
        default=None, description="CPU threads of torch; null: its own choice"
    )

    @model_validator(mode="after")
    def _something_is_validated(self) -> Self:
        if not self.num_eval_batches and (self.publish == "best" or self.early_stopping is not None):
            wish = "publish best" if self.publish == "best" else "early_stopping"
            raise ValueError(f"{wish} goes by validations, and there are none", "give num_eval_batches")
        return self

    @model_validator(mode="after")
    def _equal_parts(self) -> Self:
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self
