"""Evaluation of a model that answers by a rule, so that every expected score can be counted by hand."""

import json
from pathlib import Path

import pytest

from t2t.data.task import Task
from t2t.errors import DataError, EvaluationError, TemplateError
from t2t.evaluation import evaluate
from t2t.evaluation.results import bootstrap_weights
from t2t.inference import Text2Text


def knows_all(source: str) -> str:
    """Right on the three templates of toy_mood: yes and no are asked for by the one with "good day"."""
    query = source.split("\n\n")[-1]
    happy = "We won" in query
    return ("yes" if happy else "no") if "good day" in query else ("happy" if happy else "sad")


def knows_first_two(source: str) -> str:
    return "no" if "good day" in source else knows_all(source)


def only(items):
    [item] = items
    return item


def test_a_right_model_scores_100_and_each_template_has_a_result(rule_model, mood):
    evaluation = evaluate(rule_model(knows_all), [mood])
    assert [(one.template, one.score, one.num_examples) for one in evaluation.results] == [
        ("happy or sad", 100, 8),
        ("how do I feel", 100, 8),
        ("good day", 100, 8),
    ]
    assert {(one.split, one.metric, one.length_norm) for one in evaluation.results} == {
        ("test", "accuracy", "sum")
    }
    assert evaluation.model == "rules"


def test_the_summary_shows_the_spread_over_templates_beside_majority_and_chance(rule_model, mood):
    summary = only(evaluate(rule_model(knows_first_two), [mood]).summary)
    # Scores 100, 100 and 50 (always "no", where half of the rows are sad): mean 250 / 3; the first quartile
    # lies half-way between 50 and 100.
    assert summary.mean == pytest.approx(250 / 3)
    assert (summary.median, summary.iqr, summary.worst, summary.best) == (100, 25, 50, 100)
    assert (summary.majority, summary.chance) == (50, 50)
    assert (summary.num_templates, summary.num_seeds, summary.num_examples) == (3, 1, 8)


def test_the_standard_error_is_that_of_the_mean_over_resampled_rows(rule_model, mood):
    summary = only(evaluate(rule_model(lambda _: "happy"), [mood], templates=["happy or sad"]).summary)
    # Half of 8 rows are right: the standard error of such a share is 100 * sqrt(0.5 * 0.5 / 8) = 17.7.
    assert summary.mean == 50
    assert summary.stderr == pytest.approx(17.7, rel=0.1)
    perfect = only(evaluate(rule_model(knows_all), [mood]).summary)
    assert perfect.stderr == 0


