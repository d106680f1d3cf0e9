#!/bin/sh
# How the text and the passes scale: 100,000 chained ops parsed, verified and printed, beside mlir-opt 19 in the same
# run; then canonicalize, cse and dce over one million, which must take about ten times what 100,000 take.
#   tests/bench/scale.sh [QUERN]
set -eu
quern=${1:-build/release/bin/quern}
mlir_opt=/usr/lib/llvm-19/bin/mlir-opt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

chain() {
  awk -v n="$1" 'BEGIN {
    t = "tensor<4x64xf32>"; p = "%x"
    printf "\"builtin.module\"() ({\n \"func.func\"() <{function_type = (%s) -> %s, sym_name = \"main\"}> ({\n ^bb0(%%x: %s):\n", t, t, t
    for (i = 0; i < n; i++) { printf "  %%%d = \"quern.add\"(%s, %%x) : (%s, %s) -> %s\n", i, p, t, t, t; p = "%" i }
    printf "  \"func.return\"(%s) : (%s) -> ()\n }) : () -> ()\n}) : () -> ()\n", p, t
  }'
}

# Best of five: seconds and megabytes.
measure() {
  for i in 1 2 3 4 5; do
    /usr/bin/time -f '%e %M' -o "$tmp/time" "$@" >/dev/null 2>&1
    tail -1 "$tmp/time"
  done | sort -n | head -1
}

chain 100000 >"$tmp/a.mlir"
chain 1000000 >"$tmp/b.mlir"
row() { printf '%-44s %6.2f s %8.0f MB\n' "$1" "$2" "$(echo "$3" | awk '{print $1 / 1024}')"; }
q=$(measure "$quern" opt "$tmp/a.mlir" -o -)
row "quern, 100,000 ops read and printed" $q
if [ -x $mlir_opt ]; then
  m=$(measure $mlir_opt --allow-unregistered-dialect "$tmp/a.mlir" -o -)
  row "mlir-opt 19, the same" $m
  echo "$q $m" | awk '{printf "ratio: %.1f times as fast, %.2f of the memory\n", $3 / ($1 > 0.001 ? $1 : 0.001), $2 / $4}'
else
  echo "mlir-opt 19 is not installed; nothing to compare with"
fi
row "quern, 100,000 ops, canonicalize,cse,dce" $(measure "$quern" opt "$tmp/a.mlir" -p canonicalize,cse,dce -o -)
row "quern, 1,000,000 ops, canonicalize,cse,dce" $(measure "$quern" opt "$tmp/b.mlir" -p canonicalize,cse,dce -o -)
