import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from t2t.errors import TokenStoreError
from t2t.model import load_model
from t2t.tokens import save_tokenizer, train_tokenizer
from t2t.training.pretrain import pretrain

from .conftest import TEXTS, metrics_of, pretrain_config


class Killed(BaseException):
    """Stands for a kill -9: no handler of ours runs."""


class KillAt:
    """A Progress in which the process dies after a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def start(self, *, step, num_steps):
        pass

    def step(self, step):
        if step == self.at:
            raise Killed

    def metrics(self, line):
        pass


def weights_of(run_dir: str | Path) -> dict[str, torch.Tensor]:
    return load_model(Path(run_dir) / "model", device="cpu", dtype="float32").model.state_dict()


def test_the_model_loads_with_transformers_alone(pretrain_values):
    outcome = pretrain(pretrain_config(pretrain_values))
    assert (outcome.step, outcome.stopped_by) == (8, None)
    folder = Path(pretrain_values["run_dir"]) / "model"
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer) == 384
    assert (model.config.pad_token_id, model.config.eos_token_id) == (0, 1)


def test_metrics_say_how_it_went(pretrain_values):
    pretrain(pretrain_config(pretrain_values))
    text = (Path(pretrain_values["run_dir"]) / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 4, 6, 8, 8]
    assert set(lines[0]) == {"step", "loss", "lr", "grad_norm", "tokens_rate", "seconds", "raw_tokens"}
    assert set(lines[2]) == {"step", "validation_loss", "best_step"}
    # 17 raw tokens, of which 3 are hidden in 1 span, give 14 + 1 + 1 inputs; 2 steps of 4 rows
    assert lines[0]["raw_tokens"] == 2 * 4 * 17
    assert lines[0]["lr"] == pytest.approx(0.02)  # the second of 2 warm-up steps


def test_the_loss_falls(pretrain_values):
    pretrain(pretrain_config(pretrain_values, training={"num_steps": 30, "log_every": 5, "eval_every": 15}))
    lines = [line for line in metrics_of(pretrain_values["run_dir"]) if "loss" in line]
    validation = [
        line["validation_loss"]
        for line in metrics_of(pretrain_values["run_dir"])
        if "validation_loss" in line
    ]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    assert validation[1] < validation[0]


@pytest.mark.parametrize(
    ("killed_at", "changes"),
    [
        (2, {}),  # before the first checkpoint
        (5, {}),  # between two
        (7, {}),  # after the second
        (5, {"optim": {"name": "adafactor"}}),
        (7, {"training": {"log_every": 5, "micro_batch_size": 2}}),  # amidst the steps of a metrics line
        (5, {"training": {"dtype": "bfloat16"}}),
    ],
)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(pretrain_values, tmp_path, killed_at, changes):
    config = pretrain_config(pretrain_values, **changes)
    with pytest.raises(Killed):
        pretrain(config, progress=KillAt(killed_at))
    pretrain(config, resume=True)

    whole = pretrain_config(pretrain_values, run_dir=tmp_path / "whole", **changes)
    pretrain(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
    expected = weights_of(whole.run_dir)
    assert all(torch.equal(weight, expected[key]) for key, weight in weights_of(config.run_dir).items())


def test_a_finished_run_can_be_made_longer(pretrain_values):
    pretrain(pretrain_config(pretrain_values, schedule={"name": "constant"}))
    longer = pretrain_config(pretrain_values, schedule={"name": "constant"}, training={"num_steps": 10})
    assert pretrain(longer, resume=True).step == 10
    assert [line["step"] for line in metrics_of(longer.run_dir)] == [2, 4, 4, 6, 8, 8, 10, 10]


def test_resuming_a_finished_run_changes_nothing(pretrain_values):
    config = pretrain_config(pretrain_values)
    pretrain(config)
    before = metrics_of(config.run_dir)
    assert pretrain(config, resume=True).step == 8
    assert metrics_of(config.run_dir) == before


def test_another_model_can_be_gone_on_with(pretrain_values, tmp_path):
    pretrain(pretrain_config(pretrain_values))
    values = {**pretrain_values, "run_dir": str(tmp_path / "second")}
    values["model"] = {"init_from": str(Path(pretrain_values["run_dir"]) / "model")}
    config = pretrain_config(values, optim={"lr": 1e-9})
    pretrain(config)
    before = weights_of(pretrain_values["run_dir"])
    assert all(torch.allclose(weight, before[key]) for key, weight in weights_of(config.run_dir).items())


def test_weights_depend_on_the_seed(pretrain_values, tmp_path):
    short = {"training": {"num_steps": 1}}
    pretrain(pretrain_config(pretrain_values, **short))
    pretrain(pretrain_config(pretrain_values, run_dir=tmp_path / "other", seed=1, **short))
    one, other = weights_of(pretrain_values["run_dir"]), weights_of(tmp_path / "other")
    assert not torch.allclose(one["shared.weight"], other["shared.weight"], atol=0.1)


def test_a_store_of_another_tokenizer_is_refused_before_anything_is_written(pretrain_values, tmp_path):
    save_tokenizer(
        train_tokenizer([*TEXTS[:20], "quite another text"], vocab_size=384), tmp_path / "tokenizer"
    )
    config = pretrain_config(pretrain_values, model={"tokenizer": str(tmp_path / "tokenizer")})
    with pytest.raises(TokenStoreError, match=r"^the token store was built by tokenizer "):
        pretrain(config)
    assert not config.run_dir.exists()


def command(run_yaml: Path, *arguments: str) -> list[str]:
    program = "from t2t.cli.main import main; main()"
    return [sys.executable, "-c", program, "pretrain", str(run_yaml), *arguments]


@pytest.mark.slow
def test_kill_9_at_random_moments_leaves_the_curve_of_an_uninterrupted_run(pretrain_values, tmp_path):
    values = {
        **pretrain_values,
        "training": {**pretrain_values["training"], "num_steps": 150, "checkpoint_every": 7},
    }
    run_yaml = tmp_path / "run.yaml"
    run_yaml.write_text(json.dumps(values))
    for delay in (0.2, 0.0, 0.7, 0.4):
        resume = ["--resume"] if Path(values["run_dir"], "run.json").exists() else []
        process = subprocess.Popen(command(run_yaml, *resume), stdout=subprocess.PIPE, text=True)
        process.stdout.readline()  # it has begun to step
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert process.returncode == -signal.SIGKILL
    subprocess.run(command(run_yaml, "--resume"), check=True, capture_output=True)
    subprocess.run(command(run_yaml, f"run_dir={tmp_path / 'whole'}"), check=True, capture_output=True)
    assert metrics_of(values["run_dir"]) == metrics_of(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_go_on_where_one_stopped(pretrain_values, tmp_path):
    values = {**pretrain_values, "schedule": {"name": "constant", "warmup_steps": 2}}
    pretrain(pretrain_config(values, training={"num_steps": 4}))
    run_yaml = tmp_path / "run.yaml"
    run_yaml.write_text(json.dumps(values))
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    subprocess.run(
        [*launcher, "--no-python", *command(run_yaml, "--resume")],
        check=True,
        env=environment,
        capture_output=True,
    )
    pretrain(pretrain_config(values, run_dir=tmp_path / "whole"))
    lines = zip(metrics_of(tmp_path / "whole"), metrics_of(values["run_dir"]), strict=True)
    for one, two in lines:
        assert two == pytest.approx(one, rel=1e-4)
