"""A hostile template fails fast and does no harm."""

import time

import pytest

from t2t.errors import TemplateError
from t2t.templates.template import Template

ROW = {"text": "abc", "words": ["a", "b"], "row": {"k": 1}}
# Large cells are legitimate: a megabyte of text, a list of a hundred thousand.
LARGE_ROW = {
    "text": "word up " * 125_000,
    "items": [str(number) for number in range(100_000)],
    "row": {"k": 1},
}
TOO_MUCH_WORK = "does not render: it takes too much work; its loops, lists or texts are too long"
TOO_LONG = "does not render: it makes a text of more than 1,000,000 characters"
A_MILLION_TIMES = "{% for a in range(999) %}{% for b in range(999) %}*{% endfor %}{% endfor %}"


def refusal(source: str, row: dict = ROW) -> str:
    started = time.process_time()
    with pytest.raises(TemplateError) as caught:
        Template(name="t", source=source, target="x").render(row)
    assert (
        time.process_time() - started < 2
    )  # seconds of processor time, whatever else runs; without bounds years
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
            "{{ text['for' ~ 'mat_map'](row) }}",
            "does not render: access to attribute 'format_map' of 'str' object is unsafe.",
        ),
        (
            "{{ text.center(1000000000) }}",
            "does not render: access to attribute 'center' of 'str' object is unsafe.",
        ),
        (
            "{{ words.extend('c') }}",
            "does not render: access to attribute 'extend' of 'list' object is unsafe.",
        ),
        (
            "{{ words['append']('c') }}",
            "does not render: access to attribute 'append' of 'list' object is unsafe.",
        ),
        ("{{ row.clear() }}", "does not render: access to attribute 'clear' of 'dict' object is unsafe."),
        ("{% include '/etc/passwd' %}", "uses a statement that templates lack: include"),
        ("{% import 'x' as y %}", "uses a statement that templates lack: import"),
        ("{% macro f() %}{{ f() }}{% endmacro %}", "uses a statement that templates lack: macro"),
        ("{% call f() %}a{% endcall %}", "uses a statement that templates lack: callblock"),
        (
            "{% for w in words recursive %}{{ loop(words) }}{% endfor %}",
            "uses a recursive loop, which templates lack",
        ),
        ("{{ 9 ** 9 ** 9 }}", "uses **, which templates lack"),
        ("{{ text | attr('__class__') }}", 'uses an unknown filter: "attr"'),
        ("{{ words | map('charged') | list }}", 'does not render: there is no filter "charged"'),
        ("{{ words | map('append', 'c') | list }}", 'does not render: there is no filter "append"'),
        ("{{ text is nowhere }}", "has a syntax error: No test named 'nowhere'."),
        ("{{ lipsum() }}", 'reads a column that the dataset lacks: "lipsum"'),
    ],
)
def test_what_a_prompt_does_not_need_is_refused(source, problem):
    assert refusal(source) == problem


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ " + "[" * 201 + "]" * 201 + " }}", "is nested too deeply"),
        ("{% for w in words %}" * 30 + "{% endfor %}" * 30, "is nested too deeply"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "is nested too deeply"),
        ("{{ " + "not " * 4000 + "text }}", "is nested too deeply"),
        ("{{ " + " + ".join(["text"] * 300) + " }}", "is nested too deeply"),
        ("{{ text" + " | upper" * 2000 + " }}", "is nested too deeply"),
        ("{{ text" + ".x" * 5000 + " }}", "is nested too deeply"),
        ("{{ [" + "1, " * 6000 + "] }}", "has more than 5,000 syntax nodes"),
        ("{{ " + "9" * 5000 + " }}", "has a number that is too large"),
        ("{{ 0x" + "f" * 5000 + " }}", "has a number that is too large"),
        ("x" * 20_001, "is longer than 20,000 characters"),
    ],
)
def test_a_template_that_is_slow_to_compile_is_refused(source, problem):
    assert refusal(source) == problem


