"""The filters, tests, methods and functions of templates, each paying for the work it does.

They are Jinja's own where those are harmless at their price. Two filters are ours: `most_frequent` keeps the
commonest items of a list, all that share the first place; `choice` picks one item, which looks random but is
a function of the row and the list, so that source and target agree on it and a rendering can be repeated.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import filters as jinja_filters
from jinja2 import pass_context, runtime
from jinja2 import tests as jinja_tests
from jinja2.utils import Namespace

from t2t.templates.work import AS_TEXT, CHARACTER, ITEM, Refused, Work, cost_of, printable, text_of

JINJA_FILTERS: Mapping[str, Any] = jinja_filters.FILTERS
JINJA_TESTS: Mapping[str, Any] = jinja_tests.TESTS

MADE = frozenset({"answer_choices", "demonstrations"})  # names in a text that the template gives, not the row
MAX_RANGE = 1_000  # numbers
MAX_DIGITS = 100  # characters of a number in a text


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


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
MUTATORS = _words("append pop update")  # of a list or mapping that the template itself has made

_WITHOUT_COST = _words("abs count d default first last length")
_SORTS = dict.fromkeys(("dictsort", "groupby", "max", "min", "sort", "unique"), 3)
_WEIGHTS = {**_SORTS, "title": 15, "wordcount": 5}  # measured, against CHARACTER and ITEM
_JINJA_FILTERS = _words(
    """abs capitalize count d default dictsort first groupby items last length list lower map max min reject
    rejectattr reverse select selectattr sort title truncate unique upper wordcount"""
)
_OF_TEXT = _words("capitalize lower title truncate upper wordcount")  # Jinja's make "None" of null
_OVER_ITEMS = _words(
    """choice dictsort groupby list map max min most_frequent reject rejectattr select selectattr sort sum
    unique"""
)  # of a text, these take each character for an item
_COSTLY_TESTS = _words("!= < <= == > >= eq equalto ge greaterthan gt in le lessthan lower lt ne upper")


class Context(runtime.Context):
    """The names of one rendering, and the work it has left."""

    work: Work


def call_method(work: Work, function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call one of METHODS, for its price."""
    owner = function.__self__
    name = function.__name__
    if isinstance(owner, str):
        if name == "replace":
            return _replaced(work, owner, *args)
        if name == "join":
            return _joined(work, *args, separator=owner)
        # A split makes a list, and `strip` compares each character with all that it is given.
        weight = 3 if "split" in name else 1
        if "strip" in name and args and isinstance(args[0], str):
            weight += len(args[0])
        work.charge(weight * CHARACTER * len(owner))
    elif not isinstance(owner, dict):  # the methods of a mapping go to one key, or to none
        work.charge(cost_of(owner))
    for argument in (*args, *kwargs.values()):
        work.charge(cost_of(argument))
    return function(*args, **kwargs)


