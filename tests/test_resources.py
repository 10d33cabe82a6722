"""Shipped files are found in a checkout and in an installed wheel."""

import pytest

from t2t import resources
from t2t.errors import T2TError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty stand-in for the package folder `t2t/`."""
    folder = tmp_path / "t2t"
    folder.mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", folder)
    return folder


@pytest.mark.parametrize("name", ["task_templates", "ui"])
def test_a_checkout_has_them_beside_the_package(package, name):
    (package.parent / name).mkdir()
    assert getattr(resources, f"{name}_dir")() == package.parent / name


@pytest.mark.parametrize("name", ["task_templates", "ui"])
def test_a_wheel_has_them_inside_the_package_whatever_lies_beside_it(package, name):
    (package.parent / name).mkdir()
    (package / name).mkdir()
    assert getattr(resources, f"{name}_dir")() == package / name


def test_the_starter_is_inside_the_package(package):
    (package / "starter").mkdir()
    assert resources.starter_dir() == package / "starter"


def test_the_starter_is_named_by_nothing_or_its_name_unless_a_folder_has_it(package, tmp_path, monkeypatch):
    (package / "starter").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resources.starter_or(None) == resources.starter_or("starter") == package / "starter"
    assert resources.starter_or("google/flan-t5-base") == "google/flan-t5-base"
    (tmp_path / "starter").mkdir()
    assert resources.starter_or("starter") == "starter"


def test_a_missing_folder_names_the_places_tried(package):
    with pytest.raises(T2TError) as caught:
        resources.ui_dir()
    assert str(caught.value) == (
        f"the browser UI cannot be found; tried {package / 'ui'}, {package.parent / 'ui'}\n"
        "  mend:  install t2t again, or run it from a complete checkout"
    )


def test_this_checkout_holds_task_files():
    assert any(resources.task_templates_dir().glob("*/*.yaml"))
