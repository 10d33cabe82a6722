"""The sizes we pretrain from scratch: T5 v1.1 blocks (gated GELU, no dropout while pretraining).

The output layer is the embedding, scaled by d_model ** -0.5 as in the first T5: a small model spends its
parameters better in blocks, and `transformers` 5 ties the two in every T5 anyway.

Paper: Raffel et al. 2020, arXiv:1910.10683, section 2.1; gated GELU: Shazeer 2020, arXiv:2002.05202.
"""

from dataclasses import asdict, dataclass

from transformers import GenerationConfig, T5Config, T5ForConditionalGeneration

from t2t.errors import ModelError, did_you_mean


@dataclass(frozen=True)
class Preset:
    """One model size.

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


PRESETS: dict[str, Preset] = {
    "tiny": Preset(d_model=64, d_ff=128, d_kv=16, num_heads=4, num_layers=2, num_decoder_layers=2),
    "starter": Preset(d_model=256, d_ff=512, d_kv=32, num_heads=8, num_layers=4, num_decoder_layers=4),
    "mini": Preset(d_model=384, d_ff=1024, d_kv=64, num_heads=6, num_layers=8, num_decoder_layers=4),
    "small": Preset(d_model=512, d_ff=1024, d_kv=64, num_heads=6, num_layers=8, num_decoder_layers=8),
    "base": Preset(d_model=768, d_ff=2048, d_kv=64, num_heads=12, num_layers=12, num_decoder_layers=12),
}


def build_model(
    preset: str, *, vocab_size: int, pad_id: int, eos_id: int, dropout_rate: float = 0.0
) -> T5ForConditionalGeneration:
    """A model of that size with random weights, drawn from torch's global generator.

    Args:
        preset: a key of `PRESETS`.
        vocab_size: of the tokenizer, sentinels included.
        dropout_rate: 0 to 1; T5 v1.1 pretrains without and fine-tunes with 0.1.
    Raises: ModelError for an unknown preset.
    """
    if preset not in PRESETS:
        raise ModelError(f'no preset is called "{preset}"', have=PRESETS, mend=did_you_mean(preset, PRESETS))
    config = T5Config(
        **asdict(PRESETS[preset]),
        vocab_size=vocab_size,
        dropout_rate=dropout_rate,
        feed_forward_proj="gated-gelu",
        pad_token_id=pad_id,
        eos_token_id=eos_id,
        decoder_start_token_id=pad_id,  # T5 starts the decoder with padding
    )
    model = T5ForConditionalGeneration(config)
    model.generation_config = GenerationConfig.from_model_config(config)
    return model
