"""Curves of a run as a picture and as a page: what `t2t report` draws from metrics.jsonl.

Each entry of a metrics line is a curve over steps. Losses share a panel, so do the names within an entry that
is a mapping, such as a number for each task; every other number has a panel of its own. A dashed line marks
the step of the best validation where its numbers are.

    {"step": 20, "loss": 5.1, "lr": 0.01}
    {"step": 20, "validation_loss": 5.3, "task_shares": {"rte": 0.4, "sst2": 0.6}, "best_step": 20}

    panels  loss: loss, validation_loss     lr: lr     task_shares: rte, sst2     best step: 20
"""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2t.errors import Location, TrainingError
from t2t.training.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOSS = "loss"
_LOSSES = (_LOSS, "task_loss", "denoising_loss", "validation_loss")  # which share its panel
_FIRST = (  # panels that come first, in this order
    _LOSS,
    "validation_score",
    "validation_loss_by_task",
    "validation_score_by_task",
    "lr",
    "tokens_rate",
    "mfu",
    "grad_norm",
)
_NO_CURVE = ("step", "seconds", "best_step")
_VALIDATED = (_LOSS, "validation_")  # what the names of panels with numbers of validations begin with
_MAX_LEGEND = 12  # curves; the names of more would take up the panel, and are in the table of the page
_RELATIVE_RATES = ("adamw_rms", "adafactor")  # optimizers whose rate is a share of a tensor's size
_UNITS = {
    "loss": "nats per target token",
    "lr": "rate",
    "tokens_rate": "tokens per second",
    "mfu": "share of the peak",
    "grad_norm": "norm before clipping",
    "validation_loss_by_task": "nats per target token",
    "validation_score": "mean over tasks, 0-100",
    "validation_score_by_task": "first metric of the task, 0-100",
    "task_shares": "share of the examples drawn",
}
_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{name}</title>
<style>
body {{ font-family: sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }}
img {{ max-width: 100% }}
td, th {{ padding: .2rem 1rem .2rem 0; text-align: left }}
pre {{ overflow-x: auto }}
</style></head>
<body>
<h1>{name}</h1>
<img alt="Curves of the run" src="data:image/png;base64,{data}">
<h2>Last values</h2>
<table><tr><th>number</th><th>step</th><th>value</th></tr>
{rows}</table>
<h2>Configuration</h2>
<pre>{facts}</pre>
</body></html>
"""


@dataclass
class Curve:
    """Values of one number at the steps where it was logged."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


Panels = dict[str, dict[str, Curve]]


