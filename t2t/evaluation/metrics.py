"""How right answers are: accuracy, F1 of kinds, exact match, ROUGE-L, BLEU. Scores are percentages, 0-100.

Each metric turns every example into a few numbers, adds those up over the examples, and makes one score of
the sums. Resampling examples is then nothing but a weighted sum, which is what makes bootstrapping cheap:

    statistics (num_examples, num_statistics)     weights (num_resamples, num_examples), counts of a resample
    accuracy: 1 where the answer is right         weights @ statistics / num_examples: one score per resample

BLEU is no mean over examples, but its n-gram counts add up in the same way. Macro F1 keeps the numbers of the
classes and counts them anew for each resample: a column for each class would need examples x classes.

Checked against: the official SQuAD 2.0 script (normalisation and F1), the packages `rouge_score` (with
stemming) and `sacrebleu`, which this file calls, and scikit-learn's `f1_score(average="macro")`.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint8]
References = Sequence[Sequence[str]]  # acceptable answers, at least one for each example

_BLOCK = 50  # resamples
NO_ITEMS = "none"  # how a list without items is written, since a target is never empty
# Thai, Lao, Burmese and Khmer, kana, ideographs
_WITHOUT_SPACES = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9f\U00020000-\U0003ffff]"
)
_MARKS_OF_THESE = r"[\u3001-\u303f\uff01-\uff65\u2018-\u201d]"
_BLEU_ORDER = 4  # the longest n-grams that BLEU counts


@dataclass(frozen=True)
class Metric:
    """One way of scoring answers; called with answers and references it gives a percentage.

    Attributes:
        statistics: answers and references -> (num_examples, num_statistics).
        score: sums over examples (..., num_sums) and the number of examples in each -> (...), 0-1.
        sum_up: counts (num_resamples, num_examples) and statistics -> sums (num_resamples, num_sums).
    """

    name: str
    statistics: Callable[[Sequence[str], References], Floats]
    score: Callable[[Floats, int], Floats]
    sum_up: Callable[[Floats | Counts, Floats], Floats] = np.matmul

    def __call__(self, predictions: Sequence[str], references: References) -> float:
        """The score of these answers, 0-100.

        Raises: ValueError if there are no answers, or not as many as references.
        """
        if not predictions or len(predictions) != len(references):
            raise ValueError(f"{len(predictions)} answers for {len(references)} lists of references")
        statistics = self.statistics(predictions, references)
        return float(self.scores(statistics, np.ones((1, len(predictions))))[0])

    def scores(self, statistics: Floats, weights: Floats | Counts) -> Floats:
        """Scores (num_resamples,), 0-100, of resamples that hold each example as often as `weights` says."""
        return np.concatenate(
            [
                # A block at a time, since counts of one byte become eight in the product.
                100 * self.score(self.sum_up(weights[block : block + _BLOCK], statistics), len(statistics))
                for block in range(0, len(weights), _BLOCK)
            ]
        )


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
    """ROUGE-L F-measure of stemmed words, 0-1: the longest common subsequence against both lengths.

    `rouge_score` drops all letters but a to z. Where most letters of the reference are of other scripts, its
    words are those of `words_of_any_script` instead.
    """
    letters = [character for character in reference if character.isalpha()]
    is_latin = 2 * sum(map(_is_latin, letters)) >= len(letters)
    return _rouge_scorer(is_latin).score(reference, prediction)["rougeL"].fmeasure


def words_of_any_script(text: str) -> list[str]:
    """Runs of letters, marks and digits in lower case; each character of a script without spaces is a word.

    >>> words_of_any_script("Кошка, 2 猫")
    ['кошка', '2', '猫']
    >>> words_of_any_script("猫がいる。")
    ['猫', 'が', 'い', 'る']
    """
    return "".join(map(_spaced, text.lower())).split()


@lru_cache(maxsize=10_000)
def _spaced(character: str) -> str:
    if unicodedata.category(character)[0] not in "LMN":
        return " "
    return f" {character} " if _WITHOUT_SPACES.match(character) else character


def _with_spaces(text: str) -> str:
    """A text of a script without spaces, with one on both sides of each of its characters and marks."""
    if not _WITHOUT_SPACES.search(text):
        return text
    return re.sub(f"{_WITHOUT_SPACES.pattern}|{_MARKS_OF_THESE}", r" \g<0> ", text)


@lru_cache(maxsize=10_000)
def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("LATIN")


class _WordsOfAnyScript:
    tokenize = staticmethod(words_of_any_script)


@lru_cache(maxsize=2)
def _rouge_scorer(is_latin: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # imports nltk: half a second

    if is_latin:
        return RougeScorer(["rougeL"], use_stemmer=True)
    return RougeScorer(["rougeL"], tokenizer=_WordsOfAnyScript())


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


def _class_ids(predictions: Sequence[str], references: References) -> Floats:
    """The classes given and wanted, as numbers (num_examples, 2)."""
    answers = [prediction.strip() for prediction in predictions]
    truths = [texts[0].strip() for texts in references]
    classes = {text: index for index, text in enumerate(sorted({*answers, *truths}))}
    pairs = zip(answers, truths, strict=True)
    return np.array([(classes[answer], classes[truth]) for answer, truth in pairs], dtype=np.float64)


def _count_classes(weights: Floats | Counts, class_ids: Floats) -> Floats:
    """How often each class was given rightly, given, wanted: (num_resamples, 3 * num_classes)."""
    answers, truths = class_ids.astype(np.intp).T
    is_right = answers == truths
    count = partial(np.bincount, minlength=int(class_ids.max()) + 1)
    return np.stack(
        [
            np.concatenate([count(answers, each * is_right), count(answers, each), count(truths, each)])
            for each in weights
        ]
    )


def _macro_f1(sums: Floats, num_examples: int) -> Floats:
    """The mean F1 of the classes that were answered or wanted at all; F1 = 2 right / (answered + wanted)."""
    right, answered, wanted = np.split(sums, 3, axis=-1)  # each (..., classes)
    occurrences = answered + wanted
    f1 = 2 * right / np.maximum(occurrences, 1)
    return f1.sum(-1) / (occurrences > 0).sum(-1)


def _items(text: str) -> Counter[str]:
    """`person: Ann Lee; location: Rome` is two items; an item that is there twice counts twice.

    "none" is none: to say so where there is nothing is right, but finds nothing.
    """
    if text.strip() == NO_ITEMS:
        return Counter()
    return Counter(item for part in text.split("; ") if (item := part.strip()))


def _item_counts(predictions: Sequence[str], references: References) -> Floats:
    """Items shared with the reference of the best F1, and items in both together (num_examples, 2)."""

    def counts(found: Counter[str], wanted: Counter[str]) -> tuple[int, int]:
        return (found & wanted).total(), found.total() + wanted.total()

    rows = []
    for prediction, texts in zip(predictions, references, strict=True):
        pairs = [counts(_items(prediction), _items(text)) for text in texts]
        # Nothing where nothing is wanted is as right as can be.
        rows.append(max(pairs, key=lambda pair: pair[0] / pair[1] if pair[1] else 1.0))
    return np.array(rows, dtype=np.float64)


def _item_f1(sums: Floats, _num_examples: int) -> Floats:
    """Micro F1, 2 shared / (found + wanted), over the items of all examples."""
    shared, both = sums[..., 0], sums[..., 1]
    return np.where(both > 0, 2 * shared / np.maximum(both, 1), 1.0)


def _bleu_counts(predictions: Sequence[str], references: References) -> Floats:
    """N-grams found and given for n = 1 to 4, words given, words of the nearest reference (num_examples, 10).

    The words are those of sacrebleu's default tokenizer, 13a; in scripts without spaces, the characters.
    """
    from sacrebleu.metrics.bleu import BLEU

    bleu = BLEU(effective_order=True)  # of single sentences; it leaves the counts as they are
    rows = []
    for prediction, texts in zip(predictions, references, strict=True):
        one = bleu.sentence_score(_with_spaces(prediction), [_with_spaces(text) for text in texts])
        rows.append([*one.counts, *one.totals, one.sys_len, one.ref_len])
    return np.array(rows, dtype=np.float64)


def _corpus_bleu(sums: Floats, _num_examples: int) -> Floats:
    """sacrebleu's score of these counts, with the smoothing that its `corpus_bleu` uses."""
    from sacrebleu.metrics.bleu import BLEU

    scores = []
    for counts in sums.astype(np.int64).tolist():
        *ngrams, num_given, num_wanted = counts
        score = BLEU.compute_bleu(
            ngrams[:_BLEU_ORDER], ngrams[_BLEU_ORDER:], num_given, num_wanted, smooth_method="exp"
        )
        scores.append(score.score / 100)
    return np.array(scores)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _best_reference("accuracy", _same_text),
        Metric("macro_f1", _class_ids, _macro_f1, sum_up=_count_classes),
        _best_reference("exact_match", _same_normalised),
        _best_reference("squad_f1", squad_f1_of_one),
        Metric("item_f1", _item_counts, _item_f1),
        _best_reference("rouge_l", rouge_l_of_one),
        Metric("bleu", _bleu_counts, _corpus_bleu),
    )
}
