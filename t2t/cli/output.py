"""What commands print: one JSON document, tables, and a progress bar that never touches stdout.

Texts of users hold brackets and braces, so rich's markup is off throughout.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# A pipe has no width; the reader on its other end should get a row a line, as grep wants it.
_PIPE_WIDTH = 10_000


class Advance(Protocol):
    """Moves a progress bar: by one step, or by `steps`, now that its length may be known."""

    def __call__(self, steps: int = 1, *, total: int | None = None) -> None: ...


def print_json(document: Any) -> None:
    """Print `document` as the one JSON document of a `--json` command."""
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")  # else JSON spells what it cannot hold
    print(json.dumps(document, ensure_ascii=not is_unicode, indent=2, allow_nan=False))


def counted(number: int, noun: str) -> str:
    """A number and what it counts: "1 fault", "2,000 faults"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def print_rich(renderable: "RenderableType") -> None:
    """Print a rich table or panel on stdout."""
    _console(stderr=False).print(renderable)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """Print rows under their headings; cells are shown with `str`, whole, whatever the width."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    heads = [Column(name, overflow="fold") for name in columns]
    table = Table(*heads, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    print_rich(table)


@contextmanager
def progress_bar(description: str, *, unit: str, total: int | None = None) -> Iterator[Advance]:
    """A bar on stderr with rate and time left; silent where stderr is no terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f} {unit}/s" if task.speed else f"- {unit}/s")

    console = _console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task_id = progress.add_task(description, total=total)

        def advance(steps: int = 1, *, total: int | None = None) -> None:
            if total is not None:
                progress.update(task_id, total=total)
            progress.advance(task_id, steps)

        yield advance


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)
