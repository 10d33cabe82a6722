"""Tasks in the YAML of lm-evaluation-harness, each one task of a single template.

    description: "About {{subject}}. "                 the source is description, text, prefix and any visible
    doc_to_text: "{{question}}\\nAnswer:"               delimiter, without white space around it
    doc_to_choice: ["{{a}}", "{{b}}"] or an expression answer choices
    doc_to_target: label, 0 or "{{answer}}"            the target, or the place of the choice that is it;
                                                       of a list of answers the first, and all are references

What a task's texts leave to Python (`!function`) cannot be converted. Nor are shots: `t2t` adds its own. How
answers are scored may differ from there, and is noted.

Format: https://github.com/EleutherAI/lm-evaluation-harness, docs/task_guide.md.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2 import nodes

from t2t.errors import DataError, Location
from t2t.templates.check.choices import is_named, words_of
from t2t.templates.filters import METHODS
from t2t.templates.importers.jinja_parts import NotConvertible, Part, parts_of, text_of, trimmed
from t2t.templates.importers.lm_eval_scoring import PythonName, metric_entries, metric_of, scoring_notes
from t2t.templates.importers.written import Converted, LeftOut, as_hub, as_metrics, as_name, fault_of

SPLITS = {"train": "training_split", "validation": "validation_split", "test": "test_split"}
FILE_FORMATS = (
    "json",
    "csv",
    "parquet",
    "text",
    "arrow",
)  # as a dataset's path: its rows are files somewhere
TEXT_FILTERS = frozenset({"capitalize", "join", "lower", "replace", "string", "title", "trim", "upper"})
TEXT_METHODS = METHODS[str] - {"partition", "rpartition", "rsplit", "split", "splitlines"}
MAX_INCLUDES = 10  # files that include one another


class _Loader(yaml.SafeLoader):
    """Reads `!function module.name` as a name."""


_Loader.add_constructor("!function", lambda loader, node: PythonName(node.value))


def convert_lm_eval(place: str | Path, *, cluster: str = "lm_eval") -> Converted:
    """Convert a task's YAML, or all tasks of a folder.

    Args:
        cluster: that all tasks are put in.
    Raises: DataError where nothing there is a task.
    """
    place = Path(place)
    files = sorted(place.rglob("*.yaml")) if place.is_dir() else [place]
    tasks: dict[str, dict[str, Any]] = {}
    left_out: list[LeftOut] = []
    notes: list[LeftOut] = []
    for file in files:
        shown = str(file.relative_to(place) if place.is_dir() else file)
        try:
            config = _read(file)
        except NotConvertible as failure:
            left_out.append(LeftOut(shown, file.stem, str(failure)))
            continue
        if not isinstance(config.get("task"), str):
            continue  # a part that tasks include, or a group of tasks
        try:
            task = _task(config)
        except NotConvertible as failure:
            left_out.append(LeftOut(shown, config["task"], str(failure)))
            continue
        notes += [LeftOut(shown, config["task"], note) for note in scoring_notes(config)]
        name = as_name(config["task"], taken=tasks)
        tasks[name] = {"task": name, "cluster": cluster, **task}
    if not tasks and not left_out:
        raise DataError("there is no task of lm-evaluation-harness", where=Location(place))
    return Converted(tuple(tasks.values()), tuple(left_out), tuple(notes))


def _read(file: Path, depth: int = 0) -> dict[str, Any]:
    """A file with what it includes. Raises: NotConvertible."""
    if depth > MAX_INCLUDES:
        raise NotConvertible("includes files that include one another")
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as failure:
        problem = getattr(failure, "problem", None) or getattr(failure, "strerror", None) or "no UTF-8"
        raise NotConvertible(f"is in a file that cannot be read, {file.name}: {problem}") from failure
    if not isinstance(data, dict):
        return {}
    includes = data.pop("include", None) or []
    merged: dict[str, Any] = {}
    includes = [includes] if isinstance(includes, str) else includes
    if not isinstance(includes, list) or not all(isinstance(include, str) for include in includes):
        raise NotConvertible(f"is in a file whose include is no file name, {file.name}")
    for include in includes:
        merged |= _read(file.parent / include, depth + 1)
    return merged | data


def _task(config: Mapping[str, Any]) -> dict[str, Any]:
    """The task without its name. Raises: NotConvertible."""
    for key in ("process_docs", "custom_dataset", "class", "doc_to_text", "doc_to_target", "doc_to_choice"):
        if isinstance(config.get(key), PythonName):
            raise NotConvertible(f"leaves {key} to a Python function")
    for key in ("use_prompt", "doc_to_image", "doc_to_audio"):
        if config.get(key):
            raise NotConvertible(f"uses {key}")
    if config.get("output_type") == "loglikelihood_rolling":
        raise NotConvertible("scores texts as a whole and asks nothing")
    template, references = _template(config)
    fault = fault_of(template)
    if fault:
        raise NotConvertible(fault)
    has_choices = "answer_choices" in template
    found = [metric_of(entry, has_choices=has_choices) for entry in metric_entries(config)]
    return {
        "description": f"{config['task']} of lm-evaluation-harness.",
        "dataset": _dataset(config),
        "metrics": as_metrics([metric for metric in found if metric], "accuracy"),
        "source": {"url": "https://github.com/EleutherAI/lm-evaluation-harness"},
        **({} if references is None else {"references": references}),
        "templates": [template],
    }


def _dataset(config: Mapping[str, Any]) -> dict[str, Any]:
    path, name = config.get("dataset_path"), config.get("dataset_name")
    if not isinstance(path, str) or path in FILE_FORMATS:
        return {}  # the user names the files
    dataset: dict[str, Any] = {"hub": as_hub(path, str(name) if name else None)}
    splits = {ours: config[theirs] for ours, theirs in SPLITS.items() if isinstance(config.get(theirs), str)}
    return dataset | ({"splits": splits} if splits else {})


def _template(config: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The template, and the expression for all acceptable answers where its target may be a list of them."""
    text = config.get("doc_to_text")
    if not isinstance(text, str):
        raise NotConvertible("has no text for doc_to_text")
    source = str(config.get("description") or "") + _column_or_text(text)
    if config.get("gen_prefix"):
        source = f"{source.rstrip()} {_column_or_text(str(config['gen_prefix']))}"
    source += str(config.get("target_delimiter", "") or "").rstrip()
    template = {"name": config["task"], "source": _stripped(source)}
    choices = _choices(config.get("doc_to_choice"))
    if choices is not None:
        template["answer_choices"] = choices
    elif config.get("output_type") == "multiple_choice":
        raise NotConvertible("has no doc_to_choice to choose from")
    target = config.get("doc_to_target")
    template["target"], references = (
        _open_target(target) if choices is None else (_choice_target(target), None)
    )
    words = words_of(source)
    names_all = isinstance(choices, list) and all(is_named(choice, source, words) for choice in choices)
    template["about"] = {"original_task": True, "choices_in_source": names_all}
    return template, references


