"""The model that a run begins or goes on with."""

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.config import ModelConfig
from t2t.model import build_model, load_model
from t2t.tokens.tokenizer import load_tokenizer


def load_or_build(
    model: ModelConfig, checkpoint: Path | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The checkpoint's model, else the one that the config names, else new weights; float32, on the CPU.

    New weights are drawn from torch's global generator.

    Raises: ModelError or TokenizerError if it cannot be loaded, or has no such preset.
    """
    source = model.init_from if checkpoint is None else checkpoint / "model"
    if source is not None:
        loaded = load_model(source, device="cpu", dtype="float32")
        return loaded.model, loaded.tokenizer
    assert model.preset is not None and model.tokenizer is not None  # ModelConfig checked it
    tokenizer = load_tokenizer(model.tokenizer)
    new = build_model(
        model.preset,
        vocab_size=len(tokenizer),
        pad_id=tokenizer.pad_token_id,
        eos_id=tokenizer.eos_token_id,
        attention_init=model.attention_init,
    )
    return new, tokenizer
