"""`t2t tasks`, `t2t show` and `t2t check`: they read task files and need no model."""

import datetime
import json
import os
import re

import pyarrow
import pyarrow.parquet
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
    found = json.loads(t2t("tasks --json").out)
    documents = found["tasks"]
    assert {one["task"] for one in documents} == set(find_task_files())
    assert found["num_tasks"] == len(documents)
    assert found["num_templates"] == sum(len(one["templates"]) for one in documents)
    assert found["num_clusters"] == len({one["cluster"] for one in documents})
    assert [(one["cluster"], one["task"]) for one in documents] == sorted(
        (one["cluster"], one["task"]) for one in documents
    )


def test_tasks_tells_which_splits_are_here(t2t, shipped, toy_data_root):
    found = json.loads(t2t("tasks", "--cluster", "mood", "--data-root", toy_data_root, "--json").out)
    assert (found["num_tasks"], found["num_templates"], found["num_clusters"]) == (1, 3, 1)
    assert found["tasks"][0] == {
        "task": "toy_mood",
        "cluster": "mood",
        "description": "Is the sentence happy or sad?",
        "templates": ["happy or sad", "how do I feel", "good day"],
        "labels": ["happy", "sad"],
        "metrics": ["accuracy"],
        "languages": ["en"],
        "local_splits": ["train", "validation", "test"],
    }
    listed = t2t("tasks", "--cluster", "mood", "--data-root", toy_data_root).out
    assert "train, validation, test" in listed
    assert listed.endswith("1 tasks, 3 templates, 1 clusters\n")


def test_a_cluster_goes_by_what_files_say_and_by_their_folder(t2t, shipped, mood, tmp_path):
    own = tmp_path / "mine" / "toy_own.yaml"
    own.parent.mkdir()
    own.write_text(mood.read_text().replace("task: toy_mood", "task: toy_other"))  # the file is toy_own

    def listed(cluster):
        ended = t2t("tasks", "--cluster", cluster, "--tasks-dir", tmp_path, "--json")
        return [task["task"] for task in json.loads(ended.out)["tasks"]]

    assert listed("mood") == ["toy_mood", "toy_other"]
    assert listed("mine") == ["toy_other"]


def test_a_pipe_gets_a_line_for_each_task(t2t):
    lines = t2t("tasks").out.splitlines()
    names = [line.split()[1] for line in lines if len(line.split()) > 1]
    assert set(find_task_files()) <= set(names)
    assert len(lines) == len(find_task_files()) + 5  # blank, heading, rule, blank, count


def test_a_file_that_is_no_task_does_not_hide_the_others(t2t, shipped, mood, tmp_path):
    (tmp_path / "finetune.yaml").write_text("run_dir: runs/mine\n")
    ended = t2t("tasks", "--tasks-dir", tmp_path, "--json")
    assert ended.code == 0
    assert "toy_mood" in [task["task"] for task in json.loads(ended.out)["tasks"]]
    assert json.loads(ended.out)["num_left_out"] == 1
    assert re.fullmatch(f"left out: {tmp_path}/finetune.yaml has \\d+ faults, see t2t check\n", ended.err)


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
row examples:1, tokens of "starter"

--- happy or sad ---
[source, 12 tokens]
My tea is cold. Is that happy or sad?
[target, 2 tokens]
sad
[choices: happy | sad]

--- how do I feel ---
[source, 11 tokens]
My tea is cold. How do I feel?
[target, 2 tokens]
sad
[choices: happy | sad]

