"""Fine-tuning on rows of ragged length: `t2t finetune` against a plain loop of transformers.

python scripts/bench_finetuning.py                # batches of 16 rows, the starter's size

Sources have 5 to 500 words (lognormal, 100 in the middle), targets 2 to 60. Both loops train the same model
(same config, same weights) in bfloat16 autocast, in turns of one pass through the rows. The rate counts
tokens without padding.

  t2t       the command itself, in a process that is halted while the other works: it renders, tokenizes,
            batches rows of like length, and writes a metrics line each step
  plain     rows tokenized beforehand, in random batches, each padded to its longest row; the model of
            transformers, eager; fused AdamW of torch; norm clipping

What is said of memory in bench_training.py holds here too.
"""

import argparse
import json
import math
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from bench_training import (
    SIZES,
    WORDS,
    OurLoop,
    build_model,
    plain_step,
    print_rates,
    timed,
    write_jsonl,
)
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer

import t2t

NUM_WINDOW = 16  # batches that t2t sorts together, and that hold every row once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="starter", choices=SIZES)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3, help="passes of each loop; the median counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch, on a CPU")
    parser.add_argument("--no-compile", action="store_true", help="leave t2t uncompiled")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = t2t.load(device="cpu").tokenizer
        torch.manual_seed(0)
        build_model(args.size, len(tokenizer)).save_pretrained(Path(folder, "model"))
        tokenizer.save_pretrained(Path(folder, "model"))
        compare_finetuning(Path(folder), args)


def compare_finetuning(folder: Path, args: argparse.Namespace) -> None:
    """Print tokens per second without padding: medians of passes through the rows."""
    rows = write_rows(folder / "data" / "ragged", NUM_WINDOW * args.batch_size)
    plain, num_tokens = plain_finetuning(folder, rows, args.batch_size)
    seconds: dict[str, list[float]] = {"t2t": [], "plain": []}
    # a whole window of warm-up: every length of the rows has occurred by then
    with OurLoop("finetune", finetune_values(folder), folder, args, warmup=NUM_WINDOW) as ours:
        for _ in range(args.rounds):
            seconds["t2t"].append(sum(ours.run(NUM_WINDOW)))
            seconds["plain"].append(timed(plain))
    print(f"fine-tuning, {args.batch_size} rows of {num_tokens / len(rows):.0f} tokens on average")
    print_rates({name: num_tokens / median(values) for name, values in seconds.items()})


def finetune_values(folder: Path) -> dict[str, Any]:
    """What a run on the rows of `write_rows` needs beside `training`."""
    task = {
        "task": "ragged",
        "cluster": "bench",
        "description": "Words to words.",
        "dataset": {"local": "ragged", "splits": {"train": "train"}},
        "metrics": ["exact_match"],
        "templates": [{"name": "words", "source": "{{source}}", "target": "{{target}}"}],
        "examples": [{"source": "river", "target": "boat"}],
    }
    (folder / "ragged.yaml").write_text(json.dumps(task))
    mixture = {"tasks": [str(folder / "ragged.yaml")], "data_root": str(folder / "data")}
    return {"mixture": mixture, "bucketing": {"window": NUM_WINDOW}}


def write_rows(folder: Path, num_rows: int) -> list[dict[str, str]]:
    """Rows of ragged length in `train.jsonl`, and the rows."""
    rng = random.Random(0)
    lengths = [
        (min(500, max(5, round(rng.lognormvariate(math.log(100), 0.6)))), rng.randint(2, 60))
        for _ in range(num_rows)
    ]
    rows = [
        {"source": " ".join(rng.choices(WORDS, k=source)), "target": " ".join(rng.choices(WORDS, k=target))}
        for source, target in lengths
    ]
    folder.mkdir(parents=True)
    write_jsonl(folder / "train.jsonl", rows)
    return rows


def plain_finetuning(
    folder: Path, rows: list[dict[str, str]], batch_size: int
) -> tuple[Callable[[], None], int]:
    """A pass through the rows in random batches padded to their longest, and the tokens in it."""
    train, device = plain_step(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    sources, targets = (
        [torch.tensor(ids) for ids in tokenizer([row[side] for row in rows]).input_ids]
        for side in ("source", "target")
    )
    generator = torch.Generator().manual_seed(0)

    def epoch() -> None:
        for chosen in torch.randperm(len(rows), generator=generator).split(batch_size):
            input_ids = pad_sequence([sources[row] for row in chosen], batch_first=True, padding_value=-1)
            labels = pad_sequence([targets[row] for row in chosen], batch_first=True, padding_value=-100)
            batch = {
                "input_ids": input_ids.where(input_ids >= 0, tokenizer.pad_token_id),
                "attention_mask": (input_ids >= 0).long(),
                "labels": labels,
            }
            train({name: tensor.to(device) for name, tensor in batch.items()})

    return epoch, sum(map(len, sources)) + sum(map(len, targets))


if __name__ == "__main__":
    main()
