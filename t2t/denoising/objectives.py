"""Every objective by name: a function of a random generator and rows of raw tokens.

`OBJECTIVES` maps a name to a builder, which takes a vocabulary and the objective's parameters. What an
objective does is told where its family is: `span_corruption`, `masking`, `deletion`, `text_infilling`,
`reordering`, `language_modelling` and `sentence_order`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from t2t.denoising.deletion import delete_tokens, drop_tokens
from t2t.denoising.language_modelling import causal_lm, prefix_lm
from t2t.denoising.masking import mask_fragments, mask_like_bert, mask_tokens
from t2t.denoising.pairs import Pairs, full_lens, with_eos
from t2t.denoising.reordering import permute_sentences, restore_order, rotate_documents, shuffle_tokens
from t2t.denoising.sampling import count_hidden, random_subsets
from t2t.denoising.sentence_order import count_passage, order_passages, passage_starts
from t2t.denoising.span_corruption import (
    corrupt_spans,
    fit_lengths,
    random_spans_noise_mask,
    replace_spans,
)
from t2t.denoising.text_infilling import infill_text, random_infilling_spans
from t2t.denoising.vocabulary import Vocabulary
from t2t.errors import DenoisingError, SpanCorruptionError, did_you_mean

Rng = np.random.Generator

_NUM_PREFIX_LENS = (
    8  # prefix LM cuts at a multiple of an 8th: torch.compile recompiles for eight shapes at most
)

IN_ORDER, SWAPPED = "in order", "swapped"  # the answers of sentence_order


@dataclass(frozen=True)
class Objective:
    """How one objective works on rows of raw tokens.

    Attributes:
        corrupt: a generator and token_ids (batch, raw_len) to pairs.
        fit_raw_len: the most raw tokens for inputs of that many tokens, eos included.
    """

    corrupt: Callable[[Rng, np.ndarray], Pairs]
    fit_raw_len: Callable[[int], int] = lambda max_source_len: max_source_len - 1  # all of the text, and eos


def build_objective(name: str, vocabulary: Vocabulary, parameters: Mapping[str, Any]) -> Objective:
    """The objective of that name. Raises: DenoisingError if there is none, or the tokenizer lacks a mask."""
    if name not in OBJECTIVES:
        raise DenoisingError(
            f'no objective is called "{name}"', have=OBJECTIVES, mend=did_you_mean(name, OBJECTIVES)
        )
    return OBJECTIVES[name](vocabulary, **parameters)


def _span_corruption(
    vocabulary: Vocabulary, *, noise_density: float, mean_noise_span_length: float
) -> Objective:
    shape = {"noise_density": noise_density, "mean_noise_span_length": mean_noise_span_length}

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        batch_size, raw_len = token_ids.shape
        mask = random_spans_noise_mask(rng, batch_size=batch_size, raw_len=raw_len, **shape)
        return Pairs.full(
            *corrupt_spans(token_ids, mask, sentinel_ids=vocabulary.sentinel_ids, eos_id=vocabulary.eos_id)
        )

    return Objective(corrupt, lambda max_source_len: fit_lengths(max_source_len, **shape).raw)


def _iid_spans(vocabulary: Vocabulary, *, noise_density: float) -> Objective:
    sentinels, eos_id = vocabulary.sentinel_ids, vocabulary.eos_id

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        num_hidden = count_hidden(token_ids.shape[1], noise_density)
        most_spans = min(num_hidden, token_ids.shape[1] - num_hidden + 1)
        if most_spans > len(sentinels):
            raise SpanCorruptionError(
                f"iid_spans may hide {most_spans} spans, and the tokenizer has {len(sentinels)} sentinels",
                mend="shorten max_source_len, lower noise_density, or train a tokenizer with more sentinels",
            )
        mask = _token_mask(rng, token_ids, noise_density)
        return replace_spans(token_ids, mask, sentinel_ids=sentinels, eos_id=eos_id)

    return Objective(corrupt)


def _token_noise(vocabulary: Vocabulary, *, noise_density: float, hide: Callable[..., Pairs]) -> Objective:
    """Single tokens are hidden, as many in every row: T5's i.i.d. noise with its number fixed."""

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        return hide(token_ids, _token_mask(rng, token_ids, noise_density), eos_id=vocabulary.eos_id)

    return Objective(corrupt)


def _token_masking(vocabulary: Vocabulary, *, noise_density: float) -> Objective:
    hide = partial(mask_tokens, mask_id=vocabulary.required_mask_id)
    return _token_noise(vocabulary, noise_density=noise_density, hide=hide)


def _bert(vocabulary: Vocabulary, *, noise_density: float) -> Objective:
    ids = {"mask_id": vocabulary.required_mask_id, "eos_id": vocabulary.eos_id}

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        mask = _token_mask(rng, token_ids, noise_density)
        return mask_like_bert(rng, token_ids, mask, plain_ids=vocabulary.plain_ids, **ids)

    return Objective(corrupt)


