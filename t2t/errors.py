"""Every exception that t2t raises on purpose, and the one shape their messages take.

    T2TError
    ├── ConfigError              a run's YAML or an override is wrong
    ├── TaskFileError            a task file is malformed
    │   └── TemplateError        one template of it does not compile or render
    ├── TaskNotFoundError        no task of that name
    ├── DataError                rows are missing or unreadable
    │   ├── MissingDataError     no local copy, no Hub
    │   ├── HiddenLabelError     a row's label is -1, as in a test split whose answers are kept back
    │   └── CorruptRowError      a line of a data file does not parse
    ├── MixtureError             tasks cannot be mixed as asked
    │   └── HeldOutLeakError     a held-out task or cluster is in the mixture
    ├── TokenizerError           a tokenizer cannot be trained, loaded or used
    ├── TokenStoreError          a token store is damaged or made by another tokenizer
    ├── DenoisingError           a denoising objective cannot be applied
    │   └── SpanCorruptionError
    ├── ModelError               a model cannot be built, loaded or saved
    │   └── CheckpointError      a checkpoint folder is incomplete or foreign
    ├── InferenceError           a prompt cannot be answered as asked
    ├── EvaluationError          an evaluation cannot be run as asked
    ├── TrainingError            a run cannot start or go on
    │   └── NonFiniteLossError   the loss became NaN or infinite
    └── Faults                   several of the above, collected and raised once

A message says what is wrong, where, what there is instead, and how to mend it:

    template "does it follow" reads a column that the dataset lacks: "hypotesis"
      where: task_templates/nli/rte.yaml:14, templates[2].source
      have:  hypothesis, label, premise
      mend:  did you mean "hypothesis"?
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Location:
    """A place in a file: `task_templates/nli/rte.yaml:14, templates[2].source`."""

    file: str | Path | None = None
    line: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        place = str(self.file) if self.file is not None else ""
        if self.line is not None:
            place += f":{self.line}"
        return ", ".join(part for part in (place, self.field) if part)


class T2TError(Exception):
    """Base of all errors here. The command line prints it without a traceback and exits 1.

    Args:
        problem: what is wrong, naming the offending value.
        where: the file, line and field it was found at.
        have: the values that would have been accepted.
        mend: one sentence on how to put it right.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: Location | None = None,
        have: Iterable[object] | None = None,
        mend: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.have = None if have is None else tuple(str(item) for item in have)
        self.mend = mend
        super().__init__(problem)

    def __str__(self) -> str:
        lines = [self.problem]
        if self.where is not None and str(self.where):
            lines.append(f"  where: {self.where}")
        if self.have is not None:
            lines.append(f"  have:  {', '.join(self.have) or '(nothing)'}")
        if self.mend:
            lines.append(f"  mend:  {self.mend}")
        return "\n".join(lines)


class ConfigError(T2TError):
    """A run's YAML file or a `key.subkey=value` override is wrong."""


class TaskFileError(T2TError):
    """A task file is malformed."""


class TemplateError(TaskFileError):
    """A template does not compile or does not render."""


class TaskNotFoundError(T2TError):
    """No task file has that name."""


class DataError(T2TError):
    """Rows are missing or unreadable."""


class MissingDataError(DataError):
    """A dataset has no local copy and cannot be had from the Hub."""


class HiddenLabelError(DataError):
    """A row's label says nothing: -1, as in a test split whose answers are kept back, or NaN."""


class CorruptRowError(DataError):
    """A line of a data file does not parse."""


class MixtureError(T2TError):
    """Tasks cannot be mixed as asked."""


class HeldOutLeakError(MixtureError):
    """A held-out task or cluster was put into a training mixture."""


class TokenizerError(T2TError):
    """A tokenizer cannot be trained, loaded or used as asked."""


class TokenStoreError(T2TError):
    """A token store is damaged, or was built with another tokenizer."""


class DenoisingError(T2TError):
    """A denoising objective cannot be applied to these tokens."""


class SpanCorruptionError(DenoisingError):
    """Spans, sentinels and lengths do not fit together."""


class ModelError(T2TError):
    """A model cannot be built, loaded or saved."""


class CheckpointError(ModelError):
    """A checkpoint folder is incomplete, damaged or of another run."""


class InferenceError(T2TError):
    """A prompt cannot be answered as asked."""


class EvaluationError(T2TError):
    """An evaluation cannot be run as asked."""


class TrainingError(T2TError):
    """A training run cannot start or go on."""


class NonFiniteLossError(TrainingError):
    """The loss became NaN or infinite."""


class Faults(T2TError):
    """Several errors found in one pass over a file or a configuration.

    Attributes:
        faults: the single errors, in the order they were found.
    """

    def __init__(self, faults: Sequence[T2TError]) -> None:
        if not faults:
            raise ValueError("Faults needs at least one error")
        self.faults = tuple(faults)
        super().__init__(f"{len(self.faults)} faults")

    def __str__(self) -> str:
        if len(self.faults) == 1:
            return str(self.faults[0])
        return "\n".join([self.problem, *(str(fault) for fault in self.faults)])


def raise_faults(faults: Sequence[T2TError]) -> None:
    """Raise nothing, the only fault itself, or all of them as one `Faults`."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise Faults(faults)


def did_you_mean(name: str, have: Iterable[str]) -> str | None:
    """A mend such as `did you mean "hypothesis"?`, or None where nothing is near."""
    close = difflib.get_close_matches(name, list(have), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None


def first_few(names: Sequence[str], most: int = 10) -> str:
    """The first names, for a message: "rte, cb, and 3 more"."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
