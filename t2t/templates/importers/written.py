"""What the importers of templates end with: task files that read back, and a list of what is missing."""

import re
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from t2t.errors import Location, T2TError
from t2t.templates.task_file import TaskFile
from t2t.templates.template import Template


@dataclass(frozen=True)
class LeftOut:
    """A template that could not be converted."""

    file: str
    template: str
    reason: str  # a phrase that goes on from the template's name: `has no "|||" between source and target`


@dataclass(frozen=True)
class Converted:
    """Task files as their keys and values, and what they lack.

    Attributes:
        notes: templates that mean something a little different here, with how.
    """

    tasks: tuple[dict[str, Any], ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[LeftOut, ...] = ()

    @property
    def num_templates(self) -> int:
        """How many templates the tasks hold."""
        return sum(len(task["templates"]) for task in self.tasks)


def as_name(*words: str | None, taken: Collection[str] = ()) -> str:
    """Words as the name of a task, with a number where it is taken.

    >>> as_name("Super GLUE", "RTE"), as_name("rte", taken=["rte"])
    ('super_glue_rte', 'rte_2')
    """
    name = re.sub(r"[^a-z0-9]+", "_", " ".join(word for word in words if word).lower()).strip("_")
    return as_unique(name or "task", taken, separator="_")


def as_unique(name: str, taken: Collection[str], *, separator: str = " ") -> str:
    """The name itself, or the first of `name 2`, `name 3` ... that is not taken."""
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}{separator}{number}", number + 1
    return unique


def as_hub(path: str, name: str | None) -> dict[str, Any]:
    """`dataset.hub` of a task whose templates know its labels by number: `answer_choices[label]`."""
    return {"path": path, **({"name": name} if name else {}), "label_numbers": True}


def fault_of(template: dict[str, Any]) -> str | None:
    """Why a template of a task cannot be used, as a phrase that goes on from its name."""
    faults = Template.model_validate(template).faults()
    return faults[0].problem.removeprefix(f'template "{template["name"]}" ') if faults else None


def write_tasks(tasks: Iterable[dict[str, Any]], out: str | Path, *, force: bool = False) -> list[Path]:
    """Write `OUT/<cluster>/<task>.yaml`, each read back first.

    Raises: T2TError where a file is there already and `force` is not given, with nothing written.
    """
    texts = {Path(out) / task["cluster"] / f"{task['task']}.yaml": yaml_of(task) for task in tasks}
    there = [path for path in texts if path.exists()]
    if there and not force:
        raise T2TError(
            f"{len(there)} of {len(texts)} task files are there already",
            where=Location(there[0]),
            mend="choose another folder with --out, or overwrite them with --force",
        )
    with tempfile.TemporaryDirectory() as folder:
        for path, text in texts.items():
            draft = Path(folder) / path.name
            draft.write_text(text, encoding="utf-8")
            TaskFile.read(draft)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


_NOT_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_LINE_ENDS_OF_YAML = "[\x85\u2028\u2029]"  # which a block would not keep apart from ours


class _Dumper(yaml.SafeDumper):
    """Quotes what is no plain word, as YAML 1.1 and 1.2 differ on it; longer texts keep their lines."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_key = re.fullmatch(r"[a-z]+(_[a-z]+)*", text) and text not in _NOT_WORDS
    is_block = "\n" in text and not re.search(_LINE_ENDS_OF_YAML, text)
    style = "|" if is_block else None if is_key else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def yaml_of(task: dict[str, Any]) -> str:
    """A task file's text."""
    return yaml.dump(task, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)


def as_metrics(found: Sequence[str], fallback: str) -> list[str]:
    """Metrics of several templates, the commonest first; `fallback` where there is none."""
    return sorted(set(found), key=lambda metric: (-found.count(metric), found.index(metric))) or [fallback]
