"""The tasks of Super-NaturalInstructions as its files hold them, before anything is made of them.

PLACE/tasks/task641_x.json     the official files (or PLACE/task*.json), with
PLACE/splits/default/*.txt     the lists of training and test tasks, where they are there
PLACE/train.jsonl.gz           or rows: task, category, definition, positive_examples, input, outputs
                               (and test.jsonl.gz; negative_examples and id where there are any)
"""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jsonlines

from t2t.errors import CorruptRowError, DataError, Location, MissingDataError

NUM_TEST_INSTANCES = 100  # of each test task; the official files begin with them

Row = dict[str, Any]  # id, input, outputs


@dataclass
class FoundTask:
    """A task as its source has it, not yet checked."""

    name: str
    category: Any
    definition: Any
    positive_examples: Any
    negative_examples: Any
    languages: Sequence[str] = ("English",)
    licence: str | None = None
    splits: dict[str, list[Row]] = field(default_factory=dict)


def find_tasks(place: Path) -> dict[str, Callable[[], FoundTask]]:
    """The tasks of a collection in order of their numbers: the name of each, and what reads it.

    An official file is opened only when its task is read.

    Raises:
        MissingDataError: the place holds no tasks.
        CorruptRowError, DataError: a file of rows cannot be read. Reading a task raises DataError for what is
            wrong with this task alone.
    """
    folder = place / "tasks" if (place / "tasks").is_dir() else place
    if official := {path.stem: path for path in folder.glob("task*.json")}:
        lists = _split_lists(place)
        return {name: partial(_read_official, official[name], lists) for name in _by_number(official)}
    files = [
        (split, path)
        for split in ("train", "test")
        for path in (place / f"{split}.jsonl", place / f"{split}.jsonl.gz")
        if path.is_file()
    ]
    if not files:
        raise MissingDataError(
            f"no tasks of Natural Instructions in {place}",
            have=["tasks/task*.json", "task*.json", "train.jsonl.gz", "test.jsonl.gz"],
            mend="name the folder that holds one of these",
        )
    tasks = _read_row_files(files)
    return {name: partial(tasks.__getitem__, name) for name in _by_number(tasks)}


def _by_number(names: Iterable[str]) -> list[str]:
    """`task2_x` before `task10_x`."""

    def key(name: str) -> tuple[int, str]:
        number = re.match(r"task(\d+)", name)
        return (int(number[1]) if number else 0, name)

    return sorted(names, key=key)


def _split_lists(place: Path) -> dict[str, set[str]] | None:
    """{"train": names, "test": names} of the default splits; None where the collection has no such lists."""
    folder = place / "splits" / "default"
    files = {split: folder / f"{split}_tasks.txt" for split in ("train", "test")}
    if not any(path.is_file() for path in files.values()):
        return None
    return {
        split: set(path.read_text(encoding="utf-8").split()) if path.is_file() else set()
        for split, path in files.items()
    }


def _read_official(path: Path, lists: Mapping[str, set[str]] | None) -> FoundTask:
    name = path.stem
    split = None
    if lists is not None:
        split = next((split for split, names in lists.items() if name in names), None)
        if split is None:
            raise DataError("it is in neither train_tasks.txt nor test_tasks.txt of splits/default")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"the file is no JSON document: {error}") from error
    if not isinstance(document, dict):
        raise DataError("the file holds no JSON object")
    instances = document.get("Instances")
    if not isinstance(instances, list) or not all(isinstance(instance, dict) for instance in instances):
        raise DataError("it has no list of Instances")
    rows = [_row(instance, outputs="output") for instance in instances]
    first, others = rows[:NUM_TEST_INSTANCES], rows[NUM_TEST_INSTANCES:]
    licences = document.get("Instance License")
    return FoundTask(
        name=name,
        category=_first(document.get("Categories")),
        definition=_first(document.get("Definition")),
        positive_examples=document.get("Positive Examples"),
        negative_examples=document.get("Negative Examples"),
        languages=_languages(document),
        licence=", ".join(licences) if is_texts(licences) and licences else None,
        splits={None: {"train": others, "test": first}, "train": {"train": rows}, "test": {"test": first}}[
            split
        ],
    )


def _languages(document: Mapping[str, Any]) -> list[str]:
    """The languages of inputs and outputs; none where the document lacks them. Raises: DataError."""
    languages = [document.get(key) or [] for key in ("Input_language", "Output_language")]
    if not all(map(is_texts, languages)):
        raise DataError("its languages are no list of names")
    return [name for names in languages for name in names]


def _first(value: object) -> object:
    """The collection has a list of one definition in most files, and the bare text in some."""
    return value[0] if isinstance(value, list) and value else value


def _read_row_files(files: Sequence[tuple[str, Path]]) -> dict[str, FoundTask]:
    tasks: dict[str, FoundTask] = {}
    for split, path in files:
        for row in _read_rows(path):
            name = str(row.get("task"))
            if name not in tasks:
                tasks[name] = FoundTask(
                    name,
                    row.get("category"),
                    row.get("definition"),
                    row.get("positive_examples"),
                    row.get("negative_examples", []),
                )
            rows = tasks[name].splits.setdefault(split, [])
            rows.append(_row(row, outputs="outputs"))
    return tasks


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from jsonlines.Reader(_lines(path)).iter(type=dict, skip_empty=True)
    except jsonlines.InvalidLineError as error:
        raise CorruptRowError("row is not a JSON object", where=Location(path, error.lineno)) from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from file
    except (EOFError, zlib.error, OSError) as error:
        # Left alone, the EOFError of a cut-off .gz would end jsonlines' loop as if the file were complete.
        raise DataError(f"data file cannot be read: {error}", where=Location(path)) from error


def _row(instance: Mapping[str, Any], *, outputs: str) -> Row:
    named = {"id": instance["id"]} if "id" in instance else {}
    return {**named, "input": instance.get("input"), "outputs": instance.get(outputs)}


def drop_blank(found: FoundTask) -> int:
    """Take instances without an answer out; how many. Raises: DataError if one is malformed."""
    dropped = 0
    for split, rows in found.splits.items():
        for place, row in enumerate(rows):
            outputs = row["outputs"]
            if not isinstance(row["input"], str) or not is_texts(outputs):
                raise DataError(f"instance {place} of {split} is no text with a list of texts as outputs")
        kept = [row for row in rows if row["outputs"] and row["outputs"][0].strip()]
        dropped += len(rows) - len(kept)
        found.splits[split] = kept
    if not any(found.splits.values()):
        raise DataError("it has no instances")
    return dropped


def is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
