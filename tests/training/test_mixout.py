import pytest
import torch

from t2t.model import build_model
from t2t.training.mixout import MixedLinear, add_mixout, mix_weights


def new_model(seed: int, preset: str = "tiny"):
    torch.manual_seed(seed)
    return build_model(preset, vocab_size=384, pad_id=0, eos_id=1)


def output_of(model, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    ids = torch.arange(3, 11)[None]
    return model(input_ids=ids, decoder_input_ids=ids, use_cache=False).logits


def test_the_numbers_of_the_docstring():
    torch.manual_seed(0)
    mixed = mix_weights(torch.full((100_000,), 3.0), torch.full((100_000,), 1.0), 0.5)
    # kept (3 - 0.5 * 1) / 0.5 = 5, gone back (1 - 0.5 * 1) / 0.5 = 1, on average 3
    assert set(mixed.tolist()) == {1.0, 5.0}
    # the standard error of the mean of 100,000 draws of 1 or 5 is 2 / 316 = 0.0063
    assert mixed.mean().item() == pytest.approx(3.0, abs=0.03)


@pytest.mark.parametrize("preset", ["tiny", "bart-tiny"])
def test_the_matrices_of_the_blocks_are_mixed_and_nothing_else(preset):
    model = new_model(1, preset)
    names, count = list(model.state_dict()), sum(1 for _ in model.parameters())
    add_mixout(model, new_model(0, preset), probability=0.5)
    mixed = {name for name, module in model.named_modules() if isinstance(module, MixedLinear)}
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert mixed == linear - {"lm_head"}
    assert list(model.state_dict()) == names
    assert sum(1 for _ in model.parameters()) == count


def test_without_training_the_weights_are_as_trained():
    model = new_model(1).eval()
    expected = output_of(model)
    add_mixout(model, new_model(0), probability=0.5)
    assert torch.equal(output_of(model), expected)


def test_the_draw_follows_the_generator():
    model = new_model(1).train()
    add_mixout(model, new_model(0), probability=0.5)
    assert torch.equal(output_of(model, 3), output_of(model, 3))
    assert not torch.allclose(output_of(model, 3), output_of(model, 4))


def test_a_model_that_has_not_moved_is_as_it_was():
    model = new_model(1).train()
    expected = output_of(model)
    add_mixout(model, model, probability=0.5)
    torch.testing.assert_close(output_of(model), expected)


def test_every_weight_has_a_gradient_that_is_scaled_where_it_is_kept():
    weight = torch.ones(1_000, requires_grad=True)
    torch.manual_seed(0)
    mix_weights(weight, torch.zeros(1_000), 0.75).sum().backward()
    assert set(weight.grad.tolist()) == {0.0, 4.0}  # 1 / (1 - 0.75)


def test_it_can_be_compiled():
    model = new_model(1).train()
    add_mixout(model, new_model(0), probability=0.5)
    expected = output_of(model)
    torch._dynamo.reset()
    model.compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(output_of(model), expected)
