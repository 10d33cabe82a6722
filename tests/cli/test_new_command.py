"""`t2t new`: from a file of rows to a model's answers on them, without writing a line."""

import json
import shlex
from pathlib import Path

import pytest


@pytest.fixture
def reviews(tmp_path, monkeypatch) -> Path:
    """A working directory with a newcomer's one file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("T2T_DATA", raising=False)
    rows = [f'"I {verb} film {n}, really.",{label}' for n in range(4) for verb, label in VERBS]
    Path("reviews.csv").write_text("\n".join(["text,sentiment", *rows]) + "\n")
    return tmp_path


VERBS = [("loved", "good"), ("left", "bad")]
SAID = """\
mood.yaml: classification, 8 rows
  reads    text
  answers  sentiment: bad | good
  files    test reviews.csv
Next:
  t2t show mood.yaml
  t2t check mood.yaml
  t2t run mood.yaml --set 'text=I loved film 0, really.'
  t2t eval --tasks mood.yaml --limit 100
"""


def test_every_command_that_new_proposes_runs_at_once(t2t, reviews, toy_starter):
    made = t2t("new mood --from reviews.csv")
    assert (made.code, made.out, made.err) == (0, SAID, "")
    for line in made.out.partition("Next:\n")[2].splitlines():
        ended = t2t(*shlex.split(line)[1:])
        assert ended.code == 0, ended.err
        assert ended.out


def test_from_a_csv_to_a_ranked_answer_in_two_commands(t2t, reviews, toy_starter):
    t2t("new mood --from reviews.csv")
    answered = json.loads(t2t("run mood.yaml --input reviews.csv --json").out)
    assert len(answered["predictions"]) == 8
    assert {one["text"] for one in answered["predictions"]} <= {"good", "bad"}


@pytest.mark.parametrize("suffix", ["tsv", "jsonl"])
def test_rows_of_other_files_are_asked_as_well(t2t, reviews, toy_starter, suffix):
    t2t("new mood --from reviews.csv")
    Path("more.tsv").write_text("text\nI loved it\n")
    Path("more.jsonl").write_text('{"text": "I loved it"}\n')
    answered = json.loads(t2t(f"run mood.yaml --input more.{suffix} --json").out)
    assert [one["source"].splitlines()[0] for one in answered["predictions"]] == ["I loved it"]


def test_new_prints_one_document_with_json(t2t, reviews):
    assert json.loads(t2t("new mood --from reviews.csv --json").out) == {
        "file": "mood.yaml",
        "kind": "classification",
        "reads": ["text"],
        "target": "sentiment",
        "answers": ["bad", "good"],
        "files": {"test": "reviews.csv"},
        "left_out": [],
        "num_rows": 8,
        "faults": [],
    }


def test_the_file_goes_into_the_first_folder_of_ones_own_tasks(t2t, reviews, monkeypatch):
    Path("mine").mkdir()
    monkeypatch.setenv("T2T_TASKS", "mine")
    assert t2t("new mood --from reviews.csv").code == 0
    assert t2t("show mood").code == 0  # found by its name, and its rows beside it
    Path("elsewhere").mkdir()
    assert t2t("new temper --from reviews.csv --out elsewhere").code == 0
    assert sorted(path.as_posix() for path in Path().rglob("*.yaml")) == [
        "elsewhere/temper.yaml",
        "mine/mood.yaml",
    ]


def test_the_name_of_a_task_that_is_there_is_an_error(t2t, reviews):
    ended = t2t("new rte --from reviews.csv")
    assert ended.code == 1
    assert ended.err.startswith('TaskFileError: there is a task "rte" already: ')
    assert ended.err.endswith("  mend:  choose another name\n")


def test_long_texts_are_cut_in_the_proposed_command(t2t, reviews):
    rows = [f'"{"many words " * 20}{n}",{label}' for n in range(4) for _, label in VERBS]
    Path("long.csv").write_text("\n".join(["text,sentiment", *rows]) + "\n")
    lines = t2t("new mood --from long.csv").out.splitlines()
    # 60 characters are five times "many words ", and "many ".
    assert f"  t2t run mood.yaml --set 'text={'many words ' * 5}many ...'" in lines


def test_lists_are_proposed_as_json(t2t, reviews):
    rows = [
        {"question": f"Which is {n}?", "choices": [f"no {n}", f"{n}"], "answer": f"{n}"} for n in range(3)
    ]
    Path("quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = t2t("new quiz --from quiz.jsonl").out.splitlines()
    assert """  t2t run quiz.yaml --set 'question=Which is 0?' --set 'choices:=["no 0", "0"]'""" in lines


def test_a_file_that_is_not_there_is_misuse(t2t, reviews):
    assert t2t("new mood --from nowhere.csv").code == 2
