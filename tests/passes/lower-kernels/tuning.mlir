// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni}' | FileCheck %s --check-prefix=PLAIN
// RUN: grep -v cpu %S/Inputs/tuning.txt > %t.txt
// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni}' --tuning %t.txt | FileCheck %s
// RUN: quern opt %s -p 'lower-kernels{target=avx2}' --tuning %t.txt | FileCheck %s --check-prefix=AVX2
// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni},canonicalize,cse,pack-constants,dce,plan-buffers' --tuning %t.txt > %t.mlir
// RUN: %if llvm %{ quern inspect %t.mlir --function known --kernels --engine llvm | FileCheck %s --check-prefix=INSPECT %}
// RUN: %if llvm %{ quern inspect %t.mlir --function attention --kernels --engine llvm | FileCheck %s --check-prefix=SCORES %}
// RUN: %if llvm %{ quern inspect %t.mlir --function known --json --engine llvm | FileCheck %s --check-prefix=JSON %}
// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni}' --tuning %S/Inputs/tuning.txt 2>%t.err | FileCheck %s --check-prefix=PLAIN
// RUN: FileCheck %s --check-prefix=FOREIGN < %t.err

// A file measured elsewhere is told of, and not used.
// PLAIN-NOT: quern.choice
// FOREIGN: tuning.txt:2:7: warning: measured on 'of some other machine'

// Rows that are known: the narrowest range. The panel's width stands in both ops, before weights are packed.
// CHECK-LABEL: func.func @known
// CHECK: kern.pack %w {layout = "k4n48"}
// CHECK: layout = "k4n48", quern.choice = {kept = 262144, panel = 48, rows = 8, unroll = 2}}
// AVX2-LABEL: func.func @known
// AVX2: quern.choice = {kept = 262144, parts = 2}
// INSPECT: tile 8x48 k4n48
// INSPECT-NEXT: tuned rows=8 panel=48 unroll=2 kept=262144
// JSON: "tuned": "rows=8 panel=48 unroll=2 kept=262144"
func.func @known(%x: tensor<64x768xui8>, %w: tensor<768x768xi8>) -> tensor<64x768xi32> {
  %y = quern.matmul_integer %x, %w : (tensor<64x768xui8>, tensor<768x768xi8>) -> tensor<64x768xi32>
  return %y : tensor<64x768xi32>
}

// Rows that are not: choices for any.
// CHECK-LABEL: func.func @open
// CHECK: layout = "k4n64", quern.choice = {kept = 262144, rows = 4}}
// AVX2-LABEL: func.func @open
// AVX2: quern.choice = {kept = 262144}
func.func @open(%x: tensor<?x768xui8>, %w: tensor<768x768xi8>) -> tensor<?x768xi32> {
  %y = quern.matmul_integer %x, %w : (tensor<?x768xui8>, tensor<768x768xi8>) -> tensor<?x768xi32>
  return %y : tensor<?x768xi32>
}

// A constant of the machine that loops depend on.
// CHECK-LABEL: func.func @loop
// CHECK: kern.map
// CHECK: quern.choice = {read_ahead = 4096}
func.func @loop(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = quern.relu %x : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// Attention: how many queries take their steps together.
// CHECK-LABEL: func.func @attention
// CHECK: kern.attention
// CHECK: quern.choice = {parts = 2, rows = 3}
// SCORES: kern.attention
// SCORES: tile 3 queries x 64 keys
// SCORES: tuned rows=3 parts=2
func.func @attention(%q: tensor<2x50x8xf32>, %k: tensor<2x128x8xf32>, %v: tensor<2x128x3xf32>) -> tensor<2x50x3xf32> {
  %y = quern.attention %q, %k, %v : (tensor<2x50x8xf32>, tensor<2x128x8xf32>, tensor<2x128x3xf32>) -> tensor<2x50x3xf32>
  return %y : tensor<2x50x3xf32>
}
