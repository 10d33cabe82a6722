"""Files in the format of lm-evaluation-harness, written here, become tasks that render as it documents."""

import ast
import sys
from types import SimpleNamespace

import jinja2
import pytest
import yaml

from t2t.data.task import Task
from t2t.errors import DataError
from t2t.templates.importers.lm_eval import convert_lm_eval
from t2t.templates.importers.written import LeftOut, write_tasks
from t2t.templates.task_file import TaskFile

BASE = {
    "task": "Toy-Sums",
    "dataset_path": "acme/sums",
    "dataset_name": "easy",
    "validation_split": "dev",
    "output_type": "generate_until",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer}}",
    "metric_list": [{"metric": "exact_match", "aggregation": "mean"}],
}
CHOOSING = {**BASE, "output_type": "multiple_choice", "metric_list": [{"metric": "acc"}, {"metric": "f1"}]}
ROW = {
    "question": "2 + 2?",
    "answer": "four",
    "place": 1,
    "letter": "B",
    "options": ["three", "four"],
    "wrong": "three",
}


def write(path, config) -> None:
    path.write_text(yaml.safe_dump(config).replace("'!function f.g'", "!function f.g"))


def render_plainly(config: dict, row: dict) -> tuple[str, str]:
    """Source and target by the harness's guide: a column's name, a text of Jinja, a number as a place."""

    def value(text):
        if not isinstance(text, str):
            return text
        return row[text] if text in row else jinja2.Template(text).render(**row)

    source = config.get("description", "") + value(config["doc_to_text"])
    target, choices = value(config["doc_to_target"]), value(config.get("doc_to_choice"))
    if isinstance(choices, str):
        choices = ast.literal_eval(choices)
    if isinstance(choices, dict):
        choices = list(choices.values())
    if choices is not None and str(target).isdigit():
        target = choices[int(target)]
    return source.strip(), str(target).strip()


@pytest.mark.parametrize(
    "config",
    [
        BASE,
        {**BASE, "doc_to_text": "question", "doc_to_target": "answer"},
        {**BASE, "description": "Sums.\n\n"},
        {**CHOOSING, "doc_to_choice": ["no", "yes"], "doc_to_target": 1},
        {**CHOOSING, "doc_to_choice": ["no", "yes"], "doc_to_target": "place"},
        {**CHOOSING, "doc_to_choice": ["A", "B"], "doc_to_target": "letter"},
        {**CHOOSING, "doc_to_choice": ["no", "yes"], "doc_to_target": "{{place}}"},
        {**CHOOSING, "doc_to_choice": {"x": "no", "y": "yes"}, "doc_to_target": "{{ 'AB'.find(letter) }}"},
        {**CHOOSING, "doc_to_choice": "options", "doc_to_target": "answer"},
        {**CHOOSING, "doc_to_choice": "{{[wrong, answer]}}", "doc_to_target": "place"},
        {**CHOOSING, "doc_to_choice": "{{options}}", "doc_to_target": "{{options.index(answer)}}"},
    ],
)
def test_a_converted_task_renders_what_its_yaml_says(tmp_path, config):
    write(tmp_path / "sums.yaml", config)
    converted = convert_lm_eval(tmp_path / "sums.yaml")
    assert converted.left_out == ()
    [path] = write_tasks(converted.tasks, tmp_path / "out")
    task = TaskFile.read(path)
    example = task.templates[0].render(task.context(ROW))
    assert (example.source, example.target) == render_plainly(config, ROW)


def test_dataset_splits_and_metrics_come_along(tmp_path):
    write(tmp_path / "sums.yaml", {**CHOOSING, "doc_to_choice": ["four", "five"]})
    [task] = convert_lm_eval(tmp_path / "sums.yaml", cluster="maths").tasks
    assert (task["task"], task["cluster"]) == ("toy_sums", "maths")
    hub = {"path": "acme/sums", "name": "easy", "label_numbers": True}
    assert task["dataset"] == {"hub": hub, "splits": {"validation": "dev"}}
    assert task["metrics"] == ["accuracy", "macro_f1"]


def test_labels_of_the_hub_look_up_the_choices_of_an_imported_task(tmp_path, monkeypatch):
    class ClassLabel:
        names = ("bad", "good")

    class Dataset(list):
        features: dict = {"question": object(), "place": ClassLabel()}  # noqa: RUF012

    def load_dataset(path, name, *, split):
        return Dataset([{"question": "2 + 2?", "place": 1}])

    fake = SimpleNamespace(load_dataset=load_dataset, ClassLabel=ClassLabel)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    config = {**CHOOSING, "doc_to_choice": ["no", "yes"], "doc_to_target": "{{place}}"}
    write(tmp_path / "sums.yaml", config)
    [path] = write_tasks(convert_lm_eval(tmp_path / "sums.yaml").tasks, tmp_path / "out")
    task = Task.load(path)
    [(_, row)] = task.rows("validation")
    assert task.templates[0].render(row).target == "yes"


