"""A source that is too long loses demonstrations, the last first, and only then its end."""

import pytest

from t2t.inference.prompts import Prompt
from t2t.tokens import encode_sources, encode_texts, train_tokenizer

SHOWN = ("one two three four\n", "five six\n")
SOURCE = "intro\n" + "".join(SHOWN) + "seven eight"


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["intro one two three four five six seven eight\n"] * 50, vocab_size=384)


def encode(tokenizer, max_len, source=SOURCE, demonstrations=SHOWN):
    (encoded,) = encode_sources(tokenizer, [Prompt(source, demonstrations=demonstrations)], max_len=max_len)
    return encoded


def num_tokens(tokenizer, text):
    return len(tokenizer(text).input_ids)


@pytest.mark.parametrize(
    ("kept", "num_dropped"),
    [(SOURCE, 0), ("intro\none two three four\nseven eight", 1), ("intro\nseven eight", 2)],
)
def test_the_last_demonstrations_go_first(tokenizer, kept, num_dropped):
    encoded = encode(tokenizer, num_tokens(tokenizer, kept))
    assert encoded.ids.tolist() == tokenizer(kept).input_ids
    assert (encoded.num_dropped_demonstrations, encoded.truncated) == (num_dropped, False)


def test_the_end_goes_only_after_all_demonstrations(tokenizer):
    whole = tokenizer("intro\nseven eight").input_ids
    encoded = encode(tokenizer, len(whole) - 1)
    assert encoded.ids.tolist() == [*whole[:-2], whole[-1]]  # the end-of-sequence stays
    assert (encoded.num_dropped_demonstrations, encoded.truncated) == (2, True)


def test_long_and_short_sources_do_not_disturb_each_other(tokenizer):
    prompts = [Prompt("one"), Prompt(SOURCE, demonstrations=SHOWN), Prompt("two three")]
    limit = num_tokens(tokenizer, "intro\nseven eight")
    encoded = encode_sources(tokenizer, prompts, max_len=limit)
    assert [one.num_dropped_demonstrations for one in encoded] == [0, 2, 0]
    alone = [encode_sources(tokenizer, [prompt], max_len=limit)[0] for prompt in prompts]
    assert [one.ids.tolist() for one in encoded] == [one.ids.tolist() for one in alone]


@pytest.mark.parametrize("number", [1, 2, 5, 16])
def test_as_many_demonstrations_stay_as_fit(tokenizer, number, monkeypatch):
    shown = tuple(f"{word}\n" for word in ("one", "two", "three", "four") * 4)[:number]
    source = "".join(shown) + "eight"
    calls = []
    monkeypatch.setattr(
        "t2t.tokens.sources.encode_texts",
        lambda tokenizer, texts, **options: calls.append(1) or encode_texts(tokenizer, texts, **options),
    )
    for kept in range(number + 1):
        wanted = tokenizer("".join(shown[:kept]) + "eight").input_ids
        calls.clear()
        encoded = encode(tokenizer, len(wanted), source, shown)
        assert encoded.num_dropped_demonstrations == number - kept
        assert encoded.ids.tolist() == wanted
        assert len(calls) <= 2 + number.bit_length()
