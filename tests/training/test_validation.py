import json
from collections import Counter

import numpy as np
import pytest
import torch

from t2t.config import FinetuneConfig, load_config
from t2t.data import task as task_module
from t2t.data.task import Task
from t2t.errors import ConfigError, Faults, MixtureError, TemplateError
from t2t.evaluation import evaluate
from t2t.evaluation.questions import Questions
from t2t.inference import Text2Text
from t2t.model import load_model
from t2t.tokens.batches import Batch
from t2t.training.chosen_tasks import build_mixture, choose_tasks
from t2t.training.finetune import build_batches, build_validation, finetune
from t2t.training.loss import SummedLoss
from t2t.training.validation import LossSums, TaskScorer, choose_validated

from ..conftest import write_jsonl
from .conftest import finetune_config, metrics_of
from .test_pretrain import KillAt, Killed

SCORE = {"metric": "score", "num_rows": 6}


@pytest.fixture
def both_validated(finetune_values, toy_data_root):
    """The fine-tuning config, and validation rows for the task that has none."""
    rows = [{"left": left, "right": 5, "total": left + 5} for left in range(4)]
    write_jsonl(toy_data_root / "toy_sums" / "validation.jsonl", rows)
    return finetune_values


def validations(run_dir):
    return [line for line in metrics_of(run_dir) if "validation_loss" in line]


def test_the_example_of_the_docstring():
    sums = LossSums()
    labels = np.full((3, 4), -100)
    for row, num_tokens in enumerate([3, 3, 4]):
        labels[row, :num_tokens] = 7
    ids = np.ones((3, 2), dtype=np.int64)
    tasks = ("rte", "rte", "sst2")
    sums.count_tokens(Batch(ids, ids, labels, 6, 10, names=("a", "b", "c"), tasks=tasks))
    nats = sums.by_task(tasks, np.array([4.0, 2.0, 6.0]))
    assert sums.metrics(nats.tolist()) == {
        "validation_loss": 1.2,
        "validation_loss_by_task": {"rte": 1.0, "sst2": 1.5},
    }
    # a process without a row of sst2 has no nats of it
    assert sums.by_task(("rte",), np.array([4.0])).tolist() == [4.0, 0.0]


def test_the_loss_of_a_task_is_that_of_its_rows(both_validated):
    # three batches: a window, in which batches are sorted by length, and so by task
    config = finetune_config(both_validated, training={"num_steps": 1, "num_eval_batches": 3})
    finetune(config)
    (line,) = validations(config.run_dir)
    loaded = load_model(config.run_dir / "model", device="cpu", dtype="float32")
    tasks = choose_tasks(config.mixture)
    evenly = config.mixture.model_copy(update={"rates": {"toy_mood": 1.0, "toy_sums": 1.0}})
    mixture = build_mixture(tasks, evenly, split="validation", seed=0)
    batches = build_batches(mixture, loaded.tokenizer, config, seed=0)
    loss, nats, num_tokens = SummedLoss(loaded.model).eval(), {}, {}
    for batch in map(batches, range(3)):
        for row, name in enumerate(batch.names):
            task = name.split("/")[0]
            labels = torch.from_numpy(batch.labels[row : row + 1])
            with torch.no_grad():
                total = loss(
                    torch.from_numpy(batch.input_ids[row : row + 1]),
                    torch.from_numpy(batch.attention_mask[row : row + 1]),
                    labels,
                )
            nats[task] = nats.get(task, 0.0) + total.item()
            num_tokens[task] = num_tokens.get(task, 0) + int((labels != -100).sum())
    assert set(nats) == {"toy_mood", "toy_sums"}
    expected = {task: nats[task] / num_tokens[task] for task in nats}
    assert line["validation_loss_by_task"] == pytest.approx(expected, rel=1e-5)
    assert line["validation_loss"] == pytest.approx(sum(nats.values()) / sum(num_tokens.values()), rel=1e-5)


@pytest.mark.parametrize(
    "rates", [{"weights": {"toy_mood": 1000.0}}, {"rates": {"toy_mood": 1000.0, "toy_sums": 1.0}}]
)
def test_tasks_are_validated_equally_often_whatever_their_rates(both_validated, rates):
    config = finetune_config(both_validated, mixture=rates)
    tokenizer = load_model(both_validated["model"]["init_from"], device="cpu").tokenizer
    batches, _ = build_validation(choose_tasks(config.mixture), tokenizer, config)
    counts = Counter(task for number in range(50) for task in batches(number).tasks)
    # 200 draws at 1/2 each: 100, give or take 7.1, the root of 200 / 4
    assert counts["toy_sums"] == pytest.approx(100, abs=4 * 7.1)


