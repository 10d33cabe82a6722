"""`t2t tasks`, `t2t show` and `t2t check`: they read task files and need no model."""

import json

import pytest

from t2t.templates import find_task_files


@pytest.fixture
def mood(toy_tasks_dir):
    return toy_tasks_dir / "mood" / "toy_mood.yaml"


@pytest.fixture
def shipped(toy_tasks_dir, monkeypatch):
    """The toy tasks in the place of those that come with t2t."""
    monkeypatch.setattr("t2t.templates.library.task_templates_dir", lambda: toy_tasks_dir)


def test_tasks_lists_every_task_that_comes_with_t2t(t2t):
    documents = json.loads(t2t("tasks --json").out)
    assert {one["task"] for one in documents} == set(find_task_files())
    assert [(one["cluster"], one["task"]) for one in documents] == sorted(
        (one["cluster"], one["task"]) for one in documents
    )


def test_tasks_tells_which_splits_are_here(t2t, shipped, toy_data_root):
    [document] = json.loads(t2t("tasks", "--cluster", "mood", "--data-root", toy_data_root, "--json").out)
    assert document == {
        "task": "toy_mood",
        "cluster": "mood",
        "description": "Is the sentence happy or sad?",
        "templates": ["happy or sad", "how do I feel", "good day"],
        "labels": ["happy", "sad"],
        "metrics": ["accuracy"],
        "languages": ["en"],
        "local_splits": ["train", "validation", "test"],
    }
    assert "train, validation, test" in t2t("tasks", "--data-root", toy_data_root).out


def test_an_unknown_cluster_is_an_error_with_the_nearest_name(t2t, shipped):
    ended = t2t("tasks --cluster moods")
    assert ended.code == 1
    assert ended.err == (
        'TaskNotFoundError: no cluster of that name: "moods"\n'
        "  have:  mood, sums\n"
        '  mend:  did you mean "mood"?\n'
    )


def test_show_renders_every_template_on_a_row(t2t, mood):
    ended = t2t("show", mood, "--row", "1")
    assert ended.code == 0
    assert (
        ended.out
        == """\
toy_mood (mood): Is the sentence happy or sad?
row examples:1

--- happy or sad ---
My tea is cold. Is that happy or sad?
=> sad
   choices: happy | sad

--- how do I feel ---
My tea is cold. How do I feel?
=> sad
   choices: happy | sad

--- good day ---
Was this a good day? My tea is cold.
=> no
   choices: yes | no
"""
    )


def test_show_takes_rows_of_the_data_too(t2t, mood, toy_data_root):
    ended = t2t(
        "show", mood, "--split", "test", "--template", "good day", "--data-root", toy_data_root, "--json"
    )
    document = json.loads(ended.out)
    assert document["example_id"] == "test:0"
    assert document["row"]["label_name"] == "happy"
    assert document["templates"] == [
        {
            "template": "good day",
            "source": "Was this a good day? We won test game 0.",
            "target": "yes",
            "answer_choices": ["yes", "no"],
            "references": ["yes"],
        }
    ]


def test_show_of_a_row_that_is_not_there_is_an_error(t2t, mood):
    ended = t2t("show", mood, "--row", "3")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == 'DataError: split "examples" of task "toy_mood" has no row 3: it has 3\n'


def test_show_of_an_unknown_task_is_an_error(t2t, shipped):
    ended = t2t("show toy_moood")
    assert ended.code == 1
    assert ended.err.endswith('  have:  toy_mood, toy_sums\n  mend:  did you mean "toy_mood"?\n')


def test_check_finds_nothing_wrong_with_the_tasks_that_come_with_t2t(t2t):
    ended = t2t("check")
    assert (ended.code, ended.out) == (0, f"{len(find_task_files())} task files, 0 faults\n")


def test_check_tells_every_fault_of_every_file(t2t, mood, toy_tasks_dir):
    text = mood.read_text()
    mood.write_text(text.replace("{{text}} How", "{{txet}} How").replace("task: toy_mood", "task: toy_moods"))
    ended = t2t("check", toy_tasks_dir, mood)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0] == 'TaskFileError: the task is called "toy_moods" and its file "toy_mood.yaml"'
    assert f"  where: {mood}:1, task" in lines
    assert '  mend:  did you mean "text"?' in lines
    assert lines[-1] == "2 task files, 2 faults"

    ended = t2t("check", mood, "--json")
    assert ended.code == 1
    document = json.loads(ended.out)
    assert document["num_files"] == 1
    assert [(one["line"], one["field"]) for one in document["faults"]] == [
        (1, "task"),
        (20, "templates[1].source"),
    ]


def test_check_of_a_folder_without_task_files_is_an_error(t2t, tmp_path):
    ended = t2t("check", tmp_path, "--json")
    assert ended.code == 1
    assert ended.err == f"TaskNotFoundError: there is no task file (.yaml) in {tmp_path}\n"


def test_check_of_a_place_that_is_not_there_is_misuse(t2t, tmp_path):
    assert t2t("check", tmp_path / "nowhere").code == 2
