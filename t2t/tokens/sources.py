"""Sources to token ids: one that is too long loses its demonstrations, the last ones first, then its end.

A few-shot prompt ends in its question, and cutting its end would leave examples of nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from transformers import PreTrainedTokenizerBase

from t2t.templates.few_shot import keep_demonstrations
from t2t.tokens.texts import encode_texts


class HasSource(Protocol):
    """What can be encoded as a source: a rendered example, or a prompt."""

    @property
    def source(self) -> str: ...
    @property
    def demonstrations(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class EncodedSource:
    """The ids of one source, special tokens included, and what had to go so that they fit."""

    ids: np.ndarray  # (source_len,) int64
    truncated: bool  # its end was cut off
    num_dropped_demonstrations: int


def encode_sources(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[HasSource], *, max_len: int
) -> list[EncodedSource]:
    """Encode sources, so that each has at most `max_len` tokens.

    demonstrations of 40 and 30 tokens before a question of 20: all with max_len 90, the first with 60, none
    with 30; with max_len 10 the first half of the question.
    """
    texts = [example.source for example in examples]
    encoded = encode_texts(tokenizer, texts, max_len=max_len)
    kept = [len(example.demonstrations) for example in examples]

    def encode_with(numbers: Mapping[int, int]) -> Iterator[tuple[int, tuple[np.ndarray, bool]]]:
        """Sources by their places, each with so many of its demonstrations."""
        shorter = [
            keep_demonstrations(texts[index], examples[index].demonstrations, number)
            for index, number in numbers.items()
        ]
        return zip(numbers, encode_texts(tokenizer, shorter, max_len=max_len), strict=True)

    # By bisection, all sources at once: as many as the first bound fit (-1: none is known to), and fewer than
    # the second. What does not fit even without any is cut.
    bounds = {
        index: (-1, kept[index]) for index, (_, truncated) in enumerate(encoded) if truncated and kept[index]
    }
    while trials := {i: (low + high + 1) // 2 for i, (low, high) in bounds.items() if high - low > 1}:
        for index, (ids, truncated) in encode_with(trials):
            number, (low, high) = trials[index], bounds[index]
            bounds[index] = (low, number) if truncated else (number, high)
            if not truncated or number == 0:
                encoded[index], kept[index] = (ids, truncated), number
    return [
        EncodedSource(ids, truncated, len(example.demonstrations) - number)
        for example, (ids, truncated), number in zip(examples, encoded, kept, strict=True)
    ]