def test_validation_batches_hold_the_first_draws_and_no_others(both_validated):
    # two batches of four rows, beside a window of three in training
    config = finetune_config(both_validated)
    tasks = choose_tasks(config.mixture)
    tokenizer = load_model(both_validated["model"]["init_from"], device="cpu").tokenizer
    batches, _ = build_validation(choose_validated(tasks, None), tokenizer, config)
    evenly = config.mixture.model_copy(update={"rates": {task.name: 1.0 for task in tasks}})
    drawn = map(build_mixture(tasks, evenly, split="validation", seed=0).draw, range(2 * 4))
    names = [f"{example.task}/{example.template}/{example.example_id}" for example in drawn]
    assert sorted(name for number in range(2) for name in batches(number).names) == sorted(names)


def test_the_score_is_that_of_evaluation_and_its_mean_is_over_tasks(both_validated):
    config = finetune_config(both_validated, validation=SCORE, training={"num_steps": 1})
    finetune(config)
    (line,) = validations(config.run_dir)
    expected = {}
    # one template each: the first that asks the original task, and, where none says it does not, the first
    for task, template in zip(choose_tasks(config.mixture), ["happy or sad", "plus"], strict=True):
        evaluation = evaluate(
            Text2Text.load(config.run_dir / "model", device="cpu", dtype="float32"),
            [task],
            templates=[template],
            split="validation",
            limit=6,
            max_new_tokens=16,
            trained_on=(),
        )
        expected[task.name] = evaluation.summary[0].mean
    assert line["validation_score_by_task"] == expected
    assert line["validation_score"] == sum(expected.values()) / 2


def test_scoring_leaves_the_training_as_it_is(both_validated, tmp_path):
    changes = {"model": {"dropout_rate": 0.2}, "training": {"eval_every": 2}}
    plain = finetune_config(both_validated, **changes)
    finetune(plain)
    scored = finetune_config(both_validated, run_dir=tmp_path / "scored", validation=SCORE, **changes)
    finetune(scored)
    for line, other in zip(metrics_of(plain.run_dir), metrics_of(scored.run_dir), strict=True):
        assert line == {key: value for key, value in other.items() if key in line} | {
            key: line[key]
            for key in line
            if key == "best_step"  # which of the two numbers tells the best
        }
    assert len(validations(scored.run_dir)) == 4
    assert all(0 <= line["validation_score"] <= 100 for line in validations(scored.run_dir))


@pytest.mark.parametrize(
    "changes",
    [{"adapter": {"name": "lora", "rank": 2}}, {"training": {"dtype": "bfloat16"}}],
    ids=["adapter", "bfloat16"],
)
def test_a_killed_run_that_scores_goes_on_as_if_nothing_had_happened(both_validated, tmp_path, changes):
    training = {"eval_every": 2, "publish": "best", "early_stopping": {"patience": 2}}
    changes = {"validation": SCORE, **changes, "training": training | changes.get("training", {})}
    config = finetune_config(both_validated, **changes)
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(5))
    resumed = finetune(config, resume=True)
    whole = finetune_config(both_validated, run_dir=tmp_path / "whole", **changes)
    assert finetune(whole) == resumed
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
    best = max(validations(whole.run_dir), key=lambda line: line["validation_score"])  # the first of equals
    assert resumed.published_step == best["step"]


def test_scores_can_be_shared_out(both_validated):
    config = finetune_config(both_validated)
    scorer = TaskScorer(
        choose_tasks(config.mixture),
        templates={},
        num_rows=6,
        num_templates=2,
        max_source_len=64,
        max_new_tokens=4,
        length_norm="sum",
    )
    model = Text2Text.load(both_validated["model"]["init_from"], device="cpu")
    first, second = (scorer(model, share=slice(rank, None, 2)) for rank in range(2))
    assert (list(first), list(second)) == (["toy_mood"], ["toy_sums"])
    assert first | second == scorer(model)


def note_asked(monkeypatch):
    """The list to which every pass over a task's rows adds task, template and options."""
    asked = []

    def note(model, examples, **options):
        asked.append((examples[0].task, examples[0].template, options))
        return answer(model, examples, **options)

    answer = Text2Text.answer
    monkeypatch.setattr(Text2Text, "answer", note)
    return asked


