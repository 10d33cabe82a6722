"""`training.json` lies beside the weights of every checkpoint and of the published model."""

import json
from pathlib import Path

import pytest

from t2t.model.training_record import TrainingRecord
from t2t.training.finetune import finetune
from t2t.training.pretrain import pretrain
from t2t.training.run_folder import RunFolder

from .conftest import finetune_config, pretrain_config
from .test_pretrain import KillAt, Killed


def records_of(run_dir: Path) -> list[TrainingRecord]:
    """The records of all models of a run: two checkpoints, and what came of it."""
    folder = RunFolder(run_dir)
    models = [*folder.checkpoints.glob("step-*/model"), folder.model]
    assert len(models) == 3
    return [TrainingRecord.read(model) for model in models]


def test_a_new_model_has_seen_no_task(pretrain_values):
    config = pretrain_config(pretrain_values)
    pretrain(config)
    assert records_of(config.run_dir) == [TrainingRecord()] * 3


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (None, {"is_complete": False}),
        ({"tasks": ["sst2"], "held_out": []}, {"tasks": ["sst2", "toy_mood", "toy_sums"]}),
    ],
)
def test_a_fine_tuned_model_has_seen_its_mixture_and_what_it_began_with_had(
    finetune_values, before, expected
):
    if before is not None:
        start = Path(finetune_values["model"]["init_from"])
        (start / "training.json").write_text(json.dumps(before))
    config = finetune_config(finetune_values, mixture={"held_out": ["nli"]})
    finetune(config)
    wanted = {"tasks": ["toy_mood", "toy_sums"], "held_out": ["nli"], "is_complete": True} | expected
    assert (
        records_of(config.run_dir)
        == [TrainingRecord(frozenset(wanted["tasks"]), frozenset(wanted["held_out"]), wanted["is_complete"])]
        * 3
    )


@pytest.mark.parametrize("never", [{"rates": {"toy_mood": 1.0, "toy_sums": 0.0}}, {"weights": {"sums": 0.0}}])
def test_a_task_that_is_never_drawn_is_not_recorded(finetune_values, never):
    config = finetune_config(finetune_values, mixture=never)
    finetune(config)
    assert [record.tasks for record in records_of(config.run_dir)] == [frozenset({"toy_mood"})] * 3


@pytest.mark.parametrize("killed_at", [5, None])
def test_a_run_goes_on_with_its_record_when_the_model_it_began_with_is_gone(finetune_values, killed_at):
    start = Path(finetune_values["model"]["init_from"])
    TrainingRecord(frozenset({"sst2"})).write(start)
    if killed_at is None:
        finetune(finetune_config(finetune_values))
    else:
        with pytest.raises(Killed):
            finetune(finetune_config(finetune_values), progress=KillAt(killed_at))
    start.rename(start.with_name("moved"))
    config = finetune_config(finetune_values, training={"num_steps": 10})
    finetune(config, resume=True)
    assert records_of(config.run_dir) == [TrainingRecord(frozenset({"sst2", "toy_mood", "toy_sums"}))] * 3


def test_a_pretraining_run_goes_on_with_its_record_too(pretrain_values, finetune_values, corpus):
    start = Path(finetune_values["model"]["init_from"])
    TrainingRecord(frozenset({"sst2"}), frozenset({"rte"})).write(start)
    values = pretrain_values | {"model": {"init_from": str(start)}}
    pretrain(pretrain_config(values))
    start.rename(start.with_name("moved"))
    config = pretrain_config(values, training={"num_steps": 10})
    pretrain(config, resume=True)
    assert records_of(config.run_dir) == [TrainingRecord(frozenset({"sst2"}), frozenset({"rte"}))] * 3
