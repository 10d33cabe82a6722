"""The page's functions, without a browser and without Gradio."""

import math
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

import t2t


@pytest.fixture
def mood(toy_tasks_dir):
    return t2t.TaskFile.read(toy_tasks_dir / "mood" / "toy_mood.yaml")


@pytest.fixture
def handlers(ui):
    return ui.handlers


@pytest.fixture
def first_row(handlers, mood):
    return handlers.make_query(mood, handlers.Choice("toy_mood", "happy or sad", 0))


def failure(function, *arguments) -> str:
    with pytest.raises(t2t.T2TError) as caught:
        function(*arguments)
    return str(caught.value)


def test_the_model_is_described_by_name_and_size(handlers, tiny_model):
    number = sum(weight.numel() for weight in tiny_model.model.parameters()) / 1e6
    assert handlers.describe_model(tiny_model) == f"tiny, {number:.1f} million parameters, cpu"


@pytest.mark.parametrize(
    ("lines", "choices"),
    [("", None), (" \n\n", None), ("yes\nno", ["yes", "no"]), ("  a b \n\n c\n", ["a b", "c"])],
)
def test_choices_are_the_lines_that_hold_something(handlers, lines, choices):
    assert handlers.parse_choices(lines) == choices


def test_one_choice_is_a_mistake(handlers):
    assert failure(handlers.parse_choices, "yes\n") == (
        '"yes" is the only answer choice, so there is nothing to choose\n'
        "  mend:  write one choice on each line, or leave the box empty to let the model write freely"
    )


def test_an_empty_prompt_is_a_mistake(handlers, tiny_model):
    assert failure(handlers.answer_prompt, tiny_model, " \n", "", handlers.Settings()) == (
        "the prompt is empty\n  mend:  type a question, or pick one of the examples"
    )


def test_a_prompt_with_choices_is_ranked_and_one_without_is_continued(handlers, tiny_model):
    ranked = handlers.answer_prompt(tiny_model, "Is that happy?", "yes\nno", handlers.Settings("mean_byte"))
    assert (ranked.choices, ranked.length_norm) == (("yes", "no"), "mean_byte")
    assert sum(ranked.probabilities) == pytest.approx(1)

    written = handlers.answer_prompt(tiny_model, "Is that happy?", "", handlers.Settings(max_new_tokens=3))
    assert written.choices is None
    assert written == tiny_model.generate("Is that happy?", max_new_tokens=3)


def test_tasks_are_listed_by_cluster(handlers, toy_tasks_dir):
    assert handlers.list_tasks((toy_tasks_dir,)) == [
        ("mood / toy_mood", "toy_mood"),
        ("sums / toy_sums", "toy_sums"),
    ]


def test_tasks_of_the_last_folder_come_first(handlers, toy_tasks_dir, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "zebra.yaml").touch()
    names = [name for _, name in handlers.list_tasks((toy_tasks_dir, own))]
    assert names == ["zebra", "toy_mood", "toy_sums"]


def test_an_own_task_is_listed_under_the_cluster_that_its_file_names(handlers, toy_tasks_dir, tmp_path):
    own = tmp_path / "own" / "zebra.yaml"
    own.parent.mkdir()
    own.write_text("cluster: mine\n")
    assert handlers.list_tasks((toy_tasks_dir, own.parent))[0] == ("mine / zebra", "zebra")
    own.write_text("cluster: [")
    os.utime(own, ns=(0, 0))  # changed, whatever the clock's grain
    assert handlers.list_tasks((toy_tasks_dir, own.parent))[0] == ("own / zebra", "zebra")


def test_a_folder_without_tasks_is_a_mistake(handlers, tmp_path):
    assert failure(handlers.list_tasks, (tmp_path,)) == (
        f"no task files under {tmp_path}\n  mend:  name another folder"
    )


def test_a_task_that_vanished_is_a_mistake(handlers, toy_tasks_dir):
    assert failure(handlers.read_task, "gone", (toy_tasks_dir,)) == (
        'there is no task "gone" any more\n  mend:  reload the page'
    )


def test_fields_are_what_the_source_reads_and_never_the_label(handlers, mood):
    assert handlers.row_fields(mood, handlers.Choice("toy_mood", "good day", 1)) == {
        "text": "My tea is cold."
    }


