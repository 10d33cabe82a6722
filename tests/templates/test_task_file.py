import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t.errors import DataError, Faults, T2TError, TaskFileError, TemplateError
from t2t.templates.task_file import TaskFile


def read_error(path) -> str:
    """The message, with the file's long path as FILE."""
    with pytest.raises(T2TError) as caught:
        TaskFile.read(path)
    return str(caught.value).replace(str(path), "FILE")


def label_error(file: TaskFile, label: object) -> str:
    with pytest.raises(DataError) as caught:
        file.context({"label": label})
    return str(caught.value).replace(str(file.location().file), "FILE")


def test_a_file_gives_its_fields_and_compiled_templates(write_task):
    file = TaskFile.read(write_task())
    assert (file.task, file.cluster, file.metrics, file.languages) == ("rte", "nli", ("accuracy",), ("en",))
    assert file.dataset.columns == {"premise": "sentence1"}
    example = file.template("true or false").render(file.context(file.examples[1]), example_id="examples:1")
    assert (example.source, example.target) == ("It rained. Therefore, It was hot.", "false")
    assert (example.task, example.template, example.example_id) == ("rte", "true or false", "examples:1")


def test_context_renames_columns_and_gives_index_and_word_of_the_label(write_task):
    file = TaskFile.read(write_task())
    row = {"sentence1": "p", "hypothesis": "h", "label": "not_entailment", "idx": 3}
    context = {"premise": "p", "hypothesis": "h", "label": 1, "label_name": "not_entailment", "idx": 3}
    assert file.context(row) == context
    assert file.context(context) == context


@pytest.mark.parametrize("label", ["not_entailment", 1, "1", 1.0, "1.0"])  # pandas writes gaps and floats
def test_a_label_may_be_a_word_or_an_index(write_task, label):
    assert TaskFile.read(write_task()).context({"label": label}) == {
        "label": 1,
        "label_name": "not_entailment",
    }


@pytest.mark.parametrize("label", [{}, {"label": None}, {"label": ""}, {"label": " "}])  # a CSV has no null
def test_a_row_without_a_label_stays_without(write_task, label):
    assert TaskFile.read(write_task()).context({"premise": "p", **label}) == {"premise": "p"}


def test_the_label_column_may_have_any_name(write_task):
    file = TaskFile.read(write_task(("metrics:", "label_column: gold\nmetrics:")))
    row = {"gold": "entailment"}
    assert file.context(row) == {"gold": "entailment", "label": 0, "label_name": "entailment"}


def test_an_unknown_label_is_an_error_that_names_the_labels(write_task):
    file = TaskFile.read(write_task())
    assert label_error(file, "entailed") == (
        "a row of task \"rte\" has a label that the task lacks: 'entailed'\n  where: FILE:7, labels\n"
        '  have:  entailment, not_entailment\n  mend:  did you mean "entailment"?'
    )
    for label in (2, -1, True, "2", 0.5, "0.5"):
        assert label_error(file, label) == (
            f'a row of task "rte" has a label that the task lacks: {label!r}\n  where: FILE:7, labels\n'
            "  have:  entailment, not_entailment"
        )


def test_a_float_is_never_guessed_to_be_a_label_or_an_index(write_task):
    file = TaskFile.read(write_task(("[entailment, not_entailment]", '["1.0", "2.0"]')))
    assert "has a label that is a number as well as a word: 1.0" in label_error(file, 1.0)


def test_a_number_is_never_guessed_to_be_a_label_or_an_index(write_task):
    file = TaskFile.read(write_task(("labels: [entailment, not_entailment]", 'labels: ["1", "2"]')))
    assert label_error(file, 1) == (
        'a row of task "rte" has a label that is a number as well as a word: 1\n  where: FILE:7, labels\n'
        "  have:  1, 2\n  mend:  write the labels as text in the data"
    )
    assert label_error(file, 2).startswith(
        'a row of task "rte" has a label that is a number as well as a word: 2'
    )
    assert file.context(file.context({"label": "1"})) == {"label": 0, "label_name": "1"}
    assert label_error(file, "0").startswith("a row of task \"rte\" has a label that the task lacks: '0'")


