"""What a model was trained on, as the file `training.json` beside its weights says.

    {"tasks": ["sst2", "imdb"], "held_out": ["nli", "rte"], "is_complete": true}

A score on a task of the training mixture tells how well that task was learned; only the others tell how well
the model answers prompts it never saw. So the former are refused, or marked. A model without that file may
have seen anything, and so may whatever was trained from it: its record is not complete.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from t2t.errors import Location, ModelError
from t2t.resources import starter_or

FILE_NAME = "training.json"


@dataclass(frozen=True)
class TrainingRecord:
    """What a model was trained on. The default is that of a new model, which has seen nothing.

    Attributes:
        tasks: names of tasks it has seen.
        held_out: names of tasks and clusters kept out of its mixture.
        is_complete: it has seen no task but these.
    """

    tasks: frozenset[str] = frozenset()
    held_out: frozenset[str] = frozenset()
    is_complete: bool = True

    @classmethod
    def read(cls, folder: Path) -> "TrainingRecord":
        """The record in a model's folder; an incomplete one where there is none.

        Raises: ModelError if the file is not of the form above.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            return cls(is_complete=False)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                _names(record, "tasks"),
                _names(record, "held_out"),
                is_complete=record.get("is_complete", True) is True,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the record of the model's training is malformed: {error}",
                where=Location(path),
                mend='write {"tasks": [names], "held_out": [names]}, or remove the file',
            ) from error

    def write(self, folder: Path) -> None:
        """Put the record into a model's folder."""
        record = {
            "tasks": sorted(self.tasks),
            "held_out": sorted(self.held_out),
            "is_complete": self.is_complete,
        }
        (folder / FILE_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def of_model(cls, name: str) -> "TrainingRecord":
        """The record of a model by the name it was loaded by: "starter", a folder or a Hub id."""
        return cls.read(Path(starter_or(name)))

    @classmethod
    def of_models(cls, names: Iterable[str]) -> "TrainingRecord":
        """The records of a model and of its adapters as one; without a name nothing is known."""
        records = [cls.of_model(name) for name in names]
        return cls(
            frozenset().union(*(record.tasks for record in records)),
            frozenset().union(*(record.held_out for record in records)),
            is_complete=bool(records) and all(record.is_complete for record in records),
        )

    @classmethod
    def before_training(cls, init_from: str | None, *, checkpoint: Path | None = None) -> "TrainingRecord":
        """The record of the model that a run begins with: of that name, or a new one.

        Args:
            checkpoint: the run goes on from here, whose own record counts: the model that the run began with
                may be gone by now.
        """
        if checkpoint is not None:
            return cls.read(checkpoint / "model")
        return cls() if init_from is None else cls.of_model(init_from)

    def has_seen(self, task: str) -> bool | None:
        """Whether the model was trained on a task; None where nobody knows."""
        return True if task in self.tasks else None if not self.is_complete else False


def _names(record: dict[str, object], key: str) -> frozenset[str]:
    names = record[key]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{key} is no list of names")
    return frozenset(names)


def absolute_place(place: str | Path) -> str:
    """A folder's whole path, so that its record is found after a change of directory; a Hub id as it is."""
    return str(Path(place).absolute()) if Path(place).is_dir() else str(place)
