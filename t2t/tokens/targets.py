"""What of a tokenizer's ids a model is to write."""


def as_target(ids: list[int], *, bos_id: int | None, eos_id: int | None) -> list[int]:
    """A target holds eos, where the tokenizer has one, so that a model learns where to stop.

        T5      x </s>          stays as it is
        BART    <s> x </s>      stays: the decoder starts with </s>, and <s> is the first that it writes
        mBART   x </s> en_XX    stays: its decoder starts with the last one
        Gemma   <bos> x         x <eos>

    A tokenizer that begins texts and does not end them is made for decoders: its bos is what T5Gemma's starts
    with, and no part of what it writes.
    """
    if eos_id is None or eos_id in ids[-2:]:
        return ids
    bare = ids[1:] if ids[:1] == [bos_id] else ids
    return [*bare, eos_id]
