#!/usr/bin/env bash
# The fault campaign: kills, signals, full disks, read-only folders, several processes on one store, a clock that goes back, and files cut at
# every boundary. Every case must end with the result of an undisturbed run or with a clear error, lose nothing, and never panic.
#
#   tests/faults/run.sh [PROGRAM] [KILLS]     (default: target/release/cryptodl, 200)
#
# Prints a table with a count for every kind of fault, and exits with 1 if a case went wrong; what went wrong is kept. Works in a folder of
# its own under ${TMPDIR:-/tmp}. 200 kills take about half an hour on two cores. FAULT_SEED chooses the moments.
set -uo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
program=$(readlink -f "${1:-$here/target/release/cryptodl}")
kills=${2:-200}
RANDOM=${FAULT_SEED:-1}
work=$(mktemp -d "${TMPDIR:-/tmp}/cryptodl-faults-XXXXXX")
cd "$work" || exit 1
export HOME=$work CRYPTODL_KEY_DIR=$work/tfhe-keys
unset RUST_LOG CRYPTODL_DATA_DIR

cat > tiny.toml <<'TOML'
name = "tiny"
seed = 3
[dataset]
name = "digits"
train = 1200
test = 300
[activation]
function = "relu"
method = "hermite"
degree = 4
interval = [-4.0, 4.0]
[network]
layers = [
    { type = "conv", channels = 4, kernel = 5, stride = 3 },
    { type = "activation" },
    { type = "dense", units = 10 },
]
[train]
epochs = 4
batch = 32
validation = 100
recalibrate = 400
threads = 1
[encryption]
images = 300
TOML

