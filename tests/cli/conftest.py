"""The command line in this process, and an untrained toy model that stands in for the starter."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from t2t.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """Accelerate keeps one set-up per process; every test begins without one."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def t2t(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs `t2t` with a command line, given as one text or as arguments."""

    def run(*arguments: str | Path) -> Ended:
        words = shlex.split(str(arguments[0])) if len(arguments) == 1 else [str(word) for word in arguments]
        monkeypatch.setattr(sys, "argv", ["t2t", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Ended(ended.value.code or 0, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def toy_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5 with random weights, as `save_pretrained` leaves it."""
    from t2t.model import build_model, save_model
    from t2t.tokens import train_tokenizer

    folder = tmp_path_factory.mktemp("toy") / "model"
    text = "I found a shell. My tea is cold. Is that happy or sad, yes or no? What is 1 plus 2?"
    tokenizer = train_tokenizer([text] * 3, vocab_size=384, num_sentinels=100)
    torch.manual_seed(0)
    model = build_model("tiny", vocab_size=len(tokenizer), pad_id=0, eos_id=1)
    save_model(model, tokenizer, folder)
    return folder


@pytest.fixture
def toy_starter(toy_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy model in the place of the starter."""
    monkeypatch.setattr("t2t.resources.starter_dir", lambda: toy_model_dir)
    return toy_model_dir
