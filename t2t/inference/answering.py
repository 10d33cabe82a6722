"""The stream from prompts to predictions: windows, then batches of like lengths, then ranking or writing."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.errors import InferenceError, T2TError
from t2t.inference.generate import Decoding, generate_batch
from t2t.inference.prompts import (
    Prediction,
    Prompt,
    SourceBatch,
    SourceEncoder,
    growing_windows,
    in_order,
    source_batches,
)
from t2t.inference.rank import (
    ChoiceEncoder,
    LengthNorm,
    check_length_norm,
    choice_logprobs,
    normalised,
    softmax,
)
from t2t.model.soft_prompt import num_virtual_tokens
from t2t.tokens import EncodedSource

WINDOW = 512  # prompts: enough to fill batches of like lengths
FIRST_WINDOW = 32  # prompts: few enough that a stream answers early
DEFAULT_MAX_SOURCE_LEN = 1024  # tokens, for models without a limit of their own; as T0's evaluation


@dataclass(frozen=True)
class Answering:
    """The options of one call, and the stream that answers under them.

    Attributes:
        max_source_len: tokens to read of a source; None takes `default_max_source_len`.
        batch_size: sources at once, at most.
        max_batch_tokens: padded source tokens at once, at most.
    Raises: InferenceError for an option out of range.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_source_len: int | None
    batch_size: int
    max_batch_tokens: int
    length_norm: LengthNorm = "sum"
    decoding: Decoding = field(default_factory=Decoding)

    def __post_init__(self) -> None:
        check_length_norm(self.length_norm)
        self.decoding.check()
        if self.batch_size < 1:
            raise InferenceError(f"batch_size is at least 1, not {self.batch_size}")
        if self.max_source_len is None:
            return
        shortest = len(self.tokenizer("")["input_ids"]) + 1  # one token beside the special ones
        if self.max_source_len < shortest:
            raise InferenceError(
                f"max_source_len is at least {shortest} with this tokenizer, not {self.max_source_len}"
            )
        positions = max_source_positions(self.model)
        if positions is not None and self.max_source_len > positions:
            raise InferenceError(
                f"max_source_len is {self.max_source_len}; the model's encoder has {positions} positions"
            )

    def check_writing(self) -> None:
        """Raises: InferenceError if a written answer may be longer than the decoder; ranking writes none."""
        self.decoding.check(max_target_len=max_positions(self.model))

    def stream(self, prompts: Iterable[Prompt], *, at_once: bool) -> Iterator[Prediction]:
        """One prediction per prompt, in order; prompts are read a window at a time.

        Each prediction is there as soon as its batch and those of all earlier prompts are done.

        Args:
            at_once: nobody waits for the first answers, nor gets them where a later prompt fails: all windows
                are long, which costs less padding, and looked through before any of their prompts is asked.
        Raises: InferenceError, once all before it are answered, for a prompt that cannot be answered.
        """
        max_source_len = self.max_source_len or default_max_source_len(self.model, self.tokenizer)
        source_encoder = SourceEncoder(self.tokenizer, max_source_len)
        choice_encoder = ChoiceEncoder(self.tokenizer, max_target_len=max_positions(self.model))
        first = WINDOW if at_once else FIRST_WINDOW
        try:
            for window in growing_windows(prompts, first=first, last=WINDOW, keep=not at_once):
                for encoded in _encoded(window, source_encoder, choice_encoder, keep=not at_once):
                    yield from in_order(chain(self._ranked(encoded), self._generated(encoded)))
        finally:
            source_encoder.report()

    def _ranked(self, window: "_Window") -> Iterator[tuple[int, Prediction]]:
        """(position in the window, prediction) of the prompts that have choices, batch by batch."""
        prompts, sources = window.prompts, window.sources
        choices_of = {i: prompt.choices for i, prompt in enumerate(prompts) if prompt.choices is not None}
        choice_ids = dict(zip(choices_of, window.choice_ids, strict=True))
        for batch in self._batches(sources, list(choices_of)):
            with _evaluation_mode(self.model):
                logprobs = choice_logprobs(
                    self.model,
                    batch,
                    [choice_ids[position] for position in batch.positions],
                    max_tokens=self.max_batch_tokens,
                )
            for position, sums in zip(batch.positions, logprobs, strict=True):
                choices = choices_of[position]
                scores = normalised(sums, choices, choice_ids[position], self.length_norm)
                winner = scores.index(max(scores))
                yield (
                    position,
                    Prediction(
                        text=choices[winner],
                        logprob=sums[winner],
                        choices=choices,
                        logprobs=scores,
                        probabilities=softmax(scores),
                        length_norm=self.length_norm,
                        **_origin(prompts[position], sources[position]),
                    ),
                )

    def _generated(self, window: "_Window") -> Iterator[tuple[int, Prediction]]:
        """The same for the prompts without choices."""
        prompts, sources = window.prompts, window.sources
        free = [position for position, prompt in enumerate(prompts) if prompt.choices is None]
        if free:
            self.check_writing()
        for batch in self._batches(sources, free, copies=self.decoding.num_beams):
            texts = [prompts[position].source for position in batch.positions]
            with _evaluation_mode(self.model):
                ids, logprobs = generate_batch(self.model, batch, texts, self.decoding)
            answers = self.tokenizer.batch_decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            for position, answer, logprob in zip(batch.positions, answers, logprobs, strict=True):
                origin = _origin(prompts[position], sources[position])
                yield position, Prediction(text=answer, logprob=logprob, **origin)

    def _batches(
        self, sources: Sequence[EncodedSource], positions: Sequence[int], *, copies: int = 1
    ) -> Iterator[SourceBatch]:
        return source_batches(
            sources,
            positions,
            max_tokens=max(1, self.max_batch_tokens // copies),
            batch_size=self.batch_size,
            pad_id=self.tokenizer.pad_token_id,
            device=self.model.device,
        )


def max_positions(model: PreTrainedModel) -> int | None:
    """Positions of the encoder and of the decoder (BART: 1024); None for relative positions, as T5's."""
    return getattr(model.config, "max_position_embeddings", None)


def max_source_positions(model: PreTrainedModel) -> int | None:
    """Tokens a source can have at most: a prompt that an adapter puts before it takes up some."""
    positions = max_positions(model)
    return None if positions is None else positions - num_virtual_tokens(model)


def default_max_source_len(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """The model's limit or the tokenizer's, the lower of the two; 1024 if neither has one."""
    limits = [max_source_positions(model), tokenizer.model_max_length]
    # A tokenizer without a limit says so by a huge number.
    return min((limit for limit in limits if limit and limit < 10**9), default=DEFAULT_MAX_SOURCE_LEN)


@dataclass(frozen=True, eq=False)
class _Window:
    """Prompts with the ids of their sources, and of the choices of those that have any."""

    prompts: Sequence[Prompt]
    sources: Sequence[EncodedSource]
    choice_ids: Sequence[Sequence[Sequence[int]]]


def _encoded(
    prompts: Sequence[Prompt], source_encoder: SourceEncoder, choice_encoder: ChoiceEncoder, *, keep: bool
) -> Iterator[_Window]:
    """One window; if a prompt is at fault, its error, or to `keep` answers first windows of all before it."""
    try:
        choice_ids = choice_encoder.encode(prompts)  # first: only sources count what they encode
        window = _Window(prompts, source_encoder.encode(prompts), choice_ids)
    except T2TError:
        if len(prompts) == 1 or not keep:
            raise
    else:
        yield window
        return
    half = len(prompts) // 2
    yield from _encoded(prompts[:half], source_encoder, choice_encoder, keep=True)
    yield from _encoded(prompts[half:], source_encoder, choice_encoder, keep=True)


def _origin(prompt: Prompt, source: EncodedSource) -> dict[str, Any]:
    return {
        "num_source_tokens": len(source.ids),
        "truncated": source.truncated,
        "num_dropped_demonstrations": source.num_dropped_demonstrations,
        "source": prompt.source,
        "task": prompt.task,
        "template": prompt.template,
        "example_id": prompt.example_id,
    }


@contextmanager
def _evaluation_mode(model: PreTrainedModel) -> Iterator[None]:
    """Dropout off, and back on afterwards where a training loop had it on.

    Around the model's calls alone, and never over a yield: between two predictions the model is as its owner
    left it.
    """
    if not model.training:  # left alone, so that threads that share a model do not disturb each other
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()
