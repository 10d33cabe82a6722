import logging
import math

import pytest
import torch

from t2t.errors import InferenceError
from t2t.inference import Text2Text
from t2t.inference.generate import Decoding, InverseTransformSampling, uniform_numbers

SOURCES = ["one", "a rather longer source text", "x", "two words", "and the last"]


@pytest.mark.parametrize("num_beams", [1, 3])
def test_generates_what_transformers_generates_one_by_one(any_model, num_beams):
    together = any_model.generate(SOURCES, max_new_tokens=8, num_beams=num_beams)
    for prediction, source in zip(together, SOURCES, strict=True):
        inputs = any_model.tokenizer(source, return_tensors="pt", return_token_type_ids=False)
        ids = any_model.model.generate(**inputs, max_new_tokens=8, num_beams=num_beams, do_sample=False)
        assert prediction.text == any_model.tokenizer.decode(ids[0], skip_special_tokens=True)


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}, {"temperature": 1.0, "top_p": 0.9, "seed": 5}])
def test_batches_never_change_an_answer(any_model, options):
    apart = [any_model.generate(source, max_new_tokens=8, **options) for source in SOURCES]
    for batch_size in (2, 5):
        together = any_model.generate(SOURCES, max_new_tokens=8, batch_size=batch_size, **options)
        assert [prediction.text for prediction in together] == [prediction.text for prediction in apart]
        assert [prediction.logprob for prediction in together] == pytest.approx(
            [prediction.logprob for prediction in apart], abs=2e-4
        )


def test_logprob_is_the_likelihood_of_the_tokens_written(t5):
    # A toy token is a byte, so an answer cut by max_new_tokens cannot be scored as a text: its logprob is
    # summed here from the steps of generate itself.
    inputs = t5.tokenizer("one", return_tensors="pt", return_token_type_ids=False)
    steps = t5.model.generate(
        **inputs, max_new_tokens=8, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    expected = sum(logits.log_softmax(-1).max().item() for logits in steps.logits)
    assert t5.generate("one", max_new_tokens=8).logprob == pytest.approx(expected, abs=2e-4)


def test_a_seed_repeats_an_answer_and_another_one_changes_it(t5):
    def answers(seed):
        return [
            prediction.text
            for prediction in t5.generate(SOURCES, temperature=2.0, seed=seed, max_new_tokens=8)
        ]

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)
    assert answers(None) != answers(None)


def test_sampling_leaves_the_global_generator_alone(t5):
    before = torch.get_rng_state()
    t5.generate("one", temperature=1.0, max_new_tokens=4)
    assert torch.equal(torch.get_rng_state(), before)


def sampled_shares(
    probabilities: list[float], *, temperature: float = 1.0, top_p: float = 1.0
) -> list[float]:
    """How often each token is picked when the numbers drawn are spread evenly over [0, 1)."""
    draws = 1000
    uniforms = ((torch.arange(draws) + 0.5) / draws)[:, None]
    scores = torch.tensor(probabilities).log().expand(draws, -1)
    processor = InverseTransformSampling(uniforms, temperature, top_p)
    picked = processor(torch.zeros(draws, 1, dtype=torch.int64), scores).argmax(-1)
    return [(picked == token).float().mean().item() for token in range(len(probabilities))]


def test_sampling_follows_the_distribution():
    assert sampled_shares([0.2, 0.5, 0.3]) == pytest.approx([0.2, 0.5, 0.3], abs=2e-3)


def test_top_p_keeps_the_likeliest_tokens_that_hold_that_share():
    # 0.5 + 0.3 reaches 0.7; what is left is scaled up: 0.5 / 0.8 and 0.3 / 0.8
    assert sampled_shares([0.2, 0.5, 0.3], top_p=0.7) == pytest.approx([0, 0.625, 0.375], abs=2e-3)
    assert sampled_shares([0.2, 0.5, 0.3], top_p=0.1) == [0, 1, 0]


