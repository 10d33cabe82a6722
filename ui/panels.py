"""What an answer, a comparison of templates or a mistake looks like: HTML for the page.

Every text of a user or a model is escaped here, and nowhere else; `style.css` gives the classes their looks.
"""

from collections import Counter
from collections.abc import Sequence
from html import escape

import t2t

from .handlers import TaskAnswer

MAX_BARS = 12  # more choices than fit on a screen are folded away


EMPTY = '<div class="t2t-panel t2t-empty">The answer appears here.</div>'


def head_panel(model: str) -> str:
    """Title of the page, and the model that answers."""
    return (
        "<h1>t2t <small>every task is text in, text out</small></h1>"
        f"<p>Model: <strong>{escape(model)}</strong></p>"
    )


def prediction_panel(prediction: t2t.Prediction) -> str:
    """The answer to a typed prompt."""
    return answer_panel(TaskAnswer(prediction, references=()))


def answer_panel(answer: TaskAnswer) -> str:
    """An answer with a bar for each choice, what would have been right, and how much was read."""
    prediction = answer.prediction
    parts = [
        _left_out(prediction),
        f'<div class="t2t-text">{_written(prediction.text)}{_mark(answer.is_correct)}</div>',
        _bars(prediction, answer.references),
        _expected(answer),
        f'<p class="t2t-note">{escape(_facts(prediction))}</p>',
    ]
    return _panel("".join(parts))


def comparison_panel(answers: Sequence[TaskAnswer]) -> str:
    """A table with one row per template, and on top what most of them say."""
    labels = [answer.label for answer in answers]  # which every template words in its own way
    said = [answer.prediction.text for answer in answers] if None in labels else labels
    [(most, number)] = Counter(said).most_common(1)
    summary = f"{number} of {len(answers)} templates answer “{escape(most or '')}”"
    ranked = [answer.is_correct for answer in answers if answer.prediction.choices and answer.references]
    if ranked:
        which = "" if len(ranked) == len(answers) else "that have choices "
        summary += f"; {sum(map(bool, ranked))} of {len(ranked)} {which}are right"
    rows = "".join(_comparison_row(answer) for answer in answers)
    head = "<tr><th>Template</th><th>Answer</th><th>Probability</th><th>Tokens</th></tr>"
    table = f'<table class="t2t-table"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return _panel(f'<p class="t2t-summary">{summary}.</p><div class="t2t-scroll">{table}</div>')


def mistake_panel(error: t2t.T2TError) -> str:
    """What went wrong; where, what there is instead and how to put it right, as far as the error knows."""
    problem, *details = (line.strip() for line in str(error).splitlines())
    details = [
        _sentence(line.removeprefix("mend:").strip()) if line.startswith("mend:") else line
        for line in details
    ]
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in details)
    return (
        f'<div class="t2t-panel t2t-mistake" role="alert"><strong>{escape(_sentence(problem))}</strong>'
        f"{paragraphs}</div>"
    )


def _panel(content: str) -> str:
    return f'<div class="t2t-panel" role="status">{content}</div>'


def _written(text: str) -> str:
    return escape(text) if text.strip() else "<em>(the model wrote nothing)</em>"


def _mark(is_correct: bool | None) -> str:
    if is_correct is None:
        return ""
    return (
        '<span class="t2t-right">✓ right</span>' if is_correct else '<span class="t2t-wrong">✗ wrong</span>'
    )


def _bars(prediction: t2t.Prediction, references: Sequence[str]) -> str:
    """Bars, the likeliest choice first; those beyond MAX_BARS behind a line to click on."""
    if prediction.choices is None or prediction.probabilities is None:
        return ""
    ranked = sorted(
        zip(prediction.choices, prediction.probabilities, strict=True), key=lambda pair: pair[1], reverse=True
    )
    bars = [
        _bar(choice, share, is_best=choice == prediction.text, is_correct=choice in references)
        for choice, share in ranked
    ]
    shown, folded = bars[:MAX_BARS], bars[MAX_BARS:]
    more = ""
    if folded:
        rest = _percent(sum(share for _, share in ranked[MAX_BARS:]))
        more = (
            f"<details><summary>{len(folded)} more choices, {rest} together</summary>"
            f'<ul class="t2t-bars">{"".join(folded)}</ul></details>'
        )
    return f'<ul class="t2t-bars">{"".join(shown)}</ul>{more}'


def _bar(choice: str, share: float, *, is_best: bool, is_correct: bool) -> str:
    label = '<span class="t2t-label" title="the sample row\'s label">label</span>' if is_correct else ""
    return (
        f'<li class="t2t-bar{" t2t-best" if is_best else ""}">'
        f'<span class="t2t-choice">{escape(choice)}{label}</span>'
        f'<span class="t2t-percent">{_percent(share)}</span>'
        f'<span class="t2t-track"><span class="t2t-fill" style="width:{share * 100:.2f}%"></span></span></li>'
    )


def _comparison_row(answer: TaskAnswer) -> str:
    prediction = answer.prediction
    share = max(prediction.probabilities) if prediction.probabilities else None
    probability = (
        "–"
        if share is None
        else f'<span class="t2t-track"><span class="t2t-fill" style="width:{share * 100:.2f}%"></span></span>'
        f"{_percent(share)}"
    )
    what = "cut" if prediction.truncated else "fewer shots" if _left_out(prediction) else ""
    cut = f' <span class="t2t-wrong">{what}</span>' if what else ""
    return (
        f"<tr><td>{escape(prediction.template or '')}</td>"
        f"<td>{_written(prediction.text)}{_mark(answer.is_correct)}</td>"
        f'<td class="t2t-share">{probability}</td><td>{prediction.num_source_tokens}{cut}</td></tr>'
    )


def _expected(answer: TaskAnswer) -> str:
    """What would have been right, where the bars do not show it."""
    if answer.prediction.choices is not None or not answer.references:
        return ""
    texts = " <em>or</em> ".join(escape(text) for text in answer.references)
    return f'<p class="t2t-expected"><b>Sample answer</b> {texts}</p>'


def _left_out(prediction: t2t.Prediction) -> str:
    """What of the prompt the model did not read, and why."""
    why = f"The text is longer than this model reads: it saw {prediction.num_source_tokens:,} tokens."
    if prediction.truncated:
        return f'<p class="t2t-cut"><strong>The end was cut off.</strong> {why} Shorten the text.</p>'
    if number := prediction.num_dropped_demonstrations:
        what = "1 demonstration was" if number == 1 else f"{number} demonstrations were"
        return f'<p class="t2t-cut"><strong>{what} left out.</strong> {why}</p>'
    return ""


def _facts(prediction: t2t.Prediction) -> str:
    facts = [f"{prediction.num_source_tokens:,} tokens read", f"log-likelihood {prediction.logprob:.2f} nats"]
    if prediction.length_norm is not None:
        facts.append(f"length norm: {prediction.length_norm}")
    return " · ".join(facts)


def _percent(share: float) -> str:
    return "< 0.1 %" if 0 < share < 0.001 else f"{share * 100:.1f} %"


def _sentence(problem: str) -> str:
    """A problem as a sentence: errors start in lower case, as the command line shows them."""
    return problem[:1].upper() + problem[1:]
