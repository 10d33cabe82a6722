import pytest

from t2t.errors import TrainingError
from t2t.training.combinations import check_combinations

from .conftest import finetune_config, pretrain_config


def message(config) -> str:
    with pytest.raises(TrainingError) as caught:
        check_combinations(config)
    return str(caught.value)


def test_what_goes_together_is_accepted(pretrain_values, finetune_values):
    regularization = {"label_smoothing": 0.1, "r_drop": 1.0, "layer_drop": 0.1}
    check_combinations(pretrain_config(pretrain_values, regularization=regularization))
    check_combinations(finetune_config(finetune_values, regularization={**regularization, "mixout": 0.5}))
    check_combinations(
        finetune_config(finetune_values, adapter={"name": "lora"}, optim={"layer_lr_decay": 0.4})
    )


def test_mixout_needs_a_model_to_go_back_to(pretrain_values):
    assert message(pretrain_config(pretrain_values, regularization={"mixout": 0.5})) == (
        "mixout goes back to the weights of model.init_from, and there is none\n"
        "  where: regularization.mixout\n"
        "  mend:  leave mixout out, or give model.init_from"
    )


def test_mixout_beside_an_adapter(finetune_values):
    config = finetune_config(finetune_values, adapter={"name": "ia3"}, regularization={"mixout": 0.5})
    assert message(config) == (
        "mixout acts on the model's own weights, which an adapter leaves as they are\n"
        "  where: regularization.mixout\n"
        "  mend:  leave out mixout or the adapter"
    )


@pytest.mark.parametrize("name", ["label_smoothing", "r_drop"])
def test_changes_to_the_cross_entropy_beside_t_few(finetune_values, name):
    config = finetune_config(finetune_values, loss="t_few", regularization={name: 0.5})
    assert message(config) == (
        f"{name} is a change to the cross-entropy, and the loss is t_few\n"
        f"  where: regularization.{name}\n"
        "  mend:  leave it out, or set loss=cross_entropy"
    )


@pytest.mark.parametrize(("name", "value"), [("layer_lr_decay", 0.5), ("unfreeze_every", 5)])
def test_depth_beside_a_soft_prompt(finetune_values, name, value):
    config = finetune_config(finetune_values, adapter={"name": "prompt_tuning"}, optim={name: value})
    assert message(config) == (
        f"prompt_tuning trains nothing in the blocks, which optim.{name} tells apart\n"
        f"  where: optim.{name}\n"
        "  mend:  leave it out, or take another adapter"
    )


def test_lora_under_a_relative_rate_is_told(finetune_values, caplog):
    check_combinations(
        finetune_config(finetune_values, adapter={"name": "lora"}, optim={"name": "adamw", "lr": 0.001})
    )
    check_combinations(finetune_config(finetune_values, adapter={"name": "ia3"}))
    assert caplog.text == ""
    check_combinations(finetune_config(finetune_values, adapter={"name": "lora"}))
    assert "half of LoRA's begin at zero: it learns slowly at first" in caplog.text


def test_a_warm_up_longer_than_the_run_is_told(pretrain_values, caplog):
    check_combinations(pretrain_config(pretrain_values, schedule={"warmup_steps": 8}))
    assert caplog.text == ""
    check_combinations(pretrain_config(pretrain_values, schedule={"warmup_steps": 9}))
    assert "the rate rises for 9 steps, of a run of 8: it never reaches its peak" in caplog.text


def test_a_decay_longer_than_the_run(pretrain_values):
    config = pretrain_config(pretrain_values, schedule={"name": "wsd", "decay_steps": 7})
    assert message(config) == (
        "2 steps of warm-up and 7 of decay do not fit into 8\n"
        "  where: schedule.decay_steps\n"
        "  mend:  lower schedule.decay_steps or schedule.warmup_steps, or raise training.num_steps"
    )


def test_adafactor_in_shards(pretrain_values):
    config = pretrain_config(pretrain_values, optim={"name": "adafactor"}, training={"shard": True})
    assert message(config) == (
        "adafactor looks at whole tensors, and training.shard cuts them\n"
        "  where: optim.name\n"
        "  mend:  set optim.name=adamw_rms or training.shard=false"
    )


@pytest.mark.parametrize("every", [8, 9])
def test_an_unfreezing_that_never_comes(pretrain_values, every):
    # the run has 8 steps, numbered from 0: the second block would learn from step 8 on
    config = pretrain_config(pretrain_values, optim={"unfreeze_every": every})
    assert message(config) == (
        f"one more block begins to learn after every {every} steps, and the run has 8\n"
        "  where: optim.unfreeze_every\n"
        "  mend:  lower optim.unfreeze_every, or leave it out"
    )
    check_combinations(pretrain_config(pretrain_values, optim={"unfreeze_every": 7}))


@pytest.mark.parametrize(
    ("eval_every", "patience"),
    [
        (
            2,
            3,
        ),  # validations after 2, 4, 6, 8: the second and the third are the only ones that can end the run
        (3, 2),  # after 3, 6, 8: the second
        (8, 1),  # after 8: none
    ],
)
def test_a_patience_that_outlasts_the_run(pretrain_values, eval_every, patience):
    def config(patience):
        return pretrain_config(
            pretrain_values, training={"eval_every": eval_every, "early_stopping": {"patience": patience}}
        )

    assert message(config(patience)) == (
        f"8 steps with a validation every {eval_every} cannot end early with patience {patience}\n"
        "  where: training.early_stopping.patience\n"
        "  mend:  lower patience or training.eval_every, or leave early_stopping out"
    )
    if patience > 1:
        check_combinations(config(patience - 1))


def test_validated_tasks_without_validations(finetune_values):
    config = finetune_config(
        finetune_values, validation={"tasks": ["toy_mood"]}, training={"num_eval_batches": 0}
    )
    assert message(config) == (
        "validation.tasks names tasks, and nothing is validated\n"
        "  where: validation.tasks\n"
        "  mend:  give training.num_eval_batches, or leave validation.tasks out"
    )
