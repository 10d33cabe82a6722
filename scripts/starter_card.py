"""Write figures into a model card: python scripts/starter_card.py t2t/starter/MODEL_CARD.md runs/starter-1

The second argument is the folder that scripts/starter.sh works in. Only what stands between the lines
`<!-- begin NAME -->` and `<!-- end NAME -->` is written; everything else in the card is prose. The runs for
comparison, which come last in that script, may still be missing or under way.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import t2t

RUNS = (
    *("train-recall", "pretrain", "pretrain-copying", "train-tasks", "train-more"),  # the starter
    *("train-sni", "train-sni-more", "train-sni-last"),  # for comparison, and from there:
    *("train-sni-a", "train-sni-b", "train-sni-c"),
)
MADE = {  # tasks that scripts here make
    "recall": "recall/recall.yaml",
    "rules": "rules/rules.yaml",
    "symbols": "symbols/symbols.yaml",
}
Summary = dict[str, Any]  # an evaluation's TaskSummary

# In per cent, as published.
T0_3B = {  # zero-shot accuracy, mean over its own templates: Sanh et al. 2022, arXiv:2110.08207
    ("rte", "accuracy"): 64.6,
    ("cb", "accuracy"): 45.4,
    ("anli", "accuracy"): 33.4,
    ("copa", "accuracy"): 75.9,
    ("task296_storycloze_correct_end_classification", "exact_match"): 84.0,  # of ranked endings
    ("winogrande", "accuracy"): 51.0,
    ("wsc_superglue", "accuracy"): 65.1,
    ("wic", "accuracy"): 50.7,
}
T5_SMALL = {  # fine-tuned on each task: Raffel et al. 2020, arXiv:1910.10683, table 14
    ("sst2", "accuracy"): 91.8,
    ("mrpc", "accuracy"): 86.6,
    ("qqp", "accuracy"): 88.0,
    ("boolq", "accuracy"): 76.4,
    ("squad_v1", "exact_match"): 79.1,
    ("squad_v1", "squad_f1"): 87.2,
}

# Test categories of Super-NaturalInstructions with relatives among the starter's other training tasks.
TOUCHED = {
    "answerability classification": "multirc",
    "data to text": "commongen, e2e_nlg",
    "grammar error correction": "rules",  # two of these take a wrong word out of a sentence
    "question rewriting": "qqp",
    "word analogy": "instruction_induction",
}
COUNTS = {
    "num_instances": "instances",
    "num_shortened": "sources that lost demonstrations",
    "num_truncated": "sources that lost their end",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("card", type=Path)
    parser.add_argument("run", type=Path, help="the folder that scripts/starter.sh works in")
    args = parser.parse_args()
    scores = read_json(args.run / "scores.json")
    instructions = {"the starter": scores["natural_instructions"]}
    if (args.run / "scores-sni.json").exists():
        instructions["the same corpus, then these tasks and what is made of them"] = read_json(
            args.run / "scores-sni.json"
        )["natural_instructions"]
    ended = [args.run / name for name in RUNS if (args.run / name / "model").exists()]
    sections = {
        "training": training_table(ended),
        "data": data_table(read_json(args.card.parent / "training.json")["tasks"], args.run),
        "trained": trained_table(scores["trained"]),
        "unseen": score_table(scores["unseen"]),
        "held_out": held_out_table([*scores["held_out"], *scores["stories"]]),
        "natural_instructions": instruction_table(instructions),
        "prompts": prompt_table(scores["prompts"]),
    }
    text = args.card.read_text(encoding="utf-8")
    for name, lines in sections.items():
        text = with_section(text, name, lines)
    args.card.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def with_section(card: str, name: str, lines: Iterable[str]) -> str:
    """The card with new lines between the marks of one section.

    Raises: ValueError where the card has no such marks.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(card):
        raise ValueError(f"the card has no lines {begin.strip()} and {end}")
    return pattern.sub(lambda _: begin + "".join(f"{line}\n" for line in lines) + end, card)


def training_table(runs: Sequence[Path]) -> list[str]:
    """What each run made and took, from its `run.json` and `metrics.jsonl`."""
    return table(
        ["run", "steps", "examples", "tokens, about", "minutes", "validation loss", "of"],
        [training_cells(run) for run in runs],
    )


def training_cells(run: Path) -> list[str]:
    facts = read_json(run / "run.json")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if "seconds" in line]
    last = steps[-1]
    losses = [
        f"{line['validation_loss']:.2f} at {line['step']:,}" for line in lines if "validation_loss" in line
    ]
    return [
        run.name,
        f"{last['step']:,}",
        f"{last['step'] * facts['config']['training']['batch_size']:,}",
        f"{num_tokens(steps) / 1e6:.1f} M",
        f"{last['seconds'] / 60:.0f}",
        ", ".join(losses) or "-",
        "denoising" if facts["kind"] == "PretrainConfig" else "tasks",
    ]


