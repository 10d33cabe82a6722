"""Near-duplicate documents by MinHash and locality-sensitive hashing, in bounded memory.

    document     lower case, white space collapsed, cut into words (a character of a script without spaces is
                 a word of its own)
    shingles     the set of its runs of 5 words
    signature    128 hash functions, of each its smallest value over the set. Two documents agree in one of
                 them with a probability of their Jaccard similarity J, |A and B| / |A or B|
    bands        16 keys, each made of 8 of those values. Two documents are compared if any key is equal:
                 with probability 1 - (1 - J^8)^16, which is .06 at J = .5, .95 at .8 and .9999 at .9
    sketch       the lowest byte of each of the 128: agreement estimates J to within .035 (one standard
                 deviation, at .8). Compared documents count as near-duplicates from .8 upwards

Duplicates of duplicates belong together: of each connected group the first document is kept.

Papers: Broder 1997, "On the resemblance and containment of documents"; Lee et al. 2022, arXiv:2107.06499 (5
words, .8, connected groups; they take 9,000 hash functions and check the edit distance as well); Li and König
2010, arXiv:0910.3349 (keeping but a few bits of each value).

S shingles, D documents of a batch, H = 128 hash functions, B = 16 bands.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from t2t.data.run_hashes import BASE, hash_runs, mix, prefix_sums

NUM_HASHES = 128
NUM_BANDS = 16
_SHINGLE_LEN = 5  # words
_MIN_SIMILARITY = 0.8
_FIRST_CJK = 0x2E80  # from here on scripts write words without spaces between them
_ROWS_AT_ONCE = 2**17  # of a key file: 16 MiB
_PAIRS_AT_ONCE = 2**14  # compared: a page of 4 KiB for each of the two, 128 MiB


def signatures(texts: Sequence[str]) -> np.ndarray:
    """MinHash signatures of normalised, non-empty texts: uint32 (D, H)."""
    hashes, starts = _shingle_hashes(texts)  # (S,), (D,)
    multipliers, offsets = _hash_functions()
    values = np.empty((NUM_HASHES, len(starts)), dtype=np.uint32)
    buffer = np.empty_like(hashes)
    for index in range(NUM_HASHES):  # h -> a h + b modulo 2^32, a permutation since a is odd
        np.multiply(hashes, multipliers[index], out=buffer)
        np.add(buffer, offsets[index], out=buffer)
        np.minimum.reduceat(buffer, starts, out=values[index])
    return values.T


def band_keys(signature: np.ndarray) -> np.ndarray:
    """The keys of signatures (D, H): uint64 (D, B). Equal where all 8 values of a band are."""
    rows = signature.reshape(len(signature), NUM_BANDS, -1).astype(np.uint64)  # (D, B, H / B)
    keys = np.zeros(rows.shape[:2], dtype=np.uint64)
    for column in range(rows.shape[2]):
        keys = mix(keys * np.uint64(BASE) + rows[:, :, column])
    return keys


def sketches(signature: np.ndarray) -> np.ndarray:
    """The lowest byte of each value: uint8 (D, H)."""
    return (signature & 0xFF).astype(np.uint8)


def similarity(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity of sketches, pair by pair: float (pairs,)."""
    agreement = (left == right).mean(axis=-1)
    chance = 1 / 256  # that the lowest bytes of different values are equal
    return (agreement - chance) / (1 - chance)


def find_near_duplicates(
    key_file: Path,
    sketch_file: Path,
    candidates: np.ndarray,
    *,
    on_band: Callable[[], object] | None = None,
) -> np.ndarray:
    """Which documents are near-duplicates of an earlier one. Holds some 40 bytes a document.

    Args:
        key_file: band_keys of all documents, one after the other.
        sketch_file: sketches of all documents, one after the other.
        candidates: int array, ascending: the documents to compare; the others are left alone.
        on_band: called after each of the bands.
    Returns: bool (len(candidates),).
    """
    labels = np.arange(len(candidates))  # of each document the first of its group, as far as is known
    for band in range(NUM_BANDS):
        keys = _band_column(key_file, band)[candidates]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        is_later = np.flatnonzero(keys[1:] == keys[:-1]) + 1
        # Each document against the one before it and against the first of those with its key.
        runs = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        first = runs[np.searchsorted(runs, is_later, side="right") - 1]
        for earlier in (first, is_later - 1):
            _join_similar(labels, order[earlier], order[is_later], candidates, sketch_file)
        if on_band:
            on_band()
    return labels != np.arange(len(candidates))


def _join_similar(
    labels: np.ndarray, left: np.ndarray, right: np.ndarray, candidates: np.ndarray, sketch_file: Path
) -> None:
    apart = labels[left] != labels[right]
    left, right = left[apart], right[apart]
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        # Mapped anew each time: the pages of the last part do not stay in memory.
        rows = np.memmap(sketch_file, dtype=np.uint8, mode="r").reshape(-1, NUM_HASHES)
        close = similarity(rows[candidates[left[part]]], rows[candidates[right[part]]]) >= _MIN_SIMILARITY
        _join(labels, left[part][close], right[part][close])


def _join(labels: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """Make one group of the groups of each pair, under the first document of all."""
    while True:
        one, other = labels[left], labels[right]
        apart = one != other
        if not apart.any():
            return
        np.minimum.at(labels, np.maximum(one, other)[apart], np.minimum(one, other)[apart])
        while True:  # every label points at the first of its group again
            further = labels[labels]
            if np.array_equal(further, labels):
                break
            labels[:] = further


def _band_column(key_file: Path, band: int) -> np.ndarray:
    def parts() -> Iterator[np.ndarray]:
        with key_file.open("rb") as file:
            while True:
                rows = np.fromfile(file, dtype=np.uint64, count=_ROWS_AT_ONCE * NUM_BANDS)
                if not rows.size:
                    return
                yield rows[band::NUM_BANDS].copy()

    return np.concatenate(list(parts()))


def _shingle_hashes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all shingles: uint32 (S,), and where those of each text begin: (D,).

    A text of fewer than 5 words is one shingle.
    """
    codes = np.frombuffer((" ".join(texts) + " ").encode("utf-32-le"), dtype=np.uint32)
    is_space = codes == ord(" ")
    starts_word = ~is_space & (np.concatenate(([True], is_space[:-1])) | (codes >= _FIRST_CJK))
    words = np.flatnonzero(starts_word)  # where each word begins
    text_ends = np.cumsum([len(text) + 1 for text in texts])
    ends = np.searchsorted(words, text_ends)  # (D,) the word behind each text
    begins = np.concatenate(([0], ends[:-1]))
    counts = np.maximum(ends - begins - (_SHINGLE_LEN - 1), 1)  # (D,) shingles
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    of_text = np.repeat(np.arange(len(texts)), counts)  # (S,)
    first_word = np.arange(len(of_text)) - starts[of_text] + begins[of_text]
    last_word = np.minimum(first_word + _SHINGLE_LEN, ends[of_text])  # behind it
    left, right = words[first_word], np.append(words, len(codes))[last_word]

    hashes = hash_runs(prefix_sums(mix(codes.astype(np.uint64))), left, right)
    return (hashes >> np.uint64(32)).astype(np.uint32), starts


@lru_cache(maxsize=1)
def _hash_functions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)  # fixed: signatures of different builds are comparable
    multipliers = rng.integers(2**31, size=NUM_HASHES, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return multipliers, rng.integers(2**32, size=NUM_HASHES, dtype=np.uint32)
