"""The official scores of Super-NaturalInstructions: what its own script gave for these predictions."""

import re

import pytest

from t2t.data.task import Task
from t2t.errors import EvaluationError
from t2t.evaluation.natural_instructions import Instance, official_scores, read_instances

INSTANCES = [
    Instance("a1", ("the cat", "A cat."), "task1_pets", "Word  Analogy"),
    Instance("a2", ("running dogs",), "task1_pets", "Word  Analogy"),
    Instance("b1", ("Yes",), "task2_facts", "Textual Entailment"),
    Instance("b2", ("no",), "task2_facts", "Textual Entailment"),
    Instance("c1", ("it is cold outside", "it is chilly"), "task3_facts", "Textual Entailment"),
]
PREDICTIONS = {
    "a1": "cat",
    "a2": "Running,  DOGS!",
    "b1": "yes.",
    "c1": "outside it was cold",
}


def test_scores_are_those_of_the_official_script():
    found = official_scores(INSTANCES, PREDICTIONS)
    # eval/automatic/evaluation.py of allenai/natural-instructions, with its own copy of rouge. By hand, exact
    # match: "cat" is neither "the cat" nor "A cat.", two are right, b2 has no prediction, c1 differs: 2 of 5.
    assert found.scores == {
        "exact_match_default_track": 40.0,
        "rougeL_default_track": 63.3333,
        "exact_match_for_word_analogy_default_track": 50.0,
        "rougeL_for_word_analogy_default_track": 83.3333,
        "exact_match_for_textual_entailment_default_track": 33.3333,
        "rougeL_for_textual_entailment_default_track": 50.0,
        "exact_match_for_task1_pets_default_track": 50.0,
        "rougeL_for_task1_pets_default_track": 83.3333,
        "exact_match_for_task2_facts_default_track": 50.0,
        "rougeL_for_task2_facts_default_track": 50.0,
        "exact_match_for_task3_facts_default_track": 0.0,
        "rougeL_for_task3_facts_default_track": 50.0,
    }
    assert (found.num_instances, found.num_missing) == (5, 1)


def test_predictions_for_no_instance_are_refused():
    message = "2 predictions are for no instance, such as z8\n  have:  a1, a2, b1"
    with pytest.raises(EvaluationError, match=f"^{re.escape(message)}$"):
        official_scores(INSTANCES, {"z9": "x", "z8": "y"})
    with pytest.raises(EvaluationError, match=r"^there are no instances to score$"):
        official_scores([], {})


def test_instances_of_an_imported_task_carry_official_names(tmp_path, toy_tasks_dir):
    path = tmp_path / "task5_a_b.yaml"
    path.write_text(
        "task: task5_a_b\ncluster: pets\ndescription: Name it.\nmetrics: [rouge_l]\n"
        "constants: {official_task: task5_a.b, official_category: Pets and Fish}\n"
        "dataset: {files: {test: rows.jsonl}}\n"
        'templates: [{name: plain, source: "{{ input }}", target: "{{ outputs[0] }}"}]\n'
    )
    (tmp_path / "rows.jsonl").write_text('{"input": "It barks.", "outputs": ["dog", "hound"]}\n')
    task = Task.load(path)
    instances = read_instances([task])
    assert read_instances([task.file.path]) == instances
    assert instances == [Instance(("task5_a_b", "test:0"), ("dog", "hound"), "task5_a.b", "Pets and Fish")]
    scores = official_scores(instances, {("task5_a_b", "test:0"): "Hound!"}).scores
    assert scores["exact_match_for_pets_and_fish_default_track"] == 100
    other = toy_tasks_dir / "sums" / "toy_sums.yaml"
    message = (
        f'task "toy_sums" is none of Natural Instructions\n  where: {other}:1, constants\n'
        "  mend:  import the collection with t2t import natural-instructions"
    )
    with pytest.raises(EvaluationError, match=f"^{re.escape(message)}$"):
        read_instances([Task.load(other)])
