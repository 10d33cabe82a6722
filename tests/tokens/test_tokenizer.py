"""Our tokenizer: exact round trips, one form a word, sentinels, and its files in `AutoTokenizer`."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, BartConfig, PreTrainedTokenizerFast, T5Config

from t2t.errors import TokenizerError
from t2t.tokens import (
    document_encoder,
    load_tokenizer,
    looks_like_hub_id,
    save_tokenizer,
    sentinel_ids,
    tokenizer_digest,
    train_tokenizer,
)

TEXT = """The keeper of the small lighthouse wrote down the weather every morning: wind, rain, fog.
Nobody read his notes. "Why do you write them?" asked a visitor in 1990, and the keeper laughed.
"Because the weather doesn't remember itself," he said, and it's true that it never does.
Positive or negative, yes or no, the answer is in the text; the question is what comes before it."""

TRICKY = [
    "",
    " ",
    "  ",
    "\n",
    "\n\n",
    " \n x",
    "\n  indented\n\n\n",
    "trailing  ",
    "  leading",
    "a\tb\t",
    "\r\nx\r",
    "{x} }} {{ a | join(' or ') }} {% if %}",
    "👩‍👩‍👧 🏳️‍🌈",
    "é e\u0301 \u0301alone",
    "zero\u200bwidth\ufeff \u00a0 \u2028 \u3000",
    "private \ue000 \U0010ffff",
    "literal ▁ and ▁word and Ġ and Ċ",
    "\x00\x01\x7f",
    "in 1990, $1,234.50 ½ ٣",
    "it's IT'S it’s 'tis 'story'",
    "<extra_id_ <extra_id_100> <pad",
    "العربية עברית हिन्दी 日本語 ไทย",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([TEXT], vocab_size=448)


@pytest.fixture(scope="module")
def saved(tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_tokenizer(tokenizer, folder)
    return folder


def decode(tokenizer, ids) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_texts_come_back_exactly(tokenizer, text):
    assert decode(tokenizer, tokenizer(text).input_ids) == text


# Any text but those of special tokens, which hypothesis finds in the code, and which mean what they say.
plain_texts = st.text().filter(lambda text: not re.search(r"<pad>|</s>|<unk>|<extra_id_\d+>", text))


@given(text=plain_texts)
def test_any_text_comes_back_exactly(tokenizer, text):
    assert decode(tokenizer, tokenizer(text).input_ids) == text


@given(text=st.text(alphabet="\n\t  ab.'’\"1<>_{}", max_size=30))
def test_white_space_and_punctuation_come_back_exactly(tokenizer, text):
    assert decode(tokenizer, tokenizer(text).input_ids) == text


@given(text=plain_texts)
def test_no_text_gives_an_unknown_token(tokenizer, text):
    assert tokenizer.unk_token_id not in tokenizer(text).input_ids


def pieces(tokenizer, text: str) -> list[str]:
    """The tokens of a text without eos; Ġ is a space, Ċ a newline."""
    return tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False).input_ids)


def words(tokenizer, text: str) -> list[str]:
    """What no merge of pieces crosses."""
    return [word for word, _ in tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def test_a_word_has_one_form_wherever_it_stands(tokenizer):
    assert pieces(tokenizer, "the the\nthe") == ["Ġthe", "Ġthe", "Ċ", "Ġthe"]


def test_digits_stand_alone(tokenizer):
    assert words(tokenizer, " in 1990") == ["Ġin", "Ġ1", "9", "9", "0"]


def test_a_contraction_is_one_piece_only_at_the_end_of_a_word(tokenizer):
    assert words(tokenizer, "it's 'story") == ["it", "'s", "Ġ'", "story"]


def test_special_ids_come_first_and_sentinels_last(tokenizer):
    assert [tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id] == [0, 1, 2]
    assert len(tokenizer) == 448
    np.testing.assert_array_equal(sentinel_ids(tokenizer), np.arange(348, 448))


def test_a_pair_of_texts_is_separated_by_eos(tokenizer):
    (the,) = tokenizer("the", add_special_tokens=False).input_ids
    assert tokenizer("the", "the").input_ids == [the, 1, the, 1]


def test_sentinels_take_the_white_space_around_them(tokenizer):
    # As span corruption makes it: the hidden tokens' own spaces are hidden with them.
    assert pieces(tokenizer, "the <extra_id_0> in") == ["Ġthe", "<extra_id_0>", "Ġin"]


@pytest.mark.parametrize(
    "text", ["the <extra_id_0> in", "<extra_id_0> the <extra_id_1>", "<extra_id_9> in <extra_id_10> it"]
)
def test_texts_with_sentinels_between_words_come_back_exactly(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_autotokenizer_gives_identical_ids_from_a_tokenizer_folder(tokenizer, saved):
    loaded = AutoTokenizer.from_pretrained(saved)
    assert [loaded(text).input_ids for text in TRICKY] == [tokenizer(text).input_ids for text in TRICKY]
    assert (loaded.pad_token, loaded.eos_token, loaded.unk_token) == ("<pad>", "</s>", "<unk>")


def test_autotokenizer_gives_identical_ids_from_a_t5_model_folder(tokenizer, saved, tmp_path):
    # AutoTokenizer looks at config.json first, and T5's own tokenizer class would rebuild ours otherwise.
    folder = shutil.copytree(saved, tmp_path / "model")
    T5Config(vocab_size=448, d_model=8).save_pretrained(folder)
    loaded = AutoTokenizer.from_pretrained(folder)
    assert [loaded(text).input_ids for text in TRICKY] == [tokenizer(text).input_ids for text in TRICKY]
    assert tokenizer_digest(loaded) == tokenizer_digest(tokenizer)


def test_loading_says_nothing(saved, capfd):
    load_tokenizer(saved)
    assert capfd.readouterr() == ("", "")


def test_digest_ignores_padding_and_truncation(tokenizer, saved):
    loaded = load_tokenizer(saved)
    loaded(["the", "in the"], padding=True, truncation=True, max_length=2)
    assert tokenizer_digest(loaded) == tokenizer_digest(tokenizer)


def test_digest_differs_between_tokenizers(tokenizer):
    assert tokenizer_digest(train_tokenizer([TEXT], vocab_size=384)) != tokenizer_digest(tokenizer)


def test_training_twice_gives_the_same_tokenizer(tokenizer):
    assert tokenizer_digest(train_tokenizer(iter([TEXT]), vocab_size=448)) == tokenizer_digest(tokenizer)


def test_documents_cannot_forge_special_tokens(tokenizer):
    encode = document_encoder(tokenizer)
    (ids,) = encode(["the </s> <extra_id_0> <pad>"])
    assert not set(ids) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(ids) == "the </s> <extra_id_0> <pad>"


def test_documents_are_encoded_like_prompts_without_eos(tokenizer):
    encode = document_encoder(tokenizer)
    assert encode(TRICKY[:10]) == [tokenizer(text).input_ids[:-1] for text in TRICKY[:10]]


@pytest.mark.parametrize("vocab_size", [449, 320])
def test_an_impossible_vocab_size_is_refused(vocab_size):
    with pytest.raises(TokenizerError) as caught:
        train_tokenizer([TEXT], vocab_size=vocab_size)
    # 3 special tokens + 256 bytes + 100 sentinels
    assert str(caught.value) == (
        f"vocab_size must be a multiple of 64 and at least 359, not {vocab_size}\n"
        "  mend:  special tokens, bytes and sentinels take their ids before any word does"
    )


def test_too_little_text_is_refused():
    with pytest.raises(TokenizerError) as caught:
        train_tokenizer(["abcdefgh"], vocab_size=512, num_sentinels=64)
    # 323 fixed ids and the 8 merges that give " abcdefgh"
    assert str(caught.value) == (
        "the texts are too few for vocab_size 512: they give 331\n  mend:  give more text"
    )


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(TokenizerError) as caught:
        load_tokenizer(tmp_path / "none")
    assert str(caught.value) == (
        f'there is no tokenizer folder "{tmp_path}/none"\n'
        "  mend:  name an existing folder, or train one: t2t tokenizer train FILES --out FOLDER"
    )


def test_a_t5_folder_that_lost_its_tokenizer_json_is_refused(saved, tmp_path):
    # transformers would make a T5 tokenizer without pieces, silently.
    T5Config(vocab_size=448, d_model=8).save_pretrained(tmp_path)
    with pytest.raises(TokenizerError) as caught:
        load_tokenizer(tmp_path)
    assert str(caught.value) == (
        f'no usable tokenizer "{tmp_path}" in that folder: it has no vocabulary\n'
        "  mend:  the folder should hold the tokenizer.json that `save_pretrained` wrote"
    )


def test_a_bart_folder_that_lost_its_tokenizer_json_is_refused(tmp_path):
    BartConfig(vocab_size=448, d_model=8).save_pretrained(tmp_path)
    with pytest.raises(TokenizerError, match="it has no vocabulary"):
        load_tokenizer(tmp_path)


def test_an_alphabet_without_the_letter_a_is_loaded(tmp_path):
    # as ProtT5's, of amino acids
    letters = {token: index for index, token in enumerate(["<pad>", "</s>", "<unk>", *"ACDEFG"])}
    backend = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    save_tokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
        ),
        tmp_path,
    )
    assert load_tokenizer(tmp_path)("C A G").input_ids == [4, 3, 8]


def test_a_cut_off_tokenizer_json_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "cut")
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8")[:1000], encoding="utf-8")
    with pytest.raises(TokenizerError, match="no usable tokenizer"):
        load_tokenizer(folder)


@pytest.mark.parametrize(
    ("name", "is_id"),
    [
        ("google/flan-t5-base", True),
        ("t5-small", True),
        ("./t5-small", False),
        ("/models/t5", False),
        ("a/b/c", False),
    ],
)
def test_hub_ids_are_told_from_paths(name, is_id):
    assert looks_like_hub_id(name) is is_id


def test_a_name_in_an_existing_folder_is_no_hub_id(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not looks_like_hub_id("runs/typo")
    assert not looks_like_hub_id("runs")


def test_a_tokenizer_without_sentinels_is_named():
    with pytest.raises(TokenizerError) as caught:
        sentinel_ids(train_tokenizer([TEXT], vocab_size=320, num_sentinels=0))
    assert str(caught.value) == (
        "the tokenizer has 0 sentinels <extra_id_N>, not numbered from 0 without gaps\n"
        "  mend:  denoising needs a T5 tokenizer or one of ours: t2t tokenizer train"
    )
