"""The command `t2t`: what each of its subcommands is called, and how it ends.

Exit status: 0 done; 1 a T2TError, or a file that the system refuses, told in one message without a traceback;
2 misuse; 130 stopped by Ctrl-C.

Each command has a file of its own and imports what it needs inside its function, so that `t2t --help` and
every misuse are answered without loading torch.
"""

import io
import sys
from typing import Annotated

import typer

from t2t import __version__
from t2t.cli import (
    check,
    corpus,
    eval,
    finetune,
    generate,
    import_,
    new,
    pretrain,
    rank,
    report,
    run,
    show,
    tasks,
    tokenizer,
    ui,
)
from t2t.cli.options import example
from t2t.errors import Faults, T2TError

app = typer.Typer(
    name="t2t",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Plain help pages: those of rich look prettier, but importing it costs more than all the rest.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for _name, _command, _epilog in (
    ("ui", ui.ui, ui.EXAMPLE),
    ("run", run.run, run.EXAMPLE),
    ("rank", rank.rank, rank.EXAMPLE),
    ("generate", generate.generate, generate.EXAMPLE),
    ("tasks", tasks.tasks, tasks.EXAMPLE),
    ("show", show.show, show.EXAMPLE),
    ("new", new.new, new.EXAMPLE),
    ("check", check.check, check.EXAMPLE),
    ("pretrain", pretrain.pretrain, pretrain.EXAMPLE),
    ("finetune", finetune.finetune, finetune.EXAMPLE),
    ("eval", eval.evaluate_tasks, eval.EXAMPLE),
    ("report", report.report, report.EXAMPLE),
):
    app.command(_name, epilog=_epilog)(_command)
for _name, _group in (("import", import_.app), ("tokenizer", tokenizer.app), ("corpus", corpus.app)):
    # A group's page ends with the example of its first command.
    app.add_typer(_group, name=_name, epilog=_group.registered_commands[0].epilog)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"t2t {__version__}")
        raise typer.Exit()


@app.callback(epilog=example("t2t run sst2 --set text='I loved it'"))
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Text in, text out: NLP tasks as prompt templates, answered by one encoder-decoder."""


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a Windows file of cp1252 holds no arrow and no bar
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except T2TError as error:
        # Several faults announce themselves by their number.
        kind = "" if isinstance(error, Faults) else f"{type(error).__name__}: "
        print(f"{kind}{error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno is None:  # not of the system: a library's own
            raise
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:  # typer's own handler is not in place yet, or gone again
        raise SystemExit(130) from None
