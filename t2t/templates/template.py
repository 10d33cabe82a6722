"""A template: the recipe that turns a row into a source and a target text.

    row            {"premise": "It rained.", "hypothesis": "It was wet.", "label": 0}
    source         "{{premise}}\\nDoes it follow that \\"{{hypothesis}}\\"?"
    target         "{{ answer_choices[label] }}"         answer_choices  ["yes", "no"]
    rendered       "It rained.\\nDoes it follow that \\"It was wet.\\"?"  ->  "yes"

Every column of the row is a name in the texts, and `answer_choices` is the tuple of the row's choices. The
language is Jinja as `sandbox.py` restricts it; a name that the row lacks is an error, never an empty string.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jinja2
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from t2t.errors import Location, TemplateError, did_you_mean
from t2t.templates.answer_choices import check_choices, choice_programs, render_choices
from t2t.templates.filters import MADE
from t2t.templates.program import Program, compile_text, line_of
from t2t.templates.work import Work
from t2t.yaml_file import YamlFile

_LABELS_MEND = "list the words under labels: of the task, in the order of the choices"
FIELDS = ("source", "target", "answer_choices", "demonstrations")  # the fields that are programs over a row


@dataclass(frozen=True)
class RenderedExample:
    """One row through one template: what a model reads, and what it should write."""

    source: str
    target: str  # one of answer_choices, where there are any; empty where the row has no label
    answer_choices: tuple[str, ...] | None  # each once, though a row may name one twice
    references: tuple[str, ...]  # all acceptable answers; (target,) where the task names none
    task: str
    template: str
    example_id: str  # such as "validation:17"
    demonstrations: tuple[str, ...] = ()  # parts of the source, one after the other, that it can do without


class About(BaseModel):
    """What a template does with its row, for choosing templates by kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    original_task: bool = Field(
        default=True, description="it asks for the task's own target, not for another column"
    )
    choices_in_source: bool = Field(default=False, description="the source names the answer choices")


@dataclass(frozen=True)
class Origin:
    """The task file that a template stands in."""

    task: str
    references: str | None  # the file's Jinja expression for all acceptable answers
    yaml: YamlFile | None
    index: int  # place in the file's list of templates


