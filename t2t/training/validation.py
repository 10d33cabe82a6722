"""How a model in training is judged: by its loss on validation batches, and by its scores on tasks.

    {"step": 500, "validation_loss": 2.1, "validation_loss_by_task": {"rte": 1.8, "sst2": 2.3},
     "validation_score": 61.0, "validation_score_by_task": {"rte": 52.0, "sst2": 70.0}, "best_step": 500}

The loss is that of validation rows drawn at the rates of the mixture, the same rows each time. A task drawn
seldom has few rows among them, or none: more `training.num_eval_batches` bring it in.

The score of a task is that of `t2t eval`: its first metric, 0-100, over ranked choices or written answers,
the mean over templates. `validation_score` is the mean over tasks, so that each counts alike. What is best is
told by one of the two numbers, `Validation.metric`.

Nothing is drawn at random here: a run trains alike with and without it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from t2t.data.task import Task
from t2t.errors import Location, MixtureError, did_you_mean, raise_faults
from t2t.evaluation.evaluate import evaluate
from t2t.evaluation.questions import ALL, Questions, Row
from t2t.inference.text2text import Text2Text
from t2t.tokens.batches import IGNORED_LABEL, Batch
from t2t.training.batches import Batches, prefetch
from t2t.training.sharding import whole_while_used

if TYPE_CHECKING:  # the loop validates, and so imports this file
    from t2t.training.loop import Trainer

SPLIT = "validation"


@dataclass(frozen=True)
class Validation:
    """What a run is validated with, and which number tells its best validation.

    Attributes:
        batches: the first `num_batches` of them give the loss.
        scorer: gives the score; None where the loss is what counts.
    """

    batches: Batches
    num_batches: int
    scorer: "TaskScorer | None" = None

    @property
    def metric(self) -> Literal["validation_loss", "validation_score"]:
        """The number of the metrics line that tells the best validation."""
        return "validation_loss" if self.scorer is None else "validation_score"

    @property
    def higher_is_better(self) -> bool:
        return self.scorer is not None


@torch.no_grad()
def validate(trainer: "Trainer", validation: Validation) -> dict[str, Any]:
    """The entries of a validation's metrics line; the same in all processes.

    The losses are nats per target token. Each process computes those of its rows, and scores its share of the
    tasks; of a sharded model every process scores all tasks, since each needs the others' slices for it.
    """
    accelerator, loss = trainer.accelerator, trainer.loss
    loss.eval()
    sums = LossSums()
    tasks: list[str] = []
    row_sums: list[Tensor] = []
    for batch in prefetch(validation.batches, range(validation.num_batches)):
        sums.count_tokens(batch)
        for number, part in trainer.local_parts(batch):
            row_sums.append(loss(**part, by_row=True))
            begin = number * len(row_sums[-1])
            tasks += tasks_of(batch)[begin : begin + len(row_sums[-1])]
    nats = sums.by_task(tasks, torch.cat(row_sums).cpu().numpy())
    totals = torch.tensor(nats, dtype=torch.float32, device=accelerator.device)  # MPS has no float64
    line = sums.metrics(accelerator.reduce(totals).tolist())
    if validation.scorer is not None:
        num_shares = 1 if isinstance(loss, FSDPModule) else accelerator.num_processes
        share = slice(accelerator.process_index % num_shares, None, num_shares)
        with whole_while_used(loss), accelerator.autocast():
            scores = validation.scorer(Text2Text(trainer.model, trainer.tokenizer), share=share)
        by_task = dict(sorted(gather_object(list(scores.items()))))
        line |= {"validation_score": fmean(by_task.values()), "validation_score_by_task": by_task}
    loss.train()
    return line


class LossSums:
    """Adds up the losses of rows by task; batches without tasks count as one.

    rows of    rte   rte   sst2        validation_loss           12 / 10 = 1.2
    nats       4     2     6           validation_loss_by_task   rte 6 / 6 = 1, sst2 6 / 4 = 1.5
    tokens     3     3     4
    """

    def __init__(self) -> None:
        self._num_tokens: dict[str, int] = {}

    def count_tokens(self, batch: Batch) -> None:
        """Count the target tokens of a global batch."""
        counts = (batch.labels != IGNORED_LABEL).sum(axis=1)  # (batch,)
        for task, count in zip(tasks_of(batch), counts.tolist(), strict=True):
            self._num_tokens[task] = self._num_tokens.get(task, 0) + count

    def by_task(self, tasks: Sequence[str], nats: np.ndarray) -> np.ndarray:
        """Nats of this process's rows (rows,), added up by task: float64 (num_tasks,), sorted by name."""
        places = np.searchsorted(sorted(self._num_tokens), tasks)
        return np.bincount(places, weights=nats, minlength=len(self._num_tokens))

    def metrics(self, nats: Sequence[float]) -> dict[str, Any]:
        """The entries of the metrics line, from the nats (num_tasks,) of all processes."""
        names = sorted(self._num_tokens)
        line: dict[str, Any] = {"validation_loss": sum(nats) / sum(self._num_tokens.values())}
        if names != [""]:
            line["validation_loss_by_task"] = {
                name: total / self._num_tokens[name] for name, total in zip(names, nats, strict=True)
            }
        return line


