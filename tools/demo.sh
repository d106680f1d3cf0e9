#!/bin/sh
# The main job on real data: builds Quern, takes a float model of handwritten digits, quantizes it to int8 with
# calibration samples, and classifies digits that neither training nor calibration has seen, in machine code.
set -eu
cd "$(dirname "$0")/.."

./tools/install-deps.sh build
mkdir -p build
{ cmake --preset release && cmake --build --preset release; } >build/demo-build.log 2>&1 || {
  tail -20 build/demo-build.log >&2
  echo "demo.sh: the build failed; build/demo-build.log has it all" >&2
  exit 1
}

quern=build/release/bin/quern
data=tests/data
out=build/demo
mkdir -p "$out"

# Observers, calibration, granularity, quantization, folding.
"$quern" quantize $data/digits.onnx --data $data/digits-calib.npz --scheme w8a8 -o $out/digits-int8.mlir

"$quern" compare $data/digits.onnx $out/digits-int8.mlir --data $data/digits-test.npz --labels label >$out/compare.txt
sed -n 's/^accuracy A */float accuracy: /p; s/^accuracy B */int8 accuracy: /p; s/^agreement */both agree on: /p' $out/compare.txt

size() { cat "$@" | wc -c; }
"$quern" import $data/digits.onnx -o $out/digits-float.mlir
echo "float model: $(size $out/digits-float.mlir $out/digits-float.safetensors) bytes"
echo "int8 model: $(size $out/digits-int8.mlir $out/digits-int8.safetensors) bytes"

per_sample() { "$quern" bench "$1" --dim batch=1 --seconds 0.5 | sed -n 's/^time *\([0-9.]*\) us.*/\1 us/p'; }
echo "float time per sample: $(per_sample $out/digits-float.mlir)"
echo "int8 time per sample: $(per_sample $out/digits-int8.mlir)"
