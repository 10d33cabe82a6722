"""How a model in training is judged: by its loss on validation batches, and by its scores on tasks.

    {"step": 500, "validation_loss": 2.1, "validation_loss_by_task": {"rte": 1.8, "sst2": 2.3},
     "validation_score": 61.0, "validation_score_by_task": {"rte": 52.0, "sst2": 70.0}, "best_step": 500}

The loss is that of validation rows, the same ones each time. The tasks are drawn equally often, whatever
their rates in training, so that `validation_loss_by_task` tells of rare ones too. The loss of all is the mean
over target tokens: a task with long targets weighs more in it.

The score of a task is that of `t2t eval`: its first metric, 0-100, over ranked choices or written answers,
the mean over templates. Sources are cut as in training. Choices are ranked by what the loss trains: by their
log-likelihood, or with `loss: t_few` by its mean over tokens, `t2t eval --length-norm mean_token`.
`validation_score` is the mean over tasks, so that each counts alike. What is best is told by one of the two
numbers, `Validation.metric`.

Nothing is drawn at random here: a run trains alike with and without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from t2t.data.task import Task
from t2t.errors import Location, MixtureError, raise_faults
from t2t.evaluation.metrics import METRICS, Metric
from t2t.evaluation.questions import ALL, Questions
from t2t.inference.rank import LengthNorm
from t2t.inference.text2text import Text2Text
from t2t.templates.template import RenderedExample
from t2t.tokens.batches import IGNORED_LABEL, Batch
from t2t.training.batches import Batches, prefetch
from t2t.training.chosen_tasks import match_tasks, tell_left_out
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


def choose_validated(tasks: Sequence[Task], keys: Sequence[str] | None) -> list[Task]:
    """The tasks of a mixture that are validated: those that a key names, or all that have validation rows.

    A key is a task, file, cluster or pattern, see t2t.training.chosen_tasks; of several tasks it brings in
    those that have validation rows. Of a task whose data are on the Hub, its task file says which splits
    there are: nobody asks the Hub.

    Raises: MixtureError, or Faults, for a key that names no task of the mixture, or none with such rows.
    """
    with_rows = {task.name: task for task in tasks if SPLIT in task.readable_splits()}
    matched = {"*": tasks} if keys is None else match_tasks(keys, tasks, field="validation.tasks")
    wanted = dict.fromkeys(task.name for found in matched.values() for task in found)
    tell_left_out(
        "in validation, without validation rows here", [name for name in wanted if name not in with_rows]
    )
    if keys is None:
        return list(with_rows.values())
    named = {key: [task.name for task in found if task.name in with_rows] for key, found in matched.items()}
    raise_faults(
        [
            MixtureError(
                f'"{key}" is to be validated, and has no validation rows',
                where=Location(field="validation.tasks"),
                have=with_rows,
                mend="name tasks of the mixture that have validation rows",
            )
            for key, found in named.items()
            if not found
        ]
    )
    return [with_rows[name] for name in dict.fromkeys(name for found in named.values() for name in found)]


def tasks_of(batch: Batch) -> tuple[str, ...]:
    """The task of each row, "" where rows are of none."""
    return batch.tasks or ("",) * len(batch.names)


class TaskScorer:
    """Scores a model on a sample of the validation rows of some tasks, rendered once, when it is made.

    Args:
        templates: by task: the only ones to use, as in training.
        num_rows: rows of each task.
        num_templates: templates of each task, the first of those that ask the original task.
        max_source_len: tokens that are read of a source, as in training.
        max_new_tokens: length of written answers.
        length_norm: how log-likelihoods of choices are made comparable, as in `Text2Text.rank`.
    Raises: whatever reading and rendering the rows raises; EvaluationError if a task has no rows.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        templates: Mapping[str, Sequence[str]],
        num_rows: int,
        num_templates: int,
        max_source_len: int,
        max_new_tokens: int,
        length_norm: LengthNorm,
    ) -> None:
        self._max_source_len = max_source_len
        self._max_new_tokens = max_new_tokens
        self._length_norm = length_norm
        self._asked: list[tuple[Task, list[list[RenderedExample]]]] = []  # examples by template
        for task in tasks:
            questions = Questions.prepare(
                task, templates=templates.get(task.name, ALL), split=SPLIT, limit=num_rows
            )
            chosen = questions.templates[:num_templates]
            self._asked.append((task, [questions.examples(template) for template in chosen]))

    def __call__(self, model: Text2Text, *, share: slice = slice(None)) -> dict[str, float]:
        """Scores, 0-100, by task, of all tasks or of some: processes may share them out."""
        return {
            task.name: fmean(
                self._score(model, METRICS[task.file.metrics[0]], examples) for examples in by_template
            )
            for task, by_template in self._asked[share]
        }

    def _score(self, model: Text2Text, metric: Metric, examples: Sequence[RenderedExample]) -> float:
        predictions = model.answer(
            examples,
            length_norm=self._length_norm,
            max_new_tokens=self._max_new_tokens,
            max_source_len=self._max_source_len,
        )
        answers = [prediction.text for prediction in predictions]
        return metric(answers, [example.references for example in examples])
