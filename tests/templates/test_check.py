import pytest

from t2t.templates.check import check_task_file


def messages(path, rows=None) -> list[str]:
    return [str(fault).replace(str(path), "FILE") for fault in check_task_file(path, rows)]


def test_a_sound_file_has_no_faults(write_task):
    assert messages(write_task(), rows=[{"sentence1": "p", "hypothesis": "h", "label": 0}]) == []


def test_an_unreadable_file_is_a_fault(tmp_path):
    path = tmp_path / "none.yaml"
    assert messages(path) == ["cannot read the file: No such file or directory\n  where: FILE"]


def test_name_and_folder_must_agree_with_the_file(write_task, monkeypatch):
    path = write_task(name="logic/rt.yaml")
    monkeypatch.setattr("t2t.templates.check.task_templates_dir", lambda: path.parents[1])
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
            ("  - {premise: Ann sang., hypothesis: Somebody sang., label: entailment}\n", ""),
            "too few examples: 2, and at least 3 are needed\n"
            "  where: FILE:25, examples\n  mend:  write 1 more",
        ),
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
            ("source: |-", "source: |"),
            'template "does it follow" has a source that ends in white space\n'
            "  where: FILE:11, templates[0].source\n  mend:  write |- for |",
        ),
        (
            ("hypothesis: It was hot., label: not_entailment", "hypothesis: It was hot., label: no"),
            "a row of task \"rte\" has a label that the task lacks: 'no'\n  where: FILE:7, labels\n"
            "  have:  entailment, not_entailment",
        ),
        (
            (
                'target: "{{ hypothesis }}"',
                'target: "{{ label_name }}"\n    answer_choices: [entailment, neutral]',
            ),
            'template "write a hypothesis" gives a target outside its answer choices: "not_entailment"\n'
            "  where: FILE:23, templates[2].target\n  have:  entailment, neutral",
        ),
    ],
)
def test_a_fault_is_told_once(write_task, change, message):
    assert messages(write_task(change)) == [message]


def test_a_wording_may_not_stand_twice(write_task):
    again = """\
  - name: again
    source: "Write what  follows: {{ premise }}"
    target: "{{ hypothesis }}"
examples:"""
    assert messages(write_task(("examples:", again))) == [
        'template "again" has the wording of template "write a hypothesis"\n'
        "  where: FILE:26, templates[3].source"
    ]


def test_two_templates_are_too_few(write_task, rte_text):
    start, end = rte_text.index("  - name: write"), rte_text.index("examples:")
    path = write_task(text=rte_text[:start] + rte_text[end:])
    assert messages(path) == [
        "too few templates: 2, and at least 3 are needed\n  where: FILE:9, templates\n  mend:  write 1 more"
    ]


def test_rows_of_the_dataset_are_rendered_too(write_task):
    assert messages(write_task(), rows=[{"sentence1": "p", "hypothesis": "", "label": 0}]) == [
        'template "write a hypothesis" gives an empty target for this row\n'
        "  where: FILE:23, templates[2].target"
    ]
