// A batch normalization as exporters write it, its factors computed from constants: nothing is transposed between the
// convolutions, only at the program's edges.
// RUN: quern inspect %s --kernels | FileCheck %s

// CHECK: transpose
// CHECK: kern.gemm
// CHECK: scale, bias, relu
// CHECK-NOT: transpose
// CHECK: kern.gemm
// CHECK: scale, bias
// CHECK: transpose
func.func @main(%x: tensor<1x8x9x9xf32>, %w: tensor<8x8x3x3xf32>) -> tensor<1x8x9x9xf32> {
  %variance = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]> : tensor<8xf32>
  %epsilon = arith.constant dense<1.0e-5> : tensor<f32>
  %gain = arith.constant dense<[0.5, 1.5, 0.5, 1.5, 0.5, 1.5, 0.5, 1.5]> : tensor<8xf32>
  %shift = arith.constant dense<[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]> : tensor<8xf32>
  %0 = quern.add %variance, %epsilon : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %1 = quern.sqrt %0 : (tensor<8xf32>) -> tensor<8xf32>
  %2 = quern.div %gain, %1 : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %3 = quern.reshape %2 {shape = array<i64: -2, 1, 1>} : (tensor<8xf32>) -> tensor<8x1x1xf32>
  %4 = quern.reshape %shift {shape = array<i64: -2, 1, 1>} : (tensor<8xf32>) -> tensor<8x1x1xf32>
  %5 = quern.conv2d %x, %w {layout = "nchw", pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x9x9xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x9x9xf32>
  %6 = quern.mul %5, %3 : (tensor<1x8x9x9xf32>, tensor<8x1x1xf32>) -> tensor<1x8x9x9xf32>
  %7 = quern.add %6, %4 : (tensor<1x8x9x9xf32>, tensor<8x1x1xf32>) -> tensor<1x8x9x9xf32>
  %8 = quern.relu %7 : (tensor<1x8x9x9xf32>) -> tensor<1x8x9x9xf32>
  %9 = quern.conv2d %8, %w {layout = "nchw", pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x9x9xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x9x9xf32>
  %10 = quern.mul %9, %3 : (tensor<1x8x9x9xf32>, tensor<8x1x1xf32>) -> tensor<1x8x9x9xf32>
  %11 = quern.add %10, %4 : (tensor<1x8x9x9xf32>, tensor<8x1x1xf32>) -> tensor<1x8x9x9xf32>
  return %11 : tensor<1x8x9x9xf32>
}
