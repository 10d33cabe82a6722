"""scripts/starter.sh, from data to card, on data of a few rows: the sample rows of the shipped tasks.

It takes two minutes, and runs with the fast tests all the same: nothing else goes through the whole script.
"""

import gzip
import importlib
import json
import lzma
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM

import t2t
from t2t.config import FinetuneConfig, load_config
from t2t.templates.library import choose_task_files

ROOT = Path(__file__).parent.parent
LABELLED = ("task4_toy_amount", "task5_toy_amount")  # enough for a split each
SYLLABLES = [letter + vowel for letter in "dfgl" for vowel in "aeiou"]
BIRDS = [  # sentences for rules
    "An owl sits on the chimney and calls.",
    "Every evening, it is the owl of our street.",
    "A hundred swifts fly to the south in autumn.",
    "The sparrow is a small bird in town.",
    "Nobody has seen a heron and a stork there since.",
]
CONFIG = load_config(FinetuneConfig, ROOT / "scripts" / "starter.yaml")[0]


@pytest.fixture
def data(tmp_path) -> dict[str, str]:
    """The folders that the script is told of."""
    write_tasks(tmp_path / "tasks")
    write_instructions(tmp_path / "instructions")
    write_corpus(tmp_path / "corpus")
    return {
        "T2T_DATA": str(tmp_path / "tasks"),
        "NATURAL_INSTRUCTIONS": str(tmp_path / "instructions"),
        "CORPUS": str(tmp_path / "corpus"),
    }


def write_tasks(folder: Path) -> None:
    """The sample rows of every shipped task, as each of its splits."""
    rows: dict[str, list[dict]] = {}
    for path in t2t.find_task_files().values():
        file = t2t.Task.load(path).file
        found = rows.setdefault(file.dataset.folder, [{} for _ in range(3)])
        for place, row in enumerate(found):
            row.update(file.examples[place % len(file.examples)])
    for name, found in rows.items():
        (folder / name).mkdir(parents=True)
        for split in ("train", "validation", "test"):
            write_rows(folder / name / f"{split}.jsonl.gz", found)


def write_instructions(folder: Path) -> None:
    """A toy of each training task that the run holds out by name, three more, and two test tasks."""
    folder.mkdir()
    held_out = [name for name in CONFIG.mixture.held_out if name.startswith("task")]
    toys = [toy(name, "Counting") for name in ("task1_toy_count", *held_out[1:])]
    numbers = [*range(6), 5]  # one occurs twice
    toys += [few_or_many(name, number) for name in (held_out[0], *LABELLED) for number in numbers]
    write_rows(folder / "train.jsonl.gz", toys)
    write_rows(
        folder / "test.jsonl.gz",
        [toy("task2_toy_title", "Title Generation"), toy("task3_toy_cause", "Cause Effect Classification")],
    )


def toy(name: str, category: str) -> dict:
    return {
        "task": name,
        "id": f"{name}-1",
        "category": category,
        "definition": "Count the apples.",
        "positive_examples": [{"input": "an apple", "output": "1"}, {"input": "two apples", "output": "2"}],
        "input": "three apples",
        "outputs": ["3"],
    }


def few_or_many(name: str, number: int) -> dict:
    """A row of a task with two labels, which its definition tells."""
    return {
        **toy(name, "Counting"),
        "id": f"{name}-{number}",
        "definition": "Are the apples 'few' or 'many'?",
        "input": f"{number} apples",
        "outputs": ["many" if number > 2 else "few"],
    }


def write_corpus(folder: Path) -> None:
    folder.mkdir()
    words = " ".join(first + second for first in ("bar", "kol", "mun", "tes") for second in SYLLABLES)
    text = f"The ferry leaves at nine. Whoever is late has to wait for the next one: {words}. " * 20
    text += " ".join(
        f"The {one} and the {other} sit in a tree." for one in SYLLABLES[:10] for other in SYLLABLES[10:]
    )
    for name in ("boats", "validation"):
        with lzma.open(folder / f"{name}.jsonl.xz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": f"{number}. {text}"}) + "\n" for number in range(20))


