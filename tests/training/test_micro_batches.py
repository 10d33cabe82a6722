import numpy as np
import pytest
import torch

from t2t.config import TrainingConfig
from t2t.errors import TrainingError
from t2t.tokens.batches import Batch
from t2t.training.micro_batches import choose_micro_batch_size, micro_batches, seed_dropout


def batch_of(num_rows: int, *, is_padded: bool = True) -> Batch:
    """Rows whose tokens are the row's number."""
    ids = np.repeat(np.arange(num_rows)[:, None], 3, axis=1)
    mask = np.ones_like(ids)
    if is_padded:
        mask[0, -1] = 0
    return Batch(ids, mask, ids, int(mask.sum()), ids.size, tuple(f"row {row}" for row in range(num_rows)))


def parts(batch: Batch, *, size: int, rank: int, num_processes: int):
    device = torch.device("cpu")
    return list(micro_batches(batch, size=size, rank=rank, num_processes=num_processes, device=device))


@pytest.mark.parametrize("num_processes", [1, 2, 4])
def test_a_micro_batch_has_its_number_and_rows_however_many_processes_there_are(num_processes):
    found = {
        number: part["input_ids"][:, 0].tolist()
        for rank in range(num_processes)
        for number, part in parts(batch_of(8), size=2, rank=rank, num_processes=num_processes)
    }
    assert found == {0: [0, 1], 1: [2, 3], 2: [4, 5], 3: [6, 7]}


def test_without_padding_there_is_no_mask():
    assert (
        parts(batch_of(2, is_padded=False), size=2, rank=0, num_processes=1)[0][1]["attention_mask"] is None
    )


def test_with_padding_anywhere_every_micro_batch_has_a_mask():
    masks = [part["attention_mask"] for _, part in parts(batch_of(4), size=2, rank=0, num_processes=1)]
    assert [mask.tolist() for mask in masks] == [[[1, 1, 0], [1, 1, 1]], [[1, 1, 1], [1, 1, 1]]]


def test_dropout_follows_seed_step_and_micro_batch():
    def draw(*place: int) -> list[float]:
        seed_dropout(*place)
        return torch.rand(4).tolist()

    assert draw(0, 1, 2) == draw(0, 1, 2)
    draws = [draw(0, 1, 2), draw(1, 1, 2), draw(0, 2, 2), draw(0, 1, 3), draw(0, 2, 1)]
    assert all(one != other for number, one in enumerate(draws) for other in draws[:number])


@pytest.mark.parametrize(
    ("asked", "before", "num_processes", "size"),
    [
        (None, None, 1, 8),
        (None, None, 2, 4),
        (2, None, 2, 2),
        (2, 4, 1, 2),  # what the config says counts
        (None, 4, 1, 4),  # begun with two processes, goes on with one
        (None, 8, 2, 4),  # begun with one: its micro-batch is too large for two
    ],
)
def test_the_size_stays_that_of_the_run_where_it_can(asked, before, num_processes, size, caplog):
    training = TrainingConfig(num_steps=1, batch_size=8, micro_batch_size=asked)
    assert choose_micro_batch_size(training, before=before, num_processes=num_processes) == size
    assert ("dropout is drawn otherwise" in caplog.text) == (before == 8)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (None, "batch_size 8 cannot be shared evenly by 3 processes"),
        (2, "batch_size 8 cannot be shared evenly by 3 processes in micro-batches of 2"),
    ],
)
def test_a_batch_that_cannot_be_shared_evenly(asked, problem):
    training = TrainingConfig(num_steps=1, batch_size=8, micro_batch_size=asked)
    with pytest.raises(TrainingError) as caught:
        choose_micro_batch_size(training, before=None, num_processes=3)
    assert str(caught.value) == (
        f"{problem}\n"
        "  where: training.batch_size\n"
        "  mend:  make it a multiple of processes times micro_batch_size"
    )
