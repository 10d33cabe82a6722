import errno
import os
import shutil
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator, DistributedType
from safetensors import SafetensorError
from transformers import T5Config, T5ForConditionalGeneration

from t2t.data.locks import alone_in
from t2t.errors import Faults, T2TError, TrainingError
from t2t.model import build_model
from t2t.training import checkpoint as checkpoint_module
from t2t.training import run as run_module
from t2t.training.checkpoint import checkpoint_folder, newest_checkpoint
from t2t.training.pretrain import pretrain
from t2t.training.run import (
    build_accelerator,
    check_layerdrop,
    check_lengths,
    check_unfreezing,
    is_full_disk,
)
from t2t.training.run_folder import RunFolder

from .conftest import finetune_config, metrics_of, pretrain_config
from .test_pretrain import KillAt, Killed


def small_t5(*, num_layers):
    sizes = {"vocab_size": 32, "d_model": 8, "d_ff": 8, "d_kv": 4, "num_heads": 2, "num_layers": num_layers}
    return T5ForConditionalGeneration(T5Config(decoder_start_token_id=0, **sizes))


FULL = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def test_a_full_disk_ends_the_run_with_the_checkpoint_before_and_it_goes_on(
    pretrain_values, tmp_path, monkeypatch
):
    config = pretrain_config(pretrain_values)
    save_file, num_saved = checkpoint_module.save_file, 0

    def save_on_full_disk(tensors, path):
        nonlocal num_saved
        num_saved += 1
        if num_saved == 2:  # of the checkpoint of step 6
            path.write_bytes(b"half a file")
            raise FULL
        save_file(tensors, path)

    with monkeypatch.context() as patched, pytest.raises(TrainingError) as caught:
        patched.setattr(checkpoint_module, "save_file", save_on_full_disk)
        pretrain(config)
    assert str(caught.value) == (
        "the disk is full, or your share of it\n"
        f"  where: {config.run_dir}\n"
        "  mend:  make room, then go on from the newest checkpoint, which is whole, with --resume"
    )
    checkpoints = RunFolder(config.run_dir).checkpoints
    assert [path.name for path in checkpoints.iterdir()] == ["step-00000003"]

    pretrain(config, resume=True)
    whole = pretrain_config(pretrain_values, run_dir=tmp_path / "whole")
    pretrain(whole)
    assert metrics_of(config.run_dir) == metrics_of(whole.run_dir)


def test_a_disk_that_fills_up_while_the_model_is_published(pretrain_values, monkeypatch):
    config = pretrain_config(pretrain_values)

    def copy_on_full_disk(source, target):
        raise shutil.Error([(str(source), str(target), f"[Errno {errno.ENOSPC}] No space left on device")])

    with monkeypatch.context() as patched, pytest.raises(TrainingError, match=r"^the disk is full"):
        patched.setattr(shutil, "copytree", copy_on_full_disk)
        pretrain(config)
    assert newest_checkpoint(RunFolder(config.run_dir).checkpoints).name == "step-00000008"
    assert pretrain(config, resume=True).step == 8
    assert (config.run_dir / "model" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (FULL, True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (SafetensorError("invalid header"), False),
    ],
)
def test_errors_of_a_full_disk(error, is_full):
    assert is_full_disk(error) is is_full


def test_other_errors_of_a_disk_are_left_as_they_are(pretrain_values, monkeypatch):
    def save_nowhere(tensors, path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(checkpoint_module, "save_file", save_nowhere)
    with pytest.raises(PermissionError):
        pretrain(pretrain_config(pretrain_values))


def test_adafactor_is_not_sharded(pretrain_values):
    config = pretrain_config(pretrain_values, training={"shard": True}, optim={"name": "adafactor"})
    with pytest.raises(TrainingError) as caught:
        pretrain(config)
    assert str(caught.value) == (
        "adafactor looks at whole tensors, and training.shard cuts them\n"
        "  where: optim.name\n"
        "  mend:  set optim.name=adamw_rms or training.shard=false"
    )
    assert not config.run_dir.exists()


def test_fp16_is_refused_however_it_is_asked_for(pretrain_values, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "ACCELERATE_MIXED_PRECISION", "fp16")
    with pytest.raises(TrainingError) as caught:
        build_accelerator(pretrain_config(pretrain_values).training, tmp_path)
    assert str(caught.value) == (
        "accelerate was told to train in fp16, in which T5's feed-forward layers overflow\n"
        "  where: training.dtype\n"
        "  mend:  launch it without --mixed_precision; training.dtype takes bfloat16 or float32"
    )


@pytest.mark.parametrize(("is_native", "expected"), [(True, "bf16"), (False, "no")])
def test_bfloat16_that_a_gpu_only_emulates_is_not_trained_in(
    pretrain_values, tmp_path, monkeypatch, is_native, expected
):
    told = {}
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or is_native
    )
    monkeypatch.setattr(
        run_module,
        "Accelerator",
        lambda **options: told.update(options) or SimpleNamespace(distributed_type=DistributedType.NO),
    )
    config = pretrain_config(pretrain_values, training={"dtype": "auto", "device": "auto"})
    build_accelerator(config.training, tmp_path)
    assert told["mixed_precision"] == expected


def test_the_sharding_of_accelerate_is_refused(pretrain_values, tmp_path, monkeypatch):
    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.FSDP)
    with pytest.raises(TrainingError) as caught:
        build_accelerator(pretrain_config(pretrain_values).training, tmp_path)
    assert str(caught.value) == (
        "accelerate was told to shard with FSDP, which t2t does itself\n"
        "  where: training.shard\n"
        "  mend:  launch it without that option, and set training.shard=true"
    )


