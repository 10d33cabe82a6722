"""Read a run's YAML, lay overrides from the command line over it, and remember where each value came from."""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from t2t.config.runs import FinetuneConfig, PretrainConfig
from t2t.config.section import Section
from t2t.errors import ConfigError, Faults, Location, T2TError, did_you_mean
from t2t.yaml_file import Keys, YamlFile, parse_model, parse_yaml, read_yaml

# Keys that tell a run of one kind from one of the other, and what those runs are called.
_TELLTALES = {
    PretrainConfig: (("data", "objective"), "a pretraining run", "t2t pretrain"),
    FinetuneConfig: (("mixture",), "a fine-tuning run", "t2t finetune"),
}
# A word in the place of another type, as t2t.yaml_file tells it; and how numbers are written.
_WRONG_TYPE = re.compile(r'"[^"]*" should be a (list|number|whole number)\b.*, not "(.*)"')
_NUMBERS = {"number": r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?", "whole number": r"[-+]?\d+"}
_NO_LINE = 0  # of keys that only the command line gives; lines of a file count from 1

C = TypeVar("C", bound=Section)


def load_config(cls: type[C], path: str | Path, overrides: Sequence[str] = ()) -> tuple[C, dict[str, str]]:
    """Read a run's YAML and lay `key.subkey=value` overrides over it; values are written as in YAML.

    Returns: the config, and for each value its origin by dotted key: "default", "starter.yaml:12" or
        "command line".
    Raises: ConfigError, or Faults holding several.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError("there is no such file", where=Location(path), mend=_mend_path(path))
    base = read_yaml(path)
    _check_kind(cls, base)
    data, lines = copy.deepcopy(base.data), dict(base.lines)
    overridden: set[Keys] = set()
    for keys, value in map(_parse_override, overrides):
        if isinstance(data, dict):  # else the file is no config at all, which validation reports
            _put(data, keys, value.data)
        overridden.add(keys)
        new_keys = [keys[:depth] for depth in range(1, len(keys))] + [
            (*keys, *inner) for inner in value.lines
        ]
        lines = dict.fromkeys(new_keys, _NO_LINE) | lines
    merged = _Overridden(base.path, data, lines, overridden=frozenset(overridden))
    try:
        config = parse_model(cls, merged, error=ConfigError)
    except (ConfigError, Faults) as failure:
        for fault in failure.faults if isinstance(failure, Faults) else (failure,):
            fault.mend = fault.mend or _mend_type(fault)
        raise
    return config, {".".join(keys): merged.origin(keys) for keys in _leaves(config)}


def diff_configs(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Values that differ between two dumped configs, by dotted key: `{"optim.lr": (0.02, 0.01)}`."""
    before, after = _flatten(old), _flatten(new)
    return {
        key: (before.get(key), after.get(key))
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key) != after.get(key)
    }


@dataclass(frozen=True)
class _Overridden(YamlFile):
    """A YAML file with values from the command line laid over it, whose errors name the true origin."""

    overridden: frozenset[Keys] = frozenset()

    def location(self, *keys: str | int, text_line: int | None = None) -> Location:
        place = super().location(*keys, text_line=text_line)
        if self._is_overridden(keys) or place.line == _NO_LINE:
            return Location(file="command line", field=place.field)
        return place

    def origin(self, keys: tuple[str, ...]) -> str:
        if self._is_overridden(keys):
            return "command line"
        return f"{self.path.name}:{self.lines[keys]}" if keys in self.lines else "default"

    def _is_overridden(self, keys: Keys) -> bool:
        return any(keys[: len(prefix)] == prefix for prefix in self.overridden)


def _parse_override(override: str) -> tuple[tuple[str, ...], YamlFile]:
    name, sign, text = override.partition("=")
    keys = tuple(name.strip().split("."))
    if not sign or not all(keys):
        raise ConfigError(
            f'not an override: "{override}"',
            where=Location(file="command line"),
            mend="write key.subkey=value, as in optim.lr=0.01",
        )
    return keys, parse_yaml(text, f"command line, {name.strip()}")


def _mend_path(path: Path) -> str:
    """Guess the file that was meant, or tell that an override was taken for the file."""
    if "=" in path.name:
        return f"give the run's YAML file first: RUN.yaml {path}"
    near = did_you_mean(path.name, (other.name for other in path.parent.glob("*.y*ml")))
    return near or "give the path of a run's YAML file; --keys tells what it may say"


def _check_kind(cls: type[Section], yaml: YamlFile) -> None:
    """Raise ConfigError if the file reads like a run of another kind, to spare its reader a list of keys."""
    if cls not in _TELLTALES or not isinstance(yaml.data, dict):
        return
    if any(key in yaml.data for key in _TELLTALES[cls][0]):
        return
    for keys, kind, command in _TELLTALES.values():
        for key in keys:
            if key in yaml.data:
                mend = f"{command} {yaml.path}"
                raise ConfigError(
                    f'this reads like {kind}: it has "{key}"', where=yaml.location(key), mend=mend
                )


def _mend_type(fault: T2TError) -> str | None:
    """How to write a word as the list or the number that should stand there; None for other faults.

    ``"tasks" should be a list, not "rte"`` gives "write [rte]", and 0,1 in the place of a number "write 0.1".
    """
    found = _WRONG_TYPE.fullmatch(fault.problem)
    if found is None:
        return None
    kind, value = found.groups()
    if kind == "list":
        items = [item.strip() for item in value.strip("[]").split(",")]
        return f"write [{', '.join(items)}]"
    # 0,1 is a fraction as half the world writes it; in a whole number, such signs group the digits.
    meant = value.replace(",", ".") if kind == "number" else re.sub(r"[ ,_']", "", value)
    if re.fullmatch(_NUMBERS[kind], meant) is None:
        return f"write a {kind}, as in {'0.1' if kind == 'number' else '3'}"
    return f"write {meant}" + (" without quotation marks" if meant == value else "")


def _put(data: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    """Put `value` into nested dicts, making those that are missing on the way."""
    for key in keys[:-1]:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    data[keys[-1]] = value


def _leaves(section: BaseModel, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Keys of all values below a section; mappings and lists count as one value."""
    leaves: list[tuple[str, ...]] = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        leaves += _leaves(value, (*prefix, name)) if isinstance(value, BaseModel) else [(*prefix, name)]
    return leaves


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        nested = isinstance(value, Mapping) and bool(value)
        flat |= _flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
