"""Texts as 64-bit hashes of their runs of 13 words, their lines and themselves, without a loop over words.

Words are runs of letters and digits in lower case, in any script; all else separates them, so "Don’t" and
"don't" are the same two words. A run of words, and a line or text, has one hash, whatever separates them.
It is made of the hashes of its words (see `run_hashes`), and these of their characters in the same way: a
billion runs against ten million have a hash in common by chance once in 2,000.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from t2t.data.run_hashes import Hashes, Places, hash_runs, prefix_sums

NGRAM = 13  # words, as in Brown et al. 2020, arXiv:2005.14165, appendix C
MAX_CHARACTERS = 2**19  # of all texts of one call, with a separator each


@dataclass(frozen=True)
class TextHashes:
    """The hashes of some texts, and the text that each is from.

    Attributes:
        num_words: (num_texts,).
        ngrams, ngram_texts: of every run of 13 words (num_ngrams,).
        wholes, whole_texts: of every text with a word in it, and of its lines (num_wholes,).
    """

    num_words: Places
    ngrams: Hashes
    ngram_texts: Places
    wholes: Hashes
    whole_texts: Places


def hash_texts(texts: Sequence[str], *, by_line: bool = True) -> TextHashes:
    """Hash texts of MAX_CHARACTERS characters in all.

    Args:
        by_line: also hash each line of a text that has several; else only whole texts are in `wholes`.
    """
    lowered = [text.lower() for text in texts]
    joined = "\n" + "".join(text + "\n" for text in lowered)  # each text between two separators
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    in_word = _alphanumeric()[codes]
    edges = np.flatnonzero(in_word[1:] != in_word[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]  # of each word, in characters
    words = hash_runs(prefix_sums(codes), starts, ends)
    sums = prefix_sums(words)

    # The first word at or after each text's beginning; one entry more, for the end of the last.
    bounds = np.searchsorted(starts, np.cumsum([1, *(len(text) + 1 for text in lowered)]))
    num_words = np.diff(bounds)
    text_of_word = np.repeat(np.arange(len(texts)), num_words)
    first = np.arange(max(len(words) - NGRAM + 1, 0))
    first = first[text_of_word[first] == text_of_word[first + NGRAM - 1]]  # inside one text

    if by_line:
        lines = np.searchsorted(starts, np.flatnonzero(codes == ord("\n")))
        begins, stops = np.concatenate([bounds[:-1], lines[:-1]]), np.concatenate([bounds[1:], lines[1:]])
    else:
        begins, stops = bounds[:-1], bounds[1:]
    wordy = stops > begins
    begins, stops = begins[wordy], stops[wordy]
    return TextHashes(
        num_words=num_words,
        ngrams=hash_runs(sums, first, first + NGRAM),
        ngram_texts=text_of_word[first],
        wholes=hash_runs(sums, begins, stops),
        whole_texts=text_of_word[begins],
    )


@cache
def _alphanumeric() -> npt.NDArray[np.bool_]:
    """Whether each code point of Unicode is a letter or a digit."""
    return np.array([chr(code).isalnum() for code in range(0x110000)])
