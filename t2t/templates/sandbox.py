"""The language of templates: Jinja, cut down to what a prompt needs and bounded in time and size.

Task files are shared between people, so rendering one must be as harmless as reading it. A template may
print, branch, loop and set a name; it may use the filters and methods listed here. It may not define macros,
load other templates, repeat or pad text by a count, or print anything but text and numbers: `['a', 'b']` or
`None` in a prompt is always a mistake. What may still grow is counted:

    one rendering                         MAX_TEXT characters, MAX_PASSES passes of all its loops together
    a `set` name, `replace` and `join`    MAX_TEXT characters
    a `range`                             MAX_RANGE numbers

A fault is a TemplateError whose location is a line of the text, and whose problem is a phrase that goes on
from the template's name (`has a syntax error: unexpected '}'`); `template.py` adds the name and the file.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import jinja2
from jinja2 import nodes, runtime
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from t2t.errors import Location, TemplateError, did_you_mean

MAX_TEXT = 1_000_000  # characters; far beyond any model's source
MAX_PASSES = 100_000  # loop passes, about 20 milliseconds
MAX_RANGE = 1_000  # numbers
MAX_TEMPLATE = 20_000  # characters of one template text


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


FILTERS = _words(
    """abs capitalize count d default dictsort first float groupby int items join last length list lower map
    max min reject rejectattr replace reverse round select selectattr sort string sum title trim truncate
    unique upper wordcount"""
)
METHODS: dict[type, frozenset[str]] = {
    str: _words(
        """capitalize casefold count endswith find index isalnum isalpha isdigit islower isnumeric isspace
        istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rpartition rsplit
        rstrip split splitlines startswith strip swapcase title upper"""
    ),
    dict: _words("get items keys values"),
    list: _words("count index"),
    tuple: _words("count index"),
    runtime.LoopContext: _words("changed cycle"),
}
STATEMENTS = (nodes.Template, nodes.Output, nodes.If, nodes.For, nodes.Assign)


class Refused(Exception):
    """A rendering asked for more than the sandbox gives; the message says for what."""


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
    for node in tree.find_all(nodes.Node):
        _check_node(node)
    return tree


def build(tree: nodes.Template) -> jinja2.Template:
    """Compile a tree of `parse`, with each loop and each `set` led through its counter."""
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = _through("counted", loop.iter)
    for assignment in list(tree.find_all(nodes.Assign)):
        assignment.node = _through("bounded", assignment.node)
    tree.set_environment(ENVIRONMENT)
    try:
        return ENVIRONMENT.from_string(tree)
    except jinja2.TemplateSyntaxError as error:  # an unknown test, as in `is nowhere`
        raise _syntax_error(error) from error
    except (RecursionError, SyntaxError) as error:  # Python allows 20 nested loops and 200 brackets
        raise _too_deep() from error


def _check_node(node: nodes.Node) -> None:
    where = Location(line=node.lineno)
    if isinstance(node, nodes.Stmt) and not isinstance(node, STATEMENTS):
        statement = type(node).__name__.lower()
        problem = f"uses a statement that templates lack: {statement}"
        raise TemplateError(problem, where=where, have=["if", "for", "set"])
    if isinstance(node, nodes.For) and node.recursive:
        raise TemplateError("uses a recursive loop, which templates lack", where=where)
    if isinstance(node, nodes.Pow):
        raise TemplateError("uses **, which templates lack", where=where)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        problem, have = f'uses an unknown filter: "{node.name}"', sorted(FILTERS)
        raise TemplateError(problem, where=where, have=have, mend=did_you_mean(node.name, have))


def _syntax_error(error: jinja2.TemplateSyntaxError) -> TemplateError:
    return TemplateError(f"has a syntax error: {error.message}", where=Location(line=error.lineno))


def _too_deep() -> TemplateError:
    return TemplateError("is nested too deeply", where=Location(line=1))


def _through(filter_name: str, node: nodes.Node) -> nodes.Filter:
    """`expression` as `expression | filter_name`."""
    return nodes.Filter(cast(nodes.Expr, node), filter_name, [], [], None, None, lineno=node.lineno)


class _Context(runtime.Context):
    """The names of one rendering, and the loop passes it has left."""

    passes_left = MAX_PASSES


class _Environment(ImmutableSandboxedEnvironment):
    context_class = _Context
    intercepted_binops = frozenset({"*", "%"})

    def call_binop(self, context: runtime.Context, operator: str, left: Any, right: Any) -> Any:
        """For numbers only: `"ab" * 10**9` and `"%1000000000d" % 1` are short templates of huge texts."""
        for number in (left, right):
            if not isinstance(number, int | float) or abs(number) > 1e9:
                raise Refused(f"{operator} works on numbers up to a billion")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if callable(value) and attr not in METHODS.get(type(obj), ()):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Leaves `format` to `is_safe_attribute`, which refuses it: `"{:1000000000}"` is short too."""

    def call(self, context: runtime.Context, function: Any, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(function, "__self__", None)
        if isinstance(owner, str) and function.__name__ == "replace":
            return _replace(owner, *args)
        if isinstance(owner, str) and function.__name__ == "join":
            return _join(args[0], owner)
        return super().call(context, function, *args, **kwargs)


def _printable(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises UndefinedError
    if value is None:
        raise Refused("it prints a column that is null; test for it with {% if %}")
    raise Refused(f"it prints a {type(value).__name__} where only text or a number makes sense; join it")


@jinja2.pass_context
def _counted(context: _Context, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        context.passes_left -= 1
        if context.passes_left < 0:
            raise Refused(f"its loops make more than {MAX_PASSES:,} passes")
        yield item


def _bounded(value: Any) -> Any:
    if _size(value, {}) > MAX_TEXT:
        raise Refused(f"a value holds more than {MAX_TEXT:,} characters")
    return value


def _size(value: Any, known: dict[int, int]) -> int:
    """Characters in a value and in all that it holds, were it printed.

    A list that is held many times over is counted as often but looked into once: `[[x, x], [x, x]]`
    doubles with every step.

    Args:
        known: sizes found so far, by `id`.
    """
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, list | tuple | dict):
        return 1
    if id(value) not in known:
        items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(item, known) for item in items)
    return known[id(value)]


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    text = str(text)
    if len(text) + text.count(old) * len(new) > MAX_TEXT:
        raise Refused(f"a value holds more than {MAX_TEXT:,} characters")
    return text.replace(old, new, count)


def _join(items: Iterable[Any], separator: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        items = (item[attribute] for item in items)
    texts = [str(_printable(item)) for item in items]
    if sum(len(text) + len(separator) for text in texts) > MAX_TEXT:
        raise Refused(f"a value holds more than {MAX_TEXT:,} characters")
    return separator.join(texts)


def _round(value: float, precision: int = 0) -> float:
    if abs(precision) > 20:  # Jinja's own works out 10 to this power
        raise Refused("round works to 20 digits")
    return round(value, precision)


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        raise Refused(f"a range has more than {MAX_RANGE:,} numbers")
    return numbers


ENVIRONMENT = _Environment(
    undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_printable
)
ENVIRONMENT.filters = {name: ENVIRONMENT.filters[name] for name in FILTERS} | {
    "join": _join,
    "replace": _replace,
    "round": _round,
    "counted": _counted,  # these two are put in by `build`; a template cannot name them
    "bounded": _bounded,
}
ENVIRONMENT.globals = {"range": _range, "namespace": Namespace}
