"""Where the files that ship with t2t lie: task templates, the browser UI, the starter model.

An installed wheel carries them inside the package (`t2t/task_templates`, `t2t/ui`); a checkout, also when it
is installed as editable, keeps them at its top level. The starter model is always `t2t/starter`.
"""

from pathlib import Path

from t2t.errors import T2TError

STARTER = "starter"  # its name wherever a model or tokenizer is named

_PACKAGE = Path(__file__).resolve().parent


def task_templates_dir() -> Path:
    """The folder of `<cluster>/<task>.yaml` files that ship with t2t."""
    return _shipped("task_templates", "the task templates")


def ui_dir() -> Path:
    """The folder of the browser UI, with `app.py` in it."""
    return _shipped("ui", "the browser UI")


def starter_dir() -> Path:
    """The folder of the starter model, loadable by `from_pretrained`."""
    return _first_folder([_PACKAGE / "starter"], "the starter model")


def starter_or(name: str | Path | None) -> str | Path:
    """What to load a model or tokenizer from: the starter for None, and for "starter" unless that exists."""
    if name is None or (name == STARTER and not Path(STARTER).exists()):
        return starter_dir()
    return name


def _shipped(name: str, content: str) -> Path:
    # The package first: beside an installed package lie the folders of strangers, perhaps one named "ui".
    return _first_folder([_PACKAGE / name, _PACKAGE.parent / name], content)


def _first_folder(places: list[Path], content: str) -> Path:
    for place in places:
        if place.is_dir():
            return place
    tried = ", ".join(str(place) for place in places)
    raise T2TError(
        f"{content} cannot be found; tried {tried}",
        mend="install t2t again, or run it from a complete checkout",
    )
