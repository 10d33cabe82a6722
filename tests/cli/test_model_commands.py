"""`t2t rank`, `t2t generate`, `t2t run` and `t2t eval` with an untrained toy model."""

import json
import shutil
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from t2t.inference import Text2Text

ONE_SOURCE = "give either a row with --set COLUMN=TEXT or a file of rows with --input FILE"


@pytest.fixture
def mood(toy_tasks_dir):
    return toy_tasks_dir / "mood" / "toy_mood.yaml"


@pytest.fixture
def rows_file(tmp_path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"My [tea] is {n}."}) + "\n" for n in range(3)))
    return path


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rank_prints_one_json_document_of_the_prediction(t2t, toy_model_dir):
    ended = t2t(
        "rank", "Happy or sad?", "--choice", "happy", "--choice", "sad", "--model", toy_model_dir, "--json"
    )
    document = json.loads(ended.out)
    expected = Text2Text.load(toy_model_dir).rank("Happy or sad?", ["happy", "sad"])
    assert document["choices"] == ["happy", "sad"]
    assert document["logprobs"] == pytest.approx(expected.logprobs)
    assert document["length_norm"] == "sum"


def test_rank_draws_the_likeliest_choice_first(t2t, toy_starter):
    lines = t2t("rank 'Happy or sad?' --choice happy --choice sad --length-norm mean_token").out.splitlines()
    best = Text2Text.load(toy_starter).rank("Happy or sad?", ["happy", "sad"], length_norm="mean_token")
    rows = [line.split() for line in lines if line.strip().startswith(("happy", "sad"))]
    assert [row[0] for row in rows] == sorted(best.choices, key=lambda choice: choice != best.text)
    assert rows[0][1] == f"{max(best.probabilities):.3f}"
    assert set(rows[0][2]) == {"█"}


def test_rank_reads_standard_input(t2t, toy_starter, monkeypatch):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"Happy or sad?\n")))  # as echo writes it
    assert json.loads(t2t("rank - --choice a --choice b --json").out)["source"] == "Happy or sad?"


def test_standard_input_that_is_not_utf8_is_an_error(t2t, monkeypatch):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"caf\xe9"), errors="surrogateescape"))
    ended = t2t("generate -")
    assert (ended.code, ended.err.splitlines()[0]) == (1, "T2TError: standard input is not UTF-8: byte 3")


def test_generate_samples_by_its_seed(t2t, toy_starter):
    line = "generate 'My tea' --max-new-tokens 8 --temperature 1.0 --json --seed "
    first, again, other = (json.loads(t2t(line + seed).out)["text"] for seed in "112")
    assert first == again != other


def test_generate_prints_the_text_alone(t2t, toy_starter):
    expected = Text2Text.load(toy_starter).generate("My tea", max_new_tokens=8).text
    assert t2t("generate 'My tea' --max-new-tokens 8").out == expected + "\n"


def test_an_option_out_of_range_is_an_error_of_the_library(t2t, toy_starter):
    ended = t2t("generate text --temperature -1")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "InferenceError: temperature is at least 1e-06 and finite, not -1.0\n"
        "  mend:  leave it out for greedy decoding\n"
    )


def test_run_asks_one_row_through_the_first_template(t2t, toy_starter, mood):
    document = json.loads(t2t("run", mood, "--set", "text=I won = good.", "--json").out)
    [prediction] = document["predictions"]
    assert document["task"] == "toy_mood"
    assert prediction["source"] == "I won = good. Is that happy or sad?"
    assert prediction["template"] == "happy or sad"
    assert prediction["text"] in prediction["choices"] == ["happy", "sad"]


def test_run_asks_all_templates_with_demonstrations(t2t, toy_starter, mood):
    out = t2t("run", mood, "--set", "text=We won.", "--template", "all", "--shots", "2").out
    for name in ("happy or sad", "how do I feel", "good day"):
        assert f"--- {name} ---\n" in out
    assert out.count("My tea is cold.") + out.count("I found a shell.") + out.count("The sun came out.") == 6


def test_run_takes_values_that_are_no_text_as_json(t2t, toy_starter, toy_tasks_dir):
    task = toy_tasks_dir / "sums" / "toy_sums.yaml"
    ended = t2t("run", task, "--set", "left:=2", "--set", "right:=0.5", "--json")
    assert json.loads(ended.out)["predictions"][0]["source"] == "2 + 0.5 ="


