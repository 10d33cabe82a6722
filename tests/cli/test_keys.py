"""`--keys` tells every key of a run file once, with its type, default and unit."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from t2t.cli.keys import key_lines
from t2t.config import FinetuneConfig, PretrainConfig
from t2t.model import PRESETS


def keys_of(schema, definitions, prefix=""):
    """Dotted keys of a JSON schema, which pydantic makes without any help of ours."""
    for name, value in schema["properties"].items():
        references = re.findall(r'"#/\$defs/(\w+)"', json.dumps(value))
        brackets = "[]" if '"array"' in json.dumps(value) else ""
        if references:
            yield from keys_of(definitions[references[0]], definitions, f"{prefix}{name}{brackets}.")
        else:
            yield f"{prefix}{name}"


def told(config):
    return [found[1] for line in key_lines(config) if (found := re.match(r"  ([a-z][\w.\[\]]*): ", line))]


@pytest.mark.parametrize("config", [PretrainConfig, FinetuneConfig])
def test_every_key_is_told_once(config):
    schema = config.model_json_schema()
    expected = list(keys_of(schema, schema["$defs"]))
    assert {"training.early_stopping.patience", "optim.lr"} <= set(expected)
    assert sorted(told(config)) == sorted(expected)


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        (FinetuneConfig, "  mixture.tasks: list: text; required\n      tasks, files, clusters, or patterns"),
        (
            FinetuneConfig,
            "  schedule.warmup_steps: whole number at least 0, or null; default null\n      steps of ",
        ),
        (FinetuneConfig, "  mixture.rates: number by name; default {}\n"),
        (FinetuneConfig, "  optim.layer_lr_decay: number above 0 and at most 1; default 1.0\n"),
        (FinetuneConfig, "  optim.betas: list of 2: number at least 0 and below 1; default [0.9, 0.999]\n"),
        (FinetuneConfig, "  training.num_threads: whole number at least 1, or null; default null\n"),
        (FinetuneConfig, "  adapter.name: one of lora, ia3, prompt_tuning; required\n"),
        (FinetuneConfig, "see t2t.model.adapters. (default null)\n      null trains all weights"),
        (PretrainConfig, "  data.train: path or path by name; required\n      token store folder"),
        (PretrainConfig, "or null; default null (0.15 with the section's other defaults)\n"),
        (PretrainConfig, '  objective.prefix: text; default ""\n'),
    ],
)
def test_a_key_is_told_with_type_range_default_and_description(config, lines, monkeypatch):
    monkeypatch.setattr("t2t.cli.keys._MOST_COLUMNS", 200)
    monkeypatch.setenv("COLUMNS", "200")
    assert lines in "\n".join(key_lines(config))


def test_no_line_is_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, key_lines(FinetuneConfig))) <= 60


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_keys_need_no_file_and_end_with_the_presets(t2t, command):
    ended = t2t(f"{command} --keys")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Keys of a run file for t2t {command}; ")
    rows = [line.split() for line in ended.out.rpartition("model.preset")[2].splitlines()[2:]]
    assert [row[0] for row in rows if row] == list(PRESETS)
    # Per encoder block 4 x 64 x 64 + 3 x 64 x 128 + 2 x 64 weights, of the decoder 4 x 64 x 64 + 64 more; two
    # of each, 64 after each stack and 2 x 32 x 4 relative positions: 197,632; and 64 x 8,192 = 524,288 by id.
    assert rows[0] == ["tiny", "64", "2", "+", "2", "0.2", "M", "0.7", "M"]


def test_keys_are_read_off_without_torch():
    code = (
        "import sys; from t2t.cli.keys import key_lines; from t2t.config import FinetuneConfig\n"
        "list(key_lines(FinetuneConfig)); print({'torch', 'transformers'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert ended.stdout == "set()\n"


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_set_is_refused_with_what_to_write(t2t, command):
    ended = t2t(f"{command} run.yaml --set training.num_steps=3")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(
        "Error: Invalid value for '--set': write it without --set, after the file:"
        " RUN.yaml training.num_steps=3\n"
    )
