"""Which rows are asked: the labelled split, the sample, the templates."""

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from t2t.data.task import Task
from t2t.errors import CorruptRowError, DataError, EvaluationError, MissingDataError, TemplateError
from t2t.evaluation.questions import Questions, labelled_split, sample


def write_rows(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_test_is_taken_where_it_is_labelled(mood):
    assert labelled_split(mood) == "test"


@pytest.mark.parametrize(
    "row",
    [
        {"text": "We won."},
        {"text": "We won.", "label": None},
        {"text": "x", "label": -1},
        {"text": "x", "label": "-1"},
        {"text": "x", "label": math.nan},
    ],
)
def test_validation_is_taken_where_test_has_no_labels(mood, toy_data_root, row):
    write_rows(toy_data_root / "toy_mood" / "test.jsonl", row)
    assert labelled_split(mood) == "validation"


def test_validation_is_taken_where_there_is_no_test(mood, toy_data_root):
    (toy_data_root / "toy_mood" / "test.jsonl").unlink()
    assert labelled_split(mood) == "validation"


def test_a_corrupt_test_split_is_not_passed_over(mood, toy_data_root):
    (toy_data_root / "toy_mood" / "test.jsonl").write_text("{\n")
    with pytest.raises(CorruptRowError):
        labelled_split(mood)


def test_a_misspelt_label_is_not_passed_over(mood, toy_data_root):
    write_rows(toy_data_root / "toy_mood" / "test.jsonl", {"text": "We won.", "label": "hapy"})
    with pytest.raises(DataError) as caught:
        labelled_split(mood)
    assert caught.value.problem == (
        'row "test:0": a row of task "toy_mood" has a label that the task lacks: \'hapy\''
    )


def test_a_label_out_of_range_is_not_passed_over(mood, toy_data_root):
    write_rows(toy_data_root / "toy_mood" / "test.jsonl", {"text": "We won.", "label": 2})
    with pytest.raises(DataError, match=r"has a label that the task lacks: 2\n"):
        labelled_split(mood)


def test_two_files_of_the_test_split_are_not_passed_over(mood, toy_data_root):
    (toy_data_root / "toy_mood" / "test.csv").write_text("text,label\nWe won.,happy\n")
    with pytest.raises(DataError, match=r'split "test" of task "toy_mood" has more than one file'):
        labelled_split(mood)


def test_a_column_that_the_source_reads_in_vain_is_not_passed_over(mood, toy_data_root):
    write_rows(toy_data_root / "toy_mood" / "test.jsonl", {"txet": "We won.", "label": "happy"})
    with pytest.raises(TemplateError, match=r'reads a column that the dataset lacks: "text"'):
        labelled_split(mood)


@pytest.mark.parametrize("hidden", [{}, {"total": None}, {"total": ""}, {"total": " "}])
def test_validation_is_taken_where_the_target_column_of_test_is_blank(sums, toy_data_root, hidden):
    write_rows(toy_data_root / "toy_sums" / "test.jsonl", {"left": 1, "right": 2, **hidden})
    write_rows(toy_data_root / "toy_sums" / "validation.jsonl", {"left": 1, "right": 2, "total": 3})
    assert labelled_split(sums) == "validation"


def test_a_sum_of_minus_one_is_an_answer(sums, toy_data_root):
    write_rows(toy_data_root / "toy_sums" / "test.jsonl", {"left": 1, "right": -2, "total": -1})
    assert labelled_split(sums) == "test"


def test_a_target_that_does_not_render_is_not_passed_over(toy_tasks_dir, toy_data_root):
    path = toy_tasks_dir / "sums" / "toy_sums.yaml"
    path.write_text(path.read_text().replace('target: "{{ total }}"', 'target: "{{ total.strip() }}"'))
    for split in ("test", "validation"):
        write_rows(toy_data_root / "toy_sums" / f"{split}.jsonl", {"left": 1, "right": 2, "total": 3})
    with pytest.raises(TemplateError, match=r'template "plus" does not render'):
        labelled_split(Task.load(path, data_root=toy_data_root))


def test_no_rows_at_all_is_told_by_the_places_tried(sums):
    with pytest.raises(MissingDataError) as caught:
        labelled_split(sums)
    assert caught.value.problem.startswith('task "toy_sums" has no rows for split "test"; tried')


def test_no_labelled_split_is_an_error_with_reasons(mood, toy_data_root):
    for split in ("test", "validation"):
        write_rows(toy_data_root / "toy_mood" / f"{split}.jsonl", {"text": "We won.", "label": -1})
    with pytest.raises(EvaluationError) as caught:
        labelled_split(mood)
    reason = 'a row of task "toy_mood" has a label that the task lacks: -1'
    assert str(caught.value) == (
        'task "toy_mood" has no labelled test or validation split: '
        f'row "test:0": {reason}; row "validation:0": {reason}\n'
        "  mend:  name a labelled split"
    )


def test_a_split_without_rows_is_an_error(mood, toy_data_root):
    (toy_data_root / "toy_mood" / "train.jsonl").write_text("")
    with pytest.raises(EvaluationError) as caught:
        Questions.prepare(mood, split="train")
    assert str(caught.value) == 'split "train" of task "toy_mood" has no rows'


def test_all_templates_are_those_of_the_original_task(toy_tasks_dir, toy_data_root):
    path = toy_tasks_dir / "mood" / "toy_mood.yaml"
    data = yaml.safe_load(path.read_text())
    data["templates"][0]["about"] = {"original_task": False}
    path.write_text(yaml.safe_dump(data))
    task = Task.load(path, data_root=toy_data_root)
    assert [one.name for one in Questions.prepare(task).templates] == ["how do I feel", "good day"]
    # By its name any template can be asked.
    assert [one.name for one in Questions.prepare(task, templates="happy or sad").templates] == [
        "happy or sad"
    ]


def test_an_unknown_template_is_an_error(mood):
    with pytest.raises(TemplateError) as caught:
        Questions.prepare(mood, templates=["good days"])
    assert caught.value.mend == 'did you mean "good day"?'


def test_a_row_is_never_its_own_demonstration(toy_tasks_dir, toy_data_root):
    folder = toy_data_root / "toy_mood"
    (folder / "test.jsonl").write_text((folder / "train.jsonl").read_text())  # all rows are in both splits
    task = Task.load(toy_tasks_dir / "mood" / "toy_mood.yaml", data_root=toy_data_root)
    questions = Questions.prepare(task, templates="all", split="test", limit=8, with_pool=True)
    template = questions.templates[0]
    plain = questions.examples(template)
    for example, shown in zip(plain, questions.with_shots(plain, template, shots=30, seed=0), strict=True):
        own = template.render(dict(questions.rows)[example.example_id])
        assert f"{own.source}\n{own.target}\n\n" not in shown.demonstrations


@given(st.integers(0, 60), st.integers(1, 20))
def test_a_sample_keeps_the_order_and_has_no_repeats(num_items, size):
    drawn = sample(range(num_items), size)
    assert len(drawn) == min(num_items, size)
    assert list(drawn) == sorted(set(drawn))


def test_a_sample_reaches_all_of_a_long_stream():
    # 200 of 10,000: the mean place is 4,999.5 with a standard error of 10,000 / sqrt(12 * 200) = 204.
    places = sample(range(10_000), 200)
    assert abs(sum(places) / 200 - 4_999.5) < 3 * 204
