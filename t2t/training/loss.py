"""The loss of an encoder-decoder as a module of its own, and how it is compiled.

In evaluation mode it is the plain cross-entropy (or T-Few's loss), so that validation losses compare. In
training mode label smoothing and R-Drop may be on; the loss, which a run logs, is then what is minimised.

Label smoothing of e gives a share of the target to the whole vocabulary, evenly:

    loss of a token = (1 - e) * -log p(label) + e * mean over the vocabulary of -log p(word)

Papers: Szegedy et al. 2016, arXiv:1512.00567, section 7 (label smoothing; 0.1 there). R-Drop: see
t2t.training.r_drop.
"""

import re

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from t2t.model.decoder_inputs import check_can_be_scored, decoder_inputs
from t2t.tokens.batches import IGNORED_LABEL
from t2t.training.choice_loss import t_few_losses
from t2t.training.r_drop import check_dropout, divergences

# What the names of a model's weights begin with in a SummedLoss, and in one that DDP wraps.
_IN_LOSS = re.compile(r"^(module\.)?model\.")


def own_name(name: str) -> str:
    """The model's own name of a weight in a SummedLoss: "module.model.shared.weight" is "shared.weight"."""
    return _IN_LOSS.sub("", name)


class SummedLoss(nn.Module):
    """An encoder-decoder that gives its loss, so that both are compiled and wrapped as one.

    Args:
        label_smoothing: e of the formula above, 0 to 1.
        r_drop: weight alpha of R-Drop's second term; 0 leaves it out.
    Raises: ModelError if it is no encoder-decoder; TrainingError if R-Drop is asked of one without dropout.
    """

    def __init__(self, model: PreTrainedModel, *, label_smoothing: float = 0.0, r_drop: float = 0.0) -> None:
        super().__init__()
        check_can_be_scored(model)
        if r_drop:
            check_dropout(model)
        self.model = model
        self._label_smoothing = label_smoothing
        self._r_drop = r_drop

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        labels: Tensor,
        wrong_labels: Tensor | None = None,
        *,
        by_row: bool = False,
    ) -> Tensor:
        """Sum over all target tokens of their cross-entropy, in nats and float32: a scalar.

        In training mode with label smoothing and R-Drop, as the module's docstring says.

        With wrong choices, the sum over all examples of T-Few's loss, each times its target tokens: a step
        divides by those of the batch.

        Args:
            input_ids: (batch, source_len).
            attention_mask: the same, 0 on padding; None where there is none.
            labels: (batch, target_len), -100 where there is no target.
            wrong_labels: (batch, wrong choices, target_len), -100 likewise; see t2t.training.choice_loss.
            by_row: leave the sums of the rows apart: (batch,).
        """
        if wrong_labels is not None:
            choices = torch.cat([labels[:, None], wrong_labels], dim=1)
            losses = t_few_losses(self._choice_logits(input_ids, attention_mask, choices), choices)
            row_sums = losses * (labels != IGNORED_LABEL).sum(-1)  # (batch,)
        elif self.training and self._r_drop:
            mask = None if attention_mask is None else attention_mask.repeat(2, 1)
            one, other = self._logits(input_ids.repeat(2, 1), mask, labels.repeat(2, 1)).chunk(2)
            cross_entropies = self._cross_entropies(one, labels) + self._cross_entropies(other, labels)
            row_sums = (cross_entropies + self._r_drop * divergences(one, other, labels != IGNORED_LABEL)) / 2
        else:
            row_sums = self._cross_entropies(self._logits(input_ids, attention_mask, labels), labels)
        return row_sums if by_row else row_sums.sum()

    def _logits(self, input_ids: Tensor, attention_mask: Tensor | None, labels: Tensor) -> Tensor:
        """(batch, target_len, vocab) in float32."""
        logits: Tensor = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_inputs(self.model, labels),
            use_cache=False,
        ).logits
        return logits.float()

    def _cross_entropies(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Of each row, summed over its target tokens: (batch,)."""
        losses = nn.functional.cross_entropy(
            logits.flatten(0, 1),
            labels.flatten(),
            ignore_index=IGNORED_LABEL,
            reduction="none",
            label_smoothing=self._label_smoothing if self.training else 0.0,
        )
        return losses.view(labels.shape).sum(-1)

    def _choice_logits(self, input_ids: Tensor, attention_mask: Tensor | None, choices: Tensor) -> Tensor:
        """(batch, choices, target_len, vocab); the encoder runs once a source."""
        num_choices = choices.shape[1]
        encoder = self.model.get_encoder()
        states = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        # mBART wants a last token in each row: an absent choice, whose loss is left out, gets the right one.
        is_absent = (choices == IGNORED_LABEL).all(-1, keepdim=True)
        present = torch.where(is_absent, choices[:, :1], choices)
        if attention_mask is not None:
            attention_mask = attention_mask.repeat_interleave(num_choices, dim=0)
        logits = self.model(
            encoder_outputs=BaseModelOutput(states.repeat_interleave(num_choices, dim=0)),
            attention_mask=attention_mask,
            decoder_input_ids=decoder_inputs(self.model, present.flatten(0, 1)),
            use_cache=False,
        ).logits  # (batch * choices, target_len, vocab)
        return logits.unflatten(0, choices.shape[:2])


def compile_loss(loss: nn.Module) -> None:
    """Compile a SummedLoss, or what wraps one, once for all lengths.

    Lengths are symbols from the start. Left to itself, torch compiles for the first lengths it meets, then
    again for each dimension that turns out to vary, and gives up after eight graphs.
    """
    loss.compile(dynamic=True)
