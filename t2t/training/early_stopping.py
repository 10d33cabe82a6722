"""Which validation was the best so far, and when a run that gets no better ends.

    validation            1     2     3     4        patience 2, min_delta 0.1, lower is better
    loss                  3.0   2.5   2.45  2.6
    the best so far       3.0   2.5   2.5   2.5      2.45 is better than 2.5, but by less than 0.1
    num_since_best        0     0     1     2        the run ends

All of it lies in the TrainerState, and so in every checkpoint: a run that goes on counts on.

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
        min_delta: how much better than the best one it must be, in units of `value`.
    """
    gain = math.inf
    if state.best_value is not None:
        gain = value - state.best_value if higher_is_better else state.best_value - value
    is_best = math.isfinite(value) and gain > min_delta
    if is_best:
        state.best_step, state.best_value, state.num_since_best = state.step, value, 0
    else:
        state.num_since_best += 1
    return is_best


def is_over(state: TrainerState, early_stopping: EarlyStoppingConfig | None) -> bool:
    """Whether the last `patience` validations were none better than the best one before them."""
    return early_stopping is not None and state.num_since_best >= early_stopping.patience
