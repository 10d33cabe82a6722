import json

import pytest

from t2t.errors import TemplateError
from t2t.templates.check import check_task_file
from t2t.templates.check.choices import is_named, words_of


def messages(path, rows=()) -> list[str]:
    return [str(fault).replace(str(path), "FILE") for fault in check_task_file(path, rows)]


def test_a_sound_file_has_no_faults(write_task):
    assert messages(write_task(), rows=[{"sentence1": "p", "hypothesis": "h", "label": 0}]) == []


def test_an_unreadable_file_is_a_fault(tmp_path):
    path = tmp_path / "none.yaml"
    assert messages(path) == ["cannot read the file: No such file or directory\n  where: FILE"]


def test_name_and_folder_must_agree_with_the_file(write_task, monkeypatch):
    path = write_task(name="logic/rt.yaml")
    monkeypatch.setattr("t2t.templates.check.form.task_templates_dir", lambda: path.parents[1])
    assert messages(path) == [
        'the task is called "rte" and its file "rt.yaml"\n  where: FILE:1, task\n'
        "  mend:  rename the file to rte.yaml, or write task: rt",
        'the cluster is called "nli" and the folder "logic"\n  where: FILE:2, cluster\n'
        "  mend:  move the file to nli/, or write cluster: logic",
    ]


def test_a_file_of_a_users_own_may_lie_anywhere(write_task):
    assert messages(write_task(name="anywhere/rte.yaml")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("{{ premise }} Therefore,", "{{ premis }} Therefore,"),
            'template "true or false" reads a column that the dataset lacks: "premis"\n'
            "  where: FILE:18, templates[1].source\n"
            '  have:  hypothesis, label, label_name, premise\n  mend:  did you mean "premise"?',
        ),
        (
            ("Therefore, {{ hypothesis }}", "{% if label > 1 %}{{ hint }}{% endif %}"),
            'template "true or false" reads a column that the dataset lacks: "hint"\n'
            "  where: FILE:18, templates[1].source\n  have:  hypothesis, label, label_name, premise",
        ),
        (
            ('"Write what follows: {{ premise }}"', '"Write what follows: {premise}"'),
            'template "write a hypothesis" asks every row the same: its source reads no column\n'
            "  where: FILE:22, templates[2].source\n"
            "  mend:  write a column as {{ text }}, with two braces on each side",
        ),
        (
            ("source: |-", "source: |"),
            'template "does it follow" has a source that ends in white space\n'
            "  where: FILE:11, templates[0].source\n  mend:  take it away, or write |- for |",
        ),
        (
            ("hypothesis: It was hot., label: not_entailment", "hypothesis: It was hot., label: no"),
            "a row of task \"rte\" has a label that the task lacks: 'no'\n"
            "  where: FILE:27, examples[1].label\n"
            "  have:  entailment, not_entailment\n  mend:  write one of these",
        ),
        (
            (
                'target: "{{ hypothesis }}"',
                'target: "{{ label_name }}"\n    answer_choices: [entailment, neutral]',
            ),
            'template "write a hypothesis" gives a target outside its answer choices: "not_entailment"'
            " (in examples:1)\n"
            "  where: FILE:23, templates[2].target\n  have:  entailment, neutral\n"
            "  mend:  look at the row: t2t show FILE --split examples --row 1",
        ),
    ],
)
def test_a_fault_is_told_once(write_task, change, message):
    assert messages(write_task(change)) == [message]


def test_a_text_for_nothing_in_particular_may_be_asked_for(tmp_path):
    path = tmp_path / "poems.yaml"
    path.write_text(
        "task: poems\ncluster: verse\ndescription: Write a poem.\nlanguages: [en]\nmetrics: [rouge_l]\n"
        "source: {url: made up, licence: CC0-1.0, citation: nobody 2026}\n"
        'templates:\n  - {name: any, source: Write a short poem., target: "{{ text }}"}\n'
        "examples:\n  - {text: The sea is wide.}\n"
    )
    assert messages(path) == []


def test_templates_may_differ_in_their_demonstrations(write_task):
    shown = """\
  - name: {name}
    source: "{{{{ demonstrations }}}}Go on: {{{{ premise }}}}"
    target: "{{{{ hypothesis }}}}"
    demonstrations: ["{text} "]
"""
    two = "".join(shown.format(name=name, text=text) for name, text in (("one", "A: b."), ("two", "C: d.")))
    assert messages(write_task(("examples:", f"{two}examples:"))) == []


