"""Load and save encoder-decoders as plain `save_pretrained` folders.

A model is named by nothing at all (the starter that ships with t2t), by a folder, or by a Hub id such as
`google/flan-t5-base`. Only the last contacts a network. Weights are safetensors, never pickles, and code
that comes with a checkpoint is never run.
"""

import logging
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from t2t.errors import CheckpointError, ModelError, did_you_mean
from t2t.model.adapters import adapters_of
from t2t.model.training_record import TrainingRecord
from t2t.resources import STARTER, starter_or
from t2t.tokens import load_tokenizer, looks_like_hub_id

logger = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# What stands beside the weights and the tokenizer's own files.
SAVED = (
    *("config.json", "generation_config.json", "training.json", "adapter_config.json", "base_model.json"),
    *("special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "vocab.txt", "merges.txt"),
)
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
TOKENIZERS = (
    "tokenizer.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "tokenizer_config.json",
)


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode with its tokenizer.

    Attributes:
        name: what it was asked for by: "starter", a folder or a Hub id.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    dtype: torch.dtype
    name: str


def load_model(
    name: str | Path | None = None, *, device: str = "auto", dtype: str | torch.dtype = "auto"
) -> LoadedModel:
    """Load an encoder-decoder and its tokenizer.

    Args:
        name: None or "starter" for the starter; a folder; or a Hub id (`owner/model`), which needs a network
            unless it is cached.
        device: "auto" (a CUDA device, else Apple's, else the CPU) or any name torch knows.
        dtype: "auto" (bfloat16 on CUDA devices that have it, else float32), "float32" or "bfloat16".
    Raises: CheckpointError if the folder lacks a file or holds no encoder-decoder; ModelError for an unknown
        device or dtype, or a Hub id that cannot be had.
    """
    torch_device = choose_device(device)
    torch_dtype = choose_dtype(dtype, torch_device)
    place = starter_or(name)
    is_starter = place is not name
    is_local = not looks_like_hub_id(place)
    if not is_local and (meant := did_you_mean(str(place), [STARTER])):
        raise ModelError(f'there is no model "{place}"', mend=meant)  # rather than seek it on the Hub
    if is_local:
        check_checkpoint(Path(place))
    with _quiet_loading():
        try:
            tokenizer = load_tokenizer(place)
            model, report = AutoModelForSeq2SeqLM.from_pretrained(
                place,
                dtype=torch_dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=is_local,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise _loading_error(str(place), is_local, error) from error
    _check_weights(str(place), sorted(report["missing_keys"]))
    _take_target_language(tokenizer, model)
    return LoadedModel(
        model=model.to(torch_device).eval(),
        tokenizer=tokenizer,
        device=torch_device,
        dtype=torch_dtype,
        name=STARTER if is_starter else str(name),
    )


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    *,
    dtype: str | torch.dtype | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
    record: TrainingRecord | None = None,
) -> None:
    """Write a folder that `from_pretrained` loads with no code of ours, replacing an older one whole.

    It is written aside and renamed, so a process that dies half-way leaves no half-written model. Of a model
    with adapters it holds the adapter in use alone, as `PeftModel.from_pretrained` loads it.

    Args:
        dtype: store the weights as "float32" or "bfloat16" (half the size); None keeps their own.
        weights: the state dict to write, where the model itself holds only slices; None takes its own.
        record: what the model has been trained on, which evaluation reads beside the weights.
    Raises: ModelError for another dtype, or where the folder holds anything else.
    """
    stored = None if dtype is None else named_dtype(dtype, have=DTYPES)
    folder = Path(folder).resolve()
    _check_replaceable(folder, tokenizer)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    weights = model.state_dict() if weights is None else weights
    if stored is not None:
        # Tied weights are one tensor under several names, and must stay one to be stored once.
        cast: dict[int, torch.Tensor] = {}
        weights = {
            key: cast.setdefault(weight.data_ptr(), weight.to(stored)) for key, weight in weights.items()
        }
    with _quiet_loading():
        if (adapters := adapters_of(model)) is None:
            model.save_pretrained(aside, state_dict=weights)
        else:
            adapters.save(aside, weights)
        tokenizer.save_pretrained(aside)
    if record is not None:
        record.write(aside)
    share_tensors(aside, mode_of="tokenizer_config.json")
    replace_folder(aside, folder)


def share_tensors(folder: Path, *, mode_of: str) -> None:
    """Give safetensors the mode of a file beside them: safetensors 0.8 writes for the owner alone."""
    mode = stat.S_IMODE((folder / mode_of).stat().st_mode)
    for path in folder.glob("*.safetensors"):
        with suppress(OSError):  # some mounts have no modes, and the model is whole without
            path.chmod(mode)


def _check_replaceable(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises: ModelError, naming what would be lost, unless a saved model or adapter is all there is."""
    if not folder.exists():
        return
    foreign = [folder.name]
    if folder.is_dir():
        names = {path.name for path in folder.iterdir()}
        ours = {*SAVED, *WEIGHTS, *TOKENIZERS, *tokenizer.vocab_files_names.values()}
        if "adapter_config.json" in names:
            ours.add("README.md")
        foreign = sorted(name for name in names - ours if not name.endswith(".safetensors"))
    if foreign:
        raise ModelError(
            f"{folder} would be replaced, and holds what is no part of a model",
            have=foreign,
            mend="name a new folder",
        )


def replace_folder(new: Path, folder: Path) -> None:
    """Move `new` to `folder`; what was there is removed only once the new one is in place.

    No portable call exchanges two folders, so there is an instant between two renames at which `folder` does
    not exist. A process killed in it leaves both whole: the old one as `.<name>.<process>.old`.
    """
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_checkpoint(folder: Path) -> None:
    """Raise CheckpointError, naming every missing file, unless config, weights and tokenizer are there."""
    if not folder.is_dir():
        raise CheckpointError(
            f"there is no model folder {folder}",
            mend="name an existing folder, or a Hub id such as google/flan-t5-base",
        )
    here = {path.name for path in folder.iterdir()}
    needed = {"config.json": ("config.json",), "model.safetensors": WEIGHTS, "tokenizer.json": TOKENIZERS}
    missing = [name for name, any_of in needed.items() if not here.intersection(any_of)]
    if not missing:
        return
    mend = "copy the missing files from where the model was saved"
    if {"run.json", "model"} <= here:
        mend = f"this is the folder of a run: name its model, {folder / 'model'}"
    if "adapter_config.json" in here:
        mend = "this is an adapter: name the model it was trained on, and this folder as its adapter"
    if "model.safetensors" in missing and "pytorch_model.bin" in here:
        mend = "convert pytorch_model.bin to safetensors where you trust it; t2t reads no pickles"
    raise CheckpointError(
        f"{folder} is not a whole checkpoint: it lacks {', '.join(missing)}", have=sorted(here), mend=mend
    )


def choose_device(device: str) -> torch.device:
    """The torch device of that name, or for "auto" the fastest one here."""
    if device != "auto":
        try:
            return torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:  # the latter where torch was built without CUDA
            raise ModelError(f'torch finds no device "{device}" here', have=["auto", *_devices()]) from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _devices() -> list[str]:
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def choose_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The torch dtype of that name, or for "auto" what keeps answers right and fast on that device."""
    if dtype == "auto":
        # CPUs with bfloat16 units exist, but float32 gives the same answers on every machine.
        has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float32
    return named_dtype(dtype, have=["auto", *DTYPES])


def named_dtype(dtype: str | torch.dtype, *, have: Iterable[str]) -> torch.dtype:
    """The dtype for weights of that name, or itself. Raises: ModelError, with what there is, for another."""
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ModelError(
            f'weights cannot be "{name}"',
            have=have,
            mend="float16 overflows in T5's feed-forward layers; use bfloat16" if "16" in name else None,
        )
    return DTYPES[name]


def _take_target_language(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Let a multilingual model be scored on the language that it writes, where it or the tokenizer names one.

        mBART            labels x </s> en_XX       the model names it: decoder_start_token_id
        mBART-50, NLLB   labels eng_Latn x </s>    the tokenizer's tgt_lang, else forced_bos_token_id

    Where neither does, a tokenizer takes targets to be of the language of the sources.
    """
    if not hasattr(tokenizer, "tgt_lang"):
        return
    languages = {token_id: language for language, token_id in _language_ids(tokenizer).items()}
    writing = model.generation_config
    of_model, at_first = map(languages.get, (writing.decoder_start_token_id, writing.forced_bos_token_id))
    if named := of_model or tokenizer.tgt_lang or at_first:
        tokenizer.tgt_lang = named
        first_id = tokenizer(text_target="").input_ids[0]
        if first_id in languages:
            writing.forced_bos_token_id = first_id


def _language_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The languages of a multilingual tokenizer; NLLB's has no table of them: each is a special token."""
    if hasattr(tokenizer, "lang_code_to_id"):
        return dict(tokenizer.lang_code_to_id)
    return {token: tokenizer.convert_tokens_to_ids(token) for token in tokenizer.extra_special_tokens}


def _check_weights(name: str, missing: list[str]) -> None:
    """`transformers` fills missing weights with random numbers, and says so only in its log."""
    if missing:
        raise CheckpointError(
            f"{name} lacks {len(missing)} of the model's weights, such as {', '.join(missing[:3])}",
            mend="copy the checkpoint again from where it was saved whole",
        )


def _loading_error(name: str, is_local: bool, error: Exception) -> ModelError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if is_local:
        return CheckpointError(
            f"{name} does not load as an encoder-decoder: {reason}",
            mend="name a T5, mT5, BART or other sequence-to-sequence checkpoint saved by save_pretrained",
        )
    return ModelError(
        f'the model "{name}" is neither a folder here nor to be had from the Hub: {reason}',
        mend="check the spelling and the network, or download the model and name its folder",
    )


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Hide the bars `transformers` draws while reading and writing weights, and put its setting back."""
    was_enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            transformers_logging.enable_progress_bar()
