"""Texts to token ids, cut where they are too long, with the special tokens that a model expects."""

import threading
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from t2t.errors import TokenizerError
from t2t.tokens.targets import as_target

_ONE_THREAD = threading.Lock()  # Marian's and mBART's tokenizers are in a source or a target mode, as a state


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, max_len: int, are_targets: bool = False
) -> list[tuple[np.ndarray, bool]]:
    """Token ids of each text, and whether its end was cut off to fit into max_len tokens.

    Sources begin and end as the tokenizer has them (T5's and ours end in eos), targets as in
    t2t.tokens.targets.

    Raises: TokenizerError if a multilingual tokenizer has no language for targets.
    """
    if not texts:
        return []
    kind = "text_target" if are_targets else "text"  # multilingual tokenizers mark the target language
    # Without the tokenizer's own truncation: a state of its backend, which other threads may be using.
    with _ONE_THREAD:
        try:
            rows = tokenizer(
                **{kind: list(texts)}, add_special_tokens=True, return_attention_mask=False, verbose=False
            ).input_ids
        except KeyError as error:
            if not are_targets or getattr(tokenizer, "tgt_lang", "") is not None:
                raise
            raise TokenizerError(  # M2M100's has no default
                "the tokenizer does not know which language targets are in",
                mend='set its tgt_lang, such as "de", and save it with the model',
            ) from error
        num_suffix = num_suffix_tokens(tokenizer)
    eos_id = tokenizer.eos_token_id
    if are_targets:
        rows = [as_target(ids, bos_id=tokenizer.bos_token_id, eos_id=eos_id) for ids in rows]
        num_suffix = max(num_suffix, int(eos_id is not None))
    cut = [cut_ids(ids, max_len=max_len, num_suffix=num_suffix) for ids in rows]
    return [
        (np.array(kept, dtype=np.int64), len(kept) < len(ids)) for kept, ids in zip(cut, rows, strict=True)
    ]


def cut_ids(ids: list[int], *, max_len: int, num_suffix: int) -> list[int]:
    """Ids without the end of the text, so that they are `max_len` at most; the special tokens behind stay.

    [5, 6, 7, 8, 1], max_len 3, num_suffix 1  ->  [5, 6, 1]
    """
    if len(ids) <= max_len:
        return ids
    return ids[: max(max_len - num_suffix, 0)] + ids[len(ids) - num_suffix :]


def num_suffix_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many special tokens follow a text: 1 for T5 (`x </s>`) and BART, 2 for mBART (`x </s> en_XX`)."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    starts = (start for start in range(len(whole)) if whole[start : start + len(bare)] == bare)
    return len(whole) - len(bare) - next(starts, 0)
