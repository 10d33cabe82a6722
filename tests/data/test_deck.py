from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t.data.deck import Deck

seeds = st.integers(0, 2**32)


@given(seed=seeds)
def test_every_deck_holds_the_shares_exactly(seed):
    deck = Deck((0.75, 0.25), size=8, seed=seed)
    for number in range(3):
        dealt = Counter(deck.deal(index)[0] for index in range(number * 8, number * 8 + 8))
        assert dealt == {0: 6, 1: 2}


@given(seed=seeds)
def test_each_part_counts_its_own_cards_without_a_gap(seed):
    deck = Deck((0.5, 0.3, 0.2), size=10, seed=seed)
    cards = [deck.deal(index) for index in range(35)]
    for part in range(3):
        before = [num_before for dealt, num_before in cards if dealt == part]
        assert before == list(range(len(before)))


def test_a_share_above_zero_gets_a_card_and_zero_gets_none():
    deck = Deck((0.999, 0.001, 0.0), size=10, seed=0)
    # 10 cards for the first, one for the second although 0.001 of 10 rounds to none
    assert Counter(deck.deal(index)[0] for index in range(11)) == {0: 10, 1: 1}


@pytest.mark.parametrize("indices", [[25, 3, 14], [14, 25, 3]])
def test_cards_do_not_depend_on_the_order_they_are_asked_for(indices):
    shares = (0.6, 0.4)
    in_order = [Deck(shares, size=10, seed=4).deal(index) for index in range(30)]
    deck = Deck(shares, size=10, seed=4)
    assert [deck.deal(index) for index in indices] == [in_order[index] for index in indices]
