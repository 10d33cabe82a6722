"""Prompts in promptsource's format: a folder of `<dataset>/[<subset>/]templates.yaml`, each one task.

    jinja: "{{premise}} So {{hypothesis}}? ||| {{ answer_choices[label] }}"      source and target
    answer_choices: "Yes ||| {{ other }}"                                       answer choices

White space around source, target and choices does not count there, so it is trimmed here as well. A template
that draws at random draws here by the row (`choice` in `t2t.templates.filters`), and is noted.

Format: Bach et al. 2022, arXiv:2202.01279; https://github.com/bigscience-workshop/promptsource.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from t2t.errors import DataError, Location
from t2t.templates.importers.jinja_parts import NotConvertible, Part, cut, needed, parts_of, text_of, trimmed
from t2t.templates.importers.written import (
    Converted,
    LeftOut,
    as_hub,
    as_metrics,
    as_name,
    as_unique,
    fault_of,
)

SEPARATOR = "|||"
PROTECTED = "3ed2dface8203c4c9dfb1a5dc58e41e0"  # how a column's own bars look while a template runs there
METRICS = {
    "accuracy": "accuracy",
    "bleu": "bleu",
    "rouge": "rouge_l",
    "squad": "squad_f1",
    "trivia qa": "squad_f1",
    "coqa f1": "squad_f1",
}


def convert_promptsource(folder: str | Path, *, cluster: str = "promptsource") -> Converted:
    """Convert all `templates.yaml` files under a folder.

    Args:
        cluster: that all tasks are put in.
    Raises: DataError where there is none.
    """
    files = sorted(Path(folder).rglob("templates.yaml"))
    if not files:
        raise DataError("there is no templates.yaml", where=Location(folder))
    tasks: dict[str, dict[str, Any]] = {}
    left_out: list[LeftOut] = []
    notes: list[LeftOut] = []
    for file in files:
        shown = str(file.relative_to(folder))
        try:
            collection = _read(file)
        except NotConvertible as failure:
            left_out.append(LeftOut(shown, "all", str(failure)))
            continue
        task, file_left_out, file_notes = _task(collection, shown)
        left_out += file_left_out
        notes += file_notes
        if task["templates"]:
            name = as_name(collection["dataset"], collection.get("subset"), taken=tasks)
            tasks[name] = {"task": name, "cluster": cluster, **task}
    return Converted(tuple(tasks.values()), tuple(left_out), tuple(notes))


class _Loader(yaml.SafeLoader):
    """Reads promptsource's two tags as plain mappings."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("!Template", _mapping)
_Loader.add_constructor("!TemplateMetadata", _mapping)


def _read(file: Path) -> dict[str, Any]:
    """Raises: NotConvertible."""
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as failure:
        raise NotConvertible(f"are in a file that cannot be read: {failure}") from failure
    templates = data.get("templates") if isinstance(data, dict) else None
    if not isinstance(templates, dict) or not isinstance(data.get("dataset"), str):
        raise NotConvertible('are in a file without "dataset" and "templates"')
    for found in templates.values():
        if not isinstance(found, dict) or not isinstance(found.get("jinja"), str):
            raise NotConvertible('are in a file with a template that has no "jinja"')
        metadata = found.get("metadata")
        found["metadata"] = metadata if isinstance(metadata, dict) else {}
    subset = data.get("subset")
    return data | {"subset": None if subset is None else str(subset)}  # 2018 is a number to YAML


