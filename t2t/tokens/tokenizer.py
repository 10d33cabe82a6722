"""Train, load and identify tokenizers.

Ours is a byte-level BPE with three additions, all part of the one `tokenizer.json`, so that `AutoTokenizer`
alone gives the same ids:

    words      A space is put before the text and after each newline, and taken away again when decoding. So a
               word has one form at the start of a target, after a line break, and inside a sentence.
               (T5's dummy prefix does the first of these, and T5 loses newlines.)
    digits     One token a digit, so that no number is a rare token.
    sentinels  "The <extra_id_0> sat" gives The S0 sat, as span corruption does, and decodes to itself: white
               space around a sentinel belongs to it, and decoding puts one space before it.

Any text without special tokens comes back exactly: bytes are the alphabet and nothing is normalised away.
Around special tokens white space may change: what follows </s> gets a space of its own.

Ids: <pad> 0, </s> 1, <unk> 2 (never produced), 256 bytes, merges, <extra_id_0>, <extra_id_1>, ... last.
Papers: Sennrich et al. 2016, arXiv:1508.07909 (BPE); Radford et al. 2019 (byte level); Raffel et al. 2020,
arXiv:1910.10683 (sentinels). T5 numbers its sentinels downwards from the last id; ours go upwards.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from t2t.errors import TokenizerError
from t2t.resources import starter_or
from t2t.tokens.encoder import DocumentEncoder

PAD, EOS, UNK = "<pad>", "</s>", "<unk>"

# GPT-2's pattern with four changes: curly apostrophes, marks (e + U+0301) kept with their letters, digits one
# by one, and a contraction only where the word ends after it ('s in "it's", not in "'story").
_WORDS = (
    r"['’](?i:[sdmt]|ll|re|ve)(?![\p{L}\p{M}])"
    r"| ?[\p{L}\p{M}]+"
    r"| ?\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+"
    r"|\s+(?!\S)|\s+"
)
_MAX_PIECE_LEN = 16  # bytes: no "----------------------------" in the vocabulary
_SPACE = "▁"  # as sentencepiece writes it
_SENTINEL = re.compile(r"<extra_id_(\d+)>")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def train_tokenizer(
    texts: Iterable[str], *, vocab_size: int = 8192, num_sentinels: int = 100
) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE from texts.

        train_tokenizer(texts)("yes\\nyes").tokens()  ->  Ġyes Ċ Ġyes </s>      (Ġ is a space, Ċ a newline)

    Args:
        texts: read once, as a stream; only word counts are kept.
        vocab_size: all ids, special tokens and sentinels included; a multiple of 64 (GPUs are faster so).
        num_sentinels: <extra_id_0> and so on; at most one hidden span each.
    Raises: TokenizerError if the size is impossible, or the texts are too few to fill it.
    """
    num_fixed = len((PAD, EOS, UNK)) + len(pre_tokenizers.ByteLevel.alphabet()) + num_sentinels
    if vocab_size % 64 or vocab_size < num_fixed:
        raise TokenizerError(
            f"vocab_size must be a multiple of 64 and at least {num_fixed}, not {vocab_size}",
            mend="special tokens, bytes and sentinels take their ids before any word does",
        )
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(" "), normalizers.Replace("\n", "\n ")])
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - num_sentinels,
        special_tokens=[PAD, EOS, UNK],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=_MAX_PIECE_LEN,
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    num_learnt = backend.get_vocab_size() + num_sentinels
    if num_learnt < vocab_size:
        raise TokenizerError(
            f"the texts are too few for vocab_size {vocab_size}: they give {num_learnt}",
            mend=f"give more text, or vocab_size {num_learnt // 64 * 64}"
            if num_learnt // 64 * 64 >= num_fixed
            else "give more text",
        )
    # lstrip and rstrip: one token for " <extra_id_0> ", whatever stands around it.
    sentinels = [
        AddedToken(f"<extra_id_{index}>", lstrip=True, rstrip=True, normalized=False, special=True)
        for index in range(num_sentinels)
    ]
    backend.add_special_tokens(sentinels)
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", pair=f"$A {EOS} $B {EOS}", special_tokens=[(EOS, backend.token_to_id(EOS))]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex(r"^<extra_id_(?=\d+>$)"), "Ġ<extra_id_"),  # its space back, token by token
            decoders.ByteLevel(),  # joins the tokens: what follows sees the whole text
            decoders.Replace("\n ", "\n"),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        extra_special_tokens=sentinels,
        clean_up_tokenization_spaces=False,  # it would delete the space in "a ."
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`, the files that `AutoTokenizer` loads."""
    tokenizer.save_pretrained(str(folder))


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a folder, of "starter", or of a Hub id such as "google/flan-t5-base".

    A folder, or an id in the local Hub cache, is read without touching the network. No code that comes with a
    tokenizer is run.
    Raises: TokenizerError if there is none.
    """
    name = starter_or(name)
    is_remote = looks_like_hub_id(name)
    if not is_remote and not Path(name).is_dir():
        raise TokenizerError(
            f'there is no tokenizer folder "{name}"',
            mend="name an existing folder, or train one: t2t tokenizer train FILES --out FOLDER",
        )
    try:
        return _load(name, local_files_only=True)
    except Exception as error:  # transformers and its Rust part raise bare Exception, KeyError, OSError, ...
        failure = error
    if is_remote:
        try:
            return _load(name, local_files_only=False)
        except Exception as error:
            failure = error
    place = "on the Hugging Face Hub or in its local cache" if is_remote else "in that folder"
    reason = next(iter(str(failure).splitlines()), type(failure).__name__)
    raise TokenizerError(
        f'no usable tokenizer "{name}" {place}: {reason}',
        mend="check the name and the network, or name a local folder"
        if is_remote
        else "the folder should hold the tokenizer.json that `save_pretrained` wrote",
    ) from failure


def _load(name: str | Path, *, local_files_only: bool) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(
        str(name), trust_remote_code=False, local_files_only=local_files_only
    )
    # Without its tokenizer.json a T5 folder loads, silently, as a tokenizer of special tokens and a space.
    named = {*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens, _SPACE}
    if named.issuperset(tokenizer.get_vocab()):
        raise ValueError("it has no vocabulary")
    return tokenizer


def looks_like_hub_id(name: str | Path) -> bool:
    """Whether a name is to be sought on the Hub: "t5-small", "google/mt5-base", but not a path.

    Whatever exists here is a path, and so is a name whose first part is a folder here ("runs/typo").
    """
    return (
        isinstance(name, str)
        and _HUB_ID.fullmatch(name) is not None
        and not Path(name).exists()
        and ("/" not in name or not Path(name.split("/")[0]).exists())
    )


def sentinel_ids(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Ids of <extra_id_0>, <extra_id_1>, ... in that order: int64 array (num_sentinels,).

    Raises: TokenizerError if the tokenizer has none, or a gap in their numbers.
    """
    numbered = {
        int(match[1]): index
        for token, index in tokenizer.get_vocab().items()
        if (match := _SENTINEL.fullmatch(token))
    }
    if not numbered or set(numbered) != set(range(len(numbered))):
        raise TokenizerError(
            f"the tokenizer has {len(numbered)} sentinels <extra_id_N>, not numbered from 0 without gaps",
            mend="denoising needs a T5 tokenizer or one of ours: t2t tokenizer train",
        )
    return np.array([numbered[number] for number in range(len(numbered))], dtype=np.int64)


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 (hex) of everything that decides the ids: equal digests, equal ids.

    Padding and truncation are left out: `transformers` sets them on the backend at every call.
    """
    settings = json.loads(tokenizer_backend(tokenizer).to_str())
    del settings["padding"], settings["truncation"]
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def document_encoder(tokenizer: PreTrainedTokenizerBase) -> DocumentEncoder:
    """A function that encodes many documents at once on all cores: no end-of-sequence, no truncation.

    Raises: TokenizerError if the tokenizer is not of the tokenizers library.
    """
    return DocumentEncoder(tokenizer_backend(tokenizer).to_str())


def tokenizer_backend(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """What does the work of a tokenizer, without transformers around it.

    Raises: TokenizerError if it is not of the tokenizers library.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise TokenizerError(
            f"{type(tokenizer).__name__} is not backed by the tokenizers library",
            mend="use a tokenizer that has a tokenizer.json",
        )
    return backend
