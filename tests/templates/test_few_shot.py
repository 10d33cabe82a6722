from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t.errors import DataError
from t2t.templates.few_shot import (
    choose_demonstrations,
    keep_demonstrations,
    with_demonstrations,
    without_query,
)
from t2t.templates.template import RenderedExample


def example(number: int) -> RenderedExample:
    return RenderedExample(f"q{number}", f"a{number}", None, (f"a{number}",), "rte", "t", f"train:{number}")


POOL = [example(number) for number in range(20)]


@given(query=st.integers(0, 30), shots=st.integers(0, 19), seed=st.integers())
def test_demonstrations_depend_on_seed_and_id_only_and_never_hold_the_query(query, shots, seed):
    chosen = choose_demonstrations(POOL, example_id=f"train:{query}", shots=shots, seed=seed)
    assert len({demonstration.example_id for demonstration in chosen}) == shots
    assert f"train:{query}" not in {demonstration.example_id for demonstration in chosen}
    assert choose_demonstrations(POOL, example_id=f"train:{query}", shots=shots, seed=seed) == chosen


def test_seeds_and_queries_get_different_demonstrations():
    drawn = {
        choose_demonstrations(POOL, example_id=f"test:{query}", shots=4, seed=seed)
        for query in range(5)
        for seed in range(5)
    }
    assert len(drawn) == 25


def test_the_choice_is_the_same_on_every_machine():
    chosen = choose_demonstrations(POOL, example_id="test:0", shots=3, seed=0)
    assert [demonstration.example_id for demonstration in chosen] == ["train:7", "train:4", "train:13"]


def test_rows_without_an_id_may_all_be_chosen():
    pool = [RenderedExample(f"q{number}", "a", None, ("a",), "rte", "t", "") for number in range(2)]
    assert len(choose_demonstrations(pool, example_id="", shots=2, seed=0)) == 2


def test_too_small_a_pool_is_an_error():
    with pytest.raises(DataError) as caught:
        choose_demonstrations(POOL[:3], example_id="train:0", shots=3, seed=0)
    assert str(caught.value) == '3 demonstrations asked for, but only 2 rows of task "rte" to choose from'
    with pytest.raises(DataError) as caught:
        choose_demonstrations([], example_id="", shots=1, seed=0)
    assert str(caught.value) == "1 demonstrations asked for, but only 0 rows to choose from"


def test_what_asks_the_query_is_told_by_its_choices_too():
    def which(*choices: str, example_id: str) -> RenderedExample:
        return RenderedExample("Which is right?", "a", choices, (choices[0],), "blimp", "t", example_id)

    other = which("c", "d", example_id="train:1")
    pool = [which("a", "b", example_id="train:0"), which("b", "a", example_id="train:2"), other, example(1)]
    assert without_query(pool, which("a", "b", example_id="row:0")) == [other, example(1)]
    assert without_query([example(1), example(2)], replace(example(1), example_id="row:0")) == [example(2)]


def test_demonstrations_stand_before_the_query():
    shown = with_demonstrations(example(3), [example(1), example(2)])
    assert shown.source == "q1\na1\n\nq2\na2\n\nq3"
    assert (shown.target, shown.example_id) == ("a3", "train:3")
    assert with_demonstrations(example(3), []) == example(3)
    assert "".join(shown.demonstrations) + "q3" == shown.source


def test_the_first_demonstrations_are_kept():
    shown = with_demonstrations(example(3), [example(1), example(2)])
    kept = [keep_demonstrations(shown.source, shown.demonstrations, number) for number in (2, 1, 0)]
    assert kept == [shown.source, "q1\na1\n\nq3", "q3"]