def test_run_writes_an_answer_for_every_row_and_template_in_order(
    t2t, toy_starter, mood, rows_file, tmp_path
):
    output = tmp_path / "answers.jsonl"
    output.write_text("of an earlier run")
    ended = t2t("run", mood, "--input", rows_file, "--output", output, "--template", "all")
    assert (ended.code, ended.out) == (0, f"{output}: 9 answers, 0 truncated\n")
    lines = read_lines(output)
    assert [(line["row"], line["template"]) for line in lines[:4]] == [
        (0, "happy or sad"),
        (0, "how do I feel"),
        (0, "good day"),
        (1, "happy or sad"),
    ]
    assert lines[3]["source"] == "My [tea] is 1. Is that happy or sad?"
    assert (lines[3]["model"], lines[3]["adapter"], lines[3]["max_new_tokens"]) == ("starter", None, 64)
    assert list(tmp_path.glob("*.partial")) == []


def test_run_tells_the_counts_as_json(t2t, toy_starter, mood, rows_file, tmp_path):
    output = tmp_path / "answers.jsonl"
    ended = t2t("run", mood, "--input", rows_file, "--output", output, "--json")
    expected = {"task": "toy_mood", "output": str(output), "num_answers": 3, "num_truncated": 0}
    assert json.loads(ended.out) == expected


def test_run_prints_the_answers_of_a_file_without_output(t2t, toy_starter, mood, rows_file):
    assert len(json.loads(t2t("run", mood, "--input", rows_file, "--json").out)["predictions"]) == 3


def test_an_interrupted_run_keeps_what_it_has_beside_the_old_output(
    t2t, toy_starter, mood, rows_file, tmp_path, monkeypatch
):
    output = tmp_path / "answers.jsonl"
    output.write_text("of an earlier run")
    ask = Text2Text.run

    def stop_after_two(*arguments, **options):
        answers = ask(*arguments, **options)
        yield next(answers)
        yield next(answers)
        raise KeyboardInterrupt

    monkeypatch.setattr(Text2Text, "run", stop_after_two)
    ended = t2t("run", mood, "--input", rows_file, "--output", output)
    assert ended.code == 130
    assert ended.err == f"stopped: 2 answers are in {output}.partial; go on with --resume\n"
    assert output.read_text() == "of an earlier run"
    assert len(read_lines(tmp_path / "answers.jsonl.partial")) == 2
    again = t2t("run", mood, "--input", rows_file, "--output", output)
    assert again.code == 2 and "--resume" in again.err
    assert len(read_lines(tmp_path / "answers.jsonl.partial")) == 2


def test_a_row_at_fault_leaves_the_answers_before_it(t2t, toy_starter, mood, rows_file, tmp_path):
    rows = rows_file.read_text()
    rows_file.write_text(rows + '{"texts": "no such column"}\n' + rows)
    output = tmp_path / "answers.jsonl"
    ended = t2t("run", mood, "--input", rows_file, "--output", output)
    assert ended.code == 1
    assert ended.err.startswith(f"stopped: 3 answers are in {output}.partial; go on with --resume\n")
    assert [line["row"] for line in read_lines(tmp_path / "answers.jsonl.partial")] == [0, 1, 2]
    rows_file.write_text(rows * 2)
    assert t2t("run", mood, "--input", rows_file, "--output", output, "--resume").code == 0
    assert [line["row"] for line in read_lines(output)] == [0, 1, 2, 3, 4, 5]


def test_each_answer_is_on_disk_before_the_next_is_asked(
    t2t, toy_starter, mood, rows_file, tmp_path, monkeypatch
):
    partial, on_disk = tmp_path / "answers.jsonl.partial", []
    ask = Text2Text.run

    def spy(*arguments, **options):
        for answer in ask(*arguments, **options):
            yield answer
            on_disk.append(len(read_lines(partial)))

    monkeypatch.setattr(Text2Text, "run", spy)
    assert t2t("run", mood, "--input", rows_file, "--output", tmp_path / "answers.jsonl").code == 0
    assert on_disk == [1, 2, 3]