def _open_target(target: Any) -> tuple[str, str | None]:
    """A target without choices, and the expression for all answers where it may be a list of them."""
    _check_target(target)
    text = _column_or_text(str(target))
    match [part for part in parts_of(text) if part.kind != "data" or part.code.strip()]:
        case [Part(kind="print", code=code)] if not _is_text(_expression(code)):
            return (
                f"{{% set _answer = {code} %}}"
                "{{ (_answer[0] if _answer is sequence and _answer is not string else _answer) | trim }}",
                f"{{% set _answer = {code} %}}"
                "{{ _answer | map('trim') | list if _answer is sequence and _answer is not string"
                " else [_answer | trim] }}",
            )
    return _stripped(text), None


def _expression(code: str) -> nodes.Node:
    [output] = jinja2.Environment().parse(f"{{{{ {code} }}}}").body
    return next(output.iter_child_nodes())


def _is_text(expression: nodes.Node | None) -> bool:
    """Whether it is certainly no list: a text, a number, or one item that is picked by its place."""
    match expression:
        case nodes.Const() | nodes.TemplateData() | nodes.Concat():
            return True
        case nodes.Filter(name=name):
            return name in TEXT_FILTERS
        case nodes.Call(node=nodes.Getattr(attr=method)):
            return method in TEXT_METHODS
        case nodes.Getitem(arg=nodes.Const(value=int()) | nodes.Neg()):
            return True
        case nodes.CondExpr(expr1=one, expr2=other):
            return _is_text(one) and _is_text(other)
    return False


def _check_target(target: Any) -> None:
    """Raises: NotConvertible."""
    if isinstance(target, bool | list) or target is None or isinstance(target, dict):
        raise NotConvertible("has no text, column or number for doc_to_target")


def _choice_target(target: Any) -> str:
    _check_target(target)
    if str(target).isdigit():
        return f"{{{{ answer_choices[{target}] }}}}"
    if _is_column(str(target)):  # of numbers, or of words
        return f"{{{{ answer_choices[{target} | int] if {target} is number else {target} }}}}"
    text = _stripped(str(target))
    if "{{" not in text and "{%" not in text:
        return text
    chosen = "answer_choices[_text | int] if _text.isdigit() else _text"
    return f"{{% set _text %}}{text}{{% endset %}}{{{{ {chosen} }}}}"


def _choices(choices: Any) -> list[str] | str | None:
    if choices is None:
        return None
    if isinstance(choices, dict):
        choices = list(choices.values())
    if isinstance(choices, list):
        texts = [str(choice).strip() for choice in choices]
        if any("{{" in text or "{%" in text for text in texts):
            raise NotConvertible("has brackets in a choice")
        return texts
    if not isinstance(choices, str):
        raise NotConvertible("has no list, column or expression for doc_to_choice")
    if _is_column(choices):
        return f"{{{{ {choices} | map('trim') | list }}}}"
    match [part for part in parts_of(choices) if part.kind != "data" or part.code.strip()]:
        case [Part(kind="print", code=code)]:
            return f"{{{{ ({code}) | map('trim') | list }}}}"
    raise NotConvertible("has a doc_to_choice that is no single expression")


def _is_column(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*", text) is not None


def _column_or_text(text: str) -> str:
    return f"{{{{ {text} }}}}" if _is_column(text) else text


def _stripped(text: str) -> str:
    """A Jinja text without white space around what it renders."""
    stripped = trimmed(parts_of(text))
    if not stripped:
        raise NotConvertible("has an empty text, and an encoder needs one to read")
    return text_of(stripped)
