"""What the README shows runs as it stands."""

import json
import random
import re
import shlex
from pathlib import Path

from t2t.config import FinetuneConfig, load_config
from t2t.templates import TaskFile, find_task_files
from t2t.templates.library import choose_task_files

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


TEAS = """\
text,label
Warm and flowery.,yes
Like hot ditch water.,no
I would drink it every day.,yes
My cat would not touch it.,no
Bright and clean to the last drop.,yes
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_python_snippets_run(toy_starter):
    [snippet] = blocks("python")
    exec(compile(snippet, "README.md", "exec"), {})


def test_the_task_can_be_shown_run_and_evaluated(t2t, toy_starter, tmp_path, monkeypatch):
    lines = [line for block in blocks("sh") for line in block.splitlines() if "tea_mood" in line]
    monkeypatch.chdir(tmp_path)
    Path("teas.csv").write_text(TEAS)
    ended = {words[1]: t2t(*words[1:]) for words in (shlex.split(line, comments=True) for line in lines)}
    assert {name: end.code for name, end in ended.items()} == dict.fromkeys(
        ("new", "show", "check", "run", "eval"), 0
    )
    task, *_ = blocks("yaml")
    Path("tea_mood.yaml").write_text(task)
    for line in lines[1:]:
        assert t2t(*shlex.split(line, comments=True)[1:]).code == 0, line


def test_texts_and_a_task_become_a_model_that_answers(t2t, tmp_path, monkeypatch):
    [lines] = [block.splitlines() for block in blocks("sh") if "t2t pretrain" in block]
    _, pretraining, finetuning, _ = blocks("yaml")
    monkeypatch.chdir(tmp_path)
    Path("pretrain.yaml").write_text(pretraining)
    Path("finetune.yaml").write_text(finetuning)
    draw = random.Random(0)  # 4,000 words of eight letters, enough for a vocabulary of 8,192
    words = ["".join(draw.choices("abcdefghijklmnopqrst", k=8)) for _ in range(4000)]
    texts = [" ".join(words[start : start + 20]) for start in range(0, len(words), 20)]
    Path("texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    Path("reviews_train.csv").write_text(TEAS)
    Path("reviews_test.csv").write_text(TEAS.replace("Warm", "Mild"))
    quick = ["training={num_steps: 2, batch_size: 2, num_eval_batches: 0, dtype: float32, device: cpu}"]
    more = {"pretrain": [*quick, "model.preset=tiny", "objective.max_source_len=32"], "finetune": quick}
    for line in lines:
        _, command, *arguments = shlex.split(line, comments=True)
        ended = t2t(command, *arguments, *([] if "--keys" in arguments else more.get(command, [])))
        assert ended.code == 0, f"{line}\n{ended.err}"
        assert ended.out
    assert len(lines) == 9
    assert "I left early." in line


def test_the_run_is_a_run(tmp_path):
    *_, run = blocks("yaml")
    (tmp_path / "run.yaml").write_text(run)
    config, _ = load_config(FinetuneConfig, tmp_path / "run.yaml")
    assert config.training.early_stopping is not None
    names = [name for name in config.mixture.tasks if not name.startswith("my_tasks/")]
    assert choose_task_files(names, leave_out=config.mixture.held_out)


def test_the_numbers_of_tasks_and_prompts_are_those_of_the_library():
    files = [TaskFile.read(path) for path in find_task_files().values()]
    num_templates = sum(len(file.templates) for file in files)
    assert f"({len(files)}, with {num_templates:,} prompts)" in README
