// Dequantizing sinks below a max pool, whose window, strides and pads stay.
// RUN: quern opt %s -p 'fold-qparams,canonicalize,dce' --verify-each --check-each | FileCheck %s

!x = !quant.uniform<u8:f32, 0.5:3>
!c = !quant.uniform<u8:f32:3, {0.5,0.25}>

// CHECK-LABEL: func.func @pool
// CHECK: quern.max_pool %x {dilations = array<i64: 1, 2>, kernel = array<i64: 3, 2>, pads = array<i64: 1, 0, 1, 1>, strides = array<i64: 2, 1>} : (tensor<1x9x9x2x!
// CHECK-NOT: {{[dq]}}cast
// CHECK: return
func.func @pool(%x: tensor<1x9x9x2x!x>) -> tensor<1x5x8x2x!x> {
  %0 = quant.dcast %x : tensor<1x9x9x2x!x> to tensor<1x9x9x2xf32>
  %1 = quern.max_pool %0 {dilations = array<i64: 1, 2>, kernel = array<i64: 3, 2>, pads = array<i64: 1, 0, 1, 1>, strides = array<i64: 2, 1>} : (tensor<1x9x9x2xf32>) -> tensor<1x5x8x2xf32>
  %2 = quant.qcast %1 : tensor<1x5x8x2xf32> to tensor<1x5x8x2x!x>
  return %2 : tensor<1x5x8x2x!x>
}

// Scales of their own for the channels: left as it is.
// CHECK-LABEL: func.func @channels
// CHECK: quant.dcast
// CHECK: quern.max_pool {{.*}} -> tensor<1x4x4x2xf32>
func.func @channels(%x: tensor<1x8x8x2x!c>) -> tensor<1x4x4x2xf32> {
  %0 = quant.dcast %x : tensor<1x8x8x2x!c> to tensor<1x8x8x2xf32>
  %1 = quern.max_pool %0 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<1x8x8x2xf32>) -> tensor<1x4x4x2xf32>
  return %1 : tensor<1x4x4x2xf32>
}
