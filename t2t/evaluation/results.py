"""From answers to scores: a Result for each pass over a task's rows, a TaskSummary over all its passes.

    pass      one template, number of shots and seed
    weights   (NUM_RESAMPLES, num_rows): how often each row is in each resample of the bootstrap

The standard error of a summary is that of the mean over all passes, bootstrapped over rows: these are
resampled with replacement, alike in every pass, and the mean over passes is taken anew each time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from t2t.evaluation.baselines import chance_score, majority_score
from t2t.evaluation.metrics import METRICS, Counts, Floats
from t2t.templates.template import RenderedExample

NUM_RESAMPLES = 1000  # the standard error itself is then known to about 2 %


@dataclass(frozen=True)
class Answer:
    """One row through one template: what the model said, and what it should have said."""

    task: str
    template: str
    shots: int
    seed: int
    split: str
    example_id: str
    target: str
    references: tuple[str, ...]
    answer: str
    choices: tuple[str, ...] | None
    logprobs: tuple[float, ...] | None  # of each choice, in nats, after length_norm
    length_norm: str | None
    num_source_tokens: int
    truncated: bool
    num_dropped_demonstrations: int


@dataclass(frozen=True)
class Result:
    """The score, 0-100, of one pass over a task's rows."""

    task: str
    template: str
    shots: int
    seed: int
    split: str
    metric: str
    score: float
    num_examples: int
    num_truncated: int  # sources that lost their end
    num_shortened: int  # sources that lost demonstrations
    length_norm: str | None  # None where answers were written freely
    demonstrations: str | None  # the split that shots were drawn from


@dataclass(frozen=True)
class TaskSummary:
    """The scores, 0-100, of a task over templates and seeds, with what needs no model beside them."""

    task: str
    shots: int
    metric: str
    split: str
    mean: float
    median: float
    iqr: float  # interquartile range: third quartile minus first
    worst: float
    best: float
    stderr: float  # of the mean, bootstrapped over rows
    majority: float  # always the most frequent answer of the split
    chance: float | None  # guessing among the choices
    num_templates: int
    num_seeds: int
    num_examples: int
    num_truncated: int  # over all passes
    num_shortened: int  # over all passes
    seen_in_training: bool | None  # None where the model keeps no record of its training


@dataclass(frozen=True)
class Baselines:
    """What a template's questions score without a model, 0-100, by metric."""

    majority: dict[str, float]
    chance: dict[str, float | None]

    @classmethod
    def of(cls, examples: Sequence[RenderedExample], metrics: Sequence[str]) -> "Baselines":
        return cls(
            {metric: majority_score(metric, examples) for metric in metrics},
            {metric: chance_score(metric, examples) for metric in metrics},
        )


@dataclass(frozen=True)
class ScoredPass:
    """A result with its scores on resampled rows (NUM_RESAMPLES,) and the baselines of its template."""

    result: Result
    resampled: Floats
    majority: float
    chance: float | None


def bootstrap_weights(num_rows: int) -> Counts:
    """Counts of each row in each resample (NUM_RESAMPLES, num_rows); every row of counts sums to num_rows.

    A kilobyte for each row. One byte a count is enough: a row comes once on average, and more than 255 times
    with a chance below 1e-500.
    """
    rng = np.random.default_rng(0)  # always the same resamples: a summary is a function of its answers
    weights = np.empty((NUM_RESAMPLES, num_rows), dtype=np.uint8)
    for resample in weights:
        resample[:] = rng.multinomial(num_rows, np.full(num_rows, 1 / num_rows))
    return weights


def score_pass(
    answers: Sequence[Answer],
    *,
    metrics: Sequence[str],
    weights: Counts,
    baselines: Baselines,
    demonstrations: str | None,
) -> list[ScoredPass]:
    """One scored pass per metric from the answers of one template, number of shots and seed."""
    first = answers[0]
    predictions = [answer.answer for answer in answers]
    references = [answer.references for answer in answers]
    scored = []
    for name in metrics:
        metric = METRICS[name]
        statistics = metric.statistics(predictions, references)
        result = Result(
            task=first.task,
            template=first.template,
            shots=first.shots,
            seed=first.seed,
            split=first.split,
            metric=name,
            score=float(metric.scores(statistics, np.ones((1, len(answers))))[0]),
            num_examples=len(answers),
            num_truncated=sum(answer.truncated for answer in answers),
            num_shortened=sum(answer.num_dropped_demonstrations > 0 for answer in answers),
            length_norm=first.length_norm,
            demonstrations=demonstrations if first.shots else None,
        )
        scored.append(
            ScoredPass(
                result, metric.scores(statistics, weights), baselines.majority[name], baselines.chance[name]
            )
        )
    return scored


def summarise(passes: Sequence[ScoredPass], *, seen_in_training: bool | None) -> Iterator[TaskSummary]:
    """One summary per number of shots and metric of one task, in the order in which these first come."""
    first_places: dict[tuple[int, str], int] = {}
    for place, scored in enumerate(passes):
        first_places.setdefault((scored.result.shots, scored.result.metric), place)

    def place_of(scored: ScoredPass) -> int:
        return first_places[scored.result.shots, scored.result.metric]

    for _, group in groupby(sorted(passes, key=place_of), key=place_of):
        yield _summary(list(group), seen_in_training)


def _summary(group: Sequence[ScoredPass], seen_in_training: bool | None) -> TaskSummary:
    first = group[0].result
    scores = np.array([scored.result.score for scored in group])
    lower, median, upper = np.percentile(scores, [25, 50, 75])
    chances = [scored.chance for scored in group if scored.chance is not None]
    return TaskSummary(
        task=first.task,
        shots=first.shots,
        metric=first.metric,
        split=first.split,
        mean=float(scores.mean()),
        median=float(median),
        iqr=float(upper - lower),
        worst=float(scores.min()),
        best=float(scores.max()),
        stderr=float(np.mean([scored.resampled for scored in group], axis=0).std(ddof=1)),
        majority=float(np.mean([scored.majority for scored in group])),
        chance=float(np.mean(chances)) if any(chances) else None,
        num_templates=len({scored.result.template for scored in group}),
        num_seeds=len({scored.result.seed for scored in group}),
        num_examples=first.num_examples,
        num_truncated=sum(scored.result.num_truncated for scored in group),
        num_shortened=sum(scored.result.num_shortened for scored in group),
        seen_in_training=seen_in_training,
    )
