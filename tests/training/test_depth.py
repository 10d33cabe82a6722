import pytest
import torch

from t2t.model import build_model
from t2t.training.depth import Unfreezing, depths, find_blocks, parameter_groups


def new_model(preset: str = "tiny"):
    return build_model(preset, vocab_size=384, pad_id=0, eos_id=1)


def test_depth_counts_blocks_from_the_top_of_each_stack():
    """The table of the docstring: an encoder of two blocks and a decoder of three."""
    block = "encoder.block.{}.layer.0.SelfAttention.q.weight"
    bart = "model.decoder.layers.{}.fc1.weight"
    expected = {
        block.format(1): 0,
        block.format(0): 1,
        bart.format(2): 0,
        bart.format(1): 1,
        bart.format(0): 2,
        "encoder.final_layer_norm.weight": 0,
        "model.decoder.layer_norm.bias": 0,  # mBART's
        "lm_head.weight": 0,
        "shared.weight": 3,
        "model.encoder.embed_positions.weight": 3,
        "model.decoder.layernorm_embedding.weight": 3,
    }
    assert depths(expected) == expected


@pytest.mark.parametrize(("preset", "num_blocks"), [("tiny", 4), ("bart-tiny", 4), ("mini", 12)])
def test_all_blocks_are_found(preset, num_blocks):
    assert len(find_blocks(new_model(preset))) == num_blocks


@pytest.mark.parametrize("preset", ["tiny", "bart-tiny"])
def test_each_depth_has_a_rate_and_each_weight_is_in_one_group(preset):
    model = new_model(preset)
    groups = parameter_groups(model, layer_lr_decay=0.5)
    assert [group["lr_scale"] for group in groups] == [1.0, 0.5, 0.25]  # two blocks, then embeddings
    ids = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(ids) == sorted(id(weight) for weight in model.parameters())
    assert any(weight is model.get_input_embeddings().weight for weight in groups[-1]["params"])


def test_one_rate_makes_one_group_of_what_is_trained():
    model = new_model()
    model.encoder.requires_grad_(False)
    (group,) = parameter_groups(model)
    assert group["lr_scale"] == 1.0
    assert len(group["params"]) == sum(weight.requires_grad for weight in model.parameters())


def test_depths_begin_to_learn_one_after_the_other():
    model = new_model()
    unfreezing = Unfreezing(model, every=10)
    names = {id(weight): name for name, weight in model.named_parameters()}

    def frozen(step):
        return {names[id(weight)].partition(".layer.")[0] for weight in unfreezing.frozen(step)}

    lower = {"shared.weight", "encoder.block.0", "decoder.block.0"}
    assert frozen(0) == frozen(9) == lower
    assert frozen(10) == frozen(19) == {"shared.weight"}
    assert frozen(20) == set()


def test_frozen_weights_have_no_gradient():
    model = new_model()
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    Unfreezing(model, every=10).drop_gradients(15)
    without = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert without == {"shared.weight"}
