import pytest
import torch
from torch._dynamo.utils import counters
from transformers import BlenderbotForConditionalGeneration, M2M100ForConditionalGeneration

from t2t.errors import TrainingError
from t2t.model import build_model
from t2t.training.loss import SummedLoss, compile_loss, own_name

LENGTHS = [(source_len, target_len) for source_len in (16, 8, 24, 32) for target_len in (4, 8)]


@pytest.fixture
def loss():
    torch.manual_seed(0)
    return SummedLoss(build_model("tiny", vocab_size=384, pad_id=0, eos_id=1))


def tensors(source_len: int, target_len: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two rows, of which the first ends in padding."""
    generator = torch.Generator().manual_seed(source_len * 100 + target_len)
    ids, labels = (
        torch.randint(3, 384, (2, length), generator=generator) for length in (source_len, target_len)
    )
    mask = torch.ones_like(ids)
    mask[0, -2:], labels[0, -1] = 0, -100
    return ids, mask, labels


def test_no_mask_is_a_mask_of_ones(loss):
    ids, mask, labels = tensors(8, 4)
    torch.testing.assert_close(loss(ids, None, labels), loss(ids, torch.ones_like(mask), labels))


@pytest.mark.parametrize("family", [BlenderbotForConditionalGeneration, M2M100ForConditionalGeneration])
def test_models_without_a_method_that_shifts_labels_give_their_own_loss(family):
    sizes = {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": 384}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    layers = {"encoder_layers": 1, "decoder_layers": 1}
    model = family(family.config_class(**sizes, **heads, **layers, pad_token_id=0)).eval()
    ids, mask, labels = tensors(8, 4)
    labels[0, -2] = -100  # not the last alone, which no token follows
    expected = model(input_ids=ids, attention_mask=mask, labels=labels).loss * (labels != -100).sum()
    torch.testing.assert_close(SummedLoss(model).eval()(ids, mask, labels), expected)


def test_eight_lengths_are_compiled_once_and_give_what_transformers_gives(loss):
    compile_as_asked = loss.compile
    # tracing alone, which decides when to compile again; making kernels takes minutes
    loss.compile = lambda **options: compile_as_asked(backend="eager", **options)
    torch._dynamo.reset()
    counters.clear()
    compile_loss(loss)
    for source_len, target_len in LENGTHS:
        ids, mask, labels = tensors(source_len, target_len)
        expected = loss.model(input_ids=ids, attention_mask=mask, labels=labels).loss * (labels != -100).sum()
        torch.testing.assert_close(loss(ids, mask, labels), expected)
    assert counters["stats"]["unique_graphs"] == 1


def test_label_smoothing_is_the_formula_of_the_docstring(loss):
    ids, mask, labels = tensors(8, 4)
    logprobs = loss.model(input_ids=ids, attention_mask=mask, labels=labels).logits.log_softmax(-1)
    expected = 0.0
    for row, position in (labels != -100).nonzero().tolist():
        words = logprobs[row, position]
        expected += 0.9 * -words[labels[row, position]] + 0.1 * -words.mean()
    smoothed = SummedLoss(loss.model, label_smoothing=0.1).train()
    torch.testing.assert_close(smoothed(ids, mask, labels), expected)


def test_the_loss_of_validation_is_plain(loss):
    model = build_model("tiny", vocab_size=384, pad_id=0, eos_id=1, dropout_rate=0.1)
    changed = SummedLoss(model, label_smoothing=0.1, r_drop=1.0)
    torch.testing.assert_close(changed.eval()(*tensors(8, 4)), SummedLoss(model).eval()(*tensors(8, 4)))


def test_r_drop_is_the_mean_of_two_passes_and_half_of_alpha_times_how_they_differ():
    torch.manual_seed(0)
    model = build_model("tiny", vocab_size=384, pad_id=0, eos_id=1, dropout_rate=0.3)
    ids, mask, labels = tensors(8, 4)
    model.train()
    torch.manual_seed(1)
    twice = (ids.repeat(2, 1), mask.repeat(2, 1))
    logits = model(*twice, labels=labels.repeat(2, 1)).logits.detach()
    expected = 0.0
    for row, position in (labels != -100).nonzero().tolist():
        p, q = (logits[row + copy * len(ids), position].softmax(-1) for copy in range(2))
        label = labels[row, position]
        divergence = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
        expected += (-p[label].log() - q[label].log() + 5.0 * divergence) / 2
    torch.manual_seed(1)
    loss = SummedLoss(model, r_drop=5.0)(ids, mask, labels)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)


def test_r_drop_needs_dropout(loss):
    with pytest.raises(TrainingError) as caught:
        SummedLoss(loss.model, r_drop=1.0)
    assert str(caught.value) == (
        "r_drop compares two passes with other dropout, and this model has none\n"
        "  where: regularization.r_drop\n"
        "  mend:  give t2t finetune a model.dropout_rate such as 0.1, or leave r_drop out"
    )


def test_the_own_name_of_a_weight():
    assert own_name("model.shared.weight") == own_name("module.model.shared.weight") == "shared.weight"
    assert own_name("model.model.encoder.layers.0.fc1.bias") == "model.encoder.layers.0.fc1.bias"
