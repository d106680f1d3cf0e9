#!/bin/sh
# Builds and runs every test: the development build, the sanitizers, the builds without each code generator, and the
# fuzz targets for half a minute or less each. run.sh [PRESET.. | fuzz] runs only those.
set -eu
cd "$(dirname "$0")/.."

./tools/install-deps.sh test
[ $# -gt 0 ] || set -- dev asan no-llvm no-tcc fuzz
# What gcc's leak checker takes for thread-local memory of libLLVM is none, and it falls over it.
export ASAN_OPTIONS="${ASAN_OPTIONS:-intercept_tls_get_addr=0}"
jobs=$(nproc 2>/dev/null || echo 2)
for preset in "$@"; do
  echo "== $preset"
  if [ "$preset" = fuzz ]; then
    ./tests/fuzz/run.sh 30 text onnx
    ./tests/fuzz/run.sh 15 lower pipeline store tuning
    continue
  fi
  cmake --preset "$preset" >/dev/null
  cmake --build "build/$preset" -j "$jobs" -- --quiet
  ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" --timeout 300
done
