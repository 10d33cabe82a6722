"""What the README shows runs as it stands."""

import re
import shlex
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_python_snippets_run(toy_starter):
    [snippet] = blocks("python")
    exec(compile(snippet, "README.md", "exec"), {})


def test_the_task_can_be_shown_run_and_evaluated(t2t, toy_starter, tmp_path, monkeypatch):
    [task] = blocks("yaml")
    lines = [line for block in blocks("sh") for line in block.splitlines() if "tea_mood.yaml" in line]
    monkeypatch.chdir(tmp_path)
    Path("tea_mood.yaml").write_text(task)
    Path("my_data/tea_mood").mkdir(parents=True)
    Path("my_data/tea_mood/test.jsonl").write_text('{"text": "Tastes of soap.", "label": "no"}\n')
    ended = {words[1]: t2t(*words[1:]) for words in (shlex.split(line, comments=True) for line in lines)}
    assert {name: end.code for name, end in ended.items()} == {"check": 0, "show": 0, "run": 0, "eval": 0}
