"""Write prompts and targets of a run's task mixture as text, so that a tokenizer can learn their words.

python scripts/starter_texts.py scripts/starter.yaml --num-texts 40000 --out runs/starter-1/texts
"""

import argparse
from pathlib import Path

import jsonlines

import t2t

NUM_FILES = 8  # as many processes can read at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the YAML of a fine-tuning run")
    parser.add_argument("overrides", nargs="*", help="of the run, such as mixture.cap=1000")
    parser.add_argument(
        "--out", type=Path, required=True, help="new folder for texts-0.jsonl, texts-1.jsonl ..."
    )
    parser.add_argument("--num-texts", type=int, required=True)
    args = parser.parse_args()
    mixture = t2t.load_mixture(args.run, args.overrides)
    args.out.mkdir(parents=True)
    for number in range(NUM_FILES):
        with jsonlines.open(args.out / f"texts-{number}.jsonl", "w") as writer:
            for index in range(number, args.num_texts, NUM_FILES):
                example = mixture.draw(index)
                writer.write({"text": f"{example.source}\n{example.target}"})


if __name__ == "__main__":
    main()
