// RUN: not quern opt %s --verify-each 2>&1 | FileCheck %s
// Packed constants whose numbers name granules that are not there, or whose weights are too large for what is promised.

func.func @f(%x: tensor<2x8xui8>) -> tensor<2x1xi32> {
  // One granule is there; the list says two.
  // CHECK: granules.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}the value's first bytes name granules that are not there
  %0 = kern.packed_constant {layout = "k4n1z4", value = dense<"0x00000000020000000400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000AABBCCDD"> : tensor<68xi8>} : () -> tensor<8x1xi8>
  // It begins at k 8, which is the end; then at 2, which is no multiple of 4.
  // CHECK: granules.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}the value's first bytes name granules that are not there
  %1 = kern.packed_constant {layout = "k4n1z4", value = dense<"0x00000000010000000800000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000AABBCCDD"> : tensor<68xi8>} : () -> tensor<8x1xi8>
  // CHECK: granules.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}ascending multiples of 4
  %2 = kern.packed_constant {layout = "k4n1z4", value = dense<"0x00000000010000000200000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000AABBCCDD"> : tensor<68xi8>} : () -> tensor<8x1xi8>
  // CHECK: granules.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}sums16 is 1, but the weights are too large: sums of their products with 255 do not fit 16 bits
  %3 = kern.packed_constant {layout = "k4n1", sums16 = 1, value = dense<[64, 64, -128, 127, 65, 64, 1, 1]> : tensor<8xi8>} : () -> tensor<8x1xi8>
  // CHECK: granules.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}sums16 is 4, but the weights are too large
  %4 = kern.packed_constant {layout = "k4n1", sums16 = 4, value = dense<[64, 64, -128, 127, 64, 64, 1, 1]> : tensor<8xi8>} : () -> tensor<8x1xi8>
  // CHECK: granules.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}finite is true, but the value has elements of tensor<1x1xf32> that are not
  %f = kern.packed_constant {finite = true, layout = "k1n1", value = dense<[0, 0, -128, 127]> : tensor<4xi8>} : () -> tensor<1x1xf32>
  %5 = kern.packed_constant {layout = "k4n1z4", value = dense<0> : tensor<64xi8>} : () -> tensor<8x1xi8>
  %y = kern.gemm %x, %5 prologue {
  ^bb0(%a: i8):
    kern.yield %a : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k4n1z4"} : (tensor<2x8xui8>, tensor<8x1xi8>) -> tensor<2x1xi32>
  return %y : tensor<2x1xi32>
}