def test_a_stopped_run_is_gone_on_with(t2t, toy_starter, mood, rows_file, tmp_path):
    output, partial = tmp_path / "answers.jsonl", tmp_path / "answers.jsonl.partial"
    line = ["run", mood, "--input", rows_file, "--output", output, "--shots", "1", "--template"]
    assert t2t(*line, "all").code == 0
    answers = output.read_bytes().splitlines(keepends=True)
    answers[0] = answers[0].replace(b'"text": "', b'"text": "kept ')
    # A whole row, one answer of the next, and what was written of another when the run was killed.
    partial.write_bytes(b"".join(answers[:4]) + answers[4][:20])
    assert t2t(*line, "all", "--resume").out == f"{output}: 9 answers, 0 truncated\n"
    resumed = output.read_bytes().splitlines(keepends=True)
    assert resumed[:3] == answers[:3]
    # Rows that are asked again share their batches with others now, which may change last digits.
    for got, expected in zip(map(json.loads, resumed[3:]), map(json.loads, answers[3:]), strict=True):
        for name in ("logprob", "logprobs", "probabilities"):
            assert got.pop(name) == pytest.approx(expected.pop(name), rel=1e-5)
        assert got == expected
    assert not partial.exists()

    assert t2t(*line, "all", "--resume").code == 2  # there is nothing to go on with
    for left in (answers[1], answers[0].replace(b"tea", b"pot"), b"\0\n", b"[]\n"):
        partial.write_bytes(left)
        ended = t2t(*line, "all", "--resume")
        assert ended.code == 1
        assert ended.err.startswith("T2TError: the run that was stopped asked something else\n")
        assert partial.read_bytes() == left


@pytest.mark.parametrize(
    "left, options, had, mend",
    [
        ({}, ["--model", "mine"], "model: starter", "with it"),
        ({}, ["--adapter", "mine"], "adapter: none", "without --adapter"),
        ({"adapter": "polite"}, [], "adapter: polite", "with it"),
    ],
)
def test_answers_of_another_model_are_not_gone_on_with(
    t2t, toy_starter, mood, rows_file, tmp_path, left, options, had, mend
):
    output, partial = tmp_path / "answers.jsonl", tmp_path / "answers.jsonl.partial"
    line = ["run", mood, "--input", rows_file, "--output", output]
    assert t2t(*line).code == 0
    partial.write_text("".join(json.dumps({**answer, **left}) + "\n" for answer in read_lines(output)))
    before = partial.read_bytes()
    ended = t2t(*line, "--resume", *options)
    assert ended.code == 1
    assert ended.err == (
        f"T2TError: the run that was stopped had another {had}\n"
        f"  where: {partial}:1\n"
        f"  mend:  resume {mend}, or remove the file\n"
    )
    assert partial.read_bytes() == before


def test_scores_of_another_length_norm_are_not_gone_on_with(t2t, toy_starter, mood, rows_file, tmp_path):
    output, partial = tmp_path / "answers.jsonl", tmp_path / "answers.jsonl.partial"
    line = ["run", mood, "--input", rows_file, "--output", output]
    assert t2t(*line).code == 0
    output.rename(partial)
    ended = t2t(*line, "--resume", "--length-norm", "mean_byte")
    assert ended.err.startswith("T2TError: the run that was stopped asked something else\n")


def test_answers_from_among_other_choices_are_not_gone_on_with(t2t, toy_starter, mood, rows_file, tmp_path):
    task = shutil.copy(mood, tmp_path / mood.name)
    output, partial = tmp_path / "answers.jsonl", tmp_path / "answers.jsonl.partial"
    line = ["run", task, "--input", rows_file, "--output", output, "--template", "good day"]
    assert t2t(*line).code == 0
    output.rename(partial)
    before = partial.read_bytes()
    text = task.read_text()
    assert 'answer_choices: ["yes", "no"]' in text
    task.write_text(text.replace('answer_choices: ["yes", "no"]', 'answer_choices: ["yes", "nope"]'))
    ended = t2t(*line, "--resume")
    assert ended.code == 1
    assert ended.err == (
        "T2TError: the run that was stopped asked something else\n"
        f"  where: {partial}:1\n"
        "  mend:  resume with its task, rows and options, or remove the file\n"
    )
    assert partial.read_bytes() == before


def test_shorter_written_answers_are_not_gone_on_with(t2t, toy_starter, toy_tasks_dir, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"left": 1, "right": 2}\n' * 2)
    output, partial = tmp_path / "answers.jsonl", tmp_path / "answers.jsonl.partial"
    line = ["run", toy_tasks_dir / "sums" / "toy_sums.yaml", "--input", tmp_path / "rows.jsonl"]
    line += ["--output", output, "--max-new-tokens"]
    assert t2t(*line, 3).code == 0
    output.rename(partial)
    ended = t2t(*line, 4, "--resume")
    assert ended.code == 1
    assert ended.err == (
        "T2TError: the run that was stopped had another max_new_tokens: 3\n"
        f"  where: {partial}:1\n"
        "  mend:  resume with it, or remove the file\n"
    )
    assert t2t(*line, 3, "--resume").code == 0


