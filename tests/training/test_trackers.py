import importlib.util
import json
import os
import signal
from pathlib import Path
from typing import ClassVar

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker
from accelerate.utils import LoggerType

from t2t.errors import TrainingError
from t2t.training import trackers
from t2t.training.pretrain import pretrain
from t2t.training.run_folder import RunFolder

from .conftest import pretrain_config


class Recorder(GeneralTracker):
    """Stands in for wandb: keeps what it is told."""

    name = "wandb"
    requires_logging_directory = False
    made: ClassVar[list["Recorder"]]

    def __init__(self, run_name: str, **options) -> None:
        super().__init__()
        self.run_name, self.options = run_name, options
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.is_finished = False
        self.made.append(self)

    @property
    def tracker(self) -> "Recorder":
        return self

    def log(self, values, step=None, **_) -> None:
        self.logged.append((step, values))

    def finish(self) -> None:
        self.is_finished = True


@pytest.fixture
def recorders(monkeypatch) -> list[Recorder]:
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "wandb", Recorder)
    monkeypatch.setattr("accelerate.tracking._available_trackers", [LoggerType.WANDB])
    monkeypatch.setattr(Recorder, "made", [], raising=False)
    return Recorder.made


def lines_of(run_dir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in RunFolder(run_dir).metrics.read_text().splitlines()]


def stop_after(step: int):
    class Stop:
        def start(self, *, step: int, num_steps: int) -> None: ...

        def step(self, now: int) -> None:
            if now == step:
                os.kill(os.getpid(), signal.SIGTERM)

        def metrics(self, line) -> None: ...

    return Stop()


def test_a_tracker_is_told_all_numbers_of_the_metrics(pretrain_values, recorders):
    config = pretrain_config(pretrain_values, training={"trackers": ["wandb"]})
    pretrain(config)
    [recorder] = recorders
    lines = lines_of(config.run_dir)
    assert {"loss", "lr", "raw_tokens"} <= lines[0].keys()
    assert recorder.logged == [(line.pop("step"), line) for line in lines]
    assert recorder.is_finished
    assert recorder.run_name == "t2t"
    assert recorder.options["name"] == config.run_dir.name
    assert recorder.options["config"] == config.model_dump(mode="json")


def test_a_resumed_run_goes_on_with_the_same_tracker_run(pretrain_values, recorders):
    config = pretrain_config(pretrain_values, training={"trackers": ["wandb"]})
    pretrain(config, progress=stop_after(3))
    pretrain(config, resume=True)
    first, second = recorders
    assert first.is_finished
    assert first.options["id"] == second.options["id"] == RunFolder(config.run_dir).run_id
    assert second.options["resume"] == "allow"
    assert [step for step, _ in first.logged + second.logged] == [2, 4, 4, 6, 8, 8]  # 4 and 8 validate too


def test_trackers_may_be_added_on_the_way(pretrain_values, recorders):
    pretrain(pretrain_config(pretrain_values), progress=stop_after(3))
    assert recorders == []
    pretrain(pretrain_config(pretrain_values, training={"trackers": ["wandb"]}), resume=True)
    assert [step for step, _ in recorders[0].logged] == [4, 4, 6, 8, 8]


def test_trackers_are_closed_when_a_run_fails(pretrain_values, recorders):
    class Fail:
        def start(self, *, step: int, num_steps: int) -> None:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match=r"^no$"):
        pretrain(pretrain_config(pretrain_values, training={"trackers": ["wandb"]}), progress=Fail())
    assert recorders[0].is_finished


def test_a_tracker_that_is_not_installed_is_named_before_anything_is_written(pretrain_values, monkeypatch):
    monkeypatch.setattr("accelerate.tracking._available_trackers", [])
    config = pretrain_config(pretrain_values, training={"trackers": ["tensorboard", "wandb"]})
    with pytest.raises(TrainingError) as caught:
        pretrain(config)
    assert str(caught.value) == (
        "trackers need packages that are not installed: tensorboard, wandb\n"
        "  where: training.trackers\n"
        '  mend:  pip install "t2t[trackers]", or leave them out: metrics.jsonl holds the same numbers'
    )
    assert not config.run_dir.exists()


def test_nested_numbers_are_named_by_path_and_words_left_out():
    line = {"step": 4, "loss": 2.5, "scores": {"rte": 51.0, "step": 2}, "note": "best"}
    assert trackers.numbers(line) == {"loss": 2.5, "scores/rte": 51.0, "scores/step": 2.0}


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_shows_the_curve_of_an_uninterrupted_run(pretrain_values):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = pretrain_config(pretrain_values, training={"trackers": ["tensorboard"]})
    pretrain(config, progress=stop_after(7))
    checkpoints = RunFolder(config.run_dir).checkpoints
    (checkpoints / "step-00000007").rename(checkpoints / ".lost")  # as if killed: step 6 is the newest
    pretrain(config, resume=True)

    curves = EventAccumulator(str(config.run_dir / "tensorboard" / "t2t")).Reload()
    lines = lines_of(config.run_dir)
    assert set(curves.Tags()["scalars"]) == set().union(*lines) - {"step"}
    for name in ("loss", "validation_loss"):
        shown = [(event.step, event.value) for event in curves.Scalars(name)]
        kept = [(line["step"], pytest.approx(line[name])) for line in lines if name in line]
        assert shown == kept
