"""How deep in an encoder-decoder a weight lies, for rates and a start that differ from block to block.

Depth counts the blocks above, in the encoder and in the decoder each from its own top. Embeddings lie below
all blocks, also where they are the output layer too, as in T5 and BART:

    depth   encoder              decoder               rate with layer_lr_decay 0.385
    0       block 1, last norm   block 2, last norm    1
    1       block 0              block 1               0.385
    2                            block 0               0.148
    3       embeddings, which both share               0.057

Papers: Howard and Ruder 2018, arXiv:1801.06146, sections 3.2 (discriminative fine-tuning, each rate 1/2.6 =
0.385 of that above) and 3.3 (gradual unfreezing); theirs was one stack of LSTM layers. That a frozen weight
gets no update, while its gradient is computed all the same, is ours: then one compiled graph, and one plan of
what processes exchange, serve the whole run.
"""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from t2t.errors import TrainingError

# Blocks as the encoder-decoders of transformers call them: T5's, then everyone else's.
_BLOCK = re.compile(r"\b(encoder|decoder)\.(?:block|layers)\.(\d+)\b")
_EMBEDDING = re.compile(r"shared|embed")  # also BART's layernorm_embedding, which lies below all blocks


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks of the encoder and the decoder. Raises: TrainingError if there are none."""
    found = ((module, _BLOCK.search(name)) for name, module in model.named_modules())
    blocks = [module for module, block in found if block and block.end() == len(block.string)]
    if not blocks:
        raise _no_blocks()
    return blocks


def depths(names: Iterable[str]) -> dict[str, int]:
    """The depth of each weight, by the table above.

    Args:
        names: of all weights of a model, trained or not, such as "decoder.block.2.layer.0.layer_norm.weight".
    Raises: TrainingError if none of them is in a block.
    """
    names = list(names)
    blocks = {name: (found[1], int(found[2])) for name in names if (found := _BLOCK.search(name))}
    if not blocks:
        raise _no_blocks()
    num_blocks: dict[str, int] = {}
    for stack, index in blocks.values():
        num_blocks[stack] = max(num_blocks.get(stack, 0), index + 1)

    def depth(name: str) -> int:
        if name in blocks:
            stack, index = blocks[name]
            return num_blocks[stack] - 1 - index
        return max(num_blocks.values()) if _EMBEDDING.search(name) else 0

    return {name: depth(name) for name in names}


def parameter_groups(model: nn.Module, *, layer_lr_decay: float = 1.0) -> list[dict[str, Any]]:
    """What an optimizer is made of: the weights that are trained, by depth, each group with its `lr_scale`.

    Args:
        layer_lr_decay: rate of a depth as a fraction of the one above; 1 makes one group of all.
    """
    weights = dict(model.named_parameters())
    depth = depths(weights) if layer_lr_decay != 1 else dict.fromkeys(weights, 0)
    groups: dict[int, list[nn.Parameter]] = {}
    for name, weight in weights.items():
        if weight.requires_grad:
            groups.setdefault(depth[name], []).append(weight)
    return [{"params": groups[level], "lr_scale": layer_lr_decay**level} for level in sorted(groups)]


class Unfreezing:
    """From the top down, one depth more begins to learn every so many steps: depth d at step d * `every`.

    What is still frozen has no update: neither moments nor weight decay.

    Args:
        every: steps.
    """

    def __init__(self, model: nn.Module, *, every: int) -> None:
        weights = dict(model.named_parameters())
        self._begins = [(weights[name], depth * every) for name, depth in depths(weights).items()]

    def frozen(self, step: int) -> list[nn.Parameter]:
        """The weights that the update of a step, counted from 0, leaves as they are."""
        return [weight for weight, begin in self._begins if step < begin]

    def drop_gradients(self, step: int) -> None:
        """Take the gradients of frozen weights away, so that neither norm nor optimizer sees them."""
        for weight in self.frozen(step):
            weight.grad = None


def _no_blocks() -> TrainingError:
    return TrainingError(
        "the blocks of this model are not found, which layer_drop, layer_lr_decay and unfreeze_every go by",
        mend="leave those out, or take a T5 or BART model",
    )
