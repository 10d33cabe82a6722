"""`t2t corpus build` and `t2t corpus stats`: text files to a token store, and what a store holds."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from t2t.cli.options import JsonOption, example
from t2t.cli.output import print_json, progress_bar

if TYPE_CHECKING:
    from t2t.data.corpus import TokenStore
    from t2t.data.documents import TextFile

app = typer.Typer(help="Turn text files into token stores for pretraining.", no_args_is_help=True)

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILES...",
        help="Rows with a text column (.jsonl, .csv, .tsv, .parquet), or .txt files, one document each.",
    ),
]


@app.command(epilog=example("t2t corpus build texts.jsonl --tokenizer tokenizer --out corpus"))
def build(
    files: FilesArgument,
    tokenizer: Annotated[str, typer.Option(metavar="NAME", help="Folder or Hub id of the tokenizer.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the token store.")],
) -> None:
    """Encode text files into one memory-mapped token store, the files evenly mixed."""
    from t2t.data.corpus import build_token_store
    from t2t.data.documents import mix_documents
    from t2t.tokens import document_encoder, load_tokenizer, tokenizer_digest

    refuse_existing(out)
    loaded = load_tokenizer(tokenizer)
    counted = count_with_progress(files)
    num_documents = sum(file.num_documents for file in counted)
    with progress_bar("encoding", unit="documents", total=num_documents) as advance:
        store = build_token_store(
            mix_documents(counted),
            out,
            encode=document_encoder(loaded),
            eos_id=loaded.eos_token_id,
            vocab_size=len(loaded),
            tokenizer_digest=tokenizer_digest(loaded),
            on_batch=advance,
        )
    _print_counts(store)


@app.command(epilog=example("t2t corpus stats corpus"))
def stats(
    folder: Annotated[Path, typer.Argument(help="A token store.")],
    as_json: JsonOption = False,
) -> None:
    """Check every token of a store and print its counts."""
    from t2t.data.corpus import TokenStore

    store = TokenStore.open(folder)
    store.check_contents()
    if as_json:
        print_json({"folder": str(folder), **store.counts()})
    else:
        _print_counts(store)


def refuse_existing(out: Path) -> None:
    """Raise T2TError if there is something at `out`: nothing here overwrites anything."""
    from t2t.errors import Location, T2TError

    if out.exists():
        raise T2TError(
            "the output folder exists already", where=Location(out), mend="remove it, or choose another"
        )


def count_with_progress(files: list[Path]) -> "list[TextFile]":
    """The files with their numbers of documents, counted under a progress bar."""
    from t2t.data.documents import count_documents

    with progress_bar("counting", unit="files", total=len(files)) as advance:
        return count_documents(files, on_file=lambda _: advance())


def characters_with_progress(texts: Iterable[str], *, total: int) -> Iterator[str]:
    """The same texts, under a progress bar of the characters read."""
    with progress_bar("reading", unit="characters", total=total) as advance:
        for text in texts:
            yield text
            advance(len(text))


def _print_counts(store: "TokenStore") -> None:
    counts = store.counts()
    print(
        f"{store.folder}: {counts['num_documents']:,} documents, {counts['num_tokens']:,} tokens "
        f"({counts['characters_per_token']:.2f} characters a token), {counts['num_megabytes']:.1f} MB, "
        f"{counts['num_empty']} empty documents left out"
    )