def test_rows_start_again_after_the_last_one(handlers, mood):
    fields = [
        handlers.row_fields(mood, handlers.Choice("toy_mood", "good day", row))["text"] for row in range(4)
    ]
    assert fields == ["I found a shell.", "My tea is cold.", "The sun came out.", "I found a shell."]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "a\nb"),
        (["red", "light blue"], "red\nlight blue"),
        (["two\nlines"], '["two\\nlines"]'),
        ([], "[]"),
        (3, "3"),
        ({"name": "Zoë"}, '{"name": "Zoë"}'),
    ],
)
def test_a_field_shows_a_value_and_gives_it_back(handlers, value, text):
    assert handlers.field_text(value) == text
    assert handlers.field_value("field", text, value) == value


BEYOND_JSON = [
    (date(2024, 1, 31), "2024-01-31"),
    (datetime(2024, 1, 31, 8, 5, tzinfo=UTC), "2024-01-31 08:05:00+00:00"),
    (Decimal("1.50"), "1.50"),
    (b"\xff", r"b'\xff'"),
    ({"on": date(2024, 1, 31)}, "{'on': datetime.date(2024, 1, 31)}"),
]


@pytest.mark.parametrize(("value", "text"), BEYOND_JSON)
def test_a_value_that_json_cannot_write_is_shown_and_kept(handlers, value, text):
    assert handlers.field_text(value) == text
    assert handlers.field_value("field", text, value) is value
    assert handlers.field_value("field", "last June", value) == "last June"


@pytest.mark.parametrize(
    ("sample", "text", "value"),
    [
        ("one", "two\r\nlines", "two\nlines"),
        (["red", "blue"], " green \n\n grey", ["green", "grey"]),
        (3, "4.5", 4.5),
        ({"name": "Zoë"}, '{"name": "Ann"}', {"name": "Ann"}),
        (None, "Paris is large", "Paris is large"),
        (None, "null", None),
        (None, "[1, 2]", [1, 2]),
    ],
)
def test_what_is_typed_becomes_a_value_of_the_samples_kind(handlers, sample, text, value):
    assert handlers.field_value("field", text, sample) == value


@pytest.mark.parametrize(
    "value", [[" red ", "blue\r"], math.nan, [math.nan], "two\r\nlines\r", date(2024, 1, 31), None, 1.0]
)
def test_a_field_that_nobody_edited_leaves_its_row_as_it_is(handlers, toy_tasks_dir, monkeypatch, value):
    file = t2t.TaskFile.read(toy_tasks_dir / "mood" / "toy_mood.yaml")
    sample = {"text": value, "label": 0}
    monkeypatch.setattr(handlers, "sample_rows", lambda file: [("examples:0", sample)])
    choice = handlers.Choice("toy_mood", "good day")
    shown = handlers.row_fields(file, choice)
    for ends in ("\n", "\r\n"):  # pages differ in what they send back
        texts = {name: text.replace("\r\n", "\n").replace("\n", ends) for name, text in shown.items()}
        query = handlers.make_query(file, choice, texts)
        assert query.row["text"] is value
        assert not query.is_edited


def test_a_box_without_a_text_yet_leaves_its_column_as_it_is(handlers, toy_tasks_dir):
    file = t2t.TaskFile.read(toy_tasks_dir / "mood" / "toy_mood.yaml")
    query = handlers.make_query(file, handlers.Choice("toy_mood", "good day"), {"text": None})
    assert query.row["text"] == file.examples[0]["text"]
    assert not query.is_edited


