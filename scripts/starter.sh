#!/usr/bin/env bash
# Rebuilds the starter model from text and task data, to the tables of its card.
#   CORPUS=folder of *.jsonl.xz files with a "text" field, among them validation.jsonl.xz
#   T2T_DATA=folder of task data, <task>/train.jsonl.gz and so on
#   NATURAL_INSTRUCTIONS=folder of Super-NaturalInstructions, as t2t import natural-instructions reads it
# A step whose result is in runs/starter-1/ is left out, and a run that was interrupted goes on: call it again at
# any time, but remove that folder after a change of the recipe, with which nothing there is compared. About
# thirteen hours on two CPU cores.
#
# SMOKE=folder goes through the same steps with a tiny model in two minutes: it works in that folder, which is
# a new one or that of an earlier smoke run, writes model and card there, and leaves t2t/starter/ alone.
set -euo pipefail
: "${CORPUS:?set CORPUS to the folder of corpus files}" "${T2T_DATA:?set T2T_DATA to the folder of task data}"
: "${NATURAL_INSTRUCTIONS:?set NATURAL_INSTRUCTIONS to the folder of Super-NaturalInstructions}"
CORPUS="$(cd "$CORPUS" && pwd)"
T2T_DATA="$(cd "$T2T_DATA" && pwd)"
NATURAL_INSTRUCTIONS="$(cd "$NATURAL_INSTRUCTIONS" && pwd)"
export T2T_DATA
unset T2T_TASKS            # tasks of one's own stay out of it
if [[ -n "${SMOKE:-}" ]]; then
    if [[ -e "$SMOKE" && ! -e "$SMOKE/.smoke" ]]; then
        echo "$SMOKE exists, and is no smoke run: name a new folder" >&2
        exit 1
    fi
    mkdir -p "$SMOKE"
    touch "$SMOKE/.smoke"
    SMOKE="$(cd "$SMOKE" && pwd)"
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

run=runs/starter-1
starter=t2t/starter
preset=starter
vocab_size=8192
num_texts=40000
num_recall=50000
num_symbols=20000
num_rules=30000
num_examples=60000
limit=300                  # rows of a task that are scored
smoke=()
if [[ -n "${SMOKE:-}" ]]; then
    run="$SMOKE"
    starter="$run/starter"
    preset=tiny
    vocab_size=512
    num_texts=200
    num_recall=20
    num_symbols=20
    num_rules=20
    num_examples=20
    limit=1
    smoke=(training.num_steps=2 training.batch_size=2 training.compile=false)
    smoke+=(training.eval_every=2 training.num_eval_batches=1)
fi
tasks_dirs="mixture.tasks_dirs=[$run/natural_instructions,$run/recall,$run/symbols,$run/rules]"
sni_dirs="mixture.tasks_dirs=[$run/natural_instructions,$run/symbols,$run/rules]"
example_dirs="mixture.tasks_dirs=[$run/natural_instructions,$run/symbols,$run/rules,$run/examples]"
bash scripts/install.sh
t2t=.venv/bin/t2t
python=.venv/bin/python

# A run, begun or gone on with: train pretrain|finetune FOLDER CONFIG OVERRIDES
train() {
    local command="$1" folder="$2" config="$3"
    shift 3
    [[ -d "$folder/model" ]] || $t2t "$command" "$config" "run_dir=$folder" "$@" ${smoke[@]+"${smoke[@]}"} \
        $([[ -f "$folder/run.json" ]] && echo --resume)
}

# A folder that a command makes with --out: never there by half, and left as it is once it is there.
make_folder() {
    local folder="$1"
    shift
    [[ -d "$folder" ]] && return
    rm -rf "$folder.part"
    "$@" --out "$folder.part"
    mv "$folder.part" "$folder"
}

# score MODEL FILE OPTIONS
score() {
    $python scripts/starter_scores.py "$1" "$run/natural_instructions" "$2" --limit "$limit" "${@:3}"
}

