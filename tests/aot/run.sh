#!/bin/sh
# Ahead-of-time code in every form gives the interpreter's bits: run.sh QUERN
set -eu
quern=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/model.mlir" <<'END'
func.func @main(%x: tensor<7x30xf32>) -> (tensor<7x21xf32>, tensor<7x30x!quant.uniform<u8:f32, 0.02:99>>) {
  %q = quant.qcast %x : tensor<7x30xf32> to tensor<7x30x!quant.uniform<u8:f32, 0.02:99>>
  %c = arith.constant dense<-5> : tensor<30x21xi8>
  %w = quant.scast %c : tensor<30x21xi8> to tensor<30x21x!quant.uniform<i8:f32, 0.01>>
  %acc = quern.matmul %q, %w : (tensor<7x30x!quant.uniform<u8:f32, 0.02:99>>, tensor<30x21x!quant.uniform<i8:f32, 0.01>>) -> tensor<7x21xi32>
  %f = quern.cast %acc : (tensor<7x21xi32>) -> tensor<7x21xf32>
  %s = arith.constant dense<2.0e-4> : tensor<f32>
  %m = quern.mul %f, %s : (tensor<7x21xf32>, tensor<f32>) -> tensor<7x21xf32>
  %y = quern.gelu %m : (tensor<7x21xf32>) -> tensor<7x21xf32>
  %v = quern.softmax %y : (tensor<7x21xf32>) -> tensor<7x21xf32>
  %p = quern.attention %y, %m, %v {causal = "top_left"} : (tensor<7x21xf32>, tensor<7x21xf32>, tensor<7x21xf32>) -> tensor<7x21xf32>
  return %p, %q : tensor<7x21xf32>, tensor<7x30x!quant.uniform<u8:f32, 0.02:99>>
}
END
cat >"$tmp/main.c" <<'END'
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static _Alignas(64) unsigned char workspace[model_WORKSPACE_BYTES + 64];
static unsigned char in[model_INPUT0_BYTES], y[model_OUTPUT0_BYTES], q[model_OUTPUT1_BYTES];
static void *skip_header(FILE *f) {
  unsigned char h[10];
  if (!f || fread(h, 1, 10, f) != 10) exit(2);
  fseek(f, 10 + h[8] + 256 * h[9], SEEK_SET);
  return f;
}
static int differs(const char *path, const unsigned char *data, size_t n) {
  FILE *f = skip_header(fopen(path, "rb"));
  unsigned char *want = malloc(n);
  if (fread(want, 1, n, f) != n) exit(2);
  return memcmp(want, data, n) != 0;
}
int main(int argc, char **argv) {
  void *ptr[3] = {in, y, q};
  qn_kargs args = {.ptr = ptr, .workspace = workspace};
  if (argc < 4 || fread(in, 1, sizeof in, skip_header(fopen(argv[1], "rb"))) != sizeof in) return 2;
  if (model(&args)) return 3;
  return differs(argv[2], y, sizeof y) || differs(argv[3], q, sizeof q);
}
END
# 210 floats as a .npy file: header of 128 bytes, then values from -2 to 2.
python3 - "$tmp/x.npy" <<'END'
import struct, sys
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (7, 30), }"
head += b" " * (118 - len(head) - 1) + b"\n"
data = [((i * 37) % 101 - 50) / 25.0 for i in range(210)]
open(sys.argv[1], "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + struct.pack("<210f", *data))
END
"$quern" run "$tmp/model.mlir" --engine interp --input x="$tmp/x.npy" -o "$tmp/want"
emit() { "$quern" compile "$tmp/model.mlir" --emit "$1" -o "$tmp/$2" --header "$tmp/model.h" --entry model ${3:-}; }
check() { "$tmp/$1" "$tmp/x.npy" "$tmp/want/p.npy" "$tmp/want/q.npy" || { echo "$2 gives other bits"; exit 1; }; echo "$2 agrees"; }

if "$quern" compile "$tmp/model.mlir" --emit obj -o "$tmp/probe.o" 2>/dev/null; then
  for cpu in native x86-64-v3 x86-64; do
    [ "$(uname -m)" = x86_64 ] || [ $cpu = native ] || continue
    [ $cpu != x86-64-v3 ] || grep -q avx2 /proc/cpuinfo || continue
    emit obj model.o --cpu=$cpu
    [ -z "$(nm -u "$tmp/model.o")" ] || { echo "the object needs symbols: $(nm -u "$tmp/model.o")"; exit 1; }
    cc "$tmp/main.c" "$tmp/model.o" -o "$tmp/obj"
    check obj "object for $cpu"
  done
  emit asm model.s
  cc "$tmp/main.c" "$tmp/model.s" -o "$tmp/asm"
  check asm "assembly"
  emit so libmodel.so
  cc "$tmp/main.c" "$tmp/libmodel.so" -Wl,-rpath,"$tmp" -o "$tmp/so"
  check so "shared library"
  emit llvm model.ll
  if command -v clang-19 >/dev/null; then
    clang-19 -Wno-override-module -c "$tmp/model.ll" -march=native -o "$tmp/ll.o"
    cc "$tmp/main.c" "$tmp/ll.o" -o "$tmp/ll"
    check ll "LLVM IR"
  fi
fi
if "$quern" compile "$tmp/model.mlir" --emit c -o "$tmp/model.c" --header "$tmp/model.h" --entry model; then
  for flags in "-std=c11 -O0" "-std=c11 -O3 -march=native" "-std=gnu11 -O2 -march=native"; do
    cc $flags -Wall -Wextra -Werror "$tmp/model.c" -c -o "$tmp/c.o"
    cc "$tmp/main.c" "$tmp/c.o" -o "$tmp/c"
    check c "C with $flags"
  done
  if command -v clang-19 >/dev/null; then
    clang-19 -std=c11 -O2 -Wall -Wextra -Werror "$tmp/model.c" -c -o "$tmp/c.o"
    cc "$tmp/main.c" "$tmp/c.o" -o "$tmp/c"
    check c "C with clang"
  fi
fi
