import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from t2t.errors import InferenceError, ModelError
from t2t.inference import Prediction, Text2Text
from t2t.inference import answering as answering_module
from t2t.model import LoadedModel
from t2t.templates.template import RenderedExample


def test_calling_ranks_choices_and_generates_without(t5):
    assert t5("Which?", choices=["a", "b"]) == t5.rank("Which?", ["a", "b"])
    assert t5("Which?", choices=["a", "b"], length_norm="mean_byte").length_norm == "mean_byte"
    assert t5("Go on", max_new_tokens=4) == t5.generate("Go on", max_new_tokens=4)


def test_one_gives_one_a_list_a_list_and_an_iterable_an_iterator(t5):
    one = t5.rank("one", ["a", "b"])
    assert isinstance(one, Prediction)
    for many in (["one"], ("one",)):
        assert [prediction.text for prediction in t5.rank(many, ["a", "b"])] == [one.text]
    stream = t5.rank(iter(["one"]), ["a", "b"])
    assert isinstance(stream, Iterator)
    assert [prediction.text for prediction in stream] == [one.text]
    assert t5.rank([], ["a", "b"]) == []
    assert isinstance(t5.score("one", "a"), float)
    assert isinstance(t5.score(iter(["one"]), iter(["a"])), Iterator)


def test_a_stream_is_read_window_by_window(t5, monkeypatch):
    monkeypatch.setattr(answering_module, "WINDOW", 2)
    read = []
    stream = t5.rank((read.append(n) or f"source {n}" for n in range(6)), ["a", "b"])
    assert read == []
    next(stream)
    assert read == [0, 1]
    next(stream)
    assert read == [0, 1]
    next(stream)
    assert read == [0, 1, 2, 3]


def test_windows_grow_from_a_few_prompts_to_many(t5, monkeypatch):
    monkeypatch.setattr(answering_module, "FIRST_WINDOW", 1)
    monkeypatch.setattr(answering_module, "WINDOW", 4)
    read = []
    stream = t5.rank((read.append(n) or f"source {n}" for n in range(12)), ["a", "b"])
    # Windows of 1, 4, 4 and what is left.
    assert [len(read) for _ in stream] == [1, *[5] * 4, *[9] * 4, *[12] * 3]


def test_a_list_is_answered_in_long_windows_from_the_start(t5, monkeypatch):
    monkeypatch.setattr(answering_module, "FIRST_WINDOW", 1)
    encoder, rows_of = t5.model.get_encoder(), []
    forward = encoder.forward
    monkeypatch.setattr(
        encoder, "forward", lambda **inputs: rows_of.append(len(inputs["input_ids"])) or forward(**inputs)
    )
    t5.rank(["same", "size", "text", "here"], ["a", "b"])
    assert rows_of == [4]


@pytest.mark.parametrize("choices", [["a", "b"], None])
def test_an_answer_comes_before_the_later_ones_of_its_window_are_asked(t5, monkeypatch, choices):
    asked, encoder = [], t5.model.get_encoder()
    forward = encoder.forward
    monkeypatch.setattr(
        encoder, "forward", lambda **inputs: asked.append(len(inputs["input_ids"])) or forward(**inputs)
    )
    sources = iter(["the longest", "middling", "another", "x"])  # the longest are asked first
    if choices:
        stream = t5.rank(sources, choices, batch_size=1)
    else:
        stream = t5.generate(sources, max_new_tokens=2, batch_size=1)
    assert [len(asked) for _ in stream] == [1, 2, 3, 4]


def answers_before_the_error(stream, error, message):
    """How many answers come before the error of that message."""
    answers = []
    with pytest.raises(error) as raised:
        for answer in stream:
            answers.append(answer)
    assert str(raised.value) == message
    return len(answers)


