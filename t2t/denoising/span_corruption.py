"""T5 span corruption: hide random spans of a text, ask the model to spell them out.

Terms: **raw** tokens are read from the corpus; **inputs** are what the encoder sees, **targets** what the
decoder must say. A **noise mask** is True on hidden tokens; a **noise span** is a maximal run of them; one
**sentinel** stands for each span. Everything works on whole batches, without a Python loop over examples.

The tokens that are hidden are either runs (`random_spans_noise_mask`) or single ones, of which some happen to
be neighbours (`sampling.random_subsets`: the paper's i.i.d. noise with replaced spans, for which
`replace_spans` allows rows of different length).

Paper: Raffel et al. 2020, arXiv:1910.10683, sections 3.1.4 and 3.3.4; i.i.d. noise: section 3.3.2, table 3.
Lengths and span counts agree with `random_spans_helper` and `random_spans_noise_mask` of the T5 code
(t5/data/preprocessors.py), but that T5 reads a token less at a density of .5 where targets would be longer
than inputs.
"""

from typing import NamedTuple

import numpy as np

from t2t.denoising.pairs import Pairs, insert_before, keep_tokens, split_rows
from t2t.denoising.sampling import count_hidden, random_partition
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
    num_noise_tokens = count_hidden(raw_len, noise_density)
    if mean_noise_span_length < 1:
        raise SpanCorruptionError(
            f"mean_noise_span_length is in tokens, at least 1, not {mean_noise_span_length}"
        )
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
    # span_lens: (batch, num_spans, 2), visible and hidden in turn
    span_lens = np.stack(
        [
            random_partition(rng, batch_size=batch_size, num_items=num_items, num_parts=num_spans)
            for num_items in (raw_len - num_noise_tokens, num_noise_tokens)
        ],
        axis=2,
    )
    is_hidden = np.tile([False, True], batch_size * num_spans)
    return np.repeat(is_hidden, span_lens.ravel()).reshape(batch_size, raw_len)


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
    pairs = replace_spans(token_ids, noise_mask, sentinel_ids=sentinel_ids, eos_id=eos_id)
    if np.ptp(pairs.input_lens) or np.ptp(pairs.target_lens):
        raise SpanCorruptionError("every row must hide the same number of tokens in the same number of spans")
    return pairs.inputs, pairs.targets


def replace_spans(
    token_ids: np.ndarray, noise_mask: np.ndarray, *, sentinel_ids: np.ndarray, eos_id: int
) -> Pairs:
    """`corrupt_spans` for rows that may hide different numbers of tokens and spans."""
    if token_ids.ndim != 2 or token_ids.shape != noise_mask.shape:
        raise SpanCorruptionError(
            f"token_ids {token_ids.shape} and noise_mask {noise_mask.shape} "
            "must share one (batch, raw_len) shape"
        )
    starts = noise_mask.copy()
    starts[:, 1:] = noise_mask[:, 1:] > noise_mask[:, :-1]
    num_spans = np.count_nonzero(starts, axis=1)
    if num_spans.max() > len(sentinel_ids):
        raise SpanCorruptionError(
            f"{num_spans.max()} hidden spans need as many sentinels, "
            f"and the tokenizer has {len(sentinel_ids)}",
            mend="shorten max_source_len, lower noise_density, or train a tokenizer with more sentinels",
        )
    # Flat: one sentinel for each span of all rows, counted from S0 again in every row.
    first_spans = np.repeat(num_spans.cumsum() - num_spans, num_spans)
    sentinels = sentinel_ids[np.arange(len(first_spans)) - first_spans]

    marked = token_ids.copy()
    marked[starts] = sentinels
    inputs, input_lens = keep_tokens(marked, ~noise_mask | starts, eos_id=eos_id)

    spelt_out = insert_before(token_ids[noise_mask], np.flatnonzero(starts[noise_mask]), sentinels)
    num_hidden = np.count_nonzero(noise_mask, axis=1)
    targets, target_lens = split_rows(spelt_out, num_hidden + num_spans, eos_id=eos_id)
    return Pairs(inputs, input_lens, targets, target_lens)
