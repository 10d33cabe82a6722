"""Files in promptsource's format, written here, become tasks that render what plain Jinja renders."""

import json

import jinja2
import pytest

from t2t.errors import DataError
from t2t.templates.dataset import Hub
from t2t.templates.importers.promptsource import answer_choices, convert_promptsource
from t2t.templates.importers.written import LeftOut, write_tasks
from t2t.templates.task_file import TaskFile

WEATHER = """\
dataset: Acme/Weather-Notes
subset: Day.One
templates:
  0001: !Template
    answer_choices: Sunny ||| Rainy
    id: 0001
    jinja: |-
      {{ note }}
      Was it {{ answer_choices[0] }} or {{ answer_choices[1] }}? |||
      {{ answer_choices[label] }}
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: sunny or rainy
    reference: ''
  0002: !Template
    answer_choices: null
    id: 0002
    jinja: "{% if label == 0 %}A fine day.\n||| {{ note }}{% else %}A wet day.\n||| {{ note }}{% endif %}"
    metadata: !TemplateMetadata
      choices_in_prompt: null
      languages: [en]
      metrics: [ROUGE, BLEU]
      original_task: false
    name: sunny or rainy
    reference: ''
"""


def render_plainly(jinja: str, row: dict, choices: str | None = None) -> list[str]:
    """Source and target as promptsource documents them: render all, split at the bars, strip."""
    environment = jinja2.Environment()
    environment.globals["zip"] = zip
    guarded = {
        name: value.replace("|||", "\0") if isinstance(value, str) else value for name, value in row.items()
    }

    def pieces(text: str) -> list[str]:
        rendered = environment.from_string(text).render(**guarded)
        return [piece.strip().replace("\0", "|||") for piece in rendered.split("|||")]

    if choices is not None:
        guarded["answer_choices"] = pieces(choices)
    return pieces(jinja)


@pytest.fixture
def convert(tmp_path):
    """Writes (jinja, answer choices) as a collection, and gives its converted task and what was left out."""

    def convert(jinja: str, choices: str | None = None):
        folder = tmp_path / "collection"
        folder.mkdir(exist_ok=True)
        (folder / "templates.yaml").write_text(collection_of(jinja, choices))
        converted = convert_promptsource(folder)
        paths = write_tasks(converted.tasks, tmp_path / "out", force=True)
        return (TaskFile.read(paths[0]) if paths else None), converted

    return convert


def collection_of(jinja: str, choices: str | None) -> str:
    return (
        "dataset: toy\ntemplates:\n  a: !Template\n"
        f"    name: t\n    jinja: {json.dumps(jinja)}\n    answer_choices: {json.dumps(choices)}\n"
        "    metadata: !TemplateMetadata {metrics: [Other]}\n"
    )


ROW = {
    "text": " It rained on Monday. ",
    "odd": "a ||| b",
    "label": 1,
    "words": ["one", "two", "three"],
    "tags": [0, 1, 1],
    "pair": {"left": ["x"], "right": ["y"]},
    "flag": False,
    "empty": [],
}


@pytest.mark.parametrize(
    ("jinja", "choices"),
    [
        ("{{ text }}\nWet or dry? ||| {{ answer_choices[label] }}", "dry ||| wet"),
        ("Echo: {{ text }} ||| {{ text }}", None),
        ("{{ odd }} ||| {{ odd }}", None),
        ("{{ words | join(', ') }}? ||| {{ words[0] if label else words[1] }}", None),
        ("{% if flag %}Yes? ||| a{% else %}No {{ text }}? ||| b{% endif %}", None),
        ("{% if label == 1 %}\nQ\n||| A\n{% endif %}\n\n", None),
        ("{% set first = words | first %}Say {{ first }}. ||| {{ first | upper }}!", None),
        (
            "{% set kept = [] %}{% for word in words %}"
            "{{ kept.append(word | upper) | default('', True) }}\n{% endfor %}"
            "Count {{ words | length }} ||| {{ kept | join(' ') }}",
            None,
        ),
        (
            "{% set seen = {'some': False} %}"
            "{% for tag in tags %}{% if tag %}{% set _ = seen.update({'some': True}) %}"
            "{% endif %}{% endfor %}"
            "Any? ||| {{ 'yes' if seen.some else 'no' }}",
            None,
        ),
        (
            "{% set count = namespace(n=0) %}"
            "{% for tag in tags %}{% set count.n = count.n + tag %}{% endfor %}"
            "How many? ||| {{ count.n }}",
            None,
        ),
        (
            "{% for a, b in zip(pair.left, pair.right) %}{{ a }}-{{ b }}\n{% endfor %}|||{{ pair.left[0] }}",
            None,
        ),
        (
            "{#- a remark -#} Which? {{ choices | default('none') }} |||\n {{ answer_choices[0] }}",
            "{{ words[0] }} ||| x",
        ),
        ("Which? ||| {{ words[1] }}", "{{ words | join('|||') }}"),
        (
            "Which? ||| - {{ words[2] }}",
            "{% for word in words %}- {{ word }}{% if not loop.last %} ||| {% endif %}{% endfor %}",
        ),
        ("Was it {{ answer_choices | join(' or ') }}? ||| {{ answer_choices[label] }} indeed", "dry ||| wet"),
        ("{{ text }} {{- words[0] -}} ! ||| done", None),
    ],
)
def test_a_converted_template_renders_the_same_source_and_target(convert, jinja, choices):
    task, converted = convert(jinja, choices)
    assert converted.left_out == ()
    example = task.templates[0].render(task.context(ROW))
    assert [example.source, example.target] == render_plainly(jinja, ROW, choices)