@pytest.mark.parametrize("bad", [0, 1, 40, 52])
def test_a_prompt_at_fault_leaves_the_answers_before_it(t5, lossy, bad):
    sources = [f"source {n}" for n in range(53)]
    empty = [*sources[:bad], "", *sources[bad + 1 :]]
    message = f"the source is empty\n  where: sources[{bad}]\n  mend:  give it at least one word"
    assert answers_before_the_error(t5.rank(iter(empty), ["a", "b"]), InferenceError, message) == bad
    choices = [["a", "b"]] * 53
    choices[bad] = ["a", "**"]
    stream = lossy.rank(iter(sources), choices)
    message = f"the tokenizer makes no tokens of an answer choice: '**'\n  where: sources[{bad}]"
    assert answers_before_the_error(stream, InferenceError, message) == bad


def test_an_error_of_the_rows_leaves_the_answers_before_it(t5, caplog):
    def sources():
        yield from (f"a source of many tokens {n}" for n in range(40))
        raise OSError("the disk is gone")

    stream = t5.rank(sources(), ["a", "b"], max_source_len=10)
    with caplog.at_level(logging.WARNING, logger="t2t"):
        assert answers_before_the_error(stream, OSError, "the disk is gone") == 40
    assert [record.getMessage() for record in caplog.records] == [
        "40 of 40 sources lost their end to fit into 10 tokens"
    ]


def test_a_stop_within_a_window_leaves_the_answers_before_it(t5, monkeypatch):
    encoder = t5.model.get_encoder()
    forward, calls = encoder.forward, []

    def stop_at_the_third(**inputs):
        calls.append(inputs)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return forward(**inputs)

    monkeypatch.setattr(encoder, "forward", stop_at_the_third)
    stream = t5.rank(iter(["same", "size", "text", "here"]), ["a", "b"], batch_size=1)
    assert answers_before_the_error(stream, KeyboardInterrupt, "") == 2


def test_windows_never_change_an_answer(t5, monkeypatch):
    sources = ["a long source, the longest", "x", "middling", "y", "again a longer one"]
    ranked, written = t5.rank(sources, ["a", "b"]), t5.generate(sources, max_new_tokens=4)
    monkeypatch.setattr(answering_module, "FIRST_WINDOW", 1)
    for one, other in zip(ranked, t5.rank(iter(sources), ["a", "b"]), strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, rel=1e-5, abs=2e-4)
    again = t5.generate(iter(sources), max_new_tokens=4)
    assert [answer.text for answer in again] == [answer.text for answer in written]


def test_answers_come_in_input_order(t5, monkeypatch):
    monkeypatch.setattr(answering_module, "WINDOW", 3)
    sources = ["a long source, the longest", "x", "middling", "y", "again a longer one"]
    assert [prediction.source for prediction in t5.rank(sources, ["a", "b"])] == sources
    assert [prediction.source for prediction in t5.generate(sources, max_new_tokens=2)] == sources


def test_a_long_source_is_cut_marked_and_reported_once(t5, caplog):
    long, limit = "x" * 50, 10
    with caplog.at_level(logging.WARNING, logger="t2t"):
        cut, whole, cut_too = t5.rank([long, "short", "y" * 30], ["a", "b"], max_source_len=limit)
    assert [cut.truncated, whole.truncated, cut_too.truncated] == [True, False, True]
    assert [cut.num_source_tokens, whole.num_source_tokens] == [10, 6]  # a byte is a token; and </s>
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 3 sources lost their end to fit into 10 tokens"
    ]
    # The end-of-sequence is kept: nine letters and </s>, as if the text had ended there.
    assert cut.logprobs == pytest.approx(t5.rank("x" * 9, ["a", "b"]).logprobs, abs=2e-4)


