"""The sizes we pretrain from scratch: T5 v1.1, BART and mBART.

T5 v1.1 blocks have a gated GELU and no dropout while pretraining. The output layer is the embedding, scaled
by d_model ** -0.5 as in the first T5: a small model spends its parameters better in blocks, and
`transformers` 5 ties the two in every T5 anyway. BART has learned positions, hence a longest text; mBART is a
BART that normalises before each layer instead of after it, which keeps deep models stable.

No preset shares weights among blocks, as ALBERT does (Lan et al. 2020, arXiv:1909.11942): a T5 or BART whose
blocks are tied cannot be saved by `save_pretrained`, since a config can ask for no such ties and the classes
of `transformers` declare none, so that only code of ours could load one.

Papers: T5: Raffel et al. 2020, arXiv:1910.10683, section 2.1; its GELU: Shazeer 2020, arXiv:2002.05202; BART:
Lewis et al. 2020, arXiv:1910.13461, section 2.1; mBART: Liu et al. 2020, arXiv:2001.08210, section 2.2.
"""

from dataclasses import dataclass
from typing import Literal

from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GenerationConfig,
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from t2t.errors import ModelError, did_you_mean
from t2t.model.mimetic import init_mimetic


@dataclass(frozen=True)
class Preset:
    """One model size of T5.

    Attributes:
        d_model: width of the residual stream.
        d_ff: width inside the gated feed-forward layer, which holds three d_model x d_ff matrices.
        d_kv: width of one attention head.
        num_layers: blocks of the encoder.
        num_decoder_layers: blocks of the decoder.
    """

    d_model: int
    d_ff: int
    d_kv: int
    num_heads: int
    num_layers: int
    num_decoder_layers: int

    def config(self, vocab_size: int, pad_id: int, eos_id: int, dropout_rate: float) -> PreTrainedConfig:
        return T5Config(
            d_model=self.d_model,
            d_ff=self.d_ff,
            d_kv=self.d_kv,
            num_heads=self.num_heads,
            num_layers=self.num_layers,
            num_decoder_layers=self.num_decoder_layers,
            vocab_size=vocab_size,
            dropout_rate=dropout_rate,
            feed_forward_proj="gated-gelu",
            pad_token_id=pad_id,
            eos_token_id=eos_id,
            decoder_start_token_id=pad_id,  # T5 starts the decoder with padding
        )


@dataclass(frozen=True)
class BartPreset:
    """One model size of BART, or of mBART.

    Attributes:
        d_model: width of the residual stream.
        d_ff: width inside the feed-forward layer, which holds two d_model x d_ff matrices.
        num_layers: blocks of the encoder, and as many of the decoder.
        max_len: tokens of the longest input and of the longest target.
        is_mbart: normalise before the layers, and embed with a scale of d_model ** 0.5.
    """

    d_model: int
    d_ff: int
    num_heads: int
    num_layers: int
    max_len: int = 1024
    is_mbart: bool = False

    def config(self, vocab_size: int, pad_id: int, eos_id: int, dropout_rate: float) -> PreTrainedConfig:
        return (MBartConfig if self.is_mbart else BartConfig)(
            d_model=self.d_model,
            encoder_ffn_dim=self.d_ff,
            decoder_ffn_dim=self.d_ff,
            encoder_attention_heads=self.num_heads,
            decoder_attention_heads=self.num_heads,
            encoder_layers=self.num_layers,
            decoder_layers=self.num_layers,
            max_position_embeddings=self.max_len,
            scale_embedding=self.is_mbart,
            vocab_size=vocab_size,
            dropout=dropout_rate,
            pad_token_id=pad_id,
            bos_token_id=None,
            eos_token_id=eos_id,
            forced_eos_token_id=eos_id,
            decoder_start_token_id=eos_id,  # BART starts the decoder with the end of sequence
        )


PRESETS: dict[str, Preset | BartPreset] = {
    "tiny": Preset(d_model=64, d_ff=128, d_kv=16, num_heads=4, num_layers=2, num_decoder_layers=2),
    "starter": Preset(d_model=256, d_ff=512, d_kv=32, num_heads=8, num_layers=4, num_decoder_layers=4),
    "mini": Preset(d_model=384, d_ff=1024, d_kv=64, num_heads=6, num_layers=8, num_decoder_layers=4),
    "small": Preset(d_model=512, d_ff=1024, d_kv=64, num_heads=6, num_layers=8, num_decoder_layers=8),
    "base": Preset(d_model=768, d_ff=2048, d_kv=64, num_heads=12, num_layers=12, num_decoder_layers=12),
    "bart-tiny": BartPreset(d_model=64, d_ff=256, num_heads=4, num_layers=2, max_len=256),
    "bart-base": BartPreset(d_model=768, d_ff=3072, num_heads=12, num_layers=6),
    "mbart-large": BartPreset(d_model=1024, d_ff=4096, num_heads=16, num_layers=12, is_mbart=True),
}

_CLASSES: dict[type[PreTrainedConfig], type[PreTrainedModel]] = {
    T5Config: T5ForConditionalGeneration,
    BartConfig: BartForConditionalGeneration,
    MBartConfig: MBartForConditionalGeneration,
}


def build_model(
    preset: str,
    *,
    vocab_size: int,
    pad_id: int,
    eos_id: int,
    dropout_rate: float = 0.0,
    attention_init: Literal["random", "mimetic"] = "random",
) -> PreTrainedModel:
    """A model of that size with random weights, drawn from torch's global generator.

    Args:
        preset: a key of `PRESETS`.
        vocab_size: of the tokenizer, sentinels included.
        dropout_rate: 0 to 1; T5 v1.1 pretrains without and fine-tunes with 0.1.
        attention_init: random as in its paper, or as in `t2t.model.mimetic`.
    Raises: ModelError for an unknown preset, or where `attention_init` does not fit it.
    """
    if preset not in PRESETS:
        raise ModelError(f'no preset is called "{preset}"', have=PRESETS, mend=did_you_mean(preset, PRESETS))
    config = PRESETS[preset].config(vocab_size, pad_id, eos_id, dropout_rate)
    model = _CLASSES[type(config)](config)
    if attention_init == "mimetic":
        init_mimetic(model)
    model.generation_config = GenerationConfig.from_model_config(config)
    return model