def test_chosen_answers_are_gone_on_with_whatever_the_length_of_written_ones(
    t2t, toy_starter, mood, rows_file, tmp_path
):
    output, partial = tmp_path / "answers.jsonl", tmp_path / "answers.jsonl.partial"
    line = ["run", mood, "--input", rows_file, "--output", output]
    assert t2t(*line).code == 0
    output.rename(partial)
    assert t2t(*line, "--resume", "--max-new-tokens", 3).code == 0


def test_a_corrupt_row_is_found_before_anything_is_asked(t2t, toy_starter, mood, rows_file, tmp_path):
    rows_file.write_text(rows_file.read_text() + '{"text": \n')
    ended = t2t("run", mood, "--input", rows_file, "--output", tmp_path / "answers.jsonl")
    assert ended.code == 1
    assert ended.err.startswith("CorruptRowError: ")
    assert f"{rows_file}:4" in ended.err
    assert sorted(path.name for path in tmp_path.glob("answers*")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", ONE_SOURCE),
        ("--set a=1 --input rows.jsonl", ONE_SOURCE),
        ("--set text", "--set takes COLUMN=TEXT or COLUMN:=JSON, not 'text'"),
        ("--set a:=x", "--set a:=x: what follows := is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("--set a=1 --set b=2 --set a=3", '--set gives the column "a" twice'),
        ("--set a=1 --set a:=1", '--set gives the column "a" twice'),
        ("--set a=1 --output x.jsonl", "--output is for the rows of an --input file"),
        ("--input rows.jsonl --output x.csv", "--output writes JSON lines: name it x.jsonl"),
        ("--input rows.jsonl --output x.jsonl.gz", "--output writes JSON lines: name it x.jsonl"),
        ("--input rows.jsonl --output no/x.jsonl", "there is no folder no for --output"),
        (
            "--input rows.jsonl --output ./rows.jsonl",
            "--output is the --input file, and would replace its rows: name another one",
        ),
    ],
)
def test_misuse_of_run_is_told_before_a_model_is_loaded(t2t, rows_file, monkeypatch, options, message):
    monkeypatch.chdir(rows_file.parent)
    ended = t2t(f"run toy_mood {options}")
    assert ended.code == 2
    assert " ".join(ended.err.split()).endswith(f"Error: Invalid value: {message}")


def test_eval_prints_its_document_and_keeps_every_answer(t2t, toy_starter, mood, toy_data_root, tmp_path):
    options = ["--shots", "0,2", "--seeds", "2", "--limit", "6", "--data-root", toy_data_root]
    ended = t2t("eval", "--tasks", mood, *options, "--out", tmp_path / "results", "--json")
    document = json.loads(ended.out)
    assert document["model"] == "starter"
    assert [(one["shots"], one["num_seeds"], one["majority"]) for one in document["summary"]] == [
        (0, 1, 50),
        (2, 2, 50),
    ]
    folder = Path(document["folder"])
    assert folder.parent == tmp_path / "results"
    assert len(read_lines(folder / "answers.jsonl")) == 3 * 6 * (1 + 2)
    assert json.loads((folder / "evaluation.json").read_text())["results"] == document["results"]


def test_eval_prints_a_table_and_where_the_answers_are(t2t, toy_starter, mood, toy_data_root, tmp_path):
    options = ["--templates", "good day", "--split", "validation", "--data-root", toy_data_root]
    out = t2t("eval", "--tasks", mood, *options, "--out", tmp_path / "results").out
    assert "8 validation x 1 templates" in out
    assert out.splitlines()[-1].startswith(f"every answer: {tmp_path / 'results' / 'starter-'}")


def test_eval_refuses_what_the_model_has_seen_unless_told(t2t, toy_starter, mood, toy_data_root, tmp_path):
    model = shutil.copytree(toy_starter, tmp_path / "model")
    (model / "training.json").write_text(json.dumps({"tasks": ["toy_mood"], "held_out": []}))
    places = ["--data-root", toy_data_root, "--out", tmp_path / "results"]
    command = ["eval", "--model", model, "--tasks", mood, *places]
    ended = t2t(*command)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(
        "EvaluationError: the model was trained on tasks it is to be scored on, or on their data: toy_mood\n"
    )
    assert list((tmp_path / "results").iterdir()) == []
    assert "seen in training" in " ".join(t2t(*command, "--allow-seen").out.split())


