"""Make a task of many tasks, whose prompts show other examples every time.

python scripts/starter_examples.py runs/starter-1/natural_instructions scripts/starter_sni.yaml \
    --num-rows 60000 --out runs/starter-1/examples

Takes those tasks of Super-NaturalInstructions that a run trains on. All prompts of one of these begin alike,
with its definition and the same two examples: a model may know the task by them and need not read them. Here
one to four examples are drawn anew for every row, of the task's other instances (as in MetaICL, Min et al.
2022, arXiv:2110.15943).
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

from starter_made_up import TEMPLATES, ended, take_rows, trained_tasks, write_task

import t2t

LONGEST_PROMPT = 1700  # characters of texts in a prompt, so that about 512 tokens are enough
MOST_EXAMPLES = 4
TASK = (
    """\
task: examples
cluster: natural_instructions
description: What does the input get, as other inputs got theirs?
dataset:
  files: {train: train.jsonl}
metrics: [rouge_l]
languages: [en]
source: {licence: Apache-2.0 (Super-NaturalInstructions as a collection)}
"""
    + TEMPLATES
)


@dataclass(frozen=True)
class DefinedTask:
    """A task: its definition, and its instances as (input, output)."""

    name: str
    definition: str
    instances: list[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", type=Path, help="a folder that t2t import natural-instructions made")
    parser.add_argument("run", type=Path, help="the YAML of a run: what it holds out stays out")
    parser.add_argument("--out", type=Path, required=True, help="new folder for examples.yaml and its rows")
    parser.add_argument("--num-rows", type=int, required=True)
    args = parser.parse_args()
    tasks = [read_task(t2t.Task.load(path)) for path in trained_tasks(args.tasks, args.run)]
    rng = random.Random(0)
    rows = take_rows(lambda: make_row(rng.choice(tasks), rng), args.num_rows, f"{len(tasks)} tasks")
    write_task(args.out, "examples", TASK, {"train": rows})


def read_task(task: t2t.Task) -> DefinedTask:
    rows = [row for _, row in task.rows("train")]
    instances = [(ended(row["input"]), row["outputs"][0].strip()) for row in rows]
    return DefinedTask(task.name, rows[0]["definition"].strip(), list(dict.fromkeys(instances)))


def make_row(task: DefinedTask, rng: random.Random) -> dict | None:
    """An instance beside others, up to the first that does not fit; None without any, or an empty output."""
    drawn = rng.sample(task.instances, min(len(task.instances), 1 + rng.randint(1, MOST_EXAMPLES)))
    query, *others = drawn
    shown: list[tuple[str, str]] = []
    room = LONGEST_PROMPT - len(task.definition) - len(query[0])
    for text, output in others:
        room -= len(text) + len(output)
        if room < 0:
            break
        shown.append((text, output))
    if not shown or not all(output for _, output in [query, *shown]):
        return None
    return {
        "task": task.name,
        "definition": task.definition,
        "shown": [{"input": text, "output": output} for text, output in shown],
        "input": query[0],
        "output": query[1],
    }


if __name__ == "__main__":
    main()
