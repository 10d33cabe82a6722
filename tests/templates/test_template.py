import pickle
from datetime import date, datetime, time
from decimal import Decimal

import pytest

from t2t.errors import TemplateError
from t2t.templates.task_file import TaskFile
from t2t.templates.template import RenderedExample, Template

ROW = {"text": "I loved it.", "label": 1, "options": ["bad", "good"]}


def template(source="{{ text }}", target="{{ text }}", **fields) -> Template:
    return Template(name="t", source=source, target=target, **fields)


def error_of(template: Template, row=ROW) -> str:
    with pytest.raises(TemplateError) as caught:
        template.render(row)
    return str(caught.value)


def test_an_error_begins_with_the_row_where_that_has_an_id():
    for render in (template("{{ txt }}").render, template("{{ txt }}").render_source):
        with pytest.raises(TemplateError) as caught:
            render(ROW, example_id="test:3")
        assert str(caught.value) == (
            'row "test:3": template "t" reads a column that the dataset lacks: "txt"\n'
            "  where: source\n"
            "  have:  label, options, text\n"
            '  mend:  did you mean "text"?'
        )


def test_a_row_becomes_source_target_and_choices():
    sentiment = template(
        "{{ text }} {{ answer_choices | join(' or ') }}?",
        "{{ answer_choices[label] }}",
        answer_choices=["bad", "good"],
    )
    assert sentiment.render(ROW, example_id="test:3") == RenderedExample(
        source="I loved it. bad or good?",
        target="good",
        answer_choices=("bad", "good"),
        references=("good",),
        task="",
        template="t",
        example_id="test:3",
    )


@pytest.mark.parametrize("choices", ["{{ options }}", ("{{ options[0] }}", "{{ options[1] }}")])
def test_answer_choices_may_come_from_the_row(choices):
    example = template(target="{{ answer_choices[label] }}", answer_choices=choices).render(ROW)
    assert example.answer_choices == ("bad", "good")
    assert example.target == "good"


def test_an_expression_may_compute_the_choices():
    choices = "{{ options | map('title') | list + ['Neither'] }}"
    assert template(target="Bad", answer_choices=choices).render(ROW).answer_choices == (
        "Bad",
        "Good",
        "Neither",
    )


def test_a_choice_that_a_row_repeats_is_asked_once():
    last = template(target="{{ answer_choices[2] }}", answer_choices="{{ options }}")
    example = last.render({"text": "x", "options": ["a", "a", "b"]})
    assert (example.target, example.answer_choices) == ("b", ("a", "b"))


def test_an_unlabelled_row_gives_source_and_choices():
    sentiment = template(target="{{ answer_choices[label] }}", answer_choices=["bad", "good"])
    query = sentiment.render_source({"text": "Fine."}, example_id="row:0")
    assert (query.source, query.answer_choices) == ("Fine.", ("bad", "good"))
    assert (query.target, query.references, query.example_id) == ("", (), "row:0")


def test_white_space_braces_and_markup_are_kept_as_written():
    row = {"text": "<b> {{ not jinja }}\t&\n"}
    assert template("\n {{ text }} \n").render(row).source == "\n <b> {{ not jinja }}\t&\n \n"


def test_columns_are_the_names_that_a_row_must_bring():
    reads_all = template(
        "{% for o in options %}{{ o }}{% endfor %}{{ text }}",
        "{{ answer_choices[label] }}",
        answer_choices=["{{ a }}", "b"],
    )
    assert reads_all.columns == {"options", "text", "label", "a"}


