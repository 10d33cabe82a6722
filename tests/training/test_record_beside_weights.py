"""`training.json` lies beside the weights of every checkpoint and of the published model."""

import json
from pathlib import Path

import pytest

from t2t.evaluation.training_record import TrainingRecord
from t2t.training.finetune import finetune
from t2t.training.pretrain import pretrain
from t2t.training.run_folder import RunFolder

from .conftest import finetune_config, pretrain_config


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