def _task(collection: dict[str, Any], file: str) -> tuple[dict[str, Any], list[LeftOut], list[LeftOut]]:
    """The task without its name, the templates that it lacks, and those that draw at random."""
    templates: dict[str, dict[str, Any]] = {}
    left_out: list[LeftOut] = []
    notes: list[LeftOut] = []
    metrics: list[str] = []
    languages: list[str] = []
    for found in collection["templates"].values():
        name = as_unique(str(found.get("name") or "template"), templates)
        try:
            template = {"name": name, **_template(found)}
        except NotConvertible as failure:
            left_out.append(LeftOut(file, name, str(failure)))
            continue
        fault = fault_of(template)
        if fault:
            left_out.append(LeftOut(file, name, fault))
            continue
        if re.search(r"\|\s*(choice|random)\b", found["jinja"]):
            notes.append(LeftOut(file, name, "draws at random; here the row decides"))
        templates[name] = template
        metrics += [METRICS[name.lower()] for name in _names(found, "metrics") if name.lower() in METRICS]
        languages += _names(found, "languages")
    dataset, subset = collection["dataset"], collection.get("subset")
    has_choices = any("answer_choices" in template for template in templates.values())
    task = {
        "description": f"Prompts of promptsource for {dataset}{f' ({subset})' if subset else ''}.",
        "dataset": {"hub": as_hub(dataset, subset)},
        "metrics": as_metrics(metrics, "accuracy" if has_choices else "exact_match"),
        "languages": list(dict.fromkeys(languages)) or ["en"],
        "source": {"url": "https://github.com/bigscience-workshop/promptsource"},
        "templates": list(templates.values()),
    }
    return task, left_out, notes


def _names(found: dict[str, Any], key: str) -> list[str]:
    """The names that a template's metadata lists under a key."""
    names = found["metadata"].get(key)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _template(found: dict[str, Any]) -> dict[str, Any]:
    """A template without its name. Raises: NotConvertible."""
    source, target = cut(found["jinja"], SEPARATOR)
    template: dict[str, Any] = {
        "source": text_of(source).replace(PROTECTED, SEPARATOR),
        "target": text_of(target).replace(PROTECTED, SEPARATOR),
    }
    for field in ("source", "target"):
        if not template[field]:
            raise NotConvertible(f"has an empty {field}")
    if found.get("answer_choices"):
        choices = answer_choices(str(found["answer_choices"]))
        if _may_be_a_choice(target, choices):
            template["answer_choices"] = choices
        else:  # an open question, whose texts may name the choices all the same
            given = f"{{% set answer_choices = {json.dumps(choices, ensure_ascii=False)} %}}"
            for field in ("source", "target"):
                if "answer_choices" in template[field]:
                    template[field] = given + template[field]
    metadata = found["metadata"]
    template["about"] = {
        "original_task": bool(metadata.get("original_task")),
        "choices_in_source": bool(metadata.get("choices_in_prompt")),
    }
    return template


def _may_be_a_choice(target: tuple[Part, ...], choices: list[str] | str) -> bool:
    """Whether a target can be one of fixed choices: neither another text nor a choice with text around it."""
    if isinstance(choices, str) or any("{{" in choice for choice in choices):
        return True
    printing = [part for part in target if part.prints]
    if len(printing) != 1:
        return not printing
    [part] = printing
    if part.kind == "data":
        return part.code.strip() in choices
    if part.kind in ("if", "block"):
        return all(_may_be_a_choice(branch, choices) for branch in part.branches)
    return True


def answer_choices(text: str) -> list[str] | str:
    """The choices of a text that separates them by bars.

    >>> answer_choices("Yes ||| {{ other }}")
    ['Yes', '{{ other | trim }}']
    >>> answer_choices("{{ options | join('|||') }}")
    "{{ (options) | map('trim') | list }}"

    Raises: NotConvertible.
    """
    parts = parts_of(text)
    if all(part.kind in ("data", "print") for part in parts) and "join" not in text:
        return [text_of(trimmed(parts_of(choice))) for choice in text.split(SEPARATOR)]
    joined = re.fullmatch(
        r"""\{\{(.*)\|\s*join\(\s*(["'])\s*\|\|\|\s*\2\s*\)\s*\}\}""", text.strip(), re.DOTALL
    )
    if joined and "{{" not in joined[1]:
        return f"{{{{ ({joined[1].strip()}) | map('trim') | list }}}}"
    collected = text_of(needed(parts))
    split = f"_text.split('{SEPARATOR}') | map('trim') | list"
    return f"{{% set _text %}}{collected}{{% endset %}}{{{{ {split} }}}}"
