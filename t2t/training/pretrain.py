"""Pretrain an encoder-decoder by denoising: `t2t pretrain run.yaml`.

A corpus (a token store) is read in segments, which an objective corrupts; the model learns to restore them.

Papers: Raffel et al. 2020, arXiv:1910.10683, section 3.1; for small budgets Nawrot 2023, arXiv:2309.02373.
Those of the objectives are listed in `t2t.denoising`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.config import ObjectiveConfig, PretrainConfig
from t2t.data.corpus import TokenStore
from t2t.denoising import Ingredient, build_denoiser
from t2t.tokens.tokenizer import tokenizer_digest
from t2t.training.batches import Batches, DenoisingBatches
from t2t.training.contents import store_contents, tokenizer_contents, weight_contents
from t2t.training.dealt_batches import DealtBatches
from t2t.training.initial_model import load_or_build
from t2t.training.loop import Metrics, Outcome, Progress
from t2t.training.run import Data, train_model


def pretrain(
    config: PretrainConfig,
    *,
    origins: Mapping[str, str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Pretrain a model; the run folder then holds it in `model/`.

    Args:
        origins: where each value of the config comes from, as `load_config` gives it.
        resume: go on from the newest checkpoint of the run folder.
    Raises: TrainingError if the run cannot start; TokenStoreError if a store was built with another
        tokenizer; NonFiniteLossError.
    """

    def load(checkpoint: Path | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        return load_or_build(config.model, checkpoint)

    def build_data(tokenizer: PreTrainedTokenizerBase) -> Data:
        train, raw_tokens = build_batches(config.data.train, tokenizer, config, seed=config.seed)
        validation = None
        if config.data.validation and config.training.num_eval_batches:
            # The same set whatever the run's seed, so that runs can be compared.
            validation, _ = build_batches(config.data.validation, tokenizer, config, seed=0)

        def contents() -> dict[str, str]:
            stores = stores_by_name("data.train", config.data.train)
            stores |= stores_by_name("data.validation", config.data.validation)
            weights = {}
            if config.model.init_from and config.regularization.mixout:
                weights = weight_contents(config.model.init_from)
            return tokenizer_contents(tokenizer) | weights | store_contents(stores)

        def describe(step: int) -> Metrics:
            return {"raw_tokens": step * raw_tokens}

        return Data(train, validation, describe, contents)

    return train_model(
        config,
        origins=origins or {},
        resume=resume,
        progress=progress,
        load=load,
        build_data=build_data,
        record_after=lambda before: before,
    )


def build_batches(
    stores: Path | Mapping[str, Path],
    tokenizer: PreTrainedTokenizerBase,
    config: PretrainConfig,
    *,
    seed: int,
) -> tuple[Batches, int]:
    """Batches of a token store, or of one for each language, and how many of their tokens a step takes."""
    # sorted, since a resumed run may name them in another order
    by_language = [(None, stores)] if isinstance(stores, Path) else sorted(stores.items())
    sources = [
        store_batches(
            folder,
            tokenizer,
            objective=config.objective.model_copy(update={"language": language or config.objective.language}),
            batch_size=config.training.batch_size,
            seed=seed,
        )
        for language, folder in by_language
    ]
    raw_tokens = sources[0].batch_size * sources[0].denoiser.raw_len
    if len(sources) == 1:
        return sources[0], raw_tokens
    rates = [len(source.tokens) ** (1 / config.data.temperature) for source in sources]
    return DealtBatches(sources, [rate / sum(rates) for rate in rates], seed=seed), raw_tokens


def stores_by_name(name: str, stores: Path | Mapping[str, Path] | None) -> dict[str, Path]:
    """`data.train`, or `data.train.de_DE` and so on."""
    if stores is None:
        return {}
    if isinstance(stores, Path):
        return {name: stores}
    return {f"{name}.{language}": folder for language, folder in stores.items()}


def store_batches(
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    *,
    objective: ObjectiveConfig,
    batch_size: int,
    seed: int,
) -> DenoisingBatches:
    """Batches of a token store, which must have been built with this tokenizer."""
    store = TokenStore.open(folder)
    store.check_tokenizer(tokenizer_digest(tokenizer))
    return denoising_batches(store.tokens, tokenizer, objective=objective, batch_size=batch_size, seed=seed)


def denoising_batches(
    tokens: np.ndarray,
    tokenizer: PreTrainedTokenizerBase,
    *,
    objective: ObjectiveConfig,
    batch_size: int,
    seed: int,
) -> DenoisingBatches:
    """Batches of a corpus, given as the ids of one document after the other, each ending in </s>.

    Raises: DenoisingError or TokenizerError if the objective cannot be had with this tokenizer;
        TokenStoreError if the corpus is too small.
    """
    ingredients = [
        Ingredient(member.name, member.parameters, rate=member.rate, prefix=member.prefix)
        for member in objective.mix
        if member.name
    ]
    if objective.name:
        ingredients = [Ingredient(objective.name, objective.parameters, prefix=objective.prefix)]
    denoiser = build_denoiser(
        tokenizer, ingredients, max_source_len=objective.max_source_len, language=objective.language
    )
    return DenoisingBatches(tokens=tokens, denoiser=denoiser, batch_size=batch_size, seed=seed)
