// RUN: quern opt %s -p 'fold-qparams,dce,prove-accumulators' | FileCheck %s

// Dequantize, convolve, add a bias, relu, quantize: one integer convolution, an i32 bias, one multiplier vector.
// CHECK-LABEL: func.func @conv
// CHECK-NOT: quant.dcast
// CHECK: quern.conv2d %x, {{.*}} {pads = array<i64: 1, 1, 0, 0>, quern.acc_bound = 4136, strides = array<i64: 2, 1>} : {{.*}} -> tensor<1x2x4x2xi32>
// CHECK: quern.add {{.*}}tensor<2xi32>
// CHECK: quern.requantize {{.*}}tensor<2xf32>
// CHECK-NOT: quern.relu
func.func @conv(%x: tensor<1x4x4x3x!quant.uniform<u8:f32, 0.5:100>>) -> tensor<1x2x4x2x!quant.uniform<u8:f32, 0.25>> {
  %c = arith.constant dense<[[[[1, 2], [3, -4], [5, 6]], [[1, 1], [1, 1], [1, 1]]], [[[0, 0], [0, 0], [0, 0]], [[-1, 1], [2, 3], [-3, 9]]]]> : tensor<2x2x3x2xi8>
  %q = quant.scast %c : tensor<2x2x3x2xi8> to tensor<2x2x3x2x!quant.uniform<i8:f32:3, {0.5,0.25}>>
  %f = quant.dcast %x : tensor<1x4x4x3x!quant.uniform<u8:f32, 0.5:100>> to tensor<1x4x4x3xf32>
  %w = quant.dcast %q : tensor<2x2x3x2x!quant.uniform<i8:f32:3, {0.5,0.25}>> to tensor<2x2x3x2xf32>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = quern.conv2d %f, %w {pads = array<i64: 1, 1, 0, 0>, strides = array<i64: 2, 1>} : (tensor<1x4x4x3xf32>, tensor<2x2x3x2xf32>) -> tensor<1x2x4x2xf32>
  %s = quern.add %y, %b : (tensor<1x2x4x2xf32>, tensor<2xf32>) -> tensor<1x2x4x2xf32>
  %r = quern.relu %s : (tensor<1x2x4x2xf32>) -> tensor<1x2x4x2xf32>
  %z = quant.qcast %r : tensor<1x2x4x2xf32> to tensor<1x2x4x2x!quant.uniform<u8:f32, 0.25>>
  return %z : tensor<1x2x4x2x!quant.uniform<u8:f32, 0.25>>
}
