"""The scores of Super-NaturalInstructions, as its official script works them out and words them.

    all instances             exact_match_default_track                           34.1234
    one category              rougeL_for_textual_entailment_default_track
    one task                  rougeL_for_task641_esnli_classification_default_track

Each is a mean over instances, so that tasks with fewer than 100 count less, in per cent, rounded to four
digits. An instance takes its best reference; one without a prediction counts as an empty text.

ROUGE-L is the metric rouge_l, which also reads references in scripts that the official one scores 0. Exact
match is not quite the metric exact_match, which follows SQuAD: both ignore case, punctuation and spacing, but
here "the cat" and "cat" differ.

Checked against: `eval/automatic/evaluation.py` of allenai/natural-instructions, track "default" (English).
"""

import string
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2t.data.task import Task
from t2t.errors import EvaluationError
from t2t.evaluation.metrics import METRICS

_ROUGE_L = METRICS["rouge_l"]
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Instance:
    """One question of the test set."""

    key: Hashable  # what predictions are found by: the official id, or task and example id
    references: tuple[str, ...]
    task: str  # official names, such as task641_esnli_classification
    category: str  # and Textual Entailment


@dataclass(frozen=True)
class OfficialScores:
    """The official figures by their official names, and what they rest on."""

    scores: Mapping[str, float]
    num_instances: int
    num_missing: int  # instances without a prediction


def read_instances(tasks: Iterable[str | Path | Task], *, split: str = "test") -> list[Instance]:
    """The test instances of imported tasks, with the key (task, example id) that an `Answer` has too.

    Args:
        tasks: names, paths of task files, or tasks, as `evaluate` takes them.
    Raises: EvaluationError for a task that was not imported from Natural Instructions; what reading raises.
    """
    instances = []
    for task in (each if isinstance(each, Task) else Task.load(each) for each in tasks):
        official = task.file.constants
        if not {"official_task", "official_category"} <= official.keys():
            raise EvaluationError(
                f'task "{task.name}" is none of Natural Instructions',
                where=task.file.location("constants"),
                mend="import the collection with t2t import natural-instructions",
            )
        instances += [
            Instance(
                (task.name, example_id),
                tuple(row["outputs"]),
                official["official_task"],
                official["official_category"],
            )
            for example_id, row in task.rows(split)
        ]
    return instances


def official_scores(instances: Sequence[Instance], predictions: Mapping[Hashable, str]) -> OfficialScores:
    """Score predictions as the official script does.

    Args:
        predictions: of an evaluation's answers, `{(answer.task, answer.example_id): answer.answer}`.
    Raises: EvaluationError if there are no instances, or predictions for others.
    """
    if not instances:
        raise EvaluationError("there are no instances to score")
    if strangers := predictions.keys() - {instance.key for instance in instances}:
        raise EvaluationError(
            f"{len(strangers)} predictions are for no instance, such as {min(map(str, strangers))}",
            have=[str(instance.key) for instance in instances[:3]],
        )
    rouge_l = _ROUGE_L.statistics(
        [predictions.get(instance.key, "") for instance in instances],
        [instance.references for instance in instances],
    )[:, 0].tolist()
    exact = [
        float(any(_same(predictions.get(instance.key, ""), text) for text in instance.references))
        for instance in instances
    ]
    groups: dict[str, list[int]] = {"": list(range(len(instances)))}
    for place, instance in enumerate(instances):
        groups.setdefault("_for_" + "_".join(instance.category.lower().split()), []).append(place)
    for place, instance in enumerate(instances):
        groups.setdefault(f"_for_{instance.task}", []).append(place)
    scores = {}
    for group, places in groups.items():
        for metric, values in (("exact_match", exact), ("rougeL", rouge_l)):
            total = sum(values[place] for place in places)
            scores[f"{metric}{group}_default_track"] = round(100.0 * total / len(places), 4)
    missing = sum(instance.key not in predictions for instance in instances)
    return OfficialScores(scores, len(instances), missing)


def _same(prediction: str, reference: str) -> bool:
    return _normalised(prediction) == _normalised(reference)


def _normalised(text: str) -> str:
    """Lower case, no punctuation of ASCII, single spaces.

    >>> _normalised("The  Eiffel Tower!")
    'the eiffel tower'
    """
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())
