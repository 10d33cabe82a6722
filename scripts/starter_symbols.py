"""Make a task whose labels are told by its prompt alone, of many tasks that have labels.

python scripts/starter_symbols.py validation.jsonl.xz runs/starter-1/natural_instructions \
    scripts/starter.yaml --num-rows 20000 --out runs/starter-1/symbols

Takes those tasks of Super-NaturalInstructions that a run trains on and that have a few short answers. Each
row is an instance with symbols in the place of the answers: random words or signs, drawn anew for every row.
They stand in the definition, in two to four demonstrations, or in both. So no answer can be known by heart: a
model learns to look for the answers in its prompt, and to spell them as they are spelt there. Known as symbol
tuning (Wei et al. 2023, arXiv:2305.08298), which leaves out the definition. The rows of the validation split
are of every twentieth task, and no others are.
"""

import argparse
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from string import ascii_uppercase

from starter_made_up import (
    LONGEST_ROW,
    TEMPLATES,
    ended,
    frequent_words,
    take_rows,
    trained_tasks,
    write_task,
)

import t2t

MOST_LABELS = 8
LONGEST_LABEL = 30  # characters
ZERO_SHOT_SHARE = 0.3  # of rows have no demonstrations, where the definition tells every symbol
INSIDE_SHARE = 0.2  # of inputs hold a label, at most: with more, it is part of what is asked
LONGEST_SYMBOL = 3  # words
NUM_WORDS = LONGEST_SYMBOL * MOST_LABELS  # that a row may need
SPELLINGS: dict[str, Callable[[list[str]], str]] = {  # of the words of a symbol
    "plain words": " ".join,
    "Plain words": lambda words: " ".join(words).capitalize(),
    "Title Words": lambda words: " ".join(words).title(),
    "UPPER_WORDS": lambda words: "_".join(words).upper(),
    "lower_words": "_".join,
    "CamelWords": lambda words: "".join(word.capitalize() for word in words),
}
TASK = (
    """\
task: symbols
cluster: natural_instructions
description: Which label, renamed at random, does the input get?
dataset:
  files: {train: train.jsonl, validation: validation.jsonl}
metrics: [exact_match]
languages: [en]
source: {licence: Apache-2.0 (Super-NaturalInstructions as a collection)}
"""
    + TEMPLATES
)


@dataclass(frozen=True)
class LabelledTask:
    """A task of few answers: its definition, its answers in order, and its instances as (input, label)."""

    name: str
    definition: str
    labels: list[str]
    instances: list[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help='a *.jsonl.xz file with a "text" field, for its words')
    parser.add_argument("tasks", type=Path, help="a folder that t2t import natural-instructions made")
    parser.add_argument("run", type=Path, help="the YAML of a run: what it holds out stays out")
    parser.add_argument("--out", type=Path, required=True, help="new folder for symbols.yaml and its rows")
    parser.add_argument("--num-rows", type=int, required=True)
    args = parser.parse_args()
    words = frequent_words(args.corpus)
    if len(words) < NUM_WORDS:
        parser.error(
            f"{args.corpus} has {len(words)} words of three letters or more; a row may need {NUM_WORDS}"
        )
    paths = trained_tasks(args.tasks, args.run)
    tasks = [task for path in paths if (task := read_labelled(t2t.Task.load(path)))]
    print(f"{len(tasks)} of {len(paths)} tasks have a few short answers", flush=True)
    rng = random.Random(0)
    splits = {
        "train": make_rows(
            [task for place, task in enumerate(tasks) if place % 20], words, args.num_rows, rng
        ),
        "validation": make_rows(tasks[::20], words, max(1, args.num_rows // 100), rng),
    }
    write_task(args.out, "symbols", TASK, splits)


def read_labelled(task: t2t.Task) -> LabelledTask | None:
    """The task's training rows; None where its answers are many, long, counts, or part of what is asked."""
    rows = [row for _, row in task.rows("train")]
    answers = [row["outputs"][0].strip().rstrip(".") for row in rows]
    inputs = [ended(row["input"]) for row in rows]
    labels = sorted({answer.lower() for answer in answers})
    definition = rows[0]["definition"].strip()
    if not 2 <= len(labels) <= MOST_LABELS or not all(0 < len(label) <= LONGEST_LABEL for label in labels):
        return None
    if "".join(labels).isdigit() and rename(definition, dict.fromkeys(labels, "")) is None:
        return None
    inside = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, set(answers)))})(?!\w)")
    if sum(inside.search(text) is not None for text in inputs) > INSIDE_SHARE * len(inputs):
        return None
    instances = [(text, answer.lower()) for text, answer in zip(inputs, answers, strict=True)]
    return LabelledTask(task.name, definition, labels, instances)


