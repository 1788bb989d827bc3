#!/usr/bin/env bash
# Shows that the tests of keys, batches, files, streams, signals and wiping find the defects that they are for: each must fail with the program
# of a commit that has the defects, and pass with this one.
#
#   tests/defects/run.sh [COMMIT] [TARGET]     (default: 3a5c4b0, and a target folder of its own)
#
# Builds that commit in a worktree of its own: a quarter of an hour of two cores, unless TARGET, which is its CARGO_TARGET_DIR, has its
# dependencies. Prints a table, with what the old program did; exits with 1 if a test passed there or failed here.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
commit=${1:-3a5c4b0}
work=$(mktemp -d "${TMPDIR:-/tmp}/cryptodl-defects-XXXXXX")
target=${2:-$work/target}
cd "$here"
git worktree add --detach "$work/old" "$commit" > /dev/null 2>&1
trap 'git worktree remove --force "$work/old"' EXIT
(cd "$work/old" && CARGO_TARGET_DIR=$target cargo build --release --bin cryptodl)
old=$target/release/cryptodl
cargo test --release --workspace --no-run --test it

failed=0
row() { printf '%-3s %-78s %-8s %-8s\n' "$@"; }
said() { # LOG: the assertion that failed, and what the program said.
    grep -A 3 -m 1 "panicked at" "$1" | grep -v "panicked at" | cut -c 1-180 | sed 's/^/      /' || true
}
row "" test "$commit" "here"
check() { # DEFECT MODULE TEST
    local before=passes now=fails
    CRYPTODL_PROGRAM=$old cargo test --release --workspace --test it -- --exact "$2::$3" > "$work/old.log" 2>&1 || before=fails
    cargo test --release --workspace --test it -- --exact "$2::$3" > "$work/new.log" 2>&1 && now=passes
    grep -q "running 1 test" "$work/new.log" || now="not run"
    grep -q "test result: FAILED" "$work/old.log" || before="not run"
    row "$1" "$2: $3" "$before" "$now"
    said "$work/old.log"
    if [ "$before" != fails ] || [ "$now" != passes ]; then failed=1; fi
}
check 1 keys what_does_not_belong_together_is_refused_by_name
check 2 keys keygen_replaces_keys_only_when_told_to
check 2 keys a_full_disk_leaves_a_pair_or_nothing
check 2 keys no_output_replaces_an_input
check 3 spoilt hostile_images_are_refused_and_what_they_spoil_is_reported
check 4 outputs modes_of_files
check 4 outputs outputs_that_are_no_regular_files_are_written_through
check 4 outputs bytes_after_the_digest_are_refused_in_every_file
check 5 outputs no_command_minds_a_stream_that_is_closed_or_panics_at_one_that_is_full
check 5 bad_input errors_repeat_no_control_characters_and_no_endless_lines
check 6 signals every_command_ends_at_the_first_signal_with_nothing_saved
check 6 signals calibration_ends_at_the_first_signal
check 6 signals training_says_what_it_finishes_and_kills_leave_no_litter
check 7 bad_input check_reports_every_file_and_every_error

# The last one is about memory, which no file shows: the test of the engine itself, on the engine of that commit.
before=passes now=fails
sed -e 's/SecretKey::wire_bytes(&parameters)/1 << 16/' -e '/foretold/d' \
    crates/ckks/tests/wiping.rs > "$work/old/crates/ckks/tests/wiping.rs"
(cd "$work/old" && CARGO_TARGET_DIR=$target cargo test --release -p ckks --test wiping) > "$work/old.log" 2>&1 || before=fails
grep -q "test result: FAILED" "$work/old.log" || before="not run"
cargo test --release -p ckks --test wiping > "$work/new.log" 2>&1 && now=passes
row 8 "ckks wiping: secret_keys_leave_no_copies" "$before" "$now"
said "$work/old.log"
if [ "$before" != fails ] || [ "$now" != passes ]; then failed=1; fi
exit $failed
