"""T5 span corruption: hide random spans of a text, ask the model to spell them out.

Terms: **raw** tokens are read from the corpus; **inputs** are what the encoder sees, **targets** what the
decoder must say. A **noise mask** is True on hidden tokens; a **noise span** is a maximal run of them; one
**sentinel** stands for each span. Everything works on whole batches, without a Python loop over examples.

Paper: Raffel et al. 2020, arXiv:1910.10683, sections 3.1.4 and 3.3.4. Lengths and span counts agree with
`random_spans_helper` and `random_spans_noise_mask` of the T5 code (t5/data/preprocessors.py).
"""

from typing import NamedTuple

import numpy as np

from t2t.errors import SpanCorruptionError


class DenoisingLengths(NamedTuple):
    """Tokens in one example: read from the corpus, given to the encoder, expected of the decoder."""

    raw: int
    inputs: int
    targets: int


def count_noise(raw_len: int, *, noise_density: float, mean_noise_span_length: float) -> tuple[int, int]:
    """How many tokens are hidden and in how many spans: `count_noise(142, ...)` at (.15, 3) is (21, 7).

    At least one token stays visible and one is hidden, and between two spans stands at least one visible
    token, so there are never more spans than hidden or visible tokens.
    """
    if raw_len < 2:
        raise SpanCorruptionError(
            f"span corruption needs at least 2 tokens, not {raw_len}", mend="use longer segments"
        )
    if not 0 < noise_density < 1:
        raise SpanCorruptionError(
            f"noise_density is a fraction of the tokens, between 0 and 1, not {noise_density}"
        )
    if mean_noise_span_length < 1:
        raise SpanCorruptionError(
            f"mean_noise_span_length is in tokens, at least 1, not {mean_noise_span_length}"
        )
    num_noise_tokens = min(max(round(raw_len * noise_density), 1), raw_len - 1)
    num_noise_spans = max(round(num_noise_tokens / mean_noise_span_length), 1)
    return num_noise_tokens, min(num_noise_spans, num_noise_tokens, raw_len - num_noise_tokens)


def fit_lengths(
    max_source_len: int, *, noise_density: float, mean_noise_span_length: float
) -> DenoisingLengths:
    """The most raw tokens whose inputs, with sentinels and </s>, fit into `max_source_len`.

    fit_lengths(512, noise_density=.15, mean_noise_span_length=3)    (raw 568, inputs 512, targets 114)
    """

    def lengths(raw: int) -> DenoisingLengths:
        num_noise_tokens, num_noise_spans = count_noise(
            raw, noise_density=noise_density, mean_noise_span_length=mean_noise_span_length
        )
        return DenoisingLengths(
            raw=raw,
            inputs=raw - num_noise_tokens + num_noise_spans + 1,
            targets=num_noise_tokens + num_noise_spans + 1,
        )

    # A span of one token is replaced by one sentinel: inputs are never longer than raw + </s>, so this fits.
    fitting = lengths(max_source_len - 1)
    while (longer := lengths(fitting.raw + 1)).inputs <= max_source_len:
        fitting = longer
    return fitting


def random_spans_noise_mask(
    rng: np.random.Generator,
    *,
    batch_size: int,
    raw_len: int,
    noise_density: float,
    mean_noise_span_length: float,
) -> np.ndarray:
    """Choose which tokens to hide: visible and hidden spans in turn, of random lengths.

    Every row hides exactly the same number of tokens in the same number of spans (`count_noise`), begins
    with a visible span and ends with a hidden one.

    Returns: bool array (batch_size, raw_len), True where the token is hidden.
    """
    num_noise_tokens, num_spans = count_noise(
        raw_len, noise_density=noise_density, mean_noise_span_length=mean_noise_span_length
    )
    # span_lens: (batch, 2 * num_spans), visible, hidden, visible, hidden, ...
    span_lens = np.empty((batch_size, 2 * num_spans), dtype=np.int64)
    span_lens[:, 0::2] = _random_partition(rng, batch_size, raw_len - num_noise_tokens, num_spans)
    span_lens[:, 1::2] = _random_partition(rng, batch_size, num_noise_tokens, num_spans)
    starts = span_lens.cumsum(axis=1)[:, :-1]  # of every span but the first
    boundary = np.zeros((batch_size, raw_len), dtype=bool)
    np.put_along_axis(boundary, starts, True, axis=1)
    return np.logical_xor.accumulate(boundary, axis=1)


