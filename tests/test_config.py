import json
from pathlib import Path

import pytest

from t2t.config import FinetuneConfig, PretrainConfig, ScheduleConfig, diff_configs, load_config
from t2t.errors import ConfigError, Faults

PRETRAIN = """\
run_dir: runs/toy
model:
  preset: tiny
  tokenizer: tokenizer
data: {train: corpus}
optim:
  lr: 1e-2
  betas: [0.9, 0.99]
training: {num_steps: 100}
"""


@pytest.fixture
def run_yaml(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(PRETRAIN)
    return path


def error_of(path: Path, *overrides: str) -> str:
    with pytest.raises((ConfigError, Faults)) as caught:
        load_config(PretrainConfig, path, overrides)
    return str(caught.value)


def test_the_command_line_wins_over_the_file_and_the_file_over_defaults(run_yaml):
    config, origins = load_config(
        PretrainConfig, run_yaml, ["optim.lr=2e-3", "training.compile=true", "run_dir=elsewhere"]
    )
    assert (config.optim.lr, config.optim.betas, config.optim.clip_norm) == (0.002, (0.9, 0.99), 1.0)
    assert config.training.compile
    assert config.run_dir == Path("elsewhere")
    assert {key: origins[key] for key in ("optim.lr", "optim.betas", "optim.clip_norm", "data.train")} == {
        "optim.lr": "command line",
        "optim.betas": "toy.yaml:8",
        "optim.clip_norm": "default",
        "data.train": "toy.yaml:5",
    }


def test_every_value_has_an_origin(run_yaml):
    config, origins = load_config(PretrainConfig, run_yaml)

    def count(values):
        return sum(count(value) if isinstance(value, dict) else 1 for value in values.values())

    assert len(origins) == count(config.model_dump())


def test_a_section_can_be_given_whole_on_the_command_line(run_yaml):
    config, origins = load_config(PretrainConfig, run_yaml, ["schedule={name: constant, warmup_steps: 7}"])
    assert (config.schedule.name, config.schedule.warmup_steps) == ("constant", 7)
    assert origins["schedule.warmup_steps"] == "command line"


def test_a_value_may_hold_an_equals_sign(run_yaml):
    config, _ = load_config(PretrainConfig, run_yaml, ["model.tokenizer=a=b"])
    assert config.model.tokenizer == "a=b"


def test_all_faults_are_told_at_once_with_their_places(run_yaml):
    run_yaml.write_text(PRETRAIN.replace("lr:", "learning_rte:").replace("100", "0"))
    assert error_of(run_yaml, "optim.clip_nrm=1", "schedule.name=linea", "optim.betas=[0.9, x]") == (
        "5 faults\n"
        '"betas[1]" should be a number, not "x"\n'
        "  where: command line, optim.betas[1]\n"
        "  mend:  write a number, as in 0.1\n"
        'unknown key: "clip_nrm"\n'
        "  where: command line, optim.clip_nrm\n"
        "  have:  betas, clip_norm, layer_lr_decay, lr, name, unfreeze_every, weight_decay\n"
        '  mend:  did you mean "clip_norm"?\n'
        'unknown value for "name": "linea"\n'
        "  where: command line, schedule.name\n"
        "  have:  cosine, linear, inverse_sqrt, constant, wsd\n"
        '  mend:  did you mean "linear"?\n'
        'unknown key: "learning_rte"\n'
        f"  where: {run_yaml}:7, optim.learning_rte\n"
        "  have:  betas, clip_norm, layer_lr_decay, lr, name, unfreeze_every, weight_decay\n"
        '"num_steps" should be greater than or equal to 1, not 0\n'
        f"  where: {run_yaml}:9, training.num_steps"
    )


def test_a_moment_that_never_decays_is_refused(run_yaml):
    assert error_of(run_yaml, "optim.betas=[0.9, 1.0]").startswith('"betas[1]" should be less than 1')


@pytest.mark.parametrize("override", ["optim.lr", "=3", "optim..lr=1"])
def test_what_is_no_override(run_yaml, override):
    assert error_of(run_yaml, override) == (
        f'not an override: "{override}"\n'
        "  where: command line\n"
        "  mend:  write key.subkey=value, as in optim.lr=0.01"
    )


def test_a_value_that_is_not_yaml(run_yaml):
    assert error_of(run_yaml, "optim.betas=[0.9").startswith("YAML syntax: ")


def test_an_override_of_a_missing_section_says_what_it_still_lacks(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(PRETRAIN.replace("training: {num_steps: 100}\n", ""))
    assert error_of(path, "training.batch_size=4") == (
        'missing key: "num_steps"\n  where: command line, training.num_steps\n  mend:  add "num_steps": steps'
    )


def test_an_empty_file_lacks_everything(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text("")
    assert "the file" in error_of(path, "optim.lr=1")


def test_adamw_takes_no_rate_that_is_meant_for_relative_steps(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(PRETRAIN.replace("  lr: 1e-2\n", "  name: adamw\n"))
    assert error_of(path) == (
        "adamw lacks lr: the default is relative to a tensor's RMS, and ruins a run with adamw\n"
        f"  where: {path}:6, optim\n"
        "  mend:  give one such as optim.lr=0.001; LoRA mostly takes 0.001 to 0.0001"
    )
    assert load_config(PretrainConfig, path, ["optim.lr=0.02"])[0].optim.lr == 0.02


@pytest.mark.parametrize(
    ("override", "problem", "mend"),
    [
        (
            "model.init_from=runs/other/model",
            "init_from brings its own size and tokenizer",
            "leave out preset and tokenizer",
        ),
        (
            "model={init_from: runs/other/model, attention_init: mimetic}",
            "attention_init is of new weights, and init_from brings its own",
            "leave it out",
        ),
        ("model={}", "no model to train", "give preset and tokenizer, or init_from"),
    ],
)
def test_a_model_is_new_or_existing(run_yaml, override, problem, mend):
    place = f"{run_yaml}:2, model" if override.startswith("model.") else "command line, model"
    assert error_of(run_yaml, override) == f"{problem}\n  where: {place}\n  mend:  {mend}"


def test_a_batch_is_cut_into_equal_micro_batches(run_yaml):
    assert error_of(run_yaml, "training.batch_size=6", "training.micro_batch_size=4") == (
        f"batch_size 6 is no multiple of micro_batch_size 4\n  where: {run_yaml}:9, training"
    )


@pytest.mark.parametrize(
    ("override", "problem", "mend"),
    [
        ("schedule.name=wsd", "wsd lacks decay_steps", "give the steps in which the rate falls at the end"),
        ("schedule.decay_steps=5", "cosine takes no decay_steps", "leave them out, or set name: wsd"),
    ],
)
def test_only_wsd_takes_decay_steps(run_yaml, override, problem, mend):
    assert error_of(run_yaml, override) == f"{problem}\n  where: command line, schedule\n  mend:  {mend}"


def test_a_config_never_changes(run_yaml):
    config, _ = load_config(PretrainConfig, run_yaml)
    with pytest.raises(ValueError, match="frozen"):
        config.optim.lr = 1.0


def test_finetune_config(tmp_path):
    path = tmp_path / "finetune.yaml"
    path.write_text(
        "run_dir: runs/toy\n"
        "model: {init_from: model}\n"
        "mixture:\n"
        "  tasks: [sst2, rte]\n"
        "  templates: {sst2: [good or bad]}\n"
        "training: {num_steps: 10}\n"
    )
    config, origins = load_config(FinetuneConfig, path, ["mixture.rates={sst2: 1, rte: 2.5}"])
    assert config.mixture.tasks == ("sst2", "rte")
    assert config.mixture.templates == {"sst2": ("good or bad",)}
    assert config.mixture.rates == {"sst2": 1.0, "rte": 2.5}
    assert origins["mixture.rates"] == "command line"
    assert origins["mixture.templates"] == "finetune.yaml:5"


@pytest.mark.parametrize(
    ("mixture", "problem"),
    [
        ("weights: {rte: 2}, rates: {rte: 1}", "weights stand beside rates, which need none"),
        ("cap: 10, rates: {rte: 1}", "cap and temperature stand beside rates, which need none"),
        ("temperature: 2, rates: {rte: 1}", "cap and temperature stand beside rates, which need none"),
        ("shots: {share: 0.1}", "share is 0.1, of at most 0 demonstrations"),
    ],
)
def test_options_of_a_mixture_that_could_not_act(tmp_path, mixture, problem):
    path = tmp_path / "finetune.yaml"
    path.write_text(
        "run_dir: runs/toy\n"
        "model: {init_from: model}\n"
        f"mixture: {{tasks: [rte], {mixture}}}\n"
        "training: {num_steps: 10}\n"
    )
    with pytest.raises(ConfigError, match=problem):
        load_config(FinetuneConfig, path)


def test_a_dumped_config_loads_again(run_yaml, tmp_path):
    config, _ = load_config(PretrainConfig, run_yaml)
    copy = tmp_path / "copy.yaml"
    copy.write_text(json.dumps(config.model_dump(mode="json")))
    assert load_config(PretrainConfig, copy)[0] == config


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("starter_recall", FinetuneConfig),
        ("starter", FinetuneConfig),
        ("starter_pretrain", PretrainConfig),
        ("starter_copying", PretrainConfig),
        ("starter_sni", FinetuneConfig),
    ],
)
def test_the_configs_of_the_starter_load(name, kind):
    load_config(kind, Path(__file__).parent.parent / "scripts" / f"{name}.yaml")


def test_differences_by_dotted_key():
    old = {"seed": 0, "optim": {"lr": 0.1, "name": "a"}, "gone": 1, "rates": {}}
    new = {"seed": 0, "optim": {"lr": 0.2, "name": "a"}, "rates": {"rte": 1.0}}
    assert diff_configs(old, new) == {
        "optim.lr": (0.1, 0.2),
        "gone": (1, None),
        "rates": ({}, None),
        "rates.rte": (None, 1.0),
    }


def test_every_field_says_what_it_is_in():
    def check(model):
        for name, field in model.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                check(field.annotation)
            else:
                assert field.description, f"{model.__name__}.{name}"

    check(PretrainConfig)
    check(FinetuneConfig)


def test_betas_are_not_given_to_an_optimizer_that_has_none(run_yaml):
    message = error_of(run_yaml, "optim.name=adafactor", "optim.betas=[0.9, 0.99]")
    assert message.splitlines()[0] == "adafactor keeps no first moment, and takes no betas"
    assert message.splitlines()[-1] == "  mend:  leave betas out"


@pytest.mark.parametrize(
    ("override", "problem", "mend"),
    [
        ("training.trackers=wandb", '"trackers" should be a list, not "wandb"', "write [wandb]"),
        (
            "training.trackers=wandb, tensorboard",
            '"trackers" should be a list, not "wandb, tensorboard"',
            "write [wandb, tensorboard]",
        ),
        ("optim.lr=0,1", '"lr" should be a number, not "0,1"', "write 0.1"),
        ("optim.lr='0.1'", '"lr" should be a number, not "0.1"', "write 0.1 without quotation marks"),
        ("optim.lr=fast", '"lr" should be a number, not "fast"', "write a number, as in 0.1"),
        ("optim.lr='{'", '"lr" should be a number, not "{"', "write a number, as in 0.1"),
        ("training.num_steps=1,000", '"num_steps" should be a whole number, not "1,000"', "write 1000"),
        (
            "training.num_steps=many",
            '"num_steps" should be a whole number, not "many"',
            "write a whole number, as in 3",
        ),
    ],
)
def test_a_word_in_the_place_of_a_list_or_a_number_is_written_anew(run_yaml, override, problem, mend):
    place = override.partition("=")[0]
    assert error_of(run_yaml, override) == f"{problem}\n  where: command line, {place}\n  mend:  {mend}"


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("tow.yaml", 'did you mean "toy.yaml"?'),
        ("nowhere/pretraining", "give the path of a run's YAML file; --keys tells what it may say"),
    ],
)
def test_a_file_that_is_not_there(run_yaml, name, mend):
    path = run_yaml.parent / name
    assert error_of(path) == f"there is no such file\n  where: {path}\n  mend:  {mend}"