def test_a_wording_may_not_stand_twice(write_task):
    again = """\
  - name: again
    source: "Write what  follows: {{ premise }}"
    target: "{{ hypothesis }}"
examples:"""
    assert messages(write_task(("examples:", again))) == [
        'template "again" has the wording of template "write a hypothesis"\n'
        "  where: FILE:26, templates[3].source\n  mend:  ask in other words, or leave it out"
    ]


def test_a_shipped_file_needs_three_templates_and_three_examples(write_task, rte_text, tmp_path, monkeypatch):
    start, end = rte_text.index("  - name: write"), rte_text.index("examples:")
    last = "  - {premise: Ann sang., hypothesis: Somebody sang., label: entailment}\n"
    path = write_task((last, ""), text=rte_text[:start] + rte_text[end:])
    assert messages(path) == []
    monkeypatch.setattr("t2t.templates.check.form.task_templates_dir", lambda: tmp_path)
    assert messages(path) == [
        "too few templates: 2, and at least 3 are needed\n  where: FILE:9, templates\n  mend:  write 1 more",
        "too few examples: 2, and at least 3 are needed\n  where: FILE:21, examples\n  mend:  write 1 more",
    ]


def test_rows_of_the_dataset_are_rendered_too(write_task):
    assert messages(write_task(), rows=[{"sentence1": "p", "hypothesis": "", "label": 0}]) == [
        'template "write a hypothesis" gives an empty target for this row (in row:0)\n'
        "  where: FILE:23, templates[2].target"
    ]


def test_a_failure_on_many_rows_is_told_once_with_their_number(write_task):
    rows = [(f"train:{n}", {"sentence1": "p", "hypothesis": "h" * (n % 2), "label": 0}) for n in range(6)]
    path = write_task()
    # Three of the six rows, and none of the three examples, have an empty hypothesis.
    assert messages(path, rows) == [
        'template "write a hypothesis" gives an empty target for this row (in train:0 and 2 more of 9)\n'
        "  where: FILE:23, templates[2].target\n"
        "  mend:  look at the row: t2t show FILE --split train --row 0"
    ]


def test_a_row_without_a_label_is_asked_and_not_answered(write_task):
    rows = [{"sentence1": "p", "hypothesis": "h", "label": label} for label in (0, None)]
    assert messages(write_task(), rows) == []


def test_a_lint_of_another_room_sees_what_was_rendered(write_task):
    seen = []

    def lint(file, trials):
        seen.extend((trial.template.name, len(trial.rendered)) for trial in trials)
        return [TemplateError("too dull")]

    path = write_task()
    assert [str(fault) for fault in check_task_file(path, lints=[lint])] == ["too dull"]
    assert seen == [("does it follow", 3), ("true or false", 3), ("write a hypothesis", 3)]


@pytest.mark.parametrize(
    "question",
    [
        "On a scale from 1 to 5, how wet is it?",
        "Has he lost, has he won, or did they draw?",
    ],
)
def test_choices_may_be_offered_in_other_words(write_task, question):
    choices = ["1", "2", "3", "4", "5"] if "scale" in question else ["he has won", "he has lost", "they draw"]
    path = write_task(
        ("labels: [entailment, not_entailment]", f"labels: {json.dumps(choices)}"),
        ("{{ answer_choices | join(' or ') }}?", question),
        ('answer_choices: ["yes", "no"]', f"answer_choices: {json.dumps(choices)}"),
        ('answer_choices: ["true", "false"]', f"answer_choices: {json.dumps([c * 2 for c in choices])}"),
        ("was wet., label: entailment", f'was wet., label: "{choices[0]}"'),
        ("label: not_entailment", f'label: "{choices[1]}"'),
        ("sang., label: entailment", f'sang., label: "{choices[2]}"'),
    )
    assert messages(path) == []


def test_an_extractive_answer_is_no_leak(write_task):
    """The answer stands in the text, as it should; the source does not read the column that holds it."""
    path = write_task(('target: "{{ hypothesis }}"', 'target: "{{ premise.split()[0] }}"'))
    assert messages(path) == []


def test_words_are_found_whole():
    assert is_named("no", "No, sir.", words_of("No, sir."))
    assert not is_named("no", "nobody knows", words_of("nobody knows"))
    assert is_named("+", "+ or -", words_of("+ or -"))
    assert is_named("好", "好不好", words_of("好不好"))
