"""The `dataset:` part of a task file: where the rows are, and how they become columns of the templates."""

from collections.abc import Mapping
from typing import Any

import jinja2
from pydantic import BaseModel, ConfigDict, Field, field_validator

from t2t.errors import DataError, TemplateError, did_you_mean
from t2t.templates.program import compile_expression


class Strict(BaseModel):
    """A part of a task file: no unknown keys, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Strict):
    """A place where rows are, and how one of its rows becomes one of ours.

    columns     {answers: "{{ answers.text }}", question: query}
    source row  {"query": "Who?", "answers": {"text": ["Ann"], "answer_start": [3]}, "id": 7}
    row         {"question": "Who?", "answers": ["Ann"], "id": 7}
    """

    path: str
    columns: dict[str, str] = Field(
        default={},
        description="our column: the source's, or a Jinja expression over its row, where the two differ",
    )

    @field_validator("columns")
    @classmethod
    def _expressions_compile(cls, columns: dict[str, str]) -> dict[str, str]:
        for name, source in columns.items():
            if _is_expression(source):
                try:
                    compile_expression(source)
                except TemplateError as fault:
                    raise ValueError(f'the expression of column "{name}" {fault.problem}') from fault
        return columns

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of the source under our names; what `columns` does not mention stays as it is.

        A column whose source the row lacks, such as a test split's hidden label, is left out.

        Raises: DataError for an expression that fails, or that reads what a row with the column lacks.
        """
        made: dict[str, Any] = {}
        read: set[str] = set()
        for name, source in self.columns.items():
            if not _is_expression(source):
                read.add(source)
                if source in row:
                    made[name] = row[source]
                continue
            program = compile_expression(source)
            read.add(name)
            if program.columns.keys() - program.optional <= row.keys():
                try:
                    made[name] = value = program.value(row)
                    if isinstance(value, jinja2.Undefined):
                        str(value)  # raises, as printing it would
                except Exception as failure:
                    raise DataError(
                        f'column "{name}" cannot be made from a row of {self.path}: {failure}',
                        have=sorted(row),
                        mend="mend its expression under columns:",
                    ) from failure
            elif name in row:
                lacking = sorted(program.columns.keys() - program.optional - row.keys())
                raise DataError(
                    f'column "{name}" cannot be made from a row of {self.path}, which lacks "{lacking[0]}"',
                    have=sorted(row),
                    mend=did_you_mean(lacking[0], row),
                )
        return {name: value for name, value in row.items() if name not in read} | made


class Local(Place):
    """A folder of data files. `columns` mends the rows of these, and not those that users type."""

    path: str = Field(description="the folder under the data root, with train.jsonl.gz and the like")


class Hub(Place):
    """A dataset of the Hugging Face Hub, used where there is no local copy."""

    path: str = Field(description="the dataset, such as nyu-mll/glue")
    name: str | None = Field(default=None, description="its configuration, such as rte")
    label_numbers: bool = Field(
        default=False,
        description="class labels stay the Hub's numbers, as imported templates read them",
    )


class Dataset(Strict):
    """Where the rows are, and what their splits and columns are called there."""

    local: Local | None = Field(default=None, description="a folder, or {path: folder, columns: ...}")
    files: dict[str, str] = Field(
        default={}, description="our split: a data file, relative to the folder of the task file"
    )
    hub: Hub | None = Field(default=None, description="the dataset on the Hub")
    splits: dict[str, str] = Field(
        default={"train": "train", "validation": "validation", "test": "test"},
        description="our name: the Hub's name",
    )
    columns: dict[str, str] = Field(
        default={}, description="the templates' name: the source's name, where they differ"
    )

    @property
    def folder(self) -> str | None:
        """The folder under the data root, if the task has one."""
        return self.local.path if self.local else None

    @field_validator("local", mode="before")
    @classmethod
    def _a_folder_alone(cls, local: object) -> object:
        if isinstance(local, str):
            return {"path": local}
        if local is None or isinstance(local, Mapping | Local):
            return local
        raise ValueError(f"should be a folder or {{path: folder, columns: ...}}, not {local!r:.40}")

    @field_validator("columns")
    @classmethod
    def _no_chains(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if name in columns.values():  # then a row renamed twice would differ from a row renamed once
                raise ValueError(f'column "{name}" is both a new name and renamed itself', "use a third name")
        return columns


class Provenance(Strict):
    """Where the data come from."""

    url: str | None = Field(default=None, description="page or repository")
    licence: str | None = Field(default=None, description="as the source states it")
    citation: str | None = Field(default=None, description="the paper")


def _is_expression(source: str) -> bool:
    return "{{" in source
