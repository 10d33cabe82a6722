import json

import pytest

from t2t.errors import Faults, TrainingError
from t2t.training.run_folder import RunFolder, open_run

from .conftest import finetune_config, pretrain_config

CONTENTS = {"tokenizer": "a" * 64, "data.train": "b" * 64}


@pytest.fixture
def begun(pretrain_values):
    """A run that was begun, with its metrics up to step 6."""
    config = pretrain_config(pretrain_values)
    folder = open_run(config.run_dir, config, resume=False)
    folder.begin(config, {"seed": "default"}, contents=CONTENTS, step=0)
    for step in (2, 4, 4, 6):
        folder.append_metrics({"step": step, "loss": 1.5})
    return folder


def test_run_json_holds_config_origins_digests_and_versions(begun, pretrain_values):
    facts = json.loads(begun.facts.read_text())
    assert facts["kind"] == "PretrainConfig"
    assert facts["config"] == pretrain_config(pretrain_values).model_dump(mode="json")
    assert facts["origins"] == {"seed": "default"}
    assert facts["contents"] == CONTENTS
    assert set(facts["versions"]) == {"python", "torch", "transformers", "accelerate", "peft", "tokenizers"}


def test_opening_writes_nothing(pretrain_values, tmp_path):
    config = pretrain_config(pretrain_values)
    open_run(config.run_dir, config, resume=False)
    assert not config.run_dir.exists()


def test_a_new_run_refuses_a_folder_with_something_in_it(begun, pretrain_values):
    config = pretrain_config(pretrain_values)
    with pytest.raises(TrainingError) as caught:
        open_run(config.run_dir, config, resume=False)
    assert str(caught.value) == (
        "the run folder is not empty\n"
        f"  where: {config.run_dir}\n"
        "  mend:  go on with that run with --resume, name another run_dir, or remove the folder"
    )


def test_there_must_be_a_run_to_resume(pretrain_values):
    config = pretrain_config(pretrain_values)
    with pytest.raises(TrainingError) as caught:
        open_run(config.run_dir, config, resume=True)
    assert str(caught.value) == (
        "there is no run to resume: run.json is missing or damaged\n"
        f"  where: {config.run_dir}\n"
        "  mend:  start it without --resume, or check run_dir"
    )


def test_resuming_drops_later_metrics_and_a_line_cut_short(begun, pretrain_values):
    with begun.metrics.open("a") as stream:
        stream.write('{"step": 3, "lo')
    begun.begin(pretrain_config(pretrain_values), {}, contents=CONTENTS, step=4)
    assert [json.loads(line)["step"] for line in begun.metrics.read_text().splitlines()] == [2, 4, 4]


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"num_steps": 20, "log_every": 5, "dtype": "bfloat16", "keep_checkpoints": 1}},
        {"optim": {"lr": 0.001, "clip_norm": 2.0}, "schedule": {"name": "constant"}},
    ],
)
def test_lengths_and_rates_may_change_on_the_way(begun, pretrain_values, changes):
    config = pretrain_config(pretrain_values, **changes)
    assert open_run(config.run_dir, config, resume=True) == RunFolder(config.run_dir)


def test_what_makes_data_or_model_may_not(begun, pretrain_values):
    config = pretrain_config(pretrain_values, seed=1, training={"batch_size": 8}, optim={"name": "adafactor"})
    with pytest.raises(Faults) as caught:
        open_run(config.run_dir, config, resume=True)
    mend = "put the value back, or start a new run: it makes the data or the model another"
    assert str(caught.value) == (
        "3 faults\n"
        "the run began with seed 0 and cannot go on with 1\n"
        f"  where: {begun.facts}, config.seed\n"
        f"  mend:  {mend}\n"
        'the run began with optim.name "adamw_rms" and cannot go on with "adafactor"\n'
        f"  where: {begun.facts}, config.optim.name\n"
        f"  mend:  {mend}\n"
        "the run began with training.batch_size 4 and cannot go on with 8\n"
        f"  where: {begun.facts}, config.training.batch_size\n"
        f"  mend:  {mend}"
    )


