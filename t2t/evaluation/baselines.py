"""Two scores that need no model: always giving the most frequent answer, and guessing among the choices."""

from collections import Counter
from collections.abc import Sequence

from t2t.evaluation.metrics import METRICS
from t2t.templates.template import RenderedExample

# Guessing evenly among n choices is right once in n times; for other metrics it has no such plain meaning.
_CHANCE_METRICS = ("accuracy", "exact_match")


def majority_score(metric: str, examples: Sequence[RenderedExample]) -> float:
    """The score, 0-100, of giving every row the most frequent answer of these rows.

    With answer choices that is the most frequent place among the choices, which is the most frequent label
    where all rows share them; a row with fewer choices gets its last one. Without, it is the most frequent
    target.
    """
    references = [example.references for example in examples]
    return METRICS[metric](_majority_answers(examples), references)


def chance_score(metric: str, examples: Sequence[RenderedExample]) -> float | None:
    """The mean over rows of 100 / number of choices; 0 for free answers, None for metrics like F1.

    >>> chance_score("macro_f1", [])
    """
    if metric not in _CHANCE_METRICS:
        return None
    shares = [1 / len(example.answer_choices) if example.answer_choices else 0.0 for example in examples]
    return 100 * sum(shares) / len(shares)


def _majority_answers(examples: Sequence[RenderedExample]) -> list[str]:
    # Ties go to the answer that comes first: Counter keeps the order of insertion.
    if any(example.answer_choices is None for example in examples):
        [(target, _)] = Counter(example.target for example in examples).most_common(1)
        return [target] * len(examples)
    choices = [example.answer_choices or () for example in examples]
    places = [own.index(example.target) for own, example in zip(choices, examples, strict=True)]
    [(place, _)] = Counter(places).most_common(1)
    return [own[min(place, len(own) - 1)] for own in choices]
