"""What goes into inference and what comes out, and how many prompts become few padded batches.

Prompts arrive as a stream, which is read in windows; inside a window the sources are sorted by length, so
that a batch holds little padding. Windows grow, so that the first answers need not wait for many others.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from t2t.errors import InferenceError, Location
from t2t.templates.template import RenderedExample
from t2t.tokens import EncodedSource, encode_sources, length_buckets

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Prompt:
    """One question to a model: choose among `choices`, or write freely where they are None.

    Attributes:
        label: what an error message calls it, such as "sources[3]".
        demonstrations: parts of the source that it can do without, should it be too long.
    """

    source: str
    choices: tuple[str, ...] | None = None
    label: str = "source"
    task: str | None = None
    template: str | None = None
    example_id: str | None = None
    demonstrations: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: RenderedExample) -> "Prompt":
        """The question that a rendered row asks."""
        return cls(
            query.source,
            query.answer_choices,
            f'{query.task}, template "{query.template}", {query.example_id}',
            query.task,
            query.template,
            query.example_id,
            query.demonstrations,
        )

    @property
    def location(self) -> Location:
        return Location(field=self.label)


@dataclass(frozen=True)
class Prediction:
    """A model's answer to one source.

    Attributes:
        text: the best answer choice, or what the model wrote.
        logprob: log-likelihood of `text` in nats, summed over its tokens with the end-of-sequence, whatever
            the length_norm.
        choices: the answer choices in the order given; None for generated text, as the next three.
        logprobs: one score per choice, in nats after `length_norm`; the highest won.
        probabilities: softmax over `logprobs`; sums to 1.
        length_norm: "sum", "mean_token" or "mean_byte".
        num_source_tokens: tokens that the model read, special ones included.
        truncated: the source had more tokens than that, and its end was cut off.
        num_dropped_demonstrations: how many were left out so that the source fits; they go before its end.
        task, template, example_id: where the source was rendered from, of `run` and `answer`.
    """

    text: str
    logprob: float
    num_source_tokens: int
    truncated: bool
    num_dropped_demonstrations: int = 0
    choices: tuple[str, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    probabilities: tuple[float, ...] | None = None
    length_norm: str | None = None
    source: str | None = None
    task: str | None = None
    template: str | None = None
    example_id: str | None = None


@dataclass(frozen=True)
class SourceBatch:
    """Sources of like lengths, padded on the right.

    Attributes:
        positions: where in its window each row came from.
        input_ids: int64 (batch, source_len).
        attention_mask: int64 (batch, source_len), 0 on padding.
    """

    positions: list[int]
    input_ids: torch.Tensor
    attention_mask: torch.Tensor


def growing_windows(items: Iterable[T], *, first: int, last: int, keep: bool) -> Iterator[list[T]]:
    """Lists of items, each four times as long as the one before up to `last`; the end is shorter.

        100 items, first 4, last 32  ->  4, 16, 32, 32, 16

    Reads no further than the window that is asked for. To `keep` what was read, it comes before an error.
    """
    iterator = iter(items)
    size = min(first, last)
    while True:
        window: list[T] = []
        try:
            for item in islice(iterator, size):  # one by one: they are kept if the next one fails
                window.append(item)
        except Exception:
            if window and keep:
                yield window
            raise
        if not window:
            return
        yield window
        size = min(4 * size, last)


def in_order(answers: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Each answer once those of all earlier positions have come: (1, b) (0, a) (2, c)  ->  a b c."""
    waiting: dict[int, T] = {}
    place = 0
    for position, answer in answers:
        waiting[position] = answer
        while place in waiting:
            yield waiting.pop(place)
            place += 1


@dataclass
class SourceEncoder:
    """Turns the sources of one call into ids, shortens what is too long, and counts what it shortened.

    Args:
        max_source_len: tokens a source may have, special ones included; a longer one loses demonstrations,
            then its end, and keeps its special tokens.
    """

    tokenizer: PreTrainedTokenizerBase
    max_source_len: int
    num_sources: int = field(default=0, init=False)
    num_truncated: int = field(default=0, init=False)
    num_shortened: int = field(default=0, init=False)  # that lost demonstrations

    def encode(self, prompts: Sequence[Prompt]) -> list[EncodedSource]:
        """Raises: InferenceError for a source that is no text or an empty one."""
        for prompt in prompts:
            check_text(prompt.source, "the source", prompt.location)
        encoded = encode_sources(self.tokenizer, prompts, max_len=self.max_source_len)
        self.num_sources += len(encoded)
        self.num_truncated += sum(source.truncated for source in encoded)
        self.num_shortened += sum(source.num_dropped_demonstrations > 0 for source in encoded)
        return encoded

    def report(self) -> None:
        """Log a warning for each kind of thing that was left out."""
        for number, what in (
            (self.num_shortened, "lost demonstrations"),
            (self.num_truncated, "lost their end"),
        ):
            if number:
                logger.warning(
                    "%d of %d sources %s to fit into %d tokens",
                    number,
                    self.num_sources,
                    what,
                    self.max_source_len,
                )


def source_batches(
    sources: Sequence[EncodedSource],
    positions: Sequence[int],
    *,
    max_tokens: int,
    batch_size: int,
    pad_id: int,
    device: torch.device,
) -> Iterator[SourceBatch]:
    """Batches of sources of like lengths, with at most `max_tokens` tokens, padding included, in each.

    Args:
        positions: which of the sources to take.
        max_tokens: a longer source comes alone.
        batch_size: the most sources in a batch.
    """
    lengths = [len(sources[position].ids) for position in positions]
    for bucket in length_buckets(lengths, max_tokens=max_tokens, max_size=batch_size):
        rows = [positions[index] for index in bucket]
        input_ids = pad([sources[position].ids.tolist() for position in rows], pad_id)
        attention_mask = pad([[1] * len(sources[position].ids) for position in rows], 0)
        yield SourceBatch(rows, input_ids.to(device), attention_mask.to(device))


def pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """An int64 tensor (len(rows), longest row), filled up with `value` on the right."""
    tensors = [torch.tensor(ids, dtype=torch.int64) for ids in rows]
    return pad_sequence(tensors, batch_first=True, padding_value=value)


def check_text(text: object, name: str, location: Location) -> None:
    """Raises: InferenceError unless it is a str of whole characters, more than whitespace."""
    if not isinstance(text, str):
        raise InferenceError(f"{name} is no text but {type(text).__name__}: {text!r:.80}", where=location)
    if not text.strip():
        raise InferenceError(f"{name} is empty", where=location, mend="give it at least one word")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # of a pair that was cut in two; no tokenizer takes it
        raise InferenceError(
            f"{name} holds half of a surrogate pair, which is no character: {text[error.start]!r}",
            where=location,
            mend='leave it out, as text.encode(errors="ignore").decode() does',
        ) from error
