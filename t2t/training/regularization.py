"""Give a model the regularisers that change its forward pass while training."""

from collections.abc import Callable

from transformers import PreTrainedModel

from t2t.training.layer_drop import add_layer_drop
from t2t.training.mixout import add_mixout


def regularize(
    model: PreTrainedModel,
    *,
    mixout: float,
    layer_drop: float,
    load_start: Callable[[], PreTrainedModel],
) -> None:
    """Add mixout and LayerDrop to a model, where their probabilities are not 0.

    Args:
        load_start: gives the model as it was when the run began; it may be `model` itself.
    """
    if mixout:
        add_mixout(model, load_start(), probability=mixout)
    if layer_drop:
        add_layer_drop(model, probability=layer_drop)
