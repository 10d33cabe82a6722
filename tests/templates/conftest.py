from pathlib import Path

import pytest

RTE = """\
task: rte
cluster: nli
description: Does the hypothesis follow from the premise?
dataset:
  local: rte
  columns: {premise: sentence1}
labels: [entailment, not_entailment]
metrics: [accuracy]
templates:
  - name: does it follow
    source: |-
      {{ premise }}
      Does it follow that "{{ hypothesis }}"? {{ answer_choices | join(' or ') }}?
    target: "{{ answer_choices[label] }}"
    answer_choices: ["yes", "no"]
    about: {choices_in_source: true}
  - name: true or false
    source: "{{ premise }} Therefore, {{ hypothesis }}"
    target: "{{ answer_choices[label] }}"
    answer_choices: ["true", "false"]
  - name: write a hypothesis
    source: "Write what follows: {{ premise }}"
    target: "{{ hypothesis }}"
    about: {original_task: false}
examples:
  - {premise: It rained., hypothesis: It was wet., label: entailment}
  - {premise: It rained., hypothesis: It was hot., label: not_entailment}
  - {premise: Ann sang., hypothesis: Somebody sang., label: entailment}
"""


@pytest.fixture
def rte_text() -> str:
    return RTE


@pytest.fixture
def write_task(tmp_path: Path):
    """Writes a task file into its cluster's folder, with (old, new) pairs replaced in the text."""

    def write(*changes: tuple[str, str], text: str = RTE, name: str = "nli/rte.yaml") -> Path:
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write
