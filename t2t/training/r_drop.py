"""R-Drop: two passes over the same examples with other dropout should say the same.

    L = (CE_1 + CE_2) / 2 + alpha / 2 * (KL(p_1 || p_2) + KL(p_2 || p_1)) / 2

summed over target tokens: half of the paper's loss, whose alpha ours is, so that without the second term it
is the plain cross-entropy. In the paper alpha is 5 for translation and 0.7 for summarisation. Both passes go
through the model as one batch of twice the rows: a step takes about twice the time and the memory.

Paper: Wu et al. 2021, arXiv:2106.14448, section 2.1, equations 1 to 3.
"""

from torch import Tensor, nn
from transformers import PreTrainedModel

from t2t.errors import Location, TrainingError


def divergences(logits: Tensor, other_logits: Tensor, is_token: Tensor) -> Tensor:
    """(KL(p || q) + KL(q || p)) / 2 in nats, summed over the tokens of each row: (batch,).

        p 0.75 0.25    q 0.5 0.5     sum of (p - q) (log p - log q) / 2 = (0.1014 + 0.1733) / 2 = 0.1373

    Args:
        logits, other_logits: (batch, target_len, vocab), float32.
        is_token: (batch, target_len) bool, False on padding.
    """
    logprobs, others = logits.log_softmax(-1), other_logits.log_softmax(-1)
    by_token = ((logprobs.exp() - others.exp()) * (logprobs - others)).sum(-1) / 2  # (batch, target_len)
    return by_token.masked_fill(~is_token, 0.0).sum(-1)


def check_dropout(model: PreTrainedModel) -> None:
    """Raises: TrainingError if the model has no dropout: two passes would be one and the same."""
    for module in model.modules():
        rate = module.p if isinstance(module, nn.Dropout) else getattr(module, "dropout", None)
        if isinstance(rate, float) and rate > 0:
            return
    raise TrainingError(
        "r_drop compares two passes with other dropout, and this model has none",
        where=Location(field="regularization.r_drop"),
        mend="give t2t finetune a model.dropout_rate such as 0.1, or leave r_drop out",
    )
