"""Adapters on tiny random models, beside what peft makes of the same files."""

import warnings

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSeq2SeqLM, LEDConfig, LEDForConditionalGeneration

from t2t.errors import ModelError
from t2t.model import build_model, load_model, save_model
from t2t.model.adapters import Adapters, adapters_of, load_adapters, named_adapters
from t2t.model.injected_layers import ia3_config, lora_config
from t2t.model.soft_prompt import num_virtual_tokens, prompt_tuning_config

KINDS = {
    "lora": lambda model: lora_config(model, rank=2, alpha=4.0),
    "ia3": ia3_config,
    "prompt_tuning": lambda model: prompt_tuning_config(model, num_virtual_tokens=3),
}


def toy_model(preset="tiny"):
    torch.manual_seed(0)
    return build_model(preset, vocab_size=96, pad_id=0, eos_id=1).eval()


@torch.no_grad()
def logits(model):
    """Of three sources, one of which is padded."""
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.randint(2, 96, (3, 9), generator=generator)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[0, 5:] = 0
    decoder_input_ids = torch.randint(2, 96, (3, 4), generator=generator)
    return model(
        input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids
    ).logits


def add_trained(adapters, model, name, kind, seed=2):
    """An adapter whose weights have moved from where they begin."""
    adapters.add(name, KINDS[kind](model))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in trained_weights(model).values():
            weight += torch.randn(weight.shape, generator=generator) * 0.5


def trained_weights(model):
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.fixture(params=["tiny", "bart-tiny"])
def model(request):
    return toy_model(request.param)


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_a_new_adapter_changes_nothing(model, kind):
    before = logits(model)
    Adapters(model, name="toy").add("new", KINDS[kind](model))
    torch.testing.assert_close(logits(model), before)


def test_a_new_prompt_is_made_of_different_embeddings_of_tokens():
    model = toy_model()
    Adapters(model, name="toy").add("new", prompt_tuning_config(model, num_virtual_tokens=100))
    [prompt] = trained_weights(model).values()
    embeddings = {tuple(row) for row in model.get_input_embeddings().weight.tolist()}
    # 96 tokens, each once, and then four of them again
    assert {tuple(row) for row in prompt[:96].tolist()} == embeddings
    assert torch.equal(prompt[96:], prompt[:4])


@pytest.mark.parametrize(
    ("kind", "num_weights"),
    [
        # 6 attention layers (2 encoder, 2 decoder, 2 cross), q and v of 64 x 64: 6 * 2 * rank 2 * (64 + 64)
        ("lora", 3072),
        # k and v of 6 attention layers, each 64 wide, and 4 feed-forward layers, each 128 wide inside
        ("ia3", 6 * 2 * 64 + 4 * 128),
        ("prompt_tuning", 3 * 64),
    ],
)
def test_only_the_adapter_is_trained(kind, num_weights):
    model = toy_model()
    Adapters(model, name="toy").add("new", KINDS[kind](model))
    assert sum(weight.numel() for weight in trained_weights(model).values()) == num_weights


@pytest.mark.parametrize("kind", KINDS)
def test_peft_reads_what_is_written_and_gives_the_same_logits(model, kind, tmp_path):
    adapters = Adapters(model, name="toy")
    add_trained(adapters, model, "mine", kind)
    adapters.save(tmp_path, model.state_dict())
    preset = "tiny" if model.config.model_type == "t5" else "bart-tiny"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers for an old name of its
        other = PeftModel.from_pretrained(toy_model(preset), str(tmp_path)).eval()
    torch.testing.assert_close(logits(other), logits(model))
    assert (logits(other) - logits(toy_model(preset))).abs().max() > 1e-3  # far above what rounding makes


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_are_switched(kind, tmp_path):
    answers = {None: logits(toy_model())}
    for seed, name in enumerate(["one", "v2.0"]):
        trained = toy_model()
        adapters = Adapters(trained, name="toy")
        add_trained(adapters, trained, name, kind, seed)
        adapters.save(tmp_path / name, trained.state_dict())
        answers[name] = logits(trained)
    model = toy_model()
    adapters = load_adapters(model, "toy", {"one": tmp_path / "one", "v2.0": tmp_path / "v2.0"})
    assert (adapters.names, adapters.active) == (("one", "v2.0"), "one")
    assert trained_weights(model) == {}
    for name in ["one", "v2.0", None, "v2.0", None, "one"]:
        adapters.use(name)
        torch.testing.assert_close(logits(model), answers[name])
        assert adapters.active == name
        assert adapters.place == (None if name is None else str(tmp_path / name))


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_merged_logits_are_the_same_and_the_model_is_whole_again(model, kind, tokenizer, tmp_path):
    adapters = Adapters(model, name="toy")
    add_trained(adapters, model, "mine", kind)
    unmerged = logits(model)
    adapters.merge()
    torch.testing.assert_close(logits(model), unmerged)
    assert adapters_of(model) is None
    save_model(model, tokenizer, tmp_path / "whole")
    torch.testing.assert_close(
        logits(AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "whole").eval()), unmerged
    )


