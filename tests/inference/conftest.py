"""Tiny random models of every family, each with a toy tokenizer that adds its family's special tokens."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBartConfig,
    MBartForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    T5GemmaConfig,
    T5GemmaForConditionalGeneration,
)

from t2t.inference import Text2Text

SPECIAL = ("<pad>", "</s>", "<s>", "<unk>", "en_XX")  # ids 0, 1, 2, 3, 4
VOCAB_SIZE = len(SPECIAL) + 256
LAYOUTS = {
    "t5": "$A </s>",
    "mt5": "$A </s>",
    "t5gemma": "<s> $A",
    "bart": "<s> $A </s>",
    "mbart": "$A </s> en_XX",
    "m2m100": "en_XX $A </s>",
}
T5_SIZES = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": 2, "num_decoder_layers": 2}
BART_SIZES = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
}

GEMMA_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
    "initializer_range": 0.3,
}


def toy_tokenizer(family: str) -> PreTrainedTokenizerBase:
    """One token per byte, and the special tokens where that family puts them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    backend.add_special_tokens(list(SPECIAL))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single=LAYOUTS[family], special_tokens=[(token, vocabulary[token]) for token in SPECIAL]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="<unk>"
    )


def toy_model(family: str) -> PreTrainedModel:
    torch.manual_seed(4)  # chosen so that each family writes different answers to different sources
    ids = {"vocab_size": VOCAB_SIZE, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    if family == "bart":  # 0.3: with the usual 0.02, all answers of so small a model are alike
        config = BartConfig(**BART_SIZES, **ids, init_std=0.3, decoder_start_token_id=1)
        return BartForConditionalGeneration(config).eval()
    if family == "mbart":
        config = MBartConfig(**BART_SIZES, **ids, init_std=0.3, decoder_start_token_id=4)
        return MBartForConditionalGeneration(config).eval()
    if family == "m2m100":
        config = M2M100Config(**BART_SIZES, **ids, init_std=0.3, decoder_start_token_id=1)
        return M2M100ForConditionalGeneration(config).eval()
    if family == "t5gemma":  # whose decoder starts with bos
        config = T5GemmaConfig(encoder={**GEMMA_SIZES, **ids}, decoder={**GEMMA_SIZES, **ids}, **ids)
        return T5GemmaForConditionalGeneration(config).eval()
    options = {**T5_SIZES, **ids, "decoder_start_token_id": 0}
    if family == "t5":
        return T5ForConditionalGeneration(T5Config(**options)).eval()
    return MT5ForConditionalGeneration(MT5Config(**options)).eval()


_loaded: dict[str, Text2Text] = {}


def toy_text2text(family: str) -> Text2Text:
    if family not in _loaded:
        _loaded[family] = Text2Text(toy_model(family), toy_tokenizer(family), name=family)
    return _loaded[family]


def target_ids(model: Text2Text, text: str) -> torch.Tensor:
    """What a model of that family is to write: (1, target_len). T5Gemma's decoder starts with bos."""
    labels = model.tokenizer(text_target=text, return_tensors="pt").input_ids
    if model.name != "t5gemma":
        return labels
    return torch.cat([labels[:, 1:], torch.tensor([[model.tokenizer.eos_token_id]])], dim=1)


@pytest.fixture(params=LAYOUTS)
def any_model(request: pytest.FixtureRequest) -> Text2Text:
    """Each family in turn; shared by all tests, so they leave it as it is."""
    return toy_text2text(request.param)


@pytest.fixture
def t5() -> Text2Text:
    return toy_text2text("t5")


@pytest.fixture
def bart() -> Text2Text:
    return toy_text2text("bart")


@pytest.fixture
def lossy() -> Text2Text:
    """A T5 whose tokenizer lower-cases everything and drops stars, as an uncased checkpoint's might."""
    tokenizer = toy_tokenizer("t5")
    dropped = [normalizers.Lowercase(), normalizers.Replace("*", "")]
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(dropped)
    return Text2Text(toy_text2text("t5").model, tokenizer)
