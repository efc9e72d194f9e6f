#!/usr/bin/env bash
# Installs what is needed, builds, and runs every test. As root, on Debian 12.
#
#   contrib/test.sh              everything, as CI does
#   contrib/test.sh STEP...      only these: release asan tsan fuzz
#
# BREAKWATER_FUZZ_SECONDS (60) is how long each fuzzer runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=contrib/lib.sh
. contrib/lib.sh

JOBS=$(nproc)
FUZZ_SECONDS=${BREAKWATER_FUZZ_SECONDS:-60}
STEPS=("$@")
((${#STEPS[@]})) || STEPS=(release asan tsan fuzz)

# Objects are found again by another checkout of the same sources.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

headline() { printf '\n==== %s (%s)\n' "$*" "$(date +%T)"; }

build() {
  local preset=$1 launcher=()
  shift
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  headline "build $preset"
  cmake --preset "$preset" "${launcher[@]}" >"/tmp/breakwater-$preset.log" 2>&1 ||
    { cat "/tmp/breakwater-$preset.log"; return 1; }
  cmake --build --preset "$preset" -j "$JOBS" "$@" -- --quiet
}

run_tests() {
  ctest --preset "$1" -j "$JOBS" --no-tests=error "${@:2}"
}

# Everything: the parts, the real MTA, the manuals, the layers. Real mail servers
# on a machine that others use too can be late: one of their tests that fails is
# run once more, and both runs are printed. Nothing else gets a second chance.
step_release() {
  build release
  headline "tests of the parts, release"
  run_tests release -LE integration
  headline "tests on a real mail server, release"
  run_tests release -L integration --repeat until-pass:2
}

# The parts once more. A fault that shows in one run of two is a fault.
step_asan() {
  build asan
  headline "tests, AddressSanitizer and UndefinedBehaviorSanitizer"
  run_tests asan
}

step_tsan() {
  build tsan
  headline "tests, ThreadSanitizer"
  run_tests tsan
}

# The corpora are replayed by the steps above; this looks for new inputs.
step_fuzz() {
  build fuzz --target fuzzers
  headline "fuzzers, $FUZZ_SECONDS s each"
  local fuzzer name work
  work=$(mktemp -d)
  for fuzzer in build/fuzz/bin/*_fuzzer; do
    name=$(basename "$fuzzer" _fuzzer)
    mkdir -p "$work/$name"
    printf '%s %s %s %s\n' "$fuzzer" "$name" "$work" "$FUZZ_SECONDS"
  done | xargs -P "$JOBS" -L 1 bash -c 'run_fuzzer "$@"' _
  rm -rf "$work"
}

run_fuzzer() {
  local fuzzer=$1 name=$2 work=$3 seconds=$4
  if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="build/fuzz/crash-$name-" \
    "$work/$name" "tests/fuzz/corpus/$name" >"$work/$name.log" 2>&1; then
    printf 'fuzzer %-20s ok: %s\n' "$name" "$(grep -a '^Done' "$work/$name.log")"
  else
    tail -n 60 "$work/$name.log"
    printf 'fuzzer %-20s FAILED; its input is build/fuzz/crash-%s-*\n' \
      "$name" "$name"
    return 1
  fi
}
export -f run_fuzzer

install_test_packages
PATH=$(dirname "$(install_promtool)"):$PATH
install_tcpserver6 >/dev/null
make_mta_roots
for step in "${STEPS[@]}"; do "step_$step"; done
headline "all passed: ${STEPS[*]}"
