"""Runs with two processes on the CPU, started as `accelerate launch` would start them."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from t2t.model import build_model, load_model, save_model

from .conftest import metrics_of
from .test_regularized_runs import EVERYTHING

PROGRAM = "from t2t.cli.main import main; main()"
pytestmark = pytest.mark.slow


@pytest.fixture
def values(pretrain_values: dict[str, Any], tokenizer, tmp_path: Path) -> dict[str, Any]:
    """A pretraining config whose model drops a tenth of its activations; two micro-batches a step."""
    torch.manual_seed(0)
    model = build_model("tiny", vocab_size=len(tokenizer), pad_id=0, eos_id=1, dropout_rate=0.1)
    save_model(model, tokenizer, tmp_path / "start")
    return {
        **pretrain_values,
        "model": {"init_from": str(tmp_path / "start")},
        "training": {**pretrain_values["training"], "micro_batch_size": 2, "num_threads": 1},
    }


def command(values: dict[str, Any], run_dir: Path, *arguments: str, num_processes: int) -> list[str]:
    run_yaml = run_dir.with_suffix(".yaml")
    run_yaml.write_text(json.dumps({**values, "run_dir": str(run_dir)}))
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={num_processes}", "--standalone"]
    program = [sys.executable, "-c", PROGRAM, "pretrain", str(run_yaml), *arguments]
    return program if num_processes == 1 else [sys.executable, *launcher, "--no-python", *program]


def start(values: dict[str, Any], run_dir: Path, *arguments: str, num_processes: int) -> subprocess.Popen:
    return subprocess.Popen(
        command(values, run_dir, *arguments, num_processes=num_processes),
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that all its processes can be killed at once
    )


def train(values: dict[str, Any], run_dir: Path, *arguments: str, num_processes: int) -> None:
    process = start(values, run_dir, *arguments, num_processes=num_processes)
    output, _ = process.communicate()
    assert process.returncode == 0, "\n".join(line for line in output.splitlines() if "warn" not in line)


def assert_same_curve(run_dir: Path, expected: Path, *, rel: float) -> None:
    for line, other in zip(metrics_of(run_dir), metrics_of(expected), strict=True):
        assert line == pytest.approx(other, rel=rel)


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_model(run_dir / "model", device="cpu", dtype="float32").model.state_dict()


@pytest.mark.parametrize("shard", [False, True], ids=["ddp", "fsdp"])
def test_two_processes_give_the_curve_of_one(values, tmp_path, shard):
    """With dropout: it follows the micro-batch, not the process. Only the order of sums may differ."""
    train(values, tmp_path / "one", num_processes=1)
    train(values, tmp_path / "two", f"training.shard={str(shard).lower()}", num_processes=2)
    assert_same_curve(tmp_path / "two", tmp_path / "one", rel=1e-5)
    expected = weights_of(tmp_path / "one")
    for key, weight in weights_of(tmp_path / "two").items():
        torch.testing.assert_close(weight, expected[key], rtol=1e-3, atol=1e-5)
    names = {path.name for path in (tmp_path / "two" / "model").iterdir()}
    assert [name for name in names if name.endswith(".safetensors")] == ["model.safetensors"]
    sizes = [(tmp_path / run / "model/model.safetensors").stat().st_size for run in ("one", "two")]
    assert sizes[0] == sizes[1]  # tied weights are written once


@pytest.mark.parametrize(
    ("before", "after"),
    [((2, False), (1, False)), ((2, True), (1, False)), ((1, False), (2, True)), ((2, True), (2, False))],
)
def test_a_run_goes_on_with_other_processes(values, tmp_path, before, after):
    train(values, tmp_path / "whole", num_processes=1)
    run_dir = tmp_path / "changed"
    constant = ["schedule.name=constant"]
    for arguments, (num_processes, shard) in [(["training.num_steps=5"], before), (["--resume"], after)]:
        sharding = f"training.shard={str(shard).lower()}"
        train(values, run_dir, *constant, sharding, *arguments, num_processes=num_processes)
    train(values, tmp_path / "constant", *constant, num_processes=1)
    # the shorter run ended with lines of its own in step 5
    lines = [line for line in metrics_of(run_dir) if line["step"] != 5]
    for line, other in zip(lines, metrics_of(tmp_path / "constant"), strict=True):
        if line["step"] != 6 or "validation_loss" in line:  # step 6 sums up steps 5 and 6, here only 6
            assert line == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("num_processes", [1, 2])
def test_kill_9_at_random_instants_leaves_the_curve_of_an_uninterrupted_run(values, tmp_path, num_processes):
    values["training"] |= {"num_steps": 120, "checkpoint_every": 7, "log_every": 4, "eval_every": 50}
    run_dir, rng = tmp_path / "killed", random.Random(num_processes)
    num_kills = 0
    while num_kills < 10:
        resume = ["--resume"] if (run_dir / "run.json").exists() else []
        process = start(values, run_dir, *resume, num_processes=num_processes)
        process.stdout.readline()  # it has begun to step
        time.sleep(rng.uniform(0, 0.25))
        ended = process.poll() is not None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not ended, "the run is too short for ten kills"
        num_kills += 1
    train(values, run_dir, "--resume", num_processes=num_processes)
    train(values, tmp_path / "whole", num_processes=num_processes)
    assert metrics_of(run_dir) == metrics_of(tmp_path / "whole")
    expected = weights_of(tmp_path / "whole")
    assert all(torch.equal(weight, expected[key]) for key, weight in weights_of(run_dir).items())


@pytest.mark.parametrize("shard", ["false", "true"], ids=["ddp", "fsdp"])
def test_regularisers_rates_by_depth_and_averages_are_the_same_with_two_processes(values, tmp_path, shard):
    values |= {**EVERYTHING, "training": {**values["training"], **EVERYTHING["training"]}}
    values["training"]["keep_checkpoints"] = 3
    train(values, tmp_path / "one", num_processes=1)
    train(values, tmp_path / "two", f"training.shard={shard}", num_processes=2)
    assert_same_curve(tmp_path / "two", tmp_path / "one", rel=1e-4)

    # as a kill after step 3 left it, when lower blocks were still frozen and had no moments
    shutil.copytree(tmp_path / "two", tmp_path / "changed")
    for later in ("checkpoints/step-00000006", "checkpoints/step-00000008", "model"):
        shutil.rmtree(tmp_path / "changed" / later)
    train(values, tmp_path / "changed", "--resume", "training.shard=false", num_processes=1)
    assert_same_curve(tmp_path / "changed", tmp_path / "one", rel=1e-4)
    expected = weights_of(tmp_path / "one")
    for run in ("two", "changed"):
        for key, weight in weights_of(tmp_path / run).items():
            torch.testing.assert_close(weight, expected[key], rtol=1e-3, atol=1e-4)


def test_sigterm_stops_both_processes_at_the_same_step(values, tmp_path):
    values["training"] |= {"num_steps": 100_000, "checkpoint_every": 50_000}
    process = start(values, tmp_path / "run", num_processes=2)
    while not process.stdout.readline().startswith("step "):
        pass
    process.send_signal(signal.SIGTERM)  # the launcher passes it on
    output, _ = process.communicate()
    stopped = [line for line in output.splitlines() if line.startswith("stopped after step ")]
    assert len(stopped) == 1, output
    step = int(stopped[0].split()[3].rstrip(";"))
    assert (tmp_path / "run" / "checkpoints" / f"step-{step:08d}").is_dir()