def test_an_override_in_the_place_of_the_file():
    assert error_of(Path("training.num_steps=3")) == (
        "there is no such file\n  where: training.num_steps=3\n"
        "  mend:  give the run's YAML file first: RUN.yaml training.num_steps=3"
    )


def test_a_run_of_the_other_kind_is_told_by_its_command(run_yaml, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_config(FinetuneConfig, run_yaml)
    assert str(caught.value) == (
        f'this reads like a pretraining run: it has "data"\n  where: {run_yaml}:5, data\n'
        f"  mend:  t2t pretrain {run_yaml}"
    )
    other = tmp_path / "tasks.yaml"
    other.write_text("run_dir: runs/toy\nmixture: {tasks: [rte]}\n")
    assert error_of(other) == (
        f'this reads like a fine-tuning run: it has "mixture"\n  where: {other}:2, mixture\n'
        f"  mend:  t2t finetune {other}"
    )


def test_a_run_with_a_key_too_many_is_still_of_its_kind(run_yaml):
    assert error_of(run_yaml, "mixture={tasks: [rte]}").startswith('unknown key: "mixture"')
    run_yaml.write_text(PRETRAIN + "mixture: {tasks: [rte]}\n")
    assert error_of(run_yaml).startswith('unknown key: "mixture"')


@pytest.mark.parametrize(("num_steps", "warmup_steps"), [(60, 6), (5, 0), (100_000, 500)])
def test_a_warm_up_that_is_not_given_is_a_tenth_of_the_run_at_most_500(num_steps, warmup_steps):
    assert ScheduleConfig().num_warmup_steps(num_steps) == warmup_steps
    assert ScheduleConfig(warmup_steps=7).num_warmup_steps(num_steps) == 7
