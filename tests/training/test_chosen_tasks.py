import json
from pathlib import Path

import pytest

from t2t.config import FinetuneConfig, load_config
from t2t.errors import Faults, MixtureError
from t2t.training.chosen_tasks import build_mixture, choose_tasks, load_mixture, match_tasks, task_weights

from .conftest import finetune_config


@pytest.fixture
def mixture_of(finetune_values):
    """The mixture of the toy run, with changes."""
    return lambda **changes: finetune_config(finetune_values, mixture=changes).mixture


def test_a_key_names_tasks_by_name_cluster_pattern_and_file(mixture_of):
    tasks = choose_tasks(mixture_of())
    file = str(tasks[1].file.path)
    matched = match_tasks(["toy_mood", "mood", "toy_*", file], tasks, field="mixture.weights")
    assert {key: [task.name for task in found] for key, found in matched.items()} == {
        "toy_mood": ["toy_mood"],
        "mood": ["toy_mood"],
        "toy_*": ["toy_mood", "toy_sums"],
        file: ["toy_sums"],
    }


def test_a_file_is_named_by_any_spelling_of_its_path(mixture_of, toy_tasks_dir, monkeypatch):
    monkeypatch.chdir(toy_tasks_dir)
    file = "./sums/toy_sums.yaml"
    mixture = mixture_of(tasks=["sums", file], tasks_dirs=[str(toy_tasks_dir)], weights={file: 2.0})
    (Path(mixture.data_root) / "toy_sums" / "train.jsonl").unlink()
    assert [task.name for task in choose_tasks(mixture)] == ["toy_sums"]  # named itself, it is not left out


def test_weights_multiply_over_all_keys_that_name_a_task(mixture_of):
    tasks = choose_tasks(mixture_of())
    # toy_mood is of the cluster mood, and both begin with toy: 2 x 3 and 3
    weights = {"mood": 2.0, "toy_*": 3.0}
    assert task_weights(weights, tasks) == {"toy_mood": 6.0, "toy_sums": 3.0}
    rates = build_mixture(tasks, mixture_of(weights=weights), split="train", seed=0).rates
    # 40 rows and 12 rows: 40 x 6 = 240 and 12 x 3 = 36
    assert rates["toy_mood"] == pytest.approx(240 / 276)


def test_templates_are_chosen_by_cluster_or_pattern_and_those_of_several_keys_add_up(mixture_of):
    templates = {"toy_s*": ["plus"], "mood": ["good day"], "toy_mood": ["how do I feel", "good day"]}

    def drawn(templates):
        mixture = mixture_of(templates=templates)
        built = build_mixture(choose_tasks(mixture), mixture, split="train", seed=0)
        return [(example.task, example.template) for example in map(built.draw, range(60))]

    found = drawn(templates)
    assert set(found) == {("toy_sums", "plus"), ("toy_mood", "good day"), ("toy_mood", "how do I feel")}
    assert drawn(dict(reversed(templates.items()))) == found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", {"toy_moood": 2.0}),
        ("balanced", ["toy_moood"]),
        ("rates", {"toy_moood": 1.0}),
        ("templates", {"toy_moood": ["plus"]}),
    ],
)
def test_a_key_that_names_no_task_of_the_mixture_is_told(mixture_of, field, value):
    with pytest.raises(MixtureError) as caught:
        choose_tasks(mixture_of(**{field: value}))
    assert str(caught.value) == (
        '"toy_moood" names no task of the mixture\n'
        f"  where: mixture.{field}\n"
        '  mend:  did you mean "toy_mood"?'
    )


def test_a_cluster_is_used_with_templates_that_its_tasks_have(mixture_of):
    with pytest.raises(MixtureError) as caught:
        choose_tasks(mixture_of(templates={"mood": ["good dya"]}))
    assert str(caught.value) == (
        '"mood" brings in task "toy_mood", which has no template "good dya"\n'
        "  where: mixture.templates\n"
        "  have:  happy or sad, how do I feel, good day\n"
        '  mend:  did you mean "good day"?'
    )


def test_all_such_keys_are_told_at_once(mixture_of):
    with pytest.raises(Faults, match="2 faults"):
        choose_tasks(mixture_of(weights={"sst2": 9.0, "nli": 2.0}))


def test_validation_is_not_balanced(mixture_of, toy_data_root):
    rows = (toy_data_root / "toy_mood" / "validation.jsonl").read_text().splitlines(keepends=True)
    (toy_data_root / "toy_mood" / "validation.jsonl").write_text("".join(rows[::2] + rows[1:2]))
    mixture = mixture_of(balanced=["mood"])
    held = build_mixture(choose_tasks(mixture)[:1], mixture, split="validation", seed=0)
    # 4 happy rows and a sad one: each once in a pass of 5
    assert len({held.draw(index).example_id for index in range(5)}) == 5


def test_the_mixture_of_a_run_is_what_it_trains_on(finetune_values, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(finetune_values))
    tasks = f"mixture.tasks=[{finetune_values['mixture']['tasks'][1]}]"
    mixture = load_mixture(path, [tasks])
    config = load_config(FinetuneConfig, path, [tasks])[0]
    same = build_mixture(choose_tasks(config.mixture), config.mixture, split="train", seed=config.seed)
    assert mixture.rates == {"toy_sums": 1.0}
    assert [mixture.draw(index) for index in range(20)] == [same.draw(index) for index in range(20)]
