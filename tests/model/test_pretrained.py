import json
import os
import stat

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBart50Tokenizer,
    MBartConfig,
    MBartForConditionalGeneration,
    MBartTokenizer,
    MT5Config,
    MT5ForConditionalGeneration,
    NllbTokenizer,
)

from t2t.errors import CheckpointError, ModelError
from t2t.model import build_model, load_model, save_model
from t2t.model.pretrained import choose_dtype

SMALL = {"d_model": 32, "vocab_size": 384, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}

# Of multilingual models, and the pieces of their tokenizers; languages come behind these.
SIZES = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
SIZES |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b"]


def tiny_t5(**changes):
    return build_model("tiny", **{"vocab_size": 384, "pad_id": 0, "eos_id": 1, **changes})


def tiny_mt5():
    return MT5ForConditionalGeneration(MT5Config(**SMALL, d_kv=8, d_ff=64, num_layers=2, num_heads=4))


def tiny_bart():
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    special = {"bos_token_id": 1, "forced_eos_token_id": 1}
    return BartForConditionalGeneration(BartConfig(**SMALL, **heads, **sizes, **special))


@pytest.fixture
def checkpoint(tmp_path, tokenizer):
    save_model(tiny_t5(), tokenizer, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("build", [tiny_t5, tiny_mt5, tiny_bart])
def test_transformers_loads_what_we_save_with_the_same_logits(build, tmp_path, tokenizer):
    torch.manual_seed(0)
    save_model(build(), tokenizer, tmp_path / "model")
    ours = load_model(tmp_path / "model", device="cpu", dtype="float32")
    theirs = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    their_tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")

    batch = their_tokenizer(["a house", "by the sea, a boat"], padding=True, return_tensors="pt")
    batch = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    labels = torch.tensor([[5, 6, 1], [7, 8, 1]])
    with torch.no_grad():
        assert torch.equal(ours.model(**batch, labels=labels).logits, theirs(**batch, labels=labels).logits)
    assert ours.tokenizer("by the sea\n{a}").input_ids == their_tokenizer("by the sea\n{a}").input_ids


def test_weights_can_be_stored_as_bfloat16_and_come_back_as_float32(tmp_path, tokenizer):
    model = tiny_t5()
    save_model(model, tokenizer, tmp_path / "model", dtype="bfloat16")
    loaded = load_model(tmp_path / "model", device="cpu")
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded.model.shared.weight, model.shared.weight.bfloat16().float())
    # 222,208 weights of 2 bytes and a header: the embedding, which has four names, is there once
    assert (tmp_path / "model" / "model.safetensors").stat().st_size < 2 * model.num_parameters() + 20_000


def test_an_mbart_is_scored_on_the_language_that_it_writes(tmp_path):
    tokenizer = MBartTokenizer(vocab=[(piece, -1.0) for piece in PIECES], src_lang="en_XX")
    romanian = tokenizer.convert_tokens_to_ids("ro_RO")
    special = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": romanian}
    config = MBartConfig(vocab_size=len(tokenizer), d_model=32, **SIZES, **special)
    save_model(MBartForConditionalGeneration(config), tokenizer, tmp_path / "model")
    loaded = load_model(tmp_path / "model", device="cpu")
    assert loaded.tokenizer.tgt_lang == "ro_RO"
    assert loaded.tokenizer("ab").input_ids[-1] == tokenizer.convert_tokens_to_ids("en_XX")
    labels = loaded.tokenizer(text_target="ab", return_tensors="pt").input_ids
    assert loaded.model.prepare_decoder_input_ids_from_labels(labels)[0, 0] == romanian


def save_nllb(folder, *, tgt_lang, forced=None):
    tokenizer = NllbTokenizer(vocab={piece: index for index, piece in enumerate(PIECES)}, tgt_lang=tgt_lang)
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), d_model=32, **SIZES))
    if forced is not None:
        model.generation_config.forced_bos_token_id = tokenizer.convert_tokens_to_ids(forced)
    save_model(model, tokenizer, folder)


