"""Mixout: while training, each weight is with some probability that of the model the run began with.

    w' = (m u + (1 - m) w - p u) / (1 - p)      m is 1 with probability p, else 0

w is the weight as trained and u as it was. The mean over m is w: nothing need be changed to use the model.
With p = 0.5, w = 3 and u = 1, w' is 5 or 1. Where dropout (u = 0) pulls weights towards nothing, mixout pulls
them towards the pretrained model, which keeps fine-tuning on few examples from falling apart.

It acts on the matrices of linear layers in the blocks, drawn anew in each micro-batch, and not on biases,
norms and embeddings. A model that is saved has neither other weights nor other names.

Paper: Lee et al. 2020, arXiv:1909.11299, section 3, which put it in place of dropout (model.dropout_rate 0).
"""

from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


def mix_weights(weight: Tensor, start: Tensor, probability: float) -> Tensor:
    """w' of the formula above, for u = `start`; the draw is from torch's generator of the device."""
    goes_back = torch.rand_like(weight) < probability
    return (torch.where(goes_back, start, weight) - probability * start) / (1 - probability)


class MixedLinear(nn.Linear):
    """A linear layer with mixout; made from a plain one by `add_mixout`."""

    start: Tensor
    mixout: float

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return super().forward(inputs)
        weight = mix_weights(self.weight, self.start, self.mixout)
        return nn.functional.linear(inputs, weight, self.bias)


def add_mixout(model: PreTrainedModel, start: PreTrainedModel, *, probability: float) -> None:
    """Give mixout to a model's linear layers, but for the output layer, whose matrix is the embedding.

    Args:
        start: the same model with the weights to go back to, which are copied; it may be `model` itself.
        probability: p, 0 to 1, without 1.
    """
    output_layer = model.get_output_embeddings()
    for name, module in model.named_modules():
        if type(module) is nn.Linear and module is not output_layer:
            weight = start.get_parameter(f"{name}.weight").detach().clone()
            module.__class__ = MixedLinear  # in place, so that weights keep their names and their ties
            mixed = cast(MixedLinear, module)
            mixed.mixout = probability
            mixed.register_buffer("start", weight, persistent=False)  # moves with the model, is not saved
