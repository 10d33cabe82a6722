import numpy as np
import pytest
from hypothesis import strategies as st

from t2t.denoising.vocabulary import Vocabulary
from t2t.tokens import train_tokenizer

EOS, MASK = 1, 999
SENTINELS = np.arange(900, 1000)
FULL_STOP = 10


@st.composite
def rows(draw, min_len=2, max_len=60):
    """Token ids (batch, raw_len) of 10 to 800, of which 10 is the full stop, and a generator."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 5)), draw(st.integers(min_len, max_len))
    token_ids = rng.integers(10, 800, size=shape).astype(draw(st.sampled_from([np.uint16, np.int64])))
    token_ids[rng.random(shape) < 0.15] = FULL_STOP
    return token_ids, rng


def bodies(rows, lens):
    """Rows as lists, without the eos that each must end in and what is behind it."""
    assert all(row[length - 1] == EOS for row, length in zip(rows, lens, strict=True))
    return [row[: length - 1].tolist() for row, length in zip(rows, lens, strict=True)]


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(
        ["The sea is calm. Is it? It is! Boats sail over to the house there."], vocab_size=384
    )


@pytest.fixture
def vocabulary():
    ends_sentence = np.zeros(1000, dtype=bool)
    ends_sentence[[EOS, FULL_STOP]] = True
    return Vocabulary(
        eos_id=EOS,
        pad_id=0,
        before_ids=(),
        target_before_ids=(),
        after_ids=(),
        mask_id=MASK,
        sentinel_ids=SENTINELS,
        plain_ids=np.arange(10, 900),
        ends_sentence=ends_sentence,
        encode=lambda text: [800 + ord(letter) % 90 for letter in text],
    )