@given(labels=st.lists(st.text(min_size=1), min_size=2, unique=True), data=st.data())
def test_word_to_index_to_choice_comes_back_to_the_word(labels, data):
    file = TaskFile.model_validate(
        {
            "task": "t",
            "cluster": "c",
            "description": "d",
            "metrics": ("accuracy",),
            "labels": tuple(labels),
            "templates": ({"name": "n", "source": "s", "target": "t"},),
        }
    )
    word = data.draw(st.sampled_from(labels))
    context = file.context({"label": word})
    assert labels[context["label"]] == context["label_name"] == word
    assert file.context(context) == context


def test_references_are_all_acceptable_answers_of_the_original_task(write_task):
    text = """\
task: qa
cluster: qa
description: Answer.
metrics: [exact_match]
references: "{{ answers }}"
templates:
  - {name: answer, source: "{{ question }}", target: "{{ answers[0] }}"}
  - {name: ask, source: "{{ answers[0] }}", target: "{{ question }}", about: {original_task: false}}
"""
    file = TaskFile.read(write_task(text=text, name="qa/qa.yaml"))
    row = {"question": "Who?", "answers": ["Ann", "Ann Lee"]}
    assert file.template("answer").render(row).references == ("Ann", "Ann Lee")
    assert file.template("ask").render(row).references == ("Who?",)
    with pytest.raises(TemplateError) as caught:
        file.template("answer").render({"question": "Who?", "answers": ["Ann", None]})
    assert str(caught.value) == (
        'template "answer" has references that are empty or not text: None\n'
        f"  where: {file.location().file}:5, references\n  have:  'Ann', None"
    )


def test_an_unknown_template_suggests_the_nearest(write_task):
    path = write_task()
    with pytest.raises(TemplateError) as caught:
        TaskFile.read(path).template("true or fals")
    assert str(caught.value) == (
        f'task "rte" has no template "true or fals"\n  where: {path}:9, templates\n'
        '  have:  does it follow, true or false, write a hypothesis\n  mend:  did you mean "true or false"?'
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("cluster: nli\n", ""),
            'missing key: "cluster"\n'
            '  where: FILE:1, cluster\n  mend:  add "cluster": the kind of task, which is '
            "held out as a whole; the name of the folder",
        ),
        (
            ("task: rte", "task: RTE-2"),
            'unfit for a file name: "RTE-2"\n  where: FILE:1, task\n'
            "  mend:  use lower case, digits and single underscores",
        ),
        (
            ("metrics: [accuracy]", "metrics: [acuracy]"),
            'unknown value for "metrics[0]": "acuracy"\n  where: FILE:8, metrics[0]\n'
            "  have:  accuracy, macro_f1, exact_match, squad_f1, rouge_l, bleu, item_f1\n"
            '  mend:  did you mean "accuracy"?',
        ),
        (
            ("labels: [entailment, not_entailment]", "labels: [a, a]"),
            "a label is given twice: a, a\n  where: FILE:7, labels",
        ),
        (
            ("columns: {premise: sentence1}", "columns: {premise: text, text: premise}"),
            'column "premise" is both a new name and renamed itself\n  where: FILE:6, dataset.columns\n'
            "  mend:  use a third name",
        ),
        (
            ("labels:", "constants: {sentence1: none}\nlabels:"),
            '"sentence1" is a column that is renamed "premise"\n  where: FILE:7, constants\n'
            "  mend:  use another name",
        ),
        (
            ("  local: rte", "  lokal: rte"),
            'unknown key: "lokal"\n  where: FILE:5, dataset.lokal\n'
            "  have:  columns, files, hub, local, splits\n"
            '  mend:  did you mean "local"?',
        ),
        (
            ("about: {choices_in_source: true}", "about: {choices_in_sorce: true}"),
            'unknown key: "choices_in_sorce"\n  where: FILE:16, templates[0].about.choices_in_sorce\n'
            '  have:  choices_in_source, original_task\n  mend:  did you mean "choices_in_source"?',
        ),
        (
            ("name: true or false", "name: does it follow"),
            'two templates have the name "does it follow"\n  where: FILE:17, templates[1].name\n'
            "  mend:  give each a name of its own",
        ),
        (
            ('["yes", "no"]', '["yes", "no", "maybe"]'),
            'template "does it follow" has 3 answer choices for 2 labels\n'
            "  where: FILE:15, templates[0].answer_choices\n  have:  entailment, not_entailment\n"
            "  mend:  give one choice for each label, in their order",
        ),
        (
            ('["yes", "no"]', "[]"),
            'template "does it follow" has empty answer choices\n'
            "  where: FILE:15, templates[0].answer_choices\n"
            "  mend:  list at least two, or leave answer_choices out",
        ),
        (
            ('{{ hypothesis }}"?', '{{ hypothesis }"?'),
            "template \"does it follow\" has a syntax error: unexpected '}'\n"
            "  where: FILE:13, templates[0].source\n"
            "  mend:  write a column as {{ name }}, with two braces on each side",
        ),
        (
            ("metrics:", 'references: "answers"\nmetrics:'),
            "references needs one {{ expression }} with nothing around it\n  where: FILE:8, references",
        ),
    ],
)
def test_a_malformed_file_is_an_error_with_its_line(write_task, change, message):
    assert read_error(write_task(change)) == message


