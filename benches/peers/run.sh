#!/usr/bin/env bash
# The same network on this project, TenSEAL and OpenFHE, on this machine, one after the other. See README.md.
# usage: CRYPTODL_DATA_DIR=DIR [LIMIT=n] [CRYPTODL=PROGRAM] benches/peers/run.sh RUN
set -euo pipefail
run=$(realpath "${1:?give a finished run, a folder under results/runs/}")
data=$(realpath "${CRYPTODL_DATA_DIR:?set CRYPTODL_DATA_DIR to the folder that holds mnist/}")
here=$(realpath "$(dirname "$0")")
cd "$here/../.."
if [ -z "${CRYPTODL:-}" ]; then
    cargo build --release --quiet
fi
program=$(realpath "${CRYPTODL:-target/release/cryptodl}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$program" -q export "$run" exported
"$program" -q keygen --client exported/client --out keys
"$program" -q encrypt --client exported/client --key keys/secret.key --dataset mnist --data-dir "$data" --out upload.ct
times=
for _ in 1 2 3; do
    said=$("$program" -q evaluate --server exported/server --keys keys/server --in upload.ct --out reply.ct)
    seconds=$(sed -n 's/.*evaluated in \([0-9.]*\) s.*/\1/p' <<<"$said")
    times="$times $seconds"
done
"$program" -q decrypt --client exported/client --key keys/secret.key --in reply.ct --out ours.csv

install() { # python, folder, packages...
    "$1" -m venv "$2" && "$2/bin/pip" install --quiet --disable-pip-version-check numpy "${@:3}"
}
install python3 tenseal tenseal
tenseal/bin/python - "$run/circuit.bin" "$data" "$times" "$here" >results.jsonl <<'PYTHON'
import csv, sys
sys.path.insert(0, sys.argv[4])
import numpy, circuit
network = circuit.load(sys.argv[1])
rows = list(csv.reader(open("ours.csv")))[1:]
logits = numpy.array([[float(value) for value in row[2:]] for row in rows]).T
wanted = circuit.clear(network, circuit.images(network, sys.argv[2], logits.shape[1]))
import statistics
times = [float(value) for value in sys.argv[3].split()]
circuit.report("cryptodl", statistics.median(times), logits.shape[1], False, float(abs(logits - wanted).max()), repetitions=len(times), precision="as planned")
PYTHON
PYTHONPATH=$here tenseal/bin/python "$here/peer_tenseal.py" "$run/circuit.bin" "$data" "${LIMIT:-0}" >>results.jsonl
python=
for candidate in python3.12 python3.10 "${OPENFHE_PYTHON:-}"; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 12)))' 2>/dev/null; then
        python=$candidate
    fi
done
if [ -n "$python" ]; then
    wanted=22.04
    "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' && wanted=24.04
    install "$python" openfhe "openfhe==1.2.3.0.$wanted"
    PYTHONPATH=$here openfhe/bin/python "$here/peer_openfhe.py" "$run/circuit.bin" "$data" "${LIMIT:-0}" | grep '^{' >>results.jsonl
else
    echo "SKIPPED: OpenFHE needs python3.10 or python3.12 (or OPENFHE_PYTHON)" >&2
fi

python3 - <<'PYTHON'
import json
rows = [json.loads(line) for line in open("results.jsonl")]
ours = rows[0]["slots"] / rows[0]["seconds"]
print(f"{'engine':<16}{'batch':>7}{'threads':>9}{'repetitions':>13}{'seconds':>11}{'predictions/h':>16}{'ours is faster by':>19}{'precision':>14}{'max logit error':>17}")
for row in rows:
    rate = row["slots"] / row["seconds"]
    error = "not checked" if row["max_logit_error"] is None else f"{row['max_logit_error']:.2e}"
    mark = " (extrapolated)" if row["extrapolated"] else ""
    print(f"{row['engine']:<16}{row['slots']:>7}{row['threads']:>9}{row['repetitions']:>13}{row['seconds']:>11.3f}{rate * 3600:>16,.0f}{ours / rate:>18.1f}x{row['precision']:>14}{error:>17}{mark}")
PYTHON
