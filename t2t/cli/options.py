"""The options that mean the same in every command, and how a help page shows its example."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer


def _existing_data_root(data_root: Path | None) -> Path | None:
    """The option as it is: without it, `Task` looks at T2T_DATA. Refuses either if it is no folder."""
    named = data_root or os.environ.get("T2T_DATA")
    if named and not Path(named).is_dir():
        where = "" if data_root else ", named by T2T_DATA,"
        raise typer.BadParameter(f'the folder "{named}"{where} does not exist')
    return data_root


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Folder or Hub id of an encoder-decoder. Default: the starter that ships with t2t.",
    ),
]
AdapterOption = Annotated[
    str | None,
    typer.Option(
        "--adapter", metavar="NAME", help="Folder or Hub id of an adapter that was trained on the model."
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, mps, cuda or cuda:N.")
]
DtypeOption = Annotated[
    str, typer.Option("--dtype", metavar="DTYPE", help="Type of the weights: auto, bfloat16 or float32.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Seed of every random choice that the command makes.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")
]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        callback=_existing_data_root,
        help="Folder of local data sets. Default: T2T_DATA, else the Hub.",
    ),
]
TasksDirOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--tasks-dir",
        metavar="DIR",
        help="Folder of your own tasks, besides those that T2T_TASKS lists; may be given several times.",
    ),
]
LengthNormOption = Annotated[
    Literal["sum", "mean_token", "mean_byte"],
    typer.Option("--length-norm", help="How log-likelihoods of long and short choices are made comparable."),
]
MaxNewTokensOption = Annotated[
    int, typer.Option("--max-new-tokens", min=1, metavar="N", help="Tokens of a written answer, at most.")
]


def split_list(text: str) -> list[str]:
    """ "nli, sst2" -> ["nli", "sst2"]"""
    return [item.strip() for item in text.split(",") if item.strip()]


def example(*commands: str) -> str:
    r"""The last paragraph of a help page: command lines that a test runs as they stand.

    >>> example("t2t tasks --cluster nli")
    '\x08\nExample:\n  t2t tasks --cluster nli'
    """
    # \b tells the help formatter to leave the line breaks of this paragraph alone.
    return "\n".join(["\b", "Example:", *(f"  {command}" for command in commands)])
