// RUN: not quern opt %s -p 'quantize{dynamic=true}' 2>&1 | FileCheck %s

// CHECK: bad-weight.mlir:[[# @LINE + 4]]:8: error: quern.matmul: element 1 of the weight is NaN: only finite numbers have codes
// CHECK: error: pass 'quantize' (1 of 1) failed
func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %w = arith.constant dense<[[1.0, 0x7FC00000], [-0.5, 2.0]]> : tensor<2x2xf32>
  %0 = quern.matmul %x, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
