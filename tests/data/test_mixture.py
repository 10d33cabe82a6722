"""A mixture draws tasks at their rates and rows without replacement, as a pure function of seed and index."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2t.data.mixture import DECK_SIZE, Mixture
from t2t.data.task import Task
from t2t.errors import Faults, HeldOutLeakError, MixtureError, TemplateError

# The fixture `tasks` only names files, so examples of one property may share it.
shared_fixtures = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
seeds = st.integers(0, 2**32)
MISSING = object()


@pytest.fixture
def tasks(toy_tasks_dir: Path, toy_data_root: Path) -> list[Task]:
    """toy_mood with 40 train rows, toy_sums with 12."""
    files = [toy_tasks_dir / "mood" / "toy_mood.yaml", toy_tasks_dir / "sums" / "toy_sums.yaml"]
    return [Task.load(file, data_root=toy_data_root) for file in files]


def draws(mixture: Mixture, count: int) -> list:
    return [mixture.draw(index) for index in range(count)]


def test_rates_are_proportional_to_the_rows(tasks):
    mixture = Mixture.build(tasks, seed=0)
    assert mixture.num_rows == {"toy_mood": 40, "toy_sums": 12}
    assert mixture.rates == pytest.approx({"toy_mood": 40 / 52, "toy_sums": 12 / 52})


def test_the_cap_limits_how_many_rows_a_task_counts_for(tasks):
    # min(40, 20) : min(12, 20) = 20 : 12
    assert Mixture.build(tasks, cap=20, seed=0).rates == pytest.approx(
        {"toy_mood": 20 / 32, "toy_sums": 12 / 32}
    )


def test_temperature_evens_the_rates_out(tasks):
    # min(40, 36)^(1/2) : 12^(1/2) = 6 : 3.4641, which add up to 9.4641
    mixture = Mixture.build(tasks, cap=36, temperature=2.0, seed=0)
    assert mixture.rates == pytest.approx({"toy_mood": 0.633975, "toy_sums": 0.366025}, abs=1e-6)


def test_a_temperature_near_zero_leaves_the_largest_task_only(tasks):
    assert Mixture.build(tasks, temperature=1e-3, seed=0).rates == {"toy_mood": 1, "toy_sums": 0}


def test_explicit_rates_are_normalised(tasks):
    mixture = Mixture.build(tasks, cap=1, rates={"toy_sums": 3, "toy_mood": 1}, seed=0)
    assert mixture.rates == {"toy_mood": 0.25, "toy_sums": 0.75}


def test_a_task_of_rate_zero_is_never_drawn(tasks):
    mixture = Mixture.build(tasks, rates={"toy_sums": 1, "toy_mood": 0}, seed=0)
    assert {example.task for example in draws(mixture, 200)} == {"toy_sums"}


@given(seed=seeds, weight=st.floats(0.01, 100))
@shared_fixtures
def test_tasks_are_drawn_at_their_rates(tasks, seed, weight):
    mixture = Mixture.build(tasks, rates={"toy_mood": weight, "toy_sums": 1}, seed=seed)
    count = 1500
    drawn = sum(example.task == "toy_mood" for example in draws(mixture, count)) / count
    rate = mixture.rates["toy_mood"]
    # Six standard errors: by chance alone once in 10^9.
    assert drawn == pytest.approx(rate, abs=6 * (rate * (1 - rate) / count) ** 0.5 + 1e-3)


def test_a_whole_deck_holds_the_rates_exactly(tasks):
    mixture = Mixture.build(tasks, rates={"toy_mood": 3, "toy_sums": 1}, seed=0)
    counts = Counter(example.task for example in draws(mixture, DECK_SIZE))
    assert counts == {"toy_mood": DECK_SIZE * 3 // 4, "toy_sums": DECK_SIZE // 4}


@given(seed=seeds)
@shared_fixtures
def test_each_row_is_drawn_once_per_pass_whatever_the_cap(tasks, seed):
    mixture = Mixture.build(tasks, cap=5, seed=seed)
    examples = draws(mixture, 400)
    for name, num_rows in mixture.num_rows.items():
        drawn = [example.example_id for example in examples if example.task == name]
        passes = [drawn[start : start + num_rows] for start in range(0, len(drawn) - num_rows + 1, num_rows)]
        assert len(passes) >= 4
        assert all(len(set(one_pass)) == num_rows for one_pass in passes)
        assert passes[0] != passes[1]


def test_passes_go_on_across_decks(tasks):
    mixture = Mixture.build(tasks, rates={"toy_mood": 0, "toy_sums": 1}, seed=3)
    # 65,536 = 5461 * 12 + 4: the first deck ends with row 4 of a pass of 12.
    ids = [mixture.draw(index).example_id for index in range(DECK_SIZE - 4, DECK_SIZE + 8)]
    assert len(set(ids)) == 12


@given(seed=seeds, indices=st.lists(st.integers(0, 3 * DECK_SIZE), min_size=1, max_size=8, unique=True))
@shared_fixtures
def test_draws_do_not_depend_on_their_order(tasks, seed, indices):
    options = {"seed": seed, "shots_share": 0.5, "max_shots": 2}
    mixture = Mixture.build(tasks, **options)
    forward = {index: mixture.draw(index) for index in indices}
    fresh = Mixture.build(tasks, **options)
    assert {index: fresh.draw(index) for index in reversed(indices)} == forward


def test_another_seed_gives_another_stream(tasks):
    assert draws(Mixture.build(tasks, seed=0), 30) != draws(Mixture.build(tasks, seed=1), 30)


def test_the_stream_of_a_seed_stays_the_same_for_good(tasks):
    """Golden values of the first version: another stream would break resuming the runs that are under way."""
    mixture = Mixture.build(tasks, seed=7)
    assert [f"{example.task}, {example.template}, {example.example_id}" for example in draws(mixture, 4)] == [
        "toy_mood, good day, train:14",
        "toy_mood, happy or sad, train:6",
        "toy_sums, plus, train:6",
        "toy_mood, how do I feel, train:2",
    ]


def test_a_task_keeps_its_row_order_when_others_leave(tasks):
    both = [e.example_id for e in draws(Mixture.build(tasks, seed=5), 300) if e.task == "toy_mood"]
    alone = [e.example_id for e in draws(Mixture.build(tasks[:1], seed=5), 100)]
    assert both[:100] == alone


def test_templates_are_drawn_evenly(tasks):
    counts = Counter(example.template for example in draws(Mixture.build(tasks[:1], seed=0), 3000))
    assert set(counts) == {"happy or sad", "how do I feel", "good day"}
    assert min(counts.values()) > 880  # expected 1000, standard deviation 26


def test_only_the_named_templates_are_used(tasks):
    mixture = Mixture.build(tasks, templates={"toy_sums": ["plus"]}, seed=0)
    used = {(example.task, example.template) for example in draws(mixture, 300)}
    assert {template for task, template in used if task == "toy_sums"} == {"plus"}
    assert len({template for task, template in used if task == "toy_mood"}) == 3


def test_a_share_of_the_draws_gets_demonstrations(tasks):
    plain = draws(Mixture.build(tasks[1:], seed=0), 2000)
    shown = draws(Mixture.build(tasks[1:], shots_share=0.25, max_shots=3, seed=0), 2000)
    longer = [(p, s) for p, s in zip(plain, shown, strict=True) if p != s]
    assert 420 < len(longer) < 580  # expected 500, standard deviation 19
    assert all(s.source.endswith(p.source) and s.target == p.target for p, s in longer)
    # A query "1 + 2 =" has demonstrations of the same template, one "=" each.
    counts = Counter(s.source.count("=") for p, s in longer if p.template == "plus")
    assert set(counts) == {2, 3, 4}


def test_a_demonstration_is_never_the_query(tasks):
    for example in draws(Mixture.build(tasks[1:], shots_share=1, max_shots=3, seed=0), 500):
        query = example.source.rpartition("\n\n")[2]
        assert example.source.count(query) == 1


def test_a_demonstration_never_reads_as_the_query_does(tasks, toy_data_root):
    rows = '{"left": 1, "right": 2, "total": 3}\n' * 4 + '{"left": 2, "right": 2, "total": 4}\n'
    (toy_data_root / "toy_sums" / "train.jsonl").write_text(rows)
    shown = draws(Mixture.build(tasks[1:], shots_share=1, max_shots=3, seed=0), 200)
    for example in shown:
        *before, query = example.source.split("\n\n")
        assert not any(text.startswith(query) for text in before)
    assert any("\n\n" in example.source for example in shown)


@given(held_out=st.sets(st.sampled_from(["mood", "toy_mood", "sums", "toy_sums", "nli"])), seed=seeds)
@shared_fixtures
def test_a_mixture_never_draws_a_held_out_task(tasks, held_out, seed):
    try:
        mixture = Mixture.build(tasks, held_out=held_out, seed=seed)
    except HeldOutLeakError:
        assert held_out & {"mood", "toy_mood", "sums", "toy_sums"}
        return
    assert not {name for e in draws(mixture, 60) for name in (e.task, e.task.removeprefix("toy_"))} & held_out


def test_a_leak_names_task_and_cluster(tasks):
    with pytest.raises(HeldOutLeakError) as caught:
        Mixture.build(tasks, held_out=["nli", "mood", "toy_sums"], seed=0)
    assert str(caught.value) == (
        'the mixture holds what is held out: task "toy_mood" of cluster "mood" (its cluster is held out); '
        'task "toy_sums" of cluster "sums" (its task is held out)\n'
        "  mend:  take it out of the mixture's tasks, or out of held_out"
    )


def test_rows_without_a_label_are_told_before_anything_is_drawn(tasks, toy_data_root):
    path = toy_data_root / "toy_mood" / "train.jsonl"
    rows = path.read_text().splitlines()
    rows[7] = json.dumps({**json.loads(rows[7]), "label": ""})
    path.write_text("\n".join(rows))
    with pytest.raises(MixtureError) as caught:
        Mixture.build(tasks, seed=0)
    assert str(caught.value) == (
        'task "toy_mood" has 1 rows without a label\n'
        '  have:  "train:7" is the first\n'
        "  mend:  label them, or take them out"
    )


def test_a_task_is_held_out_by_its_folder_too(toy_tasks_dir, toy_data_root, tmp_path):
    own = tmp_path / "mine" / "toy_sums.yaml"
    own.parent.mkdir()
    own.write_text((toy_tasks_dir / "sums" / "toy_sums.yaml").read_text())
    with pytest.raises(HeldOutLeakError, match="its folder is held out"):
        Mixture.build([Task.load(own, data_root=toy_data_root)], held_out=["mine"], seed=0)


def test_a_task_without_rows_is_an_error(tasks, toy_data_root):
    (toy_data_root / "toy_sums" / "train.jsonl").write_text("")
    with pytest.raises(MixtureError) as caught:
        Mixture.build(tasks, seed=0)
    assert str(caught.value) == (
        'task "toy_sums" has no rows in split "train"\n'
        "  mend:  take it out of the mixture, or give it more rows"
    )


def test_a_task_of_few_rows_gets_the_demonstrations_it_has(tasks, toy_data_root):
    rows = (toy_data_root / "toy_sums" / "train.jsonl").read_text().splitlines(keepends=True)
    options = {"templates": {"toy_sums": ["plus"]}, "shots_share": 1, "max_shots": 5, "seed": 0}
    for num_rows, num_shots in [(3, {1, 2}), (1, {0})]:  # all but the query
        (toy_data_root / "toy_sums" / "train.jsonl").write_text("".join(rows[:num_rows]))
        drawn = draws(Mixture.build(tasks[1:], **options), 100)
        assert {example.source.count("=") - 1 for example in drawn} == num_shots


def test_a_column_that_the_data_lack_is_an_error_before_the_first_draw(tasks, toy_tasks_dir, toy_data_root):
    (toy_data_root / "toy_sums" / "train.jsonl").write_text('{"left": 1, "right": 2, "totl": 3}\n')
    with pytest.raises(TemplateError) as caught:
        Mixture.build(tasks, templates={"toy_sums": ["plus"]}, seed=0)
    assert str(caught.value) == (
        'row "train:0" of task "toy_sums": template "plus" reads a column that the dataset lacks: "total"\n'
        f"  where: {toy_tasks_dir}/sums/toy_sums.yaml:9, templates[0].target\n"
        "  have:  left, right, totl\n"
        '  mend:  did you mean "totl"?'
    )
    with pytest.raises(Faults, match="3 faults"):
        Mixture.build(tasks, seed=0)


def write_sums(data_root: Path, *, num_rows: int, bad: int, total: object = MISSING) -> None:
    """Rows of toy_sums, of which row `bad` lacks its total, or has another."""
    rows: list[dict[str, object]] = [{"left": 1, "right": 2, "total": 3} for _ in range(num_rows)]
    rows[bad]["total"] = total
    if total is MISSING:
        del rows[bad]["total"]
    (data_root / "toy_sums" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


# 100 rows a task are 33 for each of three templates: all of 12; of more, row 25 * num_rows // 33 is number 25
@pytest.mark.parametrize(("num_rows", "bad"), [(12, 9), (100, 75), (400, 303)])
def test_rows_from_all_over_a_task_are_tried_before_the_first_draw(
    tasks, toy_tasks_dir, toy_data_root, num_rows, bad
):
    write_sums(toy_data_root, num_rows=num_rows, bad=bad)
    with pytest.raises(Faults) as caught:
        Mixture.build(tasks, seed=0)
    assert [str(fault) for fault in caught.value.faults] == [
        f'row "train:{bad}" of task "toy_sums": template "{name}" reads a column that the dataset lacks: '
        '"total"\n'
        f"  where: {toy_tasks_dir}/sums/toy_sums.yaml:{9 + index}, templates[{index}].target\n"
        "  have:  left, right"
        for index, name in enumerate(["plus", "in words", "adds up"])
    ]


@pytest.mark.parametrize("total", [MISSING, None, float("nan"), "", " "])
def test_a_row_with_a_gap_is_tried_wherever_it_lies(tasks, toy_data_root, total):
    write_sums(toy_data_root, num_rows=5_000, bad=4_321, total=total)
    with pytest.raises(Faults, match='row "train:4321" of task "toy_sums"'):
        Mixture.build(tasks, seed=0)


def test_what_fails_on_many_rows_is_told_once(tasks, toy_data_root):
    rows = '{"left": 1, "right": 2, "total": 3}\n' * 3 + '{"left": 1, "right": 2}\n' * 3
    (toy_data_root / "toy_sums" / "train.jsonl").write_text(rows)
    with pytest.raises(TemplateError, match=r'^row "train:3" of task "toy_sums": template "plus" reads '):
        Mixture.build(tasks, templates={"toy_sums": ["plus"]}, seed=0)


def test_a_row_that_was_not_tried_is_named_when_it_is_drawn(tasks, toy_data_root):
    write_sums(toy_data_root, num_rows=200, bad=1, total=[3])  # every second row is tried
    mixture = Mixture.build(tasks[1:], seed=0)
    with pytest.raises(TemplateError) as caught:
        draws(mixture, 200)
    assert caught.value.problem.startswith('row "train:1" of task "toy_sums": template ')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cap": 0}, "cap must be 1 or more: 0"),
        ({"temperature": 0.0}, "temperature must be above 0: 0.0"),
        ({"shots_share": 1.5, "max_shots": 2}, "shots_share must be between 0 and 1: 1.5"),
        ({"shots_share": 0.5}, "max_shots must be 1 or more where shots_share is above 0: 0"),
        (
            {"rates": {"toy_mood": 0, "toy_sums": 0.0}},
            "rates sum to 0: no task could be drawn\n  mend:  give one task a rate above 0",
        ),
        ({"rates": {"toy_mood": -1, "toy_sums": 1}}, "rates must be 0 or more: toy_mood: -1"),
        ({"rates": {"toy_mood": float("nan"), "toy_sums": 1}}, "rates must be 0 or more: toy_mood: nan"),
        (
            {"rates": {"toy_mod": 1, "toy_mood": 1, "toy_sums": 1}},
            "rates name tasks that the mixture lacks: toy_mod\n"
            "  have:  toy_mood, toy_sums\n"
            '  mend:  did you mean "toy_mood"?',
        ),
        (
            {"rates": {"toy_mood": 1}},
            "rates leave out tasks of the mixture: toy_sums\n"
            "  have:  toy_mood\n"
            "  mend:  give every task a rate (0 for none), or give no rates at all",
        ),
        (
            {"templates": {"rte": ["plus"]}},
            "templates name tasks that the mixture lacks: rte\n  have:  toy_mood, toy_sums",
        ),
        ({"templates": {"toy_sums": []}}, 'task "toy_sums" is to be used with none of its templates'),
    ],
)
def test_unusable_options_are_errors(tasks, options, message):
    with pytest.raises(MixtureError) as caught:
        Mixture.build(tasks, seed=0, **options)
    assert str(caught.value) == message


def test_an_unknown_template_is_an_error(tasks):
    with pytest.raises(TemplateError):
        Mixture.build(tasks, templates={"toy_sums": ["plsu"]}, seed=0)


def test_a_mixture_needs_tasks_and_each_only_once(tasks):
    with pytest.raises(MixtureError, match="a mixture needs at least one task"):
        Mixture.build([], seed=0)
    with pytest.raises(MixtureError, match="tasks are in the mixture more than once: toy_mood"):
        Mixture.build([*tasks, tasks[0]], seed=0)


def test_draws_are_numbered_from_zero(tasks):
    with pytest.raises(MixtureError, match="draws are numbered from 0: -1"):
        Mixture.build(tasks, seed=0).draw(-1)


def test_weights_multiply_the_rates_of_sizes(tasks):
    plain = Mixture.build(tasks, seed=0).rates
    mixture = Mixture.build(tasks, weights={"toy_mood": 3.0}, seed=0)
    # 3a / (3a + b) where a and b are the plain rates
    weighted = 3 * plain["toy_mood"]
    assert mixture.rates["toy_mood"] == pytest.approx(weighted / (weighted + plain["toy_sums"]))


def test_weights_that_are_all_zero_leave_nothing_to_draw(tasks):
    with pytest.raises(MixtureError, match="rates sum to 0: no task could be drawn"):
        Mixture.build(tasks, weights={"toy_mood": 0.0, "toy_sums": 0.0}, seed=0)


def test_the_labels_of_a_balanced_task_come_equally_often(tasks, toy_data_root):
    rows = (toy_data_root / "toy_mood" / "train.jsonl").read_text().splitlines(keepends=True)
    happy = [row for row in rows if "happy" in row]
    sad = [row for row in rows if "sad" in row]
    (toy_data_root / "toy_mood" / "train.jsonl").write_text("".join(happy[:6] + sad[:2]))
    plain, balanced = (
        draws(Mixture.build(tasks[:1], balanced=names, seed=0), 240) for names in ([], ["toy_mood"])
    )
    # 6 of one label and 2 of the other: a quarter of the draws, or half
    for drawn, share in [(plain, 1 / 4), (balanced, 1 / 2)]:
        rare = [example.example_id for example in drawn if example.example_id in {"train:6", "train:7"}]
        assert len(rare) == 240 * share
    assert set(Counter(example.example_id for example in balanced).values()) == {120 // 6, 120 // 2}


def test_a_task_may_be_drawn_from_some_of_its_rows_only(tasks):
    few = {e.example_id for e in draws(Mixture.build(tasks[:1], max_rows=5, seed=0), 100)}
    other = {e.example_id for e in draws(Mixture.build(tasks[:1], max_rows=5, seed=1), 100)}
    assert len(few) == len(other) == 5
    assert few != other
