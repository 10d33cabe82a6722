"""The folder of an adapter, as peft writes and reads it, and what we refuse to read of a stranger's.

    adapter_config.json         the kind, its sizes and the modules it changes
    adapter_model.safetensors   its weights
    base_model.json             the model it belongs to: what it was called, and a digest of its weights
    README.md                   how to load it

`PeftModel.from_pretrained(model, folder)` needs the first two alone. Nothing is unpickled, and of the config
only plain numbers and names are taken: some of its keys would have peft import modules, fetch tokenizers or
change the model's own weights.
"""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from t2t.errors import CheckpointError, Location, ModelError
from t2t.tokens import looks_like_hub_id

if TYPE_CHECKING:  # peft takes a second to import, and most models have no adapter
    from peft import PeftConfig

CONFIG, WEIGHTS, BASE_MODEL = "adapter_config.json", "adapter_model.safetensors", "base_model.json"

# Keys of peft's configs that we read, by kind. All others must be at their defaults, for they change what the
# adapter computes; but for those that say nothing of that.
_READ = {
    "LORA": {
        "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "use_rslora", "use_dora",
        "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "init_lora_weights",
    },
    "IA3": {"target_modules", "exclude_modules", "feedforward_modules"},
    "PROMPT_TUNING": {"num_virtual_tokens", "token_dim"},
}  # fmt: skip
_SAYS_NOTHING = {
    "auto_mapping", "base_model_name_or_path", "inference_mode", "init_ia3_weights", "num_attention_heads",
    "num_layers", "num_transformer_submodules", "peft_type", "peft_version", "prompt_tuning_init",
    "prompt_tuning_init_text", "revision", "task_type", "tokenizer_kwargs", "tokenizer_name_or_path",
}  # fmt: skip
_KINDS = {"LoraConfig": "lora", "IA3Config": "ia3", "PromptTuningConfig": "prompt_tuning"}

# Other ways of beginning (such as "pissa") take something off the model's own weights.
_PLAIN_BEGINNINGS = (True, False, None, "gaussian")

_README = """\
# An adapter, not a whole model

Kind: {kind}. It changes the answers of the model it was trained on, "{base}", which has to be loaded with it:

    t2t.load("{base}", adapter="this folder")                 # t2t
    PeftModel.from_pretrained(model, "this folder")           # peft, around the model
"""


@dataclass(frozen=True)
class BaseIdentity:
    """Which model an adapter belongs to.

    Attributes:
        name: what it was loaded by; folders move, so it tells people more than programs.
        digest: of its weights.
    """

    name: str
    digest: str

    @classmethod
    def of(cls, model: PreTrainedModel, name: str) -> "BaseIdentity":
        """The name it was loaded by, and a digest of its weights: the same in float32 and in bfloat16."""
        digest = hashlib.sha256()
        for key, weight in model.named_parameters():
            # 16 numbers of each tensor cost nothing, and hardly one of them survives any training.
            places = torch.arange(16, device=weight.device) * (weight.numel() - 1) // 15
            numbers = weight.detach().flatten()[places].to(torch.bfloat16).view(torch.int16)
            digest.update(f"{key} {tuple(weight.shape)} {numbers.tolist()}\n".encode())
        return cls(name, digest.hexdigest())


@dataclass(frozen=True)
class AdapterFiles:
    """What an adapter's folder holds; `base` is None where another program than ours wrote it."""

    folder: Path
    config: "PeftConfig"
    weights: Mapping[str, Tensor]
    base: BaseIdentity | None


def read_adapter(place: str | Path) -> AdapterFiles:
    """Read an adapter from a folder or, with a network, from the Hub.

    Raises: CheckpointError if a file is missing or damaged, or the adapter is of a kind or with options that
        we do not read; ModelError if the Hub does not give it.
    """
    folder = _local_folder(place)
    _check_files(folder)
    config = _config(_read_json(folder / CONFIG), folder / CONFIG)
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise _damaged(folder / WEIGHTS, error) from error
    base = None
    if (folder / BASE_MODEL).exists():
        facts = _read_json(folder / BASE_MODEL)
        base = BaseIdentity(str(facts.get("name")), str(facts.get("digest")))
    if kind_of(config) == "prompt_tuning":  # peft leaves room for a prompt of the decoder, and has none
        weights = {key: prompt[: config.num_virtual_tokens] for key, prompt in weights.items()}
    return AdapterFiles(folder, config, weights, base)


