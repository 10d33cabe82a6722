"""The loss of T-Few: beside the right answer, it learns from the wrong answer choices of an example.

    L = L_LM + L_UL + L_LN

    L_LM   cross-entropy of the right choice, per token
    L_UL   unlikelihood: every token of every wrong choice is made unlikely, per token
    L_LN   cross-entropy over the choices, by their mean log-probability per token: what ranking with
           length_norm="mean_token" looks at

An example without wrong choices has L_LM alone. Shapes: batch = examples, choices = 1 + the most wrong
choices of an example; the right one stands first.

Paper: Liu et al. 2022, arXiv:2205.05638, section 3.2, whose equations these are; unlikelihood: Welleck et al.
2020, arXiv:1908.04319. The paper's own code weighs the terms of a batch otherwise: there L_LN is a mean over
examples and L_UL one over all tokens of wrong choices; here each example's L counts by the tokens of its
right choice, as its cross-entropy does (t2t.training.loss).
"""

import torch
from torch import Tensor

from t2t.inference.rank import token_logprobs
from t2t.tokens.batches import IGNORED_LABEL


def t_few_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """L of each example, in nats: (batch,) float32.

    Args:
        logits: (batch, choices, target_len, vocab), of any dtype.
        labels: (batch, choices, target_len), -100 on padding; an absent choice is all padding.
    """
    logits = logits.float()
    is_token = labels != IGNORED_LABEL
    logprobs = token_logprobs(logits, labels)
    wrong = not_token_logprobs(logits[:, 1:], labels[:, 1:])
    return (
        mean_over_tokens(-logprobs[:, 0], is_token[:, 0], dim=-1)
        + mean_over_tokens(-wrong, is_token[:, 1:], dim=(-2, -1))
        + length_normalised_losses(logprobs, is_token)
    )


def not_token_logprobs(logits: Tensor, labels: Tensor) -> Tensor:
    """log(1 - p) of each label, 0 on padding, as the share of all others: its gradient is always finite.

        probabilities 0.7 0.2 0.1, label 0     log(0.2 + 0.1) = -1.204

    Args:
        logits: (..., target_len, vocab).
        labels: (..., target_len), -100 on padding.
    """
    others = logits.scatter(-1, labels.clamp(min=0)[..., None], -torch.inf)
    shares = others.logsumexp(-1) - logits.logsumexp(-1)
    return shares.masked_fill(labels == IGNORED_LABEL, 0.0)


def length_normalised_losses(logprobs: Tensor, is_token: Tensor) -> Tensor:
    """-log of the right choice's share among the choices: (batch,).

    The weight of a choice is exp of its mean log-probability per token:

        log p   right -1 -3   wrong -4     means -2, -4     loss log(1 + exp(-2)) = 0.127

    Args:
        logprobs, is_token: (batch, choices, target_len), the right choice first.
    """
    means = mean_over_tokens(logprobs, is_token, dim=-1)  # (batch, choices)
    is_choice = is_token.any(-1)
    return -means.masked_fill(~is_choice, -torch.inf).log_softmax(-1)[:, 0]


def mean_over_tokens(values: Tensor, is_token: Tensor, *, dim: int | tuple[int, ...]) -> Tensor:
    """The mean of the values that are tokens' over some axes; 0 where there are none."""
    return (values * is_token).sum(dim) / is_token.sum(dim).clamp(min=1)
