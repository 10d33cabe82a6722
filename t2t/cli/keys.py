"""What `--keys` prints: all that a run's YAML may say, read off the strict models of `t2t.config`.

    optim: The optimizer, see t2t.training.optimizer.
      optim.lr: number above 0; default 0.02
          peak learning rate; relative to a tensor's RMS, but for adamw

A section that may be left out is told with what holds without it. Keys of a list's items have empty brackets,
`objective.mix[].rate`.
"""

from __future__ import annotations

import inspect
import json
import shutil
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from t2t.cli.output import print_table

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
# Attributes of the constraints that a field's metadata holds, and how they read after the type.
_LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_MOST_COLUMNS = 110  # longer lines are hard to read, however wide the terminal
_VOCAB_SIZE = 8192  # ids, what `t2t tokenizer train` makes unless told otherwise


def print_keys(config: type[BaseModel], command: str) -> None:
    """Print every key of a run, section by section, and the sizes of new models."""
    print(f"Keys of a run file for t2t {command}; on its command line: KEY=VALUE, as in training.num_steps=3")
    print()
    for line in key_lines(config):
        print(line)
    print_presets()


def key_lines(
    section: type[BaseModel], *, prefix: str = "", defaults: BaseModel | None = None
) -> Iterator[str]:
    """The lines of a section's own keys, then those of the sections in it.

    Args:
        prefix: dotted key of the section with a final dot, "optim." say; "" for the run itself.
        defaults: what the section is if it is left out; validators may have filled in values there.
    """
    fields = section.model_fields
    below = {name: inner for name, field in fields.items() if (inner := _section_in(field.annotation))}
    for name, field in fields.items():
        if name not in below:
            in_use = getattr(defaults, name, field.default)
            kind = type_text(field.annotation, field.metadata)
            yield from _wrapped(f"{prefix}{name}: {kind}; {_default(field, in_use)}", indent=2, hanging=2)
            yield from _wrapped(field.description or "", indent=6)
    yield ""
    for name, inner in below.items():
        field = fields[name]
        key = f"{prefix}{name}[]" if get_origin(field.annotation) is tuple else f"{prefix}{name}"
        default = field.default
        is_filled = isinstance(default, inner)  # then its keys tell the defaults, one by one
        state = "" if is_filled else f" ({_default(field, default)})"
        yield from _wrapped(f"{key}: {_first_paragraph(inner)}{state}", indent=0, hanging=2)
        yield from _wrapped(field.description or "", indent=6)
        yield from key_lines(inner, prefix=f"{key}.", defaults=default if is_filled else None)


def _default(field: FieldInfo, in_use: object) -> str:
    if field.is_required():
        return "required"
    filled = "" if in_use == field.default else f" ({_shown(in_use)} with the section's other defaults)"
    return f"default {_shown(field.default)}{filled}"


def type_text(annotation: Any, metadata: Sequence[object] = ()) -> str:
    """A type in words: `int | None` with `Ge(1)` is "whole number at least 1, or null"."""
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *more = members
        return type_text(inner, [*more, *metadata])
    if origin in (Union, types.UnionType):
        texts = [type_text(member, metadata) for member in members if member is not type(None)]
        return " or ".join(texts) + (", or null" if type(None) in members else "")
    if origin is Literal:
        return "one of " + ", ".join(members)
    if origin is tuple:
        items = members[:1] if members[1:] == (...,) else members
        numbered = "" if items != members else f" of {len(members)}"
        return f"list{numbered}: {type_text(items[0])}"
    if origin is Mapping:
        return f"{type_text(members[-1])} by name"
    return " ".join([_TYPES[annotation], *_limits(metadata)])


def _limits(metadata: Sequence[object]) -> list[str]:
    """The range of a number, from constraints that stand alone (`Ge(1)`) or in a field (`Field(ge=1)`)."""
    parts = [part for item in metadata for part in (item, *getattr(item, "metadata", ()))]
    limits = [
        f"{word} {getattr(part, name)}"
        for part in parts
        for name, word in _LIMITS.items()
        if hasattr(part, name)
    ]
    return [" and ".join(limits)] if limits else []


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, alone, or null, or in a list; None where it holds a plain value."""
    from t2t.config import Section

    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _first_paragraph(section: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(section) or "").split("\n\n")[0].split())


def _shown(value: object) -> str:
    """A default as YAML writes it."""
    return value if isinstance(value, str) and value else json.dumps(value, default=str)


def _wrapped(text: str, *, indent: int, hanging: int = 0) -> list[str]:
    """Lines no wider than the terminal, all but the first `hanging` further in; no key is divided."""
    return textwrap.wrap(
        text,
        min(shutil.get_terminal_size().columns, _MOST_COLUMNS),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_presets() -> None:
    """Print the sizes that `model.preset` may name."""
    from t2t.model import PRESETS

    columns = ("model.preset", "d_model", "blocks", "weights in blocks", f"with {_VOCAB_SIZE:,} ids")
    rows = [(name, *_size(name)) for name in PRESETS]
    print_table(columns, rows, title="Sizes of new models; blocks of encoder + decoder")


def _size(preset: str) -> tuple[str, str, str, str]:
    """Width, blocks, and millions of weights without and with token embeddings, counted, not allocated."""
    import torch

    from t2t.model import build_model

    with torch.device("meta"):  # shapes alone: the largest preset would need gigabytes
        model = build_model(preset, vocab_size=_VOCAB_SIZE, pad_id=0, eos_id=1)
    num_weights = sum(weight.numel() for weight in model.parameters())  # tied embeddings count once
    num_embedded = _VOCAB_SIZE * model.config.hidden_size
    config = model.config.to_dict()
    num_encoder = config.get("encoder_layers", config.get("num_layers"))
    num_decoder = config.get("decoder_layers", config.get("num_decoder_layers"))
    return (
        str(model.config.hidden_size),
        f"{num_encoder} + {num_decoder}",
        f"{(num_weights - num_embedded) / 1e6:.1f} M",
        f"{num_weights / 1e6:.1f} M",
    )