@pytest.mark.parametrize(
    "tgt_lang, forced, language",
    [
        ("fra_Latn", None, "fra_Latn"),
        (None, "deu_Latn", "deu_Latn"),
        ("fra_Latn", "deu_Latn", "fra_Latn"),  # so that a tokenizer_config.json may be changed
    ],
)
def test_an_nllb_writes_and_is_scored_on_the_language_that_is_named(tmp_path, tgt_lang, forced, language):
    save_nllb(tmp_path / "model", tgt_lang=tgt_lang, forced=forced)
    loaded = load_model(tmp_path / "model", device="cpu")
    source = loaded.tokenizer("ab", return_tensors="pt")
    written = loaded.model.generate(**source, max_new_tokens=2)[0]
    assert loaded.tokenizer.convert_ids_to_tokens(written[:2]) == ["</s>", language]
    assert loaded.tokenizer(text_target="ab").tokens() == [language, "▁", "a", "b", "</s>"]


def test_a_model_is_forced_to_no_language_that_nobody_names(tmp_path):
    save_nllb(tmp_path / "model", tgt_lang=None)
    loaded = load_model(tmp_path / "model", device="cpu")
    assert loaded.model.generation_config.forced_bos_token_id is None


def test_an_mbart_50_is_scored_on_the_language_that_it_is_forced_to(tmp_path):
    tokenizer = MBart50Tokenizer(vocab=[(piece, -1.0) for piece in PIECES], src_lang="en_XX")
    config = MBartConfig(vocab_size=len(tokenizer), d_model=32, **SIZES, decoder_start_token_id=2)
    model = MBartForConditionalGeneration(config)
    model.generation_config.forced_bos_token_id = tokenizer.convert_tokens_to_ids("ro_RO")
    save_model(model, tokenizer, tmp_path / "model")
    loaded = load_model(tmp_path / "model", device="cpu")
    labels = loaded.tokenizer(text_target="ab").input_ids
    assert loaded.tokenizer.convert_ids_to_tokens(labels) == ["ro_RO", "▁", "a", "b", "</s>"]


def test_saving_replaces_an_older_model_whole(checkpoint, tokenizer):
    (checkpoint / "merges.txt").write_text("of the tokenizer before")
    save_model(tiny_t5(), tokenizer, checkpoint)
    assert not (checkpoint / "merges.txt").exists()
    assert [path.name for path in checkpoint.parent.iterdir()] == ["model"]


def test_saving_over_a_link_replaces_what_it_leads_to(checkpoint, tokenizer):
    link = checkpoint.with_name("link")
    link.symlink_to(checkpoint)
    (checkpoint / "merges.txt").write_text("of the tokenizer before")
    save_model(tiny_t5(), tokenizer, link)
    assert link.is_symlink()
    assert not (checkpoint / "merges.txt").exists()


def test_saving_deletes_nothing_but_an_older_model(checkpoint, tokenizer):
    save_model(tiny_t5(), tokenizer, checkpoint.with_name("new"))
    project = checkpoint.parent
    (checkpoint / "README.md").write_text("what it is for")
    (checkpoint / "thesis.txt").write_text("what it was for")
    (checkpoint / ".git").mkdir()
    for folder, lost in (
        (checkpoint, ".git, README.md, thesis.txt"),
        (project, "model, new"),
        (checkpoint / "README.md", "README.md"),
    ):
        with pytest.raises(ModelError) as raised:
            save_model(tiny_t5(), tokenizer, folder)
        assert str(raised.value) == (
            f"{folder} would be replaced, and holds what is no part of a model\n"
            f"  have:  {lost}\n"
            "  mend:  name a new folder"
        )
    assert sorted(path.name for path in project.iterdir()) == ["model", "new"]