declare -A cases wrong
kind=""
begin() { kind=$1; cases[$kind]=0; wrong[$kind]=0; echo "== $kind" >&2; }
# bad WHAT [FILE]: a case that went wrong.
bad() { wrong[$kind]=$((wrong[$kind] + 1)); echo "WRONG ($kind): $1" >&2; [ -n "${2:-}" ] && tail -5 "$2" >&2; return 0; }
count() { cases[$kind]=$((cases[$kind] + 1)); }
run() { "$program" run tiny.toml --fixed-costs "$@"; }
# ended CODE LOG ALLOWED...: the exit code is one of those allowed, and nothing panicked.
ended() {
    local code=$1 log=$2; shift 2
    count
    if grep -q panicked "$log"; then bad "a panic" "$log"; return 1; fi
    for allowed in "$@"; do [ "$code" = "$allowed" ] && return 0; done
    bad "exit code $code, not one of $*" "$log"
    return 1
}
# What does not depend on keys and noise: the network, the circuit, the plan, and the logits in the clear.
fingerprint() {
    (cd "$1" && cat runs/tiny-*/{model.safetensors,circuit.bin,inputs.json,ranges.json} store/circuit/*/{circuit,simulated}.f32 | sha256sum)
}
same() {
    [ "$(fingerprint "$1")" = "$whole" ] || { bad "$1: another result than the undisturbed run"; return 1; }
    [ -z "$(find "$1" -name '.*partial-*' -print -quit)" ] || bad "$1: litter: $(find "$1" -name '.*partial-*' | head -3)"
}
finish() { # FOLDER: an undisturbed run on what a fault has left gives the undisturbed result.
    run --out "$1" > last.out 2> last.err
    ended $? last.err 0 && same "$1"
}
milliseconds() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }

echo "program: $program" >&2
run --out whole > whole.out 2> whole.err || { cat whole.err; exit 1; }
whole=$(fingerprint whole)
exported=$(echo whole/runs/tiny-*)

begin "kill -9 in run"
declare -A killed_in
# A chain of kills begins with an empty store, with a trained network, or with a circuit: so that kills meet every stage as often.
prepared() { # FOLDER STAGES...: a store with these stages.
    local folder=$1; shift
    mkdir -p "$folder/store"
    for stage in "$@"; do cp -r "whole/store/$stage" "$folder/store/"; done
}
chains=("" "train plaintext" "train plaintext circuit")
reach=()
for stages in "${chains[@]}"; do
    prepared timed $stages
    start=$(date +%s%N)
    run --out timed > last.out 2> last.err || bad "a run on $stages" last.err
    reach+=($((($(date +%s%N) - start) / 1000000)))
    rm -rf timed
done
number=0 chain=0
while [ $number -lt "$kills" ]; do
    folder=kill-$number
    kind_of_chain=$((chain++ % 3))
    prepared $folder ${chains[$kind_of_chain]}
    for _ in 1 2 3 4; do
        [ $number -lt "$kills" ] || break
        number=$((number + 1))
        run --out $folder > last.out 2> last.err &
        pid=$!
        milliseconds $((RANDOM * reach[kind_of_chain] / 32768))
        kill -KILL $pid 2> /dev/null
        wait $pid 2> /dev/null
        count
        # What the last lines of its log say that it was doing.
        stage=$(sed -n 's/.*started.*stage="\{0,1\}\([a-z]*\).*/\1/p' last.err | tail -1)
        finished=$(sed -n 's/.*finished.*stage="\{0,1\}\([a-z]*\).*/\1/p' last.err | tail -1)
        [ -n "$stage" ] && [ "$stage" = "$finished" ] && stage="after $stage"
        killed_in[${stage:-start}]=$((${killed_in[${stage:-start}]:-0} + 1))
        grep -q panicked last.err && bad "a panic" last.err
    done
    finish $folder
    rm -rf $folder
done

begin "SIGINT and SIGTERM in every command"
"$program" export "$exported" exported > /dev/null || bad export
"$program" keygen --client exported/client --out keys > /dev/null || bad keygen
encrypt="encrypt --client exported/client --key keys/secret.key --dataset digits --range 0..100 --out upload.ct"
evaluate="evaluate --server exported/server --keys keys/server --in upload.ct --out reply.ct"
decrypt="decrypt --client exported/client --key keys/secret.key --in reply.ct --count 100 --out labels.csv"
for line in "$encrypt" "$evaluate" "$decrypt"; do "$program" $line > /dev/null || bad "$line"; done
for line in "$encrypt" "$evaluate" "$decrypt" \
    "keygen --client exported/client --out keys --force" "export $exported exported" \
    "check tiny.toml" "plan tiny.toml" "plan tiny.toml --calibrate" "bench tiny.toml --fixed-costs --images 100" \
    "run tiny.toml --fixed-costs --out signalled" "sweep $here/experiments/smoke.toml --fixed-costs --out swept --dry-run" \
    "sweep $here/experiments/rq1.toml --out approximated" "compare $exported $exported" \
    "report --from whole --out reports" "data verify digits" "publish $exported --to signalled"; do
    start=$(date +%s%N)
    "$program" $line > last.out 2> last.err || true
    took=$((($(date +%s%N) - start) / 1000000))
    for signal in INT TERM INT TERM; do
        rm -rf signalled
        # A shell has its background jobs ignore SIGINT; a program that is to be stopped by it must not inherit that.
        setsid bash -c 'trap - INT TERM; exec "$0" "$@"' "$program" $line > last.out 2> last.err &
        pid=$!
        milliseconds $((RANDOM * (took + 1) / 32768))
        kill -$signal $pid 2> /dev/null
        wait $pid
        ended $? last.err 0 2 75 130 143
    done
    rm -rf signalled
done
# The keys may be new ones, but they are a pair; and nothing hidden is left.
for line in "$encrypt" "$evaluate" "$decrypt"; do "$program" $line > last.out 2> last.err; ended $? last.err 0; done
[ -z "$(find . -name '.*partial-*' -print -quit)" ] || bad "litter: $(find . -name '.*partial-*' | head -3)"

begin "full disk"
# The sizes run from nothing to what a whole run takes.
need=$(du -sk whole | cut -f1)
mkdir -p disk
if mount -t tmpfs -o size=64k none disk 2> /dev/null; then umount disk; disk=tmpfs; else disk="limit on the size of files"; fi
for step in $(seq 0 19); do
    size=$((16 + need * step / 19))
    if [ "$disk" = tmpfs ]; then
        mount -t tmpfs -o size=${size}k none disk
        run --out disk/out > last.out 2> last.err
    else
        bash -c "trap '' XFSZ; ulimit -f $((size / 8)); exec '$program' run tiny.toml --fixed-costs --out disk/out" > last.out 2> last.err
    fi
    code=$?
    ended $code last.err 0 1
    [ $code = 0 ] || grep -q '^error: ' last.err || bad "no clear error" last.err
    # With room again, the run goes on to the same result.
    if [ "$disk" = tmpfs ]; then
        cp -r disk/out room 2> /dev/null || mkdir -p room
        umount disk
    else
        mv disk/out room 2> /dev/null || mkdir -p room
    fi
    finish room
    rm -rf room disk/out
    bash -c "trap '' XFSZ; ulimit -f $((step * 8)); exec '$program' $encrypt.full" > last.out 2> last.err
    code=$?
    ended $code last.err 0 1
    [ $code = 0 ] || [ ! -e upload.ct.full ] || bad "half an upload"
    rm -f upload.ct.full
done

begin "read-only folders"
user=""
[ "$(id -u)" = 0 ] && user="setpriv --reuid=65534 --regid=65534 --clear-groups"
chmod 755 "$work"
mkdir -p read-only && chmod 555 read-only
for line in "run tiny.toml --fixed-costs --out read-only/out" "$encrypt" "$evaluate" "$decrypt" \
    "keygen --client exported/client --out read-only/keys" "export $exported read-only/exported" \
    "report --from whole --out read-only/reports" "publish $exported --to read-only/published"; do
    line=${line/--out upload.ct/--out read-only/u.ct}; line=${line/--out reply.ct/--out read-only/r.ct}
    line=${line/--out labels.csv/--out read-only/l.csv}
    chmod 644 keys/secret.key
    $user "$program" $line > last.out 2> last.err
    ended $? last.err 1
    grep -q 'read-only' last.err || bad "does not say where" last.err
done
chmod 600 keys/secret.key

begin "several processes on one store"
for processes in 2 4 2 4; do
    folder=together-$processes; pids=()
    for process in $(seq $processes); do run --out $folder > out.$process 2> err.$process & pids+=($!); done
    for process in $(seq $processes); do wait ${pids[$((process - 1))]}; ended $? err.$process 0; done
    same $folder
    # Each training was done once.
    made=$(grep -l 'finished.*stage="\{0,1\}train' err.* | wc -l)
    [ "$made" = 1 ] || bad "$made of $processes processes trained"
    rm -rf $folder err.* out.*
done

begin "clock set back"
# Everything that is there was made in the future.
for case in 1 2; do
    cp -r whole back
    [ $case = 2 ] && rm -rf back/runs back/store/encrypted
    find back -exec touch -d '+400 days' {} +
    finish back
    rm -rf back
done

begin "files cut at every boundary"
boundaries() { # FILE: the ends of its head's parts, of what follows it, and of the closing digest.
    local length; length=$(stat -c %s "$1")
    for at in 0 1 8 9 10 16 17 29 42 58 90 121 122 130 132 164 168 172 176 180 188 212 $((length / 2)) $((length - 33)) $((length - 32)) $((length - 1)); do
        [ "$at" -ge 0 ] && [ "$at" -lt "$length" ] && echo "$at"
    done | sort -un
}
cut_in() { # FILE COMMAND: cut, it is refused by name.
    for at in $(boundaries "$1"); do
        cp "$1" uncut && head -c "$at" uncut > "$1"
        "$program" $2 > last.out 2> last.err
        ended $? last.err 1
        grep -q "$(basename "$1")" last.err || bad "$1 cut at $at is not named" last.err
        cp uncut "$1"
    done
}
cut_in keys/secret.key "$decrypt"
cut_in keys/server/evaluation.key "$evaluate"
cut_in upload.ct "$evaluate"
cut_in reply.ct "$decrypt"
cut_in exported/server/circuit.bin "$evaluate"
cut_in exported/server/server.json "$evaluate"
cut_in exported/client/client.json "$decrypt"
for file in whole/store/*/*/*; do
    for at in $(boundaries "$file"); do
        cp "$file" uncut && head -c "$at" uncut > "$file"
        run --out whole > last.out 2> last.err
        ended $? last.err 1
        grep -q -- '--force' last.err || bad "$file cut at $at: no way out is named" last.err
        cp uncut "$file"
    done
done
finish whole

echo
printf '%-40s %8s %8s\n' "fault" "cases" "wrong"
all=0 failed=0
for kind in "kill -9 in run" "SIGINT and SIGTERM in every command" "full disk" "read-only folders" \
    "several processes on one store" "clock set back" "files cut at every boundary"; do
    printf '%-40s %8d %8d\n' "$kind" "${cases[$kind]}" "${wrong[$kind]}"
    all=$((all + cases[$kind])) failed=$((failed + wrong[$kind]))
done
printf '%-40s %8d %8d\n' "all" $all $failed
echo
echo "kills by what was being done:"
for stage in "${!killed_in[@]}"; do printf '  %-20s %5d\n' "$stage" "${killed_in[$stage]}"; done | sort
echo "full disk: $disk"
if [ $failed = 0 ]; then rm -rf "$work"; else echo "kept: $work"; fi
[ $failed = 0 ]
