#!/usr/bin/env bash
# Training speed of specs' networks in this program and in PyTorch, on this machine, in turn: images a second, and the ratio. See README.md.
# usage: CRYPTODL_DATA_DIR=DIR [CRYPTODL=PROGRAM] [PYTHON=PYTHON] [ROUNDS=3] [THREADS=2] benches/peers/train.sh SPEC...
# PYTHON has torch, if given; otherwise it is installed from PyPI for this once.
set -euo pipefail
data=$(realpath "${CRYPTODL_DATA_DIR:?set CRYPTODL_DATA_DIR to the folder that holds cifar10/}")
here=$(realpath "$(dirname "$0")")
specs=()
for spec in "${@:?give specs}"; do specs+=("$(realpath "$spec")"); done
python=${PYTHON:-}
cd "$here/../.."
if [ -z "${CRYPTODL:-}" ]; then
    cargo build --release --quiet
fi
program=$(realpath "${CRYPTODL:-target/release/cryptodl}")
threads=${THREADS:-2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$python" ]; then
    python3 -m venv "$work/torch"
    "$work/torch/bin/pip" install --quiet --disable-pip-version-check torch
    python=$work/torch/bin/python
fi

# Images a second of the second epoch of a short training: the loader, the augmentation and the optimiser included, validation on few images.
ours() { # spec, precision, round
    "$program" run "$1" --data-dir "$data" --out "$work/$2-$3" --set encryption.backend=clear --set encryption.images=500 --set dataset.train=20500 \
        --set dataset.test=500 --set train.validation=500 --set train.recalibrate=500 --set train.epochs=2 --set train.baseline=false \
        --set "train.threads=$threads" --set "train.precision=$2" >/dev/null 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    sed 's/\x1b\[[0-9;]*m//g' "$work/log" | sed -n 's/.*images_per_second=\([0-9.]*\).*/\1/p' | tail -1
}

for spec in "${specs[@]}"; do
    echo "$(basename "$spec"), $threads threads"
    for round in $(seq "${ROUNDS:-3}"); do
        theirs=$("$python" "$here/train_pytorch.py" "$spec" --threads "$threads")
        f32=$(ours "$spec" f32 "$round")
        bf16=$(ours "$spec" bf16 "$round")
        "$python" - "$theirs" "$f32" "$bf16" "$round" <<'PYTHON'
import json, sys
theirs, f32, bf16 = json.loads(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
best, flop = max(theirs["f32"], theirs["bf16"]), 6e-9 * theirs["macs"]
print(
    f"round {sys.argv[4]}: PyTorch {theirs['torch']} f32 {theirs['f32']:.0f}, bf16 {theirs['bf16']:.0f} images/s ({flop * best:.0f} GFLOP/s); "
    f"cryptodl f32 {f32:.0f}, bf16 {bf16:.0f} images/s ({flop * max(f32, bf16):.0f} GFLOP/s); ratio {max(f32, bf16) / best:.2f}"
)
PYTHON
    done
done
