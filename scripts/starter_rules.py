"""Make a task of rules for what becomes of a text: told by a definition, by demonstrations, or by both.

python scripts/starter_rules.py validation.jsonl.xz --num-rows 30000 --out runs/starter-1/rules

A rule is drawn for every row, with words and numbers of its own, and worked on sentences of the corpus: copy
it, leave a word out of it, write what stands under a name, and so on. Nothing here can be known by heart: a
model learns to do what a definition says or demonstrations show, and to copy at length while it does. The
rows of the validation split have sentences of their own. Made-up tasks before real ones: Wu et al. 2022,
arXiv:2206.10139.
"""

import argparse
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import eq
from pathlib import Path
from string import punctuation

from starter_made_up import LONGEST_ROW, TEMPLATES, ended, frequent_words, read_texts, take_rows, write_task

FEWEST_WORDS, MOST_WORDS = 6, 24  # of a sentence
MOST_LISTED = 4  # texts of an input, each under a name
MOST_SHOWN = 3  # demonstrations
DEFINITION_SHARE = 0.7  # of rows have their rule's definition; templates may still leave it out
ZERO_SHOT_SHARE = 0.3  # of these have no demonstrations
SENTENCE_SHARE = 0.6  # of texts under a name are sentences, the others a few words
TRIALS_PER_INPUT = 20
VALIDATION_EVERY = 20  # sentences: one in so many is for the validation split
UNSAID = "Do the same as in the examples."
COMMON = ("the", "of", "and", "to", "in", "is", "a")  # words that many sentences have
ORDINALS = ("first", "second", "third", "fourth", "fifth")
TASK = (
    """\
task: rules
cluster: rules
description: What does a rule make of a text?
dataset:
  files: {train: train.jsonl, validation: validation.jsonl}
metrics: [exact_match]
languages: [en]
source: {licence: "sentences of the corpus, rules made up by scripts/starter_rules.py"}
"""
    + TEMPLATES
)

Example = tuple[str, str]  # input, output


@dataclass(frozen=True)
class Rule:
    """Definitions that say the same, and what draws an input and works on it (None: it does not apply)."""

    definitions: Sequence[str]
    draw: Callable[[], Example | None]


