"""Texts that are too long for a model, told with their share of the rows."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from t2t.templates import check_task_file
from t2t.tokens import TokenCheck, TokenCounter

NOTES = """\
task: notes
cluster: notes
description: Name the topic of the note.
metrics: [exact_match]
templates:
  - {name: short, source: "Note: {{ text }}", target: "{{ topic }}"}
  - {name: again, source: "Once more: {{ text }}", target: "{{ topic }}"}
  - name: shown
    source: "{{ demonstrations }}Then: {{ text }}"
    target: "{{ topic }}"
    demonstrations: ["Then: a b c d e f g h\\na\\n\\n"]
examples: [{text: a, topic: x}, {text: b, topic: y}, {text: c, topic: z}]
"""


@pytest.fixture
def counter() -> TokenCounter:
    """Counts words and punctuation marks."""
    backend = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return TokenCounter("words", backend, bos_id=None, eos_id=None, unknown_id=None)


def problems(path, counter, texts, *, topic="x", **limits) -> list[str]:
    lint = TokenCheck(counter, **{"max_source_len": 6, "max_target_len": 1, **limits})
    rows = [{"text": text, "topic": topic} for text in texts]
    return [fault.problem for fault in check_task_file(path, rows, lints=[lint])]


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.yaml"
    path.write_text(NOTES)
    return path


def test_a_source_may_be_cut_in_one_row_of_ten(notes, counter):
    # "Once more:" is three words, so that a text of four has seven in all; with the three examples 10 rows.
    assert problems(notes, counter, ["a b c d", *["a"] * 6]) == []
    assert problems(notes, counter, ["a b c d", "b c d e", *["a"] * 5]) == [
        'template "again" has a source that is cut in 2 of 10 rows: it has up to 7 tokens, and the limit is 6'
    ]


def test_demonstrations_do_not_count(notes, counter):
    """They are dropped before a word of the question is cut."""
    assert problems(notes, counter, ["a"], max_source_len=4) == []


def test_a_target_is_measured_too(notes, counter):
    assert problems(notes, counter, ["a"], topic="a-b", max_source_len=99) == [
        f'template "{name}" has a target that is cut in 1 of 4 rows: it has up to 3 tokens,'
        " and the limit is 1"
        for name in ("short", "again", "shown")
    ]