def test_a_template_pickles_after_use():
    used = template()
    used.render(ROW)
    assert pickle.loads(pickle.dumps(used)) == used


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"source": "{{ txt }}"},
            'template "t" reads a column that the dataset lacks: "txt"\n  where: source\n'
            '  have:  label, options, text\n  mend:  did you mean "text"?',
        ),
        (
            {"source": "{{ zebra }}"},
            'template "t" reads a column that the dataset lacks: "zebra"\n  where: source\n'
            "  have:  label, options, text",
        ),
        (
            {"source": "{{ text "},
            'template "t" has a syntax error: unexpected end of template, '
            "expected 'end of print statement'.\n  where: source",
        ),
        (
            {"source": "{% if text %}x"},
            'template "t" has a syntax error: Unexpected end of template. Jinja was '
            "looking for the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to "
            "be closed is 'if'.\n  where: source",
        ),
        (
            {"source": "{{ text | uper }}"},
            'template "t" uses an unknown filter: "uper"\n  where: source\n'
            "  have:  abs, capitalize, choice, count, d, default, dictsort, first, float, groupby, int, "
            "items, join, last, length, list, lower, map, max, min, most_frequent, reject, rejectattr, "
            "replace, reverse, round, select, selectattr, sort, string, sum, title, trim, truncate, unique, "
            "upper, wordcount\n"
            '  mend:  did you mean "upper"?',
        ),
        (
            {"source": "{{ options }}"},
            'template "t" does not render: it prints a list where only text or a number '
            "makes sense; join it\n  where: source",
        ),
        (
            {"source": "{{ options.colour }}"},
            "template \"t\" does not render: 'list object' has no attribute 'colour'\n  where: source",
        ),
        (
            {"source": "{{ options[2] }}"},
            'template "t" does not render: list object has no element 2\n  where: source',
        ),
        (
            {"target": "{{ answer_choices[options[1]] }}", "answer_choices": ["bad", "good"]},
            'template "t" looks up an answer choice by a word: "good"\n'
            "  where: target\n"
            "  mend:  list the words under labels: of the task, in the order of the choices",
        ),
        (
            {"target": "{{ answer_choices[label - 2] }}", "answer_choices": ["bad", "good"]},
            'template "t" does not render: it takes item -1 of a list, by no constant; a label of -1 is a '
            "hidden one\n  where: target",
        ),
        (
            {"source": "{{ label_name }}"},
            'template "t" reads a column that the dataset lacks: "label_name"\n'
            "  where: source\n  have:  label, options, text\n"
            "  mend:  list the words under labels: of the task, in the order of the choices",
        ),
        (
            {"target": "{{ answer_choices[lable] }}", "answer_choices": ["bad", "good"]},
            'template "t" reads a column that the dataset lacks: "lable"\n'
            '  where: target\n  have:  label, options, text\n  mend:  did you mean "label"?',
        ),
        (
            {"source": "{{ text + 1 }}"},
            'template "t" does not render: can only concatenate str (not "int") to str\n  where: source',
        ),
        (
            {"source": "{% if label == 0 %}x{% endif %}"},
            'template "t" gives an empty source for this row\n  where: source',
        ),
        (
            {"target": "{{ text | replace('I loved it.', ' ') }}"},
            'template "t" gives an empty target for this row\n  where: target',
        ),
        (
            {"target": "great", "answer_choices": ["bad", "good"]},
            'template "t" gives a target outside its answer choices: "great"\n'
            "  where: target\n  have:  bad, good",
        ),
        (
            {"answer_choices": "{{ text }}"},
            "template \"t\" needs a list of answer choices, not 'I loved it.'\n  where: answer_choices",
        ),
        (
            {"answer_choices": "{{ options | select('equalto', 'x') }}"},
            'template "t" has empty answer choices for this row\n  where: answer_choices',
        ),
        (
            {"answer_choices": "{{ ['a', ''] }}"},
            "template \"t\" has answer choices that are empty or not text: ''\n  where: answer_choices\n"
            "  have:  'a', ''",
        ),
        (
            {"answer_choices": "{{ [1, 2] }}"},
            'template "t" has answer choices that are empty or not text: 1\n'
            "  where: answer_choices\n  have:  1, 2",
        ),
        (
            {"answer_choices": "yes ||| no"},
            'template "t" needs one {{ expression }} with nothing around it\n  where: answer_choices',
        ),
    ],
)
def test_a_failed_rendering_says_why(fields, message):
    assert error_of(template(**fields)) == message


@pytest.mark.parametrize(
    ("source", "does"),
    [
        ("{{ text }}", "prints"),
        ("{{ text ~ '!' }}", "prints"),
        ("{{ text | trim }}", "prints"),
        ("{{ text | string }}", "prints"),
        ("{{ text | upper }}", 'gives "upper"'),
        ("{% if text | lower == 'no' %}no{% endif %}", 'gives "lower"'),
    ],
)
def test_a_null_column_is_not_taken_for_the_word_none(source, does):
    assert error_of(template(source=source), {"text": None}) == (
        f'template "t" does not render: it {does} a column that is null; test for it with {{% if %}}\n'
        "  where: source"
    )


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({}, []),
        ({"source": "{{ nowhere }}"}, []),  # only a row can tell
        (
            {"answer_choices": []},
            [
                'template "t" has empty answer choices\n  where: answer_choices\n'
                "  mend:  list at least two, or leave answer_choices out"
            ],
        ),
        (
            {"answer_choices": ["a", " "]},
            [
                'template "t" has an empty answer choice, number 1\n'
                "  where: answer_choices\n  have:  'a', ' '"
            ],
        ),
        (
            {"answer_choices": ["a", "b", "a"]},
            ['template "t" has the same answer choice twice: "a"\n  where: answer_choices\n  have:  a, b, a'],
        ),
        (
            {"target": "{{ answer_choices[label] }}"},
            [
                'template "t" reads answer_choices but has none\n  where: target\n'
                "  mend:  give the template answer_choices"
            ],
        ),
        (
            {"source": "{{", "target": "}}{%"},
            [
                "template \"t\" has a syntax error: unexpected 'end of template'\n  where: source",
                'template "t" has a syntax error: tag name expected\n  where: target',
            ],
        ),
    ],
)
def test_faults_are_found_without_a_row(fields, messages):
    assert [str(fault) for fault in template(**fields).faults()] == messages


