import os
import signal

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from t2t.config import TrainingConfig
from t2t.errors import NonFiniteLossError, TrainingError
from t2t.model import build_model
from t2t.tokens.batches import Batch
from t2t.training.checkpoint import newest_checkpoint
from t2t.training.loop import fit, setup, train_step, validate
from t2t.training.loss import SummedLoss
from t2t.training.optimizer import AdamWRms
from t2t.training.run_folder import RunFolder


def ragged_batch(step: int, *, num_rows: int = 8) -> Batch:
    """Rows whose sources and targets have 2 to 9 tokens."""
    rng = np.random.default_rng(step)
    ids = rng.integers(3, 384, size=(num_rows, 2, 9))
    lens = rng.integers(2, 10, size=(num_rows, 2))
    is_source, is_target = (np.arange(9) < lens[:, side, None] for side in range(2))
    return Batch(
        input_ids=np.where(is_source, ids[:, 0], 0),
        attention_mask=is_source.astype(np.int64),
        labels=np.where(is_target, ids[:, 1], -100),
        num_source_tokens=int(is_source.sum()),
        num_target_tokens=int(is_target.sum()),
        names=tuple(f"toy/plain/{step}:{row}" for row in range(num_rows)),
    )


def tensors_of(batch: Batch) -> dict[str, torch.Tensor]:
    names = ("input_ids", "attention_mask", "labels")
    return {name: torch.from_numpy(getattr(batch, name)) for name in names}


@pytest.fixture
def new_trainer(tokenizer, tmp_path):
    def new(checkpoint=None, *, learning_rate=0.01):
        torch.manual_seed(0)
        return setup(
            build_model("tiny", vocab_size=384, pad_id=0, eos_id=1),
            tokenizer,
            accelerator=Accelerator(cpu=True),
            build_optimizer=lambda params: AdamWRms(params, lr=learning_rate),
            folder=RunFolder(tmp_path),
            checkpoint=checkpoint,
            compile_model=False,
        )

    return new


def training(**changes) -> TrainingConfig:
    return TrainingConfig.model_validate({"num_steps": 6, "batch_size": 8, **changes})


def test_the_loss_is_that_of_transformers_times_its_tokens(new_trainer):
    batch = ragged_batch(0)
    model = new_trainer().model
    tensors = tensors_of(batch)
    expected = model.model(**tensors).loss * batch.num_target_tokens
    torch.testing.assert_close(model(**tensors), expected)


