#!/usr/bin/env bash
# Installs what is missing and opens the browser UI on localhost: bash scripts/run.sh [options of `t2t ui`]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/install.sh
exec .venv/bin/t2t ui "$@"
