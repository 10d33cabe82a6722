"""What objectives must know of a tokenizer: its special tokens, and which tokens end a sentence."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from t2t.errors import TokenizerError, did_you_mean
from t2t.tokens.targets import as_target
from t2t.tokens.tokenizer import sentinel_ids, tokenizer_backend

# A full stop, question or exclamation mark, ellipsis, or their East Asian forms; closing quotes and brackets.
_SENTENCE_END = re.compile(r"[.!?…。！？]['\"’”»)\]]*\s*$")


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Vocabulary:
    """Ids with a meaning to denoising.

    Attributes:
        before_ids: special tokens in front of a text: none for T5, <s> for BART, a language for mBART-50.
        target_before_ids: those in front of a target: the same, but none for Gemma (see t2t.tokens.targets).
        after_ids: special tokens behind eos: none for T5 and BART, a language for mBART.
        mask_id: the tokenizer's mask token; where it has none, as T5, its last sentinel, which span
            corruption does not reach unless it needs them all. None if it has neither.
        sentinel_ids: of <extra_id_0>, <extra_id_1>, ...; empty if there are none.
        plain_ids: all ids but those of special tokens.
        ends_sentence: bool array (vocab_size,), True for tokens such as `.` and `?"`, and for eos.
        encode: text to ids, without special tokens around it.
    """

    eos_id: int
    pad_id: int
    before_ids: tuple[int, ...]
    target_before_ids: tuple[int, ...]
    after_ids: tuple[int, ...]
    mask_id: int | None
    sentinel_ids: np.ndarray
    plain_ids: np.ndarray
    ends_sentence: np.ndarray
    encode: Callable[[str], list[int]]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, *, language: str | None = None) -> "Vocabulary":
        """The vocabulary of a tokenizer.

        Args:
            language: token such as "de_DE", which stands where the tokenizer puts its language; behind eos
                if it puts none.
        Raises: TokenizerError if it has no eos or padding, or no such language.
        """
        eos_id, pad_id = tokenizer.eos_token_id, tokenizer.pad_token_id
        if eos_id is None or pad_id is None:
            raise TokenizerError(
                f"the {type(tokenizer).__name__} has no end-of-sequence or no padding token",
                mend="name the tokenizer of an encoder-decoder, such as T5 or BART",
            )
        before_ids, after_ids = _surroundings(tokenizer, language)
        bos_id, whole = tokenizer.bos_token_id, tokenizer("a").input_ids
        drops_bos = as_target(whole, bos_id=bos_id, eos_id=eos_id)[:1] != whole[:1]
        sentinels = _sentinels(tokenizer)
        mask_id = tokenizer.mask_token_id
        if mask_id is None and len(sentinels):
            mask_id = int(sentinels[-1])
        special = np.array([*tokenizer.all_special_ids, *sentinels], dtype=np.int64)
        return cls(
            eos_id=eos_id,
            pad_id=pad_id,
            before_ids=before_ids,
            target_before_ids=tuple(index for index in before_ids if not (drops_bos and index == bos_id)),
            after_ids=after_ids,
            mask_id=mask_id,
            sentinel_ids=sentinels,
            plain_ids=np.setdiff1d(np.arange(len(tokenizer)), special),
            ends_sentence=_ends_sentence(tokenizer),
            encode=lambda text: list(tokenizer(text, add_special_tokens=False).input_ids),
        )

    def sentence_ends(self, token_ids: np.ndarray) -> np.ndarray:
        """Bool array (batch, raw_len), True on the last token of each sentence.

            We ran home . </s> It slept .        the </s> behind a full stop is of the sentence before it
             0   0   0  0   1   0   0   1

        Args:
            token_ids: int array (batch, raw_len).
        """
        ends: np.ndarray = self.ends_sentence[token_ids]
        ends[:, :-1] &= token_ids[:, 1:] != self.eos_id
        return ends

    @property
    def required_mask_id(self) -> int:
        """The mask. Raises: TokenizerError if there is none."""
        if self.mask_id is None:
            raise TokenizerError(
                "the tokenizer has neither a mask token nor sentinels <extra_id_N>",
                mend="denoising needs the tokenizer of T5 or BART, or one of ours: t2t tokenizer train",
            )
        return self.mask_id


def _surroundings(
    tokenizer: PreTrainedTokenizerBase, language: str | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens in front of a text, and those behind its eos."""
    bare = tokenizer("a", add_special_tokens=False).input_ids
    whole = tokenizer("a").input_ids
    start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
    before, after = (
        whole[:start],
        [index for index in whole[start + len(bare) :] if index != tokenizer.eos_token_id],
    )
    if language is None:
        return tuple(before), tuple(after)
    vocabulary = tokenizer.get_vocab()
    if language not in vocabulary:
        raise TokenizerError(
            f'the tokenizer has no token for the language "{language}"',
            mend=did_you_mean(language, vocabulary) or "name one of its tokens, such as de_DE for mBART",
        )
    opening = {tokenizer.bos_token_id, tokenizer.cls_token_id, tokenizer.eos_token_id}
    if any(index not in opening for index in before):  # mBART-50: the language comes first
        return (vocabulary[language],), tuple(after)
    return tuple(before), (vocabulary[language],)


def _sentinels(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    try:
        return sentinel_ids(tokenizer)
    except TokenizerError:
        if tokenizer.mask_token_id is None:
            raise
        return np.zeros(0, dtype=np.int64)  # BART and mBART mask; objectives that need sentinels say so


def _ends_sentence(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    texts = tokenizer_backend(tokenizer).decode_batch(
        [[index] for index in range(len(tokenizer))], skip_special_tokens=False
    )
    ends = np.array([_SENTENCE_END.search(text) is not None for text in texts])
    ends[tokenizer.eos_token_id] = True
    return ends
