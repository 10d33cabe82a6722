import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    M2M100Config,
    M2M100ForConditionalGeneration,
    ProphetNetConfig,
    ProphetNetForConditionalGeneration,
)

from t2t.config import MixtureConfig
from t2t.data.mixture import Mixture
from t2t.errors import HeldOutLeakError, MixtureError
from t2t.model import build_model, load_model
from t2t.training.chosen_tasks import choose_tasks
from t2t.training.finetune import finetune, set_dropout

from .conftest import finetune_config, metrics_of
from .test_pretrain import KillAt, Killed


def test_the_model_loads_with_transformers_alone(finetune_values):
    assert finetune(finetune_config(finetune_values)).step == 8
    AutoModelForSeq2SeqLM.from_pretrained(Path(finetune_values["run_dir"]) / "model")


def test_the_loss_falls_and_cut_examples_are_counted(finetune_values):
    config = finetune_config(
        finetune_values,
        training={"num_steps": 40, "log_every": 10, "eval_every": 20},
        lengths={"max_source_len": 20, "max_target_len": 16},
    )
    finetune(config)
    lines = metrics_of(config.run_dir)
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.7 * losses[0]
    assert [line["step"] for line in lines if "validation_loss" in line] == [20, 40]
    assert 0 < lines[0]["truncated_sources"] < 1
    assert lines[0]["truncated_targets"] == 0


@pytest.mark.parametrize("killed_at", [2, 5])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(finetune_values, tmp_path, killed_at):
    # with dropout, demonstrations, and a window of 3 batches that the kill comes in the midst of
    changes = {"mixture": {"shots": {"share": 0.5, "max": 2}}, "model": {"dropout_rate": 0.2}}
    config = finetune_config(finetune_values, **changes)
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(killed_at))
    finetune(config, resume=True)
    whole = finetune_config(finetune_values, run_dir=tmp_path / "whole", **changes)
    finetune(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)


def test_only_tasks_with_a_validation_split_validate(finetune_values, monkeypatch):
    built = []

    def note(tasks, *, split, **options):
        built.append((split, [task.name for task in tasks], options["seed"], options["rates"]))
        return build(tasks, split=split, **options)

    build = Mixture.build
    monkeypatch.setattr(Mixture, "build", note)
    mixture = {"rates": {"toy_mood": 1.0, "toy_sums": 3.0}}
    finetune(finetune_config(finetune_values, seed=7, mixture=mixture, training={"num_steps": 1}))
    assert built == [
        ("train", ["toy_mood", "toy_sums"], 7, {"toy_mood": 1.0, "toy_sums": 3.0}),
        ("validation", ["toy_mood"], 0, {"toy_mood": 1.0}),
    ]


def test_without_validation_data_nothing_is_validated(finetune_values):
    tasks = finetune_values["mixture"]["tasks"][1:]  # toy_sums has train rows only
    finetune(finetune_config(finetune_values, mixture={"tasks": tasks}))
    assert not [line for line in metrics_of(finetune_values["run_dir"]) if "validation_loss" in line]


def test_a_held_out_cluster_is_refused_before_anything_is_written(finetune_values):
    config = finetune_config(finetune_values, mixture={"held_out": ["mood"]})
    with pytest.raises(HeldOutLeakError):
        finetune(config)
    assert not config.run_dir.exists()


def test_a_misspelt_held_out_name_is_refused(finetune_values):
    with pytest.raises(MixtureError) as raised:
        finetune(finetune_config(finetune_values, mixture={"held_out": ["coreference_wds"]}))
    assert str(raised.value) == (
        'held_out names "coreference_wds", which is neither a task nor a cluster\n'
        '  mend:  did you mean "coreference_wsd"?'
    )


def test_dropout_is_set_everywhere(finetune_values):
    model = load_model(finetune_values["model"]["init_from"], device="cpu").model.train()
    ids = torch.randint(3, 384, (2, 9))
    set_dropout(model, 0.0)
    with torch.no_grad():
        assert torch.equal(model(ids, labels=ids).logits, model(ids, labels=ids).logits)
    set_dropout(model, 0.3)
    rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates == {0.3}
    assert model.config.dropout_rate == 0.3


