"""What a run learns from, as digests: they tell whether a path still leads to what it did when the run began.

tokenizer                            of everything that decides its ids
data.train, data.validation, ...     of a token store: the checksum of its tokens
model.init_from/model.safetensors    of the weights under an adapter, or that mixout goes back to
mixture.sst2                         of the task file
mixture.scan_length/include          of the file that it takes keys from
mixture.sst2/train, ...              of the files of its rows
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from t2t.data.corpus import TokenStore
from t2t.data.task import Task
from t2t.errors import TokenizerError
from t2t.resources import starter_or
from t2t.tokens.tokenizer import tokenizer_digest


def tokenizer_contents(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The digest of a tokenizer; none of one that is code alone, as ByT5's is."""
    try:
        return {"tokenizer": tokenizer_digest(tokenizer)}
    except TokenizerError:
        return {}


def store_contents(stores: Mapping[str, Path]) -> dict[str, str]:
    """The checksums of token stores by name; every token is read, about a second a gigabyte.

    Raises: TokenStoreError if one is missing or damaged.
    """
    digests = {}
    for name, folder in stores.items():
        store = TokenStore.open(folder)
        store.check_contents()
        digests[name] = store.sha256
    return digests


def weight_contents(init_from: str) -> dict[str, str]:
    """SHA-256 of the weights that a run begins with, where they are needed again when it goes on.

    Args:
        init_from: folder, "starter" or Hub id; a model of the Hub has no files here, and is taken to be the
            same.
    """
    folder = Path(starter_or(init_from))
    files = sorted(folder.glob("*.safetensors"))
    return {f"model.init_from/{path.name}": _sha256(path) for path in files}


def task_contents(tasks: Iterable[Task], *, splits: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each task file, what it includes and the files of its rows: 2 s for a gigabyte of these.

    Rows on the Hub have no file here, and are taken to be the same.
    """
    digests: dict[str, str] = {}
    for task in tasks:
        files = {f"mixture.{task.name}": task.file.path}
        if task.file.include and task.file.path:
            files[f"mixture.{task.name}/include"] = task.file.path.with_name(task.file.include)
        files |= {f"mixture.{task.name}/{split}": task.local_file(split) for split in splits}
        digests |= {name: _sha256(path) for name, path in files.items() if path is not None}
    return digests


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