def corrupt_spans(
    token_ids: np.ndarray, noise_mask: np.ndarray, *, sentinel_ids: np.ndarray, eos_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Make denoising pairs: hidden spans marked in the inputs, spelt out in the targets.

        token_ids  10 11 12 13 14 15      noise_mask  0 0 1 1 0 1
        inputs     10 11 S0 14 S1 </s>    targets     S0 12 13 S1 15 </s>

    Args:
        token_ids: int array (batch, raw_len), without padding; documents may meet inside a row.
        noise_mask: bool array (batch, raw_len), True where the token is hidden; every row hides the same
            number of tokens in the same number of spans.
        sentinel_ids: S0, S1, ...: one id per hidden span, in order.
    Returns: inputs (batch, inputs_len) and targets (batch, targets_len), each row ending in eos_id.
    Raises: SpanCorruptionError if shapes differ, rows are ragged, or spans outnumber sentinels.
    """
    if token_ids.ndim != 2 or token_ids.shape != noise_mask.shape:
        raise SpanCorruptionError(
            f"token_ids {token_ids.shape} and noise_mask {noise_mask.shape} "
            "must share one (batch, raw_len) shape"
        )
    starts = noise_mask.copy()
    starts[:, 1:] &= ~noise_mask[:, :-1]
    num_spans, num_hidden = starts.sum(axis=1), noise_mask.sum(axis=1)
    if np.ptp(num_spans) or np.ptp(num_hidden):
        raise SpanCorruptionError("every row must hide the same number of tokens in the same number of spans")
    if num_spans[0] > len(sentinel_ids):
        raise SpanCorruptionError(
            f"{num_spans[0]} hidden spans need as many sentinels, and the tokenizer has {len(sentinel_ids)}",
            mend="shorten max_source_len, lower noise_density, or train a tokenizer with more sentinels",
        )
    batch_size = len(token_ids)
    # (batch, raw_len): the sentinel of the span each token is in, where it starts one
    sentinels = np.where(starts, sentinel_ids[np.maximum(starts.cumsum(axis=1) - 1, 0)], 0)
    eos = np.full((batch_size, 1), eos_id, dtype=token_ids.dtype)

    visible = np.where(starts, sentinels, token_ids)[~noise_mask | starts].reshape(batch_size, -1)
    # (batch, raw_len, 2): before each token a place for the sentinel that announces its span
    announced = np.stack([sentinels, token_ids], axis=2)
    hidden = announced[np.stack([starts, noise_mask], axis=2)].reshape(batch_size, -1)
    inputs = np.concatenate([visible, eos], axis=1).astype(token_ids.dtype, copy=False)
    targets = np.concatenate([hidden, eos], axis=1).astype(token_ids.dtype, copy=False)
    return inputs, targets


def _random_partition(
    rng: np.random.Generator, batch_size: int, num_items: int, num_parts: int
) -> np.ndarray:
    """Split `num_items` into `num_parts` non-empty parts, uniformly at random, once per row.

    Returns: int array (batch_size, num_parts); every row sums to num_items.
    """
    # Cutting after item c, for num_parts - 1 different c of the first num_items - 1 items.
    keys = rng.random((batch_size, num_items - 1), dtype=np.float32)
    cuts = np.sort(keys.argsort(axis=1, kind="stable")[:, : num_parts - 1], axis=1) + 1
    edges = np.concatenate(
        [np.zeros((batch_size, 1), np.int64), cuts, np.full((batch_size, 1), num_items)], axis=1
    )
    return np.diff(edges, axis=1)