def test_only_the_templates_of_the_mixture_are_asked(both_validated, monkeypatch):
    asked = note_asked(monkeypatch)
    mixture = {"templates": {"toy_mood": ["good day"]}}
    config = finetune_config(both_validated, mixture=mixture, validation=SCORE, training={"num_steps": 1})
    finetune(config)
    assert [(name, template) for name, template, _ in asked] == [
        ("toy_mood", "good day"),
        ("toy_sums", "plus"),
    ]


@pytest.mark.parametrize(("loss", "length_norm"), [("cross_entropy", "sum"), ("t_few", "mean_token")])
def test_choices_are_ranked_by_what_the_loss_trains(both_validated, monkeypatch, loss, length_norm):
    asked = note_asked(monkeypatch)
    config = finetune_config(both_validated, loss=loss, validation=SCORE, training={"num_steps": 1})
    finetune(config)
    # lengths of the config: sources of 64 tokens, targets of 16
    expected = {"length_norm": length_norm, "max_source_len": 64, "max_new_tokens": 16}
    assert [options for *_, options in asked] == [expected, expected]


def test_rows_are_rendered_once_however_often_they_are_asked(both_validated, monkeypatch):
    rendered = []

    def note(questions, template):
        rendered.append(template.name)
        return examples(questions, template)

    examples = Questions.examples
    monkeypatch.setattr(Questions, "examples", note)
    config = finetune_config(both_validated, validation=SCORE, training={"eval_every": 2})
    finetune(config)
    assert len(validations(config.run_dir)) == 4
    assert rendered == ["happy or sad", "plus"]


def test_rows_that_do_not_render_are_noticed_before_the_run_begins(both_validated, toy_data_root):
    rows = [{"left": 1, "right": 5, "total": 6}, {"left": 1, "right": 5}]
    write_jsonl(toy_data_root / "toy_sums" / "validation.jsonl", rows)
    config = finetune_config(both_validated, validation=SCORE)
    with pytest.raises((TemplateError, Faults)):
        finetune(config)
    assert not config.run_dir.exists()


def task_of(toy_tasks_dir, data_root, name="mood/toy_mood.yaml"):
    return Task.load(toy_tasks_dir / name, data_root=data_root)


@pytest.fixture
def no_hub(monkeypatch):
    def ask(*_, **__):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(task_module, "read_hub_rows", ask)


@pytest.mark.usefixtures("no_hub")
def test_which_tasks_are_validated_is_told_without_the_hub(toy_tasks_dir, toy_data_root, tmp_path):
    (tmp_path / "empty").mkdir()
    on_hub = task_of(toy_tasks_dir, tmp_path / "empty")
    nowhere = task_of(toy_tasks_dir, tmp_path / "empty", "sums/toy_sums.yaml")
    assert choose_validated([on_hub, nowhere], None) == [on_hub]
    (toy_data_root / "toy_mood" / "validation.jsonl").unlink()  # a local copy is never filled up from the Hub
    assert choose_validated([task_of(toy_tasks_dir, toy_data_root)], None) == []


def test_a_task_of_the_hub_is_validated(finetune_values, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    asked = []

    def read_hub_rows(path, name, split, *, label_numbers):
        asked.append((path, name, split))
        return iter([{"text": f"We won game {n}.", "label": "happy"} for n in range(8)])

    monkeypatch.setattr(task_module, "read_hub_rows", read_hub_rows)
    mixture = {"tasks": finetune_values["mixture"]["tasks"][:1], "data_root": str(tmp_path / "empty")}
    config = finetune_config(finetune_values, mixture=mixture, validation=SCORE, training={"eval_every": 2})
    finetune(config)
    assert len(validations(config.run_dir)) == 4
    # rows of the validation split are read for the loss and for the score, not again in each validation
    assert asked.count(("example/toy", "mood", "dev")) == 2


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "toy_s*",
            '"toy_s*" is to be validated, and has no validation rows\n'
            "  where: validation.tasks\n"
            "  have:  toy_mood\n"
            "  mend:  name tasks of the mixture that have validation rows",
        ),
        (
            "toy_mod",
            '"toy_mod" names no task of the mixture\n'
            "  where: validation.tasks\n"
            '  mend:  did you mean "toy_mood"?',
        ),
    ],
)
def test_a_task_that_cannot_be_validated_is_named(finetune_values, key, message):
    with pytest.raises(MixtureError) as caught:
        finetune(finetune_config(finetune_values, validation={"tasks": [key]}))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["mood"], ["toy_mood"]),  # its cluster
        (["toy_*"], ["toy_mood"]),  # toy_sums has no validation rows, and is left out of a pattern
        (["toy_mood", "mood"], ["toy_mood"]),
    ],
)
def test_validated_tasks_are_named_as_those_of_the_mixture(toy_tasks_dir, toy_data_root, keys, names):
    tasks = [
        task_of(toy_tasks_dir, toy_data_root),
        task_of(toy_tasks_dir, toy_data_root, "sums/toy_sums.yaml"),
    ]
    assert [task.name for task in choose_validated(tasks, keys)] == names