def write_adapter(
    folder: Path, config: "PeftConfig", weights: Mapping[str, Tensor], base: BaseIdentity
) -> None:
    """Write an adapter into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.copy(config)
    config.inference_mode = True
    config.save_pretrained(str(folder))
    save_file(
        {key: weight.detach().cpu().contiguous() for key, weight in weights.items()},
        folder / WEIGHTS,
        metadata={"format": "pt"},  # what transformers and peft want to see before they read a file
    )
    (folder / BASE_MODEL).write_text(
        json.dumps({"name": base.name, "digest": base.digest}, indent=2) + "\n", encoding="utf-8"
    )
    (folder / "README.md").write_text(_README.format(kind=kind_of(config), base=base.name), encoding="utf-8")


def kind_of(config: "PeftConfig") -> str:
    """The kind of an adapter as an AdapterConfig names it: "lora", "ia3" or "prompt_tuning"."""
    return _KINDS[type(config).__name__]


def check_base(files: AdapterFiles, base: BaseIdentity) -> None:
    """Raises: CheckpointError unless the adapter was trained on this model, as far as its folder tells."""
    made_for = str(files.config.base_model_name_or_path or "")
    if files.base is not None:
        is_other, made_for = files.base.digest != base.digest, files.base.name
    else:  # a folder has many names, a model on the Hub one
        is_other = looks_like_hub_id(made_for) and looks_like_hub_id(base.name) and made_for != base.name
    if is_other:
        raise CheckpointError(
            f'the adapter was trained on "{made_for}", and "{base.name}" has other weights',
            where=Location(file=files.folder),
            mend="load it with the model it was trained on",
        )


def check_weights(files: AdapterFiles, wanted: Mapping[str, Tensor]) -> None:
    """Raises: CheckpointError unless the weights are those that the model has room for, all of them."""
    have = {key: tuple(weight.shape) for key, weight in files.weights.items()}
    need = {key: tuple(weight.shape) for key, weight in wanted.items()}
    if have == need:
        return
    key = min(key for key in {*have, *need} if have.get(key) != need.get(key))
    raise CheckpointError(
        f"the adapter's weights do not fit the model: {key} has the shape {have.get(key, 'of nothing')}, "
        f"and there is room for {need.get(key, 'nothing')}",
        where=Location(file=files.folder / WEIGHTS),
        mend="load it with the model it was trained on",
    )


def _local_folder(place: str | Path) -> Path:
    if not looks_like_hub_id(place):
        return Path(place)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(place), allow_patterns=[CONFIG, WEIGHTS, BASE_MODEL]))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f'the adapter "{place}" is neither a folder here nor to be had from the Hub: {reason}',
            mend="check the spelling and the network, or download the adapter and name its folder",
        ) from error


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(
            f"there is no adapter folder {folder}", mend="name the model/ folder of a run with an adapter"
        )
    here = {path.name for path in folder.iterdir()}
    missing = [name for name in (CONFIG, WEIGHTS) if name not in here]
    if not missing:
        return
    mend = "copy the missing files from where the adapter was saved"
    if {"run.json", "model"} <= here:
        mend = f"this is the folder of a run: name its model, {folder / 'model'}"
    elif CONFIG in missing and "config.json" in here:
        mend = "this is a whole model: name it as the model, without an adapter"
    elif "adapter_model.bin" in here:
        mend = "convert adapter_model.bin to safetensors where you trust it; t2t reads no pickles"
    raise CheckpointError(
        f"{folder} is not a whole adapter: it lacks {', '.join(missing)}", have=sorted(here), mend=mend
    )


def _config(options: Mapping[str, Any], path: Path) -> "PeftConfig":
    """The config of peft that a JSON file describes, made of the keys we read."""
    from peft import IA3Config, LoraConfig, PromptTuningConfig

    classes = {"LORA": LoraConfig, "IA3": IA3Config, "PROMPT_TUNING": PromptTuningConfig}
    kind = str(options.get("peft_type"))
    if kind not in classes:
        raise CheckpointError(
            f'the adapter is of a kind that t2t does not read: "{kind}"',
            where=Location(file=path, field="peft_type"),
            have=classes,
        )
    if options.get("task_type") not in ("SEQ_2_SEQ_LM", None):
        raise CheckpointError(
            f"the adapter is not one for an encoder-decoder, but for {options['task_type']}",
            where=Location(file=path, field="task_type"),
        )
    defaults = classes[kind]().to_dict()
    for key, value in options.items():
        is_read = key in _READ[kind] and (key != "init_lora_weights" or value in _PLAIN_BEGINNINGS)
        if not is_read and key not in _SAYS_NOTHING and value and value != defaults.get(key):
            raise CheckpointError(
                f"the adapter uses an option that t2t does not read: {key} is {value!r:.60}",
                where=Location(file=path, field=key),
                mend="merge it into its model with peft, and load the merged model",
            )
    kept = {key: value for key, value in options.items() if key in _READ[kind] - {"init_lora_weights"}}
    if kind == "PROMPT_TUNING":
        kept["num_transformer_submodules"] = 1  # the encoder, whatever else the file has room for
    try:
        return classes[kind](
            **kept,
            task_type="SEQ_2_SEQ_LM",
            inference_mode=True,
            base_model_name_or_path=options.get("base_model_name_or_path"),
        )
    except (TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise ValueError("it holds no keys and values")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    return facts


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"the adapter is damaged: {error}",
        where=Location(file=path),
        mend="copy it again from where it was saved",
    )
