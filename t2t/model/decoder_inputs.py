"""What a decoder reads while it is scored on labels: the labels behind the token that it starts with.

labels             8 9 </s>             and behind a shorter answer      8 </s> -100
decoder_input_ids  S 8 9                (S: the decoder's start token)   S 8    </s>
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from t2t.errors import ModelError
from t2t.tokens.batches import IGNORED_LABEL


def check_can_be_scored(model: PreTrainedModel) -> None:
    """Raises: ModelError unless `decoder_inputs` can be had for the model."""
    name, config = type(model).__name__, model.config
    if not config.is_encoder_decoder:
        raise ModelError(
            f"{name} cannot be scored: it is no encoder-decoder",
            mend="load one, such as T5, BART, mBART or NLLB",
        )
    needed = ("decoder_start_token_id", "pad_token_id")
    lacking = [key for key in needed if getattr(config, key, None) is None]
    if lacking and not _shifts_labels(model):
        raise ModelError(
            f"{name} cannot be scored: its config lacks {', '.join(lacking)}",
            mend="set it in the model's config",
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
