"""The `objective:` section of a pretraining run."""

from pathlib import Path
from typing import get_args

import pytest

from t2t.config import ObjectiveConfig, ObjectiveName, PretrainConfig, load_config
from t2t.errors import ConfigError, Faults
from t2t.yaml_file import parse_model, parse_yaml

SCRIPTS = Path(__file__).parent.parent / "scripts"
NAMES = get_args(ObjectiveName)


def read(text: str) -> ObjectiveConfig:
    return parse_model(ObjectiveConfig, parse_yaml(text, "run.yaml"))


def test_span_corruption_needs_no_name():
    objective = read("{noise_density: 0.2, max_source_len: 128}")
    assert objective.name == "span_corruption"
    assert objective.parameters == {"noise_density": 0.2, "mean_noise_span_length": 3.0}
    assert objective.max_source_len == 128


@pytest.mark.parametrize("name", NAMES)
def test_an_objective_has_the_values_of_its_paper(name):
    objective = read(f"name: {name}")
    assert all(value is not None for value in objective.parameters.values()) or name == "prefix_lm"
    unset = {"noise_density", "mean_noise_span_length", "mode_prefixes"} - objective.parameters.keys()
    assert all(getattr(objective, key) is None for key in unset)


def test_a_mix_names_several():
    objective = read("""
max_source_len: 128
mix:
  - {name: span_corruption, rate: 3, prefix: "spans:"}
  - {name: prefix_lm, noise_density: 0.25}
""")
    assert objective.name is None
    assert [(member.name, member.rate, member.prefix) for member in objective.mix] == [
        ("span_corruption", 3.0, "spans:"),
        ("prefix_lm", 1.0, ""),
    ]
    assert [member.parameters for member in objective.mix] == [
        {"noise_density": 0.15, "mean_noise_span_length": 3.0},
        {"noise_density": 0.25},
    ]


@pytest.mark.parametrize("text", ["{}", "name: ul2", "name: prefix_lm", "mix: [{name: bart}, {name: mass}]"])
def test_a_dumped_objective_reads_again(text):
    objective = read(text)
    assert ObjectiveConfig.model_validate_json(objective.model_dump_json(), strict=True) == objective


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: brt",
            'unknown value for "name": "brt"\n'
            "  where: run.yaml:1, name\n"
            f"  have:  {', '.join(NAMES)}\n"
            '  mend:  did you mean "bert"?',
        ),
        (
            "{name: deshuffling, noise_density: 0.2}",
            'deshuffling has no "noise_density"\n'
            "  where: run.yaml:1\n"
            "  mend:  leave it out; deshuffling has no parameters",
        ),
        (
            "mix:\n  - {name: bert, mean_noise_span_length: 3}",
            'bert has no "mean_noise_span_length"\n'
            "  where: run.yaml:2, mix[0]\n"
            "  mend:  leave it out; bert has noise_density",
        ),
        (
            "mix: [{name: bart}]\nnoise_density: 0.1",
            '"noise_density" stands beside a mix\n'
            "  where: run.yaml:1\n"
            "  mend:  say it of the members of mix, one by one",
        ),
        (
            "mix:\n  - {rate: 2}",
            "a member of a mix has no name\n"
            "  where: run.yaml:2, mix[0]\n"
            "  mend:  add name: the objective, see t2t.denoising",
        ),
        (
            "mix:\n  - {name: bart, rat: 2}",
            'unknown key: "rat"\n'
            "  where: run.yaml:2, mix[0].rat\n"
            "  have:  mean_noise_span_length, mode_prefixes, name, noise_density, prefix, rate\n"
            '  mend:  did you mean "rate"?',
        ),
        (
            "mix:\n  - {name: bart, rate: 0}",
            '"rate" should be greater than 0, not 0\n  where: run.yaml:2, mix[0].rate',
        ),
        (
            'noise_density: "0.2"',
            '"noise_density" should be a number, not "0.2"\n  where: run.yaml:1, noise_density',
        ),
    ],
)
def test_what_does_not_fit_is_told(text, message):
    with pytest.raises((ConfigError, Faults)) as raised:
        read(text)
    assert str(raised.value) == message


def test_a_part_can_be_set_on_the_command_line():
    config, origins = load_config(
        PretrainConfig, SCRIPTS / "starter_pretrain.yaml", ["objective.noise_density=0.3"]
    )
    assert config.objective.parameters == {"noise_density": 0.3, "mean_noise_span_length": 3.0}
    assert origins["objective.noise_density"] == "command line"
    assert origins["objective.max_source_len"].startswith("starter_pretrain.yaml:")


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("starter_pretrain", "span_corruption"),
        ("starter_copying", None),  # a mix
        ("t5_small", "span_corruption"),
        ("ul2_small", "ul2"),
        ("bart_base", "bart"),
        ("mbart_language", "bart"),
    ],
)
def test_the_runs_we_publish_load(script, name):
    config, _ = load_config(PretrainConfig, SCRIPTS / f"{script}.yaml")
    assert config.objective.name == name


def test_no_pretraining_run_is_left_out():
    runs = {path.stem for path in SCRIPTS.glob("*.yaml") if "\nobjective:" in path.read_text()}
    assert runs == {
        "starter_pretrain",
        "starter_copying",
        "t5_small",
        "ul2_small",
        "bart_base",
        "mbart_language",
    }


def test_every_field_of_an_objective_says_what_it_is_in():
    members = get_args(ObjectiveConfig.model_fields["mix"].annotation)[0].model_fields
    assert all(field.description for field in (ObjectiveConfig.model_fields | members).values())
