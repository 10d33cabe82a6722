"""A task file made of rows: what is guessed, that it passes its own check, and rows that make no task."""

import csv
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from t2t.data.new_task import NewTask, write_new_task
from t2t.data.new_task.table import find_splits
from t2t.data.task import Task
from t2t.errors import DataError, TaskFileError
from t2t.templates import check_task_file


def write_rows(path: Path, columns: str, rows) -> Path:
    """Rows as the file's suffix says; `columns` are names between spaces, or a list."""
    names = columns.split() if isinstance(columns, str) else columns
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=False))) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(
            pyarrow.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path
        )
    else:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([names, *rows])
    return path


@pytest.fixture
def make(tmp_path):
    """Writes rows to a file and makes the task "mine" of them, which has to pass its own check."""

    def run(file: str, columns, rows, target: str | None = None) -> NewTask:
        path = write_rows(tmp_path / file, columns, rows)
        made = write_new_task("mine", path, folder=tmp_path, target=target)
        assert check_task_file(made.path, Task.load(made.path).rows(next(iter(made.table.files)))) == []
        return made

    return run


def guessed(made: NewTask) -> tuple:
    guess = made.guess
    read = [column.source for column in (*guess.inputs, *guess.options)]
    return guess.kind, guess.target.source, read, guess.answers


def first_targets(made: NewTask, number: int = 3) -> list[str]:
    task = Task.load(made.path)
    [split, *_] = task.splits()
    return [task.templates[0].render(row).target for _, row in task.rows(split, limit=number)]


TEXTS = [f"This is text number {n}, and it says something." for n in range(12)]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_words_that_come_up_again_are_labels(make, suffix):
    made = make(
        f"reviews{suffix}", "text sentiment", [(text, ["good", "bad"][n % 2]) for n, text in enumerate(TEXTS)]
    )
    assert guessed(made) == ("classification", "sentiment", ["text"], ("bad", "good"))
    task = Task.load(made.path)
    assert task.file.labels == ("bad", "good")
    assert task.file.dataset.files == {"test": f"reviews{suffix}"}
    assert [template.about.choices_in_source for template in task.templates] == [True, False, True]
    assert first_targets(made) == ["good", "bad", "good"]


@pytest.mark.parametrize(
    ("file", "values", "answers", "targets"),
    [
        ("a.csv", [0, 1, 0], ("0", "1"), ["0", "1", "0"]),
        ("a.jsonl", [0, 1, 0], ("0", "1"), ["0", "1", "0"]),
        ("a.csv", [3, 1, 5], ("1", "3", "5"), ["3", "1", "5"]),
        ("a.jsonl", [3, 1, 5], ("1", "3", "5"), ["3", "1", "5"]),  # neither words nor indices from 0
        ("a.parquet", [2.5, 1.0, 2.5], ("1.0", "2.5"), ["2.5", "1.0", "2.5"]),
        ("a.jsonl", [True, False, True], ("no", "yes"), ["yes", "no", "yes"]),
        ("a.csv", ["True", "False", "True"], ("False", "True"), ["yes", "no", "yes"]),
        ("a.csv", ["Yes", "no", "Yes"], ("no", "Yes"), ["yes", "no", "yes"]),
        ("a.csv", ["true: it is", "- no # not", "null"], ("- no # not", "null", "true: it is"), None),
    ],
)
def test_labels_of_any_type_become_targets(make, file, values, answers, targets):
    made = make(file, "text label", [(text, values[n % 3]) for n, text in enumerate(TEXTS)])
    assert guessed(made) == ("classification", "label", ["text"], answers)
    assert first_targets(made) == (targets or values)


def test_a_flag_is_asked_as_a_question_of_yes_and_no(make):
    made = make("spam.csv", "message is_spam", [(text, n % 2) for n, text in enumerate(TEXTS)])
    [first, *_] = Task.load(made.path).templates
    assert first.source == "{{ message }}\n\nIs this message spam, yes or no?"
    assert first.answer_choices == ("no", "yes")


