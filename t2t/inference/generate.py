"""Free text: greedy decoding, beam search or sampling, through `transformers`' own generate.

The checkpoint's generation config gives the special tokens (start, end, forced and suppressed ones) and the
words it may not write; how to search is said by `Decoding` alone, so that two checkpoints asked the same way
answer the same way.

Sampling draws one uniform number per source and step and looks it up in the cumulative distribution
(inverse transform sampling). The numbers depend on the seed and the source alone, not on what else is in the
batch, nor on the device; rounding can still tip a number that falls between two tokens.

Paper: Holtzman et al. 2020 (nucleus sampling), arXiv:1904.09751.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from t2t.errors import InferenceError
from t2t.inference.prompts import SourceBatch
from t2t.inference.rank import answer_logprobs, encode_batch
from t2t.tokens.batches import IGNORED_LABEL

LEAST_TEMPERATURE = 1e-6  # the likeliest token already, in all but ties; less would overflow float32


@dataclass(frozen=True)
class Decoding:
    """How to write an answer. Greedy as it stands; `temperature` samples, `num_beams` searches.

    Attributes:
        max_new_tokens: tokens to write at most, the end-of-sequence included.
        num_beams: hypotheses kept by beam search; 1 keeps none. Ranked by mean token log-probability.
        temperature: at least 1e-6; the logits are divided by it before sampling. None takes the likeliest
            token.
        top_p: 0 to 1; samples among the likeliest tokens that hold this share of the probability.
        seed: the same seed gives the same source the same answer. None draws anew for every source.
    """

    max_new_tokens: int = 64
    num_beams: int = 1
    temperature: float | None = None
    top_p: float = 1.0
    seed: int | None = None

    def check(self, *, max_target_len: int | None = None) -> None:
        """Raises: InferenceError for a value out of range or options that exclude each other."""
        if self.max_new_tokens < 1 or self.num_beams < 1:
            raise InferenceError(
                f"max_new_tokens and num_beams are at least 1, not {self.max_new_tokens} and {self.num_beams}"
            )
        if max_target_len is not None and self.max_new_tokens > max_target_len:
            raise InferenceError(
                f"max_new_tokens is {self.max_new_tokens}; the model's decoder has {max_target_len} positions"
            )
        if self.temperature is not None and not LEAST_TEMPERATURE <= self.temperature < math.inf:
            raise InferenceError(
                f"temperature is at least {LEAST_TEMPERATURE} and finite, not {self.temperature}",
                mend="leave it out for greedy decoding",
            )
        if not 0 < self.top_p <= 1:
            raise InferenceError(f"top_p is above 0 and at most 1, not {self.top_p}")
        if self.temperature is None and self.top_p < 1:
            raise InferenceError(
                "top_p is for sampling, and without a temperature nothing is sampled",
                mend="add temperature=1.0",
            )
        if self.temperature is not None and self.num_beams > 1:
            raise InferenceError(
                "beam search does not sample", mend="leave out temperature, or set num_beams=1"
            )


@torch.inference_mode()
def generate_batch(
    model: PreTrainedModel, batch: SourceBatch, sources: Sequence[str], decoding: Decoding
) -> tuple[list[list[int]], list[float]]:
    """The ids that the model writes for each source, and their log-likelihoods in nats.

    Args:
        sources: the texts of the rows of the batch; sampling is seeded by them.
    Returns: ids without the decoder's start token, up to and with the end-of-sequence, if it came; and the
        sum of their token log-probabilities under the model itself (temperature 1, no forced tokens).
    """
    states = encode_batch(model, batch)
    processors = LogitsProcessorList()
    if decoding.temperature is not None:
        uniforms = torch.stack([uniform_numbers(decoding, source) for source in sources])
        processors.append(
            InverseTransformSampling(uniforms.to(model.device), decoding.temperature, decoding.top_p)
        )
    sequences = model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),  # beam search repeats its rows in place
        attention_mask=batch.attention_mask,
        generation_config=_generation_config(model, decoding),
        logits_processor=processors,
    )  # (batch, 1 + answer_len): the decoder's start token comes first
    answers = sequences[:, 1:]
    labels = answers.masked_fill(_after_end(answers, model.generation_config.eos_token_id), IGNORED_LABEL)
    logprobs = answer_logprobs(model, states, batch.attention_mask, sequences[:, :-1], labels)
    return [[token for token in row if token != IGNORED_LABEL] for row in labels.tolist()], logprobs


class InverseTransformSampling(LogitsProcessor):
    """Leaves one token possible: the one at which the cumulative probability passes a given number.

        probabilities  0.5 0.3 0.2      top_p 0.7 keeps 0.5 0.3      number 0.7 * 0.8 = 0.56: the second

    Args:
        uniforms: numbers in [0, 1): (batch, max_new_tokens).
    """

    def __init__(self, uniforms: torch.Tensor, temperature: float, top_p: float) -> None:
        self._uniforms = uniforms
        self._temperature = temperature
        self._top_p = top_p

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        step = input_ids.shape[1] - 1  # the decoder's start token is there already
        probabilities = (scores.float() / self._temperature).softmax(-1)
        probabilities, order = probabilities.sort(descending=True, stable=True)  # both (batch, vocab)
        before = probabilities.cumsum(-1) - probabilities
        kept = probabilities.masked_fill(before >= self._top_p, 0.0)  # never the first: nothing is before it
        cumulative = kept.cumsum(-1)
        number = self._uniforms[:, step, None] * cumulative[:, -1:]
        place = (cumulative <= number).sum(-1, keepdim=True)
        # Rounding may put the number at the very end, past every token that is kept.
        place = torch.minimum(place, (kept > 0).sum(-1, keepdim=True) - 1)
        return torch.full_like(scores, -torch.inf).scatter(-1, order.gather(-1, place), 0.0)


def uniform_numbers(decoding: Decoding, source: str) -> torch.Tensor:
    """One number in [0, 1) per step, float32 (max_new_tokens,), from the seed and the source alone."""
    entropy = None
    if decoding.seed is not None:
        key = f"{decoding.seed}\0{source}".encode("utf-8", "surrogatepass")
        entropy = int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "big")
    numbers = np.random.default_rng(entropy).random(decoding.max_new_tokens, dtype=np.float32)
    return torch.from_numpy(numbers)


def _generation_config(model: PreTrainedModel, decoding: Decoding) -> GenerationConfig:
    """Every search option that has a neutral value set to it, or to what is asked for.

    Generate fills each unset one from the checkpoint's own config, and so those that have no neutral value,
    such as bad_words_ids, sequence_bias and stop_strings.
    """
    own = model.generation_config
    length = {"max_new_tokens": decoding.max_new_tokens}
    if own.max_length is not None and own.max_new_tokens is None:
        # A checkpoint with a max_length of its own gets ours in the same form: both forms together log a
        # warning in every call.
        length = {"max_length": decoding.max_new_tokens + 1}
    # Both forms of the shortest length together log a warning too.
    length["min_length" if own.min_new_tokens is None else "min_new_tokens"] = 0
    return GenerationConfig(
        **length,
        num_beams=decoding.num_beams,
        do_sample=False,  # sampling is greedy decoding after InverseTransformSampling
        temperature=1.0,
        top_k=50,
        top_p=1.0,
        length_penalty=1.0,
        exponential_decay_length_penalty=None if own.exponential_decay_length_penalty is None else (0, 1.0),
        repetition_penalty=1.0,
        encoder_repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        encoder_no_repeat_ngram_size=0,
        early_stopping=False,
        num_return_sequences=1,
        return_dict_in_generate=False,
    )


def _after_end(answers: torch.Tensor, eos_ids: int | Sequence[int]) -> torch.Tensor:
    """True after the first end-of-sequence of each row of (batch, answer_len), False up to and on it."""
    is_end = torch.isin(answers, torch.tensor(eos_ids, device=answers.device))
    return is_end.cumsum(-1) - is_end.long() > 0
