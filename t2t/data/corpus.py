"""A text corpus as token ids: the memory-mapped store that pretraining reads.

    folder/tokens.bin    the documents one after the other, each ending in eos_id; uint16 up to 65,536 ids,
                         else uint32
    folder/offsets.npy   int64 (num_documents + 1,): document d is tokens[offsets[d]:offsets[d + 1]]
    folder/store.json    counts, the tokenizer's digest, the checksum of tokens.bin

Memory stays bounded: one batch of documents at a time is encoded and written out. The flat file of ids is
that of nanoGPT's `train.bin`.
"""

import hashlib
import json
import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2t.errors import Location, TokenStoreError

_FORMAT = 1
_BATCH_CHARS = 4_000_000  # characters encoded at once: a second of work, tens of megabytes


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class TokenStore:
    """A corpus as token ids, memory-mapped. Open one with `TokenStore.open`."""

    folder: Path
    tokens: np.memmap  # (num_tokens,) uint16 or uint32
    offsets: np.ndarray  # (num_documents + 1,) int64
    eos_id: int
    vocab_size: int
    tokenizer_digest: str
    num_characters: int
    num_empty: int  # documents left out: nothing but white space
    sha256: str  # of tokens.bin

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    @property
    def num_documents(self) -> int:
        return len(self.offsets) - 1

    def counts(self) -> dict[str, float]:
        """Sizes for people and reports."""
        return {
            "num_documents": self.num_documents,
            "num_tokens": self.num_tokens,
            "num_characters": self.num_characters,
            "num_empty": self.num_empty,
            "characters_per_token": round(self.num_characters / self.num_tokens, 3),
            "num_megabytes": round(self.tokens.nbytes / 1e6, 1),
        }

    @classmethod
    def open(cls, folder: str | Path) -> "TokenStore":
        """Map a store; nothing but its sizes is read.

        Raises: TokenStoreError if a file is missing, or their sizes do not fit together.
        """
        folder = Path(folder)
        where = Location(file=folder)
        try:
            facts = json.loads((folder / "store.json").read_text(encoding="utf-8"))
            offsets = np.load(folder / "offsets.npy", allow_pickle=False)
            if facts.pop("format") != _FORMAT:
                raise ValueError("another format")
            dtype = np.dtype(facts.pop("dtype"))
            num_tokens, num_documents = facts.pop("num_tokens"), facts.pop("num_documents")
            num_bytes = (folder / "tokens.bin").stat().st_size
            if num_bytes != num_tokens * dtype.itemsize:
                raise ValueError(f"tokens.bin has {num_bytes} bytes instead of {num_tokens * dtype.itemsize}")
            if offsets.shape != (num_documents + 1,) or offsets[0] != 0 or offsets[-1] != num_tokens:
                raise ValueError("offsets.npy does not fit tokens.bin")
            tokens = np.memmap(folder / "tokens.bin", dtype=dtype, mode="r", shape=(num_tokens,))
            return cls(folder=folder, tokens=tokens, offsets=offsets, **facts)
        except FileNotFoundError as error:
            missing = Path(error.filename).name
            raise TokenStoreError(
                f"not a token store: {missing} is missing",
                where=where,
                mend="build one: t2t corpus build FILES --tokenizer FOLDER --out FOLDER",
            ) from error
        except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
            raise TokenStoreError(
                f"the token store is damaged: {error}",
                where=where,
                mend="build it again: t2t corpus build",
            ) from error

    def check_tokenizer(self, digest: str) -> None:
        """Raise TokenStoreError unless the store was built by the tokenizer of this digest."""
        if digest != self.tokenizer_digest:
            raise TokenStoreError(
                f"the token store was built by tokenizer {self.tokenizer_digest[:12]}, not by {digest[:12]}",
                where=Location(file=self.folder),
                mend="build it again with this tokenizer: t2t corpus build",
            )

    def check_contents(self) -> None:
        """Read every token: raise TokenStoreError unless all are as they were written."""
        with (self.folder / "tokens.bin").open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != self.sha256:
            raise TokenStoreError(
                "the token store is damaged: tokens.bin has another checksum",
                where=Location(file=self.folder),
                mend="build it again: t2t corpus build",
            )


def build_token_store(
    texts: Iterable[str],
    folder: str | Path,
    *,
    encode: Callable[[list[str]], Sequence[Sequence[int]]],
    eos_id: int,
    vocab_size: int,
    tokenizer_digest: str,
    on_batch: Callable[[int], object] | None = None,
) -> TokenStore:
    """Encode texts, in their order, into a new store. It appears whole or not at all.

    Args:
        texts: read once, as a stream; documents of nothing but white space are left out and counted.
        folder: must not exist yet.
        encode: many texts to their token ids, without end-of-sequence (`tokens.document_encoder`).
        eos_id: put after each document.
        on_batch: called after each batch with its number of documents.
    Raises: TokenStoreError if the folder exists, or the texts hold no document.
    """
    folder = Path(folder)
    if folder.exists():
        raise TokenStoreError(
            "the output folder exists already",
            where=Location(file=folder),
            mend="remove it, or choose another",
        )
    dtype = np.dtype("<u2" if vocab_size <= 2**16 else "<u4")  # little-endian wherever it is built
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        offsets = array("q", [0])
        checksum = hashlib.sha256()
        num_characters = num_empty = 0
        with (aside / "tokens.bin").open("wb") as stream:
            for batch in _batches(texts):
                kept = [text for text in batch if text.strip()]
                num_empty += len(batch) - len(kept)
                for text, ids in zip(kept, encode(kept), strict=True):
                    document = np.array([*ids, eos_id], dtype=dtype).tobytes()
                    stream.write(document)
                    checksum.update(document)
                    num_characters += len(text)
                    offsets.append(offsets[-1] + len(ids) + 1)
                if on_batch:
                    on_batch(len(batch))
        if len(offsets) == 1:
            raise TokenStoreError("the texts hold no document", mend="give files with text in them")
        np.save(aside / "offsets.npy", np.frombuffer(offsets, dtype=np.int64))
        facts: dict[str, Any] = {
            "format": _FORMAT,
            "dtype": dtype.str,
            "num_tokens": offsets[-1],
            "num_documents": len(offsets) - 1,
            "num_characters": num_characters,
            "num_empty": num_empty,
            "eos_id": eos_id,
            "vocab_size": vocab_size,
            "tokenizer_digest": tokenizer_digest,
            "sha256": checksum.hexdigest(),
        }
        (aside / "store.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        aside.chmod(0o755)  # mkdtemp makes it private
        aside.rename(folder)
    except BaseException:  # Ctrl-C too: leave nothing half-written
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return TokenStore.open(folder)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    num_chars = 0
    for text in texts:
        batch.append(text)
        num_chars += len(text)
        if num_chars >= _BATCH_CHARS:
            yield batch
            batch, num_chars = [], 0
    if batch:
        yield batch
