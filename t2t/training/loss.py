"""The loss of an encoder-decoder as a module of its own."""

from torch import Tensor, nn
from transformers import PreTrainedModel


class SummedLoss(nn.Module):
    """An encoder-decoder that gives its loss, so that both are compiled and wrapped as one."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        """Sum over all target tokens of their cross-entropy, in nats and float32: a scalar.

        Args:
            input_ids, attention_mask: (batch, source_len).
            labels: (batch, target_len), -100 where there is no target.
        """
        logits = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=self.model.prepare_decoder_input_ids_from_labels(labels),
            use_cache=False,
        ).logits  # (batch, target_len, vocab)
        return nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100, reduction="sum"
        )
