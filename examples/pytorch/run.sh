#!/usr/bin/env bash
# A network with squares is trained in PyTorch, evaluated by cryptodl in the clear and encrypted, and compared.
# usage: run.sh [FOLDER]; CRYPTODL: the program, PYTHON: one that has torch, numpy, pandas and pyarrow (else they are installed from PyPI).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
cryptodl=${CRYPTODL:-$here/../../target/release/cryptodl}
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet torch numpy pandas pyarrow
    PYTHON=$folder/venv/bin/python
fi
"$PYTHON" "$here/shapes.py" "$folder"
"$cryptodl" run "$folder/model.toml" --weights "$folder/model.safetensors" --out "$folder/results"
"$PYTHON" "$here/compare.py" "$folder" "$folder"/results/runs/shapes-*
