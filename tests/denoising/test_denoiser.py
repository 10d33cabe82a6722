import dataclasses
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t.config import OBJECTIVE_PARAMETERS, ObjectiveName
from t2t.denoising import OBJECTIVES, Ingredient, build_denoiser
from t2t.denoising.denoiser import Denoiser
from t2t.denoising.objectives import IN_ORDER, SWAPPED, build_objective
from t2t.errors import DenoisingError, SpanCorruptionError, TokenizerError

# Objectives whose targets are the whole text.
WHOLE = ["bert", "deshuffling", "token_masking", "token_deletion", "text_infilling", "sentence_permutation"]
WHOLE += ["document_rotation", "bart", "causal_lm"]


def ingredient(name, **changes):
    return Ingredient(
        name, {**OBJECTIVE_PARAMETERS.get(name, {}), **changes.pop("parameters", {})}, **changes
    )


def build(tokenizer, *ingredients, max_source_len=40, language=None):
    return build_denoiser(tokenizer, ingredients, max_source_len=max_source_len, language=language)


def segments(denoiser, batch_size=6, seed=0):
    rng = np.random.default_rng(seed)
    plain = denoiser.vocabulary.plain_ids
    return plain[rng.integers(len(plain), size=(batch_size, denoiser.raw_len))].astype(np.uint16)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("max_source_len", [16, 40, 90])
def test_every_objective_keeps_to_its_lengths(tokenizer, name, max_source_len):
    denoiser = build(tokenizer, ingredient(name), max_source_len=max_source_len)
    token_ids = segments(denoiser)
    before = token_ids.copy()
    for seed in range(5):
        pairs = denoiser(0, np.random.default_rng(seed), token_ids)
        assert pairs.inputs.shape[1] == pairs.input_lens.max() <= max_source_len
        assert pairs.targets.shape[1] == pairs.target_lens.max() <= max_source_len
        assert pairs.inputs.dtype == pairs.targets.dtype == np.uint16
        last = np.arange(len(token_ids))
        assert (pairs.inputs[last, pairs.input_lens - 1] == 1).all()
        assert (pairs.targets[last, pairs.target_lens - 1] == 1).all()
    assert (token_ids == before).all()  # the store is never written to


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_depends_on_the_generator_alone(tokenizer, name):
    denoiser = build(tokenizer, ingredient(name))
    first, second = (denoiser(0, np.random.default_rng(3), segments(denoiser)) for _ in range(2))
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


@pytest.mark.parametrize("name", WHOLE)
def test_the_target_is_the_whole_text(tokenizer, name):
    denoiser = build(tokenizer, ingredient(name))
    token_ids = segments(denoiser)
    pairs = denoiser(0, np.random.default_rng(0), token_ids)
    assert pairs.targets[:, :-1].tolist() == token_ids.tolist()
    assert pairs.inputs.tolist() != pairs.targets.tolist()


def test_bart_hides_what_infilling_hides_after_permuting(tokenizer):
    denoiser = build(tokenizer, ingredient("bart"))
    pairs = denoiser(0, np.random.default_rng(0), segments(denoiser))
    # 39 raw tokens, of which 12 are hidden in 4 spans: 27 + 4 masks + </s>
    assert (denoiser.raw_len, pairs.inputs.shape[1]) == (39, 32)
    assert ((pairs.inputs == denoiser.vocabulary.mask_id).sum(axis=1) == 4).all()


def test_sentence_order_is_answered_in_words(tokenizer):
    denoiser = build(tokenizer, ingredient("sentence_order"))
    pairs = denoiser(0, np.random.default_rng(0), segments(denoiser, batch_size=20))
    answers = {tokenizer.decode(row, skip_special_tokens=True) for row in pairs.targets}
    assert answers == {IN_ORDER, SWAPPED}


def test_prefix_lm_cuts_anywhere_or_where_it_is_told(tokenizer):
    denoiser = build(tokenizer, ingredient("prefix_lm"), max_source_len=81)
    lens = {denoiser(0, np.random.default_rng(seed), segments(denoiser)).input_lens[0] for seed in range(200)}
    assert lens == {1 + 10 * eighths for eighths in range(1, 8)}  # of 80 raw tokens
    fixed = build(tokenizer, ingredient("prefix_lm", parameters={"noise_density": 0.25}), max_source_len=81)
    assert fixed(0, np.random.default_rng(0), segments(fixed)).input_lens[0] == 61


def test_a_prefix_stands_before_the_inputs(tokenizer):
    plain = build(tokenizer, ingredient("causal_lm"))
    told = build(tokenizer, ingredient("causal_lm", prefix="say:"))
    ids = tokenizer("say:", add_special_tokens=False).input_ids
    pairs = told(0, np.random.default_rng(0), segments(told))
    assert pairs.inputs.tolist() == [[*ids, 1]] * 6
    assert told.raw_len == plain.raw_len - len(ids)


def test_special_tokens_of_the_tokenizer_surround_both_sides(tokenizer):
    denoiser = build(tokenizer, ingredient("iid_spans"), language="Ġse", max_source_len=60)
    language_id = tokenizer.convert_tokens_to_ids("Ġse")
    surrounded = dataclasses.replace(
        denoiser,
        vocabulary=dataclasses.replace(denoiser.vocabulary, before_ids=(7,), target_before_ids=(8,)),
    )
    token_ids = segments(denoiser)
    bare = dataclasses.replace(denoiser, vocabulary=dataclasses.replace(denoiser.vocabulary, after_ids=()))
    expected, pairs = (each(0, np.random.default_rng(0), token_ids) for each in (bare, surrounded))
    for row in range(len(token_ids)):
        inputs, targets = pairs.inputs[row], pairs.targets[row]
        assert inputs[: pairs.input_lens[row]].tolist() == [
            7, *expected.inputs[row, : expected.input_lens[row]].tolist(), language_id,
        ]  # fmt: skip
        assert targets[: pairs.target_lens[row]].tolist() == [
            8, *expected.targets[row, : expected.target_lens[row]].tolist(), language_id,
        ]  # fmt: skip


