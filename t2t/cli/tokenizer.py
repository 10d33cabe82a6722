"""`t2t tokenizer train`: learn a tokenizer from text files."""

from pathlib import Path
from typing import Annotated

import typer

from t2t.cli.corpus import (
    FilesArgument,
    TextColumnOption,
    characters_with_progress,
    count_with_progress,
    refuse_existing,
)
from t2t.cli.options import example

app = typer.Typer(help="Train tokenizers.", no_args_is_help=True)


@app.callback()
def _tokenizer() -> None:
    """Train tokenizers."""  # with a callback `train` stays a command of its own, though it is the only one


@app.command(epilog=example("t2t tokenizer train texts.jsonl --out tokenizer --vocab-size 512"))
def train(
    files: FilesArgument,
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the tokenizer.")],
    vocab_size: Annotated[
        int, typer.Option(help="Ids in all, special tokens and sentinels included; a multiple of 64.")
    ] = 8192,
    text_column: TextColumnOption = "text",
    num_sentinels: Annotated[
        int, typer.Option(min=1, help="Sentinels; a denoising example hides at most so many spans.")
    ] = 100,
    max_chars: Annotated[
        int, typer.Option(min=1, help="Characters to learn from, taken evenly from all files.")
    ] = 50_000_000,
) -> None:
    """Learn a byte-level BPE tokenizer from text."""
    from t2t.data.documents import first_characters, mix_documents
    from t2t.tokens import save_tokenizer, tokenizer_digest, train_tokenizer

    refuse_existing(out)
    texts = first_characters(mix_documents(count_with_progress(files, column=text_column)), max_chars)
    tokenizer = train_tokenizer(
        characters_with_progress(texts, total=max_chars), vocab_size=vocab_size, num_sentinels=num_sentinels
    )
    save_tokenizer(tokenizer, out)
    print(f"{out}: {len(tokenizer):,} ids, digest {tokenizer_digest(tokenizer)[:12]}")
