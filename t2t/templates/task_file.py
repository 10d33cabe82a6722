"""A task file: one YAML with a dataset, its labels and metrics, the templates and a few sample rows.

A row passes through `TaskFile.context` on its way to a template: columns get the names that the templates
use, `label` becomes the index into `labels`, and `label_name` the word.

    labels   [entailment, not_entailment]      columns  {premise: sentence1}
    row      {"sentence1": "It rained.", "label": "not_entailment"}
    context  {"premise": "It rained.", "label": 1, "label_name": "not_entailment"}

Files of a family, such as one benchmark's subsets, may share what they have in common:

    _scan.yaml          templates: [...]           its name starts with _, so it is no task itself
    scan_length.yaml    include: _scan.yaml        takes the keys that it lacks from the file beside it
                        constants: {split: ...}    columns that every row of this task has
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator

from t2t.errors import (
    DataError,
    Faults,
    HiddenLabelError,
    Location,
    T2TError,
    TaskFileError,
    TemplateError,
    did_you_mean,
    raise_faults,
)
from t2t.templates.dataset import Dataset, Provenance, Strict
from t2t.templates.program import compile_expression
from t2t.templates.template import Origin, Template
from t2t.yaml_file import YamlFile, line_number, parse_model, read_yaml


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name):
        raise ValueError(f'unfit for a file name: "{name}"', "use lower case, digits and single underscores")
    return name


Name = Annotated[str, AfterValidator(_check_name)]
Metric = Literal["accuracy", "macro_f1", "exact_match", "squad_f1", "rouge_l", "bleu", "item_f1"]


class TaskFile(Strict):
    """One task as its YAML file defines it (`t2t new` writes one to start from)."""

    task: Name = Field(description="unique; the name of the file, in lower case with underscores")
    cluster: Name = Field(
        description="the kind of task, which is held out as a whole; the name of the folder"
    )
    description: str = Field(min_length=1, description="one sentence: what is asked")
    include: str | None = Field(
        default=None, description="a file beside this one, _family.yaml, for the keys that this one lacks"
    )
    dataset: Dataset = Field(default_factory=Dataset, description="where the rows are")
    constants: dict[str, Any] = Field(default={}, description="columns that are the same in every row")
    labels: tuple[str, ...] | None = Field(
        default=None, min_length=2, description="words in answer-choice order"
    )
    label_column: str = Field(
        "label", description="the column that holds a label's word or its index in labels"
    )
    metrics: tuple[Metric, ...] = Field(
        min_length=1, description="how answers are scored, the main one first"
    )
    languages: tuple[str, ...] = Field(default=("en",), min_length=1, description="ISO 639-1 codes")
    source: Provenance = Field(default_factory=Provenance, description="where the data come from")
    references: str | None = Field(
        None, description="Jinja expression for the list of all acceptable answers"
    )
    templates: tuple[Template, ...] = Field(min_length=1, description="the prompts")
    examples: tuple[dict[str, Any], ...] = Field(default=(), description="sample rows of our own writing")

    _yaml: YamlFile | None = PrivateAttr(None)

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if labels is not None and len(set(labels)) < len(labels):
            raise ValueError(f"a label is given twice: {', '.join(labels)}")
        return labels

    @field_validator("constants")
    @classmethod
    def _no_constant_is_renamed(cls, constants: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        dataset = info.data.get("dataset")  # None where it is wrong itself
        for name, source in dataset.columns.items() if dataset is not None else ():
            if source in constants:  # it would take the place of what the rows have
                raise ValueError(f'"{source}" is a column that is renamed "{name}"', "use another name")
        return constants

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file with what it includes, and compile its templates.

        Raises: TaskFileError, TemplateError, or Faults of all that is wrong with the file, each by its line.
        """
        yaml = _with_included(read_yaml(path, error=TaskFileError))
        try:
            file = parse_model(cls, yaml, error=TaskFileError)
        except (TaskFileError, Faults) as failure:
            # The templates that are whole are compiled all the same, so that one reading names every fault.
            found: list[T2TError] = list(failure.faults) if isinstance(failure, Faults) else [failure]
            found += [fault for template in _whole_templates(yaml) for fault in template.faults()]
            raise_faults(sorted(found, key=line_number))
            raise
        templates = tuple(
            template.placed(Origin(file.task, file.references, yaml, index))
            for index, template in enumerate(file.templates)
        )
        file = file.model_copy(update={"templates": templates})
        file._yaml = yaml
        raise_faults(sorted(file._faults(), key=line_number))
        return file

    @staticmethod
    def read_cluster(path: str | Path) -> str | None:
        """The `cluster` of a file, nothing else of it being looked at; None where it has none to be read."""
        try:
            data = _with_included(read_yaml(path, error=TaskFileError)).data
        except T2TError:
            return None
        cluster = data.get("cluster") if isinstance(data, dict) else None
        return cluster if isinstance(cluster, str) else None

    @property
    def path(self) -> Path | None:
        """The file that it was read from."""
        return self._yaml.path if self._yaml else None

    @property
    def places(self) -> frozenset[str]:
        """Where its rows are: the folder under the data root, data files, splits of the Hub's dataset.

        Tasks that have one of these in common have rows in common.
        """
        dataset = self.dataset
        beside = self.path.parent if self.path else Path()
        found = {str((beside / name).resolve()) for name in dataset.files.values()}
        if dataset.folder is not None:
            found.add(str(PurePosixPath(dataset.folder)))
        if dataset.hub is not None:
            name = ":".join(filter(None, ("hub", dataset.hub.path, dataset.hub.name)))
            found.update(f"{name}:{split}" for split in dataset.splits.values())
        return frozenset(found)

    def location(self, *keys: str | int) -> Location:
        """The place of one of the file's values, for errors."""
        return self._yaml.location(*keys) if self._yaml else Location(field=f"task {self.task}")

    def template(self, name: str) -> Template:
        """The template of that name. Raises: TemplateError with the nearest name."""
        for template in self.templates:
            if template.name == name:
                return template
        have = [template.name for template in self.templates]
        raise TemplateError(
            f'task "{self.task}" has no template "{name}"',
            where=self.location("templates"),
            have=have,
            mend=did_you_mean(name, have),
        )

    def context(self, row: Mapping[str, Any], *, needs_label: bool = True) -> dict[str, Any]:
        """A row of the dataset as the templates read it; a row in that form already stays as it is.

        A row without a label, or with null or a blank cell for it, is given neither `label` nor `label_name`.

        Args:
            needs_label: False takes a hidden label, which is -1 or NaN, for none.
        Raises: DataError for a label that is neither one of `labels` nor an index into them;
            HiddenLabelError if it is -1 or NaN.
        """
        values = {**self.constants, **row}
        columns = self.dataset.columns
        renamed = {name: values[source] for name, source in columns.items() if source in values}
        values = {name: value for name, value in values.items() if name not in columns.values()} | renamed
        if self.labels is None:
            return values
        label = values.get(self.label_column)
        is_blank = isinstance(label, str) and not label.strip() and label not in self.labels
        if label is None or is_blank:
            values.pop(self.label_column, None)
            return values
        try:
            index = self._label_index(label, values.get("label_name"))
        except HiddenLabelError:
            if needs_label:
                raise
            values.pop(self.label_column)
            return values
        return {**values, "label": index, "label_name": self.labels[index]}

    @property
    def label_names(self) -> frozenset[str]:
        """The names under which templates find the label; none where the task has no labels."""
        return frozenset() if self.labels is None else frozenset({"label", "label_name", self.label_column})

    def has_target(self, template: Template, context: Mapping[str, Any]) -> bool:
        """Whether a row, as `context` gives it, has a label if the target reads it. A test split may not."""
        if self.labels is None or self.label_column in context:
            return True
        return not any(self.label_names & program.columns.keys() for program in template.programs("target"))

    def _label_index(self, label: object, label_name: object) -> int:
        labels = self.labels or ()
        if isinstance(label, str):
            if label in labels:
                return labels.index(label)
            # An index, as a csv file writes it. Where labels are numbers, "0" would be one and "1" a word.
            index = label.removesuffix(".0")  # as pandas writes a column with gaps
            if index.isdecimal() and int(index) < len(labels) and not any(map(str.isdecimal, labels)):
                return int(index)
        elif (number := _whole(label)) is not None and (
            (is_word := not {str(label), str(number)}.isdisjoint(labels)) or 0 <= number < len(labels)
        ):
            # With labels "1" to "5", is 3 the word "3" or the index of "4"? `label_name` tells where it was
            # added by an earlier pass; otherwise a guess would shift every label by one.
            named = labels[number] if 0 <= number < len(labels) else None
            if named is not None and (not is_word or named in (label_name, str(label))):
                return number
            raise DataError(
                f'a row of task "{self.task}" has a label that is a number as well as a word: {label}',
                where=self.location("labels"),
                have=labels,
                mend="write the labels as text in the data",
            )
        fault = HiddenLabelError if is_hidden(label) else DataError
        raise fault(
            f'a row of task "{self.task}" has a label that the task lacks: {label!r}',
            where=self.location("labels"),
            have=labels,
            mend=did_you_mean(str(label), labels),
        )

    def _faults(self) -> list[T2TError]:
        """What is wrong beyond the form: texts that do not compile, names given twice, unfit choices."""
        faults: list[T2TError] = []
        if self.references is not None:
            try:
                compile_expression(self.references)
            except TemplateError as fault:
                faults.append(
                    TaskFileError(
                        f"references {fault.problem}",
                        where=self.location("references"),
                        have=fault.have,
                        mend=fault.mend,
                    )
                )
        names: set[str] = set()
        for index, template in enumerate(self.templates):
            if template.name in names:
                problem = f'two templates have the name "{template.name}"'
                where = self.location("templates", index, "name")
                faults.append(TaskFileError(problem, where=where, mend="give each a name of its own"))
            names.add(template.name)
            unfit = template.faults()
            faults += unfit or self._choices_against_labels(index, template)
        return faults

    def _choices_against_labels(self, index: int, template: Template) -> list[T2TError]:
        """`answer_choices[label]` needs one choice for each label."""
        choices = template.answer_choices
        reads = {name for program in template.programs("target") for name in program.columns}
        if self.labels is None or not isinstance(choices, tuple) or not {"label", "answer_choices"} <= reads:
            return []
        if len(choices) == len(self.labels):
            return []
        return [
            TemplateError(
                f'template "{template.name}" has {len(choices)} answer choices for {len(self.labels)} labels',
                where=self.location("templates", index, "answer_choices"),
                have=self.labels,
                mend="give one choice for each label, in their order",
            )
        ]


