"""The JSON document, the table and the folder of results."""

import json
from datetime import datetime
from io import StringIO

import pytest
from rich.console import Console

from t2t.evaluation import evaluate
from t2t.evaluation.report import ResultsFolder, evaluation_document, evaluation_table

NOON = datetime(2025, 1, 31, 12, 0, 0)


@pytest.fixture
def evaluation(rule_model, mood):
    return evaluate(
        rule_model(lambda _: "happy"),
        [mood],
        shots=(0, 2),
        seeds=2,
        trained_on=["toy_mood"],
        allow_seen=True,
    )


def test_the_document_has_the_fields_that_are_promised(evaluation):
    document = json.loads(json.dumps(evaluation_document(evaluation)))
    assert list(document) == ["model", "results", "summary"]
    promised = {"task", "template", "shots", "seed", "split", "metric", "score", "num_examples"}
    assert promised <= document["results"][0].keys()
    promised = {"task", "shots", "metric", "mean", "median", "iqr", "worst", "best", "stderr", "majority"}
    promised |= {"chance", "num_templates", "num_examples", "seen_in_training"}
    assert promised <= document["summary"][0].keys()


def test_the_table_has_a_line_for_each_summary(evaluation):
    text = StringIO()
    Console(file=text, width=200).print(evaluation_table(evaluation))
    lines = [line.split() for line in text.getvalue().splitlines() if line.strip().startswith("toy_mood")]
    # Two of three templates are answered "happy", the third one gets its first choice: always half are right.
    spread = ["50.0", "±", lines[0][5], "50.0", "0.0", "50.0", "50.0", "50.0", "50.0"]
    seen = ["seen", "in", "training"]
    assert lines == [
        ["toy_mood", "0", "accuracy", *spread, "8", "test", "x", "3", "templates", *seen],
        ["toy_mood", "2", "accuracy", *spread, "8", "test", "x", "3", "templates", "x", "2", "seeds", *seen],
    ]


def test_the_table_says_if_nobody_knows_what_the_model_has_seen(evaluation, rule_model, mood):
    unknown = "the model has no complete record of its training: it may have seen these tasks"
    assert unknown not in evaluation_table(evaluation).caption
    caption = evaluation_table(evaluate(rule_model(lambda _: "happy"), [mood])).caption
    assert caption.splitlines()[-1] == unknown


def test_results_never_overwrite_results(tmp_path):
    folders = [ResultsFolder.create(tmp_path, model="runs/mine/model", now=NOON).path for _ in range(3)]
    assert [folder.name for folder in folders] == [
        "mine-model-20250131-120000",
        "mine-model-20250131-120000-2",
        "mine-model-20250131-120000-3",
    ]


@pytest.mark.parametrize("model", ["..", "/", "", "modèle ☃"])
def test_any_models_name_gives_a_folder_inside(tmp_path, model):
    assert ResultsFolder.create(tmp_path / "out", model=model, now=NOON).path.parent == tmp_path / "out"


def test_the_folder_holds_every_answer_and_the_scores(tmp_path, rule_model, mood):
    folder = ResultsFolder.create(tmp_path, model="rules", now=NOON)
    with folder.answers() as write:
        result = evaluate(rule_model(lambda _: "sad"), [mood], on_answer=lambda answer, _: write(answer))
    folder.finish(result)
    lines = [json.loads(line) for line in (folder.path / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == 3 * 8
    assert lines[0]["logprobs"] == [-2.0, -1.0]
    assert sorted(path.name for path in folder.path.iterdir()) == ["answers.jsonl", "evaluation.json"]
    assert json.loads((folder.path / "evaluation.json").read_text())["model"] == "rules"


def test_each_answer_is_on_disk_as_soon_as_it_is_there(tmp_path, rule_model, mood):
    folder, on_disk = ResultsFolder.create(tmp_path, model="rules", now=NOON), []
    with folder.answers() as write:

        def on_answer(answer, total):
            write(answer)
            on_disk.append((folder.path / "answers.jsonl").read_text().count("\n"))

        evaluate(rule_model(lambda _: "sad"), [mood], templates=["good day"], on_answer=on_answer)
    assert on_disk == list(range(1, 9))


def test_an_interrupted_evaluation_keeps_its_answers(tmp_path, rule_model, mood):
    folder = ResultsFolder.create(tmp_path, model="rules", now=NOON)

    def stop_after_five(answer, total):
        write(answer)
        if answer.example_id == "test:4":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), folder.answers() as write:
        evaluate(rule_model(lambda _: "sad"), [mood], on_answer=stop_after_five)
    assert len((folder.path / "answers.jsonl").read_text().splitlines()) == 5


def test_an_evaluation_that_fails_at_once_leaves_nothing(tmp_path):
    folder = ResultsFolder.create(tmp_path, model="rules", now=NOON)
    with pytest.raises(RuntimeError, match=r"^no data$"), folder.answers():
        raise RuntimeError("no data")
    assert not folder.path.exists()
