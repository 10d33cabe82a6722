import json
import shutil

import pytest
from safetensors.torch import load_file

from t2t.config import EarlyStoppingConfig, PretrainConfig, load_config
from t2t.errors import ConfigError, TrainingError
from t2t.training.checkpoint import TrainerState, newest_checkpoint, read_trainer_state
from t2t.training.early_stopping import is_over, note_validation
from t2t.training.pretrain import pretrain
from t2t.training.run_folder import RunFolder

from .conftest import metrics_of, pretrain_config
from .test_pretrain import KillAt, Killed

# No validation is better by 100 nats than the first: with patience 2, the third ends the run.
HOPELESS = {"num_steps": 20, "eval_every": 2, "early_stopping": {"patience": 2, "min_delta": 100.0}}


@pytest.fixture
def worsening(monkeypatch):
    """Validations say that the model of step 2 is the best."""

    def validate(trainer, validation):
        return {"validation_loss": 3.0 if trainer.state.step == 2 else 3.5}

    monkeypatch.setattr("t2t.training.loop.validate", validate)


def noted(values, **options):
    """Of each validation, one a step: is it the best, and how many since the best."""
    state = TrainerState()
    notes = []
    for step, value in enumerate(values, start=1):
        state.step = step
        notes.append((note_validation(state, value, **options), state.num_since_best))
    return notes, state


def test_the_example_of_the_docstring():
    notes, state = noted([3.0, 2.5, 2.45, 2.6], higher_is_better=False, min_delta=0.1)
    assert notes == [(True, 0), (True, 0), (True, 1), (False, 2)]
    assert (state.best_step, state.best_value, state.reference_value) == (3, 2.45, 2.5)
    assert is_over(state, EarlyStoppingConfig(patience=2))
    assert not is_over(state, EarlyStoppingConfig(patience=3))
    assert not is_over(state, None)


def test_the_best_is_the_best_however_little_it_gained():
    notes, state = noted([3.578, 2.679, 2.168, 1.983], higher_is_better=False, min_delta=5.0)
    assert notes == [(True, 0), (True, 1), (True, 2), (True, 3)]
    assert (state.best_step, state.best_value, state.reference_value) == (4, 1.983, 3.578)


def test_small_gains_add_up_to_one_that_counts():
    notes, state = noted([50.0, 50.75, 51.5], higher_is_better=True, min_delta=1.0)
    assert notes == [(True, 0), (True, 1), (True, 0)]  # 51.5 is 1.5 above 50, the last that counted
    assert state.reference_value == 51.5


def test_a_checkpoint_without_a_reference_counts_on_against_its_best(tmp_path):
    facts = {"format": 1, "step": 4, "best_step": 2, "best_value": 2.5, "num_since_best": 1}
    (tmp_path / "trainer.json").write_text(json.dumps(facts))
    state = read_trainer_state(tmp_path)
    assert note_validation(state, 2.45, higher_is_better=False, min_delta=0.1)
    assert (state.best_step, state.best_value) == (4, 2.45)
    assert (state.reference_value, state.num_since_best) == (2.5, 2)


def test_a_score_is_better_if_it_is_higher():
    notes, state = noted([50.0, 49.0, 50.0, 50.5], higher_is_better=True)
    assert notes == [(True, 0), (False, 1), (False, 2), (True, 0)]  # an equal one is not better
    assert state.best_step == 4


def test_what_is_no_number_is_never_the_best():
    notes, state = noted([float("nan"), 2.0, float("nan"), 1.0], higher_is_better=False)
    assert notes == [(False, 1), (True, 0), (False, 1), (True, 0)]
    assert state.best_step == 4


@pytest.mark.usefixtures("worsening")
def test_a_run_ends_when_validations_get_no_better(pretrain_values):
    config = pretrain_config(pretrain_values, training=HOPELESS)
    outcome = pretrain(config)
    assert (outcome.step, outcome.stopped_by, outcome.ended_early) == (6, None, True)
    assert (outcome.best_step, outcome.published_step) == (2, 6)
    validations = [line for line in metrics_of(config.run_dir) if "validation_loss" in line]
    assert [(line["step"], line["best_step"]) for line in validations] == [(2, 2), (4, 2), (6, 2)]
    assert newest_checkpoint(RunFolder(config.run_dir).checkpoints).name == "step-00000006"
    assert (config.run_dir / "model" / "model.safetensors").exists()


def test_a_run_that_ended_early_does_not_go_on_unless_it_is_given_patience(pretrain_values, tmp_path):
    config = pretrain_config(pretrain_values, training=HOPELESS)
    pretrain(config)
    lines = metrics_of(config.run_dir)
    again = pretrain(config, resume=True)
    assert (again.step, again.ended_early, again.published_step) == (6, True, 6)
    assert metrics_of(config.run_dir) == lines

    patient = HOPELESS | {"early_stopping": {"patience": 4, "min_delta": 100.0}}
    assert pretrain(pretrain_config(pretrain_values, training=patient), resume=True).step == 10
    whole = pretrain_config(pretrain_values, run_dir=tmp_path / "whole", training=patient)
    pretrain(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)


class KillAtValidation:
    """A Progress that ends the process with a validation's line written and its checkpoint not."""

    def __init__(self, at):
        self.at = at

    def start(self, *, step, num_steps):
        pass

    def step(self, step):
        pass

    def metrics(self, line):
        if "validation_loss" in line and line["step"] == self.at:
            raise Killed