def _mass(vocabulary: Vocabulary, *, noise_density: float) -> Objective:
    ids = {"mask_id": vocabulary.required_mask_id, "eos_id": vocabulary.eos_id}

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        batch_size, raw_len = token_ids.shape
        fragment_len = count_hidden(raw_len, noise_density)
        starts = rng.integers(raw_len - fragment_len + 1, size=batch_size)
        return mask_fragments(token_ids, starts, fragment_len=fragment_len, **ids)

    return Objective(corrupt)


def _text_infilling(
    vocabulary: Vocabulary, *, noise_density: float, mean_noise_span_length: float
) -> Objective:
    ids = {"mask_id": vocabulary.required_mask_id, "eos_id": vocabulary.eos_id}
    shape = {"noise_density": noise_density, "mean_noise_span_length": mean_noise_span_length}

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        batch_size, raw_len = token_ids.shape
        starts, lens = random_infilling_spans(rng, batch_size=batch_size, raw_len=raw_len, **shape)
        return infill_text(token_ids, starts, lens, **ids)

    return Objective(corrupt)


def _bart(vocabulary: Vocabulary, *, noise_density: float, mean_noise_span_length: float) -> Objective:
    """What BART was trained with: text infilling, after the sentences are permuted."""
    infilling = _text_infilling(
        vocabulary, noise_density=noise_density, mean_noise_span_length=mean_noise_span_length
    )

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        permuted = permute_sentences(rng, token_ids, vocabulary.sentence_ends(token_ids))
        infilled = infilling.corrupt(rng, permuted)
        targets = with_eos(token_ids, eos_id=vocabulary.eos_id)
        return Pairs(infilled.inputs, infilled.input_lens, targets, full_lens(targets))

    return Objective(corrupt)


def _reordering(vocabulary: Vocabulary, *, reorder: Callable[..., np.ndarray]) -> Objective:
    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        return restore_order(reorder(rng, token_ids, vocabulary), token_ids, eos_id=vocabulary.eos_id)

    return Objective(corrupt)


def _shuffle(rng: Rng, token_ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    return shuffle_tokens(rng, token_ids)


def _permute(rng: Rng, token_ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    return permute_sentences(rng, token_ids, vocabulary.sentence_ends(token_ids))


def _rotate(rng: Rng, token_ids: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    return rotate_documents(token_ids, rng.integers(token_ids.shape[1], size=len(token_ids)))


def _prefix_lm(vocabulary: Vocabulary, *, noise_density: float | None) -> Objective:
    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        raw_len = token_ids.shape[1]
        if noise_density is None:
            prefix_len = max(int(rng.integers(1, _NUM_PREFIX_LENS)) * raw_len // _NUM_PREFIX_LENS, 1)
        else:
            prefix_len = raw_len - count_hidden(raw_len, noise_density)
        return prefix_lm(token_ids, prefix_len=prefix_len, eos_id=vocabulary.eos_id)

    return Objective(corrupt)


def _causal_lm(vocabulary: Vocabulary) -> Objective:
    return Objective(lambda rng, token_ids: causal_lm(token_ids, eos_id=vocabulary.eos_id))


def _sentence_order(vocabulary: Vocabulary) -> Objective:
    order = partial(
        order_passages,
        separator_id=vocabulary.required_mask_id,
        in_order_ids=np.array(vocabulary.encode(IN_ORDER)),
        swapped_ids=np.array(vocabulary.encode(SWAPPED)),
        eos_id=vocabulary.eos_id,
    )

    def corrupt(rng: Rng, token_ids: np.ndarray) -> Pairs:
        starts = passage_starts(vocabulary.sentence_ends(token_ids))
        is_swapped = rng.random(len(token_ids)) < 0.5
        return order(token_ids, starts, is_swapped, passage_len=count_passage(token_ids.shape[1]))

    # beside the separator and eos two passages, each of two fifths, rounded down, of the raw tokens
    return Objective(corrupt, lambda max_source_len: ((max_source_len - 2) // 2 * 5 + 4) // 2)


def _token_mask(rng: Rng, token_ids: np.ndarray, noise_density: float) -> np.ndarray:
    batch_size, raw_len = token_ids.shape
    return random_subsets(
        rng, batch_size=batch_size, num_items=raw_len, num_chosen=count_hidden(raw_len, noise_density)
    )


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "span_corruption": _span_corruption,
    "iid_spans": _iid_spans,
    "drop_tokens": partial(_token_noise, hide=drop_tokens),
    "bert": _bert,
    "mass": _mass,
    "prefix_lm": _prefix_lm,
    "deshuffling": partial(_reordering, reorder=_shuffle),
    "token_masking": _token_masking,
    "token_deletion": partial(_token_noise, hide=delete_tokens),
    "text_infilling": _text_infilling,
    "sentence_permutation": partial(_reordering, reorder=_permute),
    "document_rotation": partial(_reordering, reorder=_rotate),
    "bart": _bart,
    "causal_lm": _causal_lm,
    "sentence_order": _sentence_order,
}
