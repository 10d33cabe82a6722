"""Ask an encoder-decoder: rank answer choices, generate text, score targets, run a task's templates.

    model = Text2Text.load()                                       # the starter
    model("Is this good or bad? I loved it.", choices=["good", "bad"]).text
    model.rank(reviews, ["good", "bad"])                           # a list in, a list out
    model.run("rte", {"premise": "...", "hypothesis": "..."}, shots=3)
    model.answer(examples)                                         # rendered already

One text (or one row) gives one answer, a list or tuple gives a list, and any other iterable gives an
iterator: it is read lazily, a window of prompts at a time, and answers come in input order. Options are
checked at once, prompts when they are read.

An answer does not depend on the batch size, on the other sources of its batch or on padding, up to the
rounding of the model's dtype (about 1e-5 nats in float32).
"""

# A str and a list are iterables too: the first overload that fits is the one that is meant.
# mypy: disable-error-code="overload-overlap"

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.data.task import Task
from t2t.errors import InferenceError, ModelError
from t2t.inference.answering import Answering
from t2t.inference.generate import Decoding
from t2t.inference.inputs import (
    choice_prompts,
    example_prompts,
    is_list,
    shaped_like,
    source_prompts,
    target_prompts,
)
from t2t.inference.options import AnswerOptions, GenerateOptions, RankOptions, RunOptions, SourceOptions
from t2t.inference.prompts import Prediction
from t2t.inference.rank import LengthNorm
from t2t.inference.task_prompts import ALL, Row, Rows, choose_templates, task_prompts
from t2t.model.adapters import Adapters, AnyAdapter, adapters_of, load_adapters, named_adapters
from t2t.model.decoder_inputs import check_can_be_scored
from t2t.model.mean import load_mean_model
from t2t.model.pretrained import load_model, save_model
from t2t.model.training_record import TrainingRecord, absolute_place
from t2t.templates.library import read_task_file
from t2t.templates.task_file import TaskFile
from t2t.templates.template import RenderedExample

Texts = list[str] | tuple[str, ...]
Examples = list[RenderedExample] | tuple[RenderedExample, ...]
AnyTask = str | Path | Task | TaskFile

DEFAULT_BATCH_SIZE = 64  # sources
# Padded source tokens in one forward pass: what a CPU keeps in its caches (scripts/bench_ranking.py), and
# what fills an accelerator.
MAX_BATCH_TOKENS = {"cpu": 2048, "other": 16384}


