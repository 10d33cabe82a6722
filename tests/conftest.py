"""Toys that every room's tests may use: two tasks of one cluster each, and a data root with their rows.

toy_tasks_dir/mood/toy_mood.yaml     is a sentence happy or sad? 40 train, 8 validation, 8 test rows
toy_tasks_dir/sums/toy_sums.yaml     a digit plus a digit, written out; 12 train rows, no labels
toy_data_root/toy_mood/train.jsonl   and so on
"""

import json
from pathlib import Path

import pytest

TOY_MOOD = """\
task: toy_mood
cluster: mood
description: Is the sentence happy or sad?
dataset:
  local: toy_mood
  hub: {path: example/toy, name: mood}
  splits: {train: train, validation: dev, test: test}
labels: [happy, sad]
label_column: label
metrics: [accuracy]
languages: [en]
source: {url: "https://example.org/toy", licence: CC0-1.0, citation: none}
templates:
  - name: happy or sad
    source: "{{text}} Is that {{ answer_choices | join(' or ') }}?"
    target: "{{ answer_choices[label] }}"
    answer_choices: [happy, sad]
    about: {original_task: true, choices_in_source: true}
  - name: how do I feel
    source: "{{text}} How do I feel?"
    target: "{{ answer_choices[label] }}"
    answer_choices: [happy, sad]
  - name: good day
    source: "Was this a good day? {{text}}"
    target: "{{ answer_choices[label] }}"
    answer_choices: ["yes", "no"]
examples:
  - {text: I found a shell., label: happy}
  - {text: My tea is cold., label: sad}
  - {text: The sun came out., label: happy}
"""

TOY_SUMS = """\
task: toy_sums
cluster: sums
description: Add two digits.
dataset: {local: toy_sums, splits: {train: train}}
metrics: [exact_match]
languages: [en]
source: {url: "https://example.org/toy", licence: CC0-1.0, citation: none}
templates:
  - {name: plus, source: "{{left}} + {{right}} =", target: "{{ total }}"}
  - {name: in words, source: "What is {{left}} plus {{right}}?", target: "{{ total }}"}
  - {name: adds up, source: "{{left}} and {{right}} add up to", target: "{{ total }}"}
examples:
  - {left: 1, right: 2, total: 3}
  - {left: 4, right: 4, total: 8}
  - {left: 0, right: 7, total: 7}
"""


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def toy_tasks_dir(tmp_path: Path) -> Path:
    """Folder of task files laid out as `task_templates/` is: one folder per cluster."""
    folder = tmp_path / "task_templates"
    for cluster, name, text in [("mood", "toy_mood", TOY_MOOD), ("sums", "toy_sums", TOY_SUMS)]:
        (folder / cluster).mkdir(parents=True)
        (folder / cluster / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def toy_data_root(tmp_path: Path) -> Path:
    """Data root with the rows of both toy tasks; even rows of toy_mood are happy, odd ones sad."""
    root = tmp_path / "data"
    for split, num_rows in [("train", 40), ("validation", 8), ("test", 8)]:
        moods = [("We won", "happy"), ("We lost", "sad")]
        rows = [
            {"text": f"{moods[n % 2][0]} {split} game {n}.", "label": moods[n % 2][1]}
            for n in range(num_rows)
        ]
        write_jsonl(root / "toy_mood" / f"{split}.jsonl", rows)
    sums = [{"left": left, "right": right, "total": left + right} for left in range(3) for right in range(4)]
    write_jsonl(root / "toy_sums" / "train.jsonl", sums)
    return root
