"""Denoising objectives: how unlabelled text becomes (inputs, targets) pairs."""

from t2t.denoising.span_corruption import (
    DenoisingLengths,
    corrupt_spans,
    fit_lengths,
    random_spans_noise_mask,
)

__all__ = ["DenoisingLengths", "corrupt_spans", "fit_lengths", "random_spans_noise_mask"]
