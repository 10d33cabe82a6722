"""`t2t report`: draw the curves of a training run."""

from pathlib import Path
from typing import Annotated

import typer

from t2t.cli.options import example

EXAMPLE = example("t2t report runs/my_run")


def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run: its run_dir.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write. Default: the run's folder.")
    ] = None,
) -> None:
    """Draw the curves of a run: report.png and report.html.

    A dashed line marks the step of the best validation.
    """
    from t2t.training.run_report import RunReport

    for path in RunReport.of(run_dir).write(out or run_dir):
        print(path)