def make_rows(
    tasks: Sequence[LabelledTask], words: Sequence[str], num_rows: int, rng: random.Random
) -> list[dict]:
    """Rows of tasks drawn evenly. Raises: SystemExit where so many cannot be made."""
    return take_rows(
        lambda: make_row(rng.choice(tasks), words, rng) if tasks else None, num_rows, f"{len(tasks)} tasks"
    )


def make_row(task: LabelledTask, words: Sequence[str], rng: random.Random) -> dict | None:
    """An instance, symbols for all labels, and demonstrations: of its label, of another, and up to two more.

    None where these are too long, or where no other instance has its label.
    """
    query, *others = rng.sample(task.instances, len(task.instances))
    same = [instance for instance in others if instance[1] == query[1]]
    different = [instance for instance in others if instance[1] != query[1]]
    if not same or not different:
        return None
    rest = [*same[1:], *different[1:]]
    shown = [same[0], different[0], *rng.sample(rest, min(len(rest), rng.randint(0, 2)))]
    rng.shuffle(shown)
    symbols = dict(zip(task.labels, draw_symbols(len(task.labels), words, rng), strict=True))
    definition = rename(task.definition, symbols)
    if definition is not None and rng.random() < ZERO_SHOT_SHARE:
        shown = []
    if definition is None:  # the demonstrations alone tell the symbols
        definition = task.definition
    if sum(len(text) for text, _ in [query, *shown]) + len(definition) > LONGEST_ROW:
        return None
    return {
        "task": task.name,
        "definition": definition,
        "shown": [{"input": text, "output": symbols[label]} for text, label in shown],
        "input": query[0],
        "output": symbols[query[1]],
    }


def draw_symbols(count: int, words: Sequence[str], rng: random.Random) -> list[str]:
    """Different symbols of one kind: letters, numbers, or words in one spelling."""
    kind = rng.choice(["letters", "numbers", *SPELLINGS])
    if kind == "letters":
        return rng.sample(ascii_uppercase, count)
    if kind == "numbers":
        return [str(number) for number in rng.sample(range(20), count)]
    most = rng.choice([1, LONGEST_SYMBOL])
    drawn = iter(rng.sample(words, most * count))
    return [SPELLINGS[kind](list(islice(drawn, rng.randint(1, most)))) for _ in range(count)]


def rename(definition: str, symbols: Mapping[str, str]) -> str | None:
    """The definition with the symbols of labels, which are in small letters; None where it lacks a label.

        Say "Yes" or "no", no more.    yes: A, no: B    Say "A" or "B", no more.

    Labels are looked for in quotes, then anywhere if they are words of three letters or more: shorter ones
    and numbers may mean something else.
    """
    labels = "|".join(map(re.escape, sorted(symbols, key=len, reverse=True)))  # "not found" before "found"
    patterns = [rf"(?<=['\"`])(?:{labels})(?=[.,]?['\"`])"]
    if all(re.search("[a-z]{3}", label) for label in symbols):
        patterns.append(rf"(?<!\w)(?:{labels})(?!\w)")
    for pattern in patterns:
        parts = re.split(f"({pattern})", definition, flags=re.IGNORECASE)  # every second part is a label
        found = [part.lower() for part in parts[1::2]]
        if set(found) == set(symbols):
            parts[1::2] = [symbols[label] for label in found]
            return "".join(parts)
    return None


if __name__ == "__main__":
    main()
