"""How much of a device's arithmetic a run uses: model FLOPs utilisation, `mfu` in metrics.jsonl.

    flops = 6 (W_s S + W_t T) + 12 (A_enc sum(s²) + A_dec sum(t²) + A_cross sum(s t))
    mfu   = flops / seconds / (peak of one device x devices)

s and t are the source and target tokens of each row, without padding; S and T are their sums. W_s are the
weights of the matrices that source tokens pass: the encoder's, and those that make keys and values for
cross-attention. W_t are the others', the output layer among them. Each costs a multiplication and an
addition forward and twice that backward: 6. A are the widths of all heads, summed over layers; scores and
weighted sums make 2 products a pair of tokens: 12. What activation checkpointing computes again is not
counted, nor is it taken off that a decoder looks at half of the pairs. Wrong answer choices (T-Few) are
targets like the right one: each has its t, and all share the s of their source, which counts once. R-Drop
sends each row through the whole model twice, and so doubles the sum.

Papers: Kaplan et al. 2020, arXiv:2001.08361, section 2.1 (6 per weight and token); Chowdhery et al. 2022,
arXiv:2204.02311, appendix B (attention, and the name MFU).
"""

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from t2t.tokens.batches import IGNORED_LABEL, Batch

# Names of cross-attention and of projections in the encoder-decoders of transformers: T5's, then BART's.
_CROSS = re.compile(r"\b(EncDecAttention|encoder_attn|cross_attn)\.")
_KEY_OR_VALUE = re.compile(r"\.(k|v|k_proj|v_proj)$")
_QUERY = re.compile(r"\.(q|q_proj)$")
_INJECTED = re.compile(r"\.(base_layer|lora_[AB]\..+)$")  # where peft has put something around a projection

# Dense bfloat16 peaks in TFLOP/s, from the makers' data sheets; the first name that occurs counts.
_PEAK_TFLOPS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L40": 181.0,
    "L4": 121.0,
    "A10G": 70.0,
    "RTX 4090": 165.0,
}


@dataclass(frozen=True)
class FlopCounter:
    """What a training step costs, by the formula above.

    Attributes:
        num_passes: of each row through the model in a step: 2 with R-Drop, else 1.
    """

    source_weights: int
    target_weights: int
    encoder_width: int
    decoder_width: int
    cross_width: int
    num_passes: int = 1

    @classmethod
    def of_model(cls, model: PreTrainedModel, *, num_passes: int = 1) -> "FlopCounter":
        """Count the matrices of an encoder-decoder."""
        encoder = set(model.get_encoder().modules())
        weights, widths = {"source": 0, "target": 0}, {"encoder": 0, "decoder": 0, "cross": 0}
        for name, module in model.named_modules():
            if not isinstance(module, nn.Linear):
                continue
            is_cross = _CROSS.search(name) is not None
            projection = _INJECTED.sub("", name)
            of_source = module in encoder or (is_cross and _KEY_OR_VALUE.search(projection) is not None)
            weights["source" if of_source else "target"] += module.weight.numel()
            if _QUERY.search(name.removesuffix(".base_layer")):
                kind = "encoder" if module in encoder else "cross" if is_cross else "decoder"
                widths[kind] += module.out_features
        return cls(
            weights["source"],
            weights["target"],
            widths["encoder"],
            widths["decoder"],
            widths["cross"],
            num_passes,
        )

    def count(self, batch: Batch) -> float:
        """Floating-point operations of the forward and backward passes over a batch."""
        source = batch.attention_mask.sum(axis=1, dtype=float)  # (batch,) tokens
        targets = batch.labels[:, None]  # (batch, choices, target_len)
        if batch.wrong_labels is not None:
            targets = np.concatenate([targets, batch.wrong_labels], axis=1)
        choices = (targets != IGNORED_LABEL).sum(axis=2, dtype=float)  # (batch, choices) tokens
        target = choices.sum(axis=1)
        products = self.source_weights * source + self.target_weights * target
        pairs = (
            self.encoder_width * source**2
            + self.decoder_width * (choices**2).sum(axis=1)
            + self.cross_width * source * target
        )
        return self.num_passes * float((6 * products + 12 * pairs).sum())


def peak_flops(device: torch.device, *, peak_tflops: float | None, in_bfloat16: bool) -> float | None:
    """Operations a second that the device could do at best, or None where nobody said.

    Args:
        peak_tflops: what the config states; None looks the device up.
        in_bfloat16: the run's matrix products are; the table knows no other peaks.
    """
    if peak_tflops is not None:
        return peak_tflops * 1e12
    if device.type != "cuda" or not in_bfloat16:
        return None
    return known_peak(torch.cuda.get_device_name(device))


def known_peak(name: str) -> float | None:
    """Dense bfloat16 peak of a GPU by the name its driver gives, in operations a second."""
    return next((peak * 1e12 for part, peak in _PEAK_TFLOPS.items() if part in name), None)
