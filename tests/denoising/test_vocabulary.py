import numpy as np
import pytest
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

from t2t.denoising.vocabulary import Vocabulary
from t2t.errors import TokenizerError
from t2t.tokens import encode_texts


def with_specials(tokenizer, *, single, **special):
    """A copy that puts other special tokens around a text, as BART and mBART do."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.add_special_tokens([*special.values(), "en_XX", "de_DE"])
    tokens = [token for token in single.split() if not token.startswith("$")]
    backend.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[(token, backend.token_to_id(token)) for token in tokens]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **special
    )


def test_ours_has_its_last_sentinel_for_a_mask(tokenizer):
    vocabulary = Vocabulary.of(tokenizer)
    assert (vocabulary.before_ids, vocabulary.after_ids) == ((), ())
    assert vocabulary.mask_id == tokenizer.convert_tokens_to_ids("<extra_id_99>")
    assert not np.isin(vocabulary.plain_ids, tokenizer.all_special_ids).any()
    assert len(vocabulary.plain_ids) == len(tokenizer) - 103  # <pad> </s> <unk> and 100 sentinels
    assert vocabulary.encode("sea") == tokenizer("sea").input_ids[:-1]


def test_sentences_end_where_a_token_says_so(tokenizer):
    vocabulary = Vocabulary.of(tokenizer)
    ids = tokenizer("It is. Is it? It is!").input_ids
    ends = [tokenizer.decode(index) for index in ids if vocabulary.ends_sentence[index]]
    assert [text.strip() for text in ends] == [".", "?", "!", "</s>"]
    assert not vocabulary.ends_sentence[tokenizer.convert_tokens_to_ids("<extra_id_0>")]


def test_the_eos_behind_a_full_stop_is_no_sentence(tokenizer):
    vocabulary = Vocabulary.of(tokenizer)
    ids = np.array(
        [index for text in ("It is.", "The sea", "Is it?") for index in tokenizer(text).input_ids]
    )[None]
    ends = vocabulary.sentence_ends(ids)
    assert ids[ends].tolist() == [vocabulary.eos_id] * 3
    assert ends.sum() == 3
    assert vocabulary.sentence_ends(ids[:, :-1])[0, -1]  # the last token stands for itself


def test_a_tokenizer_like_barts_is_read_off(tokenizer):
    bart = with_specials(tokenizer, single="<s> $A </s>", bos_token="<s>", mask_token="<mask>")
    vocabulary = Vocabulary.of(bart)
    assert vocabulary.before_ids == (bart.bos_token_id,)
    assert vocabulary.after_ids == ()
    assert vocabulary.mask_id == bart.mask_token_id


@pytest.mark.parametrize(("single", "before_targets"), [("<s> $A", []), ("<s> $A </s>", ["<s>"])])
def test_targets_of_denoising_begin_as_those_of_fine_tuning(tokenizer, single, before_targets):
    like = with_specials(tokenizer, single=single, bos_token="<s>")  # Gemma and BART
    vocabulary = Vocabulary.of(like)
    assert vocabulary.before_ids == (like.bos_token_id,)
    assert like.convert_ids_to_tokens(list(vocabulary.target_before_ids)) == before_targets
    [(target, _)] = encode_texts(like, ["sea"], max_len=9, are_targets=True)
    expected = [*vocabulary.target_before_ids, *vocabulary.encode("sea"), vocabulary.eos_id]
    assert target.tolist() == expected


@pytest.mark.parametrize(
    ("single", "before", "after"),
    [
        ("$A </s>", [], ["de_DE"]),  # none of its own
        ("$A </s> en_XX", [], ["de_DE"]),  # mBART
        ("en_XX $A </s>", ["de_DE"], []),  # mBART-50
        ("<s> $A </s>", ["<s>"], ["de_DE"]),
    ],
)
def test_a_language_stands_where_the_tokenizer_puts_its_own(tokenizer, single, before, after):
    mbart = with_specials(tokenizer, single=single, bos_token="<s>")
    vocabulary = Vocabulary.of(mbart, language="de_DE")
    assert list(vocabulary.before_ids) == [mbart.convert_tokens_to_ids(token) for token in before]
    assert list(vocabulary.after_ids) == [mbart.convert_tokens_to_ids(token) for token in after]


def test_an_unknown_language_is_refused(tokenizer):
    mbart = with_specials(tokenizer, single="$A </s>")
    with pytest.raises(TokenizerError) as raised:
        Vocabulary.of(mbart, language="de_D")
    assert str(raised.value) == (
        'the tokenizer has no token for the language "de_D"\n  mend:  did you mean "de_DE"?'
    )


def test_a_tokenizer_without_padding_is_refused(tokenizer):
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, eos_token="</s>")
    with pytest.raises(TokenizerError) as raised:
        Vocabulary.of(bare)
    assert str(raised.value) == (
        f"the {type(bare).__name__} has no end-of-sequence or no padding token\n"
        "  mend:  name the tokenizer of an encoder-decoder, such as T5 or BART"
    )
