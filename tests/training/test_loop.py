import os
import signal

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import load_file

from t2t.config import TrainingConfig
from t2t.errors import NonFiniteLossError
from t2t.model import build_model
from t2t.tokens.batches import Batch
from t2t.training.checkpoint import newest_checkpoint
from t2t.training.loop import fit, setup, train_step
from t2t.training.loss import SummedLoss
from t2t.training.optimizer import AdamWRms
from t2t.training.run_folder import RunFolder
from t2t.training.validation import Validation, validate


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
    def new(checkpoint=None, *, learning_rate=0.01, dropout_rate=0.0, **changes):
        torch.manual_seed(0)
        return setup(
            build_model("tiny", vocab_size=384, pad_id=0, eos_id=1, dropout_rate=dropout_rate),
            tokenizer,
            accelerator=Accelerator(cpu=True),
            build_optimizer=lambda params: AdamWRms(params, lr=learning_rate),
            folder=RunFolder(tmp_path),
            checkpoint=checkpoint,
            training=training(**changes),
        )

    return new


def training(**changes) -> TrainingConfig:
    return TrainingConfig.model_validate({"num_steps": 6, "batch_size": 8, **changes})


def test_the_loss_is_that_of_transformers_times_its_tokens(new_trainer):
    batch = ragged_batch(0)
    model = new_trainer().loss
    tensors = tensors_of(batch)
    expected = model.model(**tensors).loss * batch.num_target_tokens
    torch.testing.assert_close(model(**tensors), expected)


def test_the_loss_is_in_float32_under_bfloat16(new_trainer):
    batch = ragged_batch(0)
    model = SummedLoss(new_trainer().model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(**tensors_of(batch)).dtype == torch.float32


@pytest.mark.parametrize("micro_batch_size", [1, 2, 4])
def test_micro_batches_give_the_step_of_the_whole_batch(new_trainer, micro_batch_size):
    whole, parts = new_trainer(), new_trainer(micro_batch_size=micro_batch_size)
    options = {"lr": 0.01, "clip_norm": 1.0, "seed": 0}
    numbers = train_step(whole, ragged_batch(0), **options)
    torch.testing.assert_close(train_step(parts, ragged_batch(0), **options), numbers, rtol=1e-5, atol=0)
    for one, other in zip(whole.loss.parameters(), parts.loss.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_activation_checkpointing_gives_the_step_without_it(new_trainer):
    kept, computed_again = (
        new_trainer(dropout_rate=0.1, activation_checkpointing=is_on) for is_on in (False, True)
    )
    options = {"lr": 0.01, "clip_norm": 1.0, "seed": 0}
    numbers = train_step(kept, ragged_batch(0), **options)
    torch.testing.assert_close(train_step(computed_again, ragged_batch(0), **options), numbers)
    for one, other in zip(kept.loss.parameters(), computed_again.loss.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_frozen_parameters_stay_and_have_no_moments(tokenizer, tmp_path):
    def set_up(checkpoint=None):
        torch.manual_seed(0)
        model = build_model("tiny", vocab_size=384, pad_id=0, eos_id=1)
        model.requires_grad_(False)
        model.decoder.requires_grad_(True)
        model.shared.requires_grad_(False)
        return setup(
            model,
            tokenizer,
            accelerator=Accelerator(cpu=True),
            build_optimizer=lambda params: AdamWRms(params, lr=0.01),
            folder=RunFolder(tmp_path),
            checkpoint=checkpoint,
            training=training(checkpoint_every=2),
        )

    trainer = set_up()
    before = {key: weight.clone() for key, weight in trainer.model.state_dict().items()}
    options = {"schedule": lambda step: 0.01, "clip_norm": 1.0, "seed": 0}
    fit(trainer, ragged_batch, training=training(num_steps=2), **options)
    changed = {key for key, weight in trainer.model.state_dict().items() if not weight.equal(before[key])}
    assert changed
    assert all(key.startswith("decoder.") for key in changed)
    moments = load_file(newest_checkpoint(tmp_path / "checkpoints") / "optimizer.safetensors")
    assert all(key.startswith("model.decoder.") for key in moments)
    resumed = set_up(newest_checkpoint(tmp_path / "checkpoints"))
    assert fit(resumed, ragged_batch, training=training(num_steps=4), **options).step == 4


def test_the_gradient_is_clipped_but_reported_as_it_was(new_trainer):
    trainer = new_trainer()
    norms = []

    def note_norm(optimizer, *_):
        params = optimizer.param_groups[0]["params"]
        norms.append(torch.nn.utils.get_total_norm([param.grad for param in params]).item())

    trainer.optimizer.register_step_pre_hook(note_norm)
    _, norm, _ = train_step(trainer, ragged_batch(0), lr=0.01, clip_norm=0.5, seed=0)
    assert norm > 0.5
    assert norms == [pytest.approx(0.5, rel=1e-3)]


def test_the_rate_is_that_of_the_schedule(new_trainer):
    trainer = new_trainer(learning_rate=1.0)
    train_step(trainer, ragged_batch(0), lr=0.25, clip_norm=1.0, seed=0)
    assert trainer.optimizer.param_groups[0]["lr"] == 0.25


@torch.no_grad()
def test_validation_changes_nothing_and_weighs_by_tokens(new_trainer):
    trainer = new_trainer()
    before = {key: weight.clone() for key, weight in trainer.loss.state_dict().items()}
    line = validate(trainer, Validation(ragged_batch, num_batches=2))
    assert list(line) == ["validation_loss"]  # these rows are of no task
    loss = line["validation_loss"]
    batches = [ragged_batch(0), ragged_batch(1)]
    nats = sum(trainer.loss(**tensors_of(batch)).item() for batch in batches)
    assert loss == pytest.approx(nats / sum(batch.num_target_tokens for batch in batches), rel=1e-5)
    assert trainer.loss.training
    assert all(torch.equal(weight, before[key]) for key, weight in trainer.loss.state_dict().items())


def test_a_non_finite_loss_stops_the_run_with_the_batch_named(new_trainer, tmp_path):
    trainer = new_trainer(batch_size=2)
    with torch.no_grad():
        trainer.model.shared.weight[5] = float("nan")
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
        f"  where: {tmp_path / 'bad-batch-00000000.safetensors'}\n"
        "  mend:  look at those examples; else lower optim.lr, lengthen schedule.warmup_steps, or set "
        "training.dtype=float32, and go on from the newest checkpoint with --resume"
    )
    with safe_open(tmp_path / "bad-batch-00000000.safetensors", framework="np") as written:
        assert written.metadata() == {"step": "0", "names": '["toy/plain/0:0", "toy/plain/0:1"]'}
        for name in ("input_ids", "attention_mask", "labels"):
            np.testing.assert_array_equal(written.get_tensor(name), getattr(batch, name))
    assert newest_checkpoint(tmp_path / "checkpoints") is None


class SignalAt:
    """A Progress that sends this process a signal after a step, as a terminal or a scheduler would."""

    def __init__(self, step: int, number: signal.Signals) -> None:
        self.at, self.number = step, number

    def start(self, *, step, num_steps):
        pass

    def step(self, step):
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
        def step(self, step):
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
