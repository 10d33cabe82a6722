"""The example at the end of every help page runs as it stands, in a folder that holds what it names."""

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from t2t.cli.main import app
from t2t.data.corpus import build_token_store
from t2t.templates import find_task_files, read_task_file
from t2t.tokens import document_encoder, load_tokenizer, tokenizer_digest

TEXTS = Path(__file__).read_text().split("\n\n")  # enough words for a vocabulary of 512

PRETRAIN = """\
run_dir: pretrained
model: {init_from: model}
data: {train: corpus}
objective: {max_source_len: 32}
training: {num_steps: 20, batch_size: 2, num_eval_batches: 0, checkpoint_every: 20}
"""
FINETUNE = """\
run_dir: finetuned
model: {init_from: model}
mixture: {tasks: [toy_mood.yaml], data_root: data}
lengths: {max_source_len: 64, max_target_len: 8}
training: {num_steps: 20, batch_size: 2, num_eval_batches: 0, checkpoint_every: 20}
"""

COLLECTIONS = {  # of others, to import
    "promptsource/templates/toy/templates.yaml": "dataset: toy\ntemplates:\n"
    '  a: !Template {name: a, jinja: "{{ x }}? ||| {{ y }}", metadata: !TemplateMetadata {}}\n',
    "sums.yaml": "task: sums\ndoc_to_text: '{{x}}?'\ndoc_to_target: y\n",
    "natural-instructions-2.8/tasks/task1_pairs.json": json.dumps(
        {
            "Categories": ["Word Analogy"],
            "Definition": ["Finish the pair."],
            "Positive Examples": [{"input": "up: down", "output": "no: yes"}],
            "Negative Examples": [],
            "Instances": [{"id": "a", "input": "in: out", "output": ["on: off"]}],
        }
    ),
}

RUN = {"runs/my_run/metrics.jsonl": '{"step": 1, "loss": 2.0}\n', "runs/my_run/run.json": "{}"}


def examples() -> Iterator[str]:
    """The command lines of all help pages."""

    def epilogs(command: typer.main.TyperGroup) -> Iterator[str]:
        yield command.epilog or ""
        for below in getattr(command, "commands", {}).values():
            yield from epilogs(below)

    lines = (line.strip() for epilog in epilogs(typer.main.get_group(app)) for line in epilog.splitlines())
    yield from dict.fromkeys(line for line in lines if line.startswith("t2t "))


@pytest.fixture
def work_dir(tmp_path, toy_starter, toy_tasks_dir, toy_data_root, monkeypatch) -> Path:
    """A working directory with all that the examples name but do not make."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(toy_tasks_dir, "my_tasks")
    shutil.copy(toy_tasks_dir / "mood" / "toy_mood.yaml", "toy_mood.yaml")
    shutil.copytree(toy_starter, "model")
    shutil.copytree(toy_starter, "tokenizer")
    Path("texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    Path("reviews.csv").write_text("text,sentiment\n" + "I loved it,good\nI left early,bad\n" * 2)
    for path, text in (COLLECTIONS | RUN).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    Path("reviews.jsonl").write_text('{"text": "I loved it"}\n')
    for name in ("sst2", "trec", "rte", "dbpedia14"):  # data of the shipped tasks: their own examples
        rows = [json.dumps(row) + "\n" for row in read_task_file(find_task_files()[name]).examples]
        (toy_data_root / name).mkdir()
        (toy_data_root / name / "train.jsonl").write_text("".join(rows * 2))
        (toy_data_root / name / "test.jsonl").write_text("".join(rows[:2]))
    monkeypatch.setenv("T2T_DATA", str(toy_data_root))
    return tmp_path


def build_store(folder: Path) -> None:
    tokenizer = load_tokenizer("tokenizer")
    build_token_store(
        TEXTS,
        folder,
        encode=document_encoder(tokenizer),
        eos_id=tokenizer.eos_token_id,
        vocab_size=len(tokenizer),
        tokenizer_digest=tokenizer_digest(tokenizer),
    )


def test_there_is_an_example_of_every_command():
    assert len(list(examples())) == 21


@pytest.mark.parametrize("line", list(examples()))
def test_the_example_runs(t2t, work_dir, line, monkeypatch):
    words = shlex.split(line)[1:]
    served = []
    if words[0] == "ui":
        fake = SimpleNamespace(launch=lambda **options: served.append(options))
        monkeypatch.setattr("t2t.cli.shipped_ui.import_ui", lambda name: fake)
    elif words[0] == "tokenizer":
        shutil.rmtree("tokenizer")
    elif words[0] == "finetune":
        Path("run.yaml").write_text(FINETUNE)
    elif words[0] == "pretrain" or words[:2] == ["corpus", "stats"]:
        Path("run.yaml").write_text(PRETRAIN)
        build_store(work_dir / "corpus")
    ended = t2t(*words)
    assert ended.code == 0, ended.err
    assert ended.out or served