def write_rows(path: Path, rows: list[dict]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.mark.skipif(not (ROOT / ".venv" / ".installed").exists(), reason="bash scripts/test.sh makes .venv/")
def test_the_whole_script_makes_a_model_with_a_card(data, tmp_path):
    shipped = {path: path.read_bytes() for path in (ROOT / "t2t" / "starter").iterdir()}
    run = tmp_path / "run"
    run_script(data, run)
    AutoModelForSeq2SeqLM.from_pretrained(run / "starter")
    record = json.loads((run / "starter" / "training.json").read_text())
    assert {"nli", "coreference_wsd", "sentence_completion"} <= set(record["held_out"])
    card = (run / "starter" / "MODEL_CARD.md").read_text()
    runs = re.findall(r"^\| ([a-z-]+) \| 2 \| 4 \|", card, re.MULTILINE)
    assert runs[:5] == ["train-recall", "pretrain", "pretrain-copying", "train-tasks", "train-more"]
    assert runs[5:8] == ["train-sni", "train-sni-more", "train-sni-last"]
    assert runs[8:] == ["train-sni-a", "train-sni-b", "train-sni-c"]
    mean = json.loads((run / "model-sni" / "training.json").read_text())
    assert {"symbols", "rules", "examples", *LABELLED} <= set(mean["tasks"])
    assert "| winogrande | accuracy |" in card
    assert "| task296_storycloze_correct_end_classification | exact_match |" in card
    assert "| sentences of the corpus, rules made up by scripts/starter_rules.py | rules |" in card
    assert "| cause effect classification |" in card
    assert "| 3 training tasks of Super-NaturalInstructions |" in card
    assert {path: path.read_bytes() for path in (ROOT / "t2t" / "starter").iterdir()} == shipped
    check_symbols(run / "symbols")
    check_rules(run / "rules")
    check_examples(run / "examples")

    weights = run / "train-more" / "model" / "model.safetensors"
    made = weights.stat().st_mtime_ns
    run_script(data, run)
    assert weights.stat().st_mtime_ns == made, "a second call trained again"
    assert (run / "starter" / "MODEL_CARD.md").read_text() == card


def check_rules(folder: Path) -> None:
    """No demonstration gives the answer away, and where the rule is not said, some show it."""
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    for row in rows:
        assert row["output"] not in [one["output"] for one in row["shown"]]
        assert row["shown"] or row["definition"] != "Do the same as in the examples."


def check_examples(folder: Path) -> None:
    """Every row is an instance beside others of its task, as they are in the data."""
    for line in (folder / "train.jsonl").read_text().splitlines():
        row = json.loads(line)
        instances = [(one["input"], one["output"]) for one in [*row["shown"], row]]
        assert 2 <= len(set(instances)) == len(instances) <= 5
        for text, output in instances:
            number, _ = text.split(" apples.")
            assert output == ("many" if int(number) > 2 else "few")


def check_symbols(folder: Path) -> None:
    """Every row tells its answer, none tells a label of its task, and the splits share no task."""
    tasks = []
    for split in ("train", "validation"):
        rows = [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]
        tasks.append({row["task"] for row in rows})
        for row in rows:
            told = [one["output"] for one in row["shown"]] or re.findall("'(.+?)'", row["definition"])
            assert row["output"] in told
            assert not re.search(r"\b(few|many)\b", row["definition"])
    assert sorted(tasks, key=min) == [{name} for name in LABELLED]


@pytest.mark.parametrize(
    ("definition", "symbols", "renamed"),
    [
        # in quotes alone, where they are all there: the other "no" is a word of the sentence
        ("Say \"Yes\" or 'no.', no more.", {"yes": "A", "no": "B"}, "Say \"A\" or 'B.', no more."),
        ("Positive, or Negative?", {"positive": "x", "negative": "y"}, "x, or y?"),
        ("'found' or 'not found'", {"found": "x", "not found": "y"}, "'x' or 'y'"),
        # one of them is missing
        ("Say 'yes', else nothing.", {"yes": "A", "no": "B"}, None),
        # without quotes they may mean something else
        ("Say 1 or 2 if 1 comes first.", {"1": "A", "2": "B"}, None),
        ("A word of B.", {"a": "x", "b": "y"}, None),
    ],
)
def test_the_labels_of_a_definition_are_renamed_all_or_none(monkeypatch, definition, symbols, renamed):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    assert importlib.import_module("starter_symbols").rename(definition, symbols) == renamed


def plain_words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def under_names(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


NTH = ("first", "second", "third", "fourth", "fifth")
MEANING = {  # of a rule's first definition: whether the target is what it asks for
    "Repeat the input": lambda source, target: target == source,
    rf"Write the ({'|'.join(NTH)}) word of": lambda source, target, nth: (
        target == plain_words(source)[NTH.index(nth)]
    ),
    r"Write the first (\d) words": lambda source, target, number: (
        plain_words(target) == plain_words(source)[: int(number)]
    ),
    r"Write the last (\d) words": lambda source, target, number: (
        plain_words(target) == plain_words(source)[-int(number) :]
    ),
    "Write the longest word": lambda source, target: (
        [target] == [word for word in plain_words(source) if len(word) >= len(target)]
    ),
    'that comes after the first "(.+)"': lambda source, target, word: (
        target == re.split(rf"\b{word}\b", source, maxsplit=1)[1].strip(" ,.")
    ),
    'that comes before the first "(.+)"': lambda source, target, word: (
        target == re.split(rf"\b{word}\b", source, maxsplit=1)[0].strip(" ,.")
    ),
    'Leave out every "(.+)"': lambda source, target, word: target == source.replace(f" {word} ", " "),
    'Replace "(.+)" by "(.+)"': lambda source, target, old, new: (
        target == source.replace(f" {old} ", f" {new} ")
    ),
    'Put "(.+)" in front': lambda source, target, phrase: target == f"{phrase} {source}",
    "A word is there twice": lambda source, target: (
        target in BIRDS and target == re.sub(r"(\S+) \1(?= )", r"\1", source)
    ),
    '"(.+)" does not belong there': lambda source, target, word: (
        target in BIRDS and target == source.replace(f" {word} ", " ")
    ),
    "swapped at the bar": lambda source, target: target == " ".join(reversed(source.split(" | "))),
    'Write what stands under "(.+)"': lambda source, target, name: f"{name}: {target}" in source,
    'Write the "(.+)", then (.+), then the "(.+)"': lambda source, target, one, link, other: (
        target == f"{under_names(source)[one]} {link} {under_names(source)[other]}"
    ),
    "Write the sentence that has the word": lambda source, target: (
        target in BIRDS and source.split("Word: ")[1] in target.lower()
    ),
}


def test_a_rule_makes_of_a_text_what_its_definition_says(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    rules = importlib.import_module("starter_rules")
    drawer = rules.Drawer(BIRDS, SYLLABLES, random.Random(0))
    met = set()
    for make in [make for make in rules.RATES for _ in range(40)]:
        rule = make(drawer)
        example = rule.draw()
        found = [
            (pattern, match) for pattern in MEANING if (match := re.search(pattern, rule.definitions[0]))
        ]
        assert len(found) == 1, rule.definitions[0]
        if example:
            met.add((make, found[0][0]))
            assert MEANING[found[0][0]](*example, *found[0][1].groups()), (rule.definitions[0], example)
    assert len(met) == len(MEANING) == len(rules.RATES)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("longest_word", "Seven owls slept under that house."),  # three words have five letters
        ("without", "The owl is of the east, of course."),  # "The" is the word too
        ("following", "It came from there, to, say, here."),
        ("wrong_word", "So do re mi, fa, then sol."),
        ("doubled_word", "He said that that was all."),
    ],
)
def test_a_rule_leaves_out_what_it_might_be_taken_amiss_for(monkeypatch, rule, sentence):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    rules = importlib.import_module("starter_rules")
    monkeypatch.setattr(rules, "COMMON", ("the" if rule == "without" else "to",))
    drawer = rules.Drawer([sentence], ["fa"], random.Random(0))
    assert getattr(rules, rule)(drawer).draw() is None


def test_the_starter_is_trained_on_no_data_with_non_commercial_terms():
    mixture = CONFIG.mixture
    keys = [key for key in mixture.tasks if key not in ("recall", "rules", "natural_instructions")]
    for path in choose_task_files(keys, leave_out=mixture.held_out):
        licence = t2t.Task.load(path).file.source.licence or ""
        assert not re.search(r"non-?commercial|\bNC\b|research", licence, re.IGNORECASE), f"{path}: {licence}"


def test_the_card_that_comes_along_is_filled_in():
    card = (ROOT / "t2t" / "starter" / "MODEL_CARD.md").read_text()
    assert "XXX" not in card
    sections = re.findall(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->", card, re.DOTALL)
    assert {name for name, table in sections if table.count("\n") > 2} == {
        *("training", "data", "trained", "unseen", "held_out", "natural_instructions", "prompts")
    }


def run_script(data: dict[str, str], run: Path) -> None:
    environment = {**os.environ, **data, "T2T_TASKS": "folder-that-is-not-there"}
    done = subprocess.run(
        ["bash", "scripts/starter.sh"],
        cwd=ROOT,
        env={**environment, "SMOKE": str(run), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
