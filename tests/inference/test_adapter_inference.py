"""Asking a model with adapters, for each family and kind of adapter."""

import copy
import warnings
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from t2t.errors import InferenceError, ModelError
from t2t.inference import Text2Text
from t2t.model import save_model
from t2t.model.adapters import Adapters, load_adapters
from t2t.model.injected_layers import ia3_config, lora_config
from t2t.model.soft_prompt import prompt_tuning_config
from t2t.model.training_record import TrainingRecord

from .conftest import LAYOUTS, target_ids, toy_model, toy_tokenizer

KINDS = {
    "lora": lambda model: lora_config(model, rank=2, alpha=4.0),
    "ia3": ia3_config,
    "prompt_tuning": lambda model: prompt_tuning_config(model, num_virtual_tokens=5),
}
SOURCES = ["It rained all day.", "Sun", "Was it wet? Then the game was lost, I fear."]
CHOICES = [["yes", "no"], ["wet", "dry as dust", "x"], ["a"]]


def save_adapter(family: str, kind: str, folder: Path, *, seed: int = 5) -> None:
    model = toy_model(family)
    adapters = Adapters(model, name=family)
    adapters.add("mine", KINDS[kind](model))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += torch.randn(weight.shape, generator=generator) * 0.3
    adapters.save(folder, model.state_dict())


def with_adapter(family: str, folder: Path) -> Text2Text:
    model = toy_model(family)
    load_adapters(model, family, {"mine": folder})
    return Text2Text(model, toy_tokenizer(family), name=family)


