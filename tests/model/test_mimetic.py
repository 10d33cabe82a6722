import pytest
import torch

from t2t.errors import ModelError
from t2t.model import build_model
from t2t.training.optimizer import build_optimizer

VOCAB_SIZE = 320
ROW = torch.tensor([[10, 11, 12, 13, 14, 15, 1]])  # seven tokens, all different


def new_model(attention_init: str, seed: int = 0):
    torch.manual_seed(seed)
    return build_model(
        "tiny", vocab_size=VOCAB_SIZE, pad_id=0, eos_id=1, attention_init=attention_init
    ).eval()


def cross_attention(model, source: torch.Tensor, decoded: list[int]) -> torch.Tensor:
    """Of the first decoder layer, mean over heads: float (len(decoded), source length)."""
    model.set_attn_implementation("eager")
    outputs = model(input_ids=source, decoder_input_ids=torch.tensor([decoded]), output_attentions=True)
    return outputs.cross_attentions[0][0].mean(dim=0)


@torch.no_grad()
def test_the_products_of_its_matrices_are_multiples_of_the_identity():
    model, identity = new_model("mimetic"), torch.eye(64)
    encoder = model.encoder.block[1].layer[0].SelfAttention
    cross = model.decoder.block[1].layer[1].EncDecAttention
    for attention, passed_on in [(encoder, 0.3), (cross, 0.5)]:
        assert torch.allclose(attention.q.weight.T @ attention.k.weight, 0.3 * identity, atol=1e-5)
        assert torch.allclose(attention.o.weight @ attention.v.weight, passed_on * identity, atol=1e-5)


@torch.no_grad()
def test_a_token_looks_for_its_like_in_the_source():
    found = cross_attention(new_model("mimetic"), ROW, [0, 12, 14])
    assert found[1].argmax() == 2
    assert found[2].argmax() == 4


@torch.no_grad()
def test_what_is_found_gains_in_the_output():
    model = new_model("mimetic")
    decoded = torch.tensor([[0, 12]])
    with_it = model(input_ids=ROW, decoder_input_ids=decoded).logits[0, -1]
    without = model(input_ids=ROW + 100, decoder_input_ids=decoded).logits[0, -1]
    assert (with_it - without).argmax() == 12


@torch.no_grad()
def test_some_heads_look_at_the_neighbours():
    model = new_model("mimetic")
    bias = model.encoder.block[0].layer[0].SelfAttention.compute_bias(7, 7)[0]  # (heads, query, key)
    for head, distance in [(0, -1), (1, -1), (2, 1)]:
        assert (bias[head].argmax(dim=-1)[1:-1] == torch.arange(1, 6) + distance).all()


def test_it_is_as_random_as_the_seed():
    matrices = [
        new_model("mimetic", seed).encoder.block[0].layer[0].SelfAttention.k.weight for seed in (0, 0, 1)
    ]
    assert torch.equal(matrices[0], matrices[1])
    assert not torch.equal(matrices[0], matrices[2])


@pytest.mark.parametrize(("preset", "have"), [("small", "6 heads of 64, d_model 512"), ("bart-tiny", "bart")])
def test_other_shapes_are_refused(preset, have):
    with torch.device("meta"), pytest.raises(ModelError) as raised:
        build_model(preset, vocab_size=VOCAB_SIZE, pad_id=0, eos_id=1, attention_init="mimetic")
    assert str(raised.value) == (
        "mimetic attention needs a T5 of three heads or more that together are as wide as the model\n"
        f"  have:  {have}\n"
        "  mend:  leave out attention_init, or choose another preset, such as starter"
    )


@pytest.mark.slow
def test_it_learns_to_look_up_where_random_attention_does_not():
    """Rows of three pairs of random tokens, then one of the keys: right is the token that stood behind it."""
    shares = {
        attention_init: share_looked_up(new_model(attention_init)) for attention_init in ("random", "mimetic")
    }
    assert shares["mimetic"] > shares["random"] + 0.3


def share_looked_up(model, *, num_steps: int = 400, num_rows: int = 64) -> float:
    """Train the model, then the fraction of the last ten batches that it got right."""
    generator = torch.Generator().manual_seed(0)
    optimizer = build_optimizer(model.parameters(), name="adamw_rms", lr=0.01, betas=(0.9, 0.98))
    shares = []
    for _ in range(num_steps):
        pairs = torch.randint(8, 128, (num_rows, 3, 2), generator=generator)
        asked = torch.randint(3, (num_rows,), generator=generator)
        key, value = pairs[torch.arange(num_rows), asked].unbind(dim=1)
        ends = torch.tensor([[2], [1]]).expand(2, num_rows)  # a token that asks, and </s>
        source = torch.column_stack([pairs.flatten(start_dim=1), ends[0], key, ends[1]])
        outputs = model(input_ids=source, labels=value[:, None])
        outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        shares.append((outputs.logits[:, 0].argmax(dim=-1) == value).float().mean().item())
    return sum(shares[-10:]) / 10