def test_the_loss_is_in_float32_under_bfloat16(new_trainer):
    batch = ragged_batch(0)
    model = SummedLoss(new_trainer().model.model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(**tensors_of(batch)).dtype == torch.float32


@pytest.mark.parametrize("num_parts", [2, 4, 8])
def test_micro_batches_give_the_step_of_the_whole_batch(new_trainer, num_parts):
    whole, parts = new_trainer(), new_trainer()
    options = {"lr": 0.01, "clip_norm": 1.0, "seed": 0}
    loss, norm = train_step(whole, ragged_batch(0), num_parts=1, **options)
    assert train_step(parts, ragged_batch(0), num_parts=num_parts, **options) == pytest.approx(
        (loss, norm), rel=1e-5
    )
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_the_gradient_is_clipped_but_reported_as_it_was(new_trainer):
    trainer = new_trainer()
    norms = []

    def note_norm(optimizer, *_):
        params = optimizer.param_groups[0]["params"]
        norms.append(torch.nn.utils.get_total_norm([param.grad for param in params]).item())

    trainer.optimizer.optimizer.register_step_pre_hook(note_norm)
    _, norm = train_step(trainer, ragged_batch(0), lr=0.01, clip_norm=0.5, seed=0, num_parts=1)
    assert norm > 0.5
    assert norms == [pytest.approx(0.5, rel=1e-3)]


def test_the_rate_is_that_of_the_schedule(new_trainer):
    trainer = new_trainer(learning_rate=1.0)
    train_step(trainer, ragged_batch(0), lr=0.25, clip_norm=1.0, seed=0, num_parts=1)
    assert trainer.optimizer.param_groups[0]["lr"] == 0.25


@torch.no_grad()
def test_validation_changes_nothing_and_weighs_by_tokens(new_trainer):
    trainer = new_trainer()
    before = {key: weight.clone() for key, weight in trainer.model.state_dict().items()}
    loss = validate(trainer, ragged_batch, 2)["validation_loss"]
    batches = [ragged_batch(0), ragged_batch(1)]
    nats = sum(trainer.model(**tensors_of(batch)).item() for batch in batches)
    assert loss == pytest.approx(nats / sum(batch.num_target_tokens for batch in batches), rel=1e-5)
    assert trainer.model.training
    assert all(torch.equal(weight, before[key]) for key, weight in trainer.model.state_dict().items())


def test_a_non_finite_loss_stops_the_run_with_the_batch_named(new_trainer, tmp_path):
    trainer = new_trainer()
    with torch.no_grad():
        trainer.model.model.shared.weight[5] = float("nan")
    before = {key: weight.clone() for key, weight in trainer.model.state_dict().items()}
    batch = ragged_batch(0, num_rows=2)
    batch.input_ids[0, 0] = 5
    with pytest.raises(NonFiniteLossError) as caught:
        fit(
            trainer,
            lambda step: batch,
            training=training(batch_size=2),
            schedule=lambda step: 0.01,
            clip_norm=1.0,
            seed=0,
        )
    assert str(caught.value) == (
        "the loss became nan in step 0, on the batch of toy/plain/0:0, toy/plain/0:1\n"
        "  mend:  look at those examples; else lower optim.lr, lengthen schedule.warmup_steps, or set "
        "training.dtype=float32, and go on from the newest checkpoint with --resume"
    )
    for key, weight in trainer.model.state_dict().items():
        torch.testing.assert_close(weight, before[key], equal_nan=True)
    assert newest_checkpoint(tmp_path / "checkpoints") is None


class SignalAt:
    """A Progress that sends this process a signal after a step, as a terminal or a scheduler would."""

    def __init__(self, step: int, number: signal.Signals) -> None:
        self.at, self.number = step, number

    def start(self, *, step, num_steps):
        pass

    def step(self, step, loss):
        if step == self.at:
            os.kill(os.getpid(), self.number)

    def metrics(self, line):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_a_step_with_a_checkpoint(new_trainer, tmp_path, number):
    before = signal.getsignal(number)
    outcome = fit(
        new_trainer(),
        ragged_batch,
        training=training(checkpoint_every=100),
        schedule=lambda step: 0.01,
        clip_norm=1.0,
        seed=0,
        progress=SignalAt(3, number),
    )
    assert (outcome.step, outcome.stopped_by) == (3, number)
    assert newest_checkpoint(tmp_path / "checkpoints").name == "step-00000003"
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_interrupts_at_once(new_trainer):
    class Twice(SignalAt):
        def step(self, step, loss):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(
            new_trainer(),
            ragged_batch,
            training=training(),
            schedule=lambda step: 0.01,
            clip_norm=1.0,
            seed=0,
            progress=Twice(0, signal.SIGINT),
        )


def test_a_batch_that_cannot_be_shared_evenly(new_trainer):
    with pytest.raises(TrainingError) as caught:
        fit(
            new_trainer(),
            ragged_batch,
            training=TrainingConfig.model_construct(batch_size=8, grad_accumulation=3),
            schedule=lambda step: 0.01,
            clip_norm=1.0,
            seed=0,
        )
    assert str(caught.value) == (
        "batch_size 8 cannot be shared evenly by 1 processes in 3 parts each\n"
        "  where: training.batch_size\n"
        "  mend:  make it a multiple of processes times grad_accumulation"
    )
