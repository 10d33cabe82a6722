"""`t2t corpus build` and `t2t corpus stats`: text files to a token store, and what a store holds."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from t2t.cli.options import JsonOption, SeedOption, example
from t2t.cli.output import Advance, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from t2t.data.corpus import TokenStore
    from t2t.data.documents import TextFile

_MAX_WORKERS = 4  # unless asked for: with some 100 MB for each, a build stays under 1 GiB

app = typer.Typer(help="Turn text files into token stores for pretraining.", no_args_is_help=True)

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        help="Rows with a text column (.jsonl, .csv, .tsv, .parquet), or .txt files, one document each; also"
        " compressed (.gz, .xz, .zst).",
    ),
]


TextColumnOption = Annotated[str, typer.Option(metavar="NAME", help="Column that holds the documents.")]


@app.command(epilog=example("t2t corpus build texts.jsonl --tokenizer tokenizer --out corpus"))
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Files of rows (.jsonl, .csv, .tsv, .parquet) or of one document each (.txt), also"
            " compressed (.gz, .xz, .zst); or Hub datasets, streamed: hub:OWNER/NAME[:CONFIG[:SPLIT]].",
        ),
    ],
    tokenizer: Annotated[str, typer.Option(metavar="NAME", help="Folder or Hub id of the tokenizer.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the token store.")],
    text_column: TextColumnOption = "text",
    duplicates: Annotated[
        Literal["keep", "exact", "near"],
        typer.Option(
            help="Documents to leave out: none; those equal to another but for case and white space; or also"
            " those that share four fifths of their runs of five words with another."
        ),
    ] = "keep",
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that encode, some 100 MB each. Default: one a core, at most 4."),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Encode texts into one memory-mapped token store, the sources mixed.

    Interrupted, even killed, it goes on where it was when the same command is given again.
    """
    from t2t.data.corpus_build import build_corpus
    from t2t.data.hub_stream import text_sources
    from t2t.errors import TokenizerError
    from t2t.tokens import document_encoder, load_tokenizer, tokenizer_digest

    refuse_existing(out)
    opened = text_sources(sources)
    loaded = load_tokenizer(tokenizer)
    if loaded.eos_token_id is None:
        raise TokenizerError(
            f'the tokenizer "{tokenizer}" has no end-of-sequence token, which is put after each document',
            mend="name the tokenizer of an encoder-decoder, such as T5 or BART",
        )
    with _bar_of_phases() as on_progress:
        store = build_corpus(
            opened,
            out,
            encode=document_encoder(loaded),
            eos_id=loaded.eos_token_id,
            vocab_size=len(loaded),
            tokenizer_digest=tokenizer_digest(loaded),
            text_column=text_column,
            duplicates=duplicates,
            num_workers=min(os.cpu_count() or 1, _MAX_WORKERS) if workers is None else workers,
            seed=seed,
            on_progress=on_progress,
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
    quantiles = store.document_len_quantiles()
    if as_json:
        print_json({"folder": str(folder), **store.counts(), "document_len_quantiles": quantiles})
    else:
        _print_counts(store)
        print_table(
            list(quantiles), [[f"{length:,}" for length in quantiles.values()]], title="tokens of a document"
        )


def refuse_existing(out: Path) -> None:
    """Raise T2TError if there is something at `out`: nothing here overwrites anything."""
    from t2t.errors import Location, T2TError

    if out.exists():
        raise T2TError(
            "the output folder exists already", where=Location(out), mend="remove it, or choose another"
        )


def count_with_progress(files: list[Path], *, column: str) -> "list[TextFile]":
    """The files with their numbers of documents, counted under a progress bar."""
    from t2t.data.documents import count_documents

    with progress_bar("counting", unit="files", total=len(files)) as advance:
        return count_documents(files, column=column, on_file=lambda _: advance())


@contextmanager
def _bar_of_phases() -> "Iterator[Callable[[str, int, int | None], None]]":
    """A progress bar of megabytes for each phase of a build, one after the other."""
    with ExitStack() as stack:
        bars: dict[str, tuple[Advance, int]] = {}

        def show(phase: str, done: int, total: int | None) -> None:
            if phase not in bars:
                stack.close()
                num_megabytes = None if total is None else round(total / 1e6)
                bars[phase] = stack.enter_context(progress_bar(phase, unit="MB", total=num_megabytes)), 0
            advance, shown = bars[phase]
            advance(round(done / 1e6) - shown)
            bars[phase] = advance, round(done / 1e6)

        yield show


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
        f"({counts['characters_per_token']:.2f} characters a token), {counts['num_megabytes']:.1f} MB"
    )
    print(
        f"left out: {counts['num_empty']:,} empty documents, {counts['num_duplicates']:,} duplicates, "
        f"{counts['num_near_duplicates']:,} near-duplicates"
    )