def test_a_date_of_a_parquet_file_opens_and_is_answered(handlers, toy_tasks_dir, toy_data_root, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = toy_tasks_dir / "mood" / "toy_mood.yaml"
    text = path.read_text(encoding="utf-8").partition("examples:")[0]
    path.write_text(text.replace("{{text}} How", "{{day.year}}: {{text}} How"), encoding="utf-8")
    rows = [{"text": "We won.", "label": "happy", "day": date(2024, 1, 31)}]
    (toy_data_root / "toy_mood" / "train.jsonl").unlink()
    parquet.write_table(pyarrow.Table.from_pylist(rows), toy_data_root / "toy_mood" / "train.parquet")
    monkeypatch.setenv("T2T_DATA", str(toy_data_root))

    file, choice = t2t.TaskFile.read(path), handlers.Choice("toy_mood", "how do I feel")
    fields = handlers.row_fields(file, choice)
    assert fields == {"text": "We won.", "day": "2024-01-31"}
    kept = handlers.make_query(file, choice, fields)
    assert not kept.is_edited
    assert handlers.render_source(kept, handlers.Shots()) == "2024: We won. How do I feel?"


def test_a_field_that_does_not_parse_is_a_mistake(handlers):
    assert failure(handlers.field_value, "left", "one", 1) == (
        'the field "left" does not parse: Expecting value: line 1 column 1 (char 0)\n'
        "  mend:  write it as JSON, such as 1"
    )


def test_the_source_shown_is_the_source_answered(handlers, first_row, tiny_model):
    for shots in (handlers.Shots(0), handlers.Shots(2, seed=5)):
        [answer] = handlers.answer_query(tiny_model, first_row, shots, handlers.Settings())
        assert answer.prediction.source == handlers.render_source(first_row, shots)


def test_demonstrations_never_hold_the_query(handlers, mood):
    others = {0: ("cold", "sun"), 1: ("shell", "sun"), 2: ("shell", "cold")}
    for row, (one, two) in others.items():
        query = handlers.make_query(mood, handlers.Choice("toy_mood", "how do I feel", row))
        *demonstrations, shown = handlers.render_source(query, handlers.Shots(2)).split("\n\n")
        assert shown == f"{query.row['text']} How do I feel?"
        assert all(any(word in text for text in demonstrations) for word in (one, two))
        assert all(query.row["text"] not in text for text in demonstrations)


def test_an_edited_row_still_keeps_its_sample_out_of_the_demonstrations(handlers, mood):
    query = handlers.make_query(mood, handlers.Choice("toy_mood", "good day", 0), {"text": "It rains."})
    source = handlers.render_source(query, handlers.Shots(2))
    assert "shell" not in source
    assert source.endswith("Was this a good day? It rains.")


def test_a_sample_row_knows_its_answer_until_it_is_edited(handlers, mood, tiny_model):
    choice = handlers.Choice("toy_mood", "good day", 1)
    kept = handlers.make_query(mood, choice, {"text": "My tea is cold."})
    edited = handlers.make_query(mood, choice, {"text": "My tea is hot."})
    assert [query.is_edited for query in (kept, edited)] == [False, True]

    [answer] = handlers.answer_query(tiny_model, kept, handlers.Shots(), handlers.Settings())
    assert answer.references == ("no",)  # the row is sad, and "good day" calls that "no"
    assert answer.is_correct == (answer.prediction.text == "no")

    written = replace(answer, prediction=tiny_model.generate(answer.prediction.source, max_new_tokens=3))
    assert written.is_correct is None  # another wording may be as right
    assert replace(written, references=(written.prediction.text,)).is_correct

    [answer] = handlers.answer_query(tiny_model, edited, handlers.Shots(), handlers.Settings())
    assert (answer.references, answer.is_correct) == ((), None)


def test_all_templates_give_one_answer_each(handlers, first_row, tiny_model):
    answers = handlers.answer_query(
        tiny_model, first_row, handlers.Shots(1), handlers.Settings(), all_templates=True
    )
    assert [answer.prediction.template for answer in answers] == ["happy or sad", "how do I feel", "good day"]
    assert [answer.references for answer in answers] == [("happy",), ("happy",), ("yes",)]


def test_a_comparison_counts_labels_however_they_are_worded(ui, handlers, mood, tiny_model):
    edited = handlers.make_query(mood, handlers.Choice("toy_mood", "good day"), {"text": "I am cold."})
    settings = handlers.Settings()
    answers = handlers.answer_query(tiny_model, edited, handlers.Shots(), settings, all_templates=True)
    words = {"happy": "happy", "sad": "sad", "yes": "happy", "no": "sad"}
    assert [answer.label for answer in answers] == [words[answer.prediction.text] for answer in answers]
    answers = [
        replace(answer, label="happy", prediction=replace(answer.prediction, text=text))
        for answer, text in zip(answers, ["happy", "happy", "yes"], strict=True)
    ]
    assert "3 of 3 templates answer “happy”." in ui.panels.comparison_panel(answers)
    answers[0] = replace(answers[0], label=None)  # of a template without labels the texts are all there is
    assert "2 of 3 templates answer “happy”." in ui.panels.comparison_panel(answers)


def test_a_wording_of_two_labels_says_neither(handlers, toy_tasks_dir, tiny_model):
    path = toy_tasks_dir / "mood" / "toy_mood.yaml"
    text = path.read_text(encoding="utf-8").replace("[label]", "[label % 2]")
    text = text.replace("labels: [happy, sad]", "labels: [happy, sad, glad, low]")
    text = text.replace("choices: [happy, sad]", "choices: \"{{ ['happy', 'sad'] }}\"")
    text = text.replace('choices: ["yes", "no"]', "choices: \"{{ ['yes', 'no'] }}\"")
    path.write_text(text, encoding="utf-8")
    query = handlers.make_query(t2t.TaskFile.read(path), handlers.Choice("toy_mood", "good day"))
    answers = handlers.answer_query(
        tiny_model, query, handlers.Shots(), handlers.Settings(), all_templates=True
    )
    assert [answer.label for answer in answers] == [None, None, None]


def test_a_choice_that_is_too_long_to_rank_is_a_mistake(handlers, mood, tiny_model):
    message = failure(
        handlers.answer_prompt, tiny_model, "Which?", "yes\n" + "no " * 1000, handlers.Settings()
    )
    assert message.startswith('the answer choice "no no ')
    assert "has 2,999 characters, and may have 2,000\n" in message


def test_a_column_that_the_row_lacks_is_a_mistake_that_names_the_nearest(handlers, toy_tasks_dir):
    path = toy_tasks_dir / "mood" / "toy_mood.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("{{text}} How", "{{txet}} How"), encoding="utf-8"
    )
    query = handlers.make_query(t2t.TaskFile.read(path), handlers.Choice("toy_mood", "how do I feel"))
    message = failure(handlers.render_source, query, handlers.Shots())
    row = 'row "examples:0" of task "toy_mood": template "how do I feel"'
    assert message.startswith(f'{row} reads a column that the dataset lacks: "txet"')
    assert message.endswith('mend:  did you mean "text"?')


