"""The folder of a run: what was asked for, how it went, what came of it.

    run.json          the resolved config, the origin of each value, digests of the data, library versions;
                      in the end the step that model/ is of
    metrics.jsonl     one line per `log_every` steps and one per validation
    checkpoints/      step-00000500/ ..., see t2t.training.checkpoint
    model/            the trained model, a plain `save_pretrained` folder
    bad-batch-*.safetensors   the batch on which loss or gradient became NaN or infinite, if one did

A folder holds one run. Going on with it (`resume`) asks for the same config, but for values that change
neither the data nor the model, and for the same data: a path may lead to other contents than it did.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from t2t.config import Section, diff_configs
from t2t.config.section import RESOLVED
from t2t.errors import Location, TrainingError, raise_faults
from t2t.model.training_record import TrainingRecord

# What may differ when a run goes on: lengths and rhythm, where it runs, and rates, which act from here on.
_CHANGEABLE = (
    "run_dir",
    "optim.lr",
    "optim.weight_decay",
    "optim.clip_norm",
    "schedule.",
    "training.num_steps",
    "training.micro_batch_size",
    "training.dtype",
    "training.activation_checkpointing",
    "training.shard",
    "training.peak_tflops",
    "training.compile",
    "training.log_every",
    "training.trackers",
    "training.eval_every",
    "training.checkpoint_every",
    "training.keep_checkpoints",
    "training.publish",
    "training.early_stopping",
    "training.device",
    "training.num_threads",
)


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run, and what it writes but for checkpoints. Made by `open_run`.

    Attributes:
        record: what its models have been trained on, kept beside the weights of each; None keeps nothing.
    """

    path: Path
    record: TrainingRecord | None = None

    @property
    def facts(self) -> Path:
        """run.json"""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """metrics.jsonl"""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of all checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """Folder of the trained model."""
        return self.path / "model"

    def bad_batch(self, step: int) -> Path:
        """Where the batch of a step is kept on which loss or gradient became NaN or infinite."""
        return self.path / f"bad-batch-{step:08d}.safetensors"

    @property
    def run_id(self) -> str:
        """What tells this run from all others, for as long as its folder lives."""
        return str(self.read_facts()["id"])

    def begin(
        self, config: Section, origins: Mapping[str, str], *, contents: Mapping[str, str], step: int
    ) -> None:
        """Write run.json, and drop the metrics of steps after `step`, which are yet to be taken (again).

        Args:
            contents: SHA-256 (hex) of all that the run learns from, by name.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        before = self.read_facts() if self.facts.exists() else {}
        facts: dict[str, Any] = {
            "kind": type(config).__name__,
            "id": before.get("id") or uuid4().hex,
            "config": config.model_dump(mode="json"),
            "origins": dict(origins),
            "contents": dict(contents),
            "versions": {
                "python": platform.python_version(),
                **{
                    name: version(name)
                    for name in ("torch", "transformers", "accelerate", "peft", "tokenizers")
                },
            },
        }
        if "published_step" in before:  # model/ stays until the run has ended again
            facts["published_step"] = before["published_step"]
        _replace_text(self.facts, json.dumps(facts, indent=2) + "\n")
        if self.metrics.exists():
            lines = self.metrics.read_text(encoding="utf-8").splitlines()
            _replace_text(self.metrics, "".join(f"{line}\n" for line in lines if _is_until(line, step)))

    def check_contents(self, contents: Mapping[str, str]) -> None:
        """Raise TrainingError, or Faults, if the run began with other contents than it would go on with.

        A run of a version that kept no digests has none to compare.
        """
        before = self.read_facts().get("contents", contents)
        raise_faults(
            [
                TrainingError(
                    f"the run began with {name} {_shown(before.get(name))} and cannot go on with "
                    f"{_shown(contents.get(name))}",
                    where=Location(file=self.facts, field=f"contents.{name}"),
                    mend="put the old contents back, or start a new run: other data make another model",
                )
                for name in [*before, *(name for name in contents if name not in before)]
                if before.get(name) != contents.get(name)
            ]
        )

    def read_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.facts.read_text(encoding="utf-8"))
        return facts

    def note_published(self, step: int) -> None:
        """Say in run.json which step `model/` is of."""
        facts = {**self.read_facts(), "published_step": step}
        _replace_text(self.facts, json.dumps(facts, indent=2) + "\n")

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        with self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def open_run(path: str | Path, config: Section, *, resume: bool) -> RunFolder:
    """Check that a run can start in, or go on with, a folder; nothing is written before `RunFolder.begin`.

    Raises: TrainingError if a new run's folder is not empty, if there is no run to resume, or if its config
        differs in what makes the data order or the model.
    """
    folder = RunFolder(Path(path))
    if resume:
        _check_same_run(folder, config)
    elif folder.path.exists() and (not folder.path.is_dir() or any(folder.path.iterdir())):
        raise TrainingError(
            "the run folder is not empty",
            where=Location(file=folder.path),
            mend="go on with that run with --resume, name another run_dir, or remove the folder",
        )
    return folder


def _check_same_run(folder: RunFolder, config: Section) -> None:
    try:
        facts = folder.read_facts()
        kind, before = facts["kind"], facts["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            "there is no run to resume: run.json is missing or damaged",
            where=Location(file=folder.path),
            mend="start it without --resume, or check run_dir",
        ) from error
    if kind != type(config).__name__:
        raise TrainingError(
            f"the run in this folder has a {kind}, not a {type(config).__name__}",
            where=Location(file=folder.facts),
            mend="resume it with the command that began it, or name another run_dir",
        )
    differences = diff_configs(_completed(before, type(config)), config.model_dump(mode="json"))
    raise_faults(
        [
            TrainingError(
                f"the run began with {key} {json.dumps(old)} and cannot go on with {json.dumps(new)}",
                where=Location(file=folder.facts, field=f"config.{key}"),
                mend="put the value back, or start a new run: it makes the data or the model another",
            )
            for key, (old, new) in differences.items()
            if not key.startswith(_CHANGEABLE)
        ]
    )


def _completed(before: dict[str, Any], kind: type[Section]) -> dict[str, Any]:
    """A config as it was kept, with the defaults of options that have come since."""
    try:
        return kind.model_validate_json(json.dumps(before), context=RESOLVED).model_dump(mode="json")
    except ValidationError:  # an option is gone, or takes other values: it shows as a difference
        return before


def _shown(digest: str | None) -> str:
    return "(not there)" if digest is None else digest[:12]


def _is_until(line: str, step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):  # cut short by a kill
        return False


def _replace_text(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
