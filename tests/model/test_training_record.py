"""The record of what a model was trained on."""

from dataclasses import replace

import pytest

from t2t.errors import ModelError
from t2t.model.training_record import TrainingRecord


def test_a_record_is_read_from_the_models_folder(tmp_path):
    (tmp_path / "training.json").write_text('{"tasks": ["sst2"], "held_out": ["nli", "rte"]}')
    assert TrainingRecord.of_model(str(tmp_path)) == TrainingRecord(
        frozenset({"sst2"}), frozenset({"nli", "rte"})
    )


def test_a_model_without_a_record_may_have_seen_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = TrainingRecord.of_model("google/flan-t5-base")
    assert record == TrainingRecord(is_complete=False)
    assert record.has_seen("sst2") is None


def test_a_new_model_has_seen_nothing(tmp_path):
    assert TrainingRecord.before_training(None).has_seen("sst2") is False
    assert TrainingRecord.before_training(str(tmp_path)).has_seen("sst2") is None


def test_a_run_that_goes_on_has_the_record_of_its_checkpoint(tmp_path):
    (tmp_path / "model").mkdir()
    record = TrainingRecord(frozenset({"sst2"}))
    record.write(tmp_path / "model")
    assert TrainingRecord.before_training(str(tmp_path / "gone"), checkpoint=tmp_path) == record


def test_what_was_trained_from_an_unknown_model_stays_incomplete(tmp_path):
    record = TrainingRecord(frozenset({"sst2"}), frozenset({"rte"}), is_complete=False)
    record.write(tmp_path)
    assert TrainingRecord.read(tmp_path) == record
    assert (record.has_seen("sst2"), record.has_seen("rte")) == (True, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"tasks": []}', "'held_out'"),
        ('{"tasks": "sst2", "held_out": []}', "tasks is no list of names"),
    ],
)
def test_a_malformed_record_is_an_error(tmp_path, text, reason):
    path = tmp_path / "training.json"
    path.write_text(text)
    with pytest.raises(ModelError) as caught:
        TrainingRecord.read(tmp_path)
    assert str(caught.value) == (
        f"the record of the model's training is malformed: {reason}\n"
        f"  where: {path}\n"
        '  mend:  write {"tasks": [names], "held_out": [names]}, or remove the file'
    )


def test_a_model_with_an_adapter_has_seen_what_either_has(tmp_path):
    for name, tasks in [("model", {"sst2"}), ("adapter", {"rte", "sst2"})]:
        (tmp_path / name).mkdir()
        TrainingRecord(frozenset(tasks), frozenset({name})).write(tmp_path / name)
    places = [str(tmp_path / "model"), str(tmp_path / "adapter")]
    both = TrainingRecord(frozenset({"sst2", "rte"}), frozenset({"model", "adapter"}))
    assert TrainingRecord.of_models(places) == both
    assert TrainingRecord.of_models([*places, "owner/unknown"]) == replace(both, is_complete=False)
    assert TrainingRecord.of_models([]) == TrainingRecord(is_complete=False)