def test_a_visible_delimiter_and_a_prefix_belong_to_the_source(tmp_path):
    config = {**BASE, "doc_to_text": "{{question}}", "gen_prefix": "The sum", "target_delimiter": ": "}
    write(tmp_path / "sums.yaml", config)
    [task] = convert_lm_eval(tmp_path / "sums.yaml").tasks
    [path] = write_tasks([task], tmp_path / "out")
    assert TaskFile.read(path).templates[0].render(ROW).source == "2 + 2? The sum:"


@pytest.mark.parametrize(
    "target", ["{{answers}}", "answers", " {{ found.aliases }}", "{{ [name, answers[1]] }}"]
)
def test_of_a_list_of_answers_the_first_is_the_target_and_all_are_references(tmp_path, target):
    """In the harness such a target renders as `['Ann Lee', 'A. Lee']`, which it reads back as a list."""
    write(tmp_path / "who.yaml", {**BASE, "doc_to_target": target})
    [path] = write_tasks(convert_lm_eval(tmp_path / "who.yaml").tasks, tmp_path / "out")
    answers = ["Ann Lee ", "A. Lee"]
    row = {"question": "Who?", "answers": answers, "found": {"aliases": answers}, "name": "Ann Lee"}
    example = TaskFile.read(path).templates[0].render(row)
    assert (example.target, example.references) == ("Ann Lee", ("Ann Lee", "A. Lee"))


@pytest.mark.parametrize(("answer", "text"), [(" four", "four"), (4, "4"), (True, "True")])
def test_an_answer_that_is_no_list_is_its_only_reference(tmp_path, answer, text):
    write(tmp_path / "sums.yaml", BASE)
    [path] = write_tasks(convert_lm_eval(tmp_path / "sums.yaml").tasks, tmp_path / "out")
    example = TaskFile.read(path).templates[0].render({**ROW, "answer": answer})
    assert (example.target, example.references) == (text, (text,))


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("The sum is {{answer}}", "{% filter trim %}The sum is {{ answer }}{% endfilter %}"),
        ("{{ options[0] }}", "{{ options[0] | trim }}"),
        ("{{ answer.split('#')[-1] }}", "{{ (answer.split('#')[-1]) | trim }}"),
        ("{{ answer.upper() }}", "{{ (answer.upper()) | trim }}"),
        ("{{ options | join(', ') }}", "{{ (options | join(', ')) | trim }}"),
        ("{{ 'yes' if place else 'no' }}", "{{ ('yes' if place else 'no') | trim }}"),
    ],
)
def test_a_target_that_can_be_no_list_stays_as_it_is(tmp_path, target, written):
    write(tmp_path / "sums.yaml", {**BASE, "doc_to_target": target})
    [task] = convert_lm_eval(tmp_path / "sums.yaml").tasks
    assert (task["templates"][0]["target"], task.get("references")) == (written, None)


def test_scoring_by_python_and_filters_of_answers_are_noted(tmp_path):
    steps = [{"function": "regex", "regex_pattern": "(.)"}, {"function": "take_first"}]
    config = {
        **BASE,
        "process_results": "!function f.g",
        "filter_list": [{"name": "strict", "filter": steps}, {"name": "loose", "filter": steps}],
    }
    write(tmp_path / "sums.yaml", config)
    assert convert_lm_eval(tmp_path).notes == (
        LeftOut("sums.yaml", "Toy-Sums", "is scored by a Python function there"),
        LeftOut("sums.yaml", "Toy-Sums", "filters answers before they are scored there: regex"),
    )


