"""What keeps a model from learning its training examples by heart, beside dropout; all are off by default."""

from pydantic import Field

from t2t.config.section import Section


class RegularizationConfig(Section):
    """Regularisers while training; validation never sees them. They may be combined."""

    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of each target that is spread over the vocabulary, see t2t.training.loss",
    )
    r_drop: float = Field(
        default=0.0,
        ge=0,
        description="weight of how much two passes with other dropout differ, see t2t.training.r_drop",
    )
    mixout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="probability that a weight is as in model.init_from, see t2t.training.mixout",
    )
    layer_drop: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="probability that a block is left out, see t2t.training.layer_drop",
    )
