"""The parts a global batch is worked through in, the same however many processes share them.

    batch_size 8, micro_batch_size 2        micro-batch  0     1     2     3
                                            rows         0-1   2-3   4-5   6-7
    1 process                               rank 0       x     x     x     x
    2 processes                             rank 0       x     x
                                            rank 1                   x     x

A micro-batch is one forward and backward pass. Its dropout is drawn from (seed, step, number of the
micro-batch), so a run that goes on with another number of processes draws what it would have drawn.
"""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from t2t.config import TrainingConfig
from t2t.errors import Location, TrainingError
from t2t.tokens.batches import Batch

logger = logging.getLogger(__name__)


def choose_micro_batch_size(training: TrainingConfig, *, before: int | None, num_processes: int) -> int:
    """Examples per forward pass.

    Args:
        before: that of the run so far, kept where the config asks for none; a run that goes on with more
            processes than it began with may have to cut smaller, and then draws another dropout.
    Raises: TrainingError if the batch cannot be shared evenly.
    """
    size = training.micro_batch_size
    if size is None and not training.batch_size % num_processes:
        share = training.batch_size // num_processes
        size = before if before is not None and not share % before else share
        if before is not None and size != before:
            logger.warning(
                "micro-batches of %d examples instead of %d, which %d processes cannot share evenly: dropout"
                " is drawn otherwise from here on",
                size,
                before,
                num_processes,
            )
    if size is None or training.batch_size % (num_processes * size):
        parts = "" if size is None else f" in micro-batches of {size}"
        raise TrainingError(
            f"batch_size {training.batch_size} cannot be shared evenly by {num_processes} processes{parts}",
            where=Location(field="training.batch_size"),
            mend="make it a multiple of processes times micro_batch_size",
        )
    return size


def micro_batches(
    batch: Batch, *, size: int, rank: int, num_processes: int, device: torch.device
) -> Iterator[tuple[int, dict[str, Tensor | None]]]:
    """The micro-batches of one process, with their numbers in the global batch.

    Yields: number, and the arguments of SummedLoss on `device`: input_ids, attention_mask, labels, and
        wrong_labels where there are any. A batch without padding has no attention_mask: the attention kernels
        are faster without one.
    """
    num_local = len(batch.input_ids) // (num_processes * size)
    is_padded = not batch.attention_mask.all()
    for number in range(rank * num_local, (rank + 1) * num_local):
        rows = slice(number * size, (number + 1) * size)
        part: dict[str, Tensor | None] = {
            "input_ids": _to_device(batch.input_ids[rows], device),
            "attention_mask": _to_device(batch.attention_mask[rows], device) if is_padded else None,
            "labels": _to_device(batch.labels[rows], device),
        }
        if batch.wrong_labels is not None:
            part["wrong_labels"] = _to_device(batch.wrong_labels[rows], device)
        yield number, part


def seed_dropout(seed: int, step: int, micro_batch: int) -> None:
    """Let torch's generators draw what belongs to this micro-batch."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, micro_batch)).generate_state(1)[0]))


def _to_device(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        # From pinned memory the copy runs beside the kernels of the batch before.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
