"""Rendered examples to padded numpy batches, and index groups of like length.

    RenderedExample("1 + 1 =", "2")  ->  source_ids [.., </s>], target_ids [.., </s>]  ->  a row of a Batch

Shapes: input_ids, attention_mask (batch, source_len); labels (batch, target_len).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from t2t.errors import TokenizerError
from t2t.templates.template import RenderedExample
from t2t.tokens.sources import encode_sources
from t2t.tokens.texts import encode_texts

IGNORED_LABEL = -100  # what torch's cross entropy leaves out


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class EncodedExample:
    """One rendered example as token ids, special tokens included."""

    source_ids: np.ndarray  # (source_len,) int64
    target_ids: np.ndarray  # (target_len,) int64, ends in eos
    source_truncated: bool
    target_truncated: bool
    num_dropped_demonstrations: int
    task: str
    template: str
    example_id: str
    wrong_ids: tuple[np.ndarray, ...] = ()  # of the other answer choices, if asked for; like target_ids

    @property
    def name(self) -> str:
        """Task, template and row, for messages."""
        return f"{self.task}/{self.template}/{self.example_id}"

    @property
    def target_len(self) -> int:
        """Tokens of the target, or of a wrong choice that is longer."""
        return max(len(ids) for ids in (self.target_ids, *self.wrong_ids))


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows padded on the right to common lengths."""

    input_ids: np.ndarray  # (batch, source_len) int64
    attention_mask: np.ndarray  # (batch, source_len) int64: 1 on tokens, 0 on padding
    labels: np.ndarray  # (batch, target_len) int64: -100 on padding
    num_source_tokens: int  # without padding
    num_target_tokens: int  # without padding: what the loss averages over
    names: tuple[str, ...]  # of the rows, for messages
    wrong_labels: np.ndarray | None = None  # (batch, wrong choices, target_len) int64: -100 on padding
    tasks: tuple[str, ...] = ()  # of the rows; empty where they are no rows of tasks


def encode_examples(
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[RenderedExample],
    *,
    max_source_len: int,
    max_target_len: int,
    with_wrong_choices: bool = False,
) -> list[EncodedExample]:
    """Encode sources and targets, all at once; what does not fit is left out and flagged.

    Args:
        with_wrong_choices: also the answer choices that are not the target.
    """
    sources = encode_sources(tokenizer, examples, max_len=max_source_len)
    targets = encode_texts(
        tokenizer, [example.target for example in examples], max_len=max_target_len, are_targets=True
    )
    wrong = _encode_wrong_choices(tokenizer, examples, max_target_len) if with_wrong_choices else {}
    return [
        EncodedExample(
            source_ids=source.ids,
            target_ids=target_ids,
            source_truncated=source.truncated,
            target_truncated=target_truncated,
            num_dropped_demonstrations=source.num_dropped_demonstrations,
            task=example.task,
            template=example.template,
            example_id=example.example_id,
            # One whose end was cut off may be the target's ids, and is then no wrong choice.
            wrong_ids=tuple(
                wrong[choice]
                for choice in (_wrong_choices(example) if with_wrong_choices else ())
                if not np.array_equal(wrong[choice], target_ids)
            ),
        )
        for example, source, (target_ids, target_truncated) in zip(examples, sources, targets, strict=True)
    ]


def _wrong_choices(example: RenderedExample) -> list[str]:
    return [choice for choice in example.answer_choices or () if choice != example.target]


def _encode_wrong_choices(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[RenderedExample], max_len: int
) -> dict[str, np.ndarray]:
    """The ids of every wrong choice, each text once: examples of a task share theirs."""
    texts = list(dict.fromkeys(choice for example in examples for choice in _wrong_choices(example)))
    encoded = encode_texts(tokenizer, texts, max_len=max_len, are_targets=True)
    return {text: ids for text, (ids, _) in zip(texts, encoded, strict=True)}


