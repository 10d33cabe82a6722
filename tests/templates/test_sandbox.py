"""A hostile template fails fast and does no harm."""

import time

import pytest

from t2t.errors import TemplateError
from t2t.templates.template import Template

ROW = {"text": "abc", "words": ["a", "b"], "row": {"k": 1}}


def refusal(source: str) -> str:
    started = time.process_time()
    with pytest.raises(TemplateError) as caught:
        Template(name="t", source=source, target="x").render(ROW)
    assert time.process_time() - started < 2  # seconds; each takes milliseconds, without bounds years
    return caught.value.problem.removeprefix('template "t" ')


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "{{ ''.__class__.__mro__ }}",
            "does not render: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        (
            "{{ text.format(1) }}",
            "does not render: access to attribute 'format' of 'str' object is unsafe.",
        ),
        (
            "{{ text.center(1000000000) }}",
            "does not render: access to attribute 'center' of 'str' object is unsafe.",
        ),
        (
            "{{ words.append('c') }}",
            "does not render: access to attribute 'append' of 'list' object is unsafe.",
        ),
        ("{{ row.clear() }}", "does not render: access to attribute 'clear' of 'dict' object is unsafe."),
        ("{% include '/etc/passwd' %}", "uses a statement that templates lack: include"),
        ("{% import 'x' as y %}", "uses a statement that templates lack: import"),
        ("{% macro f() %}{{ f() }}{% endmacro %}", "uses a statement that templates lack: macro"),
        ("{% set x %}a{% endset %}", "uses a statement that templates lack: assignblock"),
        (
            "{% for w in words recursive %}{{ loop(words) }}{% endfor %}",
            "uses a recursive loop, which templates lack",
        ),
        ("{{ 9 ** 9 ** 9 }}", "uses **, which templates lack"),
        ("{{ text * 1000000000 }}", "does not render: * works on numbers up to a billion"),
        ("{{ '%1000000000d' % 1 }}", "does not render: % works on numbers up to a billion"),
        (
            "{% set n = namespace(i=9) %}{% for _ in range(999) %}{% set n.i = n.i * n.i %}{% endfor %}",
            "does not render: * works on numbers up to a billion",
        ),
        ("{{ range(1001) | list }}", "does not render: a range has more than 1,000 numbers"),
        (
            "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}",
            "does not render: its loops make more than 100,000 passes",
        ),
        (
            "{% for a in range(999) %}{% for b in range(99) %}0123456789012345{% endfor %}{% endfor %}",
            "does not render: the text has more than 1,000,000 characters",
        ),
        (
            "{% set n = namespace(s=text) %}{% for _ in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            "does not render: a value holds more than 1,000,000 characters",
        ),
        (
            "{% set n = namespace(s=words) %}{% for _ in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor %}",
            "does not render: a value holds more than 1,000,000 characters",
        ),
        (
            "{% set n = namespace(s='aaaaaaaaaa') %}{% for _ in range(9) %}"
            "{% set n.s = n.s.replace('a', n.s) %}{% endfor %}",
            "does not render: a value holds more than 1,000,000 characters",
        ),
        (
            "{% set s = range(999) | join('0123456789') %}{{ range(999) | join(s) }}",
            "does not render: a value holds more than 1,000,000 characters",
        ),
        (
            "{{ 1.5 | round(999999999, 'floor') }}",
            "does not render: _round() takes from 1 to 2 positional arguments but 3 were given",
        ),
        ("{{ 1.5 | round(-999999999) }}", "does not render: round works to 20 digits"),
        ("{{ text is nowhere }}", "has a syntax error: No test named 'nowhere'."),
        ("{{ " + "[" * 201 + "]" * 201 + " }}", "is nested too deeply"),
        ("{% for w in words %}" * 30 + "{% endfor %}" * 30, "is nested too deeply"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "is nested too deeply"),
        ("x" * 20_001, "is longer than 20,000 characters"),
        ("{{ lipsum() }}", 'reads a column that the dataset lacks: "lipsum"'),
    ],
)
def test_hostile_templates_are_refused(source, problem):
    assert refusal(source) == problem


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("{{ text.upper() }} {{ text.replace('a', 'x') }} {{ ', '.join(words) }}", "ABC xbc a, b"),
        (
            "{% for w in words %}{{ loop.index }}. {{ w }}{{ '' if loop.last else '; ' }}{% endfor %}",
            "1. a; 2. b",
        ),
        ("{% for k, v in row.items() %}{{ k }}={{ v }}{% endfor %}", "k=1"),
        ("{% set n = namespace(c=0) %}{% for w in words %}{% set n.c = n.c + 1 %}{% endfor %}{{ n.c }}", "2"),
        ("{{ 2.36 | round(1) }} {{ 2.36 | round | int }}", "2.4 2"),
        (
            "{{ text[:2] }}{{ 7 % 4 * 2 }}{{ words | length }} {{ words | map('upper') | join('-') }}",
            "ab62 A-B",
        ),
        ("{% if 'b' in words and text is string %}yes{% else %}no{% endif %}", "yes"),
        ("{{ [row, row] | join(', ', attribute='k') }}", "1, 1"),
        ("{{ missing | default('none') }}", "none"),
    ],
)
def test_what_prompts_need_is_allowed(source, rendered):
    assert Template(name="t", source=source, target="x").render(ROW).source == rendered
