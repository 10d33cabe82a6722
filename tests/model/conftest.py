import pytest

from t2t.tokens import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(
        ["a small house by the sea, a boat, and every child who rowed it home"] * 3,
        vocab_size=384,
        num_sentinels=100,
    )
