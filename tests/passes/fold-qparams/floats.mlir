// RUN: quern opt %s -p fold-qparams --verify-each --check-each | FileCheck %s

!a = !quant.uniform<u8:f32, 0.5:3>
!ac = !quant.uniform<i8:f32:0, {0.5,0.25,0.125,0.5}>
!w = !quant.uniform<i8<-127:127>:f32, 0.25>
!wk = !quant.uniform<i8<-127:127>:f32:0, {0.25,0.5,0.75}>
!i16 = !quant.uniform<i16:f32, 0.25>
!half = !quant.uniform<u8:f16, 0.5>

// Float results: the sum times sa*sb, then whatever came before.
// CHECK-LABEL:  func.func @floats
// CHECK-NEXT:   %[[ACC:.*]] = quern.matmul %q, %c {transpose_b = true} : ({{.*}}) -> tensor<4x2xi32>
// CHECK-NEXT:   %[[F:.*]] = quern.cast %[[ACC]]
// CHECK-NEXT:   %[[S:.*]] = arith.constant dense<0.125> : tensor<f32>
// CHECK-NEXT:   %[[Y:.*]] = quern.mul %[[F]], %[[S]]
// CHECK-NEXT:   quern.add %[[Y]], %bias
func.func @floats(%q: tensor<4x3x!a>, %c: tensor<2x3x!w>, %bias: tensor<2xf32>) -> tensor<4x2xf32> {
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %c : tensor<2x3x!w> to tensor<2x3xf32>
  %0 = quern.matmul %x, %w {transpose_b = true} : (tensor<4x3xf32>, tensor<2x3xf32>) -> tensor<4x2xf32>
  %1 = quern.add %0, %bias : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}

// Vectors have no columns; 16 by 16 bits add up in i64; other floats are rounded last.
// CHECK-LABEL:  func.func @kinds
// CHECK:        quern.matmul %q, %v : ({{.*}}) -> tensor<4xi32>
// CHECK:        quern.matmul %s, %s : ({{.*}}) -> tensor<3x3xi64>
// CHECK:        quern.cast {{.*}} : (tensor<3x3xi64>) -> tensor<3x3xf32>
// CHECK:        quern.matmul %h, %h {transpose_b = true} : ({{.*}}) -> tensor<4x4xi32>
// CHECK:        %[[H:.*]] = quern.mul
// CHECK-NEXT:   quern.cast %[[H]] : (tensor<4x4xf32>) -> tensor<4x4xf16>
func.func @kinds(%q: tensor<4x3x!a>, %v: tensor<3x!w>, %s: tensor<3x3x!i16>, %h: tensor<4x3x!half>) -> (tensor<4xf32>, tensor<3x3xf32>, tensor<4x4xf16>) {
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %v : tensor<3x!w> to tensor<3xf32>
  %0 = quern.matmul %x, %w : (tensor<4x3xf32>, tensor<3xf32>) -> tensor<4xf32>
  %s1 = quant.dcast %s : tensor<3x3x!i16> to tensor<3x3xf32>
  %1 = quern.matmul %s1, %s1 : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %h1 = quant.dcast %h : tensor<4x3x!half> to tensor<4x3xf16>
  %2 = quern.matmul %h1, %h1 {transpose_b = true} : (tensor<4x3xf16>, tensor<4x3xf16>) -> tensor<4x4xf16>
  return %0, %1, %2 : tensor<4xf32>, tensor<3x3xf32>, tensor<4x4xf16>
}

// Scales that change along the sum, or along the rows of the left operand, stay with the floats.
// CHECK-LABEL:  func.func @along_sum
// CHECK:        quant.dcast
// CHECK:        quant.dcast
// CHECK:        quern.matmul {{.*}} : (tensor<4x3xf32>, tensor<3x2xf32>)
// CHECK:        quern.matmul {{.*}} : (tensor<4x3xf32>, tensor<3x2xf32>)
func.func @along_sum(%q: tensor<4x3x!a>, %c: tensor<3x2x!wk>, %l: tensor<4x3x!ac>, %d: tensor<3x2x!w>) -> (tensor<4x2xf32>, tensor<4x2xf32>) {
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %c : tensor<3x2x!wk> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %l1 = quant.dcast %l : tensor<4x3x!ac> to tensor<4x3xf32>
  %d1 = quant.dcast %d : tensor<3x2x!w> to tensor<3x2xf32>
  %1 = quern.matmul %l1, %d1 : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  return %0, %1 : tensor<4x2xf32>, tensor<4x2xf32>
}

// Elementwise ops on quantized operands are float ops between casts.
// CHECK-LABEL:  func.func @residual
// CHECK-NEXT:   quant.dcast
// CHECK-NEXT:   quant.dcast
// CHECK-NEXT:   quern.add
// CHECK-NEXT:   quant.qcast
func.func @residual(%p: tensor<4x!a>, %q: tensor<4x!w>) -> tensor<4x!a> {
  %0 = quant.dcast %p : tensor<4x!a> to tensor<4xf32>
  %1 = quant.dcast %q : tensor<4x!w> to tensor<4xf32>
  %2 = quern.add %0, %1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = quant.qcast %2 : tensor<4xf32> to tensor<4x!a>
  return %3 : tensor<4x!a>
}
