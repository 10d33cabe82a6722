"""Validations with two processes on the CPU: their numbers are those of one process."""

import json
import os
import subprocess
import sys

import pytest

from ..conftest import write_jsonl
from .conftest import metrics_of

PROGRAM = "from t2t.cli.main import main; main()"
pytestmark = pytest.mark.slow


def train(values, run_dir, *arguments, num_processes):
    run_yaml = run_dir.with_suffix(".yaml")
    run_yaml.write_text(json.dumps({**values, "run_dir": str(run_dir)}))
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={num_processes}", "--standalone"]
    program = [sys.executable, "-c", PROGRAM, "finetune", str(run_yaml), *arguments]
    ended = subprocess.run(
        program if num_processes == 1 else [sys.executable, *launcher, "--no-python", *program],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def values(finetune_values, toy_data_root):
    """A config that scores two tasks, one by ranking, one by writing, and ends after three validations."""
    rows = [{"left": left, "right": 5, "total": left + 5} for left in range(4)]
    write_jsonl(toy_data_root / "toy_sums" / "validation.jsonl", rows)
    changes = {
        "micro_batch_size": 2,
        "eval_every": 2,
        "num_eval_batches": 3,
        "num_threads": 1,
        "publish": "best",
        "early_stopping": {"patience": 2, "min_delta": 100.0},
    }
    return {
        **finetune_values,
        "validation": {"metric": "score", "num_rows": 6},
        "training": {**finetune_values["training"], **changes},
    }


@pytest.mark.parametrize("shard", [False, True], ids=["ddp", "fsdp"])
def test_two_processes_validate_as_one(values, tmp_path, shard):
    train(values, tmp_path / "one", num_processes=1)
    train(values, tmp_path / "two", f"training.shard={str(shard).lower()}", num_processes=2)
    lines = metrics_of(tmp_path / "one")
    assert [line["step"] for line in lines if "validation_score" in line] == [2, 4, 6]
    for line, other in zip(metrics_of(tmp_path / "two"), lines, strict=True):
        assert line.keys() == other.keys()
        for key, number in line.items():
            assert number == pytest.approx(other[key], rel=1e-4), key
    for run in ("one", "two"):
        assert (
            json.loads((tmp_path / run / "run.json").read_text())["published_step"] == lines[-1]["best_step"]
        )
