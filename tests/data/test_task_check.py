"""A task file is checked on the rows behind it, as far as they are here (messages: test_check_faults.py)."""

import json

import pytest

from t2t.data.task_check import check_task_with_data


@pytest.fixture
def mood(toy_tasks_dir):
    return toy_tasks_dir / "mood" / "toy_mood.yaml"


def test_without_data_the_examples_alone_are_checked(mood, monkeypatch):
    monkeypatch.delenv("T2T_DATA", raising=False)
    assert check_task_with_data(mood, num_rows=10) == []


def test_the_first_rows_of_every_split_are_tried(mood, toy_data_root):
    tried = []

    def lint(file, trials):
        tried.extend(one.example_id for one in trials[0].rendered)
        return []

    assert check_task_with_data(mood, num_rows=2, data_root=toy_data_root, lints=[lint]) == []
    assert tried[3:] == ["train:0", "train:1", "validation:0", "validation:1", "test:0", "test:1"]


def test_labels_are_looked_for_beyond_the_first_rows(mood, toy_data_root):
    rows = [{"text": f"Text {n}.", "label": "happy"} for n in range(20)]
    for split in ("train", "validation", "test"):
        path = toy_data_root / "toy_mood" / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    [fault] = check_task_with_data(mood, num_rows=2, data_root=toy_data_root)
    assert fault.problem == 'no row has the label "sad"'
    with open(path, "a") as file:
        file.write('{"text": "The last one.", "label": "sad"}\n')
    assert check_task_with_data(mood, num_rows=2, data_root=toy_data_root) == []


def test_two_files_of_one_split_are_a_fault(mood, toy_data_root):
    (toy_data_root / "toy_mood" / "train.csv").write_text("text,label\n")
    [fault] = check_task_with_data(mood, num_rows=2, data_root=toy_data_root)
    assert fault.problem == 'split "train" of task "toy_mood" has more than one file'


def test_a_file_that_cannot_be_read_is_one_fault(tmp_path):
    [fault] = check_task_with_data(tmp_path / "none.yaml", num_rows=2)
    assert fault.problem == "cannot read the file: No such file or directory"


def test_a_test_split_whose_labels_are_hidden_is_passed_over(mood, toy_data_root):
    hidden = json.dumps({"text": "We won.", "label": -1}) + "\n"
    (toy_data_root / "toy_mood" / "test.jsonl").write_text(hidden * 3)
    assert check_task_with_data(mood, num_rows=2, data_root=toy_data_root) == []
    (toy_data_root / "toy_mood" / "train.jsonl").write_text(hidden * 3)
    [fault] = check_task_with_data(mood, num_rows=2, data_root=toy_data_root)
    assert fault.problem.startswith('row "train:0": ')
