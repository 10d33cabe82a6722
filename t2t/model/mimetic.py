"""Mimetic initialisation of T5: attention that compares like with like, and passes on what it finds.

After Trockman and Kolter 2023, arXiv:2305.09828, who found the products of trained query and key matrices
near a multiple of the identity, and in vision models those of value and output matrices near a negative one.
Here these are positive, since what is found in a source is to be copied. It is for small models and short
runs: asked which of three random tokens stood behind a given one, preset "tiny" is right 98 % of the time
after 400 steps of 64 rows, and 32 % from random matrices (tests/model/test_mimetic.py).

    attention of            queries, keys    values, output    what it does at first
    encoder                 like with like   0.3 identity      tokens gather what is equal to them
    decoder, itself         like with like   random            tokens find what is equal to them
    decoder, encoder        like with like   0.5 identity      a token that was found goes to the output

Two heads of the encoder start as previous-token heads and one as a next-token head, in every layer, since
T5's layers share their position bias: a copy goes on with the token behind the one that was found (induction
heads, Olsson et al. 2022, arXiv:2209.11895).
"""

import torch
from transformers import PreTrainedConfig, PreTrainedModel, T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from t2t.errors import ModelError

# Chosen by one trial: a new model of preset "starter" looked up 94 % of random tokens after 450 steps.
_LIKENESS = 0.3  # the attention logit of two equal normalised states, divided by d_kv
_PASSED_ON_ENCODER = 0.3  # of what is found, added to the residual stream
_PASSED_ON_DECODER = 0.5
_NUM_PREVIOUS_HEADS = 2
_NUM_NEXT_HEADS = 1
_NEIGHBOUR_BIAS = 4.0  # added to the attention logit


def init_mimetic(model: PreTrainedModel) -> None:
    """Overwrite the attention matrices of a new T5 in place, drawing from torch's global generator.

    Raises: ModelError for a model of another kind, or whose heads together are not as wide as the model.
    """
    if not isinstance(model, T5ForConditionalGeneration) or not _has_full_width(model.config):
        raise ModelError(
            "mimetic attention needs a T5 of three heads or more that together are as wide as the model",
            have=_widths(model.config),
            mend="leave out attention_init, or choose another preset, such as starter",
        )
    with torch.no_grad():
        for block in model.encoder.block:
            _compare_like_with_like(block.layer[0].SelfAttention)
            _pass_on(block.layer[0].SelfAttention, _PASSED_ON_ENCODER)
        for block in model.decoder.block:
            _compare_like_with_like(block.layer[0].SelfAttention)
            _compare_like_with_like(block.layer[1].EncDecAttention)
            _pass_on(block.layer[1].EncDecAttention, _PASSED_ON_DECODER)
        _attend_to_neighbours(model.encoder.block[0].layer[0].SelfAttention)


def _widths(config: PreTrainedConfig) -> list[str]:
    if not isinstance(config, T5Config):
        return [config.model_type]
    return [f"{config.num_heads} heads of {config.d_kv}", f"d_model {config.d_model}"]


def _has_full_width(config: T5Config) -> bool:
    return config.num_heads >= _NUM_PREVIOUS_HEADS + _NUM_NEXT_HEADS and (
        config.num_heads * config.d_kv == config.d_model
    )


def _compare_like_with_like(attention: T5Attention) -> None:
    """Each head compares the projections of queries and keys on a d_kv-dimensional subspace of its own."""
    rotation = _random_rotation(attention)
    attention.k.weight.copy_(rotation)
    attention.q.weight.copy_(_LIKENESS * rotation)


def _pass_on(attention: T5Attention, share: float) -> None:
    """Heads that look at the same token add `share` of its normalised state."""
    rotation = _random_rotation(attention)
    attention.v.weight.copy_(rotation)
    attention.o.weight.copy_(share * rotation.T)


def _attend_to_neighbours(attention: T5Attention) -> None:
    """The first heads prefer the token before, the next ones the token behind."""
    bias = attention.relative_attention_bias.weight  # (num_buckets, num_heads)
    previous, following = 1, attention.relative_attention_num_buckets // 2 + 1  # buckets of distances -1, +1
    bias[previous, :_NUM_PREVIOUS_HEADS] += _NEIGHBOUR_BIAS
    bias[following, _NUM_PREVIOUS_HEADS : _NUM_PREVIOUS_HEADS + _NUM_NEXT_HEADS] += _NEIGHBOUR_BIAS


def _random_rotation(attention: T5Attention) -> torch.Tensor:
    """A random orthogonal matrix: float (num_heads * d_kv, d_model), which are equal."""
    return torch.linalg.qr(torch.randn_like(attention.q.weight))[0]
