"""Super-NaturalInstructions as tasks: a definition, worked examples and instances become one YAML a task.

    OUT/task641_x.yaml             definition and examples as constants, and the official names
    OUT/_natural_instructions.yaml the metrics and templates that the tasks include
    OUT/data/task641_x/test.jsonl  id, input, outputs

The test split of a test task is the first 100 instances, as official scores take them, and it has no other; a
training task has all its instances in the split train. Without lists of tasks every task has both splits.

Of the metrics, rouge_l is the official ROUGE-L; exact_match differs from the official one in dropping
articles (`t2t.evaluation.natural_instructions` gives both as the official script does).

Paper: Wang et al. 2022, arXiv:2204.07705.
"""

import json
import shutil
import textwrap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from t2t.errors import DataError, T2TError
from t2t.templates.importers.natural_instructions_layout import NUM_EXAMPLES, official_templates
from t2t.templates.importers.natural_instructions_source import FoundTask, Row, drop_blank, find_tasks
from t2t.templates.importers.written import as_name, yaml_of
from t2t.templates.task_file import TaskFile

FAMILY = "_natural_instructions"

# ISO 639-1 codes of the collection's language names.
_LANGUAGES = dict(
    pair.split(":")
    for line in (
        "Afrikaans:af Arabic:ar Assamese:as Basque:eu Bengali:bn Bosnian:bs Bulgarian:bg Burmese:my",
        "Catalan:ca Chinese:zh Croatian:hr Czech:cs Danish:da Dutch:nl English:en Estonian:et Filipino:tl",
        "Finnish:fi French:fr Galician:gl German:de Greek:el Gujarati:gu Hebrew:he Hindi:hi Hungarian:hu",
        "Igbo:ig Indonesian:id Italian:it Japanese:ja Javanese:jv Kannada:kn Khmer:km Korean:ko Kurdish:ku",
        "Lao:lo Latvian:lv Lithuanian:lt Malagasy:mg Malay:ms Malayalam:ml Marathi:mr Nepali:ne Norwegian:no",
        "Oriya:or Panjabi:pa Pashto:ps Persian:fa Polish:pl Portuguese:pt Punjabi:pa Romanian:ro Russian:ru",
        "Serbian:sr Sinhala:si Slovenian:sl Somali:so Spanish:es Sundanese:su Swahili:sw Swedish:sv",
        "Tagalog:tl Tamil:ta Telugu:te Thai:th Turkish:tr Ukrainian:uk Urdu:ur Vietnamese:vi Welsh:cy",
        "Xhosa:xh Yoruba:yo Zulu:zu",
    )
    for pair in line.split()
)


@dataclass(frozen=True)
class ImportReport:
    """What became of a collection."""

    tasks: tuple[Path, ...]  # the task files written
    left_out: tuple[tuple[str, str], ...]  # task and the reason
    num_rows: int
    num_rows_left_out: int  # instances whose first output is blank


def import_natural_instructions(
    place: str | Path, out: str | Path, *, on_task: Callable[[int], None] | None = None
) -> ImportReport:
    """Convert a collection into a folder of task files and data files that `--tasks-dir` takes.

    Args:
        place: the folder of official files, or of train.jsonl.gz and test.jsonl.gz, packed or not.
        out: where the tasks go; files that are there are replaced.
        on_task: called after each task with the number of tasks in all.
    Raises:
        MissingDataError: the place holds neither.
        CorruptRowError: a row file does not parse. An official file that does not is left out and reported.
    """
    place, out = Path(place), Path(out)
    found_tasks = find_tasks(place)
    tasks: list[Path] = []
    left_out: list[tuple[str, str]] = []
    num_rows = num_rows_left_out = 0
    for name, read in found_tasks.items():
        try:
            found = read()
            blank = drop_blank(found)
            path = _write_task(found, out, taken=tasks)
        except T2TError as reason:
            left_out.append((name, reason.problem))
        else:
            tasks.append(path)
            num_rows += sum(map(len, found.splits.values()))
            num_rows_left_out += blank
        if on_task:
            on_task(len(found_tasks))
    return ImportReport(tuple(tasks), tuple(left_out), num_rows, num_rows_left_out)