def test_sources_longer_than_a_bart_has_positions_for_are_refused_before_training(pretrain_values):
    config = pretrain_config(
        pretrain_values, model={"preset": "bart-tiny"}, objective={"max_source_len": 512}
    )
    with pytest.raises(TrainingError) as caught:
        pretrain(config)
    assert str(caught.value) == (
        "objective.max_source_len is 512, and the model's encoder has 256 positions\n"
        "  where: objective.max_source_len\n"
        "  mend:  set objective.max_source_len=256 or less"
    )


@pytest.mark.parametrize(
    ("lengths", "problem"),
    [
        ({"max_source_len": 256, "max_target_len": 256}, None),
        (
            {"max_source_len": 300, "max_target_len": 300},
            "lengths.max_source_len is 300, and the model's encoder has 256 positions\n"
            "lengths.max_target_len is 300, and the model's decoder has 256 positions",
        ),
        ({"max_source_len": 257}, "lengths.max_source_len is 257, and the model's encoder has 256 positions"),
        ({"max_target_len": 300}, "lengths.max_target_len is 300, and the model's decoder has 256 positions"),
    ],
)
def test_lengths_of_fine_tuning_are_compared_with_a_barts_positions(finetune_values, lengths, problem):
    model = build_model("bart-tiny", vocab_size=384, pad_id=0, eos_id=1)
    config = finetune_config(finetune_values, lengths=lengths)
    if problem is None:
        check_lengths(model, config)
        return
    with pytest.raises(T2TError) as caught:
        check_lengths(model, config)
    faults = caught.value.faults if isinstance(caught.value, Faults) else [caught.value]
    assert "\n".join(fault.problem for fault in faults) == problem


@pytest.mark.parametrize(
    ("every", "num_steps", "num_frozen", "mend"),
    [
        # four blocks and the embeddings below them begin with steps 0, 5, 10, 15 and 20
        (5, 20, 1, "set optim.unfreeze_every=4 or less, or raise training.num_steps"),
        (5, 10, 3, "set optim.unfreeze_every=2 or less, or raise training.num_steps"),
        (2, 4, 3, "set training.num_steps=9 or more, or leave optim.unfreeze_every out"),
    ],
)
def test_blocks_that_would_never_thaw_are_refused(every, num_steps, num_frozen, mend):
    model = small_t5(num_layers=4)
    with pytest.raises(TrainingError) as caught:
        check_unfreezing(model, every=every, num_steps=num_steps)
    assert str(caught.value) == (
        f"one more depth begins to learn after every {every} steps: of 5 depths {num_frozen} would stay "
        f"frozen for all {num_steps} steps\n"
        "  where: optim.unfreeze_every\n"
        f"  mend:  {mend}"
    )


def test_only_what_is_trained_must_thaw():
    model = small_t5(num_layers=4)
    check_unfreezing(model, every=5, num_steps=21)
    model.shared.requires_grad_(False)  # as beside an adapter: the deepest block begins with step 15
    check_unfreezing(model, every=5, num_steps=16)
    with pytest.raises(TrainingError, match="of 4 depths 1 would stay frozen"):
        check_unfreezing(model, every=5, num_steps=15)


def test_a_run_whose_blocks_never_thaw_ends_before_it_reads_data(pretrain_values):
    config = pretrain_config(pretrain_values, optim={"unfreeze_every": 7})  # of 8 steps, for 3 depths
    with pytest.raises(TrainingError, match="of 3 depths 1 would stay frozen for all 8 steps"):
        pretrain(config)


def test_layerdrop_is_refused_with_several_processes():
    model = build_model("bart-tiny", vocab_size=384, pad_id=0, eos_id=1)
    check_layerdrop(model, num_processes=2)
    model.get_decoder().layerdrop = 0.1
    check_layerdrop(model, num_processes=1)
    with pytest.raises(TrainingError) as caught:
        check_layerdrop(model, num_processes=2)
    assert str(caught.value) == (
        "the model skips blocks (its layerdrop), whose gradients the other processes wait for\n"
        "  where: model\n"
        "  mend:  fine-tune with model.dropout_rate=0, or set encoder_layerdrop and decoder_layerdrop to 0 "
        "in the model's config.json; regularization.layer_drop goes with any number of processes"
    )
    model.requires_grad_(False)  # a soft prompt is not in the blocks
    check_layerdrop(model, num_processes=2)


def test_one_process_shards_nothing(pretrain_values):
    config = pretrain_config(pretrain_values, training={"shard": True, "num_steps": 2})
    assert pretrain(config).step == 2
    assert not torch.distributed.is_initialized()


def test_a_run_folder_takes_one_process_at_a_time(pretrain_values):
    config = pretrain_config(pretrain_values)
    with pytest.raises(Killed):
        pretrain(config, progress=KillAt(5))
    unused = TrainingError("unused")
    with alone_in(config.run_dir, busy=unused), pytest.raises(TrainingError) as caught:
        pretrain(config, resume=True)
    assert str(caught.value) == (
        "another process is training in this run folder\n"
        f"  where: {config.run_dir}\n"
        "  mend:  wait until it ends or stop it, or give another run_dir"
    )
    assert pretrain(config, resume=True).step == 8


def test_a_run_that_went_on_since_its_checkpoint_was_chosen_is_left_alone(pretrain_values, monkeypatch):
    config = pretrain_config(pretrain_values)
    with pytest.raises(Killed):
        pretrain(config, progress=KillAt(5))

    def alone_later(folder, *, busy):
        checkpoint_folder(folder / "checkpoints", 7).mkdir()  # the other process ends, and frees the lock
        return alone_in(folder, busy=busy)

    monkeypatch.setattr("t2t.training.run.alone_in", alone_later)
    with pytest.raises(TrainingError, match="another process is training in this run folder"):
        pretrain(config, resume=True)
