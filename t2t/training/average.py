"""A running average of the weights, which is often better than the weights of any one step.

    average <- d * average + (1 - d) * weights        d = min(ema_decay, (1 + n) / (10 + n)) after n updates

d grows with the first updates, so that a short run's average is not mostly the weights it began with: 0.18,
0.25, 0.31 ... With ema_decay 0.999 it reaches that after 8990 updates and then looks back over about 1000.

Papers: Polyak and Juditsky 1992, doi:10.1137/0330046; Izmailov et al. 2018, arXiv:1803.05407, an even mean
over the last part of a run. The growth of d is that of TensorFlow's `ExponentialMovingAverage`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from t2t.training.loss import own_name
from t2t.training.sharding import local, slice_like, whole


def trained_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that are trained, by the model's own names; `model` is a SummedLoss or what wraps one."""
    return {own_name(name): weight for name, weight in model.named_parameters() if weight.requires_grad}


class WeightAverage:
    """The average of a model's trained weights, each in float32 and cut as the weight is.

    Args:
        model: as it was brought to the devices, perhaps sharded.
        averages: whole tensors to begin or go on with, by the model's own names.
        decay: most of the average that a step keeps, 0 to 1.
    """

    def __init__(self, model: nn.Module, averages: Mapping[str, Tensor], *, decay: float) -> None:
        self._model = model
        weights = trained_weights(model)
        self._names = list(weights)
        self._weights: list[Tensor] = list(weights.values())
        self._averages = [
            slice_like(weight, averages[name]).to(weight.device) for name, weight in weights.items()
        ]
        self._decay = decay

    @torch.no_grad()
    def update(self, num_updates: int) -> None:
        """Take in the weights after an update, the `num_updates`-th of the run."""
        decay = min(self._decay, (1 + num_updates) / (10 + num_updates))
        torch._foreach_lerp_(local(self._averages), local(self._weights), 1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let the model have the averages; the weights as trained are put back at the end."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def set_aside(self) -> dict[str, Tensor]:
        """While the averages are in use: the weights as trained, whole, on the CPU, by the model's names.

        Every process must call it.
        """
        return {name: whole(tensor).cpu() for name, tensor in zip(self._names, self._averages, strict=True)}

    @torch.no_grad()
    def _exchange(self) -> None:
        for weight, average in zip(local(self._weights), local(self._averages), strict=True):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)
        if isinstance(self._model, FSDPModule):
            # what lies outside of the blocks may still be whole, as it was for the last forward pass
            self._model.reshard()