def _write_task(found: FoundTask, out: Path, *, taken: Collection[Path]) -> Path:
    """Write a task and its data, and see that they can be read and rendered; else leave nothing behind."""
    task = as_name(found.name)
    path, folder = out / f"{task}.yaml", out / "data" / task
    if path in taken:
        raise DataError(f"another task is called {task} too")
    splits = {split: rows for split, rows in found.splits.items() if rows}
    entries, family = _task_entries(found, task, splits)
    try:
        json.dumps([entries, splits], ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError("it holds half a surrogate pair, which is no text") from error
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _write_family(out, family)
        path.write_text(yaml_of(entries), encoding="utf-8")
        for split, rows in splits.items():
            with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        _check_written(path, entries["constants"], next(iter(splits.values()))[0])
    except T2TError:
        path.unlink(missing_ok=True)
        shutil.rmtree(folder)
        raise
    return path


def _check_written(path: Path, constants: Mapping[str, Any], row: Row) -> None:
    file = TaskFile.read(path)
    if file.constants != constants:
        raise DataError("its definition or examples hold characters that YAML cannot keep")
    for template in file.templates:
        template.render(file.context(row))


def _task_entries(found: FoundTask, task: str, splits: Mapping[str, list[Row]]) -> tuple[dict[str, Any], str]:
    """The keys of a task's YAML, and the name of the file that it includes."""
    for what, text in (("category", found.category), ("definition", found.definition)):
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"it has no {what}")
    positive = _examples(found.positive_examples, "positive")
    negative = _examples(found.negative_examples, "negative")[:NUM_EXAMPLES]
    if not positive:
        raise DataError("it has no positive examples")
    if unknown := sorted({name for name in found.languages if name not in _LANGUAGES}):
        raise DataError(f"its language has no ISO 639-1 code here: {', '.join(unknown)}")
    family = FAMILY
    family += "_negative" if negative else ""
    family += "_explained" if all("explanation" in example for example in positive[:NUM_EXAMPLES]) else ""
    source = {
        "url": f"https://github.com/allenai/natural-instructions/blob/master/tasks/{found.name}.json",
        "citation": "wang 2022 super natural instructions",
    }
    if found.licence:
        source["licence"] = found.licence
    entries: dict[str, Any] = {
        "task": task,
        "cluster": as_name(found.category),
        "description": textwrap.shorten(found.definition, 100, placeholder=" ..."),
        "include": f"{family}.yaml",
        "dataset": {"files": {split: f"data/{task}/{split}.jsonl" for split in splits}},
        "languages": list(dict.fromkeys(_LANGUAGES[name] for name in found.languages)) or ["en"],
        "source": source,
        "constants": {
            "official_task": found.name,
            "official_category": found.category,
            "definition": found.definition,
            "positive_examples": positive[:NUM_EXAMPLES],
            "negative_examples": negative,
        },
    }
    if more := positive[NUM_EXAMPLES:]:  # examples that no prompt shows can be sample rows
        entries["examples"] = [
            {"input": example["input"], "outputs": [example["output"]]}
            for example in more[:5]
            if example["output"].strip()
        ]
    return entries, family


def _examples(examples: object, kind: str) -> list[dict[str, str]]:
    """Worked examples with the fields that are used."""
    if examples in (None, "-", ["-"]):  # how the collection writes that there are none
        return []
    if not isinstance(examples, list):
        raise DataError(f"its {kind} examples are no list")
    fields = ("input", "output", "explanation")
    for number, example in enumerate(examples, 1):
        texts = example if isinstance(example, dict) else {}
        if not {"input", "output"} <= texts.keys():
            raise DataError(f"{kind} example {number} has no input and output")
        if not all(isinstance(texts[name], str) for name in fields if name in texts):
            raise DataError(f"{kind} example {number} is no text")
    return [{name: example[name] for name in fields if name in example} for example in examples]


def _write_family(out: Path, family: str) -> None:
    path, text = out / f"{family}.yaml", _family_text(family)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


@cache
def _family_text(family: str) -> str:
    return yaml_of(
        {
            "metrics": ["rouge_l", "exact_match"],
            "references": "{{ outputs }}",
            "templates": official_templates(negative="_negative" in family, explained="_explained" in family),
        }
    )
