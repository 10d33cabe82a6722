"""A toy run: a corpus of forty short documents, a tokenizer of bytes, a model of 0.3 million weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from transformers import PreTrainedTokenizerBase

from t2t.config import FinetuneConfig, PretrainConfig
from t2t.data.corpus import build_token_store
from t2t.model import build_model, save_model
from t2t.tokens import document_encoder, save_tokenizer, tokenizer_digest, train_tokenizer
from t2t.training.run_folder import RunFolder

TEXTS = [f"The boat number {number} sails by the house on the sea." for number in range(40)]

# What differs from one run to the next, however equal they are.
TIMES = ("tokens_rate", "seconds")


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """Accelerate keeps one set-up per process; every test begins without one."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer(TEXTS, vocab_size=384, num_sentinels=100)


@pytest.fixture(scope="session")
def corpus(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `tokenizer`, and token stores `train` and `validation`."""
    folder = tmp_path_factory.mktemp("corpus")
    save_tokenizer(tokenizer, folder / "tokenizer")
    for name, texts in [("train", TEXTS), ("validation", TEXTS[:10])]:
        build_token_store(
            texts,
            folder / name,
            encode=document_encoder(tokenizer),
            eos_id=tokenizer.eos_token_id,
            vocab_size=len(tokenizer),
            tokenizer_digest=tokenizer_digest(tokenizer),
        )
    return folder


@pytest.fixture
def pretrain_values(corpus: Path, tmp_path: Path) -> dict[str, Any]:
    """A pretraining config as the YAML would give it: 8 steps, checkpoints after 3, 6 and 8."""
    return {
        "run_dir": str(tmp_path / "run"),
        "model": {"preset": "tiny", "tokenizer": str(corpus / "tokenizer")},
        "data": {"train": str(corpus / "train"), "validation": str(corpus / "validation")},
        "objective": {"max_source_len": 16},
        "schedule": {"warmup_steps": 2},
        "training": {
            "num_steps": 8,
            "batch_size": 4,
            "dtype": "float32",
            "device": "cpu",
            "log_every": 2,
            "eval_every": 4,
            "num_eval_batches": 2,
            "checkpoint_every": 3,
        },
    }


@pytest.fixture
def finetune_values(
    tokenizer: PreTrainedTokenizerBase, toy_tasks_dir: Path, toy_data_root: Path, tmp_path: Path
) -> dict[str, Any]:
    """A fine-tuning config: 8 steps on both toy tasks, from random weights with dropout."""
    torch.manual_seed(0)
    model = build_model("tiny", vocab_size=len(tokenizer), pad_id=0, eos_id=1, dropout_rate=0.1)
    save_model(model, tokenizer, tmp_path / "start")
    return {
        "run_dir": str(tmp_path / "run"),
        "model": {"init_from": str(tmp_path / "start")},
        "mixture": {
            "tasks": [str(toy_tasks_dir / "mood/toy_mood.yaml"), str(toy_tasks_dir / "sums/toy_sums.yaml")],
            "data_root": str(toy_data_root),
        },
        "lengths": {"max_source_len": 64, "max_target_len": 16},
        "bucketing": {"window": 3, "source_multiple": 8, "target_multiple": 4},
        "schedule": {"warmup_steps": 2},
        "training": {
            "num_steps": 8,
            "batch_size": 4,
            "dtype": "float32",
            "device": "cpu",
            "log_every": 2,
            "eval_every": 4,
            "num_eval_batches": 2,
            "checkpoint_every": 3,
        },
    }


def pretrain_config(values: dict[str, Any], **changes: Any) -> PretrainConfig:
    """The config, with top-level values or values inside sections replaced."""
    return PretrainConfig.model_validate_json(json.dumps(_changed(values, changes)))


def finetune_config(values: dict[str, Any], **changes: Any) -> FinetuneConfig:
    return FinetuneConfig.model_validate_json(json.dumps(_changed(values, changes)))


def metrics_of(run_dir: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without times."""
    lines = [json.loads(line) for line in RunFolder(Path(run_dir)).metrics.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def _changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in changes.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else str(value)
    return merged