def test_resamples_are_as_large_as_the_sample():
    weights = bootstrap_weights(7)
    assert weights.shape == (1000, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_every_seed_draws_other_demonstrations_and_never_the_query(rule_model, mood):
    model = rule_model(knows_all)
    evaluation = evaluate(model, [mood], templates=["how do I feel"], shots=(0, 2), seeds=3, split="train")
    assert [(one.shots, one.seed) for one in evaluation.results] == [(0, 0), (2, 0), (2, 1), (2, 2)]
    assert [one.demonstrations for one in evaluation.results] == [None, "train", "train", "train"]
    assert [(one.shots, one.num_seeds) for one in evaluation.summary] == [(0, 1), (2, 3)]
    few_shot = model.asked[40:]
    assert len(few_shot) == 3 * 40
    for source in few_shot:
        *demonstrations, query = source.split("\n\n")
        assert len(demonstrations) == 2
        assert not any(demonstration.startswith(query) for demonstration in demonstrations)
    assert model.asked[40:80] != model.asked[80:120]


def test_demonstrations_come_from_the_task_file_where_there_is_no_training_split(
    rule_model, mood, toy_data_root
):
    (toy_data_root / "toy_mood" / "train.jsonl").unlink()
    evaluation = evaluate(rule_model(knows_all), [mood], shots=[1])
    assert {one.demonstrations for one in evaluation.results} == {"examples"}


def test_free_answers_are_scored_against_references(rule_model, sums):
    model = rule_model(lambda source: "3" if source.startswith("1 + 2") else "2")
    evaluation = evaluate(model, [sums], split="train", templates=["plus"])
    result, summary = only(evaluation.results), only(evaluation.summary)
    # Sums of 0, 1, 2 and 0, 1, 2, 3: 12 rows, three of which make 2; with 1 + 2 that is four right ones.
    assert result.score == pytest.approx(100 * 4 / 12)
    assert result.length_norm is None
    # The most frequent sums, 2 and 3, come three times each; nothing can be guessed.
    assert (summary.majority, summary.chance) == (25, None)


def test_a_task_of_the_models_own_mixture_is_marked(rule_model, mood, sums, tmp_path):
    (tmp_path / "training.json").write_text(json.dumps({"tasks": ["toy_mood"], "held_out": ["nli"]}))
    model = rule_model(knows_all, name=str(tmp_path))
    evaluation = evaluate(model, [mood, sums], split="train", allow_seen=True)
    assert [(one.task, one.seen_in_training) for one in evaluation.summary] == [
        ("toy_mood", True),
        ("toy_sums", False),
    ]
    assert evaluate(model, [mood], trained_on=()).summary[0].seen_in_training is False


def test_tasks_of_the_models_own_mixture_are_refused_unless_allowed(rule_model, mood, sums, tmp_path):
    (tmp_path / "training.json").write_text(json.dumps({"tasks": ["toy_sums", "toy_mood"], "held_out": []}))
    model = rule_model(knows_all, name=str(tmp_path))
    with pytest.raises(EvaluationError) as caught:
        evaluate(model, [mood, sums], split="train")
    assert str(caught.value) == (
        "the model was trained on tasks it is to be scored on, or on their data: toy_mood, toy_sums\n"
        "  mend:  leave them out, or allow them with --allow-seen (allow_seen=True): their scores are marked"
    )
    assert model.asked == []


def test_a_task_on_the_rows_of_one_that_was_trained_on_is_seen(rule_model, mood, sums, tmp_path, monkeypatch):
    trained = mood.file.path.with_name("trained.yaml")
    trained.write_text(mood.file.path.read_text().replace("task: toy_mood", "task: trained"))
    monkeypatch.setenv("T2T_TASKS", str(trained.parent))
    model = rule_model(knows_all)
    evaluation = evaluate(model, [mood, sums], split="train", trained_on=["trained"], allow_seen=True)
    assert [one.seen_in_training for one in evaluation.summary] == [True, False]
    with pytest.raises(EvaluationError, match="or on their data: toy_mood\n"):
        evaluate(model, [mood, sums], split="train", trained_on=["trained"])


def test_a_model_without_a_record_may_have_seen_a_task(rule_model, mood, tmp_path):
    assert evaluate(rule_model(knows_all), [mood]).summary[0].seen_in_training is None
    assert evaluate(rule_model(knows_all, name=None), [mood]).summary[0].seen_in_training is None


def test_a_sample_of_rows_is_the_same_for_every_model_and_shows_no_prefix(rule_model, mood):
    first, second = rule_model(knows_all), rule_model(lambda _: "sad")
    for model in (first, second):
        evaluate(model, [mood], split="train", limit=5, templates=["how do I feel"])
    assert first.asked == second.asked
    assert len(first.asked) == 5
    games = [int(source.split("game ")[1].split(".")[0]) for source in first.asked]
    assert games == sorted(games)
    assert games != [0, 1, 2, 3, 4]


def test_answers_are_handed_on_as_they_come(rule_model, mood):
    seen = []
    evaluate(
        rule_model(knows_all),
        [mood],
        templates=["good day"],
        on_answer=lambda answer, total: seen.append((answer, total)),
    )
    assert [total for _, total in seen] == [8] * 8
    answer = seen[0][0]
    assert (answer.task, answer.template, answer.example_id) == ("toy_mood", "good day", "test:0")
    assert (answer.answer, answer.target, answer.references) == ("yes", "yes", ("yes",))
    assert (answer.choices, answer.logprobs) == (("yes", "no"), (-1.0, -2.0))


def test_cut_sources_are_counted(rule_model, mood, toy_data_root):
    row = {"text": "We won " + "again " * 100, "label": "happy"}
    (toy_data_root / "toy_mood" / "test.jsonl").write_text(json.dumps(row) + "\n")
    evaluation = evaluate(rule_model(knows_all), [mood])
    assert [one.num_truncated for one in evaluation.results] == [1, 1, 1]
    assert evaluation.summary[0].num_truncated == 3


def test_a_source_that_is_too_long_loses_demonstrations_before_its_question(mood, monkeypatch):
    starter = Text2Text.load(device="cpu")
    monkeypatch.setattr(starter.tokenizer, "model_max_length", 30)
    evaluation = evaluate(starter, [mood], templates=["good day"], shots=(4,))
    assert [(one.num_shortened, one.num_truncated) for one in evaluation.summary] == [(8, 0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": (0, 0)}, "shots are different numbers from 0 upwards, not [0, 0]"),
        ({"shots": ()}, "shots are different numbers from 0 upwards, not []"),
        ({"shots": (-1,)}, "shots are different numbers from 0 upwards, not [-1]"),
        ({"shots": -1}, "shots are different numbers from 0 upwards, not [-1]"),
        ({"shots": "0,4"}, 'shots are numbers, not "0,4"\n  mend:  write shots=(0, 4)'),
        ({"trained_on": "rte"}, 'trained_on is a list of tasks, not "rte"'),
        ({"seeds": 0}, "seeds is at least 1, not 0"),
        ({"templates": []}, 'templates are different names, at least one, or "all", not []'),
        (
            {"templates": ["good day", "good day"]},
            "templates are different names, at least one, or \"all\", not ['good day', 'good day']",
        ),
        ({"limit": 0}, "limit is at least 1 row, not 0"),
    ],
)
def test_options_out_of_range_are_refused(rule_model, mood, options, message):
    with pytest.raises(EvaluationError) as caught:
        evaluate(rule_model(knows_all), [mood], **options)
    assert str(caught.value) == message


def test_one_number_of_shots_needs_no_list(rule_model, mood):
    evaluation = evaluate(rule_model(knows_all), [mood], templates=["good day"], shots=2)
    assert [one.shots for one in evaluation.results] == [2]


def test_tasks_are_a_list_of_different_ones(rule_model, mood):
    for single in ("sst2", Path("sst2.yaml"), mood):
        with pytest.raises(EvaluationError) as caught:
            evaluate(rule_model(knows_all), single)
        assert str(caught.value) == (
            'tasks are a list of at least one\n  mend:  write evaluate(model, ["sst2"]) for a single one'
        )
    with pytest.raises(EvaluationError) as caught:
        evaluate(rule_model(knows_all), [mood, mood])
    assert str(caught.value) == "a task is named twice: toy_mood, toy_mood"
    with pytest.raises(EvaluationError, match=r"^a task is named twice: toy_mood, toy_mood$"):
        evaluate(rule_model(knows_all), [mood, mood.file.path])  # in two spellings


def test_a_row_that_a_later_template_cannot_render_is_told_before_the_first_question(
    rule_model, toy_tasks_dir, toy_data_root
):
    path = toy_tasks_dir / "mood" / "toy_mood.yaml"
    path.write_text(path.read_text().replace("{{text}} How", "{% if 'game 6' not in text %}{{text}} How"))
    path.write_text(path.read_text().replace("do I feel?", "do I feel?{% endif %}"))
    model = rule_model(knows_all)
    with pytest.raises(TemplateError) as caught:
        evaluate(model, [Task.load(path, data_root=toy_data_root)])
    assert caught.value.problem == (
        'row "test:6" of task "toy_mood": template "how do I feel" gives an empty source for this row'
    )
    assert model.asked == []


def test_too_few_rows_for_the_most_shots_are_told_before_the_first_question(rule_model, mood, toy_data_root):
    (toy_data_root / "toy_mood" / "train.jsonl").unlink()  # then there are the three of the task file
    model = rule_model(knows_all)
    with pytest.raises(DataError, match=r'^4 demonstrations asked for, but only 3 rows of task "toy_mood"'):
        evaluate(model, [mood], shots=[0, 4])
    assert model.asked == []


def test_a_row_without_a_label_is_told_with_its_column(rule_model, mood, toy_data_root):
    with open(toy_data_root / "toy_mood" / "test.jsonl", "a") as file:
        file.write('{"text": "It rained.", "label": null}\n')
    with pytest.raises(TemplateError) as caught:
        evaluate(rule_model(knows_all), [mood])
    assert caught.value.problem == (
        'row "test:8" of task "toy_mood": template "happy or sad" reads a column that the dataset lacks: '
        '"label"'
    )
