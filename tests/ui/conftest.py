"""The UI's modules as `t2t ui` imports them, and a tiny untrained model to answer in them."""

from types import SimpleNamespace

import pytest
import torch

from t2t.cli.shipped_ui import import_ui
from t2t.inference import Text2Text
from t2t.model import build_model
from t2t.tokens import train_tokenizer


@pytest.fixture(scope="session")
def ui() -> SimpleNamespace:
    return SimpleNamespace(**{name: import_ui(name) for name in ("app", "examples", "handlers", "panels")})


@pytest.fixture(scope="session")
def tiny_model() -> Text2Text:
    """Random weights: its answers mean nothing, but stay the same."""
    text = "I found a shell. My tea is cold. Is that happy or sad, yes or no? What is 1 plus 2?"
    tokenizer = train_tokenizer([text] * 3, vocab_size=384, num_sentinels=100)
    tokenizer.model_max_length = 64  # tokens: short enough for a prompt of these tests to be cut
    torch.manual_seed(0)
    model = build_model("tiny", vocab_size=len(tokenizer), pad_id=0, eos_id=1)
    return Text2Text(model.eval(), tokenizer, name="tiny")
