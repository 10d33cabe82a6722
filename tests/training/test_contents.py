import hashlib
import json
import shutil
from pathlib import Path

import pytest

from t2t.data.corpus import TokenStore, build_token_store
from t2t.data.task import Task
from t2t.errors import TokenStoreError, TrainingError
from t2t.tokens import document_encoder, load_tokenizer, tokenizer_digest
from t2t.training.contents import store_contents, task_contents, tokenizer_contents, weight_contents
from t2t.training.finetune import finetune
from t2t.training.pretrain import pretrain
from t2t.training.run_folder import RunFolder

from .conftest import TEXTS, finetune_config, pretrain_config

MEND = "put the old contents back, or start a new run: other data make another model"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_store_is_told_by_its_tokens(corpus):
    assert store_contents({"data.train": corpus / "train"}) == {
        "data.train": sha256(corpus / "train" / "tokens.bin")
    }


def test_a_task_is_told_by_its_file_and_those_of_its_rows(toy_tasks_dir, toy_data_root):
    file = toy_tasks_dir / "sums" / "toy_sums.yaml"
    task = Task.load(file, data_root=toy_data_root)
    assert task.splits() == ("train",)
    assert task_contents([task], splits=("train", "validation")) == {
        "mixture.toy_sums": sha256(file),
        "mixture.toy_sums/train": sha256(task.local_file("train")),
    }


def test_a_task_is_told_by_what_it_includes_too(toy_tasks_dir, toy_data_root):
    family = toy_tasks_dir / "sums" / "toy_sums.yaml"
    family = family.rename(family.with_name("_family.yaml"))
    file = family.with_name("toy_sums.yaml")
    file.write_text("include: _family.yaml\n")
    task = Task.load(file, data_root=toy_data_root)
    assert task_contents([task], splits=()) == {
        "mixture.toy_sums": sha256(file),
        "mixture.toy_sums/include": sha256(family),
    }


def test_a_tokenizer_that_is_code_alone_has_no_digest(tokenizer):
    assert tokenizer_contents(tokenizer) == {"tokenizer": tokenizer_digest(tokenizer)}
    assert tokenizer_contents(object()) == {}


def test_a_pretraining_run_goes_on_with_its_own_corpus_alone(pretrain_values, corpus, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(corpus / "train", store)
    values = pretrain_values | {"data": {"train": str(store)}}
    pretrain(pretrain_config(values))
    before = TokenStore.open(store).sha256
    tokenizer = load_tokenizer(corpus / "tokenizer")
    shutil.rmtree(store)
    after = build_token_store(
        TEXTS[::-1],
        store,
        encode=document_encoder(tokenizer),
        eos_id=1,
        vocab_size=len(tokenizer),
        tokenizer_digest=tokenizer_digest(tokenizer),
    ).sha256
    config = pretrain_config(values, training={"num_steps": 10})
    with pytest.raises(TrainingError) as caught:
        pretrain(config, resume=True)
    facts = RunFolder(config.run_dir).facts
    assert str(caught.value) == (
        f"the run began with data.train {before[:12]} and cannot go on with {after[:12]}\n"
        f"  where: {facts}, contents.data.train\n"
        f"  mend:  {MEND}"
    )
    assert json.loads(facts.read_text())["contents"]["data.train"] == before  # nothing was written


def test_a_fine_tuning_run_goes_on_with_its_own_rows_and_templates_alone(
    finetune_values, toy_tasks_dir, toy_data_root
):
    file = toy_tasks_dir / "sums" / "toy_sums.yaml"
    values = finetune_values | {"mixture": {"tasks": [str(file)], "data_root": str(toy_data_root)}}
    finetune(finetune_config(values))
    config = finetune_config(values, training={"num_steps": 10})
    rows = Task.load(file, data_root=toy_data_root).local_file("train")
    for path, name in [(file, "mixture.toy_sums"), (rows, "mixture.toy_sums/train")]:
        text, before = path.read_text(), sha256(path)
        path.write_text(text + "\n")
        with pytest.raises(TrainingError) as caught:
            finetune(config, resume=True)
        assert str(caught.value) == (
            f"the run began with {name} {before[:12]} and cannot go on with {sha256(path)[:12]}\n"
            f"  where: {RunFolder(config.run_dir).facts}, contents.{name}\n"
            f"  mend:  {MEND}"
        )
        path.write_text(text)
    assert finetune(config, resume=True).step == 10


def test_rows_for_validation_are_told_where_they_are_validated(
    finetune_values, toy_tasks_dir, toy_data_root, tmp_path
):
    task = Task.load(toy_tasks_dir / "mood" / "toy_mood.yaml", data_root=toy_data_root)
    rows = task.local_file("validation")
    validated = finetune_config(finetune_values)
    without = finetune_config(finetune_values, run_dir=tmp_path / "without", training={"num_eval_batches": 0})
    for config in (validated, without):
        finetune(config)
    told, told_without = (
        RunFolder(config.run_dir).read_facts()["contents"] for config in (validated, without)
    )
    assert told == told_without | {"mixture.toy_mood/validation": sha256(rows)}
    rows.write_text(rows.read_text() + "\n")
    with pytest.raises(TrainingError, match=r"^the run began with mixture\.toy_mood/validation "):
        finetune(validated, resume=True)
    assert finetune(without, resume=True).step == 8


def test_a_store_with_a_changed_byte_is_refused_before_training(pretrain_values, corpus, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(corpus / "train", store)
    tokens = bytearray((store / "tokens.bin").read_bytes())
    tokens[100] ^= 1
    (store / "tokens.bin").write_bytes(tokens)
    config = pretrain_config(pretrain_values | {"data": {"train": str(store)}})
    with pytest.raises(TokenStoreError, match=r"tokens\.bin has another checksum"):
        pretrain(config)


def test_weights_below_an_adapter_are_told_by_their_file(finetune_values):
    folder = Path(finetune_values["model"]["init_from"])
    digest = sha256(folder / "model.safetensors")
    assert weight_contents(str(folder)) == {"model.init_from/model.safetensors": digest}
    assert weight_contents("example/on-the-hub") == {}
    config = finetune_config(finetune_values, adapter={"name": "ia3"})
    finetune(config)
    facts = RunFolder(config.run_dir).read_facts()
    assert facts["contents"]["model.init_from/model.safetensors"] == digest