train_files=()
for file in "$CORPUS"/*.jsonl.xz; do
    [[ "$(basename "$file")" == validation.jsonl.xz ]] || train_files+=("$file")
done

mkdir -p "$run"
make_folder "$run/natural_instructions" $t2t import natural-instructions "$NATURAL_INSTRUCTIONS"
make_folder "$run/recall" $python scripts/starter_recall.py "$CORPUS/validation.jsonl.xz" --num-rows "$num_recall"
make_folder "$run/symbols" $python scripts/starter_symbols.py "$CORPUS/validation.jsonl.xz" \
    "$run/natural_instructions" scripts/starter.yaml --num-rows "$num_symbols"
make_folder "$run/rules" $python scripts/starter_rules.py "$CORPUS/validation.jsonl.xz" --num-rows "$num_rules"
make_folder "$run/texts" $python scripts/starter_texts.py scripts/starter.yaml "$tasks_dirs" --num-texts "$num_texts"
make_folder "$run/tokenizer" $t2t tokenizer train "${train_files[@]}" "$run"/texts/*.jsonl --vocab-size "$vocab_size"
[[ -d "$run/corpus" ]] ||
    $t2t corpus build "${train_files[@]}" --tokenizer "$run/tokenizer" --out "$run/corpus"
[[ -d "$run/corpus-validation" ]] ||
    $t2t corpus build "$CORPUS/validation.jsonl.xz" --tokenizer "$run/tokenizer" --out "$run/corpus-validation"

# The starter: it learns to find and to copy, then a corpus, in part to be copied, then tasks and that corpus.
train finetune "$run/train-recall" scripts/starter_recall.yaml "model.preset=$preset" \
    "model.tokenizer=$run/tokenizer" "mixture.tasks_dirs=[$run/recall]"
corpora=("data.train=$run/corpus" "data.validation=$run/corpus-validation")
train pretrain "$run/pretrain" scripts/starter_pretrain.yaml "model.init_from=$run/train-recall/model" "${corpora[@]}"
train pretrain "$run/pretrain-copying" scripts/starter_copying.yaml "model.init_from=$run/pretrain/model" \
    "${corpora[@]}"
train finetune "$run/train-tasks" scripts/starter.yaml "model.init_from=$run/pretrain-copying/model" "$tasks_dirs" \
    "denoising.data=$run/corpus"
# The same from a lower rate, with other draws and more of what it had learnt least: reviews and kinds of questions.
weights="sst2: 36, imdb: 10, amazon_review: 8, mpqa_polarity: 4, sst5: 3, goemotions: 5, tweeteval_emotion: 6"
weights+=", ag_news: 24, newsgroups20: 0.5, trec: 18, snips: 4, banking77: 4, clinc150: 4, mrpc: 5, qqp: 8"
weights+=", squad_v1: 28, commongen: 4, e2e_nlg: 4, instruction_induction: 3, rules: 14, symbols: 16"
weights+=", natural_instructions: 2.3"
train finetune "$run/train-more" scripts/starter.yaml "model.init_from=$run/train-tasks/model" "$tasks_dirs" \
    "denoising.data=$run/corpus" seed=2 training.num_steps=7000 optim.lr=0.008 "mixture.weights={$weights}"

if [[ ! -d "$run/model" ]]; then
    rm -rf "$run/model.part"
    $python - "$run/train-more/model" "$run/model.part" <<'PYTHON'
import sys

import t2t

t2t.load(sys.argv[1]).save(sys.argv[2], dtype="bfloat16")
PYTHON
    mv "$run/model.part" "$run/model"
fi
score "$run/model" "$run/scores.json"

mkdir -p "$starter"
cp "$run"/model/* "$starter/"
[[ -f "$starter/MODEL_CARD.md" ]] || cp t2t/starter/MODEL_CARD.md "$starter/"
write_card() {
    $python scripts/starter_card.py "$starter/MODEL_CARD.md" "$run"
}
write_card

# For comparison, after the starter's first three stages: of all labelled data Super-NaturalInstructions alone, beside
# what is made of it (random labels) and rules for sentences of the corpus. 1,500 steps of this were too few: its
# losses were falling. It goes on with other draws and fewer rules, and then with examples in each prompt, as nanoT5.
train finetune "$run/train-sni" scripts/starter_sni.yaml "model.init_from=$run/pretrain-copying/model" "$sni_dirs"
train finetune "$run/train-sni-more" scripts/starter_sni.yaml "model.init_from=$run/train-sni/model" "$sni_dirs" \
    seed=1 training.num_steps=2000 optim.lr=0.008 "mixture.weights={rules: 0.25}"
train finetune "$run/train-sni-last" scripts/starter_sni.yaml "model.init_from=$run/train-sni-more/model" "$sni_dirs" \
    seed=2 training.num_steps=3200 optim.lr=0.01 "mixture.weights={rules: 0.25}" \
    'mixture.templates={"task*": [definition and examples]}'
# Three more from there, two of them with other examples in each prompt. The mean of the first two answers better
# than each, and that of all three better still.
train finetune "$run/train-sni-a" scripts/starter_sni.yaml "model.init_from=$run/train-sni-last/model" "$sni_dirs" \
    seed=3 training.num_steps=5000 optim.lr=0.01 "mixture.weights={rules: 0.25}" \
    'mixture.templates={"task*": [definition and examples]}'
make_folder "$run/examples" $python scripts/starter_examples.py "$run/natural_instructions" scripts/starter_sni.yaml \
    --num-rows "$num_examples"
train_with_examples() {
    train finetune "$1" scripts/starter_sni.yaml "model.init_from=$run/train-sni-last/model" "$example_dirs" \
        optim.lr=0.01 "mixture.weights={rules: 0.25}" "${@:2}" \
        'mixture.templates={"task*": [definition and examples], examples: [definition and examples, examples]}'
}
train_with_examples "$run/train-sni-b" seed=4 training.num_steps=4000
train_with_examples "$run/train-sni-c" seed=5 training.num_steps=5000
if [[ ! -d "$run/model-sni" ]]; then
    $python - "$run"/train-sni-{a,b,c}/model "$run/model-sni" <<'PYTHON'
import sys

import t2t

*models, mean = sys.argv[1:]
t2t.Text2Text.load_mean(models, device="cpu").save(mean)
PYTHON
fi
score "$run/model-sni" "$run/scores-sni.json" --groups natural_instructions
write_card
