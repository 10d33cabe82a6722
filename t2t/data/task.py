"""A task with its data: the rows behind a task file, from a local folder or from the Hub.

    <folder of the task file>/<dataset.files[split]>     where the task file names data files
    <data root>/<dataset.local.path>/<split>.jsonl       or .jsonl.gz, .csv, .parquet ... (see readers.py)

The data root is the argument, else the environment variable T2T_DATA. A dataset without local files comes
from the Hub, where `dataset.splits` gives the Hub's names of our splits. A local copy is never filled up from
the Hub: it may be divided in another way, and rows of a test split would turn up in training. The split
"examples" is always there: the sample rows of the task file itself.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from t2t.data.readers import SUFFIXES, read_hub_rows, read_rows
from t2t.errors import DataError, Location, MissingDataError, did_you_mean
from t2t.templates.dataset import Place
from t2t.templates.library import read_task_file
from t2t.templates.task_file import TaskFile
from t2t.templates.template import Template

EXAMPLES = "examples"
DATA_ROOT_VARIABLE = "T2T_DATA"
_STANDARD_SPLITS = ("train", "validation", "test")


class Task:
    """A task file and the way to its rows; rows are read when they are asked for.

    Args:
        file: the task file.
        data_root: folder that holds the datasets' folders; None takes T2T_DATA, if that is set.
    """

    def __init__(self, file: TaskFile, *, data_root: str | Path | None = None) -> None:
        self.file = file
        root = data_root or os.environ.get(DATA_ROOT_VARIABLE)
        self.data_root = Path(root) if root else None

    @classmethod
    def load(
        cls,
        name_or_path: str | Path,
        *,
        data_root: str | Path | None = None,
        tasks_dirs: Iterable[str | Path] = (),
    ) -> "Task":
        """A task by its name, or of any task file by its path.

        Args:
            tasks_dirs: folders of a user's own tasks, searched as those of T2T_TASKS are.
        Raises: TaskNotFoundError for an unknown name; TaskFileError for a malformed file.
        """
        return cls(read_task_file(name_or_path, tasks_dirs=tasks_dirs), data_root=data_root)

    @property
    def name(self) -> str:
        return self.file.task

    @property
    def cluster(self) -> str:
        return self.file.cluster

    @property
    def templates(self) -> tuple[Template, ...]:
        return self.file.templates

    def __repr__(self) -> str:
        return f"Task({self.name}, data_root={self.data_root})"

    def splits(self) -> tuple[str, ...]:
        """The splits that are there locally, such as ("train", "test"); empty if only the Hub has them."""
        dataset = self.file.dataset
        names = dict.fromkeys((*_STANDARD_SPLITS, *dataset.splits, *dataset.files))
        return tuple(name for name in names if self.local_file(name))

    def readable_splits(self) -> tuple[str, ...]:
        """The splits that are there locally; if none is, those that the Hub has as the task file says."""
        dataset = self.file.dataset
        return self.splits() or (tuple(dataset.splits) if dataset.hub is not None else ())

    def rows(self, split: str, *, limit: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """The rows of a split as `("validation:17", context)`, where 17 is the row's place in the split.

        Args:
            split: one of our split names, or "examples" for the sample rows of the task file.
            limit: how many rows to stop after; None gives all.
        Raises:
            MissingDataError: neither a local file nor the Hub has the split; named are all places tried.
            CorruptRowError: a row does not parse.
            DataError: a row's label is none of the task's labels, or a column cannot be made of the row.
        """
        rows, place = (iter(self.file.examples), None) if split == EXAMPLES else self._source_rows(split)
        return (
            self._numbered(f"{split}:{index}", row, place) for index, row in enumerate(islice(rows, limit))
        )

    def _numbered(
        self, example_id: str, row: dict[str, Any], place: Place | None
    ) -> tuple[str, dict[str, Any]]:
        try:
            return example_id, self.file.context(place.row(row) if place and place.columns else row)
        except DataError as error:
            raise type(error)(  # a hidden label stays one
                f'row "{example_id}": {error.problem}',
                where=error.where or self.file.location("dataset"),
                have=error.have,
                mend=error.mend,
            ) from error

    def _source_rows(self, split: str) -> tuple[Iterator[dict[str, Any]], Place | None]:
        """The rows as they are read, and the place whose columns they have; rows of named files have ours."""
        dataset = self.file.dataset
        is_named = self._named_file(split) is not None
        if not is_named and self.data_root is not None and not self.data_root.is_dir():
            raise MissingDataError(
                f'the data root "{self.data_root}" is not a folder',
                mend=f"name another with --data-root (mixture.data_root in a run) or {DATA_ROOT_VARIABLE}",
            )
        if local_file := self.local_file(split):
            return read_rows(local_file), None if is_named else dataset.local
        tried = [self._local_pattern(split)]
        if (splits := self.splits()) or dataset.hub is None or split in dataset.files:
            raise self._missing(split, tried, have=(*splits, EXAMPLES))
        if split not in dataset.splits:
            raise self._missing(split, tried, have=(*dataset.splits, EXAMPLES))
        try:
            hub = dataset.hub
            rows = read_hub_rows(hub.path, hub.name, dataset.splits[split], label_numbers=hub.label_numbers)
        except MissingDataError as error:
            raise self._missing(split, [*tried, error.problem], mend=error.mend) from error
        return rows, dataset.hub

    def _named_file(self, split: str) -> Path | None:
        """The file that the task file names for a split, whether it is there or not."""
        name = self.file.dataset.files.get(split)
        if name is None:
            return None
        return self.file.path.parent / name if self.file.path is not None else Path(name)

    def _local_folder(self) -> Path | None:
        folder = self.file.dataset.folder
        return self.data_root / folder if self.data_root is not None and folder is not None else None

    def local_file(self, split: str) -> Path | None:
        """The file that holds a split's rows here, or None. Raises: DataError if there are several."""
        if (named := self._named_file(split)) is not None:
            return named if named.is_file() else None
        folder = self._local_folder()
        if folder is None:
            return None
        found = [path for suffix in SUFFIXES if (path := folder / f"{split}{suffix}").is_file()]
        if len(found) > 1:
            raise DataError(
                f'split "{split}" of task "{self.name}" has more than one file',
                where=Location(folder),
                have=[path.name for path in found],
                mend="leave the one that holds the rows",
            )
        return found[0] if found else None

    def _local_pattern(self, split: str) -> str:
        if (named := self._named_file(split)) is not None:
            return str(named)
        if folder := self._local_folder():
            return f"{folder / split}{{{','.join(SUFFIXES)}}}"
        if self.file.dataset.files:
            return f"files: of the task file, which names none for {split}"
        return "no local folder, since " + (
            "no data root is named" if self.data_root is None else "the task file names none"
        )

    def _missing(
        self, split: str, tried: list[str], *, have: tuple[str, ...] | None = None, mend: str | None = None
    ) -> MissingDataError:
        remedy = (
            "put the rows there, or name the folder above with --data-root (mixture.data_root in a run) or "
            f"{DATA_ROOT_VARIABLE}"
        )
        if (named := self._named_file(split)) is not None:
            beside = [path.name for path in named.parent.glob("*") if path.name.endswith(SUFFIXES)]
            remedy = did_you_mean(named.name, beside) or "put the file there, or mend its name under files:"
        elif self.file.dataset.files:
            remedy = f"name a file for it, as in files: {{{split}: rows.csv}}"
        return MissingDataError(
            "\n    ".join([f'task "{self.name}" has no rows for split "{split}"; tried', *tried]),
            where=self.file.location("dataset"),
            have=have,
            mend=f"{remedy}; {mend}" if mend else remedy,
        )
