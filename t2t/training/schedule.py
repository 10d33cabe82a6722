"""The learning rate over a run, as a pure function of the step: nothing to store, nothing to restore.

All begin with a linear warm-up from 0 and end it at the peak, the rate of the config. With 4 warm-up
steps of 12 in all, and final_lr_ratio 0, as fractions of the peak:

    step          0     1     2     3     4     5 ...  8 ...  11
    cosine       1/4   2/4   3/4   4/4   1.0   0.96   0.5    0.04
    linear       1/4   2/4   3/4   4/4   1.0   0.88   0.5    0.13
    inverse_sqrt 1/4   2/4   3/4   4/4   0.89  0.82   0.67   0.58
    constant     1/4   2/4   3/4   4/4   1     1      1      1
    wsd          1/4   2/4   3/4   4/4   1     1      1      1/4     decay_steps 4: 1, 3/4, 2/4, 1/4

With `wsd` (warm-up, stable, decay) a run's length need not be known from the start: stop it, then resume it
with num_steps set to the steps it has made and decay_steps more. Hu et al. 2024, arXiv:2404.06395, section 4.

The slanted triangle of Howard and Ruder 2018 (arXiv:1801.06146, section 3.2: cut_frac 0.1, ratio 32) is
`linear` with warmup_steps a tenth of num_steps and final_lr_ratio 1/32 = 0.03125: the same line down, and a
line up that begins with 1 / warmup_steps of the peak instead of 1/32. They are never further apart than the
larger of the two.
"""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def build_schedule(
    name: str,
    *,
    peak_lr: float,
    warmup_steps: int,
    num_steps: int,
    final_lr_ratio: float = 0.0,
    decay_steps: int | None = None,
) -> Schedule:
    """The rate of each step, counted from 0.

    Args:
        name: "cosine" and "linear" fall to `final_lr_ratio` of the peak at `num_steps`; "inverse_sqrt" falls
            with 1/sqrt(step) down to that, and `num_steps` does not matter where `warmup_steps` is fixed (a
            config without it takes a tenth of the run; Raffel et al. 2020, arXiv:1910.10683, 3.1.2);
            "constant" stays at the peak; "wsd" stays there until `decay_steps` before the end, and then falls
            along a line.
        peak_lr: the rate at the end of the warm-up.
        warmup_steps: steps of linear growth; 0 starts at the peak.
        num_steps: length of the run in steps.
        final_lr_ratio: smallest rate as a fraction of the peak.
        decay_steps: of "wsd", which needs it; at most `num_steps` - `warmup_steps`.
    """

    def progress(step: int) -> float:
        return min((step - warmup_steps) / max(num_steps - warmup_steps, 1), 1.0)

    if name == "cosine":

        def decay(step: int) -> float:
            return final_lr_ratio + (1 - final_lr_ratio) * (1 + math.cos(math.pi * progress(step))) / 2

    elif name == "linear":

        def decay(step: int) -> float:
            return final_lr_ratio + (1 - final_lr_ratio) * (1 - progress(step))

    elif name == "wsd" and decay_steps is not None:

        def decay(step: int) -> float:
            left = min(max((num_steps - step) / decay_steps, 0.0), 1.0)
            return final_lr_ratio + (1 - final_lr_ratio) * left

    elif name == "inverse_sqrt":

        def decay(step: int) -> float:
            return max(math.sqrt(max(warmup_steps, 1) / (step + 1)), final_lr_ratio)

    elif name == "constant":

        def decay(step: int) -> float:
            return 1.0

    else:
        raise ValueError(f"unknown schedule: {name!r}")

    def schedule(step: int) -> float:
        return peak_lr * ((step + 1) / warmup_steps if step < warmup_steps else decay(step))

    return schedule