def test_pairs_are_shown_with_their_names(make):
    rows = [(f"It rained on day {n} again.", f"Day {n} was wet, alas.", "abc"[n % 3]) for n in range(12)]
    made = make("pairs.csv", "premise hypothesis gold_label", rows)
    assert guessed(made)[:3] == ("classification", "gold_label", ["premise", "hypothesis"])
    source = Task.load(made.path).templates[1].source
    assert source == "Premise: {{ premise }}\nHypothesis: {{ hypothesis }}\nGold label:"


def test_the_word_of_a_label_is_taken_before_its_number(make):
    rows = [(text, n % 2, ["neg", "pos"][n % 2]) for n, text in enumerate(TEXTS)]
    assert guessed(make("a.csv", "text label label_text", rows))[1:3] == ("label_text", ["text"])


def test_numbers_are_read_where_there_is_no_text(make):
    rows = [(n, 20 + n, ["m", "f"][n % 3 == 0], n % 2) for n in range(12)]
    made = make("titanic.csv", "id age sex survived", rows)
    assert guessed(made) == ("classification", "survived", ["age", "sex"], ("0", "1"))


@pytest.mark.parametrize(
    ("answers", "expression"),
    [
        (["red 0", "red 1", "red 2"], "{{ answer }}"),
        (["A", "A", "B"], '{{ answer_choices["ABCDEFGH".index(answer)] }}'),
        (["a", "c", "b"], '{{ answer_choices["abcdefgh".index(answer)] }}'),
        ([0, 2, 1], "{{ answer_choices[answer | int] }}"),
        ([1, 3, 2], "{{ answer_choices[answer | int - 1] }}"),
    ],
)
@pytest.mark.parametrize("file", ["quiz.csv", "quiz.jsonl"])
def test_options_make_multiple_choice(make, file, answers, expression):
    options = [[f"red {n}", f"blue {n}", f"green {n}"] for n in range(3)]
    questions = [f"Which colour is number {n}?" for n in range(3)]
    if file.endswith("csv"):
        rows = [(q, *o, a) for q, o, a in zip(questions, options, answers, strict=True)]
        made = make(file, "question option1 option2 option3 answer", rows)
        assert guessed(made)[:3] == (
            "multiple choice",
            "answer",
            ["question", "option1", "option2", "option3"],
        )
    else:
        made = make(file, "question options answer", list(zip(questions, options, answers, strict=True)))
        assert guessed(made)[:3] == ("multiple choice", "answer", ["question", "options"])
    assert made.guess.expression == expression
    position = {"A": 0, "B": 1, "a": 0, "b": 1, "c": 2, **{f"red {n}": 0 for n in range(3)}}
    first = 1 if 3 in answers else 0
    places = [position[a] if isinstance(a, str) else a - first for a in answers]
    assert first_targets(made) == [o[place] for o, place in zip(options, places, strict=True)]


def test_texts_of_many_kinds_are_to_be_written(make):
    rows = [(text, f"A summary of text {n} in a few more words than eight.") for n, text in enumerate(TEXTS)]
    made = make("news.csv", "article summary", rows)
    assert guessed(made) == ("writing", "summary", ["article"], ())
    assert Task.load(made.path).file.metrics == ("rouge_l",)


def test_numbers_count_with_their_signs_and_points(make):
    made = make("sums.csv", "question answer", [(text, f"-{n}.5") for n, text in enumerate(TEXTS)])
    assert guessed(made)[:2] == ("writing", "answer")
    assert Task.load(made.path).file.metrics == ("accuracy",)


@pytest.mark.parametrize(
    ("name", "target", "references", "metric"),
    [
        ("labels", '{{ labels | join("; ") or "none" }}', None, "item_f1"),
        ("references", "{{ references[0] }}", "{{ references }}", "exact_match"),
    ],
)
def test_lists_are_items_or_answers_of_which_each_is_right(make, name, target, references, metric):
    lists = [["red"] * (n % 2) + [f"green {n}"] for n in range(len(TEXTS))]
    made = make("rows.jsonl", f"text {name}", list(zip(TEXTS, lists, strict=True)), target=name)
    file = Task.load(made.path).file
    assert {template.target for template in file.templates} == {target}
    assert (file.references, file.metrics[0]) == (references, metric)
    assert first_targets(made) == [items[0] if references else "; ".join(items) for items in lists[:3]]


