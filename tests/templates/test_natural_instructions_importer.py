"""The importer of Super-NaturalInstructions: official files and rows become tasks with official prompts."""

import gzip
import json
import re
from pathlib import Path

import pytest

from t2t.data.task import Task
from t2t.errors import CorruptRowError, DataError, MissingDataError
from t2t.templates.importers.natural_instructions import import_natural_instructions
from t2t.templates.library import find_task_files

SENTIMENT = {
    "Contributors": ["A. Person"],
    "Categories": ["Sentiment Analysis"],
    "Definition": ["Say whether the review is glad or sad "],
    "Input_language": ["English"],
    "Output_language": ["English"],
    "Instance License": ["CC0 1.0"],
    "Positive Examples": [
        {"input": " The soup was hot!", "output": "glad", "explanation": "Hot soup pleases"},
        {"input": "It rained on us", "output": "sad", "explanation": "Nobody likes rain."},
        {"input": "We laughed.", "output": "glad", "explanation": ""},
    ],
    "Negative Examples": [
        {"input": "The bus was late.", "output": "glad?", "explanation": "A late bus is no joy"},
        {"input": "I won", "output": "sad", "explanation": "Winning pleases."},
        {"input": "We lost.", "output": "glad", "explanation": "Losing does not."},
    ],
    "Instances": [
        {"id": f"task7-{n}", "input": f"Review number {n}", "output": ["glad", "happy"]} for n in range(103)
    ],
}

# Written by the rules of the official collator: a full stop after what does not end in a punctuation mark,
# white space around each text gone, and these spaces at the beginnings of lines.
DEFINITION = "Definition: Say whether the review is glad or sad.\n\n"
POSITIVE = (
    " Positive Example 1 -\nInput: The soup was hot!\n Output: glad.\n\n"
    " Positive Example 2 -\nInput: It rained on us.\n Output: sad.\n\n"
)
NEGATIVE = (
    " Negative Example 1 -\nInput: The bus was late.\n Output: glad?\n\n"
    " Negative Example 2 -\nInput: I won.\n Output: sad.\n\n"
)
EXPLAINED = (
    " Positive Example 1 -\nInput: The soup was hot!\n Output: glad.\n Explanation: Hot soup pleases.\n\n"
    " Positive Example 2 -\nInput: It rained on us.\n Output: sad.\n Explanation: Nobody likes rain.\n\n"
)
QUERY = "Now complete the following example -\nInput: Review number 0.\nOutput: "


def write_collection(place: Path, tasks: dict[str, object], **lists: list[str]) -> Path:
    (place / "tasks").mkdir(parents=True)
    for name, document in tasks.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (place / "tasks" / f"{name}.json").write_text(text, encoding="utf-8")
    for name, listed in lists.items():
        path = place / "splits" / "default" / f"{name}_tasks.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{task}\n" for task in listed), encoding="utf-8")
    return place


def imported(tmp_path: Path, **changes: object) -> Task:
    """The one task of a collection without lists, with some of its fields changed."""
    place = write_collection(tmp_path / "place", {"task7_glad.or.sad": SENTIMENT | changes})
    report = import_natural_instructions(place, tmp_path / "out")
    assert report.left_out == ()
    return Task.load(tmp_path / "out" / "task7_glad_or_sad.yaml")


def reason(tmp_path: Path, **changes: object) -> str:
    document = {key: value for key, value in (SENTIMENT | changes).items() if value is not None}
    place = write_collection(tmp_path / "place", {"task7_x": document})
    report = import_natural_instructions(place, tmp_path / "out")
    assert report.tasks == ()
    assert not list((tmp_path / "out").glob("task*")) and not (tmp_path / "out" / "data" / "task7_x").exists()
    [(task, why)] = report.left_out
    assert task == "task7_x"
    return why


@pytest.mark.parametrize(
    ("template", "source"),
    [
        ("definition", DEFINITION + QUERY),
        ("examples", POSITIVE + QUERY),
        ("definition and examples", DEFINITION + POSITIVE + QUERY),
        ("definition, examples and counterexamples", DEFINITION + POSITIVE + NEGATIVE + QUERY),
        ("definition and explained examples", DEFINITION + EXPLAINED + QUERY),
    ],
)
def test_prompts_have_the_official_layout(tmp_path, template, source):
    task = imported(tmp_path)
    assert [template.name for template in task.templates].count(template) == 1
    _, row = next(task.rows("test"))
    example = task.file.template(template).render(row)
    assert example.source == source
    assert (example.target, example.references) == ("glad", ("glad", "happy"))
    assert "".join(example.demonstrations) in source