@pytest.mark.parametrize(
    "source",
    [
        ("{{ " + "not " * 90 + "text }}") * 50,
        ("{{ text" + " | upper" * 90 + " }}") * 20,
        ("{{ " + "1 if text else " * 90 + "2 }}") * 14,
        ("{% for w in [] %}" * 19 + "{% endfor %}" * 19) * 30,
        "{{ text }}" * 1999,
    ],
)
def test_what_just_compiles_compiles_in_time(source):
    started = time.process_time()
    Template(name="t", source="x" + source, target="x").render(ROW)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ text * 1000000000 }}", TOO_LONG),
        ("{{ words * 3 }}", "does not render: * works on numbers"),
        ("{{ '%s' % words }}", "does not render: % works on numbers"),
        ("{{ '%1000000000d' % 1 }}", "does not render: % works on numbers"),
        (
            "{% set n = namespace(i=9) %}{% for _ in range(999) %}{% set n.i = n.i * n.i %}{% endfor %}",
            "does not render: * works on numbers up to 1e+09",
        ),
        (
            "{% set n = namespace(i=9) %}{% for _ in range(999) %}{% set n.i = n.i + n.i %}{% endfor %}",
            "does not render: + works on numbers up to 1e+18",
        ),
        (
            "{% set n = namespace(i=9) %}{% for _ in range(99) %}{% set n.i = n.i - -n.i %}{% endfor %}",
            "does not render: - works on numbers up to 1e+18",
        ),
        ("{{ range(1001) | list }}", "does not render: a range has more than 1,000 numbers"),
        ("{{ 1.5 | round(-999999999) }}", "does not render: round works to 20 digits"),
        ("{{ (range(999) | join) | int }}", "does not render: a number in a text has up to 100 digits"),
        ("{{ [[1]] | sum(start=[]) }}", "does not render: sum adds up numbers"),
        ("{{ row[(1, 2)] }}", "does not render: it looks up a tuple"),
        (
            "{% for a in range(999) %}{% for b in range(99) %}0123456789012345{% endfor %}{% endfor %}",
            TOO_LONG,
        ),
        (
            "{% set n = namespace(s=text) %}{% for _ in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            TOO_LONG,
        ),
        (
            "{% set n = namespace(s=text) %}{% for _ in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
            TOO_LONG,
        ),
        (
            "{% set n = namespace(s='aaaaaaaaaa') %}{% for _ in range(9) %}"
            "{% set n.s = n.s.replace('a', n.s) %}{% endfor %}",
            TOO_LONG,
        ),
        ("{% set s = range(999) | join('0123456789') %}{{ range(999) | join(s) }}", TOO_LONG),
        ("{% set s = [] %}{% set _ = s.append(s) %}x", "does not render: a list or mapping holds itself"),
        (
            "{% set d = {} %}{% set _ = d.update({'d': [d]}) %}x",
            "does not render: a list or mapping holds itself",
        ),
        ("{% set s = [1] %}{% for a in s %}{% set _ = s.append(a) %}{% endfor %}", TOO_MUCH_WORK),
        (A_MILLION_TIMES.replace("*", ""), TOO_MUCH_WORK),
        (A_MILLION_TIMES.replace("*", "{% if text %}{% endif %}" * 100), TOO_MUCH_WORK),
        ("{% set s %}" + A_MILLION_TIMES.replace("*", "a" * 9999) + "{% endset %}", TOO_MUCH_WORK),
        ("{% filter upper %}" + A_MILLION_TIMES.replace("*", "a" * 9999) + "{% endfilter %}", TOO_MUCH_WORK),
    ],
)
def test_what_grows_without_end_is_stopped(source, problem):
    assert refusal(source) == problem


DOUBLED = (
    "{% set n = namespace(s=words, t=words) %}"
    "{% for _ in range(99) %}{% set n.s = [n.s, n.s] %}{% set n.t = [n.t, n.t] %}{% endfor %}"
)


@pytest.mark.parametrize("use", ["n.s | string", "n.s ~ ''", "n.s == n.t", "n.s in n.t", "[n.s] | sort"])
def test_a_list_of_lists_that_doubles_with_every_step_cannot_be_gone_through(use):
    assert refusal(DOUBLED + "{{ " + use + " }}") == TOO_MUCH_WORK


@pytest.mark.parametrize(
    "use",
    [
        # Where pairs of a view are looked at one view after the other, they may share an id.
        "{{ [row.items(), {'k': n.s}.items()] | string }}",
        "{{ {'k': n.s} | items | choice }}",
        "{{ {'k': n.s, 'l': n.t} | items | map(attribute=1) | sort }}",
        "{% for _ in [words, n.s, n.t] %}{% if loop.first %}{{ loop | sort }}{% endif %}{% endfor %}",
    ],
)
def test_it_cannot_be_gone_through_inside_what_yields_its_items_one_by_one_either(use):
    assert refusal(DOUBLED + use) == TOO_MUCH_WORK


@pytest.mark.parametrize(
    ("use", "kind"),
    [("row[n.s]", "list"), ("row[(1, n.s)]", "tuple"), ("row[{1: n.s}]", "dict"), ("row[n]", "Namespace")],
)
def test_it_is_no_key_and_is_not_spelt_out_in_an_error(use, kind):
    assert refusal(DOUBLED + "{{ " + use + " }}") == f"does not render: it looks up a {kind}"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("[n.s]", "has answer choices that are empty or not text: a list"),
        ("[n]", "has answer choices that are empty or not text: a Namespace"),
        ("n", "needs a list of answer choices, not a Namespace"),
    ],
)
def test_it_is_no_answer_choice_either(value, problem):
    started = time.process_time()
    with pytest.raises(TemplateError) as caught:
        Template(name="t", source="x", target="x", answer_choices=DOUBLED + "{{ " + value + " }}").render(ROW)
    assert time.process_time() - started < 2
    assert caught.value.problem == f'template "t" {problem}'