@dataclass(frozen=True)
class RunReport:
    """The curves of a run by panel and name, and the facts of its run.json.

    Attributes:
        best_step: of the best validation so far; None where nothing was validated.
    """

    name: str
    panels: Panels
    facts: Mapping[str, Any]
    best_step: int | None = None

    @classmethod
    def of(cls, run_dir: str | Path) -> "RunReport":
        """Read a run folder. Raises: TrainingError if it holds no metrics, or a line that is none."""
        folder = RunFolder(Path(run_dir))
        lines = _read_metrics(folder.metrics)
        panels = build_panels(lines)
        if not panels:
            raise TrainingError(
                "the run has no metrics yet",
                where=Location(file=folder.metrics),
                mend="wait for its first line: one per training.log_every steps",
            )
        try:
            facts = json.loads(folder.facts.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(
                "run.json is missing or damaged", where=Location(file=folder.facts)
            ) from error
        best_steps = [line["best_step"] for line in lines if "best_step" in line]
        return cls(folder.path.resolve().name, panels, facts, best_steps[-1] if best_steps else None)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write `report.png` and `report.html`, which holds the picture and needs no other file."""
        picture = draw(self.panels, title=self.name, best_step=self.best_step, optimizer=self._optimizer())
        folder.mkdir(parents=True, exist_ok=True)
        png, page = folder / "report.png", folder / "report.html"
        png.write_bytes(picture)
        page.write_text(self._page(picture), encoding="utf-8")
        return png, page

    def _optimizer(self) -> str | None:
        optimizer: str | None = self.facts.get("config", {}).get("optim", {}).get("name")
        return optimizer

    def _page(self, picture: bytes) -> str:
        name, data = html.escape(self.name), base64.b64encode(picture).decode("ascii")
        last = [
            (f"{panel}: {curve_name}" if curve_name != panel else panel, curve.steps[-1], curve.values[-1])
            for panel, curves in self.panels.items()
            for curve_name, curve in curves.items()
        ]
        rows = "".join(
            f"<tr><td>{html.escape(what)}</td><td>{step}</td><td>{value:.6g}</td></tr>\n"
            for what, step, value in last
        )
        if self.best_step is not None:
            rows += f"<tr><td>best validation</td><td>{self.best_step}</td><td></td></tr>\n"
        facts = html.escape(json.dumps(self.facts, indent=2))
        return _PAGE.format(name=name, data=data, rows=rows, facts=facts)


def build_panels(lines: Sequence[Mapping[str, Any]]) -> Panels:
    """Sort the numbers of metrics lines into curves, and curves into panels."""
    found: Panels = {}
    for line in lines:
        for key, value in line.items():
            if key in _NO_CURVE:
                continue
            panel = _LOSS if key in _LOSSES else key
            for name, number in value.items() if isinstance(value, Mapping) else [(key, value)]:
                curve = found.setdefault(panel, {}).setdefault(name, Curve())
                curve.steps.append(line["step"])
                curve.values.append(float(number))
    order = [
        *(panel for panel in _FIRST if panel in found),
        *(panel for panel in found if panel not in _FIRST),
    ]
    return {panel: found[panel] for panel in order}


def draw(panels: Panels, *, title: str, best_step: int | None = None, optimizer: str | None = None) -> bytes:
    """A PNG with two panels a row.

    Args:
        best_step: to be marked where numbers of validations are.
        optimizer: tells what its rates are relative to.
    Raises: TrainingError where matplotlib is missing.
    """
    num_rows = -(-len(panels) // 2)
    figure = _new_figure(num_rows)
    figure.suptitle(title)
    units = dict(_UNITS)
    if optimizer in _RELATIVE_RATES:
        units["lr"] = "rate, relative to a tensor's size"
    for number, (panel, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(num_rows, 2, number)
        has_legend = 1 < len(curves) <= _MAX_LEGEND
        for name, curve in curves.items():
            # a single point draws no line
            marker = "." if len(curve.steps) < 30 else None
            label = name if has_legend else None
            axes.plot(curve.steps, curve.values, label=label, marker=marker, linewidth=1.2)
        if best_step is not None and panel.startswith(_VALIDATED):
            axes.axvline(
                best_step, color="grey", linestyle="--", linewidth=1, label=f"best validation: {best_step}"
            )
            has_legend = True
        axes.set_title(panel.replace("_", " "))
        axes.set_xlabel("step")
        axes.set_ylabel(units.get(panel, ""))
        axes.grid(alpha=0.3)
        if has_legend and len(curves) <= 3:
            axes.legend(fontsize="small")
        elif has_legend:  # beside the panel, where it hides no curve
            axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})  # the same picture on every machine
    return stream.getvalue()


def _new_figure(num_rows: int) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainingError(
            "curves are drawn by matplotlib, which is not installed", mend='pip install "t2t[plots]"'
        ) from error
    return Figure(figsize=(12, 3.6 * num_rows), dpi=100, layout="constrained")  # inches


def _read_metrics(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TrainingError(
            "there is no metrics.jsonl to draw curves from",
            where=Location(file=path),
            mend="name the run_dir of a run that t2t pretrain or t2t finetune has begun",
        ) from error
    lines = text.splitlines()
    if lines and not text.endswith("\n"):
        lines.pop()  # the run is writing it, or was killed while it was
    metrics = []
    for number, line in enumerate(lines, start=1):
        try:
            metrics.append(json.loads(line))
            metrics[-1]["step"]
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"not a line of metrics: {line[:60]}", where=Location(file=path, line=number)
            ) from error
    return metrics
