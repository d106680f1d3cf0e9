#!/bin/sh
# Builds the fuzz targets and runs each over its corpus, two at a time: run.sh [SECONDS [TARGET..]]
# New inputs stay in build/fuzz/found/TARGET; what stops a target is left in build/fuzz/crashes.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-30}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- text onnx lower store pipeline tuning
build=build/fuzz
clang=$(command -v clang-19 || command -v clang || true)
[ -n "$clang" ] || { echo "fuzz: no clang here" >&2; exit 1; }

cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER="$clang" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DQUERN_LLVM=OFF \
  -DQUERN_TCC=OFF -DQUERN_TESTS=OFF -DQUERN_FUZZ=ON -DQUERN_SANITIZE=fuzzer-no-link,address,undefined >/dev/null
targets=
for name in "$@"; do targets="$targets fuzz_$name"; done
cmake --build "$build" -j "$(nproc 2>/dev/null || echo 2)" --target $targets -- --quiet

mkdir -p "$build/crashes"
# The first folder takes what is found, the others are only read: for the reader, all programs of the tests too.
fuzz() {
  mkdir -p "$build/found/$1"
  case "$1" in
    text) more="tests/fuzz/corpus/text tests/exec tests/passes tests/text tests/invalid" ;;
    lower) more="tests/exec tests/passes" ;;
    *) more="tests/fuzz/corpus/$1" ;;
  esac
  if ASAN_OPTIONS=allocator_may_return_null=1 "$build/fuzz/fuzz_$1" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -max_len=16384 -artifact_prefix="$build/crashes/$1-" -print_final_stats=1 \
    "$build/found/$1" $more >"$build/$1.log" 2>&1; then
    echo "fuzz $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$1.log") inputs, nothing found"
  else
    tail -60 "$build/$1.log" >&2
    echo "fuzz $1: stopped; the input is in $build/crashes" >&2
    return 1
  fi
}

failed=0
while [ $# -gt 0 ]; do
  fuzz "$1" & first=$!
  shift
  if [ $# -gt 0 ]; then
    fuzz "$1" & second=$!
    shift
    wait "$second" || failed=1
  fi
  wait "$first" || failed=1
done
exit "$failed"
