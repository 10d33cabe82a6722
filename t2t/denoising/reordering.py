"""The tokens are all there, in another order; the target is the text as it was.

A sentence goes up to a token that ends in a full stop, a question or an exclamation mark, up to the </s>
between two documents (`Vocabulary.sentence_ends`), or to the row's end. "Dr." ends a sentence too: this is
one look-up a token, and BART's own code looks for full stops likewise.

Papers: deshuffling: Liu et al. 2019, arXiv:1910.00998, as in Raffel et al. 2020, arXiv:1910.10683, table 3;
sentence permutation and document rotation: Lewis et al. 2020, arXiv:1910.13461, section 2.2.
"""

import numpy as np

from t2t.denoising.pairs import Pairs, with_eos


def restore_order(reordered: np.ndarray, token_ids: np.ndarray, *, eos_id: int) -> Pairs:
    """The text in another order as inputs, the text itself as targets.

        reordered  12 10 11     inputs  12 10 11 </s>
        token_ids  10 11 12     targets  10 11 12 </s>

    Args:
        reordered, token_ids: int arrays (batch, raw_len).
    """
    return Pairs.full(with_eos(reordered, eos_id=eos_id), with_eos(token_ids, eos_id=eos_id))


def shuffle_tokens(rng: np.random.Generator, token_ids: np.ndarray) -> np.ndarray:
    """All tokens of each row in random order: 10 11 12 13 may become 12 10 13 11."""
    return rng.permuted(token_ids, axis=1)


def permute_sentences(rng: np.random.Generator, token_ids: np.ndarray, is_end: np.ndarray) -> np.ndarray:
    """The sentences of each row in random order, each whole.

        token_ids  10 11 12 13 14 15     is_end  0 1 0 0 1 0     may become  12 13 14 15 10 11

    Args:
        token_ids: int array (batch, raw_len).
        is_end: bool array (batch, raw_len), True on the last token of each sentence.
    """
    batch_size, raw_len = token_ids.shape
    is_start = np.empty_like(is_end)
    is_start[:, 0] = True
    is_start[:, 1:] = is_end[:, :-1]
    starts = np.flatnonzero(is_start)  # flat, of the sentences of all rows
    lens = np.diff(starts, append=token_ids.size)
    # Sorted by row + a random fraction, the sentences change places within their rows.
    order = np.argsort(starts // raw_len + rng.random(len(starts)))
    starts, lens = starts[order], lens[order]
    shifts = starts - (lens.cumsum() - lens)  # from where a sentence goes to where it was
    return token_ids.ravel()[np.arange(token_ids.size) + np.repeat(shifts, lens)].reshape(batch_size, raw_len)


def rotate_documents(token_ids: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Each row begun at another token, what was before it put behind.

        token_ids  10 11 12 13 14     firsts  3     becomes  13 14 10 11 12

    Args:
        token_ids: int array (batch, raw_len).
        firsts: int array (batch,), the place of the token that comes to stand first.
    """
    raw_len = token_ids.shape[1]
    return np.take_along_axis(token_ids, (np.arange(raw_len) + firsts[:, None]) % raw_len, axis=1)
