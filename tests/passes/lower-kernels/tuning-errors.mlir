// RUN: sed -e 's/CHOICE/3/' %s > %t.1.mlir
// RUN: %if llvm %{ not quern inspect %t.1.mlir --kernels --engine llvm 2>&1 | FileCheck %s --check-prefix=KIND %}
// RUN: sed -e 's/CHOICE/{rows = 99}/' %s > %t.2.mlir
// RUN: %if llvm %{ not quern inspect %t.2.mlir --kernels --engine llvm 2>&1 | FileCheck %s --check-prefix=RANGE %}
// RUN: sed -e 's/CHOICE/{ahead = 64}/' %s > %t.3.mlir
// RUN: %if llvm %{ not quern inspect %t.3.mlir --kernels --engine llvm 2>&1 | FileCheck %s --check-prefix=OTHER %}
// RUN: sed -e 's/CHOICE/{unroll = 3}/' %s > %t.4.mlir
// RUN: %if llvm %{ not quern inspect %t.4.mlir --kernels --engine llvm 2>&1 | FileCheck %s --check-prefix=POWER %}
// RUN: sed -e 's/CHOICE/{rows = "8"}/' %s > %t.5.mlir
// RUN: %if llvm %{ not quern inspect %t.5.mlir --kernels --engine llvm 2>&1 | FileCheck %s --check-prefix=RANGE %}

// KIND: error: {{.*}}quern.choice is to be a dictionary
// RANGE: error: {{.*}}'rows' is to be an integer from 1 to 16
// OTHER: error: {{.*}}quern.choice has 'ahead', which is no choice for this kernel
// POWER: error: {{.*}}a power of two
func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %p = kern.pack %w {layout = "k1n16"} : (tensor<8x16xf32>) -> tensor<8x16xf32>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } epilogue {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } {acc = f32, layout = "k1n16", quern.choice = CHOICE} : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}