def test_the_adapter_in_use_is_merged_and_no_other():
    model = toy_model()
    adapters = Adapters(model, name="toy")
    add_trained(adapters, model, "one", "lora", seed=3)
    one = logits(model)
    add_trained(adapters, model, "two", "lora", seed=4)
    adapters.use("one")
    adapters.merge()
    torch.testing.assert_close(logits(model), one)


def test_training_goes_on_where_it_stopped(tmp_path):
    model = toy_model()
    adapters = Adapters(model, name="toy")
    add_trained(adapters, model, "mine", "lora")
    adapters.save(tmp_path, model.state_dict())
    other = toy_model()
    Adapters(other, name="toy").load("again", tmp_path, trainable=True)
    before, after = trained_weights(model), trained_weights(other)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_saved_model_with_an_adapter_is_the_adapter_alone(tokenizer, tmp_path):
    model = toy_model()
    add_trained(Adapters(model, name="toy"), model, "mine", "ia3")
    save_model(model, tokenizer, tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "base_model.json"} <= names
    assert "model.safetensors" not in names
    readme = (tmp_path / "model" / "README.md").read_text()
    assert 't2t.load("toy", adapter="this folder")' in readme
    with pytest.raises(ModelError) as raised:
        load_model(tmp_path / "model")
    assert raised.value.mend == (
        "this is an adapter: name the model it was trained on, and this folder as its adapter"
    )


def test_a_prompt_takes_up_positions():
    model = toy_model()
    assert num_virtual_tokens(model) == 0
    adapters = Adapters(model, name="toy")
    adapters.add("mine", prompt_tuning_config(model, num_virtual_tokens=7))
    assert num_virtual_tokens(model) == 7
    adapters.use(None)
    assert num_virtual_tokens(model) == 0


def test_a_prompt_cannot_be_merged():
    model = toy_model()
    adapters = Adapters(model, name="toy")
    adapters.add("mine", prompt_tuning_config(model, num_virtual_tokens=7))
    with pytest.raises(ModelError) as raised:
        adapters.merge()
    assert str(raised.value) == (
        "a prompt cannot be merged: it is no change to the model's weights\n"
        "  mend:  keep it as an adapter, or train lora or ia3"
    )


def test_what_cannot_be_done_is_said():
    model = toy_model()
    adapters = Adapters(model, name="toy")
    with pytest.raises(ModelError) as raised:
        adapters.merge()
    assert str(raised.value) == "no adapter is in use that could be merged\n  have:  (nothing)"
    adapters.add("polite", lora_config(model, rank=1, alpha=1.0))
    with pytest.raises(ModelError) as raised:
        adapters.use("plite")
    assert str(raised.value) == (
        'no adapter is called "plite"\n  have:  polite\n  mend:  did you mean "polite"?'
    )
    with pytest.raises(ModelError) as raised:
        adapters.add("polite", lora_config(model, rank=1, alpha=1.0))
    assert str(raised.value) == ('an adapter is already called "polite"\n  mend:  give this one another name')
    with pytest.raises(ModelError) as raised:
        adapters.add("other", prompt_tuning_config(model, num_virtual_tokens=1))
    assert str(raised.value) == (
        "prompt_tuning cannot be attached beside lora\n"
        "  mend:  load the model a second time for adapters of another kind"
    )