def test_missing_columns_looks_at_every_branch_but_not_at_guarded_names():
    branches = template(
        "{% if label %}{{ hint }}{% endif %}{% if a is defined %}{{ a }}{% endif %}{{ b | d('') }}"
    )
    assert [str(fault) for fault in branches.missing_columns(["label", "text", "hints"])] == [
        'template "t" reads a column that the dataset lacks: "hint"\n  where: source\n'
        '  have:  hints, label, text\n  mend:  did you mean "hints"?'
    ]


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("{% if a %}{% set b = a %}{{ b }}{% endif %}", {"a"}),
        ("{% if a %}{% set b = 1 %}{% endif %}{{ b }}", {"a", "b"}),
        (
            "{% if a %}{% set b = 1 %}{% elif c %}{% set b = 2 %}{% else %}{% set b = 3 %}{% endif %}{{ b }}",
            {"a", "c"},
        ),
        ("{% set a = a | trim %}{{ a }}", {"a"}),
        ("{% for b in a if b %}{% set c = loop.index %}{{ b }}{{ c }}{% endfor %}{{ c }}", {"a", "c"}),
        ("{% set b | upper %}{% set c = 1 %}{{ c }}{% endset %}{{ b }}{{ c }}", {"c"}),
        ("{% filter upper %}{% set b = 1 %}{{ b }}{% endfilter %}{{ b }}", {"b"}),
    ],
)
def test_a_name_that_the_template_sets_on_the_way_is_no_column(source, columns):
    assert template(source, target="yes").columns == columns


def test_an_error_names_the_file_and_the_very_line(write_task):
    path = write_task(('"{{ hypothesis }}"?', '"{{ hypotesis }}"?'))
    file = TaskFile.read(path)
    with pytest.raises(TemplateError) as caught:
        file.templates[0].render(file.context(file.examples[0]))
    assert str(caught.value) == (  # `source: |-` stands on line 11, its second line on 13
        'template "does it follow" reads a column that the dataset lacks: "hypotesis"\n'
        f"  where: {path}:13, templates[0].source\n"
        "  have:  hypothesis, label, label_name, premise\n"
        '  mend:  did you mean "hypothesis"?'
    )


def test_a_template_shows_its_own_demonstrations_where_the_source_says():
    template = Template(
        name="with shots",
        source="Add.\n\n{{ demonstrations }}Sum of {{ a }} and {{ b }}:",
        target="{{ a + b }}",
        demonstrations=(
            "Sum of 1 and 1: 2\n\n",
            "{% if b > 3 %}Sum of 9 and {{ b }}: {{ 9 + b }}\n\n{% endif %}",
        ),
    )
    assert template.columns == {"a", "b"}
    example = template.render({"a": 2, "b": 4})
    assert example.source == "Add.\n\nSum of 1 and 1: 2\n\nSum of 9 and 4: 13\n\nSum of 2 and 4:"
    assert example.demonstrations == ("Sum of 1 and 1: 2\n\n", "Sum of 9 and 4: 13\n\n")
    assert template.render({"a": 2, "b": 3}).demonstrations == ("Sum of 1 and 1: 2\n\n",)  # empty: left out


def test_demonstrations_that_the_source_changes_could_not_be_left_out_of_it():
    shouting = template(source="{{ demonstrations | upper }}{{ text }}", demonstrations=["one: two\n"])
    assert error_of(shouting) == (
        'template "t" does not show its demonstrations once, as they are\n'
        "  where: source\n  mend:  write {{ demonstrations }} in one place, without a filter"
    )


@pytest.mark.parametrize(
    "source",
    [
        "{{ value }}",
        "{{ value ~ '' }}",
        "{{ [value] | join }}",
        "{{ ''.join([value]) }}",
        "{{ value | string }}",
    ],
)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.50"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(8, 30), "08:30:00"),
        (datetime(2024, 2, 29, 8, 30), "2024-02-29 08:30:00"),
    ],
)
def test_decimals_and_dates_are_printed_as_text(source, value, text):
    assert template(source, "x").render({"value": value}).source == text


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (Decimal("NaN"), "it prints NaN, which marks a gap in the data; make it null, or leave the row out"),
        ({"a": 1}, "it prints a dict where only text or a number makes sense"),
        (b"x", "it prints a bytes where only text or a number makes sense"),
    ],
)
def test_what_is_no_list_is_not_to_be_joined(value, problem):
    shown = error_of(template("{{ value }}"), {"value": value})
    assert shown == f'template "t" does not render: {problem}\n  where: source'


def test_a_column_with_the_name_of_a_method_is_to_be_written_in_brackets():
    row = {"doc": {"values": "a, b"}}
    assert error_of(template("{{ doc.values }}"), row) == (
        'template "t" does not render: it prints the method "values"; for the column of that name write '
        '["values"]\n  where: source'
    )
    assert template('{{ doc["values"] }}', "x").render(row).source == "a, b"
