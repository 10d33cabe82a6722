"""What `import t2t` offers."""

import pytest

import t2t

PUBLIC = [
    "Evaluation",
    "Mixture",
    "ObjectiveConfig",
    "Prediction",
    "RenderedExample",
    "T2TError",
    "Task",
    "TaskFile",
    "Template",
    "Text2Text",
    "denoising_batches",
    "evaluate",
    "find_task_files",
    "load",
    "load_mixture",
    "official_scores",
    "read_instances",
    "task_folders",
    "task_prompts",
]


def test_the_public_names_are_these():
    assert t2t.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_what_its_home_defines(name):
    value = getattr(t2t, name)
    assert value.__name__ == name
    assert value.__module__.startswith("t2t")
    assert value.__doc__


def test_public_names_are_listed_before_they_are_used():
    assert {*PUBLIC, "__version__"} <= set(dir(t2t))


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match=r"^module 't2t' has no attribute 'pipeline'$"):
        t2t.pipeline  # noqa: B018


def test_load_is_text2texts_load(monkeypatch):
    asked = []
    monkeypatch.setattr(t2t.Text2Text, "load", lambda name, **options: asked.append((name, options)))
    t2t.load("folder", device="cpu")
    assert asked == [("folder", {"device": "cpu", "dtype": "auto", "adapter": None})]
