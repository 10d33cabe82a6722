"""Overlap of evaluation rows with training rows and text, on rows whose overlap is plain to see."""

import json
import re
from pathlib import Path

import pytest

from t2t.data import overlap
from t2t.data.overlap import Hit, Source, find_overlap
from t2t.data.task import Task
from t2t.errors import CorruptRowError, DataError

NUMBERS = "one two three four five six seven eight nine ten eleven twelve thirteen"  # 13 words
PASSAGE = f"The passage begins, {NUMBERS} and then it ends."
QUESTION = "What is the last number?"

TASK = """\
task: toy_numbers
cluster: numbers
description: Say the last number.
dataset: {files: {train: train.jsonl, test: test.jsonl}}
metrics: [exact_match]
constants: {hint: it is one two three four five six seven eight nine ten eleven twelve thirteen}
templates: [{name: plain, source: "{{passage}} {{question}}", target: "{{answer}}"}]
"""


def toy_task(folder: Path, **splits: list[dict]) -> Task:
    (folder / "toy_numbers.yaml").write_text(TASK, encoding="utf-8")
    for split, rows in splits.items():
        write_rows(folder / f"{split}.jsonl", rows)
    return Task.load(folder / "toy_numbers.yaml")


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(passage: str, question: str = QUESTION) -> dict:
    return {"passage": passage, "question": question, "answer": "thirteen"}


def compare(tmp_path: Path, rows: list[dict], texts: list[str], **options: int) -> overlap.Overlap:
    task = toy_task(tmp_path, test=rows)
    source = Source.of_file(write_rows(tmp_path / "corpus.jsonl", [{"text": text} for text in texts]))
    [found] = find_overlap([(task, "test")], [source], num_processes=1, **options)
    return found


def test_thirteen_words_in_a_row_are_a_hit_and_twelve_are_none(tmp_path):
    twelve = NUMBERS.removeprefix("one ")
    found = compare(tmp_path, [row(PASSAGE)], [f"Zero, {twelve}, fourteen.", "Nothing."])
    assert (found.num_ngram_hits, found.ngram_hits) == (0, ())
    shouted = NUMBERS.upper().replace(" ", " - ")
    found = compare(tmp_path, [row("No."), row(PASSAGE)], ["Nothing.", f"Zero... {shouted}, fourteen!"])
    assert (found.num_rows, found.num_short, found.num_ngram_hits) == (2, 1, 1)
    assert found.ngram_hits == (Hit("test:1", f"{tmp_path / 'corpus.jsonl'}:2"),)
    assert (found.num_exact_hits, found.exact_hits) == (0, ())


def test_words_of_two_texts_are_no_run(tmp_path):
    words = NUMBERS.split()
    found = compare(tmp_path, [row(PASSAGE)], [" ".join(words[:6]), " ".join(words[6:])])
    assert found.num_ngram_hits == 0


def test_the_longest_text_of_a_row_is_found_whole_or_as_a_line(tmp_path):
    # the rows' longest texts: the passage of 3 words, then the questions of 5
    rows = [row("The red house stands here today."), row("Red."), row("Blue.", "Who is it?")]
    corpus = ["the RED house (stands here today)", f"A title\n{QUESTION.lower()}\nmore", "it is blue"]
    found = compare(tmp_path, rows, corpus)
    assert [hit.row for hit in found.exact_hits] == ["test:0", "test:1"]
    assert [hit.place.rpartition(":")[2] for hit in found.exact_hits] == ["1", "2"]
    assert (found.num_short, found.num_exact_hits, found.num_ngram_hits) == (3, 2, 0)


def test_what_every_row_has_does_not_count(tmp_path):
    found = compare(tmp_path, [row("Something else.")], [f"It is {NUMBERS}"])  # the task's constant
    assert (found.num_ngram_hits, found.num_exact_hits) == (0, 0)


def test_the_word_of_a_label_does_not_count_whatever_its_column_is_called(tmp_path):
    text = TASK.replace("metrics:", "labels: [natural place, animal]\nlabel_column: topic\nmetrics:")
    (tmp_path / "toy_numbers.yaml").write_text(text.replace("{{answer}}", "{{label_name}}"))
    write_rows(tmp_path / "train.jsonl", [{"passage": "Everest", "question": "", "topic": "natural place"}])
    write_rows(tmp_path / "test.jsonl", [{"passage": "Danube", "question": "", "topic": "natural place"}])
    task = Task.load(tmp_path / "toy_numbers.yaml")
    [found] = find_overlap([(task, "test")], [Source.of_task(task, "train")], num_processes=1)
    assert (found.num_ngram_hits, found.num_exact_hits) == (0, 0)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_training_rows_and_files_are_searched_and_the_first_place_is_named(tmp_path, num_processes):
    task = toy_task(tmp_path, test=[row(PASSAGE)], train=[row("Else."), row(f"So {PASSAGE}")])
    (tmp_path / "book.txt").write_text(f"Chapter 1\n\n{PASSAGE}\n", encoding="utf-8")
    sources = [Source.of_task(task, "train"), Source.of_file(tmp_path / "book.txt")]
    totals: list[int] = []
    [found] = find_overlap([(task, "test")], sources, num_processes=num_processes, on_source=totals.append)
    assert found.ngram_hits == (Hit("test:0", "toy_numbers train:1"),)
    assert found.exact_hits == (Hit("test:0", f"{tmp_path / 'book.txt'}:1"),)  # alone on a line there
    assert totals == [2, 2]


def test_no_run_is_lost_where_a_long_text_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(overlap, "_PIECE", 3_000)
    for before in range(2_800, 3_010, 7):  # the words lie across the end of the first piece
        text = "x " * (before // 2) + NUMBERS + " y" * 3_000
        assert compare(tmp_path, [row(PASSAGE)], [text]).num_ngram_hits == 1


def test_only_the_first_hits_are_named(tmp_path):
    rows = [row(f"{PASSAGE} And {n}.") for n in range(5)]
    found = compare(tmp_path, rows, [PASSAGE], num_examples=2)
    assert found.num_ngram_hits == 5 and [hit.row for hit in found.ngram_hits] == ["test:0", "test:1"]


def test_a_text_file_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes(b"caf\xe9")
    message = f"byte 3 is not UTF-8\n  where: {path}\n  mend:  convert the file to UTF-8"
    with pytest.raises(CorruptRowError, match=f"^{re.escape(message)}$"):
        find_overlap([(toy_task(tmp_path, test=[]), "test")], [Source.of_file(path)])


def test_nothing_to_compare_is_an_error(tmp_path):
    message = "overlap needs something to evaluate and something to compare it with"
    with pytest.raises(DataError, match=f"^{message}$"):
        find_overlap([], [Source.of_file(tmp_path)])
