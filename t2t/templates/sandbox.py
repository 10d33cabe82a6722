"""The language of templates: Jinja, cut down to what a prompt needs and bounded in time and size.

Task files are shared between people, so rendering one must be as harmless as reading it. A template may
print, branch, loop and set a name; it may use the filters, methods and functions of `filters.py`. It may not
define macros, load other templates, or print anything but text and numbers: `['a', 'b']` or `None` in a
prompt is always a mistake. What may still grow is bounded:

    a template       MAX_TEMPLATE characters, MAX_NODES syntax nodes, MAX_DEPTH of them inside each other
    a text           MAX_TEXT characters
    a rendering      MAX_WORK, as `work.py` counts it; at most about half a second

A fault is a TemplateError whose location is a line of the text, and whose problem is a phrase that goes on
from the template's name (`has a syntax error: unexpected '}'`); `template.py` adds the name and the file.
"""

from typing import Any, cast

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from t2t.errors import Location, TemplateError, did_you_mean
from t2t.templates import filters
from t2t.templates.filters import FILTERS, METHODS, MUTATORS
from t2t.templates.work import CHARACTER, NODE, Refused, cost_of, printable

MAX_TEMPLATE = 20_000  # characters of one template text
MAX_NODES = 5_000  # these compile in a quarter of a second
MAX_DEPTH = 100  # `a + b + c` is three deep; Jinja's time to compile grows with the square
MAX_NUMBER = 10**18  # written in a template

STATEMENTS = (
    nodes.Template,
    nodes.Output,
    nodes.If,
    nodes.For,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.FilterBlock,
)


def parse(text: str) -> nodes.Template:
    """The syntax tree of a template text. Raises: TemplateError for what is not Jinja or not allowed."""
    if len(text) > MAX_TEMPLATE:
        raise TemplateError(f"is longer than {MAX_TEMPLATE:,} characters", where=Location(line=1))
    try:
        tree = ENVIRONMENT.parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise _syntax_error(error) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise TemplateError("has a number that is too large", where=Location(line=1)) from error
    level, num_nodes, depth = [cast(nodes.Node, tree)], 0, 0
    while level:
        depth += 1
        num_nodes += len(level)
        if depth > MAX_DEPTH:
            raise _too_deep()
        if num_nodes > MAX_NODES:
            raise TemplateError(f"has more than {MAX_NODES:,} syntax nodes", where=Location(line=1))
        for node in level:
            _check_node(node)
        level = [child for node in level for child in node.iter_child_nodes()]
    return tree


def build(tree: nodes.Template) -> jinja2.Template:
    """Compile a tree of `parse`, with all that can grow made to pay for it."""
    _Metering().visit(tree)
    tree.set_environment(ENVIRONMENT)
    try:
        return ENVIRONMENT.from_string(tree)
    except jinja2.TemplateSyntaxError as error:  # an unknown test, as in `is nowhere`
        raise _syntax_error(error) from error
    except (RecursionError, MemoryError, SyntaxError) as error:  # Python allows 20 nested loops
        raise _too_deep() from error


def mutates(tree: nodes.Template) -> bool:
    """Whether a template changes lists or mappings, so that it needs a row of its own."""
    return any(_is_mutator(call) for call in tree.find_all(nodes.Call))


def _check_node(node: nodes.Node) -> None:
    where = Location(line=node.lineno)
    if isinstance(node, nodes.Stmt) and not isinstance(node, STATEMENTS):
        statement = type(node).__name__.lower()
        problem = f"uses a statement that templates lack: {statement}"
        raise TemplateError(problem, where=where, have=["if", "for", "set", "filter"])
    if isinstance(node, nodes.For) and node.recursive:
        raise TemplateError("uses a recursive loop, which templates lack", where=where)
    if isinstance(node, nodes.Pow):
        raise TemplateError("uses **, which templates lack", where=where)
    if isinstance(node, nodes.Const) and isinstance(node.value, int) and abs(node.value) > MAX_NUMBER:
        raise TemplateError("has a number that is too large", where=where)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        problem, have = f'uses an unknown filter: "{node.name}"', sorted(FILTERS)
        raise TemplateError(problem, where=where, have=have, mend=did_you_mean(node.name, have))


_SYNTAX_MENDS = {  # what Jinja's words are a sign of
    "unexpected '}'": "write a column as {{ name }}, with two braces on each side",
    "'end of print statement', got": "name the column by one word, under dataset.columns",
}


def _syntax_error(error: jinja2.TemplateSyntaxError) -> TemplateError:
    message = error.message or ""
    mend = next((mend for sign, mend in _SYNTAX_MENDS.items() if sign in message), None)
    return TemplateError(f"has a syntax error: {message}", where=Location(line=error.lineno), mend=mend)


def _too_deep() -> TemplateError:
    return TemplateError("is nested too deeply", where=Location(line=1))


