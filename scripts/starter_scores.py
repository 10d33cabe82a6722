"""Score a starter for its card: python scripts/starter_scores.py MODEL TASKS OUT.json [--limit ROWS]

MODEL is a folder, TASKS a folder that `t2t import natural-instructions` made. OUT.json gets, by group, the
summaries of `t2t.evaluate`, the official scores of Super-NaturalInstructions, and the answers to ten prompts.
A group that it has already is left out.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import t2t
from t2t.evaluation import Answer, official_scores, read_instances
from t2t.templates.library import find_task_files

GROUPS = {
    "held_out": ["rte", "cb", "anli", "copa", "winogrande", "wsc_superglue", "wic", "dpr"],
    "unseen": ["movie_reviews_mr", "yelp_review", "tweeteval_sentiment", "dbpedia14", "social_iqa"],
    "trained": [
        *["sst2", "ag_news", "trec", "mrpc", "squad_v1", "qqp", "imdb", "sst5", "subj", "snips", "atis"],
        *["tweeteval_emotion", "tweeteval_offensive", "boolq", "multirc", "commonsense_qa", "arc_easy"],
        *["openbookqa", "creak", "semeval2010_task8", "babi", "commongen", "e2e_nlg", "mit_restaurant"],
    ],
}
INSTRUCTIONS = ("definition and examples", "definition")  # templates of Super-NaturalInstructions
MAX_ANSWER = 128  # tokens, as in the official evaluation
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
    parser.add_argument("--groups", nargs="*", default=[*GROUPS, "natural_instructions", "prompts"])
    parser.add_argument("--limit", type=int, default=1000, help="rows of a task, sampled at random")
    args = parser.parse_args()
    model = t2t.load(args.model)
    scores: dict[str, Any] = json.loads(args.out.read_text()) if args.out.exists() else {}
    for group in [group for group in args.groups if group not in scores]:
        start = time.perf_counter()
        if group == "natural_instructions":
            scores[group] = score_instructions(model, args.tasks, limit=args.limit)
        elif group == "prompts":
            scores[group] = answer_prompts(model)
        else:
            evaluation = t2t.evaluate(model, GROUPS[group], limit=args.limit, allow_seen=True)
            scores[group] = [asdict(summary) for summary in evaluation.summary]
        args.out.write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{group}: {time.perf_counter() - start:.0f} s", flush=True)


def score_instructions(model: t2t.Text2Text, folder: Path, *, limit: int) -> dict[str, dict[str, float]]:
    """The official scores of the test tasks, 100 instances of each at most, by template."""
    tasks = [t2t.Task.load(path) for path in find_task_files(folder).values()]
    tasks = [task for task in tasks if "test" in task.splits()]
    scores = {}
    for template in INSTRUCTIONS:
        answers: list[Answer] = []
        t2t.evaluate(
            model,
            tasks,
            templates=[template],
            split="test",
            limit=limit,
            max_new_tokens=MAX_ANSWER,
            allow_seen=True,
            on_answer=lambda answer, _, answers=answers: answers.append(answer),
        )
        scores[template] = official(tasks, answers)
    return scores


def official(tasks: Sequence[t2t.Task], answers: Sequence[Answer]) -> dict[str, float]:
    """The official figures over the instances that were asked; how many these were, how many were cut."""
    texts = {(answer.task, answer.example_id): answer.answer for answer in answers}
    instances = [instance for instance in read_instances(tasks) if instance.key in texts]
    return {
        **official_scores(instances, texts).scores,
        "num_instances": len(instances),
        "num_shortened": sum(answer.num_dropped_demonstrations > 0 for answer in answers),
        "num_truncated": sum(answer.truncated for answer in answers),
    }


def answer_prompts(model: t2t.Text2Text) -> list[dict[str, Any]]:
    """Answers as the page gives them: ranked choices, or the likeliest text."""
    return [
        {"prompt": prompt, "choices": choices, **asdict(model(prompt, choices=choices or None))}
        for prompt, choices in PROMPTS
    ]


if __name__ == "__main__":
    main()