def test_panels_escape_what_users_and_models_write(ui):
    nasty = '<img src=x onerror="alert(1)">'
    prediction = t2t.Prediction(
        text=nasty,
        logprob=-1.0,
        num_source_tokens=9,
        truncated=False,
        choices=(nasty, "b"),
        logprobs=(-1.0, -2.0),
        probabilities=(0.75, 0.25),
        length_norm="sum",
        template=nasty,
    )
    answer = ui.handlers.TaskAnswer(prediction, (nasty,))
    mistake = t2t.T2TError(nasty, have=[nasty], mend=nasty)
    panels = ui.panels
    for html in (
        panels.answer_panel(answer),
        panels.comparison_panel([answer]),
        panels.mistake_panel(mistake),
        panels.head_panel(nasty),
    ):
        assert "<img" not in html
        assert "&lt;img" in html


def test_many_choices_are_folded_after_the_likeliest(ui):
    choices = tuple(f"choice {n}" for n in range(16))
    prediction = t2t.Prediction(
        text="choice 15",
        logprob=-1.0,
        num_source_tokens=9,
        truncated=True,
        choices=choices,
        logprobs=(0.0,) * 16,
        probabilities=tuple(n / 120 for n in range(16)),  # 0 + 1 + ... + 15 = 120
        length_norm="sum",
    )
    html = ui.panels.prediction_panel(prediction)
    shown, folded = html.split("<details>")
    assert shown.index("choice 15") < shown.index("choice 14")
    assert shown.count("<li") == 12
    assert "4 more choices, 5.0 % together" in folded  # (0 + 1 + 2 + 3) / 120
    assert "The end was cut off." in shown
    assert "it saw 9 tokens" in shown


def test_every_example_can_be_answered(ui, tiny_model):
    for label, prompt, choices in ui.examples.EXAMPLES:
        answer = ui.handlers.answer_prompt(
            tiny_model, prompt, choices, ui.handlers.Settings(max_new_tokens=2)
        )
        assert label
        assert (answer.choices is None) == (choices == "")


def test_the_page_opens_on_a_task_of_ones_own_else_on_a_plain_one(ui):
    shipped = [("bigbench / bbh_navigate", "bbh_navigate"), ("sentiment / sst2", "sst2")]
    own = [("mine / dinner", "dinner"), *shipped]
    assert ui.handlers.first_task(shipped, ("shipped",)) == "sst2"
    assert ui.handlers.first_task(own, ("shipped", "mine")) == "dinner"
    assert ui.handlers.first_task(shipped[:1], ("toys",)) == "bbh_navigate"