def test_modules_that_the_model_lacks_are_named():
    with pytest.raises(ModelError) as raised:
        lora_config(toy_model(), rank=1, alpha=1.0, target_modules=["q", "wi_2"])
    assert str(raised.value) == (
        'the model has no linear layer called "wi_2"\n'
        "  have:  k, lm_head, o, q, v, wi_0, wi_1, wo\n"
        '  mend:  did you mean "wi_1"?'
    )


def test_lora_changes_the_modules_it_is_told_to():
    model = toy_model()
    config = lora_config(model, rank=1, alpha=1.0, target_modules=["DenseReluDense.wo"])
    Adapters(model, name="toy").add("mine", config)
    assert {name.split(".")[-4] for name in trained_weights(model)} == {"wo"}


def test_a_model_with_other_names_is_refused():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    with pytest.raises(ModelError) as raised:
        ia3_config(model)
    assert str(raised.value) == (
        "the queries, keys and values of Sequential have names that t2t does not know\n"
        "  have:  0\n"
        "  mend:  take lora, and give it target_modules"
    )


def toy_led():
    sizes = {f"{stack}_{part}": size for stack in ("encoder", "decoder")
             for part, size in [("layers", 2), ("attention_heads", 2), ("ffn_dim", 32)]}  # fmt: skip
    positions = {"max_encoder_position_embeddings": 32, "max_decoder_position_embeddings": 32}
    return LEDForConditionalGeneration(
        LEDConfig(vocab_size=96, d_model=16, attention_window=4, pad_token_id=0, **sizes, **positions)
    )


@pytest.mark.parametrize(
    ("kind", "in_encoder", "in_decoder"),
    [
        ("lora", {"query", "value"}, {"q_proj", "v_proj"}),
        ("ia3", {"key", "value", "fc2"}, {"k_proj", "v_proj", "fc2"}),
    ],
)
def test_an_encoder_with_names_of_its_own_is_changed_too(kind, in_encoder, in_decoder):
    model = toy_led()
    Adapters(model, name="toy").add("mine", KINDS[kind](model))

    def changed(block):
        inside = [name.partition(block)[2] for name in trained_weights(model) if block in name]
        return {name.split(".lora_")[0].split(".ia3_")[0].rpartition(".")[2] for name in inside}

    for index in range(2):
        assert changed(f"encoder.layers.{index}.") == in_encoder
        assert changed(f"decoder.layers.{index}.") == in_decoder
    with torch.enable_grad():
        logits.__wrapped__(model).sum().backward()
    assert all(weight.grad is not None for weight in trained_weights(model).values())


def test_names_known_in_the_decoder_alone_are_refused():
    model = toy_led()
    for block in model.led.encoder.layers:
        attention = block.self_attn.longformer_self_attn
        attention.asked = attention.query
        del attention.query
    with pytest.raises(ModelError) as raised:
        lora_config(model, rank=2, alpha=4.0)
    assert str(raised.value) == (
        "the queries, keys and values of LEDForConditionalGeneration have names that t2t does not know\n"
        "  have:  asked, fc1, fc2, k_proj, key, key_global, lm_head, out_proj, output, q_proj, query_global, "
        "v_proj, value, value_global\n"
        "  mend:  take lora, and give it target_modules"
    )


def test_adapters_without_names_are_called_as_their_runs():
    assert named_adapters("runs/polite/model") == {"polite": "runs/polite/model"}
    assert named_adapters(["owner/polite", "rude"]) == {"polite": "owner/polite", "rude": "rude"}
    assert named_adapters({"a": "x", "b": "x"}) == {"a": "x", "b": "x"}
    with pytest.raises(ModelError) as raised:
        named_adapters(["runs/a/model", "other/a"])
    assert str(raised.value) == (
        'two adapters would be called "a": runs/a/model and other/a\n'
        "  mend:  name them in a dict: {name: folder, ...}"
    )
    with pytest.raises(ModelError) as raised:
        named_adapters([])
    assert str(raised.value) == "adapter holds no adapters\n  mend:  leave it out for the model by itself"
