"""Rank classification: the log-likelihood of every answer choice under the model; the best one wins.

A source is read once, however many choices it has. The encoder runs once over it, and so does the decoder's
first position, which is the same for every choice and leaves behind the cross-attention keys and values of
the source. These are then gathered by index for flat (source, choice) pairs, sorted by choice length and cut
into chunks, so that ragged choices cost no padding to speak of:

    sources   s0: "yes" "no"    s1: "a" "rather long" "b"
    pairs     s0 "yes" | s0 "no" | s1 "a" | s1 "b" || s1 "rather long"

Shapes: batch = sources, pairs = (source, choice) pairs, choice_len = tokens of the longest choice of a chunk.

Paper: Sanh et al. 2022 (T0), arXiv:2110.08207. Checked against its code, `t0/model.py` of
bigscience-workshop/t-zero, which sums token log-probabilities without any length normalisation.
"""

import copy
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch
from torch.nn import functional
from transformers import EncoderDecoderCache, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput

from t2t.errors import InferenceError, Location
from t2t.inference.prompts import Prompt, SourceBatch, check_text, pad
from t2t.model.decoder_inputs import decoder_inputs
from t2t.tokens import encode_texts
from t2t.tokens.batches import IGNORED_LABEL

LengthNorm = Literal["sum", "mean_token", "mean_byte"]

MAX_LOGITS = 2**26  # numbers in the logits of one chunk: 256 MiB as float32
MAX_KNOWN_CHOICES = 4096  # sets of choices kept tokenised during one call


class ChoiceEncoder:
    """Turns answer choices into label ids, each set of choices once in a call.

    Args:
        max_target_len: positions of the decoder, where they are limited (BART); None for T5.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, max_target_len: int | None) -> None:
        self._tokenizer = tokenizer
        self._max_target_len = max_target_len
        self._nothing = self._ids([""])[0]
        self._known: dict[tuple[str, ...], list[list[int]]] = {}

    def encode(self, prompts: Sequence[Prompt]) -> list[list[list[int]]]:
        """The ids of each prompt's choices, special tokens included, as in training.

        Raises: InferenceError for choices that cannot be told apart or cannot be scored.
        """
        if len(self._known) > MAX_KNOWN_CHOICES:
            self._known.clear()
        for prompt in prompts:
            for choice in prompt.choices or ():
                if not isinstance(choice, str):  # such as a list, by which nothing can be looked up
                    check_text(choice, "an answer choice", prompt.location)
        new = {
            prompt.choices: prompt
            for prompt in reversed(prompts)  # so that an error names the first prompt with these choices
            if prompt.choices is not None and prompt.choices not in self._known
        }
        for choices, prompt in new.items():
            check_choices(choices, prompt.location)
        texts = list(dict.fromkeys(text for choices in new for text in choices))
        ids_of = dict(zip(texts, self._ids(texts), strict=True))
        for choices, prompt in new.items():
            choice_ids = [ids_of[choice] for choice in choices]
            self._check_ids(choices, choice_ids, prompt.location)
            self._known[choices] = choice_ids
        return [self._known[prompt.choices] for prompt in prompts if prompt.choices is not None]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = encode_texts(self._tokenizer, texts, max_len=sys.maxsize, are_targets=True)
        return [ids.tolist() for ids, _ in encoded]

    def _check_ids(self, choices: Sequence[str], choice_ids: list[list[int]], location: Location) -> None:
        first_with: dict[tuple[int, ...], str] = {}
        for choice, ids in zip(choices, choice_ids, strict=True):
            if ids == self._nothing:
                raise InferenceError(
                    f"the tokenizer makes no tokens of an answer choice: {choice!r}", where=location
                )
            if self._max_target_len is not None and len(ids) > self._max_target_len:
                raise InferenceError(
                    f"an answer choice has {len(ids)} tokens, and the model's decoder "
                    f"{self._max_target_len} positions: {choice!r:.60}",
                    where=location,
                )
            if (twin := first_with.setdefault(tuple(ids), choice)) != choice:
                raise InferenceError(
                    f"two answer choices are the same tokens to this model: {twin!r} and {choice!r}",
                    where=location,
                    mend="reword one of them",
                )


def check_choices(choices: Sequence[str], location: Location) -> None:
    """Raises: InferenceError unless they are at least one text, none empty, none there twice."""
    if not choices:
        raise InferenceError("there are no answer choices", where=location, mend="give at least one")
    seen: set[str] = set()
    for choice in choices:
        check_text(choice, "an answer choice", location)
        if choice in seen:
            raise InferenceError(f"an answer choice is there twice: {choice!r}", where=location)
        seen.add(choice)


@torch.inference_mode()
def encode_batch(model: PreTrainedModel, batch: SourceBatch) -> torch.Tensor:
    """The encoder's states of a batch of sources: (batch, source_len, d_model)."""
    encoder = model.get_encoder()
    return encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state


