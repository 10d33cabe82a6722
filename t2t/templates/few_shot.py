"""Few-shot prompts: worked examples, the demonstrations, stand before the query.

    source of demonstration 1
    target of demonstration 1
                                  (an empty line)
    source of the query

This is the layout of Brown et al. 2020 (arXiv:2005.14165, appendix G), with a line break between source and
target, because our sources end in whichever way suits their wording. A source that is too long for a model
loses demonstrations before it loses a word of its question: `keep_demonstrations`.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from t2t.errors import DataError
from t2t.templates.template import RenderedExample


def without_query(pool: Iterable[RenderedExample], query: RenderedExample) -> list[RenderedExample]:
    """The examples that ask something else: a row may be in a pool under another id.

    The source tells. But some templates ask for one of their choices alone, and then all sources are the same
    text: of choices too, none may be the query's.
    """

    def is_other(example: RenderedExample) -> bool:
        if example.source != query.source:
            return True
        choices, asked = example.answer_choices, query.answer_choices
        return choices is not None and asked is not None and not set(choices) & set(asked)

    return [example for example in pool if is_other(example)]


def choose_demonstrations(
    pool: Sequence[RenderedExample], *, example_id: str, shots: int, seed: int
) -> tuple[RenderedExample, ...]:
    """Choose demonstrations at random, and never the query itself.

    The choice depends on nothing but the pool, the seed and the example's id: neither the order in which the
    queries come nor their batch changes it.

    Args:
        pool: examples to choose from, usually one template's.
        example_id: the query's; empty for a text that a user typed, which is in no pool.
        shots: how many.
    Raises: DataError where the pool, without the query, holds fewer.
    """
    others = [example for example in pool if not example_id or example.example_id != example_id]
    if len(others) < shots:
        name = f' of task "{pool[0].task}"' if pool else ""
        raise DataError(f"{shots} demonstrations asked for, but only {len(others)} rows{name} to choose from")
    return tuple(random.Random(f"{seed}/{example_id}").sample(others, shots))


def with_demonstrations(
    example: RenderedExample, demonstrations: Sequence[RenderedExample]
) -> RenderedExample:
    """The example with the demonstrations before its source; all else stays as it is."""
    shown = tuple(f"{shot.source}\n{shot.target}\n\n" for shot in demonstrations)
    return replace(
        example,
        source="".join([*shown, example.source]),
        demonstrations=shown or example.demonstrations,  # those of the template itself stay in any case
    )


def keep_demonstrations(source: str, demonstrations: Sequence[str], number: int) -> str:
    """The source with the first `number` of its demonstrations, of which it has some.

    source "1+1\\n2\\n\\n2+2\\n4\\n\\n3+3"    demonstrations "1+1\\n2\\n\\n", "2+2\\n4\\n\\n"    number 1
    gives  "1+1\\n2\\n\\n3+3"
    """
    before, _, after = source.partition("".join(demonstrations))
    return before + "".join(demonstrations[:number]) + after