class Template(BaseModel):
    """A template as a task file holds it; written by hand it needs a name, a source and a target.

    The texts are compiled at first use and the result is cached by text, so a template pickles and compares
    as the plain words it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="short and unique in its file; results are named by it")
    source: str = Field(min_length=1, description="the text that the model reads")
    target: str = Field(min_length=1, description="the text that the model should write")
    answer_choices: tuple[str, ...] | str | None = Field(
        default=None,
        description="the allowed targets: a list in label order, or a Jinja expression over the row",
    )
    demonstrations: tuple[str, ...] = Field(
        default=(),
        description="worked examples, one text each, shown where the source says {{ demonstrations }}, once; "
        "the last ones are left out where a source is too long, and so are empty ones",
    )
    about: About = Field(default_factory=About, description="what kind of template it is")

    _origin: Origin = PrivateAttr(Origin("", None, None, 0))

    def placed(self, origin: Origin) -> "Template":
        """This template as one of a task's: its examples name the task, its errors file and line."""
        template = self.model_copy()
        template._origin = origin
        return template

    @property
    def task(self) -> str:
        """The task it belongs to; empty for a template on its own."""
        return self._origin.task

    @property
    def columns(self) -> frozenset[str]:
        """The names that source, target and answer choices read from a row. Raises: TemplateError."""
        return self._columns(FIELDS)

    @property
    def columns_shown(self) -> frozenset[str]:
        """Those of them that reach the model: of all but the target. Raises: TemplateError."""
        return self._columns(field for field in FIELDS if field != "target")

    def _columns(self, fields: Iterable[str]) -> frozenset[str]:
        programs = [program for field in fields for program in self.programs(field)]
        return frozenset(name for program in programs for name in program.columns) - MADE

    def faults(self) -> list[TemplateError]:
        """What is wrong with it before any row is seen: texts that do not compile, unfit answer choices."""
        faults = []
        for field in FIELDS:
            try:
                reads_choices = any("answer_choices" in program.columns for program in self.programs(field))
            except TemplateError as fault:
                faults.append(fault)
            else:
                if reads_choices and self.answer_choices is None:
                    mend = "give the template answer_choices"
                    faults.append(self._error(field, "reads answer_choices but has none", mend=mend))
        return faults

    def missing_columns(self, have: Collection[str]) -> list[TemplateError]:
        """A fault for each name that it reads, on whichever branch, and that is not one of `have`.

        Raises: TemplateError where it does not compile.
        """
        return [
            self._missing_column(field, name, have, line=line)
            for field in FIELDS
            for program in self.programs(field)
            for name, line in program.columns.items()
            if name not in have and name not in MADE and name not in program.optional
        ]

    def programs(self, field: str) -> tuple[Program, ...]:
        """The compiled texts of one field of FIELDS. Raises: TemplateError with file and line."""
        try:
            if field != "answer_choices":
                texts = self.demonstrations if field == "demonstrations" else (getattr(self, field),)
                return tuple(map(compile_text, texts))
            if self.answer_choices is None:
                return ()
            check_choices(self.answer_choices)
            return choice_programs(self.answer_choices)
        except TemplateError as fault:
            raise self._in_place(field, fault) from fault

    def render(self, row: Mapping[str, Any], *, example_id: str = "") -> RenderedExample:
        """Source and target of a labelled row.

        Args:
            row: columns under the names that the template reads (`TaskFile.context` gives them).
            example_id: carried along to every report, and named by errors.
        Raises: TemplateError for a missing column, an empty text, or a target outside the answer choices.
        """
        with self._naming(example_id):
            choices = self._choices(row)
            query = self._query(row, choices, example_id)
            target = self._text("target", row if choices is None else {**row, "answer_choices": choices})
            if choices is not None and target not in choices:
                raise self._error(
                    "target", f'gives a target outside its answer choices: "{target}"', have=choices
                )
            references: tuple[str, ...] = (target,)
            if self._origin.references is not None and choices is None and self.about.original_task:
                references = self._texts("references", self._origin.references, row)
            return replace(query, target=target, references=references)

    def render_source(self, row: Mapping[str, Any], *, example_id: str = "") -> RenderedExample:
        """Source and answer choices of a row, which needs no label. Raises: TemplateError, as `render`."""
        with self._naming(example_id):
            return self._query(row, self._choices(row), example_id)

    @contextmanager
    def _naming(self, example_id: str) -> Iterator[None]:
        """Errors in here begin with the row, where it has an id."""
        try:
            yield
        except TemplateError as fault:
            if not example_id:
                raise
            row = f'row "{example_id}" of task "{self.task}"' if self.task else f'row "{example_id}"'
            problem = f"{row}: {fault.problem}"
            raise TemplateError(problem, where=fault.where, have=fault.have, mend=fault.mend) from fault

    def _choices(self, row: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The answer choices as the template's texts read them: in label order, some perhaps twice."""
        if self.answer_choices is None:
            return None
        return self._texts("answer_choices", self.answer_choices, row)

    def _query(
        self, row: Mapping[str, Any], choices: tuple[str, ...] | None, example_id: str
    ) -> RenderedExample:
        made: dict[str, Any] = {} if choices is None else {"answer_choices": choices}
        demonstrations: tuple[str, ...] = ()
        if self.demonstrations:
            demonstrations = self._demonstrations(row)
            made["demonstrations"] = "".join(demonstrations)
        source = self._text("source", {**row, **made} if made else row)
        if demonstrations and source.count(made["demonstrations"]) != 1:
            mend = "write {{ demonstrations }} in one place, without a filter"
            raise self._error("source", "does not show its demonstrations once, as they are", mend=mend)
        distinct = None if choices is None else tuple(dict.fromkeys(choices))
        return RenderedExample(
            source, "", distinct, (), self.task, self.name, example_id, demonstrations=demonstrations
        )

    def _demonstrations(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        try:
            work = Work()  # one for all
            texts = [compile_text(text).text(row, work) for text in self.demonstrations]
        except Exception as failure:
            raise self._failed("demonstrations", failure, row) from failure
        return tuple(filter(None, texts))

    def _text(self, field: str, values: Mapping[str, Any]) -> str:
        try:
            text = compile_text(getattr(self, field)).text(values)
        except Exception as failure:
            raise self._failed(field, failure, values) from failure
        if not text.strip():
            raise self._error(field, f"gives an empty {field} for this row")
        return text

    def _texts(
        self, field: str, choices: tuple[str, ...] | str, values: Mapping[str, Any]
    ) -> tuple[str, ...]:
        try:
            return render_choices(choices, values, name=field.replace("_", " "))
        except Exception as failure:
            raise self._failed(field, failure, values) from failure

    def _failed(self, field: str, failure: Exception, values: Mapping[str, Any]) -> TemplateError:
        """What a failed rendering means, in words."""
        if isinstance(failure, TemplateError):
            return self._in_place(field, failure)
        line = line_of(failure)
        undefined = re.fullmatch(r"'(.*)' is undefined", str(failure))
        if isinstance(failure, jinja2.UndefinedError) and undefined:
            return self._missing_column(field, undefined[1], values, line=line)
        word = re.fullmatch(r"'tuple object' has no attribute '(.*)'", str(failure))
        if word and any("answer_choices" in program.columns for program in self.programs(field)):
            problem = f'looks up an answer choice by a word: "{word[1]}"'
            return self._error(field, problem, line=line, mend=_LABELS_MEND)
        return self._error(field, f"does not render: {failure}", line=line)

    def _missing_column(self, field: str, name: str, have: Collection[str], *, line: int) -> TemplateError:
        columns = sorted(set(have) - MADE)
        problem = f'reads a column that the dataset lacks: "{name}"'
        mend = _LABELS_MEND if name == "label_name" and "label" in have else did_you_mean(name, columns)
        return self._error(field, problem, line=line, have=columns, mend=mend)

    def _in_place(self, field: str, fault: TemplateError) -> TemplateError:
        """A fault of the sandbox, which knows only the line inside the text, with template and file."""
        line = fault.where.line if fault.where else None
        return self._error(field, fault.problem, line=line, have=fault.have, mend=fault.mend)

    def _error(
        self,
        field: str,
        phrase: str,
        *,
        line: int | None = None,
        have: Iterable[str] | None = None,
        mend: str | None = None,
    ) -> TemplateError:
        origin = self._origin
        keys = ("references",) if field == "references" else ("templates", origin.index, field)
        where = origin.yaml.location(*keys, text_line=line) if origin.yaml else Location(field=field)
        return TemplateError(f'template "{self.name}" {phrase}', where=where, have=have, mend=mend)
