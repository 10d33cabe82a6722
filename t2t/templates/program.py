"""Programs: the compiled form of the texts and expressions in a template, cached by text."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes

from t2t.errors import Location, TemplateError
from t2t.templates.filters import Context
from t2t.templates.sandbox import ENVIRONMENT, build, mutates, parse
from t2t.templates.work import MAX_TEXT, Refused, Work, cost_of


@dataclass(frozen=True)
class Program:
    """A compiled template text or expression.

    Attributes:
        columns: the names that it reads from the row, each with the line (1-based) of its first use.
        optional: those of them that it asks for with `is defined` or `default`, so that a row may lack them.
        mutates: it appends to lists or updates mappings, and so works on a copy of the row.
    """

    template: jinja2.Template
    columns: Mapping[str, int]
    optional: frozenset[str]
    mutates: bool

    def text(self, values: Mapping[str, Any], work: Work | None = None) -> str:
        """Render. Any exception may come out; `line_of` tells the line it arose on.

        Args:
            work: what this and other programs may use together; by default as much as one rendering may.
        """
        pieces, size = [], 0
        for piece in self.template.root_render_func(self._context(values, work)):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_TEXT:
                raise Refused(f"it makes a text of more than {MAX_TEXT:,} characters")
        return "".join(pieces)

    def value(self, values: Mapping[str, Any]) -> Any:
        """Evaluate a program of `compile_expression`. Any exception may come out."""
        context = self._context(values, None)
        for _ in self.template.root_render_func(context):
            pass
        return context.vars["result"]

    def _context(self, values: Mapping[str, Any], work: Work | None) -> Context:
        work = Work() if work is None else work
        if self.mutates:
            work.charge(cost_of(dict(values)))
            values = _copy(values)
        context: Any = self.template.new_context({**values})
        context.work = work
        return context


@lru_cache(maxsize=4096)
def compile_text(text: str) -> Program:
    """Compile a text with `{{ column }}` in it. Raises: TemplateError, as `sandbox` words it."""
    return _program(parse(text))


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Program:
    """Compile one `{{ expression }}`, which may give any value; `{% set %}` and the like may come before it.

    Raises: TemplateError, as `compile_text`.
    """
    tree = parse(text.strip())
    match tree.body:
        case [*statements, nodes.Output(nodes=[expression])] if not (
            isinstance(expression, nodes.TemplateData)
            or any(isinstance(statement, nodes.Output) for statement in statements)
        ):
            result = nodes.Assign(nodes.Name("result", "store", lineno=1), expression, lineno=1)
            return _program(nodes.Template([*statements, result], lineno=1))
    raise TemplateError("needs one {{ expression }} with nothing around it", where=Location(line=1))


def line_of(error: BaseException) -> int:
    """The line of the template that was running when the error arose; 1 where none was."""
    line, step = 1, error.__traceback__
    while step is not None:
        template = step.tb_frame.f_globals.get("__jinja_template__")  # as jinja2.debug finds it
        if template is not None:
            line = template.get_corresponding_lineno(step.tb_lineno)
        step = step.tb_next
    return line


def _program(tree: nodes.Template) -> Program:
    changes_values = mutates(tree)
    template = build(tree)
    functions = {id(call.node) for call in tree.find_all(nodes.Call)}
    columns: dict[str, int] = {}
    for name in _read_first([tree], set()):
        if not (name.name in ENVIRONMENT.globals and id(name) in functions):
            columns.setdefault(name.name, name.lineno)
    guards: list[nodes.Test | nodes.Filter] = [*tree.find_all(nodes.Test), *tree.find_all(nodes.Filter)]
    optional = frozenset(
        guard.node.name
        for guard in guards
        if guard.name in ("defined", "undefined", "default", "d") and isinstance(guard.node, nodes.Name)
    )
    return Program(template, columns, optional, changes_values)


def _read_first(parts: Iterable[nodes.Node], known: set[str]) -> Iterator[nodes.Name]:
    """The names that are read where no `set` or `for` has given them a value yet.

    Jinja's own tracking takes a name that one branch sets and reads for one that the row should have.

    Args:
        known: the names with a value, to which those that the parts set for certain are added.
    """
    for part in parts:
        match part:
            case nodes.Name(ctx="load"):
                if part.name not in known:
                    yield part
            case nodes.Name():
                known.add(part.name)
            case nodes.Assign():
                yield from _read_first([part.node, part.target], known)
            case nodes.If():
                yield from _read_first([part.test], known)
                branches = [part.body, *([each.test, *each.body] for each in part.elif_), part.else_]
                after = [set(known) for _ in branches]
                for branch, names in zip(branches, after, strict=True):
                    yield from _read_first(branch, names)
                known |= set.intersection(*after)
            case nodes.For():
                yield from _read_first([part.iter], known)
                within = known | {"loop"}
                rest = [part.target, *([part.test] if part.test else []), *part.body]
                yield from _read_first(rest, within)
                yield from _read_first(part.else_, set(known))
            case nodes.AssignBlock():
                yield from _read_first([*part.body, *([part.filter] if part.filter else [])], set(known))
                yield from _read_first([part.target], known)
            case nodes.FilterBlock():
                yield from _read_first(part.iter_child_nodes(), set(known))
            case _:
                yield from _read_first(part.iter_child_nodes(), known)


def _copy(value: Any) -> Any:
    """The value with lists and mappings of its own."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
