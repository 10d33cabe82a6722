"""Training steps per second: `t2t pretrain` against a plain loop of transformers, and a loop like nanoT5's.

python scripts/bench_training.py                              # 16 rows of 512 tokens, as T5 was pretrained
python scripts/bench_training.py --source-len 128 --batch-size 64
MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=99999999999 python scripts/bench_training.py    # see below

All train the same model (same config, same weights) in bfloat16 autocast, in turns of a few steps within one
run, so that other load on the machine weighs on all. `t2t` is the command itself, in a process that is halted
while the others work; its steps include reading the data, making batches, and writing a metrics line each.

All batches have one shape; bench_finetuning.py measures ragged ones. The other loops:

  plain     a ready batch; the model of transformers, eager; fused AdamW of torch; norm clipping
  nanot5    spans hidden row by row in numpy; the same model, eager; AdamW scaled by each tensor's RMS, one
            tensor and one operation after another; norm clipping (Nawrot 2023, arXiv:2309.02373)

On a CPU `t2t` tells the C library to keep what a step frees (see t2t.training.freed_memory); the other loops
run as they would by default, and wait for the kernel to clear their memory anew in every step. That is most
of the difference on long rows. With the environment of the third line every loop keeps its memory.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import T5Config, T5ForConditionalGeneration

import t2t

# d_model, d_ff, d_kv, heads, layers of each stack
SIZES = {
    "starter": (256, 512, 32, 8, 4),
    "small": (512, 1024, 64, 6, 8),
    "base": (768, 2048, 64, 12, 12),
}
# Tokens per segment and per target by tokens per input: 15 % hidden in spans of 3 on average.
LENGTHS = {128: (141, 29), 256: (284, 58), 512: (568, 114)}
WORDS = ["the", "river", "house", "walks", "seven", "because", "never", "early", "under", "thinks", "boat"]
T2T = [sys.executable, "-c", "from t2t.cli.main import main; main()"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="starter", choices=SIZES)
    parser.add_argument("--source-len", type=int, default=512, choices=LENGTHS)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each loop; the median step counts")
    parser.add_argument(
        "--steps", type=int, default=4, help="steps per turn, of which the first is not counted"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch, on a CPU")
    parser.add_argument("--no-compile", action="store_true", help="leave t2t uncompiled")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = t2t.load(device="cpu").tokenizer
        torch.manual_seed(0)
        build_model(args.size, len(tokenizer)).save_pretrained(Path(folder, "model"))
        tokenizer.save_pretrained(Path(folder, "model"))
        compare_pretraining(Path(folder), args, len(tokenizer))


def compare_pretraining(folder: Path, args: argparse.Namespace, vocab_size: int) -> None:
    """Print milliseconds a step and tokens per second of each loop: medians of single steps."""
    loops = {
        "plain": plain_loop(folder, args.batch_size, args.source_len),
        "nanot5": nanot5_loop(folder, args.batch_size, args.source_len, vocab_size),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ("t2t", *loops)}
    # three steps of warm-up: it is compiled by then
    with OurLoop("pretrain", pretrain_values(folder, args), folder, args, warmup=3) as ours:
        for _ in range(args.rounds):
            seconds["t2t"] += ours.run(args.steps)[1:]  # the first step was begun before the halt
            for name, step in loops.items():
                seconds[name] += [timed(step) for _ in range(args.steps)][1:]
    num_tokens = args.batch_size * (args.source_len + LENGTHS[args.source_len][1])
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{args.threads} CPU threads"
    print(f"{args.size}, bfloat16, {device}; medians")
    print(f"pretraining, {args.batch_size} rows of {args.source_len} tokens")
    print_rates({name: num_tokens / median(values) for name, values in seconds.items()})


def print_rates(rates: dict[str, float]) -> None:
    for name, rate in rates.items():
        ratio = f"t2t is {rates['t2t'] / rate:.2f} times as fast" if name != "t2t" else ""
        print(f"  {name:8} {rate:8.0f} tokens/s   {ratio}")


def build_model(size: str, vocab_size: int) -> T5ForConditionalGeneration:
    """A T5 v1.1 without dropout, as pretraining wants it."""
    d_model, d_ff, d_kv, num_heads, num_layers = SIZES[size]
    config = T5Config(
        d_model=d_model,
        d_ff=d_ff,
        d_kv=d_kv,
        num_heads=num_heads,
        num_layers=num_layers,
        num_decoder_layers=num_layers,
        vocab_size=vocab_size,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
    )
    return T5ForConditionalGeneration(config)


def pretrain_values(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """What a run on a corpus of random words needs beside `training`; the corpus is built here."""
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=200)) for _ in range(3000)]
    write_jsonl(folder / "texts.jsonl", [{"text": text} for text in texts])
    build = ["corpus", "build", str(folder / "texts.jsonl")]
    places = ["--tokenizer", str(folder / "model"), "--out", str(folder / "corpus")]
    subprocess.run([*T2T, *build, *places], check=True, stdout=subprocess.DEVNULL)
    return {"data": {"train": str(folder / "corpus")}, "objective": {"max_source_len": args.source_len}}


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class OurLoop:
    """`t2t pretrain` or `t2t finetune` in a process of its own, halted but for its turns."""

    def __init__(
        self, command: str, values: dict[str, Any], folder: Path, args: argparse.Namespace, *, warmup: int
    ) -> None:
        values = values | {
            "run_dir": str(folder / command),
            "model": {"init_from": str(folder / "model")},
            "training": {
                "num_steps": 10**6,
                "batch_size": args.batch_size,
                "dtype": "bfloat16",
                "compile": not args.no_compile,
                "log_every": 1,
                "checkpoint_every": 10**6,
                "num_threads": args.threads,
            },
        }
        (folder / f"{command}.yaml").write_text(json.dumps(values))
        self._warmup = warmup
        self._process = subprocess.Popen(
            [*T2T, command, str(folder / f"{command}.yaml")], stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "OurLoop":
        self.run(self._warmup)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, num_steps: int) -> list[float]:
        """Seconds of each step."""
        self._process.send_signal(signal.SIGCONT)
        times = [time.perf_counter(), *(self._next_line() for _ in range(num_steps))]
        self._process.send_signal(signal.SIGSTOP)
        return [later - earlier for earlier, later in pairwise(times)]

    def _next_line(self) -> float:
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("step "):
            raise SystemExit("t2t ended early")
        return time.perf_counter()


def plain_loop(folder: Path, batch_size: int, source_len: int) -> Callable[[], None]:
    """One step of the loop that most people write: nothing of it is slow on purpose."""
    train, device = plain_step(folder)
    _, target_len = LENGTHS[source_len]
    batch = {
        "input_ids": torch.randint(100, 1000, (batch_size, source_len), device=device),
        "attention_mask": torch.ones(batch_size, source_len, dtype=torch.long, device=device),
        "labels": torch.randint(100, 1000, (batch_size, target_len), device=device),
    }
    return lambda: train(batch)


def plain_step(folder: Path) -> tuple[Callable[[dict[str, torch.Tensor]], None], torch.device]:
    """What trains a new model on one batch, and where."""
    model, device = load_for_training(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step(batch: dict[str, torch.Tensor]) -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()

    return step, device


def nanot5_loop(folder: Path, batch_size: int, source_len: int, vocab_size: int) -> Callable[[], None]:
    """One step with a collator that works row by row, and an optimizer that works tensor by tensor."""
    model, device = load_for_training(folder)
    raw_len, target_len = LENGTHS[source_len]
    rng = np.random.default_rng(0)
    moments = {param: (torch.zeros_like(param), torch.zeros_like(param)) for param in model.parameters()}

    def hide_spans(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        num_noise = round(raw_len * 0.15)
        num_spans = round(num_noise / 3)
        cuts = [
            np.diff([0, *np.sort(rng.choice(np.arange(1, total), num_spans - 1, replace=False)), total])
            for total in (raw_len - num_noise, num_noise)
        ]
        lengths = np.stack(cuts, axis=1).reshape(-1)  # kept, hidden, kept, hidden, ...
        is_noise = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        starts = np.diff(is_noise.astype(int), prepend=0)
        sides = []
        for hidden, edge in ((is_noise, 1), (~is_noise, -1)):
            is_start = starts == edge
            is_start[0] |= hidden[0]
            marked = np.where(is_start, vocab_size - np.cumsum(is_start), tokens)
            sides.append(np.append(marked[~hidden | is_start], 1))
        return sides[0], sides[1]

    def collate() -> tuple[torch.Tensor, torch.Tensor]:
        pairs = [hide_spans(row) for row in rng.integers(100, 1000, size=(batch_size, raw_len))]
        sources, targets = (np.stack(side) for side in zip(*pairs, strict=True))
        return torch.from_numpy(sources[:, :source_len]), torch.from_numpy(targets[:, :target_len])

    @torch.no_grad()
    def update(lr: float, beta1: float = 0.9, beta2: float = 0.999) -> None:
        for param, (moment, moment_sq) in moments.items():
            moment.mul_(beta1).add_(param.grad, alpha=1 - beta1)
            moment_sq.mul_(beta2).addcmul_(param.grad, param.grad, value=1 - beta2)
            size = max(1e-3, (param.norm(2) / param.numel() ** 0.5).item())
            param.addcdiv_(moment, moment_sq.sqrt().add_(1e-6), value=-lr * size)

    def step() -> None:
        input_ids, labels = (tensor.to(device) for tensor in collate())
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(input_ids=input_ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        update(1e-4)
        model.zero_grad()
        loss.item()

    return step


def load_for_training(folder: Path) -> tuple[T5ForConditionalGeneration, torch.device]:
    """The model with the attention that transformers wrote out for it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = T5ForConditionalGeneration.from_pretrained(folder / "model", attn_implementation="eager")
    return model.to(device).train(), device


def timed(step: Callable[[], None]) -> float:
    """Seconds of a step, which ends by reading its loss: the device is done."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
