"""The numbers of metrics.jsonl, sent on to the trackers that a config names: TensorBoard, Weights & Biases.

    training.trackers: [tensorboard]    <run_dir>/tensorboard/t2t/, shown by `tensorboard --logdir <run_dir>`
    training.trackers: [wandb]          project t2t, a run named as the run folder; its local files are in
                                        <run_dir>/wandb. It uploads unless WANDB_MODE=offline is set

Accelerate drives both. metrics.jsonl is written in any case, and it alone is read by t2t. A resumed run goes
on with the same curves: TensorBoard drops the points of steps that are taken again, wandb keeps the first of
them, which are the same numbers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers

from t2t.config import Section, TrainingConfig
from t2t.errors import Location, TrainingError
from t2t.training.loop import Metrics, Progress
from t2t.training.run_folder import RunFolder

PROJECT = "t2t"


def check_trackers(training: TrainingConfig) -> None:
    """Raise TrainingError if a tracker's package is not installed."""
    available = {tracker.value for tracker in get_available_trackers()}
    if missing := [name for name in training.trackers if name not in available]:
        raise TrainingError(
            f"trackers need packages that are not installed: {', '.join(missing)}",
            where=Location(field="training.trackers"),
            mend='pip install "t2t[trackers]", or leave them out: metrics.jsonl holds the same numbers',
        )


@contextmanager
def tracked(
    progress: Progress | None, accelerator: Accelerator, folder: RunFolder, config: Section, *, step: int
) -> Iterator[Progress | None]:
    """What to report a run's progress to, so that its trackers hear of it; they are closed in the end.

    Args:
        progress: told as well.
        folder: of a run that has begun.
        step: steps made so far; points of later ones, of a run that was killed, are dropped.
    """
    if not accelerator.log_with or not accelerator.is_main_process:
        yield progress
        return
    accelerator.init_trackers(
        PROJECT,
        init_kwargs={
            "tensorboard": {"purge_step": step + 1},
            "wandb": {
                "id": folder.run_id,
                "resume": "allow",
                "name": folder.path.name,
                "dir": str(folder.path),
                "config": config.model_dump(mode="json"),
            },
        },
    )
    try:
        yield _TrackedProgress(progress, accelerator)
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()


class _TrackedProgress:
    """A `Progress` that sends metrics to the trackers, and all it is told to another one, if there is one."""

    def __init__(self, other: Progress | None, accelerator: Accelerator) -> None:
        self._other = other
        self._accelerator = accelerator

    def start(self, *, step: int, num_steps: int) -> None:
        if self._other:
            self._other.start(step=step, num_steps=num_steps)

    def step(self, step: int) -> None:
        if self._other:
            self._other.step(step)

    def metrics(self, line: Metrics) -> None:
        self._accelerator.log(numbers(line), step=line["step"])
        if self._other:
            self._other.metrics(line)


def numbers(line: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a metrics line but for its step; nested ones by path.

    {"step": 4, "loss": 2.5, "scores": {"rte": 51.0}}  ->  {"loss": 2.5, "scores/rte": 51.0}
    """
    found: dict[str, float] = {}
    for key, value in line.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and (prefix or key != "step"):
            found[f"{prefix}{key}"] = float(value)
    return found
