"""How much faster ranking is than one full forward pass per (source, choice), on the same batches of sources.

python scripts/bench_ranking.py                        # the starter
python scripts/bench_ranking.py --model google/flan-t5-small --num-choices 4
"""

import argparse
import random
import time
from collections.abc import Callable
from typing import TypeVar

import torch

import t2t

T = TypeVar("T")

CHOICES = ["location", "person", "number", "description", "abbreviation", "entity", "neither", "not sure"]
WORDS = [
    "the",
    "river",
    "house",
    "walks",
    "seven",
    "because",
    "never",
    "early",
    "under",
    "thinks",
    "and",
    "to",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", help="folder or Hub id; the starter if left out")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--num-sources", type=int, default=64)
    parser.add_argument("--max-words", type=int, default=120, help="words of a source, at most")
    parser.add_argument("--num-choices", type=int, default=6, choices=range(1, len(CHOICES) + 1))
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    args = parser.parse_args()

    model = t2t.load(args.model, device=args.device)
    rng = random.Random(0)
    sources = [
        " ".join(rng.choices(WORDS, k=rng.randint(5, args.max_words))) for _ in range(args.num_sources)
    ]
    choices = CHOICES[: args.num_choices]

    slow, fast = [], []
    for _ in range(
        args.repeats + 1
    ):  # in turn, so that other load on the machine weighs on both; one to warm up
        seconds, expected = timed(lambda: rank_naively(model, sources, choices))
        slow.append(seconds)
        seconds, predictions = timed(lambda: model.rank(sources, choices))
        fast.append(seconds)
    found = [prediction.logprobs for prediction in predictions]
    naive, ranked = min(slow[1:]), min(fast[1:])
    difference = (torch.tensor(expected) - torch.tensor(found)).abs().max().item()
    num_parameters = sum(weights.numel() for weights in model.model.parameters())
    print(f"{model.name}: {num_parameters / 1e6:.1f}M parameters, {model.model.dtype}, {model.model.device}")
    print(f"{args.num_sources} sources x {args.num_choices} choices; fastest of {args.repeats}")
    print(f"one forward per source and choice  {naive:8.3f} s")
    print(f"rank                               {ranked:8.3f} s   {naive / ranked:.2f} times as fast")
    print(f"largest difference of a score      {difference:8.1e} nats")


@torch.inference_mode()
def rank_naively(
    model: t2t.Text2Text, sources: list[str], choices: list[str], batch_size: int = 64
) -> list[list[float]]:
    """Encoder and decoder over every source once per choice; sources of like lengths share a batch."""
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    scores: list[list[float]] = [[] for _ in sources]
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs = model.tokenizer([sources[row] for row in rows], padding=True, return_tensors="pt")
        inputs = inputs.to(model.model.device)
        for choice in choices:
            ids = model.tokenizer(text_target=choice, return_tensors="pt").input_ids.to(model.model.device)
            labels = ids.repeat(len(rows), 1)
            logits = model.model(
                input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, labels=labels
            ).logits
            logprobs = logits.float().log_softmax(-1).gather(-1, labels[..., None]).squeeze(-1).sum(-1)
            for row, score in zip(rows, logprobs.tolist(), strict=True):
                scores[row].append(score)
    return scores


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """The seconds a call takes, and its result. Both ways end in numbers on the CPU: the device is done."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
