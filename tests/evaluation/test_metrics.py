"""Metrics against the official scorers, by hand where those are no package, and their bootstrapping."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu import corpus_bleu
from sklearn.metrics import f1_score

from t2t.evaluation.metrics import METRICS, squad_f1_of_one, squad_normalise

WORDS = st.lists(st.sampled_from(["the", "a", "cat", "cats", "sat", "on", "mat", "running"]), max_size=8)
TEXTS = WORDS.map(" ".join)


def one(name: str, prediction: str, *references: str) -> float:
    return METRICS[name]([prediction], [references])


def test_accuracy_wants_the_very_text():
    assert METRICS["accuracy"](["yes", "No", " no "], [["yes"], ["no"], ["no"]]) == pytest.approx(100 * 2 / 3)


@pytest.mark.parametrize(
    ("prediction", "references", "exact", "f1"),
    [
        # By the rules of the official SQuAD 2.0 script: lower case, no punctuation, no articles.
        ("The Eiffel Tower!", ["eiffel tower"], 100, 100),
        ("Eiffel", ["the Eiffel Tower"], 0, 200 / 3),  # precision 1, recall 1/2
        ("in Paris in", ["in Paris"], 0, 80),  # two of three words, two of two: 2 * 2 / 5
        ("London", ["Paris", "the city of London"], 0, 50),  # the nearer reference: 1 of 1, 1 of 3
        ("the", ["a"], 100, 100),  # nothing is left of either
        ("the", ["cat"], 0, 0),
        ("self-made", ["selfmade"], 100, 100),  # punctuation goes without leaving a space
        ("état", ["État"], 100, 100),
    ],
)
def test_squad_metrics_follow_the_official_script(prediction, references, exact, f1):
    assert one("exact_match", prediction, *references) == pytest.approx(exact)
    assert one("squad_f1", prediction, *references) == pytest.approx(f1)


def test_articles_inside_words_stay():
    assert squad_normalise("The theatre, an answer; a-b") == "theatre answer ab"


@given(TEXTS, TEXTS)
def test_squad_f1_is_symmetric_and_full_for_the_same_words(left, right):
    assert squad_f1_of_one(left, right) == squad_f1_of_one(right, left)
    assert squad_f1_of_one(left, left) == 1


@settings(deadline=None)  # a first call imports the scorer
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_rouge_l_is_that_of_the_rouge_score_package(prediction, references):
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    expected = scorer.score_multi(references, prediction)["rougeL"].fmeasure
    assert one("rouge_l", prediction, *references) == pytest.approx(100 * expected)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("Кошка сидит на ковре.", "Кошка сидит на ковре", 100),
        ("собака сидит", "Кошка сидит на ковре", 100 * 2 * (1 / 2 * 1 / 4) / (1 / 2 + 1 / 4)),
        ("猫坐在垫子上", "猫坐在椅子上。", 100 * 5 / 6),
        ("หมา", "แมว", 100 * 1 / 3),  # one letter of three
        ("", "Η γάτα", 0),
        ("ソニー・", "アメリカ・", 0),  # a mark of its script is no word
        ("бег программы Python", "запуск программы Python", 100 * 2 / 3),
        ("naïve", "naive", 0),  # Latin letters stay as rouge_score has them
    ],
)
def test_rouge_l_reads_every_script(prediction, reference, expected):
    assert one("rouge_l", prediction, reference) == pytest.approx(expected)


def test_rouge_l_by_hand():
    # cat sat mat against the cat on the mat: the longest common subsequence is cat mat, 2 of 3 and 2 of 5
    assert one("rouge_l", "cat sat mat", "the cat on the mat") == pytest.approx(
        100 * 2 * (2 / 3 * 2 / 5) / (2 / 3 + 2 / 5)
    )
    assert one("rouge_l", "cats", "cat") == 100  # stemmed


LABELS = st.sampled_from(["red", "green", "blue"])


@settings(deadline=None)  # a first call imports the scorer
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_macro_f1_is_that_of_scikit_learn(pairs):
    predictions, truths = zip(*pairs, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes that were never predicted
        expected = f1_score(truths, predictions, average="macro")
    assert METRICS["macro_f1"](predictions, [[truth] for truth in truths]) == pytest.approx(100 * expected)


@pytest.mark.parametrize(
    ("predictions", "references", "f1"),
    [
        (["person: Ann; place: Rome"], [["place: Rome; person: Ann"]], 100),  # the order is free
        (["a; a"], [["a; b"]], 50),  # multisets: 1 shared of 2 and 2
        # "none" is no item: 2 x 1 / (1 + 1) for two right answers, of which one finds nothing.
        (["none", "a"], [["none"], ["a"]], 100),
        (["none", "none"], [["none"], ["a"]], 0),
        (["A;  b "], [["a; b"]], 50),  # case counts, white space around an item does not
        (["a; b", "c"], [["a"], ["c; d; e"]], 100 * 2 * 2 / 7),  # micro: shared 1 + 1, found 3, wanted 4
        (["a", ""], [["a"], [""]], 100),  # nothing found where nothing is wanted changes nothing
        (["", ""], [["", "b"], [""]], 100),
        (["a"], [[""]], 0),
        (["a; b"], [["c", "a; b; d"]], 80),  # the better reference: 2 shared of 2 and 3
    ],
)
def test_item_f1_counts_shared_items(predictions, references, f1):
    assert METRICS["item_f1"](predictions, references) == pytest.approx(f1)


SENTENCES = st.lists(
    st.sampled_from(["The", "cat", "sat,", "on", "a", "mat.", "(It's", "5.5%)"]), max_size=9
).map(" ".join)


@settings(deadline=None)  # a first call imports the scorer
@given(st.lists(st.tuples(SENTENCES, SENTENCES, st.none() | SENTENCES), min_size=1, max_size=6))
def test_bleu_is_exactly_that_of_sacrebleu(rows):
    predictions, first, second = (list(column) for column in zip(*rows, strict=True))
    references = [[text for text in pair if text is not None] for pair in zip(first, second, strict=True)]
    # sacrebleu takes streams of first, second, ... references, with None where a row has fewer.
    expected = corpus_bleu(predictions, [first, second]).score
    assert METRICS["bleu"](predictions, references) == pytest.approx(expected, abs=1e-12)


def test_bleu_by_hand():
    # the cat sat on the mat . against the cat is on the mat . : 7 words each, so no brevity penalty;
    # n-grams found 6/7, 4/6, 2/5, 1/4, and their geometric mean
    expected = 100 * (6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25
    assert one("bleu", "the cat sat on the mat .", "the cat is on the mat .") == pytest.approx(expected)
    assert one("bleu", "", "the cat") == 0


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("我喜欢猫", "我喜欢狗"),
        ("我喜欢ABC，猫。", "我喜欢ABC,猫。"),
        ("他说：“你好！”，然后走了。", "他说：“你好！”，然后就走了。"),
        ("第3章（上）讲 2.5 米", "第3章（下）讲 2.5 米"),
    ],
)
def test_bleu_of_chinese_is_that_of_sacrebleu_for_chinese(prediction, reference):
    expected = corpus_bleu([prediction], [[reference]], tokenize="zh").score
    assert one("bleu", prediction, reference) == pytest.approx(expected, abs=1e-9)


def test_bleu_counts_characters_where_a_script_has_no_spaces():
    assert one("bleu", "ผมชอบแมว", "ผมชอบแมว") == pytest.approx(100)
    assert 0 < one("bleu", "ねこがすき", "いぬがすき") < 100


@pytest.mark.parametrize("name", METRICS)
def test_a_resample_scores_as_the_rows_it_holds(name):
    predictions = ["the cat", "a dog", "green", "red", "red"]
    references = [["a cat"], ["dog", "cow"], ["green"], ["blue"], ["red"]]
    metric = METRICS[name]
    counts = np.array([[2, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 5, 0]])
    scores = metric.scores(metric.statistics(predictions, references), counts.astype(float))
    for resample, score in zip(counts, scores, strict=True):
        rows = np.repeat(np.arange(5), resample)
        expected = metric([predictions[row] for row in rows], [references[row] for row in rows])
        assert score == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
def test_scores_are_percentages(name):
    colours = ["red and blue and green", "a blue cat in a box"]  # four words and more, or BLEU has no 4-grams
    assert METRICS[name](colours, [[colour] for colour in colours]) == pytest.approx(100)
    assert METRICS[name](colours, [["yellow"], ["yellow"]]) == 0


@pytest.mark.parametrize(("predictions", "references"), [([], []), (["red"], [])])
def test_answers_and_references_come_in_equal_numbers(predictions, references):
    with pytest.raises(
        ValueError, match=f"^{len(predictions)} answers for {len(references)} lists of references$"
    ):
        METRICS["accuracy"](predictions, references)
