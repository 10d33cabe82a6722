"""Seeded orders that are pure functions of an index: decks of cards, passes, random words.

    deck    `size` shuffled cards, each naming one of several parts, in proportion to their shares; deck
            follows deck without end
    card    number `index` of that row says which part is due, and how often the part was due before

So an endless mixture of parts needs no state to resume, and any process may take any card.
"""

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np


class Deck:
    """Which of several parts is due, index after index.

        shares 0.75 0.25, size 4     cards 0 0 1 0 | 0 1 0 0 | ...     deal(4) -> part 0, due 3 times before

    Args:
        shares: (num_parts,) fractions that sum to 1; a share above 0 gets one card at least.
        size: cards in a deck, about: shares are kept to 1 / size.
        seed: of every deck's order.
    """

    def __init__(self, shares: Sequence[float], *, size: int, seed: int) -> None:
        given = np.asarray(shares, dtype=float)
        self._cards = np.maximum(np.rint(given * size).astype(np.int64), given > 0)  # (num_parts,)
        self._size = int(self._cards.sum())
        self._seed = seed
        self._deck = lru_cache(maxsize=2)(self._shuffle)  # batches around the end of a deck need two

    def deal(self, index: int) -> tuple[int, int]:
        """The part of card `index` (0 or more), and how many cards before it are of that part."""
        number, place = divmod(index, self._size)
        part_of_card, rank_of_card = self._deck(number)
        part = int(part_of_card[place])
        return part, number * int(self._cards[part]) + int(rank_of_card[place])

    def _shuffle(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each card (size,): its part, and how many cards of that part lie before it in the deck."""
        sorted_cards = np.repeat(np.arange(len(self._cards)), self._cards)
        part_of_card = sorted_cards[permutation(len(sorted_cards), self._seed, "deck", number)]
        rank_of_card = np.empty_like(part_of_card)
        rank_of_card[np.argsort(part_of_card, kind="stable")] = np.concatenate(
            [np.arange(count) for count in self._cards]
        )
        return part_of_card, rank_of_card


def random_words(*key: object) -> tuple[int, ...]:
    """Four uniform 64-bit integers that depend on the key alone, on every machine and in every version."""
    return struct.unpack("<4Q", hashlib.blake2b(repr(key).encode(), digest_size=32).digest())


def permutation(size: int, *key: object) -> np.ndarray:
    """A uniform shuffle of 0 .. size - 1 (size,) that depends on the key alone."""
    # NumPy promises the raw stream of PCG64 for good, but not that of Generator.permutation.
    return np.argsort(np.random.PCG64(random_words(*key)[0]).random_raw(size), kind="stable")