def _with_included(yaml: YamlFile) -> YamlFile:
    """The file with the keys that it takes from another one in its folder. Raises: TaskFileError."""
    name = yaml.data.get("include") if isinstance(yaml.data, dict) else None
    if not isinstance(name, str):
        return yaml
    where = yaml.location("include")
    if not re.fullmatch(r"_[\w-]+\.yaml", name):  # no way out of the folder, and no task by mistake
        raise TaskFileError(
            f'not the name of a file to include: "{name}"',
            where=where,
            mend="put it beside the task file and call it _name.yaml",
        )
    path = yaml.path.with_name(name)
    if not path.is_file():
        have = sorted(other.name for other in yaml.path.parent.glob("_*.yaml"))
        mend = did_you_mean(name, have)
        raise TaskFileError(f'there is no file to include: "{name}"', where=where, have=have, mend=mend)
    included = read_yaml(path, error=TaskFileError)
    if not isinstance(included.data, dict) or "include" in included.data:
        problem = "an included file holds keys of a task file, and includes no other"
        raise TaskFileError(problem, where=included.location("include"))
    return yaml.over(included)


def is_hidden(label: object) -> bool:
    """Whether a label stands for no label: -1, as a number or a text, or NaN for a gap in a column."""
    if isinstance(label, str):
        return label.strip() in ("-1", "-1.0")
    return _whole(label) == -1 or (isinstance(label, float) and label != label)


def _whole(label: object) -> int | None:
    """A label that is a whole number: 1, or 1.0 as pandas writes a column with gaps."""
    if isinstance(label, bool) or not isinstance(label, int | float) or label != label // 1:
        return None
    return int(label)


def _whole_templates(yaml: YamlFile) -> list[Template]:
    """The templates of a file that is malformed elsewhere."""
    entries = yaml.data.get("templates") if isinstance(yaml.data, dict) else None
    templates = []
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        try:
            template = Template.model_validate(entry)
        except ValidationError:
            continue
        templates.append(template.placed(Origin("", None, yaml, index)))
    return templates
