"""A token store from files of any number and size: in parallel, resumable, the same bytes every time.

    1  encoding    sources are read one after the other, block by block; workers turn blocks into token ids,
                   which are appended to `<folder>.unfinished`. Killed, it goes on behind the last block there
    2  duplicates  found among all documents at once, if asked for; of equal ones the first is kept
    3  writing     the blocks are copied into the store in an order drawn from the seed, less the duplicates

So the sources are read once, and yet any stretch of the store of a few dozen blocks (of 1 MiB of text) is a
sample of all of them. The store depends on the sources, the tokenizer, `duplicates` and the seed alone.

Memory: this process holds a few blocks, 24 bytes a document, and 16 to 40 more while it looks for duplicates;
each worker some 100 MB. Disk: while the blocks are copied, twice the store (and 280 bytes a document for
near-duplicates).
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from t2t.data.block_encoding import BlockEncoder, Duplicates, Encode, encode_blocks
from t2t.data.blocks import Block, TextSource
from t2t.data.corpus import StoreWriter, TokenStore, refuse_existing, token_dtype, writing_errors
from t2t.data.duplicates import find_duplicates
from t2t.data.locks import alone_in
from t2t.data.near_duplicates import NUM_BANDS, find_near_duplicates
from t2t.data.unfinished import NUM_DOCUMENTS, NUM_EMPTY, NUM_TOKENS, SOURCE, UnfinishedBuild
from t2t.errors import Location, TokenStoreError

Progress = Callable[[str, int, int | None], object]  # phase, done, of how many bytes (None: nobody knows)

_COLUMNS: dict[Duplicates, tuple[str, ...]] = {
    "keep": ("documents",),
    "exact": ("documents", "keys"),
    "near": ("documents", "keys", "bands", "sketches"),
}


def build_corpus(
    sources: Sequence[TextSource],
    folder: str | Path,
    *,
    encode: Encode,
    eos_id: int,
    vocab_size: int,
    tokenizer_digest: str,
    text_column: str = "text",
    duplicates: Duplicates = "keep",
    num_workers: int = 0,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> TokenStore:
    """Encode the documents of all sources into a new store, or go on with an unfinished build of it.

    Args:
        sources: in the order in which duplicates give way: the first of equal documents is kept.
        folder: must not exist yet; `<folder>.unfinished` holds what is done until the store is whole.
        encode: many texts to their token ids, without end-of-sequence (`tokens.document_encoder`); with
            workers it must be possible to send it to another process.
        eos_id: put after each document.
        text_column: of rows, the one that holds the documents.
        duplicates: leave out documents equal but for case and white space ("exact"), or also those nearly
            equal ("near").
        num_workers: processes that encode, besides this one; 0 encodes here.
        seed: of the order of the blocks.
        on_progress: called after each block with the phase ("encoding", "comparing", "writing"), what is done
            and the whole, in bytes.
    Raises:
        CorruptRowError: a document cannot be read. All before it is done: mended, the build goes on.
        TokenStoreError: the folder exists, there is no document, the disk is full, a worker died, another
            process is building the same store, or an unfinished build with other settings is in the way.
    """
    folder = Path(folder)
    refuse_existing(folder)
    on_progress = on_progress or _no_progress
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    mend = "make room and start again: it goes on where it was"
    busy = TokenStoreError(
        "another process is building this token store",
        where=Location(unfinished),
        mend="wait until it ends, or choose another folder",
    )
    with writing_errors(unfinished, mend=mend), alone_in(unfinished, busy=busy):
        refuse_existing(folder)  # another process may have finished it since
        dtype = token_dtype(vocab_size)
        build = UnfinishedBuild.open(
            unfinished,
            settings={
                "tokenizer": tokenizer_digest,
                "vocab_size": vocab_size,
                "eos_id": eos_id,
                "text_column": text_column,
                "duplicates": duplicates,
            },
            sources=sources,
            columns=_COLUMNS[duplicates],
            itemsize=dtype.itemsize,
        )
        encoder = BlockEncoder(encode, eos_id, dtype, duplicates)
        _encode_sources(build, sources, text_column, encoder, num_workers, on_progress)
        if not build.num_documents:
            shutil.rmtree(unfinished)
            raise TokenStoreError("the texts hold no document", mend="give files with text in them")
        is_exact, is_near = _find_duplicates(build, duplicates, on_progress)
        aside = unfinished / "store"
        shutil.rmtree(aside, ignore_errors=True)  # of a build that was killed while it wrote
        aside.mkdir()
        store = StoreWriter(aside, eos_id=eos_id, vocab_size=vocab_size, tokenizer_digest=tokenizer_digest)
        with closing(store):
            num_characters = _write_blocks(build, store, ~(is_exact | is_near), seed, on_progress)
            store.finish(
                num_characters=num_characters,
                num_empty=int(build.blocks[:, NUM_EMPTY].sum()),
                num_duplicates=int(is_exact.sum()),
                num_near_duplicates=int(is_near.sum()),
            )
        aside.rename(folder)
    # the store is complete; another build may just be looking in, and sees that it comes too late
    shutil.rmtree(unfinished, ignore_errors=True)
    return TokenStore.open(folder)


def _encode_sources(
    build: UnfinishedBuild,
    sources: Sequence[TextSource],
    text_column: str,
    encoder: BlockEncoder,
    num_workers: int,
    on_progress: Progress,
) -> None:
    sizes = [source.num_bytes for source in sources]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    begins = np.cumsum([0, *(size or 0 for size in sizes)])
    # The source of each block under way: blocks come back in the order in which they went out.
    origins: deque[int] = deque()

    def blocks() -> Iterator[Block]:
        done = build.blocks
        first = int(done[-1, SOURCE]) if len(done) else 0
        for index in range(first, len(sources)):
            of_source = done[done[:, SOURCE] == index]
            skip_rows = int(of_source[:, [NUM_DOCUMENTS, NUM_EMPTY]].sum())
            for block in sources[index].blocks(text_column, skip_blocks=len(of_source), skip_rows=skip_rows):
                origins.append(index)
                yield block

    with build.appending():
        for encoded in encode_blocks(blocks(), encoder, num_workers=num_workers):
            source = origins.popleft()
            build.append(source, encoded)
            on_progress("encoding", int(begins[source]) + min(encoded.position, sizes[source] or 0), total)


def _find_duplicates(
    build: UnfinishedBuild, duplicates: Duplicates, on_progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Which documents to leave out as equal, and which as nearly equal: two bool (num_documents,)."""
    is_exact = np.zeros(build.num_documents, dtype=bool)
    is_near = is_exact.copy()
    if duplicates != "keep":
        is_exact = find_duplicates(build.column("keys", np.uint64))
    if duplicates == "near":
        candidates = np.flatnonzero(~is_exact)
        size = build.path("bands").stat().st_size
        bands = iter(range(1, NUM_BANDS + 1))
        is_near[candidates] = find_near_duplicates(
            build.path("bands"),
            build.path("sketches"),
            candidates,
            on_band=lambda: on_progress("comparing", next(bands) * size, NUM_BANDS * size),
        )
    return is_exact, is_near


