"""A stand-in for a model, which answers by a rule instead of weights."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from t2t.data.task import Task
from t2t.inference import Prediction
from t2t.templates.template import RenderedExample


class RuleModel:
    """Answers with `rule(source)`; records the sources it was asked."""

    def __init__(self, rule: Callable[[str], str], *, name: str | None = "rules") -> None:
        self.rule = rule
        self.name = name
        self.full_name = name or "RuleModel"
        self.places = () if name is None else (name,)
        self.asked: list[str] = []

    def answer(
        self, examples: Iterable[RenderedExample], *, length_norm: str, max_new_tokens: int
    ) -> list[Prediction] | Iterator[Prediction]:
        answers = self._answers(examples, length_norm, max_new_tokens)
        return list(answers) if isinstance(examples, list) else answers

    def _answers(
        self, examples: Iterable[RenderedExample], length_norm: str, max_new_tokens: int
    ) -> Iterator[Prediction]:
        for example in examples:
            source, choices = example.source, example.answer_choices
            if choices is None:
                yield self._prediction(source, " ".join(self.rule(source).split()[:max_new_tokens]))
                continue
            logprobs = tuple(-1.0 if choice == self.rule(source) else -2.0 for choice in choices)
            text = choices[logprobs.index(max(logprobs))]
            yield self._prediction(source, text, choices=choices, logprobs=logprobs, length_norm=length_norm)

    def _prediction(self, source: str, text: str, **options) -> Prediction:
        self.asked.append(source)
        num_tokens = len(source.split())
        return Prediction(text, -1.0, min(num_tokens, 100), truncated=num_tokens > 100, **options)


@pytest.fixture
def mood(toy_tasks_dir, toy_data_root) -> Task:
    """Happy or sad, 8 test rows half of each, three templates; the last one answers yes or no."""
    return Task.load(toy_tasks_dir / "mood" / "toy_mood.yaml", data_root=toy_data_root)


@pytest.fixture
def sums(toy_tasks_dir, toy_data_root) -> Task:
    """A digit plus a digit, without choices; it has a training split alone."""
    return Task.load(toy_tasks_dir / "sums" / "toy_sums.yaml", data_root=toy_data_root)


@pytest.fixture
def rule_model() -> type[RuleModel]:
    return RuleModel
