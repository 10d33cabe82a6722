import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from t2t.errors import T2TError
from t2t.templates.importers.written import as_name, write_tasks, yaml_of
from t2t.templates.task_file import TaskFile
from t2t.yaml_file import parse_yaml

TASK = {
    "task": "toy",
    "cluster": "toys",
    "description": "A toy.",
    "metrics": ["accuracy"],
    "templates": [{"name": "no", "source": "1e3 \n  {{ x }}\n", "target": "yes"}],
}


def test_written_tasks_read_back(tmp_path):
    [path] = write_tasks([TASK], tmp_path)
    assert path == tmp_path / "toys" / "toy.yaml"
    [template] = TaskFile.read(path).templates
    assert (template.name, template.source, template.target) == ("no", "1e3 \n  {{ x }}\n", "yes")


def test_nothing_is_overwritten_unless_told(tmp_path):
    write_tasks([TASK], tmp_path)
    other = {**TASK, "task": "other"}
    with pytest.raises(T2TError) as caught:
        write_tasks([other, TASK], tmp_path)
    assert str(caught.value) == (
        "1 of 2 task files are there already\n"
        f"  where: {tmp_path}/toys/toy.yaml\n"
        "  mend:  choose another folder with --out, or overwrite them with --force"
    )
    assert not (tmp_path / "toys" / "other.yaml").exists()
    assert len(write_tasks([other, TASK], tmp_path, force=True)) == 2


def test_a_task_that_does_not_read_back_is_not_written(tmp_path):
    with pytest.raises(T2TError):
        write_tasks([{**TASK, "metrics": ["luck"]}], tmp_path)
    assert not (tmp_path / "toys").exists()


@example(text="\n\x85")
@example(text="a\n\u2028b\u2029")
@given(text=st.text(min_size=1))
def test_any_text_survives_being_written(text):
    # YAML has no way to hold a lone surrogate, and neither has UTF-8.
    text = text.encode("utf-8", "replace").decode()
    assert parse_yaml(yaml_of({"source": text}), "x.yaml").data == {"source": text}


@pytest.mark.parametrize(
    ("words", "taken", "name"),
    [
        (["Super GLUE", "RTE"], [], "super_glue_rte"),
        (["a/b-c", None], [], "a_b_c"),
        (["rte"], ["rte", "rte_2"], "rte_3"),
        (["!"], [], "task"),
    ],
)
def test_names_of_tasks_are_plain_and_unique(words, taken, name):
    assert as_name(*words, taken=taken) == name
