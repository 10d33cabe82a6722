"""Write prompts and targets of a run's task mixture as text, so that a tokenizer can learn their words.

python scripts/starter_texts.py scripts/starter.yaml runs/starter/texts --tasks-dir TASKS
"""

import argparse
from pathlib import Path

import jsonlines

from t2t.config import FinetuneConfig, load_config
from t2t.training.chosen_tasks import build_mixture, choose_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the YAML of a fine-tuning run")
    parser.add_argument("out", type=Path, help="folder for texts-0.jsonl, texts-1.jsonl ...")
    parser.add_argument("overrides", nargs="*", help="of the run, such as mixture.cap=1000")
    parser.add_argument("--num-texts", type=int, default=40_000)
    parser.add_argument("--num-files", type=int, default=8, help="as many processes can read")
    args = parser.parse_args()
    config, _ = load_config(FinetuneConfig, args.run, args.overrides)
    mixture = build_mixture(choose_tasks(config.mixture), config.mixture, split="train", seed=config.seed)
    unfinished = args.out.with_name(args.out.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    for number in range(args.num_files):
        with jsonlines.open(unfinished / f"texts-{number}.jsonl", "w") as writer:
            for index in range(number, args.num_texts, args.num_files):
                example = mixture.draw(index)
                writer.write({"text": f"{example.source}\n{example.target}"})
    unfinished.rename(args.out)


if __name__ == "__main__":
    main()
