import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2t.errors import InferenceError
from t2t.inference import Text2Text
from t2t.inference.rank import normalised, softmax

from .conftest import target_ids

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)
CHOICES = st.lists(TEXTS, min_size=1, max_size=4, unique=True)
PROMPTS = st.lists(st.tuples(TEXTS, CHOICES), min_size=1, max_size=6)
SHARED_FIXTURES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@torch.no_grad()
def naive_logprob(model: Text2Text, source: str, choice: str) -> float:
    """One source, one choice, no padding, no cache: what the fast way must agree with."""
    inputs = model.tokenizer(source, return_tensors="pt", return_token_type_ids=False)
    labels = target_ids(model, choice)
    logits = model.model(**inputs, labels=labels).logits
    return logits.log_softmax(-1).gather(-1, labels[..., None]).sum().item()


@SHARED_FIXTURES
@given(prompts=PROMPTS)
def test_ragged_choices_score_as_one_by_one(any_model, prompts):
    sources, choices = zip(*prompts, strict=True)
    for prediction, source, given_choices in zip(
        any_model.rank(sources, choices), sources, choices, strict=True
    ):
        expected = [naive_logprob(any_model, source, choice) for choice in given_choices]
        assert prediction.logprobs == pytest.approx(expected, rel=1e-5, abs=2e-4)


@SHARED_FIXTURES
@given(prompts=PROMPTS, batch_size=st.integers(1, 4), max_batch_tokens=st.integers(1, 40))
def test_batches_never_change_scores(t5, prompts, batch_size, max_batch_tokens):
    sources, choices = zip(*prompts, strict=True)
    small = Text2Text(t5.model, t5.tokenizer, max_batch_tokens=max_batch_tokens)
    for together, apart in zip(
        t5.rank(sources, choices), small.rank(sources, choices, batch_size=batch_size), strict=True
    ):
        assert together.logprobs == pytest.approx(apart.logprobs, rel=1e-5, abs=2e-4)
        assert (together.source, together.choices) == (apart.source, apart.choices)


@SHARED_FIXTURES
@given(source=TEXTS, choices=CHOICES, data=st.data())
def test_permuting_choices_permutes_scores(t5, source, choices, data):
    order = data.draw(st.permutations(range(len(choices))))
    straight = t5.rank(source, choices)
    permuted = t5.rank(source, [choices[index] for index in order])
    assert permuted.logprobs == pytest.approx(
        [straight.logprobs[index] for index in order], rel=1e-5, abs=2e-4
    )


def test_few_logits_at_a_time_give_the_same_scores(t5, monkeypatch):
    choices = ["a", "bcd", "efghij", "k"]
    whole = t5.rank(["one", "another one"], choices)
    monkeypatch.setattr("t2t.inference.rank.MAX_LOGITS", 1)  # one pair at a time
    for one, other in zip(t5.rank(["one", "another one"], choices), whole, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, rel=1e-5, abs=2e-4)


def test_a_source_is_encoded_once_however_many_choices_it_has(t5, monkeypatch):
    rows_seen = []
    encoder = t5.model.get_encoder()
    forward = encoder.forward
    monkeypatch.setattr(
        encoder, "forward", lambda **inputs: rows_seen.append(len(inputs["input_ids"])) or forward(**inputs)
    )
    t5.rank(["one", "two", "three"], [["a", "b", "c", "d"], ["e"], ["f", "gh"]])
    assert sum(rows_seen) == 3


def test_shared_choices_are_tokenised_once_in_a_call(t5, monkeypatch):
    calls = []
    monkeypatch.setattr("t2t.inference.answering.WINDOW", 2)
    tokenizer = type(t5.tokenizer)
    original = tokenizer.__call__

    def spy(self, text=None, text_target=None, **options):
        calls.extend(text_target or [])
        return original(self, text, text_target=text_target, **options)

    monkeypatch.setattr(tokenizer, "__call__", spy)
    t5.rank(["one", "two", "three", "four", "five"], ["yes", "no"])
    assert [text for text in calls if text] == ["yes", "no"]


def test_the_best_choice_is_the_answer(t5):
    prediction = t5.rank("Which?", ["one", "three", "five"])
    best = max(range(3), key=lambda index: prediction.logprobs[index])
    assert prediction.text == prediction.choices[best]
    assert prediction.logprob == prediction.logprobs[best]
    assert prediction.length_norm == "sum"
    assert sum(prediction.probabilities) == pytest.approx(1)


@pytest.mark.parametrize(
    "length_norm, divisors", [("sum", (1, 1)), ("mean_token", (3, 4)), ("mean_byte", (2, 3))]
)
def test_length_norm_divides_what_it_says(t5, length_norm, divisors):
    # One token per byte: "no" has 2 and the end, "yes" has 3 and the end.
    sums = t5.rank("Well?", ["no", "yes"]).logprobs
    prediction = t5.rank("Well?", ["no", "yes"], length_norm=length_norm)
    expected = [score / divisor for score, divisor in zip(sums, divisors, strict=True)]
    assert prediction.logprobs == pytest.approx(expected)
    assert prediction.length_norm == length_norm


