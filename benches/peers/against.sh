#!/usr/bin/env bash
# Encrypted speed of the working tree against an older commit, on this machine, in turn: the medians of each stage of `cryptodl bench` and their
# ratio. See README.md.
# usage: [ROUNDS=5] [IMAGES=N] [THEIRS=PROGRAM] [CRYPTODL=PROGRAM] benches/peers/against.sh COMMIT SPEC...
# Builds COMMIT into target/against/COMMIT (as long as a clean build the first time) unless THEIRS is its program. A spec that the older commit
# does not know is refused by it: compare with specs that both read.
set -euo pipefail
commit=${1:?give a commit}
shift
specs=()
for spec in "${@:?give specs}"; do specs+=("$(realpath "$spec")"); done
[ -z "${THEIRS:-}" ] || THEIRS=$(realpath "$THEIRS")
[ -z "${CRYPTODL:-}" ] || CRYPTODL=$(realpath "$CRYPTODL")
cd "$(dirname "$(realpath "$0")")/../.."
commit=$(git rev-parse --short "$commit^{commit}")
if [ -z "${THEIRS:-}" ]; then
    tree=target/against/$commit
    [ -d "$tree" ] || git worktree add --quiet --detach "$tree" "$commit"
    (cd "$tree" && cargo build --release --quiet)
    THEIRS=$(realpath "$tree/target/release/cryptodl")
fi
if [ -z "${CRYPTODL:-}" ]; then
    cargo build --release --quiet
    CRYPTODL=$(realpath target/release/cryptodl)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
images=()
[ -z "${IMAGES:-}" ] || images=(--images "$IMAGES")
echo "$(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores; this tree ($(git describe --always --dirty)) against $commit; ${ROUNDS:-5} rounds in turn"
for spec in "${specs[@]}"; do
    name=$(basename "$spec" .toml)
    for round in $(seq "${ROUNDS:-5}"); do
        # Who comes first changes from round to round, so that a warm or a throttled machine favours nobody.
        order=(theirs ours)
        [ $((round % 2)) -eq 0 ] || order=(ours theirs)
        for who in "${order[@]}"; do
            program=$CRYPTODL
            [ "$who" = ours ] || program=$THEIRS
            "$program" bench "$spec" "${images[@]}" --out "$work/$who" >>"$work/$name.$who" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
        done
    done
    python3 - "$name" "$work/$name.theirs" "$work/$name.ours" <<'PYTHON'
import re, statistics, sys

def stages(path):
    values = {}
    for line in open(path):
        if found := re.match(r"(prepare|keys|encrypt|evaluate|decrypt)\s+([0-9.]+) s", line):
            values.setdefault(found[1], []).append(float(found[2]))
        elif found := re.match(r"memory\s+([0-9.]+) GiB at most", line):
            values.setdefault("memory, GiB", []).append(float(found[1]))
        elif found := re.match(r"precision\s+([0-9.-]+) bits", line):
            values.setdefault("precision, bits", []).append(float(found[1]))
    client = [values[stage] for stage in ("encrypt", "evaluate", "decrypt") if stage in values]
    values["end to end"] = [sum(parts) for parts in zip(*client)]
    return values

def shown(values):
    return f"{statistics.median(values):9.3f} ({min(values):.3f}-{max(values):.3f})"

theirs, ours = stages(sys.argv[2]), stages(sys.argv[3])
print(f"\n{sys.argv[1]}: median (least-most), seconds where nothing else is said")
print(f"{'stage':<16} {'before':>28} {'now':>28}   before / now")
for stage in theirs:
    if stage in ours:
        before, now = statistics.median(theirs[stage]), statistics.median(ours[stage])
        ratio = f"{before / now:.2f}" if now > 0 else "-"
        print(f"{stage:<16} {shown(theirs[stage]):>28} {shown(ours[stage]):>28}   {ratio}")
PYTHON
done