def test_faults_of_form_and_of_templates_are_told_at_once(write_task):
    path = write_task(
        ("description:", "descripton:"),
        ('"{{ hypothesis }}"?', '"{{ hypothesis | uper }}"?'),
        ('["yes", "no"]', '""'),
    )
    with pytest.raises(Faults) as caught:
        TaskFile.read(path)
    assert [(type(fault), fault.problem, fault.where.line) for fault in caught.value.faults] == [
        (TaskFileError, 'missing key: "description"', 1),
        (TaskFileError, 'unknown key: "descripton"', 3),
        (TemplateError, 'template "does it follow" uses an unknown filter: "uper"', 13),
        (TemplateError, 'template "does it follow" has empty answer choices', 15),
    ]


def test_one_column_of_the_data_may_have_two_names(write_task):
    file = TaskFile.read(write_task(("{premise: sentence1}", "{premise: sentence1, first: sentence1}")))
    context = {"premise": "p", "first": "p"}
    assert file.context({"sentence1": "p"}) == context
    assert file.context(context) == context


def test_a_constant_is_a_column_of_every_row(write_task):
    file = TaskFile.read(write_task(("labels:", "constants: {language: English}\nlabels:")))
    assert file.context({"sentence1": "p"}) == {"language": "English", "premise": "p"}
    assert file.context({"language": "Finnish"}) == {"language": "Finnish"}  # a row's own value wins


def test_a_file_takes_the_keys_that_it_lacks_from_the_file_it_includes(write_task):
    family = write_task(("task: rte\n", ""), name="_family.yaml")
    path = write_task(name="cb.yaml")
    path.write_text("task: cb\ninclude: _family.yaml\ndescription: The file's own words.\n")
    file = TaskFile.read(path)
    assert (file.task, file.cluster, file.description) == ("cb", "nli", "The file's own words.")
    assert [template.task for template in file.templates] == ["cb"] * 3
    assert str(file.location("templates", 0)) == f"{family}:9, templates[0]"
    assert str(file.location("description")) == f"{path}:3, description"


def test_a_fault_of_an_included_file_is_placed_there(write_task):
    family = write_task(("task: rte\n", ""), ('{{ hypothesis }}"?', '{{ hypothesis }"?'), name="_family.yaml")
    path = write_task(name="cb.yaml")
    path.write_text("task: cb\ninclude: _family.yaml\n")
    assert read_error(path) == (
        "template \"does it follow\" has a syntax error: unexpected '}'\n"
        f"  where: {family}:12, templates[0].source\n"
        "  mend:  write a column as {{ name }}, with two braces on each side"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "../_family.yaml",
            'not the name of a file to include: "../_family.yaml"\n  where: FILE:2, include\n'
            "  mend:  put it beside the task file and call it _name.yaml",
        ),
        (
            "_familiy.yaml",
            'there is no file to include: "_familiy.yaml"\n  where: FILE:2, include\n'
            '  have:  _family.yaml\n  mend:  did you mean "_family.yaml"?',
        ),
    ],
)
def test_only_a_family_file_of_the_same_folder_is_included(write_task, name, message):
    write_task(name="_family.yaml")
    path = write_task(name="cb.yaml")
    path.write_text(f"task: cb\ninclude: {name}\n")
    assert read_error(path) == message


def test_an_included_file_includes_no_other(write_task):
    family = write_task(("task: rte\n", "include: _other.yaml\n"), name="_family.yaml")
    path = write_task(name="cb.yaml")
    path.write_text("task: cb\ninclude: _family.yaml\n")
    assert read_error(path) == (
        f"an included file holds keys of a task file, and includes no other\n  where: {family}:1, include"
    )
