import pytest
import torch

from t2t.training.r_drop import divergences


def test_the_divergence_of_the_docstring():
    p, q = (torch.tensor([[probabilities, [0.9, 0.1]]]).log() for probabilities in ([0.75, 0.25], [0.5, 0.5]))
    # ((0.75 - 0.5) * log(0.75 / 0.5) + (0.25 - 0.5) * log(0.25 / 0.5)) / 2; the second token agrees
    assert divergences(p, q, torch.tensor([[True, True]])).tolist() == pytest.approx([0.1373], abs=1e-4)
    assert divergences(p, q, torch.tensor([[False, True]])).tolist() == [0.0]


def test_it_is_symmetric_and_not_changed_by_a_shift_of_the_logits():
    one, other = torch.randn(2, 3, 4, 7, generator=torch.Generator().manual_seed(0)).unbind()
    is_token = torch.ones(3, 4, dtype=torch.bool)
    expected = divergences(one, other, is_token)
    torch.testing.assert_close(divergences(other, one, is_token), expected)
    torch.testing.assert_close(divergences(one + 2, other - 1, is_token), expected)
