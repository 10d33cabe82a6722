"""Texts to token ids: tokenizers, and the padded batches made of their ids."""

from t2t.tokens.batches import (
    Batch,
    EncodedExample,
    cut_ids,
    encode_examples,
    encode_texts,
    length_buckets,
    num_suffix_tokens,
    pad_batch,
)
from t2t.tokens.tokenizer import (
    document_encoder,
    load_tokenizer,
    looks_like_hub_id,
    save_tokenizer,
    sentinel_ids,
    tokenizer_digest,
    train_tokenizer,
)

__all__ = [
    "Batch",
    "EncodedExample",
    "cut_ids",
    "document_encoder",
    "encode_examples",
    "encode_texts",
    "length_buckets",
    "load_tokenizer",
    "looks_like_hub_id",
    "num_suffix_tokens",
    "pad_batch",
    "save_tokenizer",
    "sentinel_ids",
    "tokenizer_digest",
    "train_tokenizer",
]
