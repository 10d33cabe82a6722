"""How right answers are: accuracy, macro F1, exact match, SQuAD F1, ROUGE-L. Scores are percentages, 0-100.

Each metric turns every example into a few numbers, adds those up over the examples, and makes one score of
the sums. Resampling examples is then nothing but a weighted sum, which is what makes bootstrapping cheap:

    statistics (num_examples, num_statistics)     weights (num_resamples, num_examples), counts of a resample
    accuracy: 1 where the answer is right         weights @ statistics / num_examples: one score per resample

Checked against: the official SQuAD 2.0 script (normalisation and F1), the `rouge_score` package with
stemming, which this file calls, and scikit-learn's `f1_score(average="macro")`.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
References = Sequence[Sequence[str]]  # acceptable answers, at least one for each example


@dataclass(frozen=True)
class Metric:
    """One way of scoring answers; called with answers and references it gives a percentage.

    Attributes:
        statistics: answers and references -> (num_examples, num_statistics).
        score: sums over examples (..., num_statistics) and the number of examples in each -> (...), 0-1.
    """

    name: str
    statistics: Callable[[Sequence[str], References], Floats]
    score: Callable[[Floats, int], Floats]

    def __call__(self, predictions: Sequence[str], references: References) -> float:
        """The score of these answers, 0-100.

        Raises: ValueError if there are no answers, or not as many as references.
        """
        if not predictions or len(predictions) != len(references):
            raise ValueError(f"{len(predictions)} answers for {len(references)} lists of references")
        statistics = self.statistics(predictions, references)
        return float(self.scores(statistics, np.ones((1, len(predictions))))[0])

    def scores(self, statistics: Floats, weights: Floats) -> Floats:
        """Scores (num_resamples,), 0-100, of resamples that hold each example as often as `weights` says."""
        return 100 * self.score(weights @ statistics, statistics.shape[0])


def squad_normalise(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces.

    >>> squad_normalise("The  Eiffel Tower, in Paris!")
    'eiffel tower in paris'
    """
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def squad_f1_of_one(prediction: str, reference: str) -> float:
    """Harmonic mean of word precision and recall after normalisation, 0-1.

    An answer that is empty after normalisation is right only if the reference is empty too.

    >>> squad_f1_of_one("in the house", "the house")      # precision 1/2, recall 1/1
    0.6666666666666666
    """
    found, wanted = squad_normalise(prediction).split(), squad_normalise(reference).split()
    if not found or not wanted:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted))


def rouge_l_of_one(prediction: str, reference: str) -> float:
    """ROUGE-L F-measure of stemmed words, 0-1: the longest common subsequence against both lengths."""
    return _rouge_scorer().score(reference, prediction)["rougeL"].fmeasure


@lru_cache(maxsize=1)
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # imports nltk: half a second

    return RougeScorer(["rougeL"], use_stemmer=True)


def _same_text(prediction: str, reference: str) -> float:
    return float(prediction.strip() == reference.strip())


def _same_normalised(prediction: str, reference: str) -> float:
    return float(squad_normalise(prediction) == squad_normalise(reference))


def _best_reference(name: str, compare: Callable[[str, str], float]) -> Metric:
    """The mean over examples of the comparison with the reference that is nearest to the answer."""

    def statistics(predictions: Sequence[str], references: References) -> Floats:
        pairs = zip(predictions, references, strict=True)
        best = [max(compare(prediction, text) for text in texts) for prediction, texts in pairs]
        return np.array(best, dtype=np.float64)[:, None]

    return Metric(name, statistics, lambda sums, num_examples: sums[..., 0] / num_examples)


def _confusions(predictions: Sequence[str], references: References) -> Floats:
    """Per class, was it given rightly, given, wanted: 0 or 1 (num_examples, 3 * num_classes)."""
    answers = [prediction.strip() for prediction in predictions]
    truths = [texts[0].strip() for texts in references]
    classes = {text: index for index, text in enumerate(sorted({*answers, *truths}))}
    one_hot = np.eye(len(classes))
    answered = one_hot[[classes[text] for text in answers]]  # (num_examples, classes)
    wanted = one_hot[[classes[text] for text in truths]]
    return np.concatenate([answered * wanted, answered, wanted], axis=1)


def _macro_f1(sums: Floats, num_examples: int) -> Floats:
    """The mean F1 of the classes that were answered or wanted at all; F1 = 2 right / (answered + wanted)."""
    right, answered, wanted = np.split(sums, 3, axis=-1)  # each (..., classes)
    occurrences = answered + wanted
    f1 = 2 * right / np.maximum(occurrences, 1)
    return f1.sum(-1) / (occurrences > 0).sum(-1)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _best_reference("accuracy", _same_text),
        Metric("macro_f1", _confusions, _macro_f1),
        _best_reference("exact_match", _same_normalised),
        _best_reference("squad_f1", squad_f1_of_one),
        _best_reference("rouge_l", rouge_l_of_one),
    )
}
