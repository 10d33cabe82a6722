"""Encoding, padding and length buckets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import processors

from t2t.errors import TokenizerError
from t2t.templates.template import RenderedExample
from t2t.tokens import (
    EncodedExample,
    encode_examples,
    encode_texts,
    length_buckets,
    pad_batch,
    train_tokenizer,
)

# The frequent words become single pieces; the rest fills the vocabulary.
TEXTS = ["one two three " * 9, "four five six seven eight nine ten eleven"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, vocab_size=384)


def rendered(source: str, target: str, example_id: str = "train:0") -> RenderedExample:
    return RenderedExample(
        source=source,
        target=target,
        answer_choices=None,
        references=(target,),
        task="toy",
        template="plain",
        example_id=example_id,
    )


def encoded(source_ids: list[int], target_ids: list[int], example_id: str = "train:0") -> EncodedExample:
    return EncodedExample(
        source_ids=np.array(source_ids),
        target_ids=np.array(target_ids),
        source_truncated=False,
        target_truncated=False,
        num_dropped_demonstrations=0,
        task="toy",
        template="plain",
        example_id=example_id,
    )


def test_examples_are_encoded_with_eos_and_keep_their_names(tokenizer):
    (example,) = encode_examples(
        tokenizer, [rendered("one two", "three", "train:7")], max_source_len=8, max_target_len=8
    )
    assert tokenizer.convert_ids_to_tokens(example.source_ids) == ["Ġone", "Ġtwo", "</s>"]
    assert tokenizer.convert_ids_to_tokens(example.target_ids) == ["Ġthree", "</s>"]
    assert (example.source_truncated, example.target_truncated) == (False, False)
    assert example.name == "toy/plain/train:7"


def test_truncation_keeps_eos_and_is_flagged_per_side(tokenizer):
    (example,) = encode_examples(
        tokenizer, [rendered("one two three four", "three")], max_source_len=3, max_target_len=2
    )
    assert tokenizer.convert_ids_to_tokens(example.source_ids) == ["Ġone", "Ġtwo", "</s>"]
    assert (example.source_truncated, example.target_truncated) == (True, False)


def test_a_text_of_exactly_max_len_is_not_truncated(tokenizer):
    ((ids, is_truncated),) = encode_texts(tokenizer, ["one two"], max_len=3)
    assert (len(ids), is_truncated) == (3, False)


def test_truncating_one_text_leaves_the_others_as_they_are(tokenizer):
    texts = ["one", "one two three four", "two"]
    rows = encode_texts(tokenizer, texts, max_len=3)
    assert [is_truncated for _, is_truncated in rows] == [False, True, False]
    assert rows[0][0].tolist() == tokenizer("one").input_ids


def test_encoding_nothing_gives_nothing(tokenizer):
    assert encode_examples(tokenizer, [], max_source_len=8, max_target_len=8) == []


@pytest.mark.parametrize(("max_len", "expected"), [(8, ["Ġone", "Ġtwo", "</s>"]), (2, ["Ġone", "</s>"])])
@pytest.mark.parametrize("layout", ["$A", "<unk> $A"])  # the latter as Gemma's
def test_targets_end_in_eos_where_the_tokenizer_adds_none(max_len, expected, layout):
    tokenizer = train_tokenizer(TEXTS, vocab_size=384)
    tokenizer.bos_token = "<unk>"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=layout, special_tokens=[("<unk>", tokenizer.bos_token_id)]
    )
    ((ids, is_truncated),) = encode_texts(tokenizer, ["one two"], max_len=max_len, are_targets=True)
    assert tokenizer.convert_ids_to_tokens(ids) == expected
    assert is_truncated == (max_len == 2)


def test_a_tokenizer_without_a_language_for_targets_says_so(tokenizer, monkeypatch):
    def call(self, text=None, text_target=None, **options):
        raise KeyError(None)  # as M2M100's, which looks its tgt_lang up

    monkeypatch.setattr(type(tokenizer), "__call__", call)
    monkeypatch.setattr(tokenizer, "tgt_lang", None, raising=False)
    with pytest.raises(TokenizerError) as caught:
        encode_texts(tokenizer, ["one"], max_len=8, are_targets=True)
    assert str(caught.value) == (
        "the tokenizer does not know which language targets are in\n"
        '  mend:  set its tgt_lang, such as "de", and save it with the model'
    )


def test_a_batch_is_padded_to_its_longest_example():
    batch = pad_batch([encoded([5, 1], [8, 9, 1]), encoded([6, 7, 1], [1], "train:1")], pad_id=0)
    assert batch.input_ids.tolist() == [[5, 1, 0], [6, 7, 1]]
    assert batch.attention_mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.labels.tolist() == [[8, 9, 1], [1, -100, -100]]
    assert (batch.num_source_tokens, batch.num_target_tokens) == (5, 4)
    assert batch.names == ("toy/plain/train:0", "toy/plain/train:1")
    assert {batch.input_ids.dtype, batch.attention_mask.dtype, batch.labels.dtype} == {np.dtype(np.int64)}


def test_a_batch_can_be_padded_to_fixed_lengths():
    batch = pad_batch([encoded([5, 1], [8, 1])], pad_id=9, source_len=4, target_len=3)
    assert batch.input_ids.tolist() == [[5, 1, 9, 9]]
    assert batch.labels.tolist() == [[8, 1, -100]]


def test_an_example_longer_than_the_batch_is_named():
    with pytest.raises(TokenizerError) as caught:
        pad_batch([encoded([1], [1]), encoded([5, 6, 1], [1], "train:3")], pad_id=0, source_len=2)
    assert str(caught.value) == (
        "the source of toy/plain/train:3 has 3 tokens, the batch has 2\n"
        "  mend:  encode with max_source_len 2, or pad to the longest"
    )


def test_an_empty_batch_is_refused():
    with pytest.raises(TokenizerError, match=r"^a batch needs at least one example$"):
        pad_batch([], pad_id=0)


def test_buckets_of_the_worked_example():
    groups = length_buckets([3, 9, 4, 1], max_tokens=9, max_size=2)
    assert [group.tolist() for group in groups] == [[1], [2, 0], [3]]


def test_an_example_longer_than_max_tokens_stands_alone():
    groups = length_buckets([2, 50, 2], max_tokens=10, max_size=8)
    assert [group.tolist() for group in groups] == [[1], [0, 2]]


def test_no_lengths_give_no_buckets():
    assert length_buckets([], max_tokens=10, max_size=8) == []


@given(
    lengths=st.lists(st.integers(min_value=0, max_value=60), max_size=60),
    max_tokens=st.integers(min_value=1, max_value=100),
    max_size=st.integers(min_value=1, max_value=9),
)
def test_buckets_hold_each_index_once_within_both_limits(lengths, max_tokens, max_size):
    groups = length_buckets(lengths, max_tokens=max_tokens, max_size=max_size)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(lengths[index] for index in group)
        assert len(group) <= max_size
        assert len(group) == 1 or len(group) * longest <= max_tokens


def test_impossible_limits_are_refused():
    with pytest.raises(TokenizerError, match=r"^max_tokens 0 and max_size 4 must be at least 1$"):
        length_buckets([1], max_tokens=0, max_size=4)