def test_a_nested_column_is_told(make):
    rows = [({"title": text}, "xy"[n % 2]) for n, text in enumerate(TEXTS)]
    with pytest.raises(DataError, match="a template reads what is inside a column as"):
        make("rows.jsonl", "doc label", rows)


def test_of_two_columns_without_telling_names_the_second_is_the_answer(make):
    made = make("a.csv", "english french", [(text, text.upper()) for text in TEXTS])
    assert guessed(made)[:3] == ("writing", "french", ["english"])


def test_the_answers_can_be_named(make):
    rows = [(text, ["good", "bad"][n % 2], ["x", "y", "z"][n % 3]) for n, text in enumerate(TEXTS)]
    assert guessed(make("a.csv", "text label other", rows, target="other"))[1] == "other"


def test_columns_get_names_that_templates_can_use(make):
    columns = ["Review Text", "text", "for", "demonstrations", "The Class"]
    rows = [(text, text, f"{n} for me, please", text, "ab"[n % 2]) for n, text in enumerate(TEXTS)]
    made = make("a.csv", columns, rows)
    task = Task.load(made.path)
    assert task.file.dataset.columns == {
        "review_text": "Review Text",
        "for_": "for",
        "demonstrations_": "demonstrations",
        "the_class": "The Class",
    }
    [(_, row)] = task.rows("test", limit=1)
    assert "Review text: This is text number 0" in task.templates[0].render(row).source


def test_empty_cells_are_unknown_and_come_last_among_the_examples(make):
    rows = [(text, ["", "a note"][n > 1], "xy"[n % 2]) for n, text in enumerate(TEXTS)]
    task = Task.load(make("a.csv", "text note label", rows).path)
    sources = [task.templates[1].render(row).source for _, row in task.rows("test", limit=3)]
    assert [source.splitlines()[1] for source in sources] == [
        "Note: unknown",
        "Note: unknown",
        "Note: a note",
    ]
    assert [example["note"] for example in task.file.examples] == ["a note"] * 4


def test_gaps_are_shown_as_unknown(make):
    rows = [
        ("a", "x"),
        ("b", "y", None),
        ("c", "x", 12.5),
        ("d", "y", 7.0),
    ]  # the first row has no price at all
    task = Task.load(make("a.jsonl", "name label price", rows).path)
    sources = [task.templates[1].render(row).source for _, row in task.rows("test", limit=3)]
    assert [source.splitlines()[1] for source in sources] == [
        "Price: unknown",
        "Price: unknown",
        "Price: 12.5",
    ]


def test_files_of_other_splits_beside_it_are_taken_too(tmp_path, make):
    for split in ("Train", "dev"):
        write_rows(
            tmp_path / f"my-{split}.csv", "text label", [(t, "ab"[n % 2]) for n, t in enumerate(TEXTS)]
        )
    made = make("my-test.csv", "text label", [(text, "abc"[n % 3]) for n, text in enumerate(TEXTS)])
    assert Task.load(made.path).file.dataset.files == {
        "train": "my-Train.csv",
        "validation": "my-dev.csv",
        "test": "my-test.csv",
    }
    assert made.guess.answers == ("a", "b", "c")  # of all splits
    assert made.table.num_rows == 36


def test_a_split_without_the_answers_is_left_out(tmp_path, make):
    """As a competition's test.csv; a column that is no answer may be missing."""
    write_rows(tmp_path / "my_test.csv", "text", [(text,) for text in TEXTS])
    write_rows(tmp_path / "my_dev.csv", "text label", [(t, "ab"[n % 2]) for n, t in enumerate(TEXTS)])
    rows = [(text, f"Because of {text}", "ab"[n % 2]) for n, text in enumerate(TEXTS)]
    made = make("my_train.csv", "text reason label", rows, target="label")
    assert made.left_out == (tmp_path / "my_test.csv",)
    assert Task.load(made.path).file.dataset.files == {"train": "my_train.csv", "validation": "my_dev.csv"}