@dataclass(frozen=True)
class Drawer:
    """What rules and their inputs are made of, drawn at random."""

    sentences: Sequence[str]
    words: Sequence[str]
    rng: random.Random

    def sentence(self) -> str:
        return self.rng.choice(self.sentences)

    def phrase(self, most_words: int) -> str:
        return " ".join(self.rng.sample(self.words, self.rng.randint(1, most_words)))

    def names(self) -> list[str]:
        """Two or more names for the texts of an input, in one spelling."""
        spell = self.rng.choice([str, str.title, str.upper])
        return [spell(name) for name in self.rng.sample(self.words, self.rng.randint(2, MOST_LISTED))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help='a *.jsonl.xz file with a "text" field')
    parser.add_argument("--out", type=Path, required=True, help="new folder for rules.yaml and its rows")
    parser.add_argument("--num-rows", type=int, required=True)
    args = parser.parse_args()
    sentences, words = read_sentences(args.corpus), frequent_words(args.corpus)
    num_held_out = len(sentences) // VALIDATION_EVERY
    if min(num_held_out, len(words)) < MOST_LISTED:
        parser.error(
            f"{args.corpus} has {len(sentences)} sentences of {FEWEST_WORDS} to {MOST_WORDS} words; "
            f"rules need {VALIDATION_EVERY * MOST_LISTED}, and {MOST_LISTED} words of three letters or more"
        )
    rng = random.Random(0)
    splits = {
        "train": make_rows(Drawer(sentences[num_held_out:], words, rng), args.num_rows),
        "validation": make_rows(Drawer(sentences[:num_held_out], words, rng), max(1, args.num_rows // 100)),
    }
    write_task(args.out, "rules", TASK, splits)


def read_sentences(path: Path) -> list[str]:
    """The corpus's sentences of plain prose, neither short nor long, each once.

    One that ends in fewer than three small letters may be cut: "Then came Mrs.", "He was born in St." Those
    with quotes, brackets, bars or long dashes are left out: of these a part may be hard to tell.
    """
    found = (
        " ".join(sentence.split())
        for text in read_texts(path)
        for sentence in re.findall(r"(?<=[.!?] )[A-Z][^.!?:\"“”‘()\[\]|—–\n]*[a-z]{3}[.!?](?=\s)", text)
    )
    return [
        each
        for each in dict.fromkeys(found)
        if FEWEST_WORDS <= len(each.split()) <= MOST_WORDS and all(map(plain, each.split()))
    ]


def make_rows(drawer: Drawer, num_rows: int) -> list[dict]:
    """Rows of rules drawn as often as `RATES` has them. Raises: SystemExit where so many cannot be made."""
    kinds, rates = list(RATES), list(RATES.values())
    return take_rows(
        lambda: make_row(drawer.rng.choices(kinds, rates)[0](drawer), drawer.rng),
        num_rows,
        f"{len(drawer.sentences)} sentences",
    )


def make_row(rule: Rule, rng: random.Random) -> dict | None:
    """An input, its output, a definition, demonstrations.

    None where the rule seldom applies, two outputs are equal, or the texts are too long.
    """
    is_said = rng.random() < DEFINITION_SHARE
    num_shown = 0 if is_said and rng.random() < ZERO_SHOT_SHARE else rng.randint(2, MOST_SHOWN)
    tries = (rule.draw() for _ in range(TRIALS_PER_INPUT * (num_shown + 1)))
    drawn = list(islice(filter(None, tries), num_shown + 1))
    outputs = {output for _, output in drawn}
    if len(outputs) <= num_shown or sum(len(text) for example in drawn for text in example) > LONGEST_ROW:
        return None
    query, *shown = [{"input": ended(text), "output": output} for text, output in drawn]
    return {"definition": rng.choice(rule.definitions) if is_said else UNSAID, "shown": shown, **query}


def on_words(
    drawer: Drawer, definitions: Sequence[str], apply: Callable[[list[str]], Sequence[str] | None]
) -> Rule:
    """A rule for the words of a sentence, the marks beside them included."""

    def draw() -> Example | None:
        sentence = drawer.sentence()
        output = apply(sentence.split())
        return (sentence, " ".join(output)) if output else None

    return Rule(definitions, draw)


def on_part(
    drawer: Drawer, definitions: Sequence[str], apply: Callable[[list[str]], Sequence[str] | None]
) -> Rule:
    """A rule whose output is a part of the sentence: no mark begins or ends it."""
    whole = on_words(drawer, definitions, apply)

    def draw() -> Example | None:
        example = whole.draw()
        return example and (example[0], example[1].strip(f"{punctuation} "))

    return Rule(definitions, draw)


def plain(word: str) -> str:
    """The word in small letters, without the marks beside it."""
    return word.strip(punctuation).lower()


def has_bare(words: Sequence[str], word: str) -> bool:
    """Whether the word is there, and always in small letters without a mark beside it."""
    return 0 < words.count(word) == [plain(each) for each in words].count(word)


def copied(drawer: Drawer) -> Rule:
    definitions = [
        "Repeat the input as it is.",
        "Write the sentence once more.",
        "Copy the given text, word for word.",
    ]
    return on_words(drawer, definitions, lambda words: words)


def nth_word(drawer: Drawer) -> Rule:
    place = drawer.rng.randrange(len(ORDINALS))
    definitions = [
        f"Write the {ORDINALS[place]} word of the sentence.",
        f"Which word is the {ORDINALS[place]} one? Answer with this word alone.",
    ]
    return on_part(drawer, definitions, lambda words: words[place : place + 1])


def first_words(drawer: Drawer) -> Rule:
    number = drawer.rng.randrange(2, FEWEST_WORDS)
    definitions = [
        f"Write the first {number} words.",
        f"Give only the beginning of the sentence, {number} words.",
    ]
    return on_part(drawer, definitions, lambda words: words[:number])


def last_words(drawer: Drawer) -> Rule:
    number = drawer.rng.randrange(2, FEWEST_WORDS)
    definitions = [f"Write the last {number} words.", f"Give only the end of the sentence, {number} words."]
    return on_part(drawer, definitions, lambda words: words[-number:])


def longest_word(drawer: Drawer) -> Rule:
    def longest(words: list[str]) -> list[str] | None:
        by_length = sorted({word.strip(punctuation) for word in words}, key=len)
        second, first = by_length[-2:]
        return [first] if first.isalpha() and len(second) < len(first) else None

    return on_part(
        drawer, ["Write the longest word of the sentence.", "Find the word with the most letters."], longest
    )


def following(drawer: Drawer) -> Rule:
    word = drawer.rng.choice(COMMON)
    definitions = [
        f'Write everything that comes after the first "{word}".',
        f'Give the text behind the first "{word}".',
    ]
    return on_part(
        drawer,
        definitions,
        lambda words: words[words.index(word) + 1 :] if has_bare(words, word) else None,
    )


def preceding(drawer: Drawer) -> Rule:
    word = drawer.rng.choice(COMMON)
    definitions = [
        f'Write everything that comes before the first "{word}".',
        f'Stop before the first "{word}".',
    ]
    return on_part(
        drawer, definitions, lambda words: words[: words.index(word)] if has_bare(words, word) else None
    )


def without(drawer: Drawer) -> Rule:
    word = drawer.rng.choice(COMMON)
    definitions = [
        f'Leave out every "{word}".',
        f'Write the sentence without the word "{word}".',
        f'Delete "{word}".',
    ]
    return on_words(
        drawer,
        definitions,
        lambda words: [each for each in words if each != word] if has_bare(words, word) else None,
    )


def replaced(drawer: Drawer) -> Rule:
    old = drawer.rng.choice(COMMON)
    new = drawer.rng.choice([word for word in drawer.words if word not in COMMON])
    definitions = [
        f'Replace "{old}" by "{new}".',
        f'Write "{new}" wherever the sentence says "{old}", and keep the rest.',
    ]
    return on_words(
        drawer,
        definitions,
        lambda words: [new if each == old else each for each in words] if has_bare(words, old) else None,
    )


def put_in_front(drawer: Drawer) -> Rule:
    phrase = drawer.phrase(3)
    definitions = [
        f'Put "{phrase}" in front of the sentence.',
        f'Begin with "{phrase}" and go on with the input.',
    ]
    return on_words(drawer, definitions, lambda words: [phrase, *words])


def doubled_word(drawer: Drawer) -> Rule:
    definitions = ["A word is there twice. Write the text without the mistake.", "Correct the doubled word."]
    return Rule(definitions, lambda: with_mistake(drawer, None))


def wrong_word(drawer: Drawer) -> Rule:
    wrong = drawer.phrase(1)
    definitions = [f'Correct the sentence: "{wrong}" does not belong there.', f'Strike out "{wrong}".']
    return Rule(definitions, lambda: with_mistake(drawer, wrong))


def with_mistake(drawer: Drawer, wrong: str | None) -> Example | None:
    """A sentence with a word too many, by default one of its own, and the sentence itself."""
    sentence = drawer.sentence()
    words = sentence.split()
    if wrong in map(plain, words) or any(map(eq, words, words[1:])):
        return None
    place = drawer.rng.randrange(1, len(words) - 1)
    return " ".join([*words[:place], wrong or words[place], *words[place:]]), sentence


def swapped_parts(drawer: Drawer) -> Rule:
    definitions = [
        "The two parts of a sentence were swapped at the bar. Put them in order.",
        "Write the part behind | first, then the part before it.",
    ]

    def draw() -> Example:
        words = drawer.sentence().split()
        place = drawer.rng.randrange(1, len(words))
        return f"{' '.join(words[place:])} | {' '.join(words[:place])}", " ".join(words)

    return Rule(definitions, draw)


def under_a_name(drawer: Drawer) -> Rule:
    names = drawer.names()
    asked, between = drawer.rng.choice(names), drawer.rng.choice(["\n", " "])
    definitions = [
        f'Write what stands under "{asked}".',
        f'Give the "{asked}".',
        f'Copy the "{asked}" of the input.',
    ]

    def draw() -> Example:
        texts = {
            name: drawer.sentence() if drawer.rng.random() < SENTENCE_SHARE else drawer.phrase(3)
            for name in names
        }
        return listed(texts, between), texts[asked]

    return Rule(definitions, draw)


def two_joined(drawer: Drawer) -> Rule:
    names = drawer.names()
    one, other = drawer.rng.sample(names, 2)
    link = drawer.rng.choice(["and", "is", "or", ">", drawer.phrase(1)])
    definitions = [
        f'Write the "{one}", then {link}, then the "{other}".',
        f"Answer in the form: {one} {link} {other}",
    ]

    def draw() -> Example:
        texts = {name: drawer.phrase(4) for name in names}
        return listed(texts, "\n"), f"{texts[one]} {link} {texts[other]}"

    return Rule(definitions, draw)


def with_a_word(drawer: Drawer) -> Rule:
    definitions = [
        "Write the sentence that has the word.",
        "Which of the sentences has the given word? Write all of that sentence.",
    ]

    def draw() -> Example | None:
        sentences = drawer.rng.sample(drawer.sentences, drawer.rng.randint(2, MOST_LISTED))
        asked = drawer.rng.choice(sentences)
        others = {word for each in sentences if each != asked for word in re.findall(r"\w+", each.lower())}
        only = [word for word in re.findall(r"\w{4,}", asked.lower()) if word not in others]
        if not only:
            return None
        texts = {str(place): each for place, each in enumerate(sentences, 1)}
        return listed(texts | {"Word": drawer.rng.choice(only)}, "\n"), asked

    return Rule(definitions, draw)


def listed(texts: Mapping[str, str], between: str) -> str:
    return between.join(f"{name}: {text}" for name, text in texts.items())


RATES: Mapping[Callable[[Drawer], Rule], int] = {
    copied: 2, nth_word: 1, first_words: 1, last_words: 1, longest_word: 1, following: 1, preceding: 1,
    without: 1, replaced: 1, put_in_front: 1, doubled_word: 1, wrong_word: 1, swapped_parts: 1,
    under_a_name: 4, two_joined: 2, with_a_word: 2,
}  # fmt: skip


if __name__ == "__main__":
    main()