def test_logprob_is_a_sum_under_every_length_norm(t5):
    sums = dict(zip(["no", "yes"], t5.rank("Well?", ["no", "yes"]).logprobs, strict=True))
    prediction = t5.rank("Well?", ["no", "yes"], length_norm="mean_byte")
    assert prediction.logprob == pytest.approx(sums[prediction.text])


def test_mean_byte_counts_bytes_not_letters():
    assert normalised([-6.0], ["né"], [[7, 8, 1]], "mean_byte") == (-2.0,)  # é has two bytes


def test_softmax():
    assert softmax([0, -math.log(3)]) == pytest.approx((0.75, 0.25))  # 1 : 1/3
    assert softmax([-1000.0, -1000.0]) == (0.5, 0.5)


def test_scores_are_float32_under_a_bfloat16_model(t5):
    model = type(t5.model)(t5.model.config).to(torch.bfloat16).eval()
    prediction = Text2Text(model, t5.tokenizer).rank("Well?", ["no", "yes"])
    # A sum of bfloat16 log-probabilities would itself be representable in bfloat16.
    assert any(torch.tensor(score).bfloat16().item() != score for score in prediction.logprobs)


def test_score_is_the_log_likelihood_of_each_target(any_model):
    sources, targets = ["one", "two words"], ["a target", "b"]
    expected = [naive_logprob(any_model, *pair) for pair in zip(sources, targets, strict=True)]
    assert any_model.score(sources, targets) == pytest.approx(expected, rel=1e-5, abs=2e-4)
    assert any_model.score("one", "a target") == pytest.approx(expected[0], rel=1e-5, abs=2e-4)


def test_score_agrees_with_the_loss_of_transformers(t5):
    inputs = t5.tokenizer("one", return_tensors="pt", return_token_type_ids=False)
    labels = t5.tokenizer(text_target="target", return_tensors="pt").input_ids
    with torch.no_grad():
        loss = t5.model(**inputs, labels=labels).loss.item()  # mean over tokens
    assert t5.score("one", "target") == pytest.approx(-loss * labels.shape[1], abs=1e-4)


def test_a_choice_longer_than_the_decoder_is_refused(bart):
    with pytest.raises(InferenceError) as raised:
        bart.rank("Which?", ["a", "b" * 70])
    assert str(raised.value) == (
        f"an answer choice has 72 tokens, and the model's decoder 64 positions: '{'b' * 59}\n  where: source"
    )


def test_scores_that_are_not_finite_are_refused(t5):
    model = type(t5.model)(t5.model.config).eval()
    with torch.no_grad():
        model.shared.weight.fill_(torch.inf)
    with pytest.raises(InferenceError) as raised:
        Text2Text(model, t5.tokenizer).rank("Which?", ["a", "b"])
    assert str(raised.value) == (
        "the model's scores are not finite\n"
        '  mend:  load it with dtype="float32" or "bfloat16"; float16 overflows in T5'
    )


@pytest.mark.parametrize(
    "choices, message",
    [
        ([], "there are no answer choices\n  where: sources[1]\n  mend:  give at least one"),
        (["a", " "], "an answer choice is empty\n  where: sources[1]\n  mend:  give it at least one word"),
        (["a", 3], "an answer choice is no text but int: 3\n  where: sources[1]"),
        (["a", ["b"]], "an answer choice is no text but list: ['b']\n  where: sources[1]"),
        (
            ["a", "so good \ud83d"],
            "an answer choice holds half of a surrogate pair, which is no character: '\\ud83d'\n"
            "  where: sources[1]\n"
            '  mend:  leave it out, as text.encode(errors="ignore").decode() does',
        ),
        (
            ["yes", "no", "yes"],
            "an answer choice is there twice: 'yes'\n  where: sources[1]",
        ),
    ],
)
def test_choices_that_cannot_be_ranked_are_refused(t5, choices, message):
    with pytest.raises(InferenceError) as raised:
        t5.rank(["fine", "wrong"], [["a", "b"], choices])
    assert str(raised.value) == message


def test_a_choice_without_tokens_is_refused(lossy):
    with pytest.raises(InferenceError) as raised:
        lossy.rank("Which?", ["a", "**"])
    assert str(raised.value) == ("the tokenizer makes no tokens of an answer choice: '**'\n  where: source")


def test_choices_that_are_the_same_tokens_are_refused(lossy):
    with pytest.raises(InferenceError) as raised:
        lossy.rank("Which?", ["Yes", "no", "yes"])
    assert str(raised.value) == (
        "two answer choices are the same tokens to this model: 'Yes' and 'yes'\n"
        "  where: source\n"
        "  mend:  reword one of them"
    )


def test_an_unknown_length_norm_is_refused_before_anything_is_read(t5):
    with pytest.raises(InferenceError) as raised:
        t5.rank(iter([]), ["a"], length_norm="mean")
    assert str(raised.value) == 'there is no length_norm "mean"\n  have:  sum, mean_token, mean_byte'
