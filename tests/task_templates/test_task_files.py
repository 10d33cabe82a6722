"""Every task file that ships with t2t: sound, rendering on its own examples, and varied in its wordings."""

import difflib
import re
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from t2t.evaluation.metrics import squad_normalise
from t2t.resources import task_templates_dir
from t2t.templates.check import check_task_file
from t2t.templates.library import task_files_under
from t2t.templates.task_file import TaskFile
from t2t.templates.template import RenderedExample, Template

FILES = task_files_under(task_templates_dir())
MIN_FILES = 200
MIN_TEMPLATES = 1_100
MIN_CLUSTERS = 27
MIN_WORDINGS = 5
MAX_LISTED_CHOICES = 20  # a prompt that lists more labels, such as 150 intents, leaves no room for the text
MAX_SHARED_WORDS = 0.6  # ratio of difflib; the most alike wordings of one task have 0.4

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")


@cache
def read(path: Path) -> TaskFile:
    return TaskFile.read(path)


def rendered(file: TaskFile, template: Template) -> list[RenderedExample]:
    return [template.render(file.context(row)) for row in file.examples]


def own_words(template: Template) -> list[str]:
    """The words of the prompt itself, without what it takes from the row."""
    return re.findall(r"\w+", re.sub(r"{[{%].*?[%}]}", " ", template.source, flags=re.DOTALL).casefold())


def test_all_task_files_are_found_once_each() -> None:
    assert len(FILES) >= MIN_FILES
    assert len({path.stem for path in FILES}) == len(FILES)
    families = set(task_templates_dir().rglob("_*.yaml"))
    strays = {path for path in task_templates_dir().rglob("*") if path.is_file()} - {*FILES, *families}
    assert strays == {task_templates_dir() / "README.md"}


def test_the_library_is_broad() -> None:
    files = [read(path) for path in FILES]
    assert len({file.cluster for file in files}) >= MIN_CLUSTERS
    assert sum(len(file.templates) for file in files) >= MIN_TEMPLATES


def test_every_family_is_included_by_tasks() -> None:
    for family in task_templates_dir().rglob("_*.yaml"):
        members = [path for path in FILES if f"include: {family.name}\n" in path.read_text(encoding="utf-8")]
        assert len(members) >= 2, family


@each_file
def test_task_file_has_no_fault(path: Path) -> None:
    assert check_task_file(path) == []


@each_file
def test_every_template_renders_on_every_example(path: Path) -> None:
    file = read(path)
    for template in file.templates:
        for example in rendered(file, template):
            assert example.source.strip()
            assert example.target.strip()
            assert example.references
            assert not re.search(r"{{|}}|{%|%}", example.source + example.target), "Jinja is left in the text"


@each_file
def test_templates_that_rank_name_their_choices_at_least_once(path: Path) -> None:
    file = read(path)
    ranking = [template for template in file.templates if template.answer_choices]
    if not ranking or len(file.labels or ()) > MAX_LISTED_CHOICES:
        return
    assert {template.about.choices_in_source for template in ranking} == {True, False}


@each_file
def test_choices_said_to_be_left_out_are_not_listed_in_the_source(path: Path) -> None:
    file = read(path)
    for template in file.templates:
        if template.answer_choices and not template.about.choices_in_source:
            assert not re.search(r"answer_choices|choices *\||choices\[", template.source), template.name


@each_file
def test_no_two_templates_render_the_same_text(path: Path) -> None:
    file = read(path)
    assert len(file.templates) >= MIN_WORDINGS
    texts = {
        t.name: [" ".join(e.source.casefold().split()) for e in rendered(file, t)] for t in file.templates
    }
    for one, other in combinations(texts, 2):
        for text, other_text in zip(texts[one], texts[other], strict=True):
            assert text != other_text, f'"{one}" and "{other}" read the same'


@each_file
def test_no_two_templates_share_most_of_their_words(path: Path) -> None:
    words = {template.name: own_words(template) for template in read(path).templates}
    for one, other in combinations(words, 2):
        shared = difflib.SequenceMatcher(None, words[one], words[other], autojunk=False).ratio()
        assert shared <= MAX_SHARED_WORDS, f'"{one}" and "{other}" are worded alike ({shared:.2f})'


@each_file
def test_task_file_names_the_source_of_its_data(path: Path) -> None:
    source = read(path).source
    assert source.url is not None and source.url.startswith("https://")
    assert source.licence
    assert source.citation


def normalised_texts(file: TaskFile) -> dict[str, set[str]]:
    """What `exact_match` compares -> the targets and references of the sample rows that become so."""
    texts: dict[str, set[str]] = {}
    for template in file.templates:
        if template.about.original_task:
            for example in rendered(file, template):
                for text in (example.target, *example.references):
                    texts.setdefault(squad_normalise(text), set()).add(text)
    return texts


def without_case_and_articles(text: str) -> str:
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text.lower()).split())


@each_file
def test_metrics_that_drop_punctuation_leave_something_to_compare(path: Path) -> None:
    if {"exact_match", "squad_f1"} >= set(read(path).metrics):
        assert "" not in normalised_texts(read(path)), "score it by accuracy"


@each_file
def test_exact_match_tells_the_targets_of_a_task_apart(path: Path) -> None:
    if "exact_match" in read(path).metrics:
        for texts in normalised_texts(read(path)).values():
            # A lost sign, point or operator, such as -5 and 5, would make a wrong answer right.
            assert len({without_case_and_articles(text) for text in texts}) == 1, "score it by accuracy"


def test_targets_made_of_numbers_brackets_or_code_are_compared_as_they_are() -> None:
    tasks = {path.stem: read(path).metrics for path in FILES}
    names = ["asdiv", "gsm8k", "mawps", "svamp", "bbh_dyck_languages", "bbh_multistep_arithmetic_two"]
    names += ["cogs", "nl2bash", *(name for name in tasks if name.startswith("text2sql_"))]
    assert len(names) == 13  # five databases
    for name in names:
        assert tasks[name][0] == "accuracy", name
