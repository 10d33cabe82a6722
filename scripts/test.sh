#!/usr/bin/env bash
# Lints, type-checks and runs the fast tests: bash scripts/test.sh [options of pytest]
#   bash scripts/test.sh -m slow                 the slow ones instead
#   bash scripts/test.sh tests/data -n 0         one folder, in one process
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/install.sh dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# One thread per test process: toy models gain nothing from more, and the processes would fight over the cores.
OMP_NUM_THREADS=1 .venv/bin/pytest -m "not slow" -n auto "$@"