def test_the_rows_of_validations_stay_the_same(begun, pretrain_values):
    config = pretrain_config(pretrain_values, training={"num_eval_batches": 3})
    with pytest.raises(TrainingError) as caught:
        open_run(config.run_dir, config, resume=True)
    assert str(caught.value) == (
        "the run began with training.num_eval_batches 2 and cannot go on with 3\n"
        f"  where: {begun.facts}, config.training.num_eval_batches\n"
        "  mend:  put the value back, or start a new run: it makes the data or the model another"
    )


def test_a_run_of_another_kind(begun, pretrain_values):
    facts = json.loads(begun.facts.read_text())
    begun.facts.write_text(json.dumps({**facts, "kind": "FinetuneConfig"}))
    config = pretrain_config(pretrain_values)
    with pytest.raises(TrainingError) as caught:
        open_run(config.run_dir, config, resume=True)
    assert str(caught.value) == (
        "the run in this folder has a FinetuneConfig, not a PretrainConfig\n"
        f"  where: {begun.facts}\n"
        "  mend:  resume it with the command that began it, or name another run_dir"
    )


def test_a_run_keeps_its_id_when_it_goes_on(begun, pretrain_values, tmp_path):
    config = pretrain_config(pretrain_values)
    before = begun.run_id
    begun.begin(config, {}, contents=CONTENTS, step=4)
    assert begun.run_id == before
    other = RunFolder(tmp_path / "other")
    other.begin(config, {}, contents=CONTENTS, step=0)
    assert other.run_id != before


def test_a_run_that_goes_on_keeps_the_step_of_its_published_model(begun, pretrain_values):
    begun.note_published(6)
    begun.begin(pretrain_config(pretrain_values), {}, contents=CONTENTS, step=6)
    assert begun.read_facts()["published_step"] == 6


def test_options_that_have_come_since_a_run_began_have_their_defaults(begun, pretrain_values):
    facts = json.loads(begun.facts.read_text())
    del facts["config"]["training"]["shard"], facts["config"]["objective"]
    begun.facts.write_text(json.dumps(facts))
    config = pretrain_config(pretrain_values, objective={"max_source_len": 512})  # its default
    assert open_run(config.run_dir, config, resume=True) == RunFolder(config.run_dir)


def test_defaults_that_run_json_names_were_not_asked_for(finetune_values):
    # betas beside adafactor and num_rows beside a loss are refused if someone gives them; run.json has both
    config = finetune_config(finetune_values, optim={"name": "adafactor"})
    folder = RunFolder(config.run_dir)
    folder.begin(config, {}, contents=CONTENTS, step=0)
    facts = folder.read_facts()
    del facts["config"]["regularization"]  # options that have come since
    folder.facts.write_text(json.dumps(facts))
    assert open_run(config.run_dir, config, resume=True) == folder


def test_other_contents_behind_the_same_path_are_refused(begun):
    begun.check_contents(CONTENTS)
    with pytest.raises(Faults) as caught:
        begun.check_contents({"tokenizer": "a" * 64, "data.train": "c" * 64, "data.validation": "d" * 64})
    mend = "put the old contents back, or start a new run: other data make another model"
    assert str(caught.value) == (
        "2 faults\n"
        "the run began with data.train bbbbbbbbbbbb and cannot go on with cccccccccccc\n"
        f"  where: {begun.facts}, contents.data.train\n"
        f"  mend:  {mend}\n"
        "the run began with data.validation (not there) and cannot go on with dddddddddddd\n"
        f"  where: {begun.facts}, contents.data.validation\n"
        f"  mend:  {mend}"
    )


def test_a_run_of_a_version_without_digests_goes_on(begun):
    facts = json.loads(begun.facts.read_text())
    del facts["contents"]
    begun.facts.write_text(json.dumps(facts))
    begun.check_contents(CONTENTS)
