"""`t2t check --overlap`: the overlap of evaluation rows with training rows."""

import json
from pathlib import Path

import pytest

RUN = """\
run_dir: run
model: {{init_from: model}}
mixture: {{tasks: [{task}], data_root: {data_root}}}
training: {{num_steps: 1}}
"""


@pytest.fixture
def mood(toy_tasks_dir: Path, toy_data_root: Path) -> list[str]:
    """Options that name the toy tasks and their data; one test row is a training row as well."""
    test = toy_data_root / "toy_mood" / "test.jsonl"
    rows = test.read_text().splitlines()
    rows[5] = (toy_data_root / "toy_mood" / "train.jsonl").read_text().splitlines()[7]
    test.write_text("\n".join(rows) + "\n")
    return ["--tasks-dir", str(toy_tasks_dir), "--data-root", str(toy_data_root)]


@pytest.fixture
def run(t2t):
    return lambda *arguments: t2t("check", "--overlap", *arguments)


def test_evaluation_rows_are_looked_for_in_training_rows(run, mood):
    result = run("--tasks", "toy_mood", "--against", "toy_mood", *mood)
    assert result.code == 0
    cells = [line.split() for line in result.out.splitlines()]
    assert ["toy_mood", "validation", "8", "0", "0.0", "0", "0.0"] in cells
    found = ["test:5", "in", "toy_mood", "train:7"]
    assert ["toy_mood", "test", "8", "0", "0.0", "1", "12.5", *found] in cells  # 1 of 8
    assert result.out.splitlines()[-1] == (
        "16 rows against 1 file; 16 rows have no text of 13 words, and were looked for as whole texts only"
    )


def test_json_names_what_was_compared_and_every_split(run, mood, tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "one.txt").write_text("Once.\nwe won TEST game 0\n")
    result = run("--tasks", "toy_mood", "--against", tmp_path / "books", "--json", *mood)
    document = json.loads(result.out)
    book = str(tmp_path / "books" / "one.txt")
    assert document["against"] == [book]
    assert document["overlap"][1] == {
        "task": "toy_mood",
        "split": "test",
        "num_rows": 8,
        "num_short": 8,
        "num_ngram_hits": 0,
        "num_exact_hits": 1,
        "ngram_hits": [],
        "exact_hits": [{"row": "test:0", "place": f"{book}:1"}],
    }


def test_a_run_stands_for_the_training_rows_of_its_mixture(run, mood, toy_data_root, tmp_path):
    path = tmp_path / "finetune.yaml"
    path.write_text(RUN.format(task="toy_mood", data_root=toy_data_root))
    document = json.loads(run("--tasks", "toy_mood", "--against", path, "--json", *mood).out)
    assert document["against"] == ["toy_mood train"]


def test_a_runs_own_data_root_is_where_it_is_trained(run, mood, toy_data_root, tmp_path, monkeypatch):
    path = tmp_path / "finetune.yaml"
    path.write_text(RUN.format(task="toy_mood", data_root=toy_data_root))
    others = tmp_path / "others"
    (others / "toy_mood").mkdir(parents=True)
    monkeypatch.setenv("T2T_DATA", str(others))
    test = (toy_data_root / "toy_mood" / "test.jsonl").read_text()
    (others / "toy_mood" / "test.jsonl").write_text(test)
    ended = run("--tasks", "toy_mood", "--against", path, "--json", "--tasks-dir", mood[1])
    [found] = json.loads(ended.out)["overlap"]
    assert [hit["place"] for hit in found["exact_hits"]] == ["toy_mood train:7"]
    # but the command line's goes before it
    ended = run("--tasks", "toy_mood", "--against", path, "--tasks-dir", mood[1], "--data-root", others)
    assert ended.err.startswith("not compared, without training rows here: toy_mood\n")


def test_what_the_run_leaves_out_is_not_compared(run, mood, toy_tasks_dir, toy_data_root, tmp_path, caplog):
    """Held out by its dataset: another task on rows of toy_mood."""
    text = (toy_tasks_dir / "mood" / "toy_mood.yaml").read_text()
    (toy_tasks_dir / "mood" / "toy_day.yaml").write_text(text.replace("task: toy_mood", "task: toy_day"))
    path = tmp_path / "finetune.yaml"
    path.write_text(
        RUN.format(task='"toy_*"', data_root=toy_data_root).replace("tasks:", "held_out: [toy_mood], tasks:")
    )
    document = json.loads(run("--tasks", "toy_mood", "--against", path, "--json", *mood).out)
    assert document["against"] == ["toy_sums train"]
    assert caplog.messages == ["left out 1 task whose dataset is held out: toy_day"]


def test_of_a_pattern_those_with_rows_to_evaluate_are_taken(run, mood, tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()  # in the place of the many that come with t2t
    monkeypatch.setattr("t2t.templates.library.task_templates_dir", lambda: tmp_path / "shipped")
    ended = run("--tasks", "toy_*,toy_mood", "--against", "toy_sums", "--json", *mood)
    assert ended.err == "left out, without rows to evaluate here: toy_sums\n"
    document = json.loads(ended.out)
    assert [(one["task"], one["split"]) for one in document["overlap"]] == [
        ("toy_mood", "validation"),
        ("toy_mood", "test"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("toy_sums", "toy_mood"), "there are no validation or test rows on this machine of toy_sums"),
        (("toy_mood", "gone.jsonl"), 'there is no data file "gone.jsonl"'),
        (("toy_mood", "toy_moot"), 'no task, cluster or pattern of tasks: "toy_moot"'),
    ],
)
def test_what_is_not_there_is_named(run, mood, arguments, message):
    tasks, against = arguments
    result = run("--tasks", tasks, "--against", against, *mood)
    assert result.code == 1
    assert result.err.splitlines()[0].partition(": ")[2] == message


def test_a_folder_without_data_files_is_refused(run, mood, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("--tasks", "toy_mood", "--against", tmp_path / "empty", *mood)
    assert (
        result.err.splitlines()[0].partition(": ")[2] == f'there are no data files in "{tmp_path / "empty"}"'
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--overlap --tasks sst2", "--overlap needs --tasks and --against"),
        ("--against sst2", "--tasks and --against belong to --overlap"),
        ("--overlap --tasks a --against b --max-source-len 9", "--max-source-len is for task files"),
        ("--overlap --watch --tasks a --against b", "--overlap compares --tasks with --against"),
    ],
)
def test_options_that_do_not_go_together_are_misuse(t2t, words, message):
    ended = t2t(f"check {words}")
    assert ended.code == 2
    assert message in ended.err