def test_a_mix_reads_rows_that_fit_each_member(tokenizer):
    lens = [build(tokenizer, ingredient(name)).raw_len for name in ("span_corruption", "sentence_order")]
    # 7 of 44 hidden in 2 spans, 37 + 2 + </s> = 40; two passages of 2/5 of 49 = 19, a separator and </s> = 40
    assert lens == [44, 49]
    mixed = build(tokenizer, ingredient("span_corruption"), ingredient("sentence_order"))
    assert mixed.raw_len == 44


def test_ul2_is_seven_denoisers(tokenizer):
    mixed = build(tokenizer, ingredient("causal_lm", rate=3.0), ingredient("ul2"), max_source_len=90)
    signs = [tokenizer.decode(prefix) for prefix in mixed.prefixes]
    assert signs == ["", "[S]", "[R]", "[R]", "[X]", "[X]", "[X]", "[X]"]
    assert mixed.shares == pytest.approx([3 / 4, *[1 / 28] * 7])
    token_ids = segments(mixed)
    signs_len = len(mixed.prefixes[1])
    hidden = [mixed(number, np.random.default_rng(0), token_ids) for number in range(8)]
    assert mixed.raw_len == 90 - signs_len - 1
    # S: a quarter is the target; R: 15 %, in spans of 3 and 8; X: 50 % in spans of 3 and 8, then of 64
    num_hidden = [round(mixed.raw_len * density) for density in (0.25, 0.15, 0.15, 0.5, 0.5, 0.15, 0.5)]
    num_spans = [0] + [
        max(round(num / span), 1) for num, span in zip(num_hidden[1:], (3, 8, 3, 8, 64, 64), strict=True)
    ]
    assert [pairs.targets.shape[1] for pairs in hidden[1:]] == [
        num + spans + 1 for num, spans in zip(num_hidden, num_spans, strict=True)
    ]


def test_ul2_goes_without_signs(tokenizer):
    quiet = build(tokenizer, ingredient("ul2", parameters={"mode_prefixes": False}), max_source_len=90)
    assert set(quiet.prefixes) == {()}
    told = build(tokenizer, ingredient("ul2", prefix="Say:"), max_source_len=90)
    assert tokenizer.decode(told.prefixes[0]) == "Say: [S]"


def denoiser_of(*shares):
    return Denoiser(8, 8, (), (), shares, None)


def test_the_worked_example_of_choosing():
    chosen = [denoiser_of(0.5, 0.25, 0.25).choose(step, offset=0.0) for step in range(5)]
    assert chosen == [0, 1, 0, 2, 0]


@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 10**7),
)
def test_each_objective_has_its_share_of_any_stretch_of_steps(rates, offset, start):
    shares = np.array(rates) / sum(rates)
    denoiser = denoiser_of(*shares)
    chosen = [denoiser.choose(start + step, offset=offset) for step in range(200)]
    counts = np.bincount(chosen, minlength=len(rates))
    # The discrepancy of the golden ratio's sequence stays below about log(200) points; 6 is safe.
    assert abs(counts - 200 * shares).max() < 6


def test_what_a_config_may_name_is_what_there_is():
    assert set(get_args(ObjectiveName)) == {*OBJECTIVES, "ul2"}
    assert set(OBJECTIVE_PARAMETERS) <= set(get_args(ObjectiveName))


def test_an_unknown_objective_is_refused(tokenizer):
    with pytest.raises(DenoisingError) as raised:
        build(tokenizer, Ingredient("brt", {}))
    assert str(raised.value) == (
        f'no objective is called "brt"\n  have:  {", ".join(OBJECTIVES)}\n  mend:  did you mean "bert"?'
    )


def test_too_little_room_is_refused(tokenizer):
    with pytest.raises(DenoisingError) as raised:
        build(tokenizer, ingredient("bart", prefix="a long and winding prefix"), max_source_len=16)
    assert str(raised.value) == (
        "max_source_len 16 leaves no room for text beside prefix and special tokens\n"
        "  mend:  raise max_source_len, or shorten the prefix"
    )


def test_spans_that_may_outnumber_the_sentinels_are_refused_before_the_run(tokenizer):
    with pytest.raises(SpanCorruptionError) as raised:
        build(tokenizer, ingredient("iid_spans"), max_source_len=801)
    assert str(raised.value) == (
        "iid_spans may hide 120 spans, and the tokenizer has 100 sentinels\n"  # 15 % of 800
        "  mend:  shorten max_source_len, lower noise_density, or train a tokenizer with more sentinels"
    )


def test_a_tokenizer_without_mask_is_refused(vocabulary):
    without = dataclasses.replace(vocabulary, mask_id=None)
    with pytest.raises(TokenizerError) as raised:
        build_objective("bart", without, OBJECTIVE_PARAMETERS["bart"])
    assert str(raised.value) == (
        "the tokenizer has neither a mask token nor sentinels <extra_id_N>\n"
        "  mend:  denoising needs the tokenizer of T5 or BART, or one of ours: t2t tokenizer train"
    )
