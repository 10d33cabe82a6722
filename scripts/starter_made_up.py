"""What the starter's made-up tasks have in common: words of a corpus, prompts, and how rows become a task."""

import json
import lzma
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from string import punctuation

import jsonlines

import t2t

NUM_DOCUMENTS = 2_000  # whose words are counted
NUM_WORDS = 5_000
LONGEST_ROW = 1400  # characters of texts in a prompt, so that about 400 tokens are enough
TRIALS_PER_ROW = 100  # on average, at most
# The first two have the layout of the collection's own prompts (t2t import natural-instructions), for texts
# that end in a letter, a digit or one of .!?
TEMPLATES = """\
templates:
  - name: definition and examples
    source: |-
      Definition: {{ definition }}

      {% for one in shown %} Positive Example {{ loop.index }} -
      Input: {{ one.input }}
       Output: {{ one.output }}{{ "" if one.output[-1] in ".!?" else "." }}

      {% endfor %}Now complete the following example -
      Input: {{ input }}
      Output:{{ " " }}
    target: "{{ output }}"
  - name: examples
    source: |-
      {% if not shown %}Definition: {{ definition }}

      {% endif %}{% for one in shown %} Positive Example {{ loop.index }} -
      Input: {{ one.input }}
       Output: {{ one.output }}{{ "" if one.output[-1] in ".!?" else "." }}

      {% endfor %}Now complete the following example -
      Input: {{ input }}
      Output:{{ " " }}
    target: "{{ output }}"
  - name: definition above input and output
    source: |-
      {{ definition }}

      {% for one in shown %}Input: {{ one.input }}
      Output: {{ one.output }}

      {% endfor %}Input: {{ input }}
      Output:
    target: "{{ output }}"
  - name: lines
    source: |-
      {% if not shown %}{{ definition }}

      {% endif %}{% for one in shown %}{{ one.input }}
      {{ one.output }}

      {% endfor %}{{ input }}
    target: "{{ output }}"
"""


def read_texts(path: Path) -> Iterator[str]:
    """The documents of a *.jsonl.xz file with a "text" field."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def frequent_words(path: Path) -> list[str]:
    """The words in small letters that the first documents have most, the short ones left out."""
    texts = islice(read_texts(path), NUM_DOCUMENTS)
    counts = Counter(word for text in texts for word in re.findall(r"\b[a-z]{3,}\b", text))
    return [word for word, _ in counts.most_common(NUM_WORDS)]


def ended(text: str) -> str:
    """The text with a full stop, where no mark ends it: as the collection's own prompts have it."""
    text = text.strip()
    return text if text.endswith(tuple(punctuation)) else f"{text}."


def trained_tasks(folder: Path, run: Path) -> list[Path]:
    """The task files in a folder that a run trains on: what the run's YAML holds out is left out."""
    # Of the run's mixture this folder alone: the run itself may want the task that is made of it.
    overrides = [
        f"mixture.tasks=[{folder.name}]",
        f"mixture.tasks_dirs=[{folder}]",
        "mixture.weights={}",
        "mixture.templates={}",
    ]
    trained = t2t.load_mixture(run, overrides).num_rows
    return [path for name, path in t2t.find_task_files(folder).items() if name in trained]


def take_rows(make: Callable[[], dict | None], num_rows: int, source: str) -> list[dict]:
    """That many rows, those left out that cannot be made.

    Raises: SystemExit, which names the source, where too few are made in `TRIALS_PER_ROW` trials for each.
    """
    tries = (make() for _ in range(TRIALS_PER_ROW * num_rows))
    rows = list(islice(filter(None, tries), num_rows))
    if len(rows) < num_rows:
        raise SystemExit(f"only {len(rows)} of {num_rows} rows could be made of {source}")
    return rows


def write_task(folder: Path, name: str, text: str, splits: Mapping[str, Iterable[dict]]) -> None:
    """A new folder with a task file of this name and text, and a *.jsonl file for each split."""
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    for split, rows in splits.items():
        with jsonlines.open(folder / f"{split}.jsonl", "w") as writer:
            writer.write_all(rows)
