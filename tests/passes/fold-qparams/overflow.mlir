// RUN: not quern opt %s -p fold-qparams 2>&1 | FileCheck %s

!a = !quant.uniform<u8:f32, 1.0e-5>
!w = !quant.uniform<i8<-127:127>:f32, 1.0e-4>
!y = !quant.uniform<u8:f32, 0.125>

// CHECK: overflow.mlir:[[# @LINE + 7]]:{{.*}} error: quern.add: bias element 1 is 30, which does not fit i32 in steps of 1e-09 (the scales 1e-05 and 0.0001 of the product's operands); leave this product in float, or calibrate its input over a wider range
// CHECK: error: pass 'fold-qparams' (1 of 1) failed
func.func @main(%q: tensor<4x3x!a>, %c: tensor<3x2x!w>) -> tensor<4x2x!y> {
  %bias = arith.constant dense<[1.0, 30.0]> : tensor<2xf32>
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %c : tensor<3x2x!w> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %1 = quern.add %0, %bias : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %y = quant.qcast %1 : tensor<4x2xf32> to tensor<4x2x!y>
  return %y : tensor<4x2x!y>
}
