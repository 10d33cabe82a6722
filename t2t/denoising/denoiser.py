"""Objectives mixed by rate, each with its prefix: what a pretraining run makes its pairs with.

A mixture gives each **step** one objective, for the whole batch. Rows of one objective are equally long, or
nearly so: hardly anything is padded, one call does all rows, and a compiled model sees few shapes. (Drawn row
by row, half of a batch of span corruption and causal LM would be padding.) Steps are dealt out so that each
objective has had its share of them, within a few, at any time.

UL2 is such a mixture: `{name: ul2}` stands for its seven denoisers.
    R  spans of 3 or 8, 15 % hidden                          like T5
    S  the last quarter of the text                          like a prefix language model
    X  spans of 3 or 8, 50 % hidden; of 64, 15 or 50 %       extreme: long spans, much noise, or both
All seven come equally often. The prefixes [R], [S] and [X] tell the model which it is; later they ask for it.
Of 512 tokens, spans of 64 at 15 % are a single one, and T5's masks end with a hidden span: this denoiser is a
second prefix language model, under [X].

Paper: Tay et al. 2023, arXiv:2205.05131, section 3.1, table 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from t2t.denoising.objectives import Objective, build_objective
from t2t.denoising.pairs import Pairs
from t2t.denoising.vocabulary import Vocabulary
from t2t.errors import DenoisingError

UL2 = "ul2"
_MIN_SOURCE_LEN = 4  # tokens: two of text, a sentinel or separator, eos

# The golden ratio's fraction: its multiples modulo 1 fill the interval about as evenly as a sequence can
# (Knuth, The Art of Computer Programming, volume 3, section 6.4, theorem S).
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Ingredient:
    """One member of a mixture, as a config names it.

    Attributes:
        name: a key of `OBJECTIVES`, or "ul2".
        parameters: what its builder takes, by keyword.
        rate: how often, relative to the others.
        prefix: text in front of the inputs, which tells the model what is asked of it; "" for none.
    """

    name: str
    parameters: Mapping[str, Any]
    rate: float = 1.0
    prefix: str = ""


@dataclass(frozen=True)
class Denoiser:
    """Objectives for rows of `raw_len` tokens. Made by `build_denoiser`.

    Attributes:
        prefixes: for each objective the ids in front of its inputs.
        shares: for each objective the fraction of steps that has it; they sum to 1.
    """

    raw_len: int
    max_source_len: int
    objectives: tuple[Objective, ...]
    prefixes: tuple[tuple[int, ...], ...]
    shares: tuple[float, ...]
    vocabulary: Vocabulary

    def choose(self, step: int, *, offset: float) -> int:
        """Which objective a step has.

            shares .5 .25 .25, offset 0     steps 0 1 2 3 4 are at 0 .62 .24 .85 .47     objectives 0 1 0 2 0

        Args:
            offset: in 0 to 1, random for each run.
        """
        place = (offset + step * _GOLDEN) % 1
        return min(int(np.searchsorted(np.cumsum(self.shares), place, side="right")), len(self.shares) - 1)

    def __call__(self, number: int, rng: np.random.Generator, token_ids: np.ndarray) -> Pairs:
        """Pairs of the objective of that number, with its prefix and the tokenizer's special tokens."""
        pairs = self.objectives[number].corrupt(rng, token_ids)
        special, prefix = self.vocabulary, self.prefixes[number]
        inputs = _surround(pairs.inputs, pairs.input_lens, (*special.before_ids, *prefix), special.after_ids)
        targets = _surround(pairs.targets, pairs.target_lens, special.target_before_ids, special.after_ids)
        return Pairs(*inputs, *targets)


def build_denoiser(
    tokenizer: PreTrainedTokenizerBase,
    ingredients: Sequence[Ingredient],
    *,
    max_source_len: int,
    language: str | None = None,
) -> Denoiser:
    """Mix objectives. All read rows of one length, the longest that fits each of them.

    Args:
        max_source_len: most tokens of inputs, with everything, and of targets that are the whole text.
        language: token such as "de_DE" that stands where the tokenizer puts its language.
    Raises: DenoisingError if an objective cannot be had with this tokenizer or length; TokenizerError if the
        tokenizer lacks what it takes.
    """
    vocabulary = Vocabulary.of(tokenizer, language=language)
    members = [member for each in ingredients for member in (_ul2(each) if each.name == UL2 else [each])]
    objectives = [build_objective(each.name, vocabulary, each.parameters) for each in members]
    prefixes = [tuple(vocabulary.encode(each.prefix)) if each.prefix else () for each in members]
    room = max_source_len - len(vocabulary.before_ids) - len(vocabulary.after_ids)
    if room - max(map(len, prefixes)) < _MIN_SOURCE_LEN:
        raise DenoisingError(
            f"max_source_len {max_source_len} leaves no room for text beside prefix and special tokens",
            mend="raise max_source_len, or shorten the prefix",
        )
    total = sum(each.rate for each in members)
    denoiser = Denoiser(
        raw_len=min(
            each.fit_raw_len(room - len(prefix)) for each, prefix in zip(objectives, prefixes, strict=True)
        ),
        max_source_len=max_source_len,
        objectives=tuple(objectives),
        prefixes=tuple(prefixes),
        shares=tuple(each.rate / total for each in members),
        vocabulary=vocabulary,
    )
    for number in range(len(members)):  # what cannot work says so now, and not at its first step
        denoiser(number, np.random.default_rng(0), np.zeros((1, denoiser.raw_len), dtype=np.int64))
    return denoiser


def _ul2(ingredient: Ingredient) -> list[Ingredient]:
    """UL2's seven denoisers, which share the rate."""
    members: list[tuple[str, str, dict[str, float]]] = [("[S]", "prefix_lm", {"noise_density": 0.25})]
    for mode, span_len, noise_density in (
        ("[R]", 3.0, 0.15),
        ("[R]", 8.0, 0.15),
        ("[X]", 3.0, 0.5),
        ("[X]", 8.0, 0.5),
        ("[X]", 64.0, 0.15),
        ("[X]", 64.0, 0.5),
    ):
        shape = {"noise_density": noise_density, "mean_noise_span_length": span_len}
        members.append((mode, "span_corruption", shape))
    return [
        Ingredient(
            name,
            parameters,
            rate=ingredient.rate / len(members),
            prefix=f"{ingredient.prefix} {mode}".strip()
            if ingredient.parameters["mode_prefixes"]
            else ingredient.prefix,
        )
        for mode, name, parameters in members
    ]


def _surround(
    rows: np.ndarray, lens: np.ndarray, before: Sequence[int], after: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and their lengths, with the same ids put in front of each and behind each.

    rows 5 6 1 / 7 1 0, lens 3 2, before 90, after 91  ->  90 5 6 1 91 / 90 7 1 91 0, lens 5 4
    """
    if not before and not after:
        return rows, lens
    batch_size, width = rows.shape
    wider = np.zeros((batch_size, len(before) + width + len(after)), dtype=rows.dtype)
    wider[:, : len(before)] = before
    wider[:, len(before) : len(before) + width] = rows
    for offset, index in enumerate(after):
        wider[np.arange(batch_size), len(before) + lens + offset] = index
    return wider, lens + len(before) + len(after)
