#!/usr/bin/env bash
# Rebuilds the starter model from text and task data: tokenizer, token stores, pretraining, fine-tuning, t2t/starter.
#   CORPUS=folder of *.jsonl.xz files with a "text" field, among them validation.jsonl.xz
#   T2T_DATA=folder of task data, <task>/train.jsonl.gz and so on
# A step whose result is in runs/ is left out, and a run that was interrupted goes on: call it again at any time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${CORPUS:?set CORPUS to the folder of corpus files}" "${T2T_DATA:?set T2T_DATA to the folder of task data}"
export T2T_DATA
bash scripts/install.sh
t2t=.venv/bin/t2t

train_files=()
for file in "$CORPUS"/*.jsonl.xz; do
    [[ "$(basename "$file")" == validation.jsonl.xz ]] || train_files+=("$file")
done

[[ -d runs/starter/tokenizer ]] ||
    $t2t tokenizer train "${train_files[@]}" --out runs/starter/tokenizer --vocab-size 8192 --max-chars 50000000
[[ -d runs/starter/corpus-train ]] ||
    $t2t corpus build "${train_files[@]}" --tokenizer runs/starter/tokenizer --out runs/starter/corpus-train
[[ -d runs/starter/corpus-validation ]] ||
    $t2t corpus build "$CORPUS/validation.jsonl.xz" --tokenizer runs/starter/tokenizer \
        --out runs/starter/corpus-validation

for stage in pretrain finetune finetune_2; do
    run="runs/starter-${stage/_/-}"
    [[ -d "$run/model" ]] || $t2t "${stage%_2}" "scripts/starter_$stage.yaml" $([[ -d "$run/checkpoints" ]] && echo --resume)
done

.venv/bin/python - <<'PYTHON'
import t2t

t2t.load("runs/starter-finetune-2/model").save("runs/starter/model", dtype="bfloat16")
PYTHON
cp runs/starter/model/* runs/starter-finetune-2/model/training.json t2t/starter/
