"""Count the tokens of texts as a model sees them, without loading the model or torch.

A tokenizer that is all in its `tokenizer.json`, as ours and most are, is read with the tokenizers library
alone, in milliseconds. Others are built by transformers first, and counted the same way.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from t2t.errors import Location, TokenizerError
from t2t.resources import STARTER, starter_or
from t2t.tokens.targets import as_target

_SELF_CONTAINED = ("TokenizersBackend", "PreTrainedTokenizerFast")  # add nothing to tokenizer.json


@dataclass(frozen=True)
class TokenCounter:
    """A model's tokenizer, for counting.

    Attributes:
        name: what it was asked for by.
        bos_id, eos_id: the ids of the begin and the end of a sequence, None where there are none.
        unknown_id: the id of what the vocabulary cannot spell; None where it can spell everything.
    """

    name: str
    backend: Tokenizer
    bos_id: int | None
    eos_id: int | None
    unknown_id: int | None

    @classmethod
    def load(cls, name: str | Path | None = None) -> "TokenCounter":
        """The tokenizer of a model: of the starter for None, of a folder, or of a Hub id.

        Raises: TokenizerError if there is none.
        """
        named = starter_or(name)
        place = Path(named)
        shown = str(name) if named is name else STARTER
        config = _config(place)
        if config.get("tokenizer_class") in _SELF_CONTAINED and (place / "tokenizer.json").is_file():
            try:
                backend = Tokenizer.from_file(str(place / "tokenizer.json"))
            except Exception as error:  # that of tokenizers has no class of its own
                raise TokenizerError(
                    f"the tokenizer cannot be read: {error}",
                    where=Location(place / "tokenizer.json"),
                    mend="copy the file again",
                ) from error
            bos_id, eos_id = (_named_id(backend, config.get(name)) for name in ("bos_token", "eos_token"))
        else:
            from t2t.tokens.tokenizer import load_tokenizer, tokenizer_backend

            tokenizer = load_tokenizer(named)
            backend = tokenizer_backend(tokenizer)
            bos_id, eos_id = tokenizer.bos_token_id, tokenizer.eos_token_id
        backend.no_truncation()
        backend.no_padding()
        return cls(shown, backend, bos_id, eos_id, _unknown_id(backend))

    def count(self, texts: Sequence[str], *, are_targets: bool = False) -> list[int]:
        """Tokens of each text, special tokens included, as `encode_texts` makes them."""
        rows = [encoding.ids for encoding in self.backend.encode_batch_fast(list(texts))]
        if are_targets:
            rows = [as_target(ids, bos_id=self.bos_id, eos_id=self.eos_id) for ids in rows]
        return [len(ids) for ids in rows]

    def unknown(self, texts: Sequence[str]) -> Iterator[tuple[int, str]]:
        """What the vocabulary cannot spell: (place of the text, piece of it), for every such piece."""
        if self.unknown_id is None:
            return
        for index, text in enumerate(texts):
            encoding = self.backend.encode(text)
            for token_id, (start, stop) in zip(encoding.ids, encoding.offsets, strict=True):
                if token_id == self.unknown_id and text[start:stop].strip():
                    yield index, text[start:stop].strip()


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # `load_tokenizer` says what is wrong
    return config if isinstance(config, dict) else {}


def _named_id(backend: Tokenizer, token: Any) -> int | None:
    """The id of a special token of tokenizer_config.json: its text, a mapping with its content, or null."""
    text = token.get("content") if isinstance(token, dict) else token
    found: int | None = backend.token_to_id(text) if isinstance(text, str) else None
    return found


def _unknown_id(backend: Tokenizer) -> int | None:
    model = json.loads(backend.to_str())["model"]
    if model.get("byte_fallback"):
        return None
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    unknown = model.get("unk_token")
    return backend.token_to_id(unknown) if unknown else None