@pytest.mark.parametrize("use", ["[n] | string", "[n] | map(attribute='s') | choice", "n ~ ''"])
def test_a_namespace_is_no_value(use):
    problem = "does not render: a namespace is used as a value; name one of its attributes"
    if use == "n ~ ''":
        problem = "does not render: it prints a Namespace where only text or a number makes sense"
    assert refusal(DOUBLED + "{{ " + use + " }}") == problem


@pytest.mark.parametrize(
    "expression",
    [
        "text | upper | lower | wordcount",
        "text | title",
        "text | trim('wordup ')",
        "text | list",
        "text | map('upper') | list",
        "text | replace('z', 'y')",
        "text.strip('wordup ')",
        "text.split(sep='w')",
        "text.find('z')",
        "text[1:]",
        "'z' in text",
        "text == text ~ ''",
        "text is lower",
        "items | sort",
        "items | sort | unique | list",
        "items | groupby(0)",
        "items | map('int') | list",
        "items | select('in', text) | list",
        "items | string",
        "items.index('99999')",
        "items + items",
        "items[1:]",
        "'z' in items",
        "{(items | string): 1}",
        "zip(items, items)",
        "zip(text, text)",
        "items | choice",
        "items | most_frequent",
        "range(999) | sum",
    ],
)
def test_an_operation_on_a_large_value_cannot_be_repeated_for_long(expression):
    source = A_MILLION_TIMES.replace("*", "{% set value = " + expression + " %}")
    assert refusal(source, LARGE_ROW) == TOO_MUCH_WORK


def test_a_large_row_renders_all_the_same():
    source = "{{ text | trim | replace('up', 'down') }}{{ items | map('int') | max }}"
    smaller = {**LARGE_ROW, "text": LARGE_ROW["text"][:400_000]}
    rendered = Template(name="t", source=source, target="x").render(smaller).source
    assert rendered == ("word down " * 50_000).strip() + "99999"


def test_answer_choices_share_the_work_of_one_rendering():
    # 150 loops of 1,000 passes, each with one print: some 2,500 nominal nanoseconds a pass.
    heavy = "{% for _ in range(1000) %}{{ '' }}{% endfor %}"
    choices = tuple(f"{heavy}{number}" for number in range(300))
    with pytest.raises(TemplateError) as caught:
        Template(name="t", source="x", target="0", answer_choices=choices).render(ROW)
    assert caught.value.problem == f'template "t" {TOO_MUCH_WORK}'


def test_answer_choices_together_are_as_short_as_a_template():
    choices = tuple("{{ text }}" + "x" * 9000 + str(number) for number in range(3))
    with pytest.raises(TemplateError) as caught:
        Template(name="t", source="x", target="0", answer_choices=choices).render(ROW)
    assert caught.value.problem == 'template "t" has answer choices of more than 20,000 characters together'


def test_a_template_changes_its_own_copy_of_a_row():
    row = {"words": ["a", "b"], "row": {"k": 1}}
    source = "{% set _ = words.append('c') %}{% set _ = row.update({'k': 2}) %}{{ words | join }}{{ row.k }}"
    assert Template(name="t", source=source, target="x").render(row).source == "abc2"
    assert row == {"words": ["a", "b"], "row": {"k": 1}}


def test_a_choice_depends_on_the_row_and_is_the_same_in_source_and_target():
    draw = "{{ [1, 2, 3] | choice }}"
    template = Template(name="t", source=draw, target=draw)
    rendered = [template.render({"number": number}) for number in range(300)]
    assert all(example.source == example.target for example in rendered)
    counts = [sum(example.source == choice for example in rendered) for choice in "123"]
    # Binomial(300, 1/3) has mean 100 and standard deviation sqrt(300 x 1/3 x 2/3) = 8.2; five of them are 41.
    assert all(59 <= count <= 141 for count in counts)


def test_a_choice_is_the_same_in_source_and_target_of_a_template_with_demonstrations():
    draw = "{{ [1, 2, 3] | choice }}"
    template = Template(name="t", source="{{ demonstrations }}" + draw, target=draw, demonstrations=["4 "])
    rendered = [template.render({"number": number}) for number in range(30)]
    assert all(example.source == f"4 {example.target}" for example in rendered)


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
        ("{{ '-' * 3 }}", "---"),
        ("{% for a, b in zip(words, 'xy') %}{{ a }}{{ b }}{% endfor %}", "axby"),
        ("{% filter trim %} {{ text }}\n{% endfilter %}!", "abc!"),
        ("{% set s %}{{ text }}.{% endset %}{{ s }}{{ s }}", "abc.abc."),
        ("{{ ['b', 'a', 'b'] | most_frequent | join }} {{ ['c'] | choice }}", "b c"),
        (
            "{% set s = [] %}{% for w in words %}{% set _ = s.append(w) %}{% endfor %}{{ s.pop() ~ s[0] }}",
            "ba",
        ),
    ],
)
def test_what_prompts_need_is_allowed(source, rendered):
    assert Template(name="t", source=source, target="x").render(ROW).source == rendered
