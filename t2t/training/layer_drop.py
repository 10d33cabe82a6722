"""LayerDrop: while training, each block is with some probability as if it were not there.

The block is computed and what it adds is then thrown away. That saves no time, as leaving it out would, but
a block's weights always have a gradient: processes that drop different blocks still exchange the same, one
compiled graph serves every draw, and T5's first block always gives the others their position bias.

A model trained so does without some of its blocks: it may be pruned to fewer afterwards.

Paper: Fan et al. 2020, arXiv:1909.11556, section 3; 0.2 there. Nothing is rescaled, as there.
"""

from typing import Any

import torch
from torch import Tensor, nn

from t2t.training.depth import find_blocks


def add_layer_drop(model: nn.Module, *, probability: float) -> None:
    """Let every block of the encoder and the decoder be dropped, drawn anew in each micro-batch.

    Args:
        probability: 0 to 1, without 1.
    Raises: TrainingError if the model's blocks are not found.
    """

    def drop(block: nn.Module, args: tuple[Any, ...], output: Tensor | tuple[Tensor, ...]) -> Any:
        if not block.training:
            return output
        states, *rest = (output,) if isinstance(output, Tensor) else output  # states (batch, len, d_model)
        is_kept = torch.rand((), device=states.device) >= probability
        states = torch.where(is_kept, states, args[0])
        return states if isinstance(output, Tensor) else (states, *rest)

    for block in find_blocks(model):
        block.register_forward_hook(drop)
