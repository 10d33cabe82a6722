"""T-Few's loss, with probabilities that can be followed by hand."""

import math
from dataclasses import replace

import pytest
import torch

from t2t.inference.rank import token_logprobs
from t2t.model import build_model
from t2t.model.adapters import Adapters
from t2t.model.presets import PRESETS
from t2t.model.soft_prompt import prompt_tuning_config
from t2t.training.choice_loss import length_normalised_losses, not_token_logprobs, t_few_losses
from t2t.training.loss import SummedLoss

IGNORED = -100


def test_the_probability_of_a_label_and_of_all_others():
    logits = torch.tensor([[[0.7, 0.2, 0.1]]]).log()
    labels = torch.tensor([[0]])
    assert token_logprobs(logits, labels).item() == pytest.approx(math.log(0.7))
    assert not_token_logprobs(logits, labels).item() == pytest.approx(math.log(0.3))


def test_a_certain_wrong_token_has_a_finite_gradient():
    # in float32 the softmax of the first is exactly 1, and the logarithm of 1 - 1 would be infinite
    logits = torch.tensor([[[200.0, 0.0, -1.0]]], requires_grad=True)
    logprob = not_token_logprobs(logits, torch.tensor([[0]]))
    assert logprob.item() == pytest.approx(-200 + math.log(1 + math.exp(-1)))
    logprob.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_the_length_normalised_loss_is_the_worked_example():
    logprobs = torch.tensor([[[-1.0, -3.0], [-4.0, 0.0]]])
    is_token = torch.tensor([[[True, True], [True, False]]])
    # means -2 and -4; the right one's share is 1 / (1 + exp(-2))
    assert length_normalised_losses(logprobs, is_token).item() == pytest.approx(math.log(1 + math.exp(-2)))


def test_the_three_terms_by_hand():
    """Three tokens in the vocabulary; right choice "0 1", wrong choices "1" and "2 0", one absent."""
    probabilities = torch.tensor([[
        [[0.5, 0.25, 0.25], [0.2, 0.6, 0.2]],
        [[0.5, 0.25, 0.25], [1.0, 1.0, 1.0]],
        [[0.5, 0.25, 0.25], [0.4, 0.3, 0.3]],
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
    ]])  # fmt: skip
    labels = torch.tensor([[[0, 1], [1, IGNORED], [2, 0], [IGNORED, IGNORED]]])
    language_modelling = -(math.log(0.5) + math.log(0.6)) / 2
    unlikelihood = -(math.log(0.75) + math.log(0.75) + math.log(0.6)) / 3
    means = [
        (math.log(0.5) + math.log(0.6)) / 2,
        math.log(0.25),
        (math.log(0.25) + math.log(0.4)) / 2,
    ]
    normalised = -means[0] + math.log(sum(math.exp(mean) for mean in means))
    [loss] = t_few_losses(probabilities.log(), labels).tolist()
    assert loss == pytest.approx(language_modelling + unlikelihood + normalised)


def test_without_wrong_choices_it_is_the_cross_entropy_per_token():
    logits = torch.randn(2, 1, 3, 5)
    labels = torch.tensor([[[1, 2, 3]], [[4, IGNORED, IGNORED]]])
    expected = [
        torch.nn.functional.cross_entropy(logits[row, 0], labels[row, 0], ignore_index=IGNORED).item()
        for row in range(2)
    ]
    assert t_few_losses(logits, labels).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("preset", "has_prompt"),
    [("tiny", False), ("tiny", True), ("bart-tiny", False), ("bart-tiny", True), ("mbart-tiny", False)],
)
def test_in_a_batch_each_example_counts_by_its_target_tokens(preset, has_prompt, monkeypatch):
    monkeypatch.setitem(PRESETS, "mbart-tiny", replace(PRESETS["bart-tiny"], is_mbart=True))
    torch.manual_seed(0)
    model = build_model(preset, vocab_size=96, pad_id=0, eos_id=1)
    if has_prompt:  # it stands before the source, whichever way the model is called
        Adapters(model, name="toy").add("prompt", prompt_tuning_config(model, num_virtual_tokens=3))
    loss = SummedLoss(model).eval()
    input_ids = torch.tensor([[5, 6, 7, 1], [8, 9, 1, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    labels = torch.tensor([[20, 21, 1], [30, 1, IGNORED]])
    wrong = torch.tensor([
        [[22, 1, IGNORED], [23, 24, 1]],
        [[31, 1, IGNORED], [IGNORED, IGNORED, IGNORED]],
    ])  # fmt: skip
    with torch.no_grad():
        together = loss(input_ids, mask, labels, wrong)
        first = loss(input_ids[:1], None, labels[:1], wrong[:1])
        # without padding, and without the choice that the second example lacks
        second = loss(input_ids[1:, :3], None, labels[1:, :2], wrong[1:, :1, :2])
        plain = loss(input_ids, mask, labels)
        alone = loss(input_ids, mask, labels, wrong[:, :0])
    torch.testing.assert_close(together, first + second)
    torch.testing.assert_close(alone, plain)  # T L_LM is the summed cross-entropy