--- good day ---
[source, 12 tokens]
Was this a good day? My tea is cold.
[target, 2 tokens]
no
[choices: yes | no]
"""
    )


def test_show_puts_source_and_target_side_by_side_on_a_terminal(t2t, mood, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    shown = t2t("show", mood, "--template", "good day").out
    lines = re.sub(r"\x1b\[\d*m", "", shown).splitlines()  # headings are bold
    assert [line.split("│")[1].strip() for line in lines if "│" in line] == [
        "target, 2 tokens",
        "yes",
        "",
        "choices: yes | no",
    ]
    assert max(map(len, lines)) <= 80
    monkeypatch.setenv("COLUMNS", "40")
    assert "[target, 2 tokens]\nyes\n" in t2t("show", mood, "--template", "good day").out


def test_show_counts_the_tokens_of_the_model_that_is_asked_for(t2t, mood, toy_model_dir):
    from transformers import AutoTokenizer

    document = json.loads(t2t("show", mood, "--model", toy_model_dir, "--json").out)
    tokenizer = AutoTokenizer.from_pretrained(toy_model_dir)
    assert document["model"] == str(toy_model_dir)
    for one in document["templates"]:
        assert one["num_source_tokens"] == len(tokenizer(one["source"]).input_ids)
        assert one["num_target_tokens"] == len(tokenizer(text_target=one["target"]).input_ids)


def test_show_tells_a_template_that_fails_beside_those_that_do_not(t2t, mood):
    mood.write_text(mood.read_text().replace("{{text}} How", "{{text.words}} How"))
    ended = t2t("show", mood)
    assert ended.code == 1
    assert "  text: 'I found a shell.'\n" in ended.out  # what the row holds
    assert (
        "--- how do I feel ---\n"
        "template \"how do I feel\" does not render: 'str object' has no attribute 'words'\n"
        f"  where: {mood}:20, templates[1].source\n" in ended.out
    )
    assert "--- good day ---\n[source, " in ended.out


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
            "num_source_tokens": 13,
            "num_target_tokens": 2,
        }
    ]


def test_show_of_a_row_without_a_label_shows_what_is_asked(t2t, mood, tmp_path):
    rows = tmp_path / "toy_mood" / "test.jsonl"
    rows.parent.mkdir()
    rows.write_text('{"text": "It hailed.", "label": null}\n')
    options = ["--split", "test", "--template", "good day", "--data-root", tmp_path]
    assert "[target]\nnone, for the row has no label\n" in t2t("show", mood, *options).out
    [shown] = json.loads(t2t("show", mood, *options, "--json").out)["templates"]
    assert (shown["source"], shown["target"]) == ("Was this a good day? It hailed.", None)
    assert (shown["references"], shown["num_target_tokens"]) == ([], None)


def test_show_writes_what_json_has_no_form_for_as_text(t2t, tmp_path):
    day = datetime.date(2020, 2, 29)
    table = pyarrow.table({"text": ["Hail."], "day": [day], "rain": [float("nan")], "hours": [[1, 2]]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    file = tmp_path / "echo.yaml"
    file.write_text(
        "task: echo\ncluster: talk\ndescription: Say it again.\ndataset: {files: {train: rows.parquet}}\n"
        'metrics: [exact_match]\ntemplates:\n  - {name: again, source: "Say {{text}}", target: "{{text}}"}\n'
    )
    row = json.loads(t2t("show", file, "--json").out)["row"]
    assert row == {"text": "Hail.", "day": "2020-02-29", "rain": "nan", "hours": [1, 2]}


def test_show_of_a_row_that_is_not_there_is_an_error(t2t, mood):
    ended = t2t("show", mood, "--row", "3")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == 'DataError: split "examples" of task "toy_mood" has no row 3: it has 3\n'


def test_show_of_a_task_without_examples_takes_a_row_of_its_data(t2t, tmp_path):
    (tmp_path / "rows.csv").write_text("text\nHail.\n")
    file = tmp_path / "echo.yaml"
    file.write_text(
        "task: echo\ncluster: talk\ndescription: Say it again.\ndataset: {files: {train: rows.csv}}\n"
        'metrics: [exact_match]\ntemplates:\n  - {name: again, source: "Say {{text}}", target: "{{text}}"}\n'
    )
    assert json.loads(t2t("show", file, "--json").out)["example_id"] == "train:0"
    (tmp_path / "rows.csv").unlink()
    assert t2t("show", file).err == (
        'DataError: split "examples" of task "echo" has no row 0: it has 0\n'
        "  mend:  write rows under examples:, or name a split of the data with --split\n"
    )


@pytest.mark.parametrize("command", ["tasks", "check", "eval --tasks toy_mood"])
def test_a_data_root_that_is_no_folder_is_misuse(t2t, shipped, monkeypatch, tmp_path, command):
    assert t2t(f"{command} --data-root {tmp_path / 'none'}").code == 2
    monkeypatch.setenv("T2T_DATA", str(tmp_path / "none"))
    ended = t2t(command)
    assert ended.code == 2
    assert "does not exist" in ended.err


def test_show_of_an_unknown_task_is_an_error(t2t, shipped):
    ended = t2t("show toy_moood")
    assert ended.code == 1
    assert ended.err == (
        'TaskNotFoundError: no task of that name: "toy_moood"\n  mend:  did you mean "toy_mood"?\n'
    )


def test_check_finds_nothing_wrong_with_the_tasks_that_come_with_t2t(t2t, monkeypatch):
    monkeypatch.delenv("T2T_DATA", raising=False)
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


def test_check_of_files_takes_no_folder_beside_all_that_t2t_finds(t2t, mood, tmp_path):
    ended = t2t("check", mood, "--tasks-dir", tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "--tasks-dir adds to all that t2t finds" in ended.err


def test_check_with_json_cannot_watch(t2t, mood):
    assert t2t("check", mood, "--watch", "--json").code == 2


def test_check_of_a_data_root_that_is_not_there_is_misuse(t2t, mood, tmp_path):
    assert t2t("check", mood, "--data-root", tmp_path / "nowhere").code == 2


@pytest.fixture
def watch(monkeypatch):
    """Lets `t2t check --watch` make these passes, each before a look at the files, and then ends it."""

    def run(passes) -> None:
        def sleep(seconds):
            try:
                next(passes)()
            except StopIteration:
                raise KeyboardInterrupt from None

        monkeypatch.setattr("t2t.cli.check.time.sleep", sleep)
        monkeypatch.setattr("t2t.cli.check.time.strftime", lambda format: "12:00:00")

    return run


def test_watch_checks_again_what_is_saved_until_ctrl_c(t2t, mood, toy_tasks_dir, watch):
    text = mood.read_text()
    sums = toy_tasks_dir / "sums" / "toy_sums.yaml"
    passes = iter(
        [
            lambda: save(mood, text.replace("{{text}} How", "{{txet}} How")),
            lambda: None,  # nothing was saved: nothing is said
            lambda: save(mood, text),
            lambda: save(toy_tasks_dir / "new.yaml", "task: [\n"),
            lambda: mood.rename(mood.with_suffix(".txt")),
            lambda: sums.unlink(),
            lambda: (toy_tasks_dir / "new.yaml").unlink(),  # the last file is gone
            lambda: None,
            lambda: mood.with_suffix(".txt").rename(mood),
        ]
    )
    watch(passes)
    ended = t2t("check", toy_tasks_dir, "--watch")
    assert ended.code == 0
    assert ended.out == (
        "2 task files, 0 faults\n"
        "watching; Ctrl-C ends it\n"
        'TemplateError: template "how do I feel" reads a column that the dataset lacks: "txet"\n'
        f"  where: {mood}:20, templates[1].source\n"
        "  have:  label, label_name, text\n"
        '  mend:  did you mean "text"?\n'
        f"12:00:00 {mood}: 1 fault\n"
        f"12:00:00 {mood}: 0 faults\n"
        "TaskFileError: YAML syntax: expected the node content, but found '<stream end>'\n"
        f"  where: {toy_tasks_dir / 'new.yaml'}:2\n"
        "  mend:  close the bracket or the quotation mark that is open\n"
        f"12:00:00 {toy_tasks_dir / 'new.yaml'}: 1 fault\n"
        f"there is no task file (.yaml) in {toy_tasks_dir}\n"
        f"12:00:00 {mood}: 0 faults\n"
    )


def test_watch_sees_that_the_data_were_mended(t2t, tmp_path, watch):
    rows = tmp_path / "rows.csv"
    rows.write_text("text,mood\nI won.,happy\nI lost.,sda\n")
    task = tmp_path / "mine.yaml"
    task.write_text(
        "task: mine\ncluster: toys\ndescription: A mood.\n"
        "dataset: {files: {test: rows.csv}}\n"
        "labels: [happy, sad]\nlabel_column: mood\nmetrics: [accuracy]\n"
        'templates: [{name: ask, source: "{{text}}", target: "{{answer_choices[label]}}",'
        " answer_choices: [happy, sad]}]\n"
        "examples: [{text: I slept., mood: happy}]\n"
    )
    passes = iter([lambda: None, lambda: save(rows, rows.read_text().replace("sda", "sad"))])
    watch(passes)
    ended = t2t("check", task, "--watch")
    assert "a label that the task lacks: 'sda'" in ended.out
    assert ended.out.endswith(f"watching; Ctrl-C ends it\n12:00:00 {task}: 0 faults\n")


def save(path, text):
    """Write a file with a time of its own, however coarse the file system's clock is."""
    time = path.stat().st_mtime_ns + 1_000_000_000 if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(time, time))
