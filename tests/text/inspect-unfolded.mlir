// Products of dequantized codes are products of floats until fold-qparams has seen them: inspect and bench tell.
// RUN: quern inspect %s | FileCheck %s
// RUN: quern inspect %s --json | FileCheck %s --check-prefix=JSON
// RUN: %if llvm %{ quern bench %s --seconds 0.01 | FileCheck %s %}
// RUN: quern opt %s -p fold-qparams -o %t.mlir
// RUN: quern inspect %t.mlir | FileCheck %s --check-prefix=FOLDED

// CHECK: slow 1 product of dequantized codes in floats: 'quern opt -p fold-qparams' multiplies the codes
// JSON: "unfolded_products": 1
// FOLDED-NOT: slow

!x = !quant.uniform<u8:f32, 0.5:3>
!w = !quant.uniform<i8:f32, 0.25>
func.func @main(%x: tensor<2x4x!x>, %w: tensor<4x3x!w>, %w2: tensor<3x3xf32>) -> tensor<2x3xf32> {
  %0 = quant.dcast %x : tensor<2x4x!x> to tensor<2x4xf32>
  %1 = quant.dcast %w : tensor<4x3x!w> to tensor<4x3xf32>
  %2 = quern.relu %0 : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = quern.matmul %2, %1 : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  %4 = quern.matmul %3, %w2 : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
  return %4 : tensor<2x3xf32>
}
