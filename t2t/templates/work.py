"""Work: what the operations of a template cost, counted so that no rendering can run for long.

    a character read or written       CHARACTER      "a title" | upper                 7 x 10
    an item of a list or mapping      ITEM           ["a", "bc"] | list                2 x 1,000 + 3 x 10
    a syntax node in a loop's body    NODE           {% for x in "ab" %}{{x}}{% ...    2 x 3 nodes x 500

The unit is a nominal nanosecond: about what the operation takes at worst, rounded up. Costs depend on sizes
alone, never on a clock, so a row that renders on one machine renders on every other.
"""

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from datetime import date, time
from decimal import Decimal
from types import BuiltinMethodType
from typing import Any

import jinja2
from jinja2.utils import Namespace

MAX_TEXT = 1_000_000  # characters; far beyond any model's source
MAX_WORK = 300_000_000  # nominal nanoseconds; a text of MAX_TEXT can be gone through thirty times

CHARACTER = 10
ITEM = 1_000
NODE = 500

AS_TEXT = (Decimal, date, time)  # as Parquet and the Hub have them; a datetime is a date
_LISTS = (list, tuple, range, KeysView, ValuesView)


class Refused(Exception):
    """A rendering asked for more than the sandbox gives; the message says for what."""


class Work:
    """The work that a rendering has left."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_WORK

    def charge(self, cost: int) -> None:
        """Take `cost` from what is left. Raises: Refused where that is less."""
        self.left -= cost
        if self.left < 0:
            raise Refused("it takes too much work; its loops, lists or texts are too long")

    def make_text(self, length: int) -> None:
        """Pay for a text before it is made. Raises: Refused."""
        if length > MAX_TEXT:
            raise Refused(f"it makes a text of more than {MAX_TEXT:,} characters")
        self.charge(CHARACTER * length)


def cost_of(value: Any, known: dict[int, int] | None = None) -> int:
    """What it costs to go through a value and all that it holds.

    A list that is held many times over costs as often but is looked into once: `[[x, x], [x, x]]` doubles
    with every step.

    Args:
        known: costs found so far, by `id`; negative for a value that is being looked into.
    Raises: Refused for a list or mapping that holds itself, and for a namespace, which is no value.
    """
    if isinstance(value, str):
        return CHARACTER * len(value)
    if isinstance(value, dict):
        parts: list[Any] = [*value.keys(), *value.values()]
    elif isinstance(value, ItemsView):
        # Not the pairs: they are made anew each time, and `known` could take one for another by its id.
        parts = [part for pair in value for part in pair]
    elif isinstance(value, _LISTS):
        parts = list(value)
    elif isinstance(value, Namespace):  # printed inside a list, it would print all that it holds
        raise Refused("a namespace is used as a value; name one of its attributes")
    else:
        return 0
    if known is None:
        known = {}
    found = known.get(id(value))
    if found is None:
        known[id(value)] = -1
        found = ITEM * (1 + len(parts)) + sum(cost_of(part, known) for part in parts)
        known[id(value)] = found
    elif found < 0:
        raise Refused("a list or mapping holds itself")
    return found


def text_of(work: Work, value: Any) -> str:
    """`str(value)`, paid for. Raises: Refused for what is neither text nor a number nor a list or mapping."""
    if isinstance(value, str):
        work.charge(CHARACTER * len(value))
        return value
    if isinstance(value, list | tuple | dict):
        work.charge(cost_of(value))
        # A control character is spelt out in a list: \x00.
        text = str(value)
        work.make_text(len(text))
        return text
    return str(printable(value))


def printable(value: Any) -> Any:
    """What a prompt may hold of a value: text or a number as it is, a decimal or a date as text.

    Raises: Refused; UndefinedError for a name without value.
    """
    if isinstance(value, (str, int, float, *AS_TEXT)):
        if value != value:
            raise Refused("it prints NaN, which marks a gap in the data; make it null, or leave the row out")
        return str(value) if isinstance(value, AS_TEXT) else value
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises
    if value is None:
        raise Refused("it prints a column that is null; test for it with {% if %}")
    if isinstance(value, BuiltinMethodType):
        name = value.__name__
        raise Refused(f'it prints the method "{name}"; for the column of that name write ["{name}"]')
    mend = "; join it" if isinstance(value, (*_LISTS, ItemsView, Iterator)) else ""
    raise Refused(f"it prints a {type(value).__name__} where only text or a number makes sense{mend}")