def test_eval_without_data_names_the_places_and_leaves_nothing(t2t, toy_starter, mood, tmp_path):
    (tmp_path / "none").mkdir()
    ended = t2t("eval", "--tasks", mood, "--data-root", tmp_path / "none", "--out", tmp_path / "results")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("MissingDataError: ")
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize(
    ("split", "names", "left_out"),
    [
        ([], ["toy_mood"], "left out, without test or validation rows: toy_sums\n"),
        (["--split", "train"], ["toy_mood", "toy_sums"], ""),
        (["--split", "examples"], ["toy_mood", "toy_sums"], ""),
    ],
)
def test_eval_of_a_pattern_leaves_out_tasks_without_rows_to_score(
    t2t, toy_starter, toy_tasks_dir, toy_data_root, tmp_path, split, names, left_out
):
    places = ["--tasks-dir", toy_tasks_dir, "--data-root", toy_data_root, "--out", tmp_path / "results"]
    # the last two name what is named already: toy_mood, and by another spelling of its file
    more = f"toy_mood,{toy_tasks_dir / 'sums' / '..' / 'mood' / 'toy_mood.yaml'}"
    ended = t2t("eval", "--tasks", f"toy_*,{more}", "--limit", "2", "--json", *split, *places)
    assert [one["task"] for one in json.loads(ended.out)["summary"]] == names
    assert ended.err == left_out


@pytest.mark.parametrize("options", ["--shots few", "--seeds 0", "--limit 0", "--length-norm max"])
def test_misuse_of_eval_exits_with_2(t2t, options):
    assert t2t(f"eval --tasks sst2 {options}").code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tasks", ""], "--tasks takes names such as in --tasks sst2,trec, not ''"),
        (["--tasks", " , "], "--tasks takes names such as in --tasks sst2,trec, not ' , '"),
        (["--tasks", "sst2", "--shots", ""], "--shots takes numbers such as 0,4, not ''"),
        (["--tasks", "sst2", "--shots", "few"], "--shots takes numbers such as 0,4, not 'few'"),
        (["--tasks", "sst2", "--shots", "0,-1"], "--shots takes numbers such as 0,4, not '0,-1'"),
    ],
)
def test_empty_lists_of_eval_are_told_before_a_model_is_loaded(t2t, monkeypatch, options, message):
    monkeypatch.setattr(Text2Text, "load", lambda *_, **__: pytest.fail("a model is loaded"))
    ended = t2t("eval", *options)
    assert (ended.code, ended.out) == (2, "")
    assert " ".join(ended.err.split()).endswith(f"Error: Invalid value: {message}")


def test_a_checkpoint_that_lacks_a_file_is_an_error(t2t, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    ended = t2t("rank", "text", "--choice", "a", "--choice", "b", "--model", tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"CheckpointError: {tmp_path} is not a whole checkpoint: it lacks ")


def test_an_unknown_device_is_an_error(t2t, toy_starter):
    ended = t2t("rank text --choice a --choice b --device abacus")
    assert ended.code == 1
    assert ended.err == 'ModelError: torch finds no device "abacus" here\n  have:  auto, cpu\n'


@pytest.fixture
def toy_adapter(toy_model_dir, tmp_path) -> Path:
    """A LoRA of the toy model that has moved from where it began."""
    import torch

    from t2t.model import load_model
    from t2t.model.adapters import Adapters
    from t2t.model.injected_layers import lora_config

    loaded = load_model(toy_model_dir)
    adapters = Adapters(loaded.model, name=loaded.name)
    adapters.add("toy", lora_config(loaded.model, rank=2, alpha=4.0))
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in loaded.model.parameters():
            if weight.requires_grad:
                weight += torch.randn_like(weight)
    adapters.save(tmp_path / "toy" / "model", loaded.model.state_dict())
    return tmp_path / "toy" / "model"


def test_an_adapter_changes_the_scores(t2t, toy_model_dir, toy_adapter):
    question = ("rank", "Happy or sad?", "--choice", "happy", "--choice", "sad", "--json")
    plain, changed = (
        json.loads(t2t(*question, "--model", toy_model_dir, *more).out)["logprobs"]
        for more in ([], ["--adapter", toy_adapter])
    )
    assert changed != pytest.approx(plain)


def test_an_adapter_of_another_model_is_an_error(t2t, toy_starter, toy_adapter, tmp_path):
    from t2t.model import build_model, load_model, save_model

    loaded = load_model(toy_starter)
    other = build_model("tiny", vocab_size=len(loaded.tokenizer), pad_id=0, eos_id=1)
    save_model(other, loaded.tokenizer, tmp_path / "other")
    ended = t2t("generate", "My tea", "--model", tmp_path / "other", "--adapter", toy_adapter)
    assert ended.code == 1
    assert "and " + f'"{tmp_path / "other"}" has other weights' in ended.err