class Text2Text:
    """An encoder-decoder with its tokenizer, ready to answer.

    Args:
        model: any sequence-to-sequence model of `transformers`: T5, mT5, BART, mBART ...
        tokenizer: its tokenizer.
        name: what reports call it.
        max_batch_tokens: padded source tokens that go through the model together; fewer need less memory.
            None takes 2048 on a CPU and 16384 elsewhere.
    Attributes:
        adapters: those that are attached to the model; None where there are none.
    Raises: ModelError if the model is no encoder-decoder; InferenceError if the tokenizer cannot pad.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str | None = None,
        max_batch_tokens: int | None = None,
    ) -> None:
        check_can_be_scored(model)
        if tokenizer.pad_token_id is None:
            raise InferenceError("the tokenizer has no padding token", mend="set tokenizer.pad_token")
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self._places: tuple[str, ...] = ()
        self.adapters = adapters_of(model)
        device = "cpu" if model.device.type == "cpu" else "other"
        self.max_batch_tokens = max_batch_tokens or MAX_BATCH_TOKENS[device]

    @classmethod
    def load(
        cls,
        name: str | Path | None = None,
        *,
        device: str = "auto",
        dtype: str | torch.dtype = "auto",
        adapter: AnyAdapter | None = None,
    ) -> "Text2Text":
        """Load a model by name: None for the starter that ships with t2t, a folder, or a Hub id.

        Args:
            device: "auto" takes CUDA before Apple's MPS before the CPU.
            dtype: "auto" is bfloat16 on CUDA devices that support it, else float32.
            adapter: folder or Hub id of an adapter; or several, as a list or under names of their own in a
                dict. The first is in use, see `use_adapter`.
        Raises: ModelError if it cannot be had, or an adapter does not fit it.
        """
        loaded = load_model(name, device=device, dtype=dtype)
        if adapter is not None:
            load_adapters(loaded.model, loaded.name, named_adapters(adapter))
        text2text = cls(loaded.model, loaded.tokenizer, name=loaded.name)
        text2text._places = (absolute_place(loaded.name),)
        return text2text

    @classmethod
    def load_mean(
        cls, names: Iterable[str | Path], *, device: str = "auto", dtype: str | torch.dtype = "auto"
    ) -> "Text2Text":
        """Load models that were trained from the same one, as one model with the mean of their weights.

        It mostly answers better than each of them: Wortsman et al. 2022, "Model soups", arXiv:2203.05482.

        Args:
            names: "starter", folders or Hub ids.
            device: see `load`.
            dtype: see `load`; the mean itself is taken in float32.
        Raises: ModelError if there are none, one cannot be had, or their weights or tokenizers do not match.
        """
        names = names if isinstance(names, str | Path) else tuple(names)
        loaded = load_mean_model(names, device=device, dtype=dtype)
        text2text = cls(loaded.model, loaded.tokenizer, name=loaded.name)
        text2text._places = tuple(map(absolute_place, names))
        return text2text

    @property
    def full_name(self) -> str:
        """The model's name and that of the adapter in use: "starter + polite"."""
        name = self.name or type(self.model).__name__
        adapter = None if self.adapters is None else self.adapters.active
        return name if adapter is None else f"{name} + {adapter}"

    @property
    def places(self) -> tuple[str, ...]:
        """Where the model and the adapter in use were loaded from; nowhere, for a model made in memory."""
        place = None if self.adapters is None else self.adapters.place
        return self._places if place is None else (*self._places, place)

    def use_adapter(self, name: str | None) -> None:
        """Answer with one of the adapters from now on, or with None of them; other threads' calls too.

        Raises: ModelError if no adapter of that name was loaded.
        """
        self._loaded_adapters().use(name)

    def merge_adapter(self) -> None:
        """Put the adapter in use into the model's weights, for good: answers stay, and come a little faster.

        Raises: ModelError if none is in use, or it is a prompt, which is no change of weights.
        """
        name, places = self.full_name, self.places
        self._loaded_adapters().merge()
        self.name, self._places, self.adapters = name, places, None

    def _loaded_adapters(self) -> Adapters:
        if self.adapters is None:
            raise ModelError("the model has no adapters", mend="load it with adapter=...")
        return self.adapters

    def save(self, folder: str | Path, *, dtype: str | torch.dtype | None = None) -> None:
        """Write model and tokenizer as a folder that `load` and `from_pretrained` read, over an older one.

        With adapters it is the adapter in use that is written, unless it was merged. The record of what the
        model was trained on goes along, if it was loaded by name; of training since then it does not know.

        Args:
            dtype: store the weights as "float32" or "bfloat16"; None keeps their own.
        Raises: ModelError for another dtype, for a folder that holds anything but a saved model or adapter,
            or if the record of the model's training is malformed.
        """
        record = TrainingRecord.of_models(self.places) if self.places else None
        save_model(self.model, self.tokenizer, folder, dtype=dtype, record=record)

    def __call__(self, source: str, *, choices: Sequence[str] | None = None, **options: Any) -> Prediction:
        """Answer one text: `rank` it if there are choices, else `generate`; takes the options of either."""
        if choices is None:
            return self.generate(source, **options)
        return self.rank(source, choices, **options)

    @overload
    def generate(self, sources: str, **options: Unpack[GenerateOptions]) -> Prediction: ...
    @overload
    def generate(self, sources: Texts, **options: Unpack[GenerateOptions]) -> list[Prediction]: ...
    @overload
    def generate(
        self, sources: Iterable[str], **options: Unpack[GenerateOptions]
    ) -> Iterator[Prediction]: ...
    def generate(
        self,
        sources: str | Iterable[str],
        *,
        max_new_tokens: int = 64,
        num_beams: int = 1,
        temperature: float | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
        max_source_len: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Any:
        """Write an answer to each source: greedily, with beams, or by sampling if there is a temperature.

        Args:
            max_new_tokens, num_beams, temperature, top_p, seed: see `Decoding`. In sampling, the same seed
                gives the same source the same answer, whatever the batch: use several seeds for several
                samples of one source.
            max_source_len: tokens to read of a source; None takes the model's or the tokenizer's limit,
                the lower of the two, or 1024 if neither has one. The end of a longer source is cut off:
                its prediction says so, and one warning a call counts them.
            batch_size: sources at once, at most.
        Raises: InferenceError for an empty source or an option out of range.
        """
        decoding = Decoding(max_new_tokens, num_beams, temperature, top_p, seed)
        answering = self._answering(max_source_len, batch_size, decoding=decoding)
        answering.check_writing()  # at once, as every prompt will need it
        return shaped_like(sources, answering.stream(source_prompts(sources), at_once=is_list(sources)))

    @overload
    def rank(
        self, sources: str, answer_choices: Sequence[str], **options: Unpack[RankOptions]
    ) -> Prediction: ...
    @overload
    def rank(
        self, sources: Texts, answer_choices: Iterable[str | Sequence[str]], **options: Unpack[RankOptions]
    ) -> list[Prediction]: ...
    @overload
    def rank(
        self,
        sources: Iterable[str],
        answer_choices: Iterable[str | Sequence[str]],
        **options: Unpack[RankOptions],
    ) -> Iterator[Prediction]: ...
    def rank(
        self,
        sources: str | Iterable[str],
        answer_choices: Iterable[str | Sequence[str]],
        *,
        length_norm: LengthNorm = "sum",
        max_source_len: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Any:
        """Score every answer choice by its log-likelihood given the source; the best one is the answer.

        Args:
            answer_choices: texts, the same for every source; or for each source its own sequence of texts.
            length_norm: how scores of choices of different lengths are made comparable. "sum" (the default,
                as T0) is the log-probability of the answer itself, "mean_token" is divided by its tokens,
                "mean_byte" by its UTF-8 bytes.
            max_source_len, batch_size: as in `generate`.
        Raises: InferenceError for an empty source, and for choices that are none, empty, there twice or the
            same to the tokenizer.
        """
        answering = self._answering(max_source_len, batch_size, length_norm=length_norm)
        answers = answering.stream(choice_prompts(sources, answer_choices), at_once=is_list(sources))
        return shaped_like(sources, answers)

    @overload
    def score(self, sources: str, targets: str, **options: Unpack[SourceOptions]) -> float: ...
    @overload
    def score(
        self, sources: Texts, targets: Iterable[str], **options: Unpack[SourceOptions]
    ) -> list[float]: ...
    @overload
    def score(
        self, sources: Iterable[str], targets: Iterable[str], **options: Unpack[SourceOptions]
    ) -> Iterator[float]: ...
    def score(
        self,
        sources: str | Iterable[str],
        targets: str | Iterable[str],
        *,
        max_source_len: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Any:
        """Log-likelihood in nats of each target given its source, summed over its tokens.

        Raises: InferenceError for an empty source or target, or unless there is one target per source.
        """
        answering = self._answering(max_source_len, batch_size)
        answers = answering.stream(target_prompts(sources, targets), at_once=is_list(sources))
        return shaped_like(sources, (answer.logprob for answer in answers))

    @overload
    def run(
        self, task: AnyTask, rows: Row, *, template: Literal["all"], **options: Unpack[RunOptions]
    ) -> list[Prediction]: ...
    @overload
    def run(
        self, task: AnyTask, rows: Row, *, template: str | None = None, **options: Unpack[RunOptions]
    ) -> Prediction: ...
    @overload
    def run(
        self,
        task: AnyTask,
        rows: list[Any] | tuple[Any, ...],
        *,
        template: str | None = None,
        **options: Unpack[RunOptions],
    ) -> list[Prediction]: ...
    @overload
    def run(
        self, task: AnyTask, rows: Rows, *, template: str | None = None, **options: Unpack[RunOptions]
    ) -> Iterator[Prediction]: ...
    def run(
        self,
        task: AnyTask,
        rows: Row | Rows,
        *,
        template: str | None = None,
        shots: int = 0,
        demonstrations: Rows | None = None,
        seed: int = 0,
        length_norm: LengthNorm = "sum",
        max_new_tokens: int = 64,
        num_beams: int = 1,
        temperature: float | None = None,
        top_p: float = 1.0,
        max_source_len: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Any:
        """Render rows through a task's template and answer: by ranking where it has answer choices.

        Args:
            task: a shipped task's name, a task file's path, or the task itself.
            rows: one row, several, or pairs `(example_id, row)` as `Task.rows` gives them; no label needed.
            template: its name; None takes the task's first one; "all" gives one prediction per row and
                template (all templates of the first row, then of the second ...), also for a single row.
            shots: demonstrations in front of each source.
            demonstrations: labelled rows to draw the shots from; None takes the task file's own `examples`.
            seed: of the demonstrations, and of sampling.
            length_norm: as in `rank`. All others: as in `generate`.
        Raises: TaskNotFoundError, TemplateError, and InferenceError as `rank` and `generate` do.
        """
        answering = self._answering(
            max_source_len,
            batch_size,
            length_norm=length_norm,
            decoding=Decoding(max_new_tokens, num_beams, temperature, top_p, seed),
        )
        file = _task_file(task)
        prompts = task_prompts(
            file,
            [rows] if isinstance(rows, Mapping | str) else rows,  # a text is no row, and its letters are none
            templates=choose_templates(file, template),
            shots=shots,
            demonstrations=demonstrations,
            seed=seed,
        )
        answers = answering.stream(prompts, at_once=is_list(rows))
        if isinstance(rows, Mapping) and template == ALL:
            return list(answers)
        return shaped_like(rows, answers)

    @overload
    def answer(self, examples: RenderedExample, **options: Unpack[AnswerOptions]) -> Prediction: ...
    @overload
    def answer(self, examples: Examples, **options: Unpack[AnswerOptions]) -> list[Prediction]: ...
    @overload
    def answer(
        self, examples: Iterable[RenderedExample], **options: Unpack[AnswerOptions]
    ) -> Iterator[Prediction]: ...
    def answer(
        self,
        examples: RenderedExample | Iterable[RenderedExample],
        *,
        length_norm: LengthNorm = "sum",
        max_new_tokens: int = 64,
        num_beams: int = 1,
        temperature: float | None = None,
        top_p: float = 1.0,
        seed: int | None = None,
        max_source_len: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ) -> Any:
        """Answer rendered examples as `run` answers rows: by ranking where they have answer choices.

        Args:
            examples: one or several, as `Template.render` and `Mixture.draw` give them. One that is too long
                loses its demonstrations before its end.
            length_norm: as in `rank`. All others: as in `generate`.
        Raises: InferenceError as `rank` and `generate` do.
        """
        answering = self._answering(
            max_source_len,
            batch_size,
            length_norm=length_norm,
            decoding=Decoding(max_new_tokens, num_beams, temperature, top_p, seed),
        )
        return shaped_like(examples, answering.stream(example_prompts(examples), at_once=is_list(examples)))

    def _answering(self, max_source_len: int | None, batch_size: int, **options: Any) -> Answering:
        return Answering(
            self.model,
            self.tokenizer,
            max_source_len=max_source_len,
            batch_size=batch_size,
            max_batch_tokens=self.max_batch_tokens,
            **options,
        )


def _task_file(task: AnyTask) -> TaskFile:
    if isinstance(task, TaskFile):
        return task
    return task.file if isinstance(task, Task) else read_task_file(task)