@pytest.mark.parametrize(
    "filters",
    [
        None,
        3,
        [3],
        [{"filter": 3}],
        [{"filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}],
    ],
)
def test_filters_that_only_strip_or_take_the_first_answer_are_not_noted(tmp_path, filters):
    write(tmp_path / "sums.yaml", {**BASE, "filter_list": filters})
    assert convert_lm_eval(tmp_path).notes == ()


def test_a_task_takes_from_its_include_what_it_lacks(tmp_path):
    write(tmp_path / "_base.yaml", {key: value for key, value in BASE.items() if key != "task"})
    write(tmp_path / "one.yaml", {"include": "_base.yaml", "task": "one", "doc_to_text": "{{question}}"})
    write(tmp_path / "two.yaml", {"include": ["_base.yaml"], "task": "two"})
    write(tmp_path / "group.yaml", {"group": "both", "task": ["one", "two"]})
    converted = convert_lm_eval(tmp_path)
    assert [task["task"] for task in converted.tasks] == ["one", "two"]
    assert [task["templates"][0]["source"] for task in converted.tasks] == [
        "{{ question | trim }}",
        "Question: {{ question }}\nAnswer:",
    ]
    assert converted.left_out == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"process_docs": "!function f.g"}, "leaves process_docs to a Python function"),
        ({"doc_to_text": "!function f.g"}, "leaves doc_to_text to a Python function"),
        ({"use_prompt": "promptsource:x"}, "uses use_prompt"),
        ({"output_type": "loglikelihood_rolling"}, "scores texts as a whole and asks nothing"),
        ({"output_type": "multiple_choice"}, "has no doc_to_choice to choose from"),
        ({"doc_to_text": ""}, "has an empty text, and an encoder needs one to read"),
        ({"doc_to_target": ["a", "b"]}, "has no text, column or number for doc_to_target"),
        ({"doc_to_choice": "[{{answer}}]"}, "has a doc_to_choice that is no single expression"),
        ({"doc_to_choice": ["{{a}}", "b"]}, "has brackets in a choice"),
        (
            {"doc_to_text": "{{ question | regex_replace('a', 'b') }}"},
            'uses an unknown filter: "regex_replace"',
        ),
        ({"include": 3}, "is in a file whose include is no file name, sums.yaml"),
        ({"include": "sums.yaml"}, "includes files that include one another"),
        ({"include": "none.yaml"}, "is in a file that cannot be read, none.yaml: No such file or directory"),
    ],
)
def test_a_task_that_cannot_be_converted_is_left_out_with_the_reason(tmp_path, changes, reason):
    write(tmp_path / "sums.yaml", {**BASE, **changes})
    converted = convert_lm_eval(tmp_path)
    assert converted.tasks == ()
    assert [(each.file, each.reason) for each in converted.left_out] == [("sums.yaml", reason)]


@pytest.mark.parametrize(
    ("text", "are_named"), [("{{question}} Answer:", False), ("{{question}} A, or B? Answer:", True)]
)
def test_a_source_names_its_choices_if_all_of_them_stand_in_it_as_words(tmp_path, text, are_named):
    write(tmp_path / "sums.yaml", {**CHOOSING, "doc_to_text": text, "doc_to_choice": ["A", "B"]})
    [task] = convert_lm_eval(tmp_path).tasks
    assert task["templates"][0]["about"]["choices_in_source"] == are_named


def test_metrics_that_are_no_list_are_passed_over(tmp_path):
    write(tmp_path / "sums.yaml", {**BASE, "metric_list": 3})
    assert convert_lm_eval(tmp_path).tasks[0]["metrics"] == ["accuracy"]


@pytest.mark.parametrize(
    ("entry", "metric", "notes"),
    [
        ({"metric": "exact_match"}, "accuracy", []),
        ({"metric": "exact_match", "ignore_case": False}, "accuracy", []),
        (
            {"metric": "exact_match", "ignore_case": True},
            "exact_match",
            [
                "has exact_match with ignore_case; here it is exact_match, "
                "which ignores case, punctuation and articles"
            ],
        ),
        (
            {"metric": "exact_match", "regexes_to_ignore": [","]},
            "accuracy",
            ["has exact_match with regexes_to_ignore; here it is accuracy, which ignores nothing"],
        ),
        ({"metric": "rougeL"}, "rouge_l", []),
        ({"metric": "rouge1"}, "accuracy", ["has metrics that are not scored here: rouge1"]),
        (
            {"metric": "acc_norm"},
            "accuracy",
            ["has the metric acc_norm, which is accuracy with --length-norm mean_byte here"],
        ),
        ({"metric": "f1"}, "squad_f1", []),
        ({"aggregation": "mean"}, "accuracy", []),
    ],
)
def test_a_metric_becomes_the_one_that_scores_alike_and_differences_are_noted(tmp_path, entry, metric, notes):
    write(tmp_path / "sums.yaml", {**BASE, "metric_list": [entry]})
    converted = convert_lm_eval(tmp_path)
    assert converted.tasks[0]["metrics"] == [metric]
    assert [note.reason for note in converted.notes] == notes


def test_metrics_that_are_unknown_here_are_noted_together(tmp_path):
    config = {**BASE, "metric_list": [{"metric": "mcc"}, {"metric": "acc"}, {"metric": "!function f.g"}]}
    write(tmp_path / "sums.yaml", config)
    [note] = convert_lm_eval(tmp_path).notes
    assert note == LeftOut("sums.yaml", "Toy-Sums", "has metrics that are not scored here: mcc, f.g")


def test_a_place_without_tasks_is_an_error(tmp_path):
    write(tmp_path / "group.yaml", {"group": "both", "task": ["one"]})
    with pytest.raises(DataError) as caught:
        convert_lm_eval(tmp_path)
    assert str(caught.value) == f"there is no task of lm-evaluation-harness\n  where: {tmp_path}"
