import json
import shutil

import pytest
from pydantic import ValidationError

from t2t.errors import TokenStoreError
from t2t.training.dealt_batches import DealtBatches
from t2t.training.finetune import finetune

from .conftest import finetune_config, metrics_of
from .test_pretrain import KillAt, Killed


def dealt(*shares: float) -> DealtBatches:
    """Batches that say which source and which of its steps they are."""
    sources = [lambda step, number=number: (number, step) for number in range(len(shares))]
    return DealtBatches(sources, shares, seed=0)


def test_each_source_has_its_share_of_steps_and_goes_through_its_own_data():
    batches = [dealt(0.7, 0.3)(step) for step in range(1000)]
    # a deck of 1,000 steps holds the shares exactly
    assert [step for source, step in batches if source == 0] == list(range(700))
    assert [step for source, step in batches if source == 1] == list(range(300))


def test_the_last_step_of_a_source_is_told():
    batches = dealt(0.7, 0.3)
    last = {0: 0, 1: 0}
    for step in range(50):
        source, number = batches(step)
        last[source] = number
        assert {each: batches.last_step_of(each, step) for each in last} == last


@pytest.fixture
def shared_values(finetune_values, corpus):
    """A model that learns from nothing, half of the steps from the corpus."""
    denoising = {"share": 0.5, "data": str(corpus / "train"), "objective": {"max_source_len": 24}}
    model = {"preset": "tiny", "tokenizer": str(corpus / "tokenizer")}
    return finetune_values | {"model": model, "denoising": denoising}


def test_a_new_model_learns_tasks_and_corpus_and_goes_on_after_a_kill(shared_values, tmp_path):
    config = finetune_config(shared_values)
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(5))
    finetune(config, resume=True)
    whole = finetune_config(shared_values, run_dir=tmp_path / "whole")
    finetune(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
    assert "truncated_sources" in metrics_of(whole.run_dir)[0]


def test_metrics_tell_how_tasks_and_corpus_go_also_over_a_kill(shared_values, tmp_path):
    changes = {"training": {"log_every": 4, "checkpoint_every": 1}}
    whole = finetune_config(shared_values, run_dir=tmp_path / "whole", **changes)
    finetune(whole)
    lines = [line for line in metrics_of(whole.run_dir) if "loss" in line]
    # each loss is a mean over target tokens, so that of all lies between those of the two
    assert [line["step"] for line in lines] == [4, 8]
    for line in lines:
        low, high = sorted((line["denoising_loss"], line["task_loss"]))
        assert low < line["loss"] < high
    for killed_at in (3, 6):
        config = finetune_config(shared_values, run_dir=tmp_path / f"killed at {killed_at}", **changes)
        with pytest.raises(Killed):
            finetune(config, progress=KillAt(killed_at))
        finetune(config, resume=True)
        assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)


def test_losses_of_one_source_have_no_second_name(finetune_values):
    config = finetune_config(finetune_values)
    finetune(config)
    assert not [line for line in metrics_of(config.run_dir) if "task_loss" in line]


def test_a_store_of_another_tokenizer_is_refused(shared_values, corpus, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(corpus / "train", store)
    facts = json.loads((store / "store.json").read_text())
    (store / "store.json").write_text(json.dumps(facts | {"tokenizer_digest": "0" * 64}))
    config = finetune_config(shared_values, denoising=shared_values["denoising"] | {"data": str(store)})
    with pytest.raises(TokenStoreError, match="the token store was built by tokenizer 000000000000, not by"):
        finetune(config)


def test_an_adapter_needs_a_trained_model(shared_values):
    with pytest.raises(ValidationError, match="an adapter needs a trained model"):
        finetune_config(shared_values, adapter={"name": "ia3"})


def test_a_corpus_is_denoised_as_long_as_prompts_unless_told(shared_values):
    denoising = {key: shared_values["denoising"][key] for key in ("share", "data")}
    for given, wanted in [({}, 64), ({"objective": {"max_source_len": 24}}, 24)]:
        config = finetune_config({**shared_values, "denoising": denoising | given})
        assert config.denoising.objective.max_source_len == wanted
