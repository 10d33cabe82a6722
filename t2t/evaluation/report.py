"""An evaluation as a JSON document, as a table, and as a folder that never overwrites an older one.

<out>/starter-20250131-094500/evaluation.json    results and summary
<out>/starter-20250131-094500/answers.jsonl      every answer with the score of every choice
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2t.evaluation.evaluate import Evaluation
from t2t.evaluation.results import Answer, TaskSummary

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    "task",
    "shots",
    "metric",
    "mean",
    "median",
    "IQR",
    "worst",
    "best",
    "majority",
    "chance",
    "asked",
    "",
)


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values for JSON: {"model", "results": [...], "summary": [...]}, scores 0-100."""
    return asdict(evaluation)


def evaluation_table(evaluation: Evaluation) -> "Table":
    """The summaries as a rich table; under it, what the columns mean, and what the model may have seen."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    caption = "mean ± bootstrapped standard error; majority: always the most frequent answer"
    if any(summary.seen_in_training is None for summary in evaluation.summary):
        caption += "\nthe model has no complete record of its training: it may have seen these tasks"
    table = Table(
        title=f"{evaluation.model}, scores 0-100",
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in COLUMNS:
        is_text = column in ("task", "metric", "")
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    for summary in evaluation.summary:
        table.add_row(*_cells(summary))
    return table


def _cells(summary: TaskSummary) -> Iterator[str]:
    yield from (summary.task, str(summary.shots), summary.metric)
    yield f"{summary.mean:.1f} ± {summary.stderr:.1f}"
    yield from (f"{score:.1f}" for score in (summary.median, summary.iqr, summary.worst, summary.best))
    yield f"{summary.majority:.1f}"
    yield "-" if summary.chance is None else f"{summary.chance:.1f}"
    seeds = f" x {summary.num_seeds} seeds" if summary.num_seeds > 1 else ""
    yield f"{summary.num_examples} {summary.split} x {summary.num_templates} templates{seeds}"
    remarks = ["seen in training"] if summary.seen_in_training else []
    if summary.num_truncated:
        remarks.append(f"{summary.num_truncated} sources truncated")
    if summary.num_shortened:
        remarks.append(f"{summary.num_shortened} sources lost demonstrations")
    yield ", ".join(remarks)


@dataclass(frozen=True)
class ResultsFolder:
    """The folder of one evaluation.

    Answers are on disk as soon as they are there, so that an evaluation that is interrupted keeps them;
    `evaluation.json` comes last, and only a finished evaluation has one.
    """

    path: Path

    @classmethod
    def create(cls, out: Path, *, model: str, now: datetime | None = None) -> "ResultsFolder":
        """A new folder in `out`, named for the model and the time, with a number if that name is taken."""
        # A model is often named by a path, runs/mine/model: the last two parts tell it from others.
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", "/".join(Path(model).parts[-2:])).strip("-.") or "model"
        stamp = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
        out.mkdir(parents=True, exist_ok=True)
        names = (f"{slug}-{stamp}" + (f"-{number}" if number > 1 else "") for number in count(1))
        return cls(next(out / name for name in names if _make_folder(out / name)))

    @contextmanager
    def answers(self) -> Iterator[Callable[[Answer], None]]:
        """Open `answers.jsonl`; what is yielded writes one answer as a line of it."""
        path = self.path / "answers.jsonl"
        try:
            with open(path, "x", encoding="utf-8", buffering=1) as file:  # line by line

                def write(answer: Answer) -> None:
                    file.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")

                yield write
        finally:
            if path.stat().st_size == 0:  # it failed before the first answer: then leave nothing behind
                path.unlink()
                self.path.rmdir()

    def finish(self, evaluation: Evaluation) -> None:
        """Write `evaluation.json` in one step."""
        text = json.dumps(evaluation_document(evaluation), ensure_ascii=False, indent=2)
        aside = self.path / ".evaluation.json"
        aside.write_text(text + "\n", encoding="utf-8")
        os.replace(aside, self.path / "evaluation.json")


def _make_folder(path: Path) -> bool:
    try:
        path.mkdir()  # fails if it is there, also where two processes ask at once
    except FileExistsError:
        return False
    return True