@pytest.mark.parametrize("family", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_ranking_agrees_with_peft_one_choice_at_a_time(family, kind, tmp_path):
    save_adapter(family, kind, tmp_path)
    answering = with_adapter(family, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers for an old name of its
        naive = PeftModel.from_pretrained(toy_model(family), str(tmp_path)).eval()
    answers = answering.rank(SOURCES, CHOICES)
    for source, choices, answer in zip(SOURCES, CHOICES, answers, strict=True):
        source_ids = answering.tokenizer(source, return_tensors="pt").input_ids
        for choice, logprob in zip(choices, answer.logprobs, strict=True):
            labels = target_ids(answering, choice)
            with torch.no_grad():
                logits = naive(
                    input_ids=source_ids, attention_mask=torch.ones_like(source_ids), labels=labels
                ).logits
            expected = logits.log_softmax(-1).gather(-1, labels[..., None]).sum().item()
            assert logprob == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_mates_never_change_answers(kind, tmp_path):
    save_adapter("t5", kind, tmp_path)
    answering = with_adapter("t5", tmp_path)
    together = answering.rank(SOURCES, ["yes", "no way"])
    alone = [answering.rank(source, ["yes", "no way"]) for source in SOURCES]
    for one, other in zip(together, alone, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    written = answering.generate(SOURCES, max_new_tokens=6)
    assert [one.text for one in written] == [
        answering.generate(source, max_new_tokens=6).text for source in SOURCES
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_written_answer_has_the_likelihood_it_says(kind, num_beams, tmp_path):
    save_adapter("t5", kind, tmp_path)
    answering = with_adapter("t5", tmp_path)
    answer = answering.generate(SOURCES[0], max_new_tokens=4, num_beams=num_beams)
    assert answer.logprob < 0
    again = answering.generate(SOURCES, max_new_tokens=4, num_beams=num_beams)[0]
    assert (again.text, again.logprob) == (answer.text, pytest.approx(answer.logprob, abs=1e-4))


def test_a_prompt_leaves_fewer_positions_for_the_source(tmp_path):
    save_adapter("bart", "prompt_tuning", tmp_path)
    answering = with_adapter("bart", tmp_path)
    long = "very " * 40  # the toy BART has 64 positions, and one token for each of these 200 letters
    answer = answering.rank(long, ["yes", "no"])
    assert (answer.num_source_tokens, answer.truncated) == (64 - 5, True)
    with pytest.raises(InferenceError) as raised:
        answering.rank(long, ["yes", "no"], max_source_len=60)
    assert str(raised.value) == "max_source_len is 60; the model's encoder has 59 positions"


@pytest.fixture
def t5_folder(tmp_path) -> Path:
    save_model(toy_model("t5"), toy_tokenizer("t5"), tmp_path / "t5")
    return tmp_path / "t5"


def test_adapters_are_loaded_switched_and_merged(t5_folder, tmp_path):
    for seed, name in enumerate(["polite", "rude"]):
        save_adapter("t5", "lora", tmp_path / name / "model", seed=seed)
    folders = [tmp_path / name / "model" for name in ("polite", "rude")]
    plain = Text2Text.load(t5_folder, device="cpu")
    model = Text2Text.load(t5_folder, device="cpu", adapter=folders)
    named = Text2Text.load(t5_folder, device="cpu", adapter={"a": folders[1], "b": folders[0]})

    def scores(answering: Text2Text) -> tuple[float, ...]:
        return answering.rank(SOURCES[0], ["yes", "no"]).logprobs

    assert (plain.full_name, model.full_name) == (str(t5_folder), f"{t5_folder} + polite")
    assert model.places == (str(t5_folder), str(folders[0]))
    with pytest.raises(ModelError):
        model.adapters.load("polite", folders[1])
    assert model.places == (str(t5_folder), str(folders[0]))
    polite = scores(model)
    model.use_adapter("rude")
    assert scores(model) == pytest.approx(scores(named))
    assert abs(scores(model)[0] - polite[0]) > 1e-3
    model.use_adapter(None)
    assert (model.full_name, model.places) == (str(t5_folder), (str(t5_folder),))
    assert scores(model) == pytest.approx(scores(plain))
    model.use_adapter("polite")
    for _ in range(2):  # over itself
        model.save(tmp_path / "adapter")
    model.merge_adapter()
    assert scores(model) == pytest.approx(polite)
    assert (model.adapters, model.full_name) == (None, f"{t5_folder} + polite")
    assert model.places == (str(t5_folder), str(folders[0]))
    model.save(tmp_path / "merged")
    assert scores(Text2Text.load(tmp_path / "merged", device="cpu")) == pytest.approx(polite)


def test_a_saved_model_keeps_the_record_of_its_training(t5_folder, tmp_path, monkeypatch):
    save_adapter("t5", "lora", tmp_path / "lora")
    TrainingRecord(frozenset({"sst2"})).write(t5_folder)
    TrainingRecord(frozenset({"rte"})).write(tmp_path / "lora")
    monkeypatch.chdir(tmp_path)
    model = Text2Text.load(t5_folder.name, device="cpu", adapter="lora")
    model.merge_adapter()
    monkeypatch.chdir(tmp_path / "lora")
    for folder in (tmp_path / "merged", t5_folder):  # the second is where the model came from
        model.save(folder)
        assert TrainingRecord.read(folder) == TrainingRecord(frozenset({"sst2", "rte"}))


def test_a_model_made_in_memory_has_no_record_whatever_its_name(t5, tmp_path):
    Text2Text(t5.model, t5.tokenizer, name="starter").save(tmp_path / "saved")
    assert TrainingRecord.read(tmp_path / "saved") == TrainingRecord(is_complete=False)


def test_a_model_without_adapters_says_so(t5):
    for do in (t5.merge_adapter, lambda: t5.use_adapter("polite")):
        with pytest.raises(ModelError) as raised:
            do()
        assert str(raised.value) == "the model has no adapters\n  mend:  load it with adapter=..."


def test_an_adapter_in_float32_answers_on_a_bfloat16_model(t5_folder, tmp_path):
    save_adapter("t5", "prompt_tuning", tmp_path / "prompt")
    model = Text2Text.load(t5_folder, device="cpu", dtype="bfloat16", adapter=tmp_path / "prompt")
    exact = Text2Text.load(t5_folder, device="cpu", adapter=tmp_path / "prompt")
    rough, fine = (one.rank(SOURCES[0], ["yes", "no"]).logprobs for one in (model, exact))
    assert rough == pytest.approx(fine, rel=0.05)  # bfloat16 keeps 8 bits: 0.4 % at each of a few layers


def test_a_copy_of_a_model_with_a_prompt_keeps_its_own(tmp_path):
    save_adapter("t5", "ia3", tmp_path)
    answering = with_adapter("t5", tmp_path)
    copied = copy.deepcopy(answering)
    before = copied.rank(SOURCES[0], ["yes", "no"]).logprobs
    answering.use_adapter(None)
    assert copied.rank(SOURCES[0], ["yes", "no"]).logprobs == before
