"""Prompt tuning: learned embeddings that stand before every source, while the model's weights stay frozen.

    source  x0 x1 x2        embedded  p0 p1 e(x0) e(x1) e(x2)        attention_mask  1 1 | 1 1 1

Hooks put them in, so that whoever calls the model goes on as before: the encoder alone, whose states are
then longer by the prompt; the model with such states and the mask of the source; or the model with a source.
The encoder still runs once a source, however many answer choices are then scored.

Paper: Lester et al. 2021, arXiv:2104.08691. Checked against `PeftModelForSeq2SeqLM` of peft, which puts
prompts in within its own `forward`, and so cannot take states of the encoder that are there already.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from t2t.errors import ModelError

if TYPE_CHECKING:  # peft takes a second to import, and most models have no adapter
    from peft import PeftConfig, PromptTuningConfig

# Prompts begin as embeddings of frequent tokens: Lester et al. 2021, section 3.2. The first tokens of a
# vocabulary are its most frequent ones, but for a few special ones.
FREQUENT_TOKENS = 5000

_ATTRIBUTE = "soft_prompts"  # of the model
_FILE_KEY = "prompt_embeddings"  # what peft calls a prompt in an adapter file


class SoftPrompts(nn.Module):
    """The prompts of a model, by the name of their slot; at most one is in use. A module of the model."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.prompts = nn.ParameterDict()  # each (num_virtual_tokens, d_model)
        self.active: str | None = None
        encoder = model.get_encoder()
        # A function, since a module that is an attribute becomes a child: the encoder would be there twice.
        self._embedding = encoder.get_input_embeddings
        encoder.register_forward_pre_hook(self._before_encoder, with_kwargs=True)
        model.register_forward_pre_hook(self._before_model, with_kwargs=True)
        model.add_module(_ATTRIBUTE, self)

    @property
    def num_virtual_tokens(self) -> int:
        """Positions before each source that the prompt in use takes up."""
        return 0 if self.active is None else len(self.prompts[self.active])

    def add(self, slot: str, config: "PeftConfig") -> None:
        """One more prompt: embeddings of frequent tokens, drawn from torch's global generator."""
        embedding = self._embedding()
        size: int = config.num_virtual_tokens
        num_tokens = min(FREQUENT_TOKENS, embedding.num_embeddings)
        order = torch.randperm(num_tokens)  # drawn on the CPU: the same on every device
        ids = order.repeat(-(-size // num_tokens))[:size]  # after the last token the first comes again
        with torch.no_grad():
            prompt = embedding(ids.to(embedding.weight.device)).float()
        self.prompts[slot] = nn.Parameter(prompt)

    def weights(self, slot: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A prompt under its name in adapter files, out of the model's state dict."""
        return {_FILE_KEY: state[f"{_ATTRIBUTE}.prompts.{slot}"]}

    def set_weights(self, slot: str, weights: Mapping[str, Tensor]) -> None:
        """Put in a prompt under its name in adapter files."""
        with torch.no_grad():
            self.prompts[slot].copy_(weights[_FILE_KEY])

    def use(self, slot: str | None, *, trainable: bool) -> None:
        """Let one prompt stand before each source, or none."""
        self.active = slot
        for name, prompt in self.prompts.items():
            prompt.requires_grad_(trainable and name == slot)

    def merge(self, slot: str) -> None:
        """Raises: ModelError always."""
        raise ModelError(
            "a prompt cannot be merged: it is no change to the model's weights",
            mend="keep it as an adapter, or train lora or ia3",
        )

    def _before_encoder(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Without ids it has embeddings, from `_before_model`: the prompt is in them.
        if self.active is None or kwargs.get("input_ids") is None:
            return None
        return args, self._prompted(kwargs)

    def _before_model(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.active is None:
            return None
        if kwargs.get("encoder_outputs") is not None:
            return args, {**kwargs, "attention_mask": self._lengthened(kwargs.get("attention_mask"))}
        return args, self._prompted(kwargs)  # here already, for the decoder needs the longer mask too

    def _prompted(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Ids replaced by embeddings (batch, virtual tokens + source_len, d_model), and the mask longer."""
        assert self.active is not None
        embedded = self._embedding()(kwargs["input_ids"])
        prompt = self.prompts[self.active].to(embedded.dtype)
        return {
            **kwargs,
            "input_ids": None,
            "inputs_embeds": torch.cat([prompt.expand(len(embedded), -1, -1), embedded], dim=1),
            "attention_mask": self._lengthened(kwargs.get("attention_mask")),
        }

    def _lengthened(self, attention_mask: Tensor | None) -> Tensor | None:
        """The mask (batch, source_len) with ones for the prompt in front; None means that all are seen."""
        if attention_mask is None:
            return None
        ones = attention_mask.new_ones(len(attention_mask), self.num_virtual_tokens)
        return torch.cat([ones, attention_mask], dim=1)


def prompt_tuning_config(model: PreTrainedModel, *, num_virtual_tokens: int) -> "PromptTuningConfig":
    """Learned embeddings before the source; the decoder has none."""
    from peft import PromptTuningConfig

    encoder = model.get_encoder()
    sizes = encoder.config.get_text_config()  # T5Gemma 2 reads images too
    return PromptTuningConfig(
        task_type="SEQ_2_SEQ_LM",
        num_virtual_tokens=num_virtual_tokens,
        token_dim=encoder.get_input_embeddings().embedding_dim,
        # peft asks for these two, and looks for them in the model's config, which for T5Gemma has only parts
        num_layers=sizes.num_hidden_layers,
        num_attention_heads=sizes.num_attention_heads,
        num_transformer_submodules=1,
    )


def num_virtual_tokens(model: PreTrainedModel) -> int:
    """Positions before each source that a prompt in use takes up; 0 without one."""
    prompts = getattr(model, _ATTRIBUTE, None)
    return prompts.num_virtual_tokens if isinstance(prompts, SoftPrompts) else 0