def test_a_few_shot_prompt_loses_demonstrations_before_its_question(t5, toy_tasks_dir, caplog):
    mood, row = toy_tasks_dir / "mood" / "toy_mood.yaml", {"text": "We won."}
    whole = t5.run(mood, row, shots=2)
    with caplog.at_level(logging.WARNING, logger="t2t"):
        short = t5.run(mood, row, shots=2, max_source_len=whole.num_source_tokens - 1)
    assert (whole.num_dropped_demonstrations, short.num_dropped_demonstrations) == (0, 1)
    assert (short.truncated, short.source) == (False, whole.source)
    limit = whole.num_source_tokens - 1
    assert [record.getMessage() for record in caplog.records] == [
        f"1 of 1 sources lost demonstrations to fit into {limit} tokens"
    ]


@pytest.mark.parametrize("choices", [None, ("good", "bad")])
def test_a_rendered_row_is_ranked_or_written_and_loses_demonstrations_before_its_question(t5, choices):
    example = RenderedExample(
        source="Sun: good. Hail: bad. Rain:",
        target="bad",
        answer_choices=choices,
        references=("bad",),
        task="weather",
        template="colon",
        example_id="test:0",
        demonstrations=("Sun: good. ", "Hail: bad. "),
    )
    whole, _ = t5.answer([example, replace(example, answer_choices=None if choices else ("a", "b"))])
    short = t5.answer(example, max_source_len=20)
    assert next(t5.answer(iter([example]), max_source_len=20)) == short
    shortened = t5("Sun: good. Rain:", choices=choices)
    assert (whole.num_dropped_demonstrations, short.num_dropped_demonstrations) == (0, 1)
    assert (short.truncated, short.text, short.choices) == (False, shortened.text, choices)
    assert short.logprob == pytest.approx(shortened.logprob, abs=2e-4)


def test_what_was_cut_is_reported_when_a_stream_is_dropped(t5, caplog, monkeypatch):
    monkeypatch.setattr(answering_module, "WINDOW", 1)
    stream = t5.generate(iter(["x" * 50, "x" * 50]), max_source_len=10, max_new_tokens=2)
    next(stream)
    with caplog.at_level(logging.WARNING, logger="t2t"):
        stream.close()
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 1 sources lost their end to fit into 10 tokens"
    ]


def test_the_default_limit_is_the_models_the_tokenizers_or_1024(t5, bart):
    limit = answering_module.default_max_source_len
    assert limit(t5.model, t5.tokenizer) == 1024
    assert limit(bart.model, bart.tokenizer) == 64
    assert bart.generate("x" * 100, max_new_tokens=2).num_source_tokens == 64


def test_the_tokenizers_limit_counts(t5, monkeypatch):
    monkeypatch.setattr(t5.tokenizer, "model_max_length", 20)
    assert t5.generate("x" * 100, max_new_tokens=2).num_source_tokens == 20


def test_a_models_training_mode_is_put_back(t5):
    model = type(t5.model)(replace_dropout(t5.model.config)).train()
    asked = Text2Text(model, t5.tokenizer)
    stream = asked.rank(iter(["one", "two"]), ["a", "b"])
    first = next(stream)
    assert model.training  # also within a window
    assert asked.rank("one", ["a", "b"]).logprobs == pytest.approx(first.logprobs)  # no dropout


def replace_dropout(config):
    changed = type(config)(**config.to_dict())
    changed.dropout_rate = 0.5
    return changed