def test_dropout_of_a_bart_is_set_everywhere():
    model = build_model("bart-tiny", vocab_size=384, pad_id=0, eos_id=1, dropout_rate=0.1).train()
    for layer in model.modules():
        if hasattr(layer, "activation_dropout"):
            layer.activation_dropout = 0.1  # as Facebook's checkpoints have it
    ids = torch.randint(3, 384, (2, 9))
    set_dropout(model, 0.0)
    with torch.no_grad():
        assert torch.equal(model(ids, labels=ids).logits, model(ids, labels=ids).logits)


def test_dropout_of_attention_is_set_where_it_has_a_name_of_its_own():
    sizes = {"num_encoder_layers": 1, "num_decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"num_encoder_attention_heads": 2, "num_decoder_attention_heads": 2}
    model = ProphetNetForConditionalGeneration(
        ProphetNetConfig(vocab_size=96, hidden_size=16, **sizes, **heads, attention_dropout=0.3)
    )
    set_dropout(model, 0.0)
    named = [module.attention_dropout for module in model.modules() if hasattr(module, "attention_dropout")]
    assert named
    assert {*named, model.config.attention_dropout} == {0.0}


def test_a_dropout_of_0_ends_layerdrop_too():
    options = {"encoder_layers": 2, "decoder_layers": 2}
    drops = {"encoder_layerdrop": 0.5, "decoder_layerdrop": 0.25}
    model = M2M100ForConditionalGeneration(
        M2M100Config(vocab_size=96, d_model=16, encoder_ffn_dim=16, decoder_ffn_dim=16, **options, **drops)
    )

    def layerdrops():
        stacks = [model.get_encoder().layerdrop, model.get_decoder().layerdrop]
        return [*stacks, model.config.encoder_layerdrop, model.config.decoder_layerdrop]

    set_dropout(model, 0.3)
    assert layerdrops() == [0.5, 0.25, 0.5, 0.25]
    set_dropout(model, 0)
    assert layerdrops() == [0.0, 0.0, 0.0, 0.0]


def test_run_json_names_every_value(finetune_values):
    config = finetune_config(finetune_values, training={"num_steps": 1})
    finetune(config, origins={"seed": "default"})
    facts = json.loads((config.run_dir / "run.json").read_text())
    assert facts["config"]["mixture"]["cap"] is None
    assert facts["origins"] == {"seed": "default"}


def chosen(toy_tasks_dir, toy_data_root, *names, **options):
    config = MixtureConfig(tasks=names, tasks_dirs=(toy_tasks_dir,), data_root=toy_data_root, **options)
    return [task.name for task in choose_tasks(config)]


def test_a_pattern_brings_in_no_task_that_is_held_out(toy_tasks_dir, toy_data_root):
    assert chosen(toy_tasks_dir, toy_data_root, "toy_*") == ["toy_mood", "toy_sums"]
    assert chosen(toy_tasks_dir, toy_data_root, "toy_*", held_out=("toy_sums",)) == ["toy_mood"]
    assert chosen(toy_tasks_dir, toy_data_root, "mood", "sums", held_out=("sums",)) == ["toy_mood"]


def test_another_task_on_held_out_rows_stays_out_too(toy_tasks_dir, toy_data_root, caplog):
    sums = toy_tasks_dir / "sums" / "toy_sums.yaml"
    sums.with_name("toy_more.yaml").write_text(sums.read_text().replace("task: toy_sums", "task: toy_more"))
    options = {"held_out": ("toy_sums",)}
    assert chosen(toy_tasks_dir, toy_data_root, "toy_*", **options) == ["toy_mood"]
    assert caplog.messages == ["left out 1 task whose dataset is held out: toy_more"]
    with pytest.raises(
        HeldOutLeakError, match='has rows of "toy_sums", as "toy_sums" has, which is held out'
    ):
        chosen(toy_tasks_dir, toy_data_root, "toy_more", **options)


def test_a_task_on_rows_of_a_held_out_cluster_stays_out_too(toy_tasks_dir, toy_data_root, caplog):
    mood = (toy_tasks_dir / "mood" / "toy_mood.yaml").read_text()
    more = mood.replace("task: toy_mood", "task: toy_more").replace("cluster: mood", "cluster: more")
    (toy_tasks_dir / "more").mkdir()
    (toy_tasks_dir / "more" / "toy_more.yaml").write_text(more)
    # toy_mood and toy_more, of two clusters, have the rows of toy_mood: each goes with the other's cluster.
    for cluster, other in (("mood", "toy_more"), ("more", "toy_mood")):
        caplog.clear()
        assert chosen(toy_tasks_dir, toy_data_root, "toy_*", held_out=(cluster,)) == ["toy_sums"]
        assert caplog.messages == [f"left out 1 task whose dataset is held out: {other}"]
        with pytest.raises(HeldOutLeakError) as caught:
            chosen(toy_tasks_dir, toy_data_root, other, held_out=(cluster,))
        assert str(caught.value) == (
            f'task "{other}" has rows of "toy_mood", as "{cluster}" has, which is held out\n'
            "  where: mixture.tasks\n"
            f'  mend:  take the task out of the mixture\'s tasks, or "{cluster}" out of held_out'
        )


def test_a_task_on_rows_of_a_held_out_task_stays_out_too(toy_tasks_dir, toy_data_root, tmp_path, caplog):
    """Its rows are those of a folder of another name, or of a file."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"text": "{number}", "label": {number % 2}}}\n' for number in range(4)))
    mood = (toy_tasks_dir / "mood" / "toy_mood.yaml").read_text().replace("cluster: mood", "cluster: more")
    mood = mood.replace("  hub: {path: example/toy, name: mood}\n", "")
    for name, dataset in (
        ("toy_one", "local: toy_mood"),
        ("toy_two", "local: toy_mood"),
        ("toy_three", f"files: {{train: {rows}}}"),
        ("toy_four", f"files: {{train: {rows}}}"),
    ):
        text = mood.replace("task: toy_mood", f"task: {name}").replace("local: toy_mood", dataset)
        (toy_tasks_dir / f"{name}.yaml").write_text(text)
    for held_out, other in (("toy_one", "toy_two"), ("toy_three", "toy_four")):
        caplog.clear()
        assert other not in chosen(toy_tasks_dir, toy_data_root, "toy_*", held_out=(held_out,))
        assert other in caplog.text
        with pytest.raises(HeldOutLeakError, match=f'as "{held_out}" has, which is held out'):
            chosen(toy_tasks_dir, toy_data_root, other, held_out=(held_out,))


def test_a_pattern_leaves_out_tasks_without_training_rows_and_says_so(toy_tasks_dir, toy_data_root, caplog):
    (toy_data_root / "toy_mood" / "train.jsonl").unlink()
    assert chosen(toy_tasks_dir, toy_data_root, "toy_*") == ["toy_sums"]
    assert caplog.messages == ["left out 1 task without training rows here: toy_mood"]
    # Named itself it stays, and the run then says what is missing.
    assert chosen(toy_tasks_dir, toy_data_root, "toy_mood") == ["toy_mood"]


@pytest.mark.parametrize(
    ("hub", "expected"),
    [
        ("  hub: {path: example/toy, name: mood}\n", ["toy_mood", "toy_sums"]),
        ("", ["toy_sums"]),
        ("  hub: {path: example/toy, name: mood}\n  splits: {test: test}\n", ["toy_sums"]),
    ],
    ids=["train on the Hub", "not on the Hub", "test alone on the Hub"],
)
def test_a_pattern_has_a_task_without_rows_here_if_the_hub_has_its_training_rows(
    toy_tasks_dir, toy_data_root, hub, expected
):
    path = toy_tasks_dir / "mood" / "toy_mood.yaml"
    dataset = re.compile(r"  hub: .*\n  splits: (.*\n)")
    splits = "" if "splits" in hub else r"  splits: \1"
    path.write_text(dataset.sub(hub + splits, path.read_text()))
    shutil.rmtree(toy_data_root / "toy_mood")
    assert chosen(toy_tasks_dir, toy_data_root, "toy_*") == expected


def test_a_mixture_of_nothing_is_an_error(toy_tasks_dir, toy_data_root):
    with pytest.raises(MixtureError) as caught:
        chosen(toy_tasks_dir, toy_data_root, "toy_*", held_out=("mood", "sums"))
    assert str(caught.value) == (
        "all tasks of the mixture are held out or have no training rows\n"
        "  where: mixture.tasks\n"
        "  mend:  take names out of mixture.held_out, or name the data with mixture.data_root or T2T_DATA"
    )
