"""What `t2t pretrain` and `t2t finetune` share: their arguments, how a run is drawn, how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2t.cli.output import Advance, progress_bar

if TYPE_CHECKING:
    from t2t.training.loop import Outcome

RunArgument = Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run's configuration.")]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY.SUBKEY=VALUE", help="Values that replace those of the file."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from the newest checkpoint of the run folder.")
]


def _refuse_set(value: str | None) -> None:
    """Tell those who know `--set` from other commands how values are given here."""
    if value is not None:
        raise typer.BadParameter(f"write it without --set, after the file: RUN.yaml {value}")


SetOption = Annotated[str | None, typer.Option("--set", hidden=True, callback=_refuse_set)]


def _print_keys(context: typer.Context, asked: bool) -> None:
    if not asked:
        return
    from t2t.cli.keys import print_keys
    from t2t.config import FinetuneConfig, PretrainConfig, Section

    configs: dict[str, type[Section]] = {"pretrain": PretrainConfig, "finetune": FinetuneConfig}
    command = str(context.info_name)
    print_keys(configs[command], command)
    raise typer.Exit()


KeysOption = Annotated[
    bool,
    typer.Option(
        "--keys",
        callback=_print_keys,
        is_eager=True,  # answered though RUN.yaml is missing
        help="Print every key of a run file, with default and unit, and the sizes of new models.",
    ),
]


def end_run(outcome: Outcome, run_dir: Path) -> None:
    """Say what came of a run; one that a signal stopped exits with 128 plus its number, as shells expect."""
    if outcome.stopped_by is None:
        if outcome.is_main_process:
            if outcome.ended_early:
                print(f"ended early after step {outcome.step}: best validation in step {outcome.best_step}")
            folder = run_dir / "model"
            is_last = outcome.published_step in (None, outcome.step)
            of_step = "" if is_last else f" of step {outcome.published_step}"
            if (folder / "adapter_config.json").is_file():
                print(f"the adapter{of_step} is in {folder}; use it with --adapter {folder}")
            else:
                print(f"the model{of_step} is in {folder}")
        return
    if outcome.is_main_process:
        print(f"stopped after step {outcome.step}; go on with --resume")
    raise typer.Exit(128 + outcome.stopped_by)


@contextmanager
def drawn_progress(description: str) -> Iterator[DrawnProgress]:
    """A bar of steps on stderr, and each metrics line on stdout."""
    with progress_bar(description, unit="steps") as advance:
        yield DrawnProgress(advance)


class DrawnProgress:
    """A `t2t.training.loop.Progress` that moves a bar and prints metrics."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance

    def start(self, *, step: int, num_steps: int) -> None:
        """Show a bar of `num_steps`, of which `step` are done."""
        self._advance(step, total=num_steps)

    def step(self, step: int) -> None:
        """Move the bar on by one."""
        self._advance()

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Print `step 20  loss 6.217  lr 0.0008  ...`; numbers by task are in metrics.jsonl alone."""
        numbers = {key: value for key, value in line.items() if not isinstance(value, Mapping)}
        print("  ".join(f"{key} {_short(value)}" for key, value in numbers.items()), flush=True)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