def test_two_sentences_and_whether_they_mean_the_same_are_no_options(make):
    rows = [(n, 2 * n, 2 * n + 1, text, f"Again: {text}", n % 2) for n, text in enumerate(TEXTS)]
    made = make("pairs.csv", "id qid1 qid2 question1 question2 is_duplicate", rows)
    assert guessed(made) == ("classification", "is_duplicate", ["question1", "question2"], ("0", "1"))


def test_two_columns_that_say_so_are_options(make):
    rows = [(text, f"It ends {n}.", f"It goes on {n}.", n % 2) for n, text in enumerate(TEXTS)]
    made = make("endings.csv", "text ending1 ending2 label", rows)
    assert guessed(made)[:3] == ("multiple choice", "label", ["text", "ending1", "ending2"])


@pytest.mark.parametrize("name", ["user_message", "file_text"])
def test_a_text_is_read_though_its_name_begins_as_that_of_an_id(make, name):
    rows = [(n, text, "ab"[n % 2]) for n, text in enumerate(TEXTS)]
    assert guessed(make("rows.csv", ["user_id", name, "user_intent"], rows))[:3] == (
        "classification",
        "user_intent",
        [name],
    )


def test_a_date_of_many_words_is_not_read(make):
    rows = [("Mon Sep 24 03:35:21 +0000 2012", text, "ab"[n % 2]) for n, text in enumerate(TEXTS)]
    assert guessed(make("tweets.csv", "created_at text label", rows))[2] == ["text"]


def test_names_in_camel_case_say_that_they_are_options(make):
    rows = [(text, f"It ends {n}.", f"It goes on {n}.", 1 + n % 2) for n, text in enumerate(TEXTS)]
    made = make(
        "story.csv", "Story RandomFifthSentenceQuiz1 RandomFifthSentenceQuiz2 AnswerRightEnding", rows
    )
    assert guessed(made)[:2] == ("multiple choice", "AnswerRightEnding")


def test_a_split_with_empty_answers_is_left_out(tmp_path, make):
    write_rows(tmp_path / "my_test.csv", "text label", [(text, "") for text in TEXTS])
    made = make("my_train.csv", "text label", [(text, "ab"[n % 2]) for n, text in enumerate(TEXTS)])
    assert made.left_out == (tmp_path / "my_test.csv",)


def test_choices_have_no_space_around_them(make):
    made = make("rows.csv", "text label", [(text, (" good", "bad ")[n % 2]) for n, text in enumerate(TEXTS)])
    file = Task.load(made.path).file
    assert set(file.labels) == {" good", "bad "}  # as the data have them
    assert set(first_targets(made)) == {"good", "bad"}


def test_a_file_that_is_not_named_for_a_split_is_the_test_split(tmp_path):
    assert find_splits(tmp_path / "latest.csv.gz") == {"test": tmp_path / "latest.csv.gz"}


def test_the_way_to_the_data_starts_at_the_task_file(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "tasks").mkdir()
    rows = write_rows(
        tmp_path / "data" / "a.csv", "text label", [(t, "ab"[n % 2]) for n, t in enumerate(TEXTS)]
    )
    made = write_new_task("mine", rows, folder=tmp_path / "tasks")
    assert Task.load(made.path).file.dataset.files == {"test": "../data/a.csv"}


def test_examples_are_short_rows_of_all_labels_in_turn(make):
    rows = [
        ("long " * 200, "a"),
        ("one", "a"),
        ("two", "a"),
        ("three", "b"),
        ("long " * 100, "b"),
        ("four", "b"),
    ]
    made = make("a.csv", "text label", rows)
    assert [row["text"] for row in Task.load(made.path).file.examples] == ["one", "three", "two", "four"]


