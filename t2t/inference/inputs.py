"""What a caller passes to the model, made into prompts; and answers given back in the shape of the question.

One text gives one prompt, many give many, lazily and in order, each with the name that errors call it by.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeVar, cast

from t2t.errors import InferenceError
from t2t.inference.prompts import Prompt
from t2t.templates.template import RenderedExample

S = TypeVar("S")
T = TypeVar("T")


def source_prompts(sources: str | Iterable[str]) -> Iterator[Prompt]:
    """Prompts without choices."""
    return (Prompt(source, label=label) for label, source in _labelled(sources))


def choice_prompts(
    sources: str | Iterable[str], answer_choices: Iterable[str | Sequence[str]]
) -> Iterator[Prompt]:
    """Prompts that share the choices, if those are texts, or else have one sequence of them each."""
    if isinstance(answer_choices, str):
        raise InferenceError(
            f"answer_choices is a single text: {answer_choices!r:.80}", mend="put the choices into a list"
        )
    answer_choices = several(answer_choices, "answer_choices")
    if isinstance(sources, str) or _are_texts(answer_choices):
        shared = cast("tuple[str, ...]", tuple(answer_choices))
        return (Prompt(source, shared, label) for label, source in _labelled(sources))
    return (
        Prompt(source, _choices_of_one(choices), label)
        for (label, source), choices in _paired(_labelled(sources), answer_choices, "answer_choices")
    )


def target_prompts(sources: str | Iterable[str], targets: str | Iterable[str]) -> Iterator[Prompt]:
    """Prompts with their target as the only choice."""
    if isinstance(sources, str) != isinstance(targets, str):
        raise InferenceError("one source needs one target, and many sources need many")
    each = [targets] if isinstance(targets, str) else several(targets, "targets")
    return (
        Prompt(source, (target,), label)
        for (label, source), target in _paired(_labelled(sources), each, "targets")
    )


def example_prompts(examples: RenderedExample | Iterable[RenderedExample]) -> Iterator[Prompt]:
    """Prompts of examples, with their choices."""
    each = [examples] if isinstance(examples, RenderedExample) else several(examples, "examples")
    return map(Prompt.of, each)


def shaped_like(given: object, answers: Iterator[T]) -> T | list[T] | Iterator[T]:
    """One answer for one text, row or example, a list for a list or tuple, else the iterator itself."""
    if isinstance(given, str | Mapping | RenderedExample):
        [answer] = answers
        return answer
    return list(answers) if is_list(given) else answers


def is_list(given: object) -> bool:
    """Whether answers are given back as a list, all at once."""
    return isinstance(given, list | tuple)


def _choices_of_one(choices: Sequence[str]) -> tuple[str, ...]:
    if isinstance(choices, str):  # a set or a generator of texts: its letters are not meant
        raise InferenceError(
            f"answer_choices hold the text {choices!r:.80} where one source's choices should be",
            mend="pass a list of texts for all sources, or one list of texts for each",
        )
    return tuple(choices)


def _labelled(sources: str | Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each source with what an error message calls it. Raises: InferenceError at once if they are none."""
    if isinstance(sources, str):
        return iter([("source", sources)])
    return ((f"sources[{index}]", source) for index, source in enumerate(several(sources, "sources")))


def several(given: Iterable[T], name: str) -> Iterable[T]:
    """What is given, if it can be gone through one by one. Raises: InferenceError if not."""
    try:
        if isinstance(given, bytes | bytearray | Mapping):  # of numbers, and of keys alone
            raise TypeError
        iter(given)
    except TypeError as error:
        raise InferenceError(
            f"{name} cannot be gone through one by one: {given!r:.80}", mend="pass a list"
        ) from error
    return given


def _are_texts(answer_choices: Iterable[Any]) -> bool:
    return isinstance(answer_choices, Sequence) and all(isinstance(item, str) for item in answer_choices)


def _paired(sources: Iterable[S], others: Iterable[T], name: str) -> Iterator[tuple[S, T]]:
    """Pairs, lazily. Raises: InferenceError at the end if there are more of one kind than of the other."""
    missing = object()
    for source, other in zip_longest(sources, others, fillvalue=missing):
        if source is missing or other is missing:
            few, many = ("sources", name) if source is missing else (name, "sources")
            raise InferenceError(f"there are fewer {few} than {many}", mend="give one for each")
        yield source, other  # type: ignore[misc]
