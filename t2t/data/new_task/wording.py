"""Three starter wordings for each kind of task: one that lists the choices or asks, one that only leaves a
gap at the end, and one that gives the instruction first. They are meant to be rewritten."""

from dataclasses import dataclass

from t2t.data.new_task.guess import Guess
from t2t.data.new_task.table import Column

MAX_LISTED = 20  # choices in a source
_PLAIN_NAMES = {
    *("label", "labels", "label name", "class", "target", "gold", "y", "output"),
    *("outputs", "answers", "references"),
}  # say nothing about the answer
_THINGS = {
    *("text", "sentence", "review", "tweet", "comment", "message", "question", "title", "headline"),
    *("abstract", "email", "post", "article", "document", "paragraph", "passage", "utterance", "query"),
    *("claim", "statement", "dialogue", "conversation", "story"),
}
_YES_NO = ({"no", "yes"}, {"false", "true"})
_IS = ("is", "has", "was", "can", "should")


@dataclass(frozen=True)
class Wording:
    """One template in words: lines of a source, and whether it lists the choices."""

    name: str
    source: str
    lists_choices: bool = False


def answer_choices(guess: Guess) -> tuple[str, ...]:
    """What a model is to write for each answer of a classification, in order."""
    return ("no", "yes") if _is_yes_no(guess) else tuple(answer.strip() for answer in guess.answers)


def wordings(guess: Guess) -> tuple[Wording, ...]:
    """The three wordings of a guess."""
    body = _body(guess.inputs)
    if guess.kind == "multiple choice":
        dashes = _choices("\n- ")
        return (
            Wording("options as a list", f"{body}\n\nWhich of these is right?\n- {dashes}", True),
            Wording("no options", f"{body}\n\nAnswer:"),
            Wording("options first", f"Choose from: {_choices(' | ')}\n\n{body}\n\nThe best choice is", True),
        )
    name, thing = noun(guess), _thing(guess.inputs)
    if guess.kind == "writing":
        return (
            Wording("gap at the end", f"{body}\n{name.capitalize()}:"),
            Wording("question", f"{body}\n\nWhat is the {name} here?"),
            Wording("instruction first", f"Write the {name} that belongs to this {thing}.\n\n{body}"),
        )
    if _is_yes_no(guess):
        verb, _, said = name.partition(" ")
        is_verb = verb in ("is", "was") and said
        condition = f"this {thing} {name}" if is_verb else f'"{name}" is right for this {thing}'
        gap = said if is_verb else name
        return (
            Wording("question", f"{body}\n\n{_question(name, thing)}, yes or no?", True),
            Wording("gap at the end", f"{body}\n{gap.capitalize()}:"),
            Wording("instruction first", f"Say yes if {condition}, else no.\n\n{body}", True),
        )
    is_listed = len(guess.answers) <= MAX_LISTED
    question = f"Which {name} does this {thing} have" + (f": {_choices(', ')}?" if is_listed else "?")
    instruction = f"Read the {thing} and name its {name}." + (
        f" Choose from {_choices(' / ')}." if is_listed else ""
    )
    return (
        Wording("question", f"{body}\n\n{question}", is_listed),
        Wording("gap at the end", f"{body}\n{name.capitalize()}:"),
        Wording("instruction first", f"{instruction}\n\n{body}", is_listed),
    )


def description(guess: Guess) -> str:
    """One sentence: what is asked."""
    name, thing = noun(guess), _thing(guess.inputs)
    one = f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"
    if guess.kind == "multiple choice":
        return "Choose the right one of the options."
    if guess.kind == "writing":
        return f"Write the {name} that belongs to {one}."
    return f"{_question(name, thing)}?" if _is_yes_no(guess) else f"Name the {name} of {one}."


def _question(name: str, thing: str) -> str:
    """`is spam` as "Is this message spam"; other names are cited."""
    verb, _, said = name.partition(" ")
    if verb in ("is", "was") and said:
        return f"{verb.capitalize()} this {thing} {said}"
    return f'Does "{name}" hold for this {thing}'


def _is_yes_no(guess: Guess) -> bool:
    answers = {answer.lower() for answer in guess.answers}
    return answers in _YES_NO or (
        answers == {"0", "1"} and guess.target.spoken.startswith(tuple(f"{v} " for v in _IS))
    )


def _choices(separator: str) -> str:
    return f"{{{{ answer_choices | join({separator!r}) }}}}"


def noun(guess: Guess) -> str:
    """What the answer is called."""
    name = guess.target.spoken
    if name in _PLAIN_NAMES:
        return "category" if guess.kind == "classification" else "answer"
    return name


def _thing(inputs: tuple[Column, ...]) -> str:
    """What a source is called that shows these columns."""
    if len(inputs) > 1:
        return "entry"
    name = inputs[0].spoken
    return name if name in _THINGS else "text"


def _body(inputs: tuple[Column, ...]) -> str:
    """The columns that are read: a single one as it is, several with their names in front."""
    if len(inputs) == 1:
        return _shown(inputs[0])
    return "\n".join(f"{column.spoken.capitalize()}: {_shown(column)}" for column in inputs)


def _shown(column: Column) -> str:
    name = column.name
    if column.is_all(bool):
        shown = f'"yes" if {name} else "no"'
    elif column.is_all(list):
        shown = f'{name} | join(", ")'
    else:
        shown = name
    if column.has_gaps and column.is_all(str):  # the empty cells of a table
        shown = f'{shown} | default("unknown", true)'
    elif column.has_gaps:
        shown = f'({shown}) if {name} is defined and {name} is not none else "unknown"'
    return f"{{{{ {shown} }}}}"