def _write_blocks(
    build: UnfinishedBuild, writer: StoreWriter, keep: np.ndarray, seed: int, on_progress: Progress
) -> int:
    """Copy the blocks, shuffled, without the documents that are not to be kept. Returns: characters kept."""
    lens, characters = build.column("documents", np.uint32).reshape(-1, 2).T
    num_bytes = int(lens[keep].sum(dtype=np.int64)) * build.itemsize
    free = shutil.disk_usage(build.folder).free
    if free < num_bytes:
        raise TokenStoreError(
            f"the store needs {num_bytes / 1e6:,.0f} MB and the disk has {free / 1e6:,.0f} MB left",
            where=Location(file=build.folder),
            mend="make room and start again: it goes on where it was",
        )
    counts = build.blocks[:, [NUM_DOCUMENTS, NUM_TOKENS]]
    begins = np.cumsum(counts, axis=0) - counts
    with build.path("tokens").open("rb") as file:
        for index in np.random.default_rng(seed).permutation(len(counts)).tolist():
            first, start = begins[index].tolist()
            num_documents, num_tokens = counts[index].tolist()
            file.seek(start * build.itemsize)
            tokens = np.fromfile(file, dtype=writer.dtype, count=num_tokens)
            kept = keep[first : first + num_documents]
            document_lens = lens[first : first + num_documents]
            writer.append(tokens[np.repeat(kept, document_lens)], document_lens[kept])
            on_progress("writing", writer.num_tokens * build.itemsize, num_bytes)
    return int(characters[keep].sum(dtype=np.int64))


def _no_progress(phase: str, done: int, total: int | None) -> None:
    """For those who do not look."""
