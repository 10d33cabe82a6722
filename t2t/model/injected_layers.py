"""LoRA and IA3 through `peft`, which puts its layers inside the model's own: the model is called as before.

Their configs are made here, from plain numbers. Which matrices are changed follows the papers and does not
hang on peft's tables of model types.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn
from transformers import PreTrainedModel

from t2t.errors import ModelError, did_you_mean

if TYPE_CHECKING:  # peft takes a second to import, and most models have no adapter
    from peft import IA3Config, LoraConfig, PeftConfig

_FILE_PREFIX = "base_model.model."  # before the model's own names in adapter files


class _Projections(NamedTuple):
    """Names of the linear layers of an encoder or a decoder; `out` is the last of its feed-forward layers."""

    query: str
    key: str
    value: str
    out: str


# T5, mT5, UMT5, LongT5; BART, mBART, Pegasus, Marian; T5Gemma; the encoders of LED and BigBirdPegasus. LED's
# second set, query_global and so on, is left out: it acts where attention is global, and t2t asks for none.
_PROJECTIONS = (
    _Projections("q", "k", "v", "wo"),
    _Projections("q_proj", "k_proj", "v_proj", "fc2"),
    _Projections("q_proj", "k_proj", "v_proj", "down_proj"),
    _Projections("query", "key", "value", "fc2"),
)
_STACK = re.compile(r"(?:^|\.)(encoder|decoder)\.")


def lora_config(
    model: PreTrainedModel,
    *,
    rank: int,
    alpha: float,
    dropout: float = 0.0,
    target_modules: Sequence[str] | None = None,
) -> "LoraConfig":
    """y = W x + alpha / rank · B A x. B begins at zero, so that at first nothing is changed.

    Args:
        rank: of B A, which has rank · (inputs + outputs) weights where W has inputs · outputs.
        dropout: of x before A, while training.
        target_modules: names of the matrices W, such as ("q", "k", "v", "o"); None takes queries and values.
    Raises: ModelError if the model has no such modules.
    """
    from peft import LoraConfig

    if target_modules is None:
        target_modules = sorted({name for each in _projections(model) for name in (each.query, each.value)})
    check_modules(model, target_modules)
    return LoraConfig(
        task_type="SEQ_2_SEQ_LM",
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # peft says int, and divides it
        lora_dropout=dropout,
        target_modules=list(target_modules),
    )


def ia3_config(model: PreTrainedModel) -> "IA3Config":
    """Keys, values and the inside of the feed-forward layer are multiplied by learned vectors, first ones.

    Raises: ModelError if the model's modules have other names than those we know.
    """
    from peft import IA3Config

    found = _projections(model)
    outs = {each.out for each in found}
    return IA3Config(
        task_type="SEQ_2_SEQ_LM",
        target_modules=sorted(outs.union(*((each.key, each.value) for each in found))),
        feedforward_modules=sorted(outs),
    )


def check_modules(model: PreTrainedModel, target_modules: Sequence[str]) -> None:
    """Raises: ModelError unless every name is one of a linear layer, or its end behind a dot."""
    names = _linear_layers(model)
    last = sorted({name.rpartition(".")[2] for name in names})
    for target in target_modules:
        if not any(f".{name}".endswith(f".{target}") for name in names):
            raise ModelError(
                f'the model has no linear layer called "{target}"',
                have=last,
                mend=did_you_mean(target, last),
            )


class InjectedLayers:
    """The layers of LoRA or IA3 in a model, for each adapter by the name of its slot.

    Slots are names without dots: they become parts of the names of the model's weights.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model

    def add(self, slot: str, config: "PeftConfig") -> None:
        """Put in the layers of one more adapter. Raises: ModelError if peft cannot."""
        from peft.functional import cast_adapter_dtype, inject_adapter_in_model

        try:
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", "Already found a `peft_config`"
                )  # a second adapter is meant
                inject_adapter_in_model(config, self._model, adapter_name=slot)
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"the adapter cannot be attached to this model: {error}") from error
        cast_adapter_dtype(self._model, adapter_name=slot)  # float32, whatever the model's weights are

    def weights(self, slot: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of one adapter under their names in adapter files, out of the model's state dict."""
        from peft.functional import get_peft_model_state_dict

        own = get_peft_model_state_dict(
            self._model,
            state_dict=dict(state),
            adapter_name=slot,
            save_embedding_layers=False,  # they are never trained; "auto" may ask the Hub
        )
        return {f"{_FILE_PREFIX}{key}": weight for key, weight in own.items()}

    def set_weights(self, slot: str, weights: Mapping[str, Tensor]) -> None:
        """Put in weights under their names in adapter files, which must be those that `weights` gives."""
        from peft.functional import set_peft_model_state_dict

        set_peft_model_state_dict(self._model, dict(weights), adapter_name=slot)

    def use(self, slot: str | None, *, trainable: bool) -> None:
        """Let one adapter act, or none."""
        for _, layer in self._layers():
            layer.enable_adapters(slot is not None)
            if slot is not None:
                layer.set_adapter(slot, inference_mode=not trainable)

    def merge(self, slot: str) -> None:
        """Put an adapter's change into the model's own weights, and take all adapters out."""
        for name, layer in self._layers():
            layer.merge(adapter_names=[slot])
            parent, _, last = name.rpartition(".")
            setattr(self._model.get_submodule(parent), last, layer.get_base_layer())
        del self._model.peft_config

    def _layers(self) -> list[tuple[str, Any]]:
        from peft.tuners.tuners_utils import BaseTunerLayer

        return [
            (name, module)
            for name, module in self._model.named_modules()
            if isinstance(module, BaseTunerLayer)
        ]


def _linear_layers(model: PreTrainedModel) -> list[str]:
    """Full names, as they were before any adapter came."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return [name.removesuffix(".base_layer") for name in names if ".lora_" not in name]


def _projections(model: PreTrainedModel) -> list[_Projections]:
    """The names in the encoder and those in the decoder. Raises: ModelError unless we know both."""
    layers: dict[str, set[str]] = {"encoder": set(), "decoder": set()}
    for name in _linear_layers(model):
        if stack := _STACK.search(name):
            layers[stack[1]].add(name.rpartition(".")[2])
    found = [
        next((known for known in _PROJECTIONS if names.issuperset(known)), None) for names in layers.values()
    ]
    if None in found:
        raise ModelError(
            f"the queries, keys and values of {type(model).__name__} have names that t2t does not know",
            have=sorted({name.rpartition(".")[2] for name in _linear_layers(model)}),
            mend="take lora, and give it target_modules",
        )
    return [each for each in found if each is not None]