def test_the_folder_of_a_run_leads_to_its_model(checkpoint):
    (checkpoint.parent / "run.json").write_text("{}")
    with pytest.raises(CheckpointError, match=f"this is the folder of a run: name its model, {checkpoint}"):
        load_model(checkpoint.parent)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError) as raised:
        load_model(tmp_path / "nothing")
    assert str(raised.value) == (
        f"there is no model folder {tmp_path / 'nothing'}\n"
        "  mend:  name an existing folder, or a Hub id such as google/flan-t5-base"
    )


def test_a_checkpoint_without_weights_says_what_it_lacks(checkpoint):
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as raised:
        load_model(checkpoint)
    assert str(raised.value) == (
        f"{checkpoint} is not a whole checkpoint: it lacks model.safetensors\n"
        "  have:  config.json, generation_config.json, tokenizer.json, tokenizer_config.json\n"
        "  mend:  copy the missing files from where the model was saved"
    )


def test_pickled_weights_are_never_read(checkpoint):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"convert pytorch_model\.bin to safetensors"):
        load_model(checkpoint)


def test_a_cut_weight_file_is_reported_as_such(checkpoint):
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="does not load as an encoder-decoder"):
        load_model(checkpoint)


def test_missing_weights_are_never_filled_with_random_ones(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    whole = {name: tensor for name, tensor in weights.items() if not name.startswith("decoder.")}
    save_file(whole, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"of the model's weights, such as decoder\."):
        load_model(checkpoint)


def test_a_decoder_only_model_is_refused(tmp_path, tokenizer):
    config = GPT2Config(vocab_size=384, n_embd=32, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1)
    save_model(GPT2LMHeadModel(config), tokenizer, tmp_path / "model")
    with pytest.raises(CheckpointError, match="does not load as an encoder-decoder"):
        load_model(tmp_path / "model")


def test_float16_is_refused_with_its_reason(checkpoint):
    with pytest.raises(ModelError) as raised:
        load_model(checkpoint, dtype="float16")
    assert str(raised.value) == (
        'weights cannot be "float16"\n'
        "  have:  auto, float32, bfloat16\n"
        "  mend:  float16 overflows in T5's feed-forward layers; use bfloat16"
    )


def test_float16_is_not_stored_either(tmp_path, tokenizer):
    with pytest.raises(ModelError) as raised:
        save_model(tiny_t5(), tokenizer, tmp_path / "runs" / "model", dtype="float16")
    assert str(raised.value) == (
        'weights cannot be "float16"\n'
        "  have:  float32, bfloat16\n"
        "  mend:  float16 overflows in T5's feed-forward layers; use bfloat16"
    )
    assert not (tmp_path / "runs").exists()


def test_a_dtype_of_torch_is_as_good_as_its_name(checkpoint, tmp_path):
    loaded = load_model(checkpoint, device="cpu", dtype=torch.bfloat16)
    assert loaded.model.shared.weight.dtype == loaded.dtype == torch.bfloat16
    save_model(loaded.model, loaded.tokenizer, tmp_path / "other", dtype=torch.float32)
    assert load_file(tmp_path / "other" / "model.safetensors")["shared.weight"].dtype == torch.float32


def test_an_unknown_device_is_refused(checkpoint):
    with pytest.raises(ModelError, match='torch finds no device "gpu" here'):
        load_model(checkpoint, device="gpu")


def test_the_saved_config_names_no_path_of_this_machine(checkpoint, tmp_path):
    assert str(tmp_path) not in json.dumps(json.loads((checkpoint / "config.json").read_text()))


def test_who_may_read_the_config_may_read_the_weights(tmp_path, tokenizer):
    before = os.umask(0o022)
    try:
        save_model(tiny_t5(), tokenizer, tmp_path / "model")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model").iterdir()} == {0o644}


def test_a_name_near_the_starters_is_not_sought_on_the_hub():
    with pytest.raises(ModelError) as caught:
        load_model("startr")
    assert str(caught.value) == 'there is no model "startr"\n  mend:  did you mean "starter"?'


@pytest.mark.parametrize(("is_native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_that_a_gpu_only_emulates_is_not_chosen(monkeypatch, is_native, expected):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or is_native
    )
    assert choose_dtype("auto", torch.device("cuda")) == expected
