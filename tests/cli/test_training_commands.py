import json
import signal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from t2t.cli.main import app
from t2t.cli.training import DrawnProgress, end_run
from t2t.data.corpus import build_token_store
from t2t.model import build_model, save_model
from t2t.tokens import document_encoder, save_tokenizer, tokenizer_digest, train_tokenizer
from t2t.training.loop import Outcome

TEXTS = [f"The boat number {number} sails by the house on the sea." for number in range(40)]
TRAINING = {"num_steps": 4, "batch_size": 2, "dtype": "float32", "device": "cpu", "log_every": 2}


@pytest.fixture
def pretrain_yaml(tmp_path: Path) -> Path:
    tokenizer = train_tokenizer(TEXTS, vocab_size=384)
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    build_token_store(
        TEXTS,
        tmp_path / "corpus",
        encode=document_encoder(tokenizer),
        eos_id=tokenizer.eos_token_id,
        vocab_size=len(tokenizer),
        tokenizer_digest=tokenizer_digest(tokenizer),
    )
    values = {
        "run_dir": str(tmp_path / "run"),
        "model": {"preset": "tiny", "tokenizer": str(tmp_path / "tokenizer")},
        "data": {"train": str(tmp_path / "corpus")},
        "objective": {"max_source_len": 16},
        "training": TRAINING,
    }
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(values))
    return path


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_pretrain_prints_its_metrics_and_where_the_model_is(pretrain_yaml, tmp_path):
    result = invoke("pretrain", pretrain_yaml, "optim.lr=0.01", "training.num_steps=2")
    assert result.exit_code == 0
    metrics, last = result.stdout.splitlines()
    assert metrics.split()[:4:2] == ["step", "loss"]
    assert last == f"the model is in {tmp_path / 'run/model'}"
    facts = json.loads((tmp_path / "run/run.json").read_text())
    assert facts["config"]["optim"]["lr"] == 0.01
    assert facts["origins"]["optim.lr"] == "command line"


def test_resume_goes_on(pretrain_yaml, tmp_path):
    invoke("pretrain", pretrain_yaml, "training.num_steps=2")
    result = invoke("pretrain", pretrain_yaml, "--resume")
    assert result.exit_code == 0
    steps = [json.loads(line)["step"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 4]


def test_finetune(toy_tasks_dir, toy_data_root, tmp_path):
    tokenizer = train_tokenizer(TEXTS, vocab_size=384)
    save_model(build_model("tiny", vocab_size=384, pad_id=0, eos_id=1), tokenizer, tmp_path / "start")
    values = {
        "run_dir": str(tmp_path / "run"),
        "model": {"init_from": str(tmp_path / "start")},
        "mixture": {
            "tasks": [str(toy_tasks_dir / "mood/toy_mood.yaml")],
            "data_root": str(toy_data_root),
        },
        "training": {**TRAINING, "num_eval_batches": 1},
    }
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(values))
    result = invoke("finetune", path)
    assert result.exit_code == 0
    assert "validation_loss" in result.stdout
    assert result.stdout.splitlines()[-1] == f"the model is in {tmp_path / 'run/model'}"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_go_on(capsys, number, code):
    with pytest.raises(typer.Exit) as caught:
        end_run(Outcome(12, number, is_main_process=True), Path("run"))
    assert caught.value.exit_code == code
    assert capsys.readouterr().out == "stopped after step 12; go on with --resume\n"


def test_a_run_that_ended_early_says_so_and_which_step_is_published(capsys):
    end_run(
        Outcome(60, None, is_main_process=True, best_step=20, ended_early=True, published_step=20),
        Path("run"),
    )
    assert capsys.readouterr().out == (
        "ended early after step 60: best validation in step 20\nthe model of step 20 is in run/model\n"
    )


def test_numbers_by_task_are_not_printed(capsys):
    DrawnProgress(lambda *_, **__: None).metrics(
        {"step": 2, "validation_loss": 1.23456, "validation_loss_by_task": {"rte": 1.0}}
    )
    assert capsys.readouterr().out == "step 2  validation_loss 1.235\n"
