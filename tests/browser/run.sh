#!/usr/bin/env bash
# Opens a report in a headless browser: no console error, every chart visible in both themes, sorting and copying work.
# usage: tests/browser/run.sh REPORTS [FOLDER]     FOLDER: keep screenshots there
# Needs Python 3, playwright (installed from PyPI into target/browser where it is missing) and a browser: an installed Chromium or
# Chrome, else what playwright can download. Without them it says so and skips; CRYPTODL_REQUIRE_BROWSER=1 makes that a failure, and
# CRYPTODL_BROWSER_OFFLINE=1 installs nothing.
set -euo pipefail
page=$(realpath "${1:?give the folder of a report, which holds index.html}")/index.html
shots=${2:-}
here=$(realpath "$(dirname "$0")")
[ -f "$page" ] || { echo "error: there is no $page" >&2; exit 2; }

skip() {
    echo "SKIPPED: $1; the report was not looked at in a browser" >&2
    [ -z "${CRYPTODL_REQUIRE_BROWSER:-}" ] || exit 1
    exit 0
}
command -v python3 >/dev/null || skip "there is no python3"

# The environment is kept: the second call installs nothing.
environment=${CRYPTODL_BROWSER_ENV:-$here/../../target/browser}
python=$environment/bin/python
if python3 -c 'import playwright' 2>/dev/null; then
    python=python3
elif ! "$python" -c 'import playwright' 2>/dev/null; then
    [ -z "${CRYPTODL_BROWSER_OFFLINE:-}" ] || skip "playwright is not installed"
    python3 -m venv "$environment" 2>/dev/null || skip "python3 cannot make a virtual environment"
    "$python" -m pip install --quiet --disable-pip-version-check playwright || skip "playwright cannot be installed from PyPI"
fi
browser=
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if browser=$(command -v "$name"); then break; fi
done
if [ -z "$browser" ]; then
    [ -z "${CRYPTODL_BROWSER_OFFLINE:-}" ] || skip "there is no Chromium"
    "$python" -m playwright install chromium-headless-shell >/dev/null 2>&1 || skip "there is no Chromium, and playwright cannot download one"
fi
"$python" "$here/look.py" "$page" "$browser" "$shots"
