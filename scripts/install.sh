#!/usr/bin/env bash
# Makes .venv/ at the root of the checkout and installs t2t into it, editable, with the tested versions. When that
# has been done since pyproject.toml and constraints.txt last changed, it does nothing.
#
#   scripts/install.sh [dev]                    dev: also what the tests need
#   PYTHON=python3.12 scripts/install.sh        choose the interpreter (3.11 or newer)
#
# torch comes as pip finds it, on Linux with CUDA. Where those gigabytes are of no use, point pip at PyTorch's CPU
# index (PIP_EXTRA_INDEX_URL) or at a folder that holds its CPU wheel (PIP_FIND_LINKS) before the first start.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extra="${1:-}"
stamp=.venv/.installed
wanted="$(cat pyproject.toml scripts/constraints.txt | cksum)"

# The stamp: the checksum, then the extra. What was installed with [dev] serves without it too. That t2t starts
# is tried because a .venv/ that was moved or copied has scripts that point to where it was.
if [[ "$(cat "$stamp" 2>/dev/null)" == "$wanted "@("$extra"|dev) ]] && .venv/bin/t2t --version &>/dev/null; then
    exit 0
fi

if ! .venv/bin/pip --version &>/dev/null; then
    python="${PYTHON:-python3}"
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "t2t needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Set PYTHON to another." >&2
        exit 1
    fi
    "$python" -m venv --clear .venv
fi
echo "Installing t2t into .venv/ (once; a few minutes)" >&2
rm -f "$stamp"
.venv/bin/pip install --disable-pip-version-check -c scripts/constraints.txt -e ".${extra:+[$extra]}" >&2
echo "$wanted $extra" >"$stamp"
