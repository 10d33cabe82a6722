"""Which validation was the best so far, and when a run that gets no better ends.

    validation            1     2     3     4        patience 2, min_delta 0.1, lower is better
    loss                  3.0   2.5   2.45  2.6
    best_value            3.0   2.5   2.45  2.45     the lowest, however little: what publish: best goes by
    reference_value       3.0   2.5   2.5   2.5      2.45 is lower than 2.5, but by less than 0.1
    num_since_best        0     0     1     2        since the reference moved; the run ends

A run that creeps down by less than min_delta at a time goes on as long as its gains add up to more, since the
reference stays where it is until then. All of it lies in the TrainerState, and so in every checkpoint: a run
that goes on counts on.

Paper: Prechelt 1998, "Early Stopping - But When?", compares criteria. This one looks at the time since the
best validation, not at rises in a row as its UP does: a loss that wavers around its best value ends too.
"""

import math

from t2t.config import EarlyStoppingConfig
from t2t.training.checkpoint import TrainerState


def note_validation(
    state: TrainerState, value: float, *, higher_is_better: bool, min_delta: float = 0.0
) -> bool:
    """Count a validation of the step that was just made; whether it is the best so far.

    Args:
        value: its loss or score. One that is no number is never the best.
        min_delta: how much better than the reference it must be to count against ending, in units of `value`.
    """
    # Checkpoints of versions without a reference value counted against the best one.
    reference = state.best_value if state.reference_value is None else state.reference_value
    if _gain(value, reference, higher_is_better=higher_is_better) > min_delta:
        state.reference_value, state.num_since_best = value, 0
    else:
        state.reference_value = reference
        state.num_since_best += 1
    is_best = _gain(value, state.best_value, higher_is_better=higher_is_better) > 0
    if is_best:
        state.best_step, state.best_value = state.step, value
    return is_best


def _gain(value: float, before: float | None, *, higher_is_better: bool) -> float:
    """How much better a value is than one before: anything is, than nothing; what is no number never is."""
    if not math.isfinite(value):
        return -math.inf
    if before is None:
        return math.inf
    return value - before if higher_is_better else before - value


def is_over(state: TrainerState, early_stopping: EarlyStoppingConfig | None) -> bool:
    """Whether none of the last `patience` validations moved the reference."""
    return early_stopping is not None and state.num_since_best >= early_stopping.patience
