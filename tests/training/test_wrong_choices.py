"""Wrong answer choices on their way from the rendered example to the loss."""

import numpy as np
import pytest
import torch

from t2t.errors import TokenizerError
from t2t.templates.template import RenderedExample
from t2t.tokens.batches import encode_examples, pad_batch
from t2t.training.batches import MixtureBatches
from t2t.training.micro_batches import micro_batches

CHOICES = ("a boat", "a house by the sea", "sails")


def example(index: int, choices: tuple[str, ...] | None = CHOICES) -> RenderedExample:
    target = "the sea" if choices is None else choices[index % len(choices)]
    return RenderedExample(f"boat {index}", target, choices, (target,), "toy", "plain", f"train:{index}")


def encode(tokenizer, examples, **options):
    return encode_examples(tokenizer, examples, max_source_len=16, **{"max_target_len": 16, **options})


def text(tokenizer, ids) -> str:
    return tokenizer.decode([token for token in ids if token != -100], skip_special_tokens=True).strip()


def test_they_are_left_out_unless_asked_for(tokenizer):
    [encoded] = encode(tokenizer, [example(0)])
    assert encoded.wrong_ids == ()
    assert pad_batch([encoded], pad_id=0).wrong_labels is None


def test_a_batch_holds_all_choices_but_the_target(tokenizer):
    examples = [example(0), example(1, None), example(2, CHOICES[1:])]
    batch = pad_batch(encode(tokenizer, examples, with_wrong_choices=True), pad_id=0)
    assert batch.wrong_labels.shape == (3, 2, batch.labels.shape[1])
    decoded = [[text(tokenizer, ids) for ids in row] for row in batch.wrong_labels]
    # choices[2 % 2] of the last one is its first
    assert decoded == [["a house by the sea", "sails"], ["", ""], ["sails", ""]]
    # the first target is short, and there is room for the longest wrong choice
    assert text(tokenizer, batch.labels[0]) == "a boat"
    assert batch.num_target_tokens == (batch.labels != -100).sum()


def test_a_choice_that_is_cut_to_the_target_is_not_wrong(tokenizer):
    choices = ("sails by the sea", "sails by the house")
    long = encode(tokenizer, [example(0, choices)], with_wrong_choices=True)
    cut = encode(tokenizer, [example(0, choices)], with_wrong_choices=True, max_target_len=3)
    assert [len(one.wrong_ids) for one in (*long, *cut)] == [1, 0]


def test_a_choice_that_is_longer_than_the_batch_is_named(tokenizer):
    encoded = encode(tokenizer, [example(0)], with_wrong_choices=True)
    num_tokens = max(len(ids) for ids in encoded[0].wrong_ids)
    with pytest.raises(TokenizerError) as raised:
        pad_batch(encoded, pad_id=0, target_len=num_tokens - 1)
    assert str(raised.value) == (
        f"a wrong choice of toy/plain/train:0 has {num_tokens} tokens, the batch has {num_tokens - 1}\n"
        f"  mend:  encode with max_target_len {num_tokens - 1}, or pad to the longest"
    )


def test_micro_batches_take_their_rows(tokenizer):
    batches = MixtureBatches(
        example,
        tokenizer,
        batch_size=4,
        window=2,
        max_source_len=16,
        max_target_len=16,
        source_multiple=8,
        target_multiple=4,
        seed=0,
        with_wrong_choices=True,
    )
    batch = batches(0)
    assert batch.wrong_labels.shape[2] % 4 == 0
    parts = micro_batches(batch, size=2, rank=0, num_processes=1, device=torch.device("cpu"))
    together = torch.cat([part["wrong_labels"] for _, part in parts])
    assert np.array_equal(together.numpy(), batch.wrong_labels)