@pytest.mark.parametrize(
    ("jinja", "choices", "reason"),
    [
        ("{{ text }}", None, 'has no "|||" between source and target'),
        (" ||| b", None, "has an empty source"),
        ("a ||| {% set b = 1 %}", None, "has an empty target"),
        ("a ||| b ||| c", None, 'has more than one "|||"'),
        ("{% for word in words %}{{ word }} ||| {% endfor %}", None, 'has a "|||" inside a for'),
        ("{% raw %}{{ a }}{% endraw %} ||| b", None, "has a raw block"),
        ("{% macro f() %}{% endmacro %} ||| b", None, "uses a statement that templates lack: macro"),
        ("{{ text ||| b", None, "has a syntax error: expected token 'name', got '|'"),
        ("{{ '%d' | format(label) }} ||| b", None, 'uses an unknown filter: "format"'),
        ("a ||| {{ answer_choices[0] }}", None, "reads answer_choices but has none"),
        ("a ||| {{ answer_choices[0] }}", "No ||| No", 'has the same answer choice twice: "No"'),
    ],
)
def test_a_template_that_cannot_be_converted_is_left_out_with_the_reason(convert, jinja, choices, reason):
    task, converted = convert(jinja, choices)
    assert task is None
    assert converted.left_out == (LeftOut("templates.yaml", "t", reason),)


def test_a_draw_at_random_becomes_a_choice_by_the_row_and_is_noted(convert):
    task, converted = convert("{{ ['a', 'b'] | random }} {{ words | choice }} ||| {{ words | choice }}")
    example = task.templates[0].render(ROW)
    assert example.source.split()[1] == example.target
    assert converted.notes == (LeftOut("templates.yaml", "t", "draws at random; here the row decides"),)


def test_a_collection_becomes_a_task_with_its_metadata(tmp_path):
    folder = tmp_path / "templates"
    (folder / "weather").mkdir(parents=True)
    (folder / "weather" / "templates.yaml").write_text(WEATHER)
    [task] = convert_promptsource(folder, cluster="weather").tasks
    [path] = write_tasks([task], tmp_path / "out")
    assert path == tmp_path / "out" / "weather" / "acme_weather_notes_day_one.yaml"
    file = TaskFile.read(path)
    hub = Hub(path="Acme/Weather-Notes", name="Day.One", label_numbers=True)
    assert file.dataset.hub == hub
    assert [template.name for template in file.templates] == ["sunny or rainy", "sunny or rainy 2"]
    assert file.metrics == ("accuracy", "rouge_l", "bleu")
    assert file.languages == ("en",)
    asked, described = file.templates
    assert asked.answer_choices == ("Sunny", "Rainy")
    assert (asked.about.original_task, asked.about.choices_in_source) == (True, True)
    assert (described.about.original_task, described.about.choices_in_source) == (False, False)


def test_two_collections_of_one_name_become_two_tasks(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "templates.yaml").write_text(WEATHER)
    names = [task["task"] for task in convert_promptsource(tmp_path).tasks]
    assert names == ["acme_weather_notes_day_one", "acme_weather_notes_day_one_2"]


def test_a_broken_file_does_not_stop_the_others(tmp_path):
    for folder, text in (("a", "dataset: [x"), ("b", "dataset: x"), ("c", WEATHER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "templates.yaml").write_text(text)
    converted = convert_promptsource(tmp_path)
    assert converted.num_templates == 2
    assert [(each.file, each.template) for each in converted.left_out] == [
        ("a/templates.yaml", "all"),
        ("b/templates.yaml", "all"),
    ]
    assert converted.left_out[1].reason == 'are in a file without "dataset" and "templates"'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("metrics: [Accuracy]", "metrics: [3]"),
        ("metrics: [Accuracy]", "metrics: 3"),
        ("answer_choices: null", "answer_choices: 3"),
        ("subset: Day.One", "subset: 2018"),
    ],
)
def test_what_yaml_reads_as_a_number_stops_nothing(tmp_path, old, new):
    (tmp_path / "templates.yaml").write_text(WEATHER.replace(old, new))
    assert convert_promptsource(tmp_path).num_templates == 2


def test_a_folder_without_templates_is_an_error(tmp_path):
    with pytest.raises(DataError) as caught:
        convert_promptsource(tmp_path)
    assert str(caught.value) == f"there is no templates.yaml\n  where: {tmp_path}"


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("Yes ||| No", ["Yes", "No"]),
        ("{{ a }} ||| {{ b.c }}", ["{{ a | trim }}", "{{ b.c | trim }}"]),
        ("{{ options | join('|||') }}", "{{ (options) | map('trim') | list }}"),
        (
            "{% for o in options %}{{ o }}|||{% endfor %}x",
            "{% set _text %}{% for o in options %}{{ o }}|||{% endfor %}x{% endset %}"
            "{{ _text.split('|||') | map('trim') | list }}",
        ),
    ],
)
def test_answer_choices_are_as_plain_as_can_be(text, choices):
    assert answer_choices(text) == choices
