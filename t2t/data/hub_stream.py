"""Documents of a dataset on the Hugging Face Hub, streamed: no copy of it is kept on the disk.

hub:owner/name                         its default configuration, split "train"
hub:owner/name:configuration           as the Hub names it, such as "20231101.en"
hub:owner/name:configuration:split
"""

from collections.abc import Iterator
from typing import Any

from t2t.data.blocks import Block, CorpusFile, TextSource, corpus_files, row_blocks
from t2t.errors import Location, MissingDataError

_PREFIX = "hub:"


class HubStream:
    """One split of a Hub dataset, at the commit it had when this was made.

    Raises: MissingDataError if `datasets` is not installed, or the dataset cannot be had.
    """

    num_bytes: int | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        path, _, rest = name.removeprefix(_PREFIX).partition(":")
        configuration, _, split = rest.partition(":")
        self._path, self._configuration, self._split = path, configuration or None, split or "train"
        try:
            import datasets
            import huggingface_hub
        except ImportError as error:
            raise MissingDataError(
                f'"{name}" needs the package "datasets"', mend='pip install "t2t[hub]"'
            ) from error
        try:
            # The commit is pinned: a build that goes on another day must find the same rows.
            self.version = str(huggingface_hub.dataset_info(path).sha)
            self._rows = datasets.load_dataset(
                path, self._configuration, split=self._split, streaming=True, revision=self.version
            )
        except Exception as error:  # no network, no such id, configuration or split: each has its own
            raise MissingDataError(
                f'"{name}" cannot be had: {type(error).__name__}: {error}',
                mend="check the id and the network, or use local files",
            ) from error

    def blocks(self, column: str, *, skip_blocks: int = 0, skip_rows: int = 0) -> Iterator[Block]:
        return row_blocks(self._streamed(skip_rows), column, Location(self.name), first_row=skip_rows)

    def _streamed(self, skip_rows: int) -> Iterator[dict[str, Any]]:
        try:
            yield from self._rows.skip(skip_rows) if skip_rows else self._rows
        except OSError as error:  # not to be taken for a full disk
            raise MissingDataError(
                f'"{self.name}" broke off: {type(error).__name__}: {error}',
                mend="check the network and start again: it goes on where it was",
            ) from error


def text_sources(names: list[str]) -> list[TextSource]:
    """Files and `hub:` names as sources: files first, each sorted by name and taken once.

    Raises: MissingDataError, DataError, or all faults of the files as Faults.
    """
    files: list[CorpusFile] = corpus_files(name for name in names if not name.startswith(_PREFIX))
    streams = [HubStream(name) for name in sorted({name for name in names if name.startswith(_PREFIX)})]
    return [*files, *streams]
