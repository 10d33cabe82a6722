"""What a decoder reads while it is scored on labels: the labels behind the token that it starts with.

labels             8 9 </s>             and behind a shorter answer      8 </s> -100
decoder_input_ids  S 8 9                (S: the decoder's start token)   S 8    </s>
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from t2t.errors import ModelError
from t2t.tokens.batches import IGNORED_LABEL


def check_has_decoder(model: PreTrainedModel) -> None:
    """Raises: ModelError unless `decoder_inputs` has any for the model."""
    if not _shifts_labels(model) and getattr(model.config, "decoder_start_token_id", None) is None:
        raise ModelError(
            f"{type(model).__name__} cannot be scored: its config names no decoder_start_token_id",
            mend="load an encoder-decoder, such as T5, BART, mBART or M2M100",
        )


def decoder_inputs(model: PreTrainedModel, labels: Tensor) -> Tensor:
    """Labels moved one place to the right, as the model itself does where it is given `labels`.

    Most models have a method for it. In those that lack one (Blenderbot, M2M100, NLLB) `forward` does what
    BART's method does.

    Args:
        labels: (batch, target_len), -100 where there is no target.
    """
    if _shifts_labels(model):
        shifted: Tensor = model.prepare_decoder_input_ids_from_labels(labels)
        return shifted
    start = labels.new_full((len(labels), 1), model.config.decoder_start_token_id)
    behind = labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED_LABEL, model.config.pad_token_id)
    return torch.cat([start, behind], dim=1)  # (batch, target_len)


def _shifts_labels(model: PreTrainedModel) -> bool:
    return hasattr(model, "prepare_decoder_input_ids_from_labels")
