"""Counting tokens without transformers gives what transformers counts."""

import json
import subprocess
import sys

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from t2t.errors import TokenizerError
from t2t.resources import starter_dir
from t2t.tokens import TokenCounter, encode_texts, load_tokenizer

TEXTS = ["I loved it.", "", "Two\nlines, 12 and more", "</s>", "naïve 好 \N{BROKEN HEART}"]


@pytest.mark.parametrize("are_targets", [False, True])
def test_counts_are_those_of_the_encoder(are_targets):
    encoded = encode_texts(load_tokenizer(starter_dir()), TEXTS, max_len=10**6, are_targets=are_targets)
    counter = TokenCounter.load()
    assert counter.name == "starter"
    assert counter.count(TEXTS, are_targets=are_targets) == [len(ids) for ids, _ in encoded]


def test_a_tokenizer_that_adds_no_end_of_sequence_counts_one_for_targets(tmp_path):
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "a": 2}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>").save_pretrained(
        tmp_path
    )
    counter = TokenCounter.load(tmp_path)
    assert counter.count(["a a"]) == [2]
    assert counter.count(["a a"], are_targets=True) == [3]


def test_a_begin_of_sequence_is_no_part_of_a_target_where_no_end_is_added(tmp_path):
    vocabulary = {"<unk>": 0, "<eos>": 1, "<bos>": 2, "None": 3, "a": 4}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    special = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **special)
    tokenizer.save_pretrained(tmp_path)
    counter = TokenCounter.load(tmp_path)
    assert (counter.bos_id, counter.count(["a a"])) == (2, [3])
    ((encoded, _),) = encode_texts(tokenizer, ["a a"], max_len=9, are_targets=True)
    assert encoded.tolist() == [4, 4, 1]
    assert counter.count(["a a"], are_targets=True) == [3]


def test_a_special_token_that_is_null_is_no_word_none(tmp_path):
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "None": 1}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>").save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token": None}))
    assert TokenCounter.load(tmp_path).eos_id is None


def test_a_class_of_its_own_is_built_by_transformers(tmp_path):
    """The class may add to tokenizer.json; here the name alone sends it that way."""
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "a": 2}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>").save_pretrained(
        tmp_path
    )
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["tokenizer_class"]
    path.write_text(json.dumps(config))
    counter = TokenCounter.load(tmp_path)
    assert (counter.name, counter.count(["a a"]), counter.eos_id) == (str(tmp_path), [3], 1)


def test_pieces_that_the_vocabulary_lacks_are_found(tmp_path):
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    counter = TokenCounter("toy", backend, None, None, 0)
    assert list(counter.unknown(["a", "a b a", "c"])) == [(1, "b"), (2, "c")]


def test_bytes_spell_everything():
    assert list(TokenCounter.load().unknown(TEXTS)) == []


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path):
    with pytest.raises(TokenizerError) as caught:
        TokenCounter.load(tmp_path)
    assert str(caught.value).startswith(f'no usable tokenizer "{tmp_path}" in that folder: ')


def test_a_damaged_tokenizer_is_an_error(tmp_path):
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(TokenizerError, match="the tokenizer cannot be read: EOF"):
        TokenCounter.load(tmp_path)


def test_counting_loads_neither_torch_nor_transformers():
    code = (
        "import sys; from t2t.tokens import TokenCounter; TokenCounter.load().count(['a']);"
        "print(*sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.split()) == (0, []), ended.stderr
