import pytest
import torch

from t2t.errors import TrainingError
from t2t.model import build_model
from t2t.training.layer_drop import add_layer_drop

PRESETS = ["tiny", "bart-tiny"]
ALMOST_1 = 1 - 1e-9


def new_model(preset: str):
    torch.manual_seed(0)
    return build_model(preset, vocab_size=384, pad_id=0, eos_id=1)


def output_of(model, seed: int = 0, ids: torch.Tensor | None = None) -> torch.Tensor:
    torch.manual_seed(seed)
    ids = torch.arange(3, 11)[None] if ids is None else ids
    return model(input_ids=ids, decoder_input_ids=torch.arange(3, 11)[None], use_cache=False).logits


@pytest.mark.parametrize("preset", PRESETS)
def test_without_training_every_block_is_there(preset):
    model = new_model(preset).eval()
    expected = output_of(model)
    add_layer_drop(model, probability=0.5)
    assert torch.equal(output_of(model), expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_without_any_block_the_source_is_not_heard_of(preset):
    model = new_model(preset).train()
    add_layer_drop(model, probability=ALMOST_1)
    other = torch.arange(103, 111)[None]
    assert torch.equal(output_of(model), output_of(model, ids=other))
    model.eval()
    assert not torch.allclose(output_of(model), output_of(model, ids=other))


def test_a_dropped_block_is_as_if_it_were_not_there():
    model = new_model("tiny").train()
    # the encoder's second block draws after its first, and keeps what comes in: so does an empty model
    shorter = new_model("tiny").train()
    del shorter.encoder.block[1]
    expected = shorter.encoder(input_ids=torch.arange(3, 11)[None]).last_hidden_state
    add_layer_drop(model, probability=0.5)
    kept_first_alone = 0
    for seed in range(20):
        torch.manual_seed(seed)
        draws = torch.rand(()).item(), torch.rand(()).item()
        if draws[0] >= 0.5 > draws[1]:
            kept_first_alone += 1
            torch.manual_seed(seed)
            states = model.encoder(input_ids=torch.arange(3, 11)[None]).last_hidden_state
            torch.testing.assert_close(states, expected)
    assert kept_first_alone


@pytest.mark.parametrize("preset", PRESETS)
def test_the_draw_follows_the_generator_and_every_weight_has_a_gradient(preset):
    model = new_model(preset).train()
    add_layer_drop(model, probability=0.5)
    outputs = [output_of(model, seed) for seed in range(8)]
    assert all(torch.equal(output_of(model, seed), output) for seed, output in enumerate(outputs))
    # four blocks, each kept or not: eight draws that are all alike have probability 2 ** -28
    assert any(not torch.allclose(outputs[0], output) for output in outputs[1:])
    outputs[0].sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.parametrize("preset", PRESETS)
def test_it_can_be_compiled(preset):
    model = new_model(preset).train()
    add_layer_drop(model, probability=0.5)
    expected = [output_of(model, seed) for seed in range(4)]
    torch._dynamo.reset()
    model.compile(backend="eager", fullgraph=True)
    for seed, output in enumerate(expected):
        torch.testing.assert_close(output_of(model, seed), output)


def test_a_model_without_blocks():
    with pytest.raises(TrainingError) as caught:
        add_layer_drop(torch.nn.Linear(2, 2), probability=0.5)
    assert str(caught.value) == (
        "the blocks of this model are not found, which layer_drop, layer_lr_decay and unfreeze_every go by\n"
        "  mend:  leave those out, or take a T5 or BART model"
    )
