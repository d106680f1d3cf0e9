#!/bin/sh
# A convolutional network end to end: run.sh QUERN [ENGINE..], the engines that are built in.
#
# It is made from a fixed seed, quantized, and must stay near the float network; its outputs must be the interpreter's
# on every engine, on every instruction set of this machine, on one thread and on two, with the batch known and not.
# Normalizations folded into the weights may only change what rounding changes.
set -eu
export ASAN_OPTIONS="${ASAN_OPTIONS:-intercept_tls_get_addr=0}"
export QUERN_CACHE=off
here=$(cd "$(dirname "$0")" && pwd)
quern=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 "$here/make.py" "$tmp"
cd "$tmp"
checks=0

fail() {
  echo "network: $*" >&2
  exit 1
}

# near A B DECIBELS: the outputs of two programs, by the quality that compare prints.
near() {
  "$quern" compare "$1" "$2" --data test.npz --json >near.json
  sqnr=$(sed 's/.*"sqnr_db": \([-0-9.]*\).*/\1/;q' near.json)
  case $sqnr in '' | *[!-0-9.]*) fail "compare $1 $2 says: $(cat near.json)" ;; esac
  [ "${sqnr%.*}" -ge "$3" ] || fail "$2 is $sqnr dB from $1, expected $3 or more"
  checks=$((checks + 1))
}

# same MODEL FLAGS..: what the interpreter gave for it, byte for byte.
same() {
  rm -rf out
  "$quern" run "$@" --input test.npz -o out || fail "run $* failed"
  for file in expected/*.npy; do
    cmp -s "$file" "out/${file#expected/}" || fail "run $*: ${file#expected/} differs from the interpreter's"
  done
  checks=$((checks + 1))
}

"$quern" quantize network.mlir --data calib.npz --scheme w8a8 -o int8.mlir
near network.mlir int8.mlir 30
"$quern" opt network.mlir -p fuse-patterns,canonicalize,dce -o folded.mlir --inline
grep -q 'quern.mul' network.mlir && ! grep -q 'quern.mul' folded.mlir || fail "normalizations are not folded"
near network.mlir folded.mlir 90
"$quern" quantize folded.mlir --data calib.npz --scheme w8a8 -o folded8.mlir
near network.mlir folded8.mlir 30

for model in network int8 folded8; do
  rm -rf expected
  "$quern" run $model.mlir --input test.npz -o expected --engine interp
  for engine in "$@"; do
    for cpu in $("$quern" isa | sed -n 's/^\([a-z0-9-]*\) .*/\1/p'); do
      "$quern" run $model.mlir --input test.npz -o out --engine "$engine" --cpu "$cpu" 2>said >/dev/null || {
        grep -q 'cannot run code' said || fail "run $model --engine $engine --cpu $cpu: $(cat said)"
        continue
      }
      same $model.mlir --engine "$engine" --cpu "$cpu"
      same $model.mlir --engine "$engine" --cpu "$cpu" --threads 2
    done
    same $model.mlir --engine "$engine" --dim batch=32
  done
done
echo "network: $checks checks"