def pad_batch(
    examples: Sequence[EncodedExample],
    *,
    pad_id: int,
    source_len: int | None = None,
    target_len: int | None = None,
) -> Batch:
    """One batch, padded to the longest example, or to the lengths given: static shapes compile once.

    Wrong choices, where there are any, are padded to the length of the targets.

        source_ids [5, 1] and [6, 7, 1]  ->  input_ids [[5, 1, 0], [6, 7, 1]]
                                             attention_mask [[1, 1, 0], [1, 1, 1]]

    Raises: TokenizerError if there is no example, or one is longer than a length given.
    """
    if not examples:
        raise TokenizerError("a batch needs at least one example")
    if target_len is None:
        target_len = max(example.target_len for example in examples)
    input_ids, is_source = _pad(examples, "source", source_len, fill=pad_id)
    labels, is_target = _pad(examples, "target", target_len, fill=IGNORED_LABEL)
    return Batch(
        input_ids=input_ids,
        attention_mask=is_source.astype(np.int64),
        labels=labels,
        num_source_tokens=int(is_source.sum()),
        num_target_tokens=int(is_target.sum()),
        names=tuple(example.name for example in examples),
        wrong_labels=_pad_wrong(examples, labels.shape[1]),
        tasks=tuple(example.task for example in examples),
    )


def _pad(
    examples: Sequence[EncodedExample], side: str, width: int | None, *, fill: int
) -> tuple[np.ndarray, np.ndarray]:
    """One side's ids (batch, width), `fill` elsewhere, and the bool mask of where they are."""
    rows = [getattr(example, f"{side}_ids") for example in examples]
    lengths = np.array([len(row) for row in rows])
    if width is None:
        width = int(lengths.max())
    longest = int(lengths.argmax())
    if lengths[longest] > width:
        raise TokenizerError(
            f"the {side} of {examples[longest].name} has {lengths[longest]} tokens, the batch has {width}",
            mend=f"encode with max_{side}_len {width}, or pad to the longest",
        )
    is_token = np.arange(width) < lengths[:, None]  # (batch, width)
    padded = np.full(is_token.shape, fill, dtype=np.int64)
    padded[is_token] = np.concatenate(rows)  # row-major on both sides
    return padded, is_token


def _pad_wrong(examples: Sequence[EncodedExample], width: int) -> np.ndarray | None:
    """Wrong choices (batch, most wrong choices of an example, width); None where no example has any."""
    num_wrong = max(len(example.wrong_ids) for example in examples)
    if num_wrong == 0:
        return None
    padded = np.full((len(examples), num_wrong, width), IGNORED_LABEL, dtype=np.int64)
    for row, example in enumerate(examples):
        if example.target_len > width:
            raise TokenizerError(
                f"a wrong choice of {example.name} has {example.target_len} tokens, the batch has {width}",
                mend=f"encode with max_target_len {width}, or pad to the longest",
            )
        for choice, ids in enumerate(example.wrong_ids):
            padded[row, choice, : len(ids)] = ids
    return padded


def length_buckets(lengths: Sequence[int], *, max_tokens: int, max_size: int) -> list[np.ndarray]:
    """Split indices into groups of like length, longest group first, so that little is padding.

        lengths 3 9 4 1, max_tokens 9, max_size 2  ->  [1], [2, 0], [3]

    The longest come first: what does not fit into memory shows at once. Equal lengths keep their order.

    Args:
        max_tokens: group size x its longest length stays within it; one longer example stands alone.
        max_size: indices in a group, at most.
    Returns: int arrays that hold each index once.
    """
    if max_tokens < 1 or max_size < 1:
        raise TokenizerError(f"max_tokens {max_tokens} and max_size {max_size} must be at least 1")
    ordered = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    groups = []
    start = 0
    while start < len(ordered):
        longest = max(1, int(lengths[ordered[start]]))
        size = max(1, min(max_size, max_tokens // longest))
        groups.append(ordered[start : start + size])
        start += size
    return groups