def test_temperature_sharpens():
    # squares at temperature 0.5: 0.04, 0.25, 0.09, which sum to 0.38
    assert sampled_shares([0.2, 0.5, 0.3], temperature=0.5) == pytest.approx(
        [0.04 / 0.38, 0.25 / 0.38, 0.09 / 0.38], abs=2e-3
    )


def test_a_number_at_the_very_end_picks_the_last_token_that_is_kept():
    processor = InverseTransformSampling(torch.ones(1, 1), 1.0, 0.7)
    scores = torch.tensor([[0.2, 0.5, 0.3]]).log()
    assert processor(torch.zeros(1, 1, dtype=torch.int64), scores).argmax(-1).tolist() == [2]


def test_numbers_depend_on_seed_and_source():
    decoding = Decoding(max_new_tokens=3, temperature=1.0, seed=1)
    first = uniform_numbers(decoding, "one")
    assert first.shape == (3,)
    assert torch.equal(first, uniform_numbers(decoding, "one"))
    assert not torch.equal(first, uniform_numbers(decoding, "two"))
    # A longer answer starts with the same numbers.
    longer = Decoding(max_new_tokens=5, temperature=1.0, seed=1)
    assert torch.equal(first, uniform_numbers(longer, "one")[:3])


CNN = {  # as bart-large-cnn has them
    "max_length": 142,
    "min_length": 56,
    "num_beams": 4,
    "length_penalty": 2.0,
    "no_repeat_ngram_size": 3,
}


@pytest.mark.parametrize(
    ("options", "end_ids"),
    [
        (CNN, [1]),
        ({"min_new_tokens": 8}, list(range(1, 261))),  # every answer ends with its first token
        ({"exponential_decay_length_penalty": (1, 1000.0)}, [1]),
        ({"encoder_repetition_penalty": 5.0}, [1]),
    ],
)
def test_the_search_options_of_a_checkpoint_are_not_used_and_nothing_is_logged(
    t5, caplog, monkeypatch, options, end_ids
):
    def answers(**options):
        model = type(t5.model)(t5.model.config).eval()
        model.load_state_dict(t5.model.state_dict())
        model.generation_config.update(eos_token_id=end_ids, **options)
        found = Text2Text(model, t5.tokenizer).generate(SOURCES, max_new_tokens=8)
        return [prediction.text for prediction in found]

    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        assert answers(**options) == answers()
    assert caplog.records == []


def test_special_tokens_of_a_checkpoint_are_used(bart):
    model = type(bart.model)(bart.model.config).eval()
    model.generation_config.forced_bos_token_id = ord("z") + 40  # some byte
    answers = Text2Text(model, bart.tokenizer).generate(SOURCES, max_new_tokens=3)
    assert len({prediction.text[0] for prediction in answers}) == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_new_tokens": 0}, "max_new_tokens and num_beams are at least 1, not 0 and 1"),
        ({"max_new_tokens": 65}, "max_new_tokens is 65; the model's decoder has 64 positions"),
        (
            {"temperature": 0},
            "temperature is at least 1e-06 and finite, not 0\n  mend:  leave it out for greedy decoding",
        ),
        (
            {"temperature": math.inf},
            "temperature is at least 1e-06 and finite, not inf\n  mend:  leave it out for greedy decoding",
        ),
        ({"temperature": 1.0, "top_p": 0}, "top_p is above 0 and at most 1, not 0"),
        (
            {"top_p": 0.9},
            "top_p is for sampling, and without a temperature nothing is sampled\n"
            "  mend:  add temperature=1.0",
        ),
        (
            {"temperature": 1.0, "num_beams": 2},
            "beam search does not sample\n  mend:  leave out temperature, or set num_beams=1",
        ),
    ],
)
def test_options_out_of_range_are_refused_at_once(bart, options, message):
    with pytest.raises(InferenceError) as raised:
        bart.generate(iter(["never read"]), **options)
    assert str(raised.value) == message
