"""Ask a model every row of some tasks through many templates, and score what it says.

    task x template x shots x seed   one pass over the rows: a Result per metric
    task x shots                     a TaskSummary per metric: the spread over templates and seeds

The spread matters more than a single figure: the same model can lose ten points by another wording of the
same question (Sanh et al. 2022, arXiv:2110.08207, section 6.2).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2t.data.task import Task
from t2t.errors import EvaluationError, T2TError
from t2t.evaluation.questions import ALL, Questions
from t2t.evaluation.results import (
    Answer,
    Baselines,
    Result,
    ScoredPass,
    TaskSummary,
    bootstrap_weights,
    score_pass,
    summarise,
)
from t2t.model.training_record import TrainingRecord
from t2t.templates.library import find_task_files
from t2t.templates.task_file import TaskFile
from t2t.templates.template import RenderedExample

if TYPE_CHECKING:  # torch is needed by the model that is passed in, not here
    from t2t.inference.prompts import Prediction
    from t2t.inference.rank import LengthNorm
    from t2t.inference.text2text import Text2Text


@dataclass(frozen=True)
class Evaluation:
    """All results of one call, and their summaries, in the order of the tasks."""

    model: str
    results: tuple[Result, ...]
    summary: tuple[TaskSummary, ...]


def evaluate(
    model: "Text2Text",
    tasks: Sequence[str | Path | Task],
    *,
    templates: str | Sequence[str] = ALL,
    shots: int | Sequence[int] = (0,),
    seeds: int = 1,
    seed: int = 0,
    split: str | None = None,
    limit: int | None = None,
    data_root: str | Path | None = None,
    length_norm: "LengthNorm" = "sum",
    max_new_tokens: int = 64,
    allow_seen: bool = False,
    trained_on: Collection[str] | None = None,
    on_answer: Callable[[Answer, int], None] | None = None,
) -> Evaluation:
    """Score a model on tasks through their templates.

    All rows are read and rendered before the first is asked, so that their faults are noticed at once.

    Args:
        tasks: names, paths of task files, or tasks.
        templates: names, or "all" for every template that asks the original task.
        shots: numbers of demonstrations, each a condition of its own, or a single one; demonstrations are
            drawn from the training rows, or from the task file's examples where there are none.
        seeds: how often demonstrations are drawn anew, with seeds seed, seed + 1, ...; without shots nothing
            is drawn, and one pass is made.
        split: None takes test where it is labelled, else validation.
        limit: rows per task, sampled at random; the same rows whatever the model.
        data_root: where local data sets are, for tasks given by name or path; None takes T2T_DATA.
        length_norm: how log-likelihoods of choices are made comparable, as in `Text2Text.rank`.
        max_new_tokens: length of answers where there are no choices.
        allow_seen: score tasks that the model was trained on, or on whose data, too; their summaries say so.
        trained_on: names of the tasks the model has seen; None reads `training.json` beside its weights
            and those of its adapters.
        on_answer: called with each answer and the number of answers there will be in all.
    Raises: EvaluationError for options out of range, or tasks the model has seen; whatever tasks, templates,
        rows and the model raise.
    """
    shots = (shots,) if isinstance(shots, int) else shots
    _check_options(tasks, templates=templates, shots=shots, seeds=seeds, limit=limit, trained_on=trained_on)
    loaded = [task if isinstance(task, Task) else Task.load(task, data_root=data_root) for task in tasks]
    names = [task.name for task in loaded]  # which a name and a path have in common
    if len(set(names)) < len(names):
        raise EvaluationError(f"a task is named twice: {', '.join(names)}")
    if trained_on is None:
        record = TrainingRecord.of_models(model.places)
    else:
        record = TrainingRecord(frozenset(trained_on))
    seen = _seen_tasks(loaded, record)
    if not allow_seen:
        _check_unseen(seen)
    asked = [
        Questions.prepare(task, templates=templates, split=split, limit=limit, with_pool=any(shots))
        for task in loaded
    ]
    for questions in asked:
        questions.check(shots=max(shots))
    conditions = [(k, seed + n) for k in shots for n in range(seeds if k else 1)]
    total = len(conditions) * sum(len(questions.rows) * len(questions.templates) for questions in asked)
    results: list[Result] = []
    summary: list[TaskSummary] = []
    for questions in asked:
        passes: list[ScoredPass] = []
        weights = bootstrap_weights(len(questions.rows))
        metrics = questions.task.file.metrics
        for template in questions.templates:
            plain = questions.examples(template)
            baselines = Baselines.of(plain, metrics)
            for num_shots, shot_seed in conditions:
                examples = questions.with_shots(plain, template, shots=num_shots, seed=shot_seed)
                predictions = model.answer(
                    iter(examples),  # one after the other, as they come
                    length_norm=length_norm,
                    max_new_tokens=max_new_tokens,
                )
                answers = []
                for example, prediction in zip(examples, predictions, strict=True):
                    answer = _answer(
                        example, prediction, split=questions.split, shots=num_shots, seed=shot_seed
                    )
                    answers.append(answer)
                    if on_answer is not None:
                        on_answer(answer, total)
                passes += score_pass(
                    answers,
                    metrics=metrics,
                    weights=weights,
                    baselines=baselines,
                    demonstrations=questions.pool_split,
                )
        results += [scored.result for scored in passes]
        summary += summarise(passes, seen_in_training=seen[questions.task.name])
    return Evaluation(model.full_name, tuple(results), tuple(summary))


def _answer(
    example: RenderedExample, prediction: "Prediction", *, split: str, shots: int, seed: int
) -> Answer:
    return Answer(
        task=example.task,
        template=example.template,
        shots=shots,
        seed=seed,
        split=split,
        example_id=example.example_id,
        target=example.target,
        references=example.references,
        answer=prediction.text,
        choices=prediction.choices,
        logprobs=prediction.logprobs,
        length_norm=prediction.length_norm,
        num_source_tokens=prediction.num_source_tokens,
        truncated=prediction.truncated,
        num_dropped_demonstrations=prediction.num_dropped_demonstrations,
    )


def _seen_tasks(tasks: Sequence[Task], record: TrainingRecord) -> dict[str, bool | None]:
    """Whether the model was trained on each task, or on another of the same data; None where nobody knows.

    Another is found if its file is at hand, among the shipped ones or in T2T_TASKS.
    """
    places: set[str] = set()
    with suppress(T2TError):  # folders and files that nobody asked for may be broken
        for name, path in find_task_files().items() if record.tasks else ():
            if name in record.tasks:
                places |= TaskFile.read(path).places
    return {task.name: bool(task.file.places & places) or record.has_seen(task.name) for task in tasks}


def _check_unseen(seen: Mapping[str, bool | None]) -> None:
    if names := [name for name, is_seen in seen.items() if is_seen]:
        raise EvaluationError(
            f"the model was trained on tasks it is to be scored on, or on their data: {', '.join(names)}",
            mend="leave them out, or allow them with --allow-seen (allow_seen=True): their scores are marked",
        )


def _check_options(
    tasks: Sequence[str | Path | Task],
    *,
    templates: str | Sequence[str],
    shots: Sequence[int],
    seeds: int,
    limit: int | None,
    trained_on: Collection[str] | None,
) -> None:
    if isinstance(tasks, str | Path | Task) or not tasks:
        raise EvaluationError(
            "tasks are a list of at least one", mend='write evaluate(model, ["sst2"]) for a single one'
        )
    if not isinstance(templates, str) and (not templates or len(set(templates)) < len(templates)):
        raise EvaluationError(
            f'templates are different names, at least one, or "{ALL}", not {list(templates)}'
        )
    if isinstance(trained_on, str):  # its letters are no tasks
        raise EvaluationError(f'trained_on is a list of tasks, not "{trained_on}"')
    if isinstance(shots, str):
        raise EvaluationError(f'shots are numbers, not "{shots}"', mend="write shots=(0, 4)")
    if not shots or min(shots) < 0 or len(set(shots)) < len(shots):
        raise EvaluationError(f"shots are different numbers from 0 upwards, not {list(shots)}")
    if seeds < 1:
        raise EvaluationError(f"seeds is at least 1, not {seeds}")
    if limit is not None and limit < 1:
        raise EvaluationError(f"limit is at least 1 row, not {limit}")
