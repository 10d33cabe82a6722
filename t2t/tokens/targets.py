"""What of a tokenizer's ids a model is to write."""


def as_target(ids: list[int], *, bos_id: int | None, eos_id: int | None) -> list[int]:
    """A target always ends in eos, so that a model learns where to stop, also where the tokenizer adds none.

    T5      x </s>          as it is
    BART    <s> x </s>      as it is: the decoder starts with </s>, and <s> is the first that it writes
    mBART   x </s> en_XX    as it is
    Gemma   <bos> x         x <eos>: T5Gemma's decoder starts with <bos>
    """
    if eos_id is None or eos_id in ids[-2:]:
        return ids
    bare = ids[1:] if ids[:1] == [bos_id] else ids
    return [*bare, eos_id]