def choose_validated(tasks: Sequence[Task], names: Sequence[str] | None) -> list[Task]:
    """The tasks of a mixture that are validated: those named, or all that have validation rows.

    Of a task whose data are on the Hub, its task file says which splits there are: nobody asks the Hub.

    Raises: MixtureError for a name that is not in the mixture, or a task without validation rows.
    """
    with_rows = {task.name: task for task in tasks if _has_validation(task)}
    if names is None:
        return list(with_rows.values())
    known = {task.name for task in tasks}
    faults = []
    for name in names:
        if name in known and name not in with_rows:
            problem, mend = "has no validation rows", None
        elif name not in known:
            problem, mend = "is no task of the mixture", did_you_mean(name, with_rows)
        else:
            continue
        faults.append(
            MixtureError(
                f'"{name}" is to be validated, and {problem}',
                where=Location(field="validation.tasks"),
                have=with_rows,
                mend=mend or "name tasks of the mixture that have validation rows",
            )
        )
    raise_faults(faults)
    return [with_rows[name] for name in dict.fromkeys(names)]


def _has_validation(task: Task) -> bool:
    dataset = task.file.dataset
    return SPLIT in (task.splits() or (dataset.splits if dataset.hub is not None else ()))


def tasks_of(batch: Batch) -> tuple[str, ...]:
    """The task of each row, "" where rows are of none."""
    return batch.tasks or ("",) * len(batch.names)


class TaskScorer:
    """Scores a model on a sample of the validation rows of some tasks, which are read when it is made.

    Args:
        templates: by task: the only ones to use, as in training.
        num_rows: rows of each task.
        num_templates: templates of each task, the first of those that ask the original task.
        max_new_tokens: length of written answers.
    Raises: whatever reading and rendering the rows raises; EvaluationError if a task has no rows.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        templates: Mapping[str, Sequence[str]],
        num_rows: int,
        num_templates: int,
        max_new_tokens: int,
    ) -> None:
        self._max_new_tokens = max_new_tokens
        self._asked: list[tuple[Task, list[str]]] = []
        for task in tasks:
            questions = Questions.prepare(
                task, templates=templates.get(task.name, ALL), split=SPLIT, limit=num_rows
            )
            chosen = questions.templates[:num_templates]
            for template in chosen:
                questions.examples(template)  # a row that does not render is noticed now, not hours later
            self._asked.append((_SampledTask(task, questions.rows), [template.name for template in chosen]))

    def __call__(self, model: Text2Text, *, share: slice = slice(None)) -> dict[str, float]:
        """Scores, 0-100, by task, of all tasks or of some: processes may share them out."""
        return {task.name: self._score(model, task, templates) for task, templates in self._asked[share]}

    def _score(self, model: Text2Text, task: Task, templates: Sequence[str]) -> float:
        evaluation = evaluate(
            model,
            [task],
            templates=templates,
            split=SPLIT,
            max_new_tokens=self._max_new_tokens,
            trained_on=(),  # its task is in the mixture, which is why it is asked
        )
        return evaluation.summary[0].mean  # the first summary is of the first metric


class _SampledTask(Task):
    """A task that has the rows it is given and no others, whatever the split."""

    def __init__(self, task: Task, rows: Sequence[Row]) -> None:
        super().__init__(task.file, data_root=task.data_root)
        self._rows = rows

    def rows(self, split: str, *, limit: int | None = None) -> Iterator[Row]:
        return islice(iter(self._rows), limit)
