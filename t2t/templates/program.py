"""Programs: the compiled form of the texts and expressions in a template, cached by text."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import meta, nodes

from t2t.errors import Location, TemplateError
from t2t.templates.sandbox import ENVIRONMENT, MAX_TEXT, Refused, build, parse


@dataclass(frozen=True)
class Program:
    """A compiled template text or expression.

    Attributes:
        columns: the names that it reads from the row, each with the line (1-based) of its first use.
        optional: those of them that it asks for with `is defined` or `default`, so that a row may lack them.
    """

    template: jinja2.Template
    columns: Mapping[str, int]
    optional: frozenset[str]

    def text(self, values: Mapping[str, Any]) -> str:
        """Render. Any exception may come out; `line_of` tells the line it arose on."""
        pieces, size = [], 0
        for piece in self.template.root_render_func(self.template.new_context(dict(values))):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_TEXT:
                raise Refused(f"the text has more than {MAX_TEXT:,} characters")
        return "".join(pieces)

    def value(self, values: Mapping[str, Any]) -> Any:
        """Evaluate a program of `compile_expression`. Any exception may come out."""
        context = self.template.new_context(dict(values))
        for _ in self.template.root_render_func(context):
            pass
        return context.vars["result"]


@lru_cache(maxsize=4096)
def compile_text(text: str) -> Program:
    """Compile a text with `{{ column }}` in it. Raises: TemplateError, as `sandbox` words it."""
    return _program(parse(text))


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Program:
    """Compile one `{{ expression }}`, which may give any value. Raises: TemplateError, as `compile_text`."""
    tree = parse(text.strip())
    match tree.body:
        case [nodes.Output(nodes=[expression])] if not isinstance(expression, nodes.TemplateData):
            result = nodes.Name("result", "store", lineno=1)
            return _program(nodes.Template([nodes.Assign(result, expression, lineno=1)], lineno=1))
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
    template = build(tree)
    names = meta.find_undeclared_variables(tree) - set(ENVIRONMENT.globals)
    columns: dict[str, int] = {}
    for name in tree.find_all(nodes.Name):
        if name.name in names:
            columns.setdefault(name.name, name.lineno)
    guards: list[nodes.Test | nodes.Filter] = [*tree.find_all(nodes.Test), *tree.find_all(nodes.Filter)]
    optional = frozenset(
        guard.node.name
        for guard in guards
        if guard.name in ("defined", "undefined", "default", "d") and isinstance(guard.node, nodes.Name)
    )
    return Program(template, columns, optional)
