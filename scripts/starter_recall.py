"""Make a task of looking something up in the prompt.

python scripts/starter_recall.py validation.jsonl.xz --num-rows 50000 --out runs/starter-1/recall

Each row lists a few keys with their values, all of them random words, and asks for the value of one. A key
may stand among other words, different ones in the question. Nothing here can be known by heart, so a model
learns to find and to copy. The task is known as associative recall (Arora et al. 2023, arXiv:2312.04927); for
training on made-up tasks first, see Wu et al. 2022, arXiv:2206.10139.
"""

import argparse
import random
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from starter_made_up import frequent_words, write_task

MOST_WORDS = 5 * (2 + 4) + 6 * (3 + 3)  # of a row: keys and values, then what surrounds them
TASK = """\
task: recall
cluster: recall
description: Which value stands beside a key?
dataset:
  files: {train: train.jsonl, validation: validation.jsonl}
metrics: [exact_match]
languages: [en]
source: {licence: made up by scripts/starter_recall.py}
templates:
  - name: list
    source: |-
      {% for pair in pairs %}{{ pair.key }}: {{ pair.value }}
      {% endfor %}{{ key }}:
    target: "{{ value }}"
  - name: input and output
    source: |-
      {% for pair in pairs %}Input: {{ pair.key }}
      Output: {{ pair.value }}

      {% endfor %}Input: {{ key }}
      Output:
    target: "{{ value }}"
  - name: examples with full stops
    source: |-
      {% for pair in pairs %}Positive Example {{ loop.index }} -
      Input: {{ pair.key }}.
       Output: {{ pair.value }}.

      {% endfor %}Now complete the following example -
      Input: {{ key }}.
      Output:{{ " " }}
    target: "{{ value }}"
  - name: prose
    source: |-
      {% for pair in pairs %}The {{ pair.key }} is called {{ pair.value }}. {% endfor %}
      What is the {{ key }} called?
    target: "{{ value }}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help='a *.jsonl.xz file with a "text" field, for its words')
    parser.add_argument("--out", type=Path, required=True, help="new folder for recall.yaml and its rows")
    parser.add_argument("--num-rows", type=int, required=True)
    args = parser.parse_args()
    words = frequent_words(args.corpus)
    if len(words) < MOST_WORDS:
        parser.error(
            f"{args.corpus} has {len(words)} words of three letters or more; a row may need {MOST_WORDS}"
        )
    rng = random.Random(0)
    num_rows = {"train": args.num_rows, "validation": max(1, args.num_rows // 100)}
    write_task(
        args.out,
        "recall",
        TASK,
        {split: (make_row(words, rng) for _ in range(number)) for split, number in num_rows.items()},
    )


def make_row(words: Sequence[str], rng: random.Random) -> dict:
    """Two to five pairs, each key of one or two words and each value of one to four, and one key again.

    No word is drawn twice, so that only one answer is right.
    """
    fresh = iter(rng.sample(words, MOST_WORDS))

    def take(least: int, most: int) -> str:
        return " ".join(islice(fresh, rng.randint(least, most)))

    most = rng.choice([0, 0, 3])  # other words on each side of a key

    def surround(key: str) -> str:
        return f"{take(0, most)} {key} {take(0, most)}".strip()

    pairs = [(take(1, 2), take(1, 4)) for _ in range(rng.randint(2, 5))]
    key, value = rng.choice(pairs)
    return {
        "pairs": [{"key": surround(key), "value": value} for key, value in pairs],
        "key": surround(key),
        "value": value,
    }


if __name__ == "__main__":
    main()