@pytest.mark.parametrize("keys", [None, ["toy_*"]])
def test_tasks_that_cannot_be_validated_are_told_once(finetune_values, caplog, keys):
    finetune(finetune_config(finetune_values, validation={"tasks": keys}))
    told = "left out 1 task in validation, without validation rows here: toy_sums"
    assert caplog.messages.count(told) == 1


@pytest.mark.parametrize(
    "values", [{"validation": {"tasks": ["toy_mood"]}}, {"training": {"num_eval_batches": 0}}]
)
def test_tasks_that_nobody_wants_validated_are_not_told(finetune_values, caplog, values):
    finetune(finetune_config(finetune_values, **values))
    assert not any("in validation" in message for message in caplog.messages)


def test_a_score_needs_a_task_with_validation_rows(finetune_values):
    tasks = finetune_values["mixture"]["tasks"][1:]  # toy_sums has train rows only
    with pytest.raises(MixtureError) as caught:
        finetune(finetune_config(finetune_values, mixture={"tasks": tasks}, validation=SCORE))
    assert str(caught.value) == (
        "no task of the mixture has validation rows to score the model on\n"
        "  where: validation.metric\n"
        "  mend:  set validation.metric=loss, or give a task a validation split"
    )


def test_only_the_tasks_named_are_validated(both_validated):
    config = finetune_config(both_validated, validation={"tasks": ["toy_sums"]}, training={"num_steps": 1})
    finetune(config)
    (line,) = validations(config.run_dir)
    assert line["validation_loss_by_task"] == {"toy_sums": line["validation_loss"]}


@pytest.mark.parametrize(
    ("overrides", "problem", "field", "mend"),
    [
        (
            ["validation.num_rows=8"],
            "num_rows is of a score, and metric is loss",
            "validation",
            "set metric to score",
        ),
        (
            ["validation.num_templates=1"],  # the default, and yet someone asked for it
            "num_templates is of a score, and metric is loss",
            "validation",
            "set metric to score",
        ),
        (
            ["validation.metric=score", "training.num_eval_batches=0"],
            "validation.metric is score, and nothing is validated",
            "",
            "give training.num_eval_batches, or set validation.metric to loss",
        ),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    finetune_values, tmp_path, overrides, problem, field, mend
):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(finetune_values))
    with pytest.raises(ConfigError) as caught:
        load_config(FinetuneConfig, path, overrides)
    assert caught.value.problem == problem
    assert caught.value.mend == mend
    assert (caught.value.where.field or "") == field


def test_shares_of_tasks_are_those_of_the_draws_since_the_last_validation(both_validated):
    config = finetune_config(both_validated, training={"log_every": 1, "eval_every": 3, "num_steps": 8})
    finetune(config)
    lines = validations(config.run_dir)
    assert [line for line in metrics_of(config.run_dir) if "task_shares" in line] == lines
    loaded = load_model(config.run_dir / "model", device="cpu")
    mixture = build_mixture(choose_tasks(config.mixture), config.mixture, split="train", seed=0)
    batches = build_batches(mixture, loaded.tokenizer, config, seed=0)
    for line, steps in zip(lines, [range(3), range(3, 6), range(6, 8)], strict=True):
        names = [name.split("/")[0] for step in steps for name in batches(step).names]
        assert line["task_shares"] == {
            task: round(names.count(task) / len(names), 4) for task in ("toy_mood", "toy_sums")
        }


@pytest.mark.parametrize("killed_at", [1, 4])
def test_shares_go_on_over_a_kill(both_validated, tmp_path, killed_at):
    training = {"eval_every": 3, "checkpoint_every": 1}
    config = finetune_config(both_validated, training=training)
    with pytest.raises(Killed):
        finetune(config, progress=KillAt(killed_at))
    finetune(config, resume=True)
    whole = finetune_config(both_validated, run_dir=tmp_path / "whole", training=training)
    finetune(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)
