"""The UI's modules as `t2t ui` imports them, and a tiny untrained model to answer in them."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from t2t.cli.shipped_ui import import_ui
from t2t.inference import Text2Text
from t2t.model import build_model
from t2t.tokens import train_tokenizer


@pytest.fixture(scope="module", autouse=True)
def event_loops() -> Iterator[None]:
    """Closes the event loops that Gradio makes and forgets (`gradio.utils.safe_get_lock`).

    Otherwise whichever test comes when they are collected gets the warning.
    """
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def make_and_note() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", make_and_note)
        yield
    for loop in made:
        if not loop.is_running():
            loop.close()


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
