"""What scores without a model, counted by hand."""

import pytest

from t2t.evaluation.baselines import chance_score, majority_score
from t2t.templates.template import RenderedExample


def asked(target: str, *choices: str, references: tuple[str, ...] = ()) -> RenderedExample:
    return RenderedExample("?", target, choices or None, references or (target,), "toy", "one", "test:0")


def test_majority_is_the_most_frequent_label():
    examples = [asked(word, "no", "yes") for word in ("yes", "no", "yes", "yes")]
    assert majority_score("accuracy", examples) == 75
    # Class yes: 3 right of 4 given and 3 wanted, F1 6/7; class no: 0.
    assert majority_score("macro_f1", examples) == pytest.approx(100 * (6 / 7) / 2)


def test_majority_of_choices_that_differ_is_the_most_frequent_place():
    examples = [asked("b", "a", "b"), asked("d", "c", "d", "e"), asked("f", "f", "g")]
    assert majority_score("accuracy", examples) == pytest.approx(100 * 2 / 3)


def test_a_row_with_fewer_choices_gets_its_last_one():
    examples = [asked("c", "a", "b", "c"), asked("c", "a", "b", "c"), asked("e", "d", "e")]
    assert majority_score("accuracy", examples) == 100


def test_majority_of_free_answers_counts_every_reference():
    examples = [asked("Paris"), asked("Paris"), asked("Rome", references=("Rome", "the paris"))]
    assert majority_score("exact_match", examples) == 100
    assert majority_score("accuracy", examples) == pytest.approx(100 * 2 / 3)


def test_chance_is_the_mean_share_of_a_choice():
    examples = [asked("a", "a", "b"), asked("a", "a", "b", "c", "d")]
    assert chance_score("accuracy", examples) == 37.5  # (50 + 25) / 2
    assert chance_score("macro_f1", examples) is None
    assert chance_score("exact_match", [asked("a")]) == 0
