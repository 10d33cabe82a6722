"""How commands end, what help pages hold, and how fast they come."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
import typer

from t2t import __version__
from t2t.cli.main import app
from t2t.errors import Faults, T2TError

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "ui",
    "run",
    "rank",
    "generate",
    "tasks",
    "show",
    "new",
    "check",
    "pretrain",
    "finetune",
    "eval",
    "report",
]
PAGES = [
    *("", *COMMANDS),
    *("import", "import natural-instructions", "import promptsource", "import lm-eval"),
    *("tokenizer", "tokenizer train", "corpus", "corpus build", "corpus stats"),
]


def test_the_commands_are_these():
    group = typer.main.get_group(app)
    pages = [""]
    for name, command in group.commands.items():
        pages += [name, *(f"{name} {below}" for below in getattr(command, "commands", ()))]
    assert pages == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_a_help_page_ends_with_an_example(t2t, page):
    ended = t2t(f"{page} --help")
    assert ended.code == 0
    _, heading, examples = ended.out.rpartition("\n  Example:\n")
    assert heading
    assert all(line.startswith(f"    t2t {page}".rstrip()) for line in examples.splitlines())


def test_the_version_is_told(t2t):
    assert t2t("--version").out == f"t2t {__version__}\n"


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "rank", "rank text", "rank text --choice a --length-norm half", "generate x --seed -1"],
)
def test_misuse_exits_with_2_and_prints_nothing_on_stdout(t2t, line):
    ended = t2t(line)
    assert ended.code == 2
    assert "Usage:" in ended.err
    assert ended.out == ""


def test_a_misspelt_command_is_guessed(t2t):
    assert "Did you mean 'tokenizer'?" in t2t("tokeniser").err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            T2TError("the cat is gone", have=["dog"], mend="call it"),
            "T2TError: the cat is gone\n  have:  dog\n  mend:  call it\n",
        ),
        (Faults([T2TError("one"), T2TError("two")]), "2 faults\none\ntwo\n"),
        (PermissionError(13, "not yours", "a.yaml"), "PermissionError: [Errno 13] not yours: 'a.yaml'\n"),
        (OSError(28, "disk full"), "OSError: [Errno 28] disk full\n"),
    ],
)
def test_an_error_is_one_message_without_a_traceback(t2t, monkeypatch, error, message):
    def fail(path, **options):
        raise error

    monkeypatch.setattr("t2t.data.task_check.check_task_with_data", fail)
    ended = t2t("check")
    assert (ended.code, ended.out, ended.err) == (1, "", message)


def test_ctrl_c_exits_with_130(t2t, monkeypatch):
    def stop(path, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("t2t.data.task_check.check_task_with_data", stop)
    assert t2t("check").code == 130


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(path, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("t2t.data.task_check.check_task_with_data", fail)
    monkeypatch.setattr(sys, "argv", ["t2t", "check"])
    with pytest.raises(ZeroDivisionError):
        app()


# Of processor time, which other work on this machine does not lengthen as it does the time on the clock.
@pytest.mark.parametrize(
    ("code", "most_seconds"),
    [
        ("import t2t", 0.15),
        ("import sys; sys.argv[1:] = ['-h']; from t2t.cli.main import main; main()", 0.3),
    ],
    ids=["import", "help"],
)
def test_the_start_is_fast(code, most_seconds):
    def seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert median(seconds() for _ in range(5)) < most_seconds
