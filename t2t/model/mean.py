"""The mean of several models' weights, as one model.

Models that were trained from the same one, with other draws or settings, mostly lie in one basin of the loss,
and their mean then answers better than each of them, at the cost of one. Of models with different beginnings
it is of no use.

Paper: Wortsman et al. 2022, "Model soups", arXiv:2203.05482 (the uniform soup).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch

from t2t.errors import ModelError, TokenizerError
from t2t.model.pretrained import LoadedModel, choose_device, choose_dtype, load_model
from t2t.tokens import tokenizer_digest

_OWN = {"_name_or_path", "dtype", "transformers_version", "architectures", "use_cache"}  # may differ


def load_mean_model(
    names: Sequence[str | Path], *, device: str = "auto", dtype: str | torch.dtype = "auto"
) -> LoadedModel:
    """The first of these models, with the mean of all their weights; it is taken in float32, on the CPU.

    Args:
        names: "starter", folders or Hub ids, as `load_model` takes them.
    Raises: ModelError if there are none, one cannot be had, or one differs from the first in its tokenizer,
        its configuration, or the names or shapes of its weights.
    """
    if isinstance(names, str | Path) or not names:
        raise ModelError(f"a mean is of a list of models, not of {names!r}", mend='write ["one", "other"]')
    device_of_mean = choose_device(device)
    dtype_of_mean = choose_dtype(dtype, device_of_mean)
    mean = load_model(names[0], device="cpu", dtype="float32")
    for count, name in enumerate(names[1:], 2):
        _take_in(load_model(name, device="cpu", dtype="float32"), mean, count)
    return replace(
        mean,
        model=mean.model.to(device_of_mean, dtype_of_mean),
        device=device_of_mean,
        dtype=dtype_of_mean,
        name=f"mean of {', '.join('-'.join(Path(name).parts[-2:]) for name in names)}",
    )


def _take_in(other: LoadedModel, mean: LoadedModel, count: int) -> None:
    """Let the mean be over one more model, `count` in all."""
    _check_alike(mean, other)
    with torch.no_grad():
        for (_, old), (_, new) in zip(_weights(mean), _weights(other), strict=True):
            old.lerp_(new, 1 / count)


def _check_alike(one: LoadedModel, other: LoadedModel) -> None:
    for mine, theirs in ((_shapes(one), _shapes(other)), (_config(one), _config(other))):
        if key := next((key for key in (*mine, *theirs) if mine.get(key) != theirs.get(key)), None):
            raise _no_mean(
                one, other, f'"{key}" is {mine.get(key)} in one and {theirs.get(key)} in the other'
            )
    if _tokens(one) != _tokens(other):
        raise _no_mean(one, other, "their tokenizers differ")


def _no_mean(one: LoadedModel, other: LoadedModel, reason: str) -> ModelError:
    return ModelError(
        f"{one.name} and {other.name} have no mean: {reason}",
        mend="name models that were trained from the same one",
    )


def _weights(loaded: LoadedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Each weight once, by name; BART keeps the bias of its logits as a buffer."""
    named = chain(loaded.model.named_parameters(), loaded.model.named_buffers())
    return ((name, weight) for name, weight in named if weight.is_floating_point())


def _shapes(loaded: LoadedModel) -> dict[str, list[int]]:
    return {name: list(weight.shape) for name, weight in _weights(loaded)}


def _tokens(loaded: LoadedModel) -> object:
    """What decides the ids of a text, as far as the tokenizer tells."""
    try:
        return tokenizer_digest(loaded.tokenizer)
    except TokenizerError:  # it is not of the tokenizers library
        return loaded.tokenizer.get_vocab()


def _config(loaded: LoadedModel) -> dict[str, object]:
    """What makes the model compute as it does; not where it came from, nor dropout."""
    config = loaded.model.config.to_dict()
    return {key: value for key, value in config.items() if key not in _OWN and "drop" not in key}