def _paid(name: str, function: Callable[..., Any], *, takes_null: bool = True) -> Callable[..., Any]:
    """The filter or test of that name, made to pay for its value and its arguments."""
    weight, character = _WEIGHTS.get(name, 1), ITEM if name in _OVER_ITEMS else CHARACTER
    passed = getattr(function, "jinja_pass_arg", None)
    first = passed.name if passed is not None else None

    @pass_context
    def paid(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value is None and not takes_null:
            raise Refused(f'it gives "{name}" a column that is null; test for it with {{% if %}}')
        if isinstance(value, Iterator):  # such as `map` gives: its items are paid for, what they hold is not
            value = list(value)
            cost = cost_of(value) - ITEM * (1 + len(value))
        else:
            cost = character * len(value) if isinstance(value, str) else cost_of(value)
        for argument in (*args, *kwargs.values()) if args or kwargs else ():
            cost += cost_of(argument)
            if isinstance(argument, str):  # attribute="a.b,c" looks up three things for each item
                cost += cost * (argument.count(".") + argument.count(","))
        context.work.charge(weight * cost)
        if first == "context":
            return function(context, value, *args, **kwargs)
        if first == "environment":
            return function(context.environment, value, *args, **kwargs)
        if first == "eval_context":
            return function(context.eval_ctx, value, *args, **kwargs)
        return function(value, *args, **kwargs)

    return paid


# Filters of our own.


@pass_context
def _join(context: Context, items: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        items = (context.environment.getitem(item, attribute) for item in items)
    return _joined(context.work, items, separator=d)


def _joined(work: Work, items: Iterable[Any], *, separator: str) -> str:
    texts = [item if isinstance(item, str) else str(printable(item)) for item in items]
    work.charge(ITEM // 10 * len(texts))
    work.make_text(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


@pass_context
def _replace(context: Context, text: Any, old: Any, new: Any, count: int = -1) -> str:
    work = context.work
    return _replaced(work, text_of(work, text), text_of(work, old), text_of(work, new), count)


def _replaced(work: Work, text: str, old: str, new: str, count: int = -1) -> str:
    work.charge(CHARACTER * len(text))
    work.make_text(len(text) + text.count(old) * len(new))
    return text.replace(old, new, count)


@pass_context
def _string(context: Context, value: Any) -> str:
    return text_of(context.work, value)


@pass_context
def _trim(context: Context, value: Any, chars: str | None = None) -> str:
    text = text_of(context.work, value)
    context.work.charge(CHARACTER * len(text) * len(chars or ""))
    return text.strip(chars)


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    if abs(precision) > 20:  # Jinja's own works out 10 to this power
        raise Refused("round works to 20 digits")
    return JINJA_FILTERS["round"](value, precision, method)


def _int(value: Any, default: int = 0) -> int:
    return JINJA_FILTERS["int"](_digits(value), default)


def _float(value: Any, default: float = 0.0) -> float:
    return JINJA_FILTERS["float"](_digits(value), default)


def _digits(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_DIGITS:
        raise Refused(f"a number in a text has up to {MAX_DIGITS} digits")
    return value


@pass_context
def _sum(context: Context, items: Iterable[Any], attribute: str | int | None = None, start: float = 0) -> Any:
    if not isinstance(start, int | float):  # lists could be added up too, each sum copied for the next
        raise Refused("sum adds up numbers")
    return JINJA_FILTERS["sum"](context.environment, items, attribute, start)


def _most_frequent(items: Iterable[Any]) -> list[Any]:
    counts = Counter(items)
    highest = max(counts.values(), default=0)
    return [item for item, count in counts.items() if count == highest]


@pass_context
def _choice(context: Context, items: Iterable[Any]) -> Any:
    items = list(items)
    if not items:
        raise Refused("it takes a choice of no items")
    # Not what the template makes: only some of its texts are rendered with that.
    names = sorted(context.parent.keys() - context.environment.globals.keys() - MADE)
    row = {name: context.parent[name] for name in names}
    context.work.charge(cost_of(row))
    seed = json.dumps([row, items], default=_shown)
    return items[int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest()) % len(items)]


def _shown(value: Any) -> str:
    """What stands for a value that JSON has not."""
    return str(value) if isinstance(value, AS_TEXT) else type(value).__name__


# Filters that `sandbox.build` puts in; a template cannot name them.


@pass_context
def _counted(context: Context, items: Iterable[Any], pass_cost: int) -> Iterable[Any]:
    """The items of a loop, each pass paid for as it starts."""
    return _passes(context.work, items, pass_cost)


def _passes(work: Work, items: Iterable[Any], pass_cost: int) -> Iterator[Any]:
    for item in items:
        work.charge(pass_cost)
        yield item


@pass_context
def _concat(context: Context, values: list[Any]) -> str:
    """`a ~ b`."""
    return _joined(context.work, [text_of(context.work, value) for value in values], separator="")


@pass_context
def _charged(context: Context, value: Any) -> Any:
    context.work.charge(cost_of(value))
    return value


@pass_context
def _item(context: Context, items: Any, key: Any) -> Any:
    """`items[key]` where the key is worked out: then none is counted from the end of a list."""
    if isinstance(items, list | tuple) and isinstance(key, int) and key < 0:
        raise Refused(f"it takes item {key} of a list, by no constant; a label of -1 is a hidden one")
    return context.environment.getitem(items, key)


@pass_context
def _append(context: Context, items: Any, item: Any) -> None:
    if type(items) is not list:
        raise Refused("append works on lists")
    context.work.charge(ITEM + cost_of(item, {id(items): -1}))
    items.append(item)


@pass_context
def _pop(context: Context, items: Any, index: int = -1) -> Any:
    if type(items) is not list:
        raise Refused("pop works on lists")
    context.work.charge(ITEM + len(items))
    return items.pop(index)


@pass_context
def _update(context: Context, mapping: Any, other: Mapping[Any, Any]) -> None:
    if type(mapping) is not dict or type(other) is not dict:
        raise Refused("update works on mappings")
    context.work.charge(ITEM + cost_of(other, {id(mapping): -1}))
    mapping.update(other)


# Functions.


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        raise Refused(f"a range has more than {MAX_RANGE:,} numbers")
    return numbers


@pass_context
def _zip(context: Context, *lists: Iterable[Any]) -> list[tuple[Any, ...]]:
    items = [list(each) for each in lists]
    context.work.charge(ITEM * sum(map(len, items)))
    return list(zip(*items, strict=False))


OWN_FILTERS: dict[str, Callable[..., Any]] = {
    "choice": _paid("choice", _choice),
    "float": _float,
    "int": _int,
    "join": _join,
    "most_frequent": _paid("most_frequent", _most_frequent),
    "replace": _replace,
    "round": _round,
    "string": _string,
    "sum": _paid("sum", _sum),
    "trim": _trim,
}
FILTERS: dict[str, Callable[..., Any]] = OWN_FILTERS | {
    name: JINJA_FILTERS[name]
    if name in _WITHOUT_COST
    else _paid(name, JINJA_FILTERS[name], takes_null=name not in _OF_TEXT)
    for name in _JINJA_FILTERS
}
INTERNAL_FILTERS: dict[str, Callable[..., Any]] = {
    "counted": _counted,
    "concat": _concat,
    "charged": _charged,
    "item": _item,
    "append": _append,
    "pop": _pop,
    "update": _update,
}
TESTS: dict[str, Callable[..., Any]] = {
    name: _paid(name, test) if name in _COSTLY_TESTS else test for name, test in JINJA_TESTS.items()
}
GLOBALS: dict[str, Any] = {"namespace": Namespace, "range": _range, "zip": _zip}
