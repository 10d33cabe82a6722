"""Score a starter for its card: python scripts/starter_scores.py MODEL TASKS OUT.json [--limit ROWS]

MODEL is a folder, TASKS a folder that `t2t import natural-instructions` made. OUT.json gets, by group, the
summaries of `t2t.evaluate`, the official scores of Super-NaturalInstructions, and the answers to ten prompts.
Groups that it has already of these weights and this limit are left out.
"""

import argparse
import hashlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import t2t

GROUPS = {
    "held_out": ["rte", "cb", "anli", "copa", "winogrande", "wsc_superglue", "wic", "dpr"],
    "unseen": ["yelp_review", "tweeteval_sentiment", "dbpedia14", "social_iqa", "wnut17"],
    "trained": [
        *["sst2", "ag_news", "trec", "mrpc", "squad_v1", "qqp", "imdb", "subj", "snips", "tweeteval_emotion"],
        *["boolq", "commonsense_qa", "arc_easy", "openbookqa", "creak", "semeval2010_task8"],
        *["commongen", "e2e_nlg", "mit_restaurant"],
    ],
}
STORIES = "task296_storycloze_correct_end_classification"  # of Super-NaturalInstructions, held out by name
TEMPLATES = ("definition and examples", "definition")  # templates of Super-NaturalInstructions
MAX_NEW_TOKENS = 128  # tokens, as in the official evaluation
PROMPTS: list[tuple[str, list[str]]] = [
    ("Review: A warm, funny film with a superb cast.\nSentiment:", ["negative", "positive"]),
    ("Review: Not a single joke works.\nSentiment:", ["negative", "positive"]),
    ("Which section of a newspaper would print this?\nThe striker scored twice in the final.",
     ["world", "sports", "business", "technology"]),
    ("Is this message angry, happy or sad?\nThey cancelled my flight again and nobody answers the phone!",
     ["angry", "happy", "sad"]),
    ("The cat is on the mat. Is the cat on the mat?", ["yes", "no"]),
    ("Do these two sentences mean the same?\nThe shop opens at nine.\nAt nine it opens.", ["yes", "no"]),
    ("Context: The lamp burned whale oil until 1902.\nQuestion: What did the lamp burn?\nAnswer:", []),
    ("What is the capital of France?", []),
    ("Write a sentence with these words: dog, ball, park", []),
    ("Word: hot\nOpposite: cold\n\nWord: big\nOpposite: small\n\nWord: early\nOpposite:", []),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("tasks", type=Path, help="Super-NaturalInstructions as tasks of t2t")
    parser.add_argument("out", type=Path)
    groups = [*GROUPS, "stories", "natural_instructions", "prompts"]
    parser.add_argument("--groups", nargs="+", default=groups, choices=groups)
    parser.add_argument("--limit", type=int, default=300, help="rows of a task, sampled at random")
    args = parser.parse_args()
    model = t2t.load(args.model)
    asked = {"weights": digest(args.model / "model.safetensors"), "limit": args.limit}
    scores = read_scores(args.out, asked)
    for group in [group for group in args.groups if group not in scores]:
        start = time.perf_counter()
        if group == "natural_instructions":
            scores[group] = score_instructions(model, args.tasks, limit=args.limit)
        elif group == "stories":
            scores[group] = score_stories(model, args.tasks, limit=args.limit)
        elif group == "prompts":
            scores[group] = answer_prompts(model)
        else:
            is_trained = group == "trained"
            evaluation = t2t.evaluate(model, GROUPS[group], limit=args.limit, allow_seen=is_trained)
            scores[group] = [asdict(summary) for summary in evaluation.summary]
        write_scores(args.out, scores)
        print(f"{group}: {time.perf_counter() - start:.0f} s", flush=True)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_scores(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What the file has of the same weights and limit."""
    scores = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return scores if asked.items() <= scores.items() else asked


def write_scores(path: Path, scores: dict[str, Any]) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, path)


def score_stories(model: t2t.Text2Text, folder: Path, *, limit: int) -> list[dict[str, Any]]:
    """The summary of exact match: the letter of a story's right ending, written, by the definition alone."""
    task = t2t.Task.load(t2t.find_task_files(folder)[STORIES])
    evaluation = t2t.evaluate(model, [task], templates=["definition"], split="train", limit=limit)
    return [asdict(summary) for summary in evaluation.summary if summary.metric == "exact_match"]


def score_instructions(model: t2t.Text2Text, folder: Path, *, limit: int) -> dict[str, dict[str, float]]:
    """The official scores of the test tasks, 100 instances of each at most, by template."""
    tasks = [t2t.Task.load(path) for path in t2t.find_task_files(folder).values()]
    tasks = [task for task in tasks if "test" in task.splits()]
    instances = t2t.read_instances(tasks)
    scores = {}
    for template in TEMPLATES:
        texts: dict[tuple[str, str], str] = {}
        evaluation = t2t.evaluate(
            model,
            tasks,
            templates=[template],
            split="test",
            limit=limit,
            max_new_tokens=MAX_NEW_TOKENS,
            on_answer=lambda answer, _, texts=texts: texts.update(
                {(answer.task, answer.example_id): answer.answer}
            ),
        )
        asked = [instance for instance in instances if instance.key in texts]
        summaries = [summary for summary in evaluation.summary if summary.metric == "rouge_l"]
        scores[template] = {
            **t2t.official_scores(asked, texts).scores,
            "num_instances": len(asked),
            "num_shortened": sum(summary.num_shortened for summary in summaries),
            "num_truncated": sum(summary.num_truncated for summary in summaries),
        }
    return scores


def answer_prompts(model: t2t.Text2Text) -> list[dict[str, Any]]:
    """Answers as the page gives them: ranked choices, or the likeliest text."""
    return [
        {"prompt": prompt, **asdict(model(prompt, choices=choices or None))} for prompt, choices in PROMPTS
    ]


if __name__ == "__main__":
    main()
