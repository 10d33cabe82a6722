"""A corpus build on the disk while it is under way, so that it can be killed at any instant and go on.

    store.unfinished/plan.json       settings and sources
    store.unfinished/blocks.bin      int64 (num_blocks, 4): source, documents, tokens, empty documents
    store.unfinished/tokens.bin      token ids of all blocks, in the order they were read
    store.unfinished/<column>.bin    facts about each document (block_encoding.COLUMN_BYTES)
    store.unfinished/lock            locked by the process that builds; the system unlocks it when that ends

A block counts from the moment it stands in blocks.bin, which is written last; whatever the other files hold
beyond is cut off.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from t2t.data.block_encoding import COLUMN_BYTES, EncodedBlock
from t2t.data.blocks import TextSource
from t2t.errors import Location, TokenStoreError

SOURCE, NUM_DOCUMENTS, NUM_TOKENS, NUM_EMPTY = range(4)  # columns of `blocks`
_COMMIT_TOKENS = 2**22  # between two waits for the disk: a kill costs a few seconds of work


@dataclass
class UnfinishedBuild:
    """What is done of a build. Make one with `UnfinishedBuild.open`; inside `with` it can be added to."""

    folder: Path
    itemsize: int  # bytes of a token
    columns: Sequence[str]  # kept about each document
    blocks: np.ndarray  # int64 (num_blocks, 4)
    _files: dict[str, BinaryIO] = field(default_factory=dict)
    _committed: list[np.ndarray] = field(default_factory=list)  # parts of `blocks` to come
    _waiting: list[tuple[int, ...]] = field(default_factory=list)
    _waiting_tokens: int = 0

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        settings: dict[str, Any],
        sources: Sequence[TextSource],
        columns: Sequence[str],
        itemsize: int,
    ) -> "UnfinishedBuild":
        """Begin a build, or go on with the one in `folder`, which exists and is locked (`alone_in`).

        Blocks of the sources up to the first that is new, or has changed, are taken over.
        Raises: TokenStoreError if that build has other settings.
        """
        plan: dict[str, Any] = {
            "settings": settings,
            "sources": [[source.name, source.version, source.num_bytes] for source in sources],
        }
        blocks = np.empty((0, 4), dtype=np.int64)
        try:
            before = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
            values = np.fromfile(folder / "blocks.bin", dtype=np.int64)
        except (OSError, ValueError):  # nothing there, or killed before the first block
            pass
        else:
            if before["settings"] != settings:
                different = [key for key, value in settings.items() if before["settings"].get(key) != value]
                raise TokenStoreError(
                    f"an unfinished build with other settings is in the way: {', '.join(different)}",
                    where=Location(folder),
                    mend="start with the settings it had, or remove it",
                )
            blocks = values[: len(values) // 4 * 4].reshape(-1, 4)
            num_same = _common_prefix(before["sources"], plan["sources"])
            blocks = blocks[blocks[:, SOURCE] < num_same]
        build = cls(folder, itemsize, columns, blocks)
        build._cut()
        _write_aside(folder / "plan.json", json.dumps(plan, indent=1))
        return build

    @property
    def num_documents(self) -> int:
        return int(self.blocks[:, NUM_DOCUMENTS].sum())

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.bin"

    def column(self, name: str, dtype: type[np.generic]) -> np.ndarray:
        """A column of all documents, read whole: (num_documents, values) or (num_documents,)."""
        values = np.fromfile(self.path(name), dtype=dtype)
        width = COLUMN_BYTES[name] // values.itemsize
        return values.reshape(-1, width) if width > 1 else values

    @contextmanager
    def appending(self) -> Iterator["UnfinishedBuild"]:
        """Open for `append`; what was appended is kept even if an error ends it."""
        with ExitStack() as stack:
            for name in ("tokens", *self.columns, "blocks"):
                self._files[name] = stack.enter_context(self.path(name).open("ab"))
            try:
                yield self
            except OSError:  # the disk is full: no more writing
                raise
            except BaseException:
                self._commit()
                raise
            self._commit()
        self.blocks = np.concatenate([self.blocks, *self._committed])

    def append(self, source: int, block: EncodedBlock) -> None:
        """Add the next block."""
        self._files["tokens"].write(block.tokens.tobytes())
        for name in self.columns:
            self._files[name].write(block.columns[name].tobytes())
        self._waiting.append((source, len(block.columns["documents"]), len(block.tokens), block.num_empty))
        self._waiting_tokens += len(block.tokens)
        if self._waiting_tokens >= _COMMIT_TOKENS:
            self._commit()

    def _commit(self) -> None:
        *data, blocks = self._files.values()
        for file in data:
            file.flush()
            os.fsync(file.fileno())
        rows = np.array(self._waiting, dtype=np.int64).reshape(-1, 4)
        blocks.write(rows.tobytes())
        blocks.flush()
        os.fsync(blocks.fileno())
        self._committed.append(rows)
        self._waiting.clear()
        self._waiting_tokens = 0

    def _cut(self) -> None:
        """Bring all files to the size that `blocks` gives them; fewer blocks where one is too short."""
        ends = {"tokens": np.cumsum(self.blocks[:, NUM_TOKENS]) * self.itemsize}
        ends |= {name: np.cumsum(self.blocks[:, NUM_DOCUMENTS]) * COLUMN_BYTES[name] for name in self.columns}
        ends["blocks"] = np.arange(1, len(self.blocks) + 1) * self.blocks.strides[0]
        for name in ends:
            self.path(name).touch()
        num_whole = min(
            int(np.searchsorted(end, self.path(name).stat().st_size, side="right"))
            for name, end in ends.items()
        )
        self.blocks = self.blocks[:num_whole]
        for name, end in ends.items():
            os.truncate(self.path(name), int(end[num_whole - 1]) if num_whole else 0)


def _common_prefix(before: list[Any], now: list[Any]) -> int:
    pairs = zip(before, now, strict=False)
    return next((index for index, (old, new) in enumerate(pairs) if old != new), min(len(before), len(now)))


def _write_aside(path: Path, text: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
