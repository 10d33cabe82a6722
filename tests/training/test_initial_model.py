import pytest
import torch

from t2t.config import ModelConfig
from t2t.training.initial_model import load_or_build


@pytest.mark.parametrize(("attention_init", "is_mimetic"), [("random", False), ("mimetic", True)])
@torch.no_grad()
def test_new_weights_have_the_attention_that_is_asked_for(attention_init, is_mimetic, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    config = ModelConfig(preset="tiny", tokenizer=str(tmp_path), attention_init=attention_init)
    model, _ = load_or_build(config, None)
    attention = model.encoder.block[0].layer[0].SelfAttention
    product = attention.q.weight.T @ attention.k.weight
    assert torch.allclose(product, 0.3 * torch.eye(64), atol=1e-5) == is_mimetic