def test_load_passes_name_device_and_dtype(t5, monkeypatch):
    asked = {}

    def load_model(name, *, device, dtype):
        asked.update(name=name, device=device, dtype=dtype)
        return LoadedModel(t5.model, t5.tokenizer, t5.model.device, t5.model.dtype, "starter")

    monkeypatch.setattr("t2t.inference.text2text.load_model", load_model)
    assert Text2Text.load(device="cpu").name == "starter"
    assert asked == {"name": None, "device": "cpu", "dtype": "auto"}


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda model: model.rank("", ["a"]),
            "the source is empty\n  where: source\n  mend:  give it at least one word",
        ),
        (
            lambda model: model.generate(["fine", " \n"]),
            "the source is empty\n  where: sources[1]\n  mend:  give it at least one word",
        ),
        (
            lambda model: model.generate(["fine", None]),
            "the source is no text but NoneType: None\n  where: sources[1]",
        ),
        (
            lambda model: model.generate("so good \ud83d"),
            "the source holds half of a surrogate pair, which is no character: '\\ud83d'\n"
            "  where: source\n"
            '  mend:  leave it out, as text.encode(errors="ignore").decode() does',
        ),
        (
            lambda model: model.rank("Which?", [["good", "bad"]]),
            "an answer choice is no text but list: ['good', 'bad']\n  where: source",
        ),
        (
            lambda model: model.generate(None),
            "sources cannot be gone through one by one: None\n  mend:  pass a list",
        ),
        (
            lambda model: model.score(b"one", b"two"),
            "targets cannot be gone through one by one: b'two'\n  mend:  pass a list",
        ),
        (
            lambda model: model.rank("Which?", None),
            "answer_choices cannot be gone through one by one: None\n  mend:  pass a list",
        ),
        (
            lambda model: model.answer(None),
            "examples cannot be gone through one by one: None\n  mend:  pass a list",
        ),
        (
            lambda model: model.rank("Which?", "yes"),
            "answer_choices is a single text: 'yes'\n  mend:  put the choices into a list",
        ),
        (
            lambda model: model.rank(["one", "two"], [["a", "b"]]),
            "there are fewer answer_choices than sources\n  mend:  give one for each",
        ),
        (
            lambda model: model.score(["one"], ["a", "b"]),
            "there are fewer sources than targets\n  mend:  give one for each",
        ),
        (
            lambda model: model.score("one", ["a", "b"]),
            "one source needs one target, and many sources need many",
        ),
        (lambda model: model.rank("one", ["a"], batch_size=0), "batch_size is at least 1, not 0"),
        (
            lambda model: model.rank("one", ["a"], max_source_len=2),
            "max_source_len is at least 3 with this tokenizer, not 2",
        ),
        (
            lambda model: model.rank("one", ["a"], max_source_len=65),
            "max_source_len is 65; the model's encoder has 64 positions",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(bart, call, message):
    with pytest.raises(InferenceError) as raised:
        call(bart)
    assert str(raised.value) == message


def test_a_model_without_an_encoder_is_refused(t5):
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=16))
    with pytest.raises(ModelError) as raised:
        Text2Text(model, t5.tokenizer)
    assert str(raised.value) == (
        "GPT2LMHeadModel cannot be scored: it is no encoder-decoder\n"
        "  mend:  load one, such as T5, BART, mBART or NLLB"
    )


def test_a_short_decoder_ranks_and_is_refused_only_where_it_is_to_write_more(bart, monkeypatch):
    example = RenderedExample("Rain:", "bad", ("good", "bad"), ("bad",), "weather", "colon", "test:0")
    monkeypatch.setattr(bart.model.config, "max_position_embeddings", 32)  # and max_new_tokens is 64
    assert bart.rank("Rain:", ["good", "bad"]).text == bart.answer(example).text
    assert bart.score("Rain:", "bad") < 0
    for ask in (
        lambda: bart.generate(iter(["never read"])),
        lambda: bart.answer(replace(example, answer_choices=None)),
    ):
        with pytest.raises(InferenceError) as raised:
            ask()
        assert str(raised.value) == "max_new_tokens is 64; the model's decoder has 32 positions"


def test_a_prediction_is_frozen_and_plain(t5):
    prediction = t5.rank("Which?", ["a", "b"])
    assert replace(prediction, text="c").text == "c"
    assert all(isinstance(score, float) for score in prediction.logprobs)


@pytest.mark.parametrize("choices", [{"yes", "no"}, {"yes": 1, "no": 2}.keys(), iter(["yes", "no"])])
def test_choices_that_are_no_list_are_not_taken_for_letters(t5, choices):
    with pytest.raises(InferenceError, match="where one source's choices should be"):
        t5.rank(["is it?", "was it?"], choices)
