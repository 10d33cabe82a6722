"""Whatever is wrong with a run's data ends it before it begins: one message, exit code 1, nothing written."""

import json
import os
from pathlib import Path

import pytest

from t2t.data.corpus import build_token_store
from t2t.tokens import document_encoder, load_tokenizer, save_tokenizer, tokenizer_digest, train_tokenizer

TEXTS = [f"The boat number {number} sails by the house on the sea." for number in range(40)]
TRAINING = {"num_steps": 2, "batch_size": 2, "dtype": "float32", "device": "cpu"}
BUILD_AGAIN = "  mend:  build it again: t2t corpus build\n"


@pytest.fixture
def work_dir(tmp_path, toy_model_dir, toy_tasks_dir, toy_data_root, monkeypatch) -> Path:
    """A working directory with a token store, two tasks, and a run of each kind over them."""
    monkeypatch.chdir(tmp_path)
    tokenizer = load_tokenizer(toy_model_dir)
    build_token_store(
        TEXTS,
        "corpus",
        encode=document_encoder(tokenizer),
        eos_id=tokenizer.eos_token_id,
        vocab_size=len(tokenizer),
        tokenizer_digest=tokenizer_digest(tokenizer),
    )
    runs = {
        "pretrain": {"data": {"train": "corpus"}, "objective": {"max_source_len": 16}},
        "finetune": {
            "mixture": {
                "tasks": ["toy_mood", "toy_sums"],
                "data_root": str(toy_data_root),
                "tasks_dirs": [str(toy_tasks_dir)],
            }
        },
    }
    for name, values in runs.items():
        values |= {"run_dir": "run", "model": {"init_from": str(toy_model_dir)}, "training": TRAINING}
        Path(f"{name}.yaml").write_text(json.dumps(values))
    return tmp_path


def remove_offsets() -> None:
    Path("corpus/offsets.npy").unlink()


def empty_a_task() -> None:
    Path("data/toy_sums/train.jsonl").write_text("")


@pytest.mark.parametrize(
    ("command", "spoil", "expected"),
    [
        (
            "pretrain pretrain.yaml data.train=nowhere",
            None,
            "TokenStoreError: not a token store: store.json is missing\n"
            "  where: nowhere\n"
            "  mend:  build one: t2t corpus build FILES --tokenizer FOLDER --out FOLDER\n",
        ),
        (
            "pretrain pretrain.yaml",
            remove_offsets,
            "TokenStoreError: not a token store: offsets.npy is missing\n"
            "  where: corpus\n"
            "  mend:  build one: t2t corpus build FILES --tokenizer FOLDER --out FOLDER\n",
        ),
        (
            "finetune finetune.yaml mixture.tasks=[toy_mod]",
            None,
            'TaskNotFoundError: no task, cluster or pattern of tasks: "toy_mod"\n'
            '  mend:  did you mean "toy_mood"?\n',
        ),
        (
            "finetune finetune.yaml mixture.held_out=[mood]",
            None,
            'HeldOutLeakError: the mixture holds what is held out: task "toy_mood" of cluster "mood" '
            "(its cluster is held out)\n"
            "  mend:  take it out of the mixture's tasks, or out of held_out\n",
        ),
        (
            "finetune finetune.yaml 'mixture.rates={toy_mood: 0, toy_sums: 0}'",
            None,
            "MixtureError: rates sum to 0: no task could be drawn\n  mend:  give one task a rate above 0\n",
        ),
        (
            "finetune finetune.yaml",
            empty_a_task,
            'MixtureError: task "toy_sums" has no rows in split "train"\n'
            "  mend:  take it out of the mixture, or give it more rows\n",
        ),
    ],
)
def test_a_run_on_unusable_data_ends_before_it_begins(t2t, work_dir, command, spoil, expected):
    if spoil is not None:
        spoil()
    ended = t2t(command)
    assert (ended.code, ended.out, ended.err) == (1, "", expected)
    assert not Path("run").exists()


def test_a_store_that_was_cut_off_is_told_by_its_size(t2t, work_dir):
    num_bytes = Path("corpus/tokens.bin").stat().st_size
    os.truncate("corpus/tokens.bin", 100)
    ended = t2t("pretrain pretrain.yaml")
    assert (ended.code, ended.err) == (
        1,
        f"TokenStoreError: the token store is damaged: tokens.bin has 100 bytes instead of {num_bytes}\n"
        f"  where: corpus\n{BUILD_AGAIN}",
    )


def test_a_flipped_bit_is_found_by_corpus_stats(t2t, work_dir):
    tokens = Path("corpus/tokens.bin")
    contents = bytearray(tokens.read_bytes())
    contents[10] ^= 1
    tokens.write_bytes(contents)
    ended = t2t("corpus stats corpus")
    assert (ended.code, ended.out, ended.err) == (
        1,
        "",
        "TokenStoreError: the token store is damaged: tokens.bin has another checksum\n"
        f"  where: corpus\n{BUILD_AGAIN}",
    )


def test_a_row_that_was_cut_off_is_told_by_its_line(t2t, work_dir, toy_data_root):
    (toy_data_root / "toy_sums" / "train.jsonl").write_text('{"left": 1')
    ended = t2t("finetune finetune.yaml")
    assert (ended.code, ended.err) == (
        1,
        'CorruptRowError: row is not a JSON object: {"left": 1\n'
        f"  where: {toy_data_root}/toy_sums/train.jsonl:1\n"
        "  mend:  the parser says: Expecting ',' delimiter: line 1 column 11 (char 10)\n",
    )


def test_a_store_of_another_tokenizer_is_told_by_both_digests(t2t, work_dir, toy_model_dir):
    other = train_tokenizer(TEXTS, vocab_size=384)
    save_tokenizer(other, "other")
    digests = [tokenizer_digest(load_tokenizer(name))[:12] for name in (toy_model_dir, "other")]
    ended = t2t("pretrain", "pretrain.yaml", 'model={"preset": "tiny", "tokenizer": "other"}')
    assert (ended.code, ended.err) == (
        1,
        f"TokenStoreError: the token store was built by tokenizer {digests[0]}, not by {digests[1]}\n"
        "  where: corpus\n"
        "  mend:  build it again with this tokenizer: t2t corpus build\n",
    )
