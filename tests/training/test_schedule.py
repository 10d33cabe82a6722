import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t.training.schedule import build_schedule

NAMES = ["cosine", "linear", "inverse_sqrt", "constant", "wsd"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 4 warm-up steps of 12: (1 + cos(pi * (step - 4) / 8)) / 2, and (4 / (step + 1)) ** 0.5
        ("cosine", {0: 0.25, 3: 1.0, 4: 1.0, 5: 0.96194, 8: 0.5, 11: 0.03806}),
        ("linear", {0: 0.25, 3: 1.0, 4: 1.0, 5: 0.875, 8: 0.5, 11: 0.125}),  # 1 - (step - 4) / 8
        ("inverse_sqrt", {0: 0.25, 3: 1.0, 4: 0.89443, 5: 0.81650, 8: 0.66667, 11: 0.57735}),
        ("constant", {0: 0.25, 3: 1.0, 4: 1.0, 11: 1.0, 1000: 1.0}),
        ("wsd", {0: 0.25, 3: 1.0, 4: 1.0, 7: 1.0, 8: 1.0, 9: 0.75, 11: 0.25, 12: 0.0}),  # (12 - step) / 4
    ],
)
def test_schedule_of_the_docstring(name, expected):
    schedule = build_schedule(name, peak_lr=2.0, warmup_steps=4, num_steps=12, decay_steps=4)
    assert {step: schedule(step) for step in expected} == pytest.approx(
        {step: 2.0 * rate for step, rate in expected.items()}, abs=1e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_without_warm_up_the_first_step_has_the_peak(name):
    schedule = build_schedule(name, peak_lr=0.1, warmup_steps=0, num_steps=10, decay_steps=3)
    assert schedule(0) == pytest.approx(0.1)


@given(
    name=st.sampled_from(NAMES),
    warmup_steps=st.integers(0, 50),
    num_steps=st.integers(1, 100),
    final_lr_ratio=st.floats(0, 1),
    step=st.integers(0, 200),
)
def test_after_warm_up_the_rate_stays_between_its_bounds_and_never_grows(
    name, warmup_steps, num_steps, final_lr_ratio, step
):
    schedule = build_schedule(
        name,
        peak_lr=1.0,
        warmup_steps=warmup_steps,
        num_steps=num_steps,
        final_lr_ratio=final_lr_ratio,
        decay_steps=10,
    )
    if step < warmup_steps:
        assert schedule(step) == pytest.approx((step + 1) / warmup_steps)
    else:
        assert final_lr_ratio - 1e-9 <= schedule(step) <= 1.0
        assert schedule(step + 1) <= schedule(step) + 1e-9


def test_wsd_goes_the_same_way_whatever_length_is_decided_on_later():
    def schedule(num_steps):
        options = {"peak_lr": 1.0, "warmup_steps": 5, "num_steps": num_steps, "decay_steps": 10}
        return build_schedule("wsd", **options)

    open_ended, ended = schedule(1_000), schedule(60)
    assert [open_ended(step) for step in range(51)] == [ended(step) for step in range(51)]
    assert [ended(step) for step in (50, 55, 59)] == pytest.approx([1.0, 0.5, 0.1])
    assert ended(60) == 0.0


def test_linear_is_the_slanted_triangle_of_ulmfit():
    """Its formula with cut_frac 0.1 and ratio 32; the ways up differ by 1/32 of the peak at most."""
    num_steps, cut = 1_000, 100

    def slanted_triangle(step):
        fraction = step / cut if step < cut else 1 - (step - cut) / (cut * (1 / 0.1 - 1))
        return (1 + fraction * (32 - 1)) / 32

    linear = build_schedule(
        "linear", peak_lr=1.0, warmup_steps=cut, num_steps=num_steps, final_lr_ratio=0.03125
    )
    down = range(cut, num_steps)
    assert [linear(step) for step in down] == pytest.approx([slanted_triangle(step) for step in down])
    apart = [abs(linear(step) - slanted_triangle(step)) for step in range(cut)]
    assert max(apart) == pytest.approx(1 / 32 - 1 / 100)  # in step 0: 1/32, where ours is 1/100


def test_unknown_schedule():
    with pytest.raises(ValueError, match=r"^unknown schedule: 'linea'$"):
        build_schedule("linea", peak_lr=1.0, warmup_steps=0, num_steps=1)