class _Metering(NodeTransformer):
    """Leads what can grow through a filter that pays for it.

    Filters, tests and methods pay themselves, and `+` in the environment. What is left: the passes of a loop,
    `~`, slices, comparisons, the keys of a mapping, and prints inside a block that collects them. An index
    that is worked out goes through one too, which refuses what counts from the end.
    """

    def __init__(self) -> None:
        self.collecting = 0  # depth of blocks whose text is kept rather than given out

    def visit_For(self, node: nodes.For) -> nodes.Node:
        body = [
            inner for each in (*node.body, node.test) if each for inner in (each, *each.find_all(nodes.Node))
        ]
        data = sum(len(inner.data) for inner in body if isinstance(inner, nodes.TemplateData))
        pass_cost = NODE * (1 + len(body)) + CHARACTER * data
        self.generic_visit(node)
        node.iter = _through("counted", node.iter, nodes.Const(pass_cost))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _through("concat", nodes.List(node.nodes, lineno=node.lineno))

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _charged(node)
        is_spelt_out = isinstance(node.arg.node if isinstance(node.arg, nodes.Neg) else node.arg, nodes.Const)
        return node if is_spelt_out else _through("item", node.node, node.arg)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        # Two values are alike or not as soon as one of them ends, and what a template spells out is short.
        if all(operand.op not in ("in", "notin") for operand in node.ops) and any(
            _is_literal(each) for each in (node.expr, *(operand.expr for operand in node.ops))
        ):
            return node
        node.expr = _charged(node.expr)
        for operand in node.ops:
            operand.expr = _charged(operand.expr)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:
        self.generic_visit(node)
        node.key = _charged(node.key)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        if not _is_mutator(node):
            return node
        method = cast(nodes.Getattr, node.node)
        return _through(method.attr, method.node, *node.args)

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:
        return self._visit_collector(node)

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:
        return self._visit_collector(node)

    def _visit_collector(self, node: nodes.Node) -> nodes.Node:
        self.collecting += 1
        self.generic_visit(node)
        self.collecting -= 1
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        if self.collecting:
            node.nodes = [_charged(each) for each in node.nodes]
        return node


def _is_literal(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const | nodes.TemplateData) or (
        isinstance(node, nodes.List | nodes.Tuple)
        and all(isinstance(item, nodes.Const) for item in node.items)
    )


def _is_mutator(call: nodes.Call) -> bool:
    return isinstance(call.node, nodes.Getattr) and call.node.attr in MUTATORS and not call.kwargs


def _charged(node: nodes.Expr) -> nodes.Expr:
    return node if _is_literal(node) else _through("charged", node)


def _through(filter_name: str, node: nodes.Node, *args: nodes.Expr) -> nodes.Filter:
    """`expression` as `expression | filter_name(args)`."""
    return nodes.Filter(cast(nodes.Expr, node), filter_name, list(args), [], None, None, lineno=node.lineno)


class _Environment(ImmutableSandboxedEnvironment):
    context_class = filters.Context
    intercepted_binops = frozenset({"+", "-", "*", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`%` works on numbers only: `"%1000000000d" % 1` is a huge text. Other texts are paid for."""
        numbers = [value for value in (left, right) if isinstance(value, int | float)]
        largest = MAX_NUMBER if operator in "+-" else 1e9
        if any(abs(number) > largest for number in numbers):
            raise Refused(f"{operator} works on numbers up to {largest:.0e}")
        if operator == "*" and isinstance(left, str) and isinstance(right, int):
            context.work.make_text(len(left) * max(right, 0))
        elif operator in "*%" and len(numbers) < 2:
            raise Refused(f"{operator} works on numbers")
        elif isinstance(left, str) and isinstance(right, str):
            context.work.make_text(len(left) + len(right))
        elif len(numbers) < 2:
            context.work.charge(cost_of(left) + cost_of(right))
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if callable(value) and attr not in METHODS.get(type(obj), ()):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Leaves `format` to `is_safe_attribute`, which refuses it: `"{:1000000000}"` is short too."""

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(
            argument, tuple | list | dict | Namespace
        ):  # to hash or to name one in an error is work
            raise Refused(f"it looks up a {type(argument).__name__}")
        if isinstance(argument, jinja2.Undefined):
            str(argument)  # raises by its name; to Jinja it would be an element that is not there
        return super().getitem(obj, argument)

    def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(getattr(function, "__self__", None), str | list | tuple | dict):
            kwargs.pop("_loop_vars", None)  # Jinja hands these to every call inside a loop or a block
            kwargs.pop("_block_vars", None)
            return filters.call_method(context.work, function, *args, **kwargs)
        for argument in (*args, *kwargs.values()):
            context.work.charge(cost_of(argument))
        return super().call(context, function, *args, **kwargs)

    def call_filter(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A filter by its name, as in `map("upper")`."""
        if name not in FILTERS:
            raise Refused(f'there is no filter "{name}"')
        return super().call_filter(name, *args, **kwargs)


ENVIRONMENT = _Environment(
    undefined=jinja2.StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=printable,
    optimized=False,  # to fold constants, Jinja tries each expression once for every level that it is nested
)
ENVIRONMENT.filters = dict[str, Any](FILTERS | filters.INTERNAL_FILTERS)
ENVIRONMENT.tests = dict[str, Any](filters.TESTS)
ENVIRONMENT.globals = filters.GLOBALS
