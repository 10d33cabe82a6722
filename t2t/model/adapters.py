"""Adapters: a few new weights that are trained while the model's own stay frozen. LoRA, IA3, prompt tuning.

    lora            a low-rank change to queries and values        t2t.model.injected_layers
    ia3             keys, values and feed-forward layers rescaled  t2t.model.injected_layers
    prompt_tuning   learned embeddings before each source          t2t.model.soft_prompt

A model with adapters is called, trained and asked as it was without. Several of one kind may be attached; at
most one is in use:

    adapters = Adapters(model, name="starter")
    adapters.load("polite", "runs/polite/model")
    adapters.use(None)                               # the model's own answers again

Papers: Hu et al. 2022 (LoRA), arXiv:2106.09685; Liu et al. 2022 (IA3), arXiv:2205.05638; Lester et al. 2021
(prompt tuning), arXiv:2104.08691. Adapters are written and read as peft does, and tests compare with it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor
from transformers import PreTrainedModel

from t2t.errors import ModelError, did_you_mean
from t2t.model.adapter_folder import (
    BaseIdentity,
    check_base,
    check_weights,
    kind_of,
    read_adapter,
    write_adapter,
)
from t2t.model.injected_layers import InjectedLayers
from t2t.model.soft_prompt import SoftPrompts
from t2t.model.training_record import absolute_place

if TYPE_CHECKING:  # peft takes a second to import, and most models have no adapter
    from peft import PeftConfig

# One adapter by its folder or Hub id, or several, perhaps under names of their own.
AnyAdapter = str | Path | Sequence[str | Path] | Mapping[str, str | Path]

_ATTRIBUTE = "t2t_adapters"  # of the model, so that whoever saves it finds them


class Adapters:
    """The adapters of a model, all of one kind; the model's own weights are frozen from now on.

    Args:
        name: what the model was loaded by; an adapter that is saved names it.
    """

    def __init__(self, model: PreTrainedModel, *, name: str) -> None:
        self._model = model
        self._base = BaseIdentity.of(model, name)
        self._configs: dict[str, PeftConfig] = {}
        self._places: dict[str, str] = {}
        self._kept: InjectedLayers | SoftPrompts | None = None  # made for the kind of the first adapter
        self._active: str | None = None
        model.requires_grad_(False)
        setattr(model, _ATTRIBUTE, self)

    @property
    def names(self) -> tuple[str, ...]:
        """The attached adapters, in the order they came."""
        return tuple(self._configs)

    @property
    def active(self) -> str | None:
        """The adapter in use; None where the model answers by itself."""
        return self._active

    @property
    def place(self) -> str | None:
        """Where the adapter in use was loaded from, if it was."""
        return None if self._active is None else self._places.get(self._active)

    def add(self, name: str, config: "PeftConfig") -> None:
        """Attach a new adapter, to be trained, and use it.

        Args:
            config: from `lora_config`, `ia3_config` or `prompt_tuning_config`.
        Raises: ModelError if the name is taken or an adapter of another kind is attached.
        """
        config.base_model_name_or_path = self._base.name
        self._attach(name, config)
        self.use(name, trainable=True)

    def load(self, name: str, place: str | Path, *, trainable: bool = False) -> None:
        """Attach an adapter from a folder or a Hub id, and use it.

        Args:
            trainable: its training goes on.
        Raises: CheckpointError if there is no sound adapter, or one for another model; ModelError as `add`.
        """
        files = read_adapter(place)
        check_base(files, self._base)
        kept = self._attach(name, files.config)
        slot = self._slot(name)
        check_weights(files, kept.weights(slot, self._model.state_dict()))
        kept.set_weights(slot, files.weights)
        self._places[name] = absolute_place(place)
        self.use(name, trainable=trainable)

    def use(self, name: str | None, *, trainable: bool = False) -> None:
        """Let one of the adapters act from now on, or none. Raises: ModelError if it is not attached."""
        if name is not None and name not in self._configs:
            raise ModelError(
                f'no adapter is called "{name}"', have=self.names, mend=did_you_mean(name, self.names)
            )
        if self._kept is not None:
            self._kept.use(None if name is None else self._slot(name), trainable=trainable)
        self._active = name

    def merge(self) -> None:
        """Put the adapter in use into the model's own weights; then none is attached any more.

        In bfloat16 the sum is rounded: merge in float32 where every digit counts.

        Raises: ModelError if none is in use, or it is a prompt.
        """
        name = self._in_use("merged")
        assert self._kept is not None
        self._kept.merge(self._slot(name))
        delattr(self._model, _ATTRIBUTE)
        self._configs.clear()
        self._kept = self._active = None

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write the adapter in use, as `PeftModel.from_pretrained` reads it.

        Args:
            weights: the model's state dict.
        Raises: ModelError if none is in use.
        """
        name = self._in_use("saved")
        assert self._kept is not None
        write_adapter(folder, self._configs[name], self._kept.weights(self._slot(name), weights), self._base)

    def _attach(self, name: str, config: "PeftConfig") -> InjectedLayers | SoftPrompts:
        if name in self._configs:
            raise ModelError(f'an adapter is already called "{name}"', mend="give this one another name")
        kinds = {kind_of(other) for other in self._configs.values()} - {kind_of(config)}
        if kinds:
            raise ModelError(
                f"{kind_of(config)} cannot be attached beside {kinds.pop()}",
                mend="load the model a second time for adapters of another kind",
            )
        if self._kept is None:
            made = SoftPrompts if kind_of(config) == "prompt_tuning" else InjectedLayers
            self._kept = made(self._model)
        self._configs[name] = config
        self._kept.add(self._slot(name), config)
        return self._kept

    def _slot(self, name: str) -> str:
        # Names of modules may hold no dots, and must not be those of their methods.
        return f"adapter{list(self._configs).index(name)}"

    def _in_use(self, done: str) -> str:
        if self._active is None:
            raise ModelError(f"no adapter is in use that could be {done}", have=self.names)
        return self._active


def named_adapters(places: AnyAdapter) -> dict[str, str | Path]:
    """Adapters by name, in their order; one without a name is called as its folder is.

    "runs/polite/model" and "runs/polite" both give "polite": every run calls its result "model".

    Raises: ModelError if there are none, or two would have the same name.
    """
    if isinstance(places, str | Path):
        places = [places]
    if not places:
        raise ModelError("adapter holds no adapters", mend="leave it out for the model by itself")
    if isinstance(places, Mapping):
        return dict(places)
    named: dict[str, str | Path] = {}
    for place in places:
        path = Path(place)
        name = path.parent.name if path.name == "model" and path.parent.name else path.name
        if name in named:
            raise ModelError(
                f'two adapters would be called "{name}": {named[name]} and {place}',
                mend="name them in a dict: {name: folder, ...}",
            )
        named[name] = place
    return named


def load_adapters(model: PreTrainedModel, name: str, places: Mapping[str, str | Path]) -> Adapters:
    """Attach adapters, by name, to a model that was loaded as `name`, and use the first.

    Raises: CheckpointError or ModelError, as `Adapters.load`.
    """
    adapters = Adapters(model, name=name)
    for adapter, place in places.items():
        adapters.load(adapter, place)
    adapters.use(next(iter(places)))
    return adapters


def adapters_of(model: PreTrainedModel) -> Adapters | None:
    """The adapters attached to a model, or None."""
    return getattr(model, _ATTRIBUTE, None)