def data_table(names: Iterable[str], run: Path) -> list[str]:
    """Tasks by licence; those neither shipped nor made are of Super-NaturalInstructions."""
    paths = t2t.find_task_files() | {name: run / path for name, path in MADE.items()}
    by_licence: dict[str, list[str]] = {}
    num_instructions = 0
    for name in names:
        if name in paths:
            by_licence.setdefault(t2t.Task.load(paths[name]).file.source.licence or "not stated", []).append(
                name
            )
        else:
            num_instructions += 1
    rows = [[licence, ", ".join(tasks)] for licence, tasks in sorted(by_licence.items())]
    collection = f"{num_instructions} training tasks of Super-NaturalInstructions"
    return table(
        ["licence, as the source states it", "tasks"], [*rows, ["Apache-2.0 (the collection)", collection]]
    )


def num_tokens(steps: Sequence[dict[str, Any]]) -> float:
    """Tokens of all steps, from the log's rates: a little too many, since validation takes time too."""
    before = [0.0, *(line["seconds"] for line in steps)]
    return sum(
        line["tokens_rate"] * (line["seconds"] - start) for line, start in zip(steps, before, strict=False)
    )


def score_table(
    summaries: Sequence[Summary],
    *,
    head: Sequence[str] = (),
    extra: Callable[[Summary], Sequence[str]] = lambda _: (),
) -> list[str]:
    """One row for each task and metric; `extra` makes further cells, under `head`, of a summary."""
    columns = ["task", "metric", "mean", "median", "worst", "best", "majority", "chance", "rows x templates"]
    return table(
        [*columns, *head],
        [[*score_cells(summary), *extra(summary)] for summary in summaries],
    )


def score_cells(summary: Summary) -> list[str]:
    chance = "-" if summary["chance"] is None else f"{summary['chance']:.1f}"
    return [
        *(summary["task"], summary["metric"], f"{summary['mean']:.1f} ± {summary['stderr']:.1f}"),
        *(f"{summary[key]:.1f}" for key in ("median", "worst", "best", "majority")),
        chance,
        f"{summary['num_examples']} {summary['split']} x {summary['num_templates']}"
        + (f", {summary['num_truncated']} sources cut" if summary["num_truncated"] else ""),
    ]


def trained_table(summaries: Sequence[Summary]) -> list[str]:
    return score_table(
        summaries,
        head=["T5-small"],
        extra=lambda summary: [published(T5_SMALL.get((summary["task"], summary["metric"])))],
    )


def held_out_table(summaries: Sequence[Summary]) -> list[str]:
    def beside(summary: Summary) -> list[str]:
        theirs = T0_3B.get((summary["task"], summary["metric"]))
        if theirs is None or summary["metric"] != "accuracy":  # a letter written is no ranked ending
            return [published(theirs), "-"]
        return [published(theirs), f"{summary['mean'] - theirs:+.1f}"]

    return score_table(summaries, head=["T0-3B", "difference"], extra=beside)


def published(score: float | None) -> str:
    return "-" if score is None else f"{score:.1f}"


def instruction_table(models: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """ROUGE-L and exact match over all instances, then ROUGE-L by category; a column a model and template.

    A star marks the categories of `TOUCHED`.
    """
    columns = [
        (f"{name}, {template}", figures)
        for name, scores in models.items()
        for template, figures in scores.items()
    ]
    first = columns[0][1]
    categories = sorted(
        key for key in first if key.startswith("rougeL_for_") and not re.match(r"rougeL_for_task\d", key)
    )
    keys = ["rougeL_default_track", "exact_match_default_track", *categories]
    titles = ["ROUGE-L", "exact match", *(title_of(key) for key in categories)]
    return table(
        ["", *(name for name, _ in columns)],
        [
            [title, *(f"{figures[key]:.1f}" for _, figures in columns)]
            for title, key in zip(titles, keys, strict=True)
        ]
        + [[title, *(f"{figures[key]:,}" for _, figures in columns)] for key, title in COUNTS.items()],
    )


def title_of(key: str) -> str:
    """rougeL_for_word_analogy_default_track -> word analogy"""
    title = key.removeprefix("rougeL_for_").removesuffix("_default_track").replace("_", " ")
    return f"{title} * ({TOUCHED[title]})" if title in TOUCHED else title


def prompt_table(answers: Sequence[dict[str, Any]]) -> list[str]:
    return table(["prompt", "choices", "answer"], [prompt_cells(answer) for answer in answers])


def prompt_cells(answer: dict[str, Any]) -> list[str]:
    text = answer["text"]
    if answer["probabilities"]:
        text += f", {100 * max(answer['probabilities']):.0f} %"
    prompt = " / ".join(f"`{line}`" for line in answer["prompt"].splitlines() if line)
    return [prompt, ", ".join(answer["choices"] or ["-"]), text]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in cells
    ]


if __name__ == "__main__":
    main()