def test_a_text_ending_in_no_ascii_mark_or_in_nothing_gets_a_full_stop(tmp_path):
    task = imported(
        tmp_path, Instances=[{"id": "a", "input": text, "output": ["x"]} for text in (" ", "Où ?", "”")]
    )
    sources = [task.file.template("definition").render(row).source for _, row in task.rows("test")]
    assert [source.splitlines()[-2] for source in sources] == ["Input: .", "Input: Où ?", "Input: ”."]


def test_encodings_that_a_task_has_nothing_for_are_left_out(tmp_path):
    positive = [{"input": "Fine", "output": "glad"}]
    task = imported(tmp_path, **{"Positive Examples": positive, "Negative Examples": ["-"]})
    assert [template.name for template in task.templates] == [
        "definition",
        "examples",
        "definition and examples",
    ]
    _, row = next(task.rows("test"))
    assert task.file.template("examples").render(row).source == (
        " Positive Example 1 -\nInput: Fine.\n Output: glad.\n\n" + QUERY
    )


def test_a_task_keeps_its_official_names_and_origin(tmp_path):
    file = imported(tmp_path).file
    assert (file.task, file.cluster) == ("task7_glad_or_sad", "sentiment_analysis")
    assert file.constants["official_task"] == "task7_glad.or.sad"
    assert file.constants["official_category"] == "Sentiment Analysis"
    assert file.source.licence == "CC0 1.0" and file.source.url.endswith("/tasks/task7_glad.or.sad.json")
    assert file.metrics == ("rouge_l", "exact_match") and file.languages == ("en",)
    assert file.examples == (
        {"input": "We laughed.", "outputs": ["glad"]},
    )  # an example that no prompt shows


def test_without_lists_the_first_hundred_instances_are_for_testing(tmp_path):
    task = imported(tmp_path)
    assert [row["id"] for _, row in task.rows("test")] == [f"task7-{n}" for n in range(100)]
    assert [row["id"] for _, row in task.rows("train")] == ["task7-100", "task7-101", "task7-102"]


def test_lists_say_which_task_is_for_what(tmp_path):
    names = ["task10_c", "task2_a", "task3_b"]
    place = write_collection(
        tmp_path / "place", dict.fromkeys(names, SENTIMENT), train=["task2_a"], test=["task10_c"]
    )
    totals: list[int] = []
    report = import_natural_instructions(place, tmp_path / "out", on_task=totals.append)
    assert [path.stem for path in report.tasks] == ["task2_a", "task10_c"]  # in order of their numbers
    why = "it is in neither train_tasks.txt nor test_tasks.txt of splits/default"
    assert report.left_out == (("task3_b", why),)
    assert totals == [3, 3, 3]
    assert report.num_rows == 103 + 100
    train, test = (Task.load(path) for path in report.tasks)
    assert train.splits() == ("train",) and test.splits() == ("test",)
    # what tasks include is no task, nor are the data files
    assert list(find_task_files(tmp_path / "out")) == ["task10_c", "task2_a"]


def rows(name: str, number: int) -> str:
    row = {
        "task": name,
        "category": "Word Analogy",
        "definition": "Complete it: 1e3.",  # YAML would read a bare 1e3 as a number
        "positive_examples": [{"input": "1e3", "output": "yes"}, {"input": "b", "output": "no"}],
        "outputs": ["~"],
    }
    return "".join(json.dumps(row | {"input": f"{name} {n}"}) + "\n" for n in range(number))


