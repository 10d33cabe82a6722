from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration

from t2t.model import build_model
from t2t.model.adapters import Adapters
from t2t.model.injected_layers import lora_config
from t2t.tokens.batches import Batch
from t2t.training.throughput import FlopCounter, known_peak, peak_flops


def batch_of(source_lens: list[int], target_lens: list[int]) -> Batch:
    mask = (np.arange(max(source_lens)) < np.array(source_lens)[:, None]).astype(np.int64)
    labels = np.where(np.arange(max(target_lens)) < np.array(target_lens)[:, None], 5, -100)
    return Batch(mask, mask, labels, sum(source_lens), sum(target_lens), ("",) * len(source_lens))


def test_t5_weights_are_those_that_source_and_target_tokens_pass():
    counter = FlopCounter.of_model(build_model("tiny", vocab_size=384, pad_id=0, eos_id=1))
    # d_model 64, d_ff 128 in three matrices, 4 heads of 16: width 64; 2 layers each
    attention, feed_forward = 4 * 64 * 64, 3 * 64 * 128
    assert counter == FlopCounter(
        # encoder, and keys and values of the decoder's cross-attention
        source_weights=2 * (attention + feed_forward) + 2 * 2 * 64 * 64,
        # self-attention, queries and outputs of cross-attention, feed-forward; the output layer
        target_weights=2 * (attention + 2 * 64 * 64 + feed_forward) + 64 * 384,
        encoder_width=2 * 64,
        decoder_width=2 * 64,
        cross_width=2 * 64,
    )


def test_bart_is_counted_alike():
    config = BartConfig(
        vocab_size=100,
        d_model=8,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
    )
    counter = FlopCounter.of_model(BartForConditionalGeneration(config))
    assert counter == FlopCounter(
        source_weights=4 * 8 * 8 + 2 * 8 * 16 + 2 * 2 * 8 * 8,
        target_weights=2 * (4 * 8 * 8 + 2 * 8 * 8 + 2 * 8 * 16) + 8 * 100,
        encoder_width=8,
        decoder_width=16,
        cross_width=16,
    )


def test_flops_of_a_batch_leave_padding_out():
    counter = FlopCounter(
        source_weights=10, target_weights=20, encoder_width=3, decoder_width=4, cross_width=5
    )
    # sources of 2 and 3 tokens, targets of 1 and 4
    products = 6 * (10 * 5 + 20 * 5)
    pairs = 12 * (3 * (4 + 9) + 4 * (1 + 16) + 5 * (2 * 1 + 3 * 4))
    assert counter.count(batch_of([2, 3], [1, 4])) == products + pairs


def test_wrong_choices_are_targets_of_the_same_source():
    counter = FlopCounter(
        source_weights=10, target_weights=20, encoder_width=3, decoder_width=4, cross_width=5
    )
    batch = batch_of([2, 3], [1, 4])
    wrong = np.full((2, 2, 4), -100)
    # the first row has wrong choices of 2 and 3 tokens, the second has one of 1
    wrong[0, 0, :2] = wrong[0, 1, :3] = wrong[1, 0, :1] = 7
    # sources of 2 and 3 tokens, targets of 1 + 2 + 3 = 6 and 4 + 1 = 5
    products = 6 * (10 * 5 + 20 * 11)
    pairs = 12 * (3 * (4 + 9) + 4 * (1 + 4 + 9 + 16 + 1) + 5 * (2 * 6 + 3 * 5))
    assert counter.count(replace(batch, wrong_labels=wrong)) == products + pairs


def test_each_pass_of_a_row_counts():
    model = build_model("tiny", vocab_size=384, pad_id=0, eos_id=1)
    once, twice = (FlopCounter.of_model(model, num_passes=num_passes) for num_passes in (1, 2))
    batch = batch_of([2, 3], [1, 4])
    assert twice.count(batch) == 2 * once.count(batch)


def test_lora_adds_its_own_matrices_and_takes_none_away():
    model = build_model("tiny", vocab_size=384, pad_id=0, eos_id=1)
    before = FlopCounter.of_model(model)
    targets = ["q", "k", "v"]
    Adapters(model, name="tiny").add(
        "lora", lora_config(model, rank=2, alpha=4, dropout=0.0, target_modules=targets)
    )
    after = FlopCounter.of_model(model)
    widths = ("encoder_width", "decoder_width", "cross_width")
    assert [getattr(after, width) for width in widths] == [getattr(before, width) for width in widths]
    config = model.config
    num_pairs = config.d_model + config.num_heads * config.d_kv  # into rank 1 and out of it
    of_source = 3 * config.num_layers + 2 * config.num_decoder_layers  # cross-attention reads keys and values
    of_target = 3 * config.num_decoder_layers + config.num_decoder_layers
    assert after.source_weights - before.source_weights == 2 * num_pairs * of_source
    assert after.target_weights - before.target_weights == 2 * num_pairs * of_target


def test_flops_are_those_that_torch_counts_in_a_forward_and_backward_pass():
    from torch.utils.flop_counter import FlopCounterMode

    model = build_model("tiny", vocab_size=384, pad_id=0, eos_id=1)
    model.set_attn_implementation("eager")
    batch = batch_of([24, 24], [9, 9])
    with FlopCounterMode(display=False) as mode:
        model(
            input_ids=torch.from_numpy(batch.input_ids), labels=torch.from_numpy(batch.labels)
        ).loss.backward()
    # torch leaves out what no one asks for: the gradients of the inputs of the first layer are asked for,
    # as the embedding learns, so nothing is left out here
    assert FlopCounter.of_model(model).count(batch) == pytest.approx(mode.get_total_flops(), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L40", 181e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_peaks_of_gpus(name, peak):
    assert known_peak(name) == peak


def test_a_stated_peak_counts_anywhere_and_a_cpu_has_no_other():
    cpu = torch.device("cpu")
    assert peak_flops(cpu, peak_tflops=0.5, in_bfloat16=False) == 5e11
    assert peak_flops(cpu, peak_tflops=None, in_bfloat16=True) is None