def test_texts_of_any_characters_are_read_back(make):
    odd = [
        'say "a": b # c',
        "- x",
        "a\\b\tc\nd",
        "\u2028\x7f\x85",
        "{{ x }} {% y %}",
        "'",
        "好 \N{BROKEN HEART}",
    ]
    made = make("a.jsonl", "text label", [(text, "ab"[n % 2]) for n, text in enumerate(odd)])
    assert [row["text"] for row in Task.load(made.path).file.examples] == odd[:4]


@pytest.mark.parametrize(
    ("columns", "rows", "target", "message"),
    [
        (
            "text label",
            [("a", "b"), ("c", "d")],
            None,
            "too few rows to make a task of: 2, and at least 3 are needed",
        ),
        (
            "text label",
            [("a", "x"), ("b", ""), ("c", "y"), ("d", "x")],
            None,
            'column "label" has no answer in 1 of 4 rows, the first of them row 2',
        ),
        (
            "text label",
            [(t, "x") for t in TEXTS],
            None,
            'column "label" has the same answer in every row: "x"',
        ),
        (
            "text label",
            [(t, ["good", "Good "][n % 2]) for n, t in enumerate(TEXTS)],
            None,
            "answers in \"label\" differ in case or spaces alone: 'good', 'Good '",
        ),
        (
            "text label",
            [(t, ["{{ x }}", "y"][n % 2]) for n, t in enumerate(TEXTS)],
            None,
            'an answer would be read as a template: "{{ x }}"',
        ),
        ("text", [(t,) for t in TEXTS], None, "no column is plainly the one with the answers"),
        ("one two three", [(t, t, t) for t in TEXTS], None, "no column is plainly the one with the answers"),
        (
            "id label",
            [(n, "ab"[n % 2]) for n in range(9)],
            None,
            'beside the answers in "label" there is no column to read',
        ),
        ("text label", [(t, t) for t in TEXTS], "lable", 'there is no column "lable"'),
    ],
)
def test_rows_that_make_no_task_are_an_error_and_nothing_is_written(tmp_path, columns, rows, target, message):
    path = write_rows(tmp_path / "a.csv", columns, rows)
    with pytest.raises(DataError) as caught:
        write_new_task("mine", path, folder=tmp_path, target=target)
    assert caught.value.problem == message
    assert caught.value.where is not None and caught.value.where.file == path
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_never_overwritten(tmp_path):
    rows = write_rows(tmp_path / "a.csv", "text label", [(t, "ab"[n % 2]) for n, t in enumerate(TEXTS)])
    (tmp_path / "mine.yaml").write_text("task: another")
    with pytest.raises(TaskFileError, match="already"):
        write_new_task("mine", rows, folder=tmp_path)
    assert (tmp_path / "mine.yaml").read_text() == "task: another"


@pytest.mark.parametrize("name", ["My-Task", "../mine", "a b", ""])
def test_an_unfit_name_is_an_error(tmp_path, name):
    rows = write_rows(tmp_path / "a.csv", "text label", [(t, "ab"[n % 2]) for n, t in enumerate(TEXTS)])
    with pytest.raises(TaskFileError) as caught:
        write_new_task(name, rows, folder=tmp_path)
    assert str(caught.value) == (
        f'unfit for the name of a task: "{name}"\n  mend:  use lower case, digits and single underscores'
    )


def test_rows_that_do_not_bear_out_the_guess_are_told_beside_the_file(tmp_path):
    """The text column is a list in one row, which the first rows did not show: no template can print it."""
    path = tmp_path / "a.jsonl"
    rows = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"text": {"a": 1}, "label": "a"}]))
    made = write_new_task("mood", path, folder=tmp_path)
    assert {str(fault.where.file) for fault in made.faults} == {str(tmp_path / "mood.yaml")}
    assert all(
        "it prints a dict where only text or a number makes sense" in str(fault) for fault in made.faults
    )
    assert len(made.faults) == 3  # one for each wording