@torch.inference_mode()
def choice_logprobs(
    model: PreTrainedModel,
    batch: SourceBatch,
    choice_ids: Sequence[Sequence[Sequence[int]]],
    *,
    max_tokens: int,
) -> list[list[float]]:
    """Log-likelihoods in nats of every choice of every source, each summed over the choice's tokens.

    Args:
        choice_ids: per source, per choice: ids ending in the end-of-sequence. Sources may have different
            numbers of choices, and choices different lengths.
        max_tokens: source and choice tokens of the pairs that go through the decoder together.
    Raises: InferenceError if a score is not finite.
    """
    pairs = [(row, ids) for row, choices in enumerate(choice_ids) for ids in choices]
    lengths = [len(ids) for _, ids in pairs]
    labels = pad([ids for _, ids in pairs], IGNORED_LABEL).to(batch.input_ids.device)  # (pairs, choice_len)
    shifted = decoder_inputs(model, labels)  # (pairs, choice_len)
    source_of_pair = torch.tensor([row for row, _ in pairs], device=labels.device)
    start_ids = shifted[:1, :1].expand(len(choice_ids), 1)  # the same for all: no choice is in it
    states = encode_batch(model, batch)
    first = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),
        attention_mask=batch.attention_mask,
        decoder_input_ids=start_ids,
        use_cache=True,
    )
    first_logprobs = first.logits[:, 0].float().log_softmax(-1)  # (batch, vocab)
    scores = first_logprobs[source_of_pair, labels[:, 0]]  # (pairs,)
    for chunk, rest_len in _chunks(lengths, batch.input_ids.shape[1], first_logprobs.shape[1], max_tokens):
        pair = torch.tensor(chunk, device=labels.device)
        source = source_of_pair[pair]
        logits = model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states[source]),
            attention_mask=batch.attention_mask[source],
            decoder_input_ids=shifted[pair, 1 : rest_len + 1],
            past_key_values=_gather(first.past_key_values, source),
            use_cache=True,
        ).logits  # (chunk, rest_len, vocab)
        scores[pair] += token_logprobs(logits, labels[pair, 1 : rest_len + 1]).sum(-1)
    nested = iter(_finite(scores))
    return [[next(nested) for _ in choices] for choices in choice_ids]


@torch.inference_mode()
def answer_logprobs(
    model: PreTrainedModel,
    states: torch.Tensor,
    attention_mask: torch.Tensor,
    decoder_input_ids: torch.Tensor,
    labels: torch.Tensor,
) -> list[float]:
    """The same, for one answer per source that the model has just written: both (batch, target_len)."""
    scores = []
    rows_at_once = max(1, MAX_LOGITS // (labels.shape[1] * model.config.get_text_config().vocab_size))
    for start in range(0, len(labels), rows_at_once):
        rows = slice(start, start + rows_at_once)
        logits = model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states[rows]),
            attention_mask=attention_mask[rows],
            decoder_input_ids=decoder_input_ids[rows],
            use_cache=False,
        ).logits
        scores.append(token_logprobs(logits, labels[rows]).sum(-1))
    return _finite(torch.cat(scores))


def token_logprobs(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (..., target_len) in float32 of the labels, 0 on padding.

    Args:
        logits: (..., target_len, vocab), of any dtype.
        labels: (..., target_len), -100 on padding.
    """
    losses = functional.cross_entropy(
        logits.float().flatten(0, -2), labels.flatten(), ignore_index=IGNORED_LABEL, reduction="none"
    )
    return -losses.view(labels.shape)


def normalised(
    logprobs: Sequence[float],
    choices: Sequence[str],
    choice_ids: Sequence[Sequence[int]],
    length_norm: LengthNorm,
) -> tuple[float, ...]:
    """Scores of choices of different lengths made comparable, in one of three ways.

    "sum"         log P(choice | source), the probability of the answer itself, as T0 ranks
    "mean_token"  divided by the tokens of the choice, end-of-sequence included
    "mean_byte"   divided by the UTF-8 bytes of the choice: does not depend on the tokenizer
    """
    if length_norm == "mean_token":
        return tuple(score / len(ids) for score, ids in zip(logprobs, choice_ids, strict=True))
    if length_norm == "mean_byte":
        return tuple(score / len(text.encode()) for score, text in zip(logprobs, choices, strict=True))
    return tuple(logprobs)


def softmax(scores: Sequence[float]) -> tuple[float, ...]:
    """Probabilities over a handful of scores in nats: (0, -ln 3) gives (0.75, 0.25)."""
    highest = max(scores)
    weights = [math.exp(score - highest) for score in scores]
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def check_length_norm(length_norm: str) -> None:
    """Raises: InferenceError for an unknown length_norm."""
    if length_norm not in get_args(LengthNorm):
        raise InferenceError(f'there is no length_norm "{length_norm}"', have=get_args(LengthNorm))


def _chunks(
    lengths: Sequence[int], source_len: int, vocab_size: int, max_tokens: int
) -> Iterator[tuple[list[int], int]]:
    """Pairs of like lengths to decode together, and the tokens the longest has after its first one.

    Args:
        lengths: tokens of each pair's choice. A choice of one token is scored already: it is in no chunk.
    """
    order = sorted((pair for pair, length in enumerate(lengths) if length > 1), key=lambda i: -lengths[i])
    start = 0
    while start < len(order):
        rest_len = lengths[order[start]] - 1
        size = max(1, min(max_tokens // (source_len + rest_len), MAX_LOGITS // (rest_len * vocab_size)))
        yield order[start : start + size], rest_len
        start += size


def _gather(cache: EncoderDecoderCache, rows: torch.Tensor) -> EncoderDecoderCache:
    """A new cache that holds these rows of the old one, repeats allowed; the old one stays as it is."""
    halves = []
    for half in (cache.self_attention_cache, cache.cross_attention_cache):
        new = copy.copy(half)
        new.layers = [copy.copy(layer) for layer in half.layers]
        new.batch_select_indices(rows)
        halves.append(new)
    return EncoderDecoderCache(*halves)


def _finite(scores: torch.Tensor) -> list[float]:
    if not torch.isfinite(scores).all():
        raise InferenceError(
            "the model's scores are not finite",
            mend='load it with dtype="float32" or "bfloat16"; float16 overflows in T5',
        )
    return scores.tolist()