@pytest.mark.usefixtures("worsening")
@pytest.mark.parametrize(
    "killer", [KillAt(1), KillAt(3), KillAt(5), KillAtValidation(2), KillAtValidation(4)]
)
def test_a_killed_run_keeps_its_best_checkpoint_and_ends_where_it_would_have(
    pretrain_values, tmp_path, killer
):
    changes = HOPELESS | {"publish": "best", "keep_checkpoints": 1}
    config = pretrain_config(pretrain_values, training=changes)
    with pytest.raises(Killed):
        pretrain(config, progress=killer)
    outcome = pretrain(config, resume=True)
    assert (outcome.step, outcome.published_step) == (6, 2)
    whole = pretrain_config(pretrain_values, run_dir=tmp_path / "whole", training=changes)
    pretrain(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
    assert weights_of(config.run_dir / "model").keys() == weights_of(whole.run_dir / "model").keys()
    for key, weight in weights_of(whole.run_dir / "model").items():
        assert weight.equal(weights_of(config.run_dir / "model")[key])


def weights_of(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.usefixtures("worsening")
def test_the_best_checkpoint_is_kept_and_published(pretrain_values):
    config = pretrain_config(pretrain_values, training=HOPELESS | {"publish": "best", "keep_checkpoints": 1})
    pretrain(config)
    checkpoints = config.run_dir / "checkpoints"
    # checkpoint_every is 3: that of step 2 was written since its validation was the best
    assert sorted(path.name for path in checkpoints.iterdir()) == ["step-00000002", "step-00000006"]
    best, last, published = (
        weights_of(folder)["shared.weight"]
        for folder in (
            checkpoints / "step-00000002" / "model",
            checkpoints / "step-00000006" / "model",
            config.run_dir / "model",
        )
    )
    assert published.equal(best)
    assert not published.equal(last)
    assert json.loads((config.run_dir / "run.json").read_text())["published_step"] == 2


@pytest.mark.parametrize(
    "changes",
    [{}, {"early_stopping": {"patience": 2, "min_delta": 100.0}}],
    ids=["no early stopping", "too small to count"],
)
def test_a_better_validation_takes_the_place_of_the_best(pretrain_values, changes):
    changes = {"num_steps": 8, "eval_every": 2, "publish": "best", "keep_checkpoints": 1, **changes}
    config = pretrain_config(pretrain_values, training=changes)
    outcome = pretrain(config)
    losses = {
        line["step"]: line["validation_loss"] for line in metrics_of(config.run_dir) if "best_step" in line
    }
    best = min(losses, key=losses.__getitem__)
    assert best > 2  # it learns
    assert (outcome.best_step, outcome.published_step) == (best, best)
    names = {path.name for path in (config.run_dir / "checkpoints").iterdir()}
    assert names == {f"step-{best:08d}", f"step-{outcome.step:08d}"}


@pytest.mark.usefixtures("worsening")
def test_a_kill_while_the_best_model_is_copied_leaves_a_run_to_resume(pretrain_values, monkeypatch):
    config = pretrain_config(pretrain_values, training=HOPELESS | {"publish": "best"})

    def killed(source, target):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(shutil, "copytree", killed)
        pretrain(config)
    assert not (config.run_dir / "model").exists()
    assert pretrain(config, resume=True).published_step == 2
    assert (config.run_dir / "model" / "model.safetensors").exists()


@pytest.mark.usefixtures("worsening")
def test_a_best_checkpoint_that_is_gone_is_told_before_the_run_goes_on(pretrain_values):
    config = pretrain_config(pretrain_values, training=HOPELESS | {"publish": "best"})
    with pytest.raises(Killed):
        pretrain(config, progress=KillAt(5))
    shutil.rmtree(config.run_dir / "checkpoints" / "step-00000002")
    with pytest.raises(TrainingError) as caught:
        pretrain(config, resume=True)
    assert str(caught.value) == (
        "the best validation so far was in step 2, whose checkpoint is gone\n"
        f"  where: {config.run_dir / 'checkpoints'}, training.publish\n"
        "  mend:  resume with training.publish=last; the best is kept where a run begins with publish=best"
    )


@pytest.mark.parametrize(
    ("name", "value"), [("publish", "best"), ("early_stopping", {"patience": 1})], ids=["publish", "stopping"]
)
def test_what_goes_by_validations_needs_validation_data(pretrain_values, name, value):
    pretrain_values["data"].pop("validation")
    config = pretrain_config(pretrain_values, training={"eval_every": 2, name: value})
    with pytest.raises(TrainingError) as caught:
        pretrain(config)
    assert str(caught.value) == (
        f"training.{name} goes by validations, and the run has no validation data\n"
        f"  where: training.{name}\n"
        "  mend:  give the run validation data, or leave that option out"
    )
    assert not config.run_dir.exists()


@pytest.mark.parametrize(
    ("override", "wish"),
    [("training.publish=best", "publish best"), ("training.early_stopping={patience: 1}", "early_stopping")],
)
def test_what_goes_by_validations_is_refused_without_them(pretrain_values, tmp_path, override, wish):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(pretrain_values))
    with pytest.raises(ConfigError) as caught:
        load_config(PretrainConfig, path, [override, "training.num_eval_batches=0"])
    assert str(caught.value) == (
        f"{wish} goes by validations, and there are none\n"
        f"  where: {path}:1, training\n"
        "  mend:  give num_eval_batches"
    )