def test_a_cut_off_file_of_rows_is_an_error_not_a_shorter_one(tmp_path):
    packed = gzip.compress(rows("task1_a", 5_000).encode())
    (tmp_path / "train.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="data file cannot be read: Compressed file ended before"):
        import_natural_instructions(tmp_path, tmp_path / "out")


def test_prompts_of_an_earlier_import_are_replaced(tmp_path):
    (tmp_path / "train.jsonl").write_text(rows("task1_a", 2), encoding="utf-8")
    import_natural_instructions(tmp_path, tmp_path / "out")
    (family,) = (tmp_path / "out").glob("_natural_instructions*.yaml")
    written = family.read_text()
    family.write_text(written.replace("Now complete", "Complete"))
    import_natural_instructions(tmp_path, tmp_path / "out")
    assert family.read_text() == written


def test_rows_become_the_same_tasks(tmp_path):
    place = tmp_path / "rows"
    place.mkdir()
    (place / "train.jsonl").write_text(rows("task1_a", 2) + rows("task2_b", 1), encoding="utf-8")
    (place / "test.jsonl.gz").write_bytes(gzip.compress(rows("task3_c", 3).encode()))
    report = import_natural_instructions(place, tmp_path / "out")
    assert (report.num_rows, report.left_out) == (6, ())
    task = Task.load(report.tasks[2])
    assert task.splits() == ("test",) and task.cluster == "word_analogy"
    _, row = list(task.rows("test"))[2]
    assert row["input"] == "task3_c 2" and row["positive_examples"][0] == {"input": "1e3", "output": "yes"}
    assert "Input: 1e3.\n Output: yes." in task.file.template("examples").render(row).source


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"Definition": None}, "it has no definition"),
        ({"Categories": []}, "it has no category"),
        ({"Instances": None}, "it has no list of Instances"),
        ({"Instances": []}, "it has no instances"),
        (
            {"Instances": [{"input": "a", "output": "b"}]},
            "instance 0 of test is no text with a list of texts as outputs",
        ),
        ({"Positive Examples": []}, "it has no positive examples"),
        ({"Positive Examples": [{"input": "a"}]}, "positive example 1 has no input and output"),
        ({"Positive Examples": [{"input": "a", "output": 3}]}, "positive example 1 is no text"),
        ({"Negative Examples": "none"}, "its negative examples are no list"),
        ({"Input_language": ["Klingon"]}, "its language has no ISO 639-1 code here: Klingon"),
        ({"Input_language": "English"}, "its languages are no list of names"),
        ({"Definition": "\ud83d"}, "it holds half a surrogate pair, which is no text"),
    ],
)
def test_a_task_that_cannot_be_converted_is_left_out_with_the_reason(tmp_path, changes, why):
    assert reason(tmp_path, **changes) == why


def test_two_tasks_of_one_name_and_a_broken_file_are_left_out(tmp_path):
    tasks = {"task7_a.b": SENTIMENT, "task7_a_b": SENTIMENT, "task8_c": "{", "task9_d": "[]"}
    report = import_natural_instructions(write_collection(tmp_path / "place", tasks), tmp_path / "out")
    assert [path.stem for path in report.tasks] == ["task7_a_b"]
    first, second, third = report.left_out
    assert first == ("task7_a_b", "another task is called task7_a_b too")
    assert second[0] == "task8_c" and second[1].startswith("the file is no JSON document: Expecting")
    assert third == ("task9_d", "the file holds no JSON object")


def test_instances_without_an_answer_are_counted(tmp_path):
    instances = [{"id": n, "input": "a", "output": [text]} for n, text in enumerate(["b", " ", "c"])]
    place = write_collection(tmp_path / "place", {"task7_x": SENTIMENT | {"Instances": instances}})
    report = import_natural_instructions(place, tmp_path / "out")
    assert (report.num_rows, report.num_rows_left_out) == (2, 1)


def test_a_folder_without_tasks_is_refused(tmp_path):
    message = (
        f"no tasks of Natural Instructions in {tmp_path}\n"
        "  have:  tasks/task*.json, task*.json, train.jsonl.gz, test.jsonl.gz\n"
        "  mend:  name the folder that holds one of these"
    )
    with pytest.raises(MissingDataError, match=f"^{re.escape(message)}$"):
        import_natural_instructions(tmp_path, tmp_path / "out")


def test_a_broken_row_is_named(tmp_path):
    (tmp_path / "test.jsonl").write_text('{"task": "task1_a"}\n{\n')
    message = f"row is not a JSON object\n  where: {tmp_path / 'test.jsonl'}:2"
    with pytest.raises(CorruptRowError, match=f"^{re.escape(message)}$"):
        import_natural_instructions(tmp_path, tmp_path / "out")
