// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni},canonicalize,dce' --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'lower-kernels{target=avx2},canonicalize,dce' --verify-each --check-each | FileCheck %s --check-prefix=AVX2
// RUN: quern opt %s -p 'lower-kernels{target=generic}' --verify-each --check-each -o /dev/null

!a = !quant.uniform<u8:f32, 0.5:3>
!s = !quant.uniform<i8:f32, 0.5>
!w = !quant.uniform<i8<-127:127>:f32, 0.25>
!wu = !quant.uniform<u8:f32, 0.25:128>
!y = !quant.uniform<u8:f32, 0.125>

// CHECK: module attributes {quern.target = "avx512vnni"
// AVX2: module attributes {quern.target = "avx2"

// Quantizing becomes the prologue. The zero point of the left codes, times the column sums of constant weights, is a
// constant that the epilogue takes off: 3 * (1+1+1+1) = 12.
// CHECK-LABEL:  func.func @static
// CHECK:        %[[P:.*]] = kern.pack {{.*}} {layout = "k4n16"}
// CHECK:        %[[C:.*]] = arith.constant dense<12> : tensor<2xi32>
// CHECK:        kern.gemm %x, %[[P]], %[[C]] prologue {
// CHECK-NEXT:   ^bb0(%[[X:.*]]: f32):
// CHECK:        math.roundeven
// CHECK:        kern.yield %{{.*}} : i8
// CHECK-NEXT:   } epilogue {
// CHECK-NEXT:   ^bb0(%[[ACC:.*]]: i32, %[[Z:.*]]: i32):
// CHECK-NEXT:   %[[R:.*]] = arith.subi %[[ACC]], %[[Z]] : i32
// CHECK-NEXT:   kern.yield %[[R]] : i32
// CHECK-NEXT:   } {acc = i32, layout = "k4n16", lhs = ui8}
// AVX2-LABEL:   func.func @static
// AVX2:         kern.pack {{.*}} {layout = "k2n8"}
func.func @static(%x: tensor<3x4xf32>) -> tensor<3x2xi32> {
  %q = quant.qcast %x : tensor<3x4xf32> to tensor<3x4x!a>
  %c = arith.constant dense<1> : tensor<4x2xi8>
  %w = quant.scast %c : tensor<4x2xi8> to tensor<4x2x!w>
  %acc = quern.matmul %q, %w : (tensor<3x4x!a>, tensor<4x2x!w>) -> tensor<3x2xi32>
  return %acc : tensor<3x2xi32>
}

// A constant bias absorbs the correction: 100 - 12 = 88. One requantizing epilogue.
// CHECK-LABEL:  func.func @bias
// CHECK:        arith.constant dense<88> : tensor<2xi32>
// CHECK:        } epilogue {
// CHECK-NEXT:   ^bb0(%[[ACC:.*]]: i32, %[[B:.*]]: i32, %[[M:.*]]: f32):
// CHECK-NEXT:   %[[S:.*]] = arith.addi %[[ACC]], %[[B]] : i32
// CHECK-NEXT:   %[[F:.*]] = arith.sitofp %[[S]] : i32 to f32
// CHECK-NEXT:   arith.mulf %[[F]], %[[M]] : f32
// CHECK-NOT:    cmpf uno
// CHECK:        } {acc = i32, layout = "k4n16"}
func.func @bias(%q: tensor<3x4x!a>) -> tensor<3x2x!y> {
  %c = arith.constant dense<1> : tensor<4x2xi8>
  %w = quant.scast %c : tensor<4x2xi8> to tensor<4x2x!w>
  %acc = quern.matmul %q, %w : (tensor<3x4x!a>, tensor<4x2x!w>) -> tensor<3x2xi32>
  %b = arith.constant dense<100> : tensor<2xi32>
  %s = quern.add %acc, %b : (tensor<3x2xi32>, tensor<2xi32>) -> tensor<3x2xi32>
  %m = arith.constant dense<1.0> : tensor<f32>
  %y = quern.requantize %s, %m : (tensor<3x2xi32>, tensor<f32>) -> tensor<3x2x!y>
  return %y : tensor<3x2x!y>
}

// i8 on the left and u8 on the right are shifted by 128 into the pair that hardware multiplies; rows and columns are
// summed where a zero point needs it.
// CHECK-LABEL:  func.func @shifted
// CHECK:        arith.xori
// CHECK:        kern.row
// CHECK:        kern.all_sum
// CHECK:        kern.gemm
func.func @shifted(%q: tensor<3x4x!s>, %w: tensor<4x2x!wu>) -> tensor<3x2xi32> {
  %acc = quern.matmul %q, %w : (tensor<3x4x!s>, tensor<4x2x!wu>) -> tensor<3x2xi32>
  return %acc : tensor<3x2xi32>
}

// Floats: bias and activation in the epilogue, a transposed left matrix is gathered while it is read.
// CHECK-LABEL:  func.func @floats
// CHECK:        kern.gemm
// CHECK:        math.tanh
// CHECK:        } {acc = f32, layout = "k1n16", transpose_a = true}
func.func @floats(%x: tensor<4x3xf32>, %w: tensor<2x4xf32>, %b: tensor<2xf32>) -> tensor<3x2xf32> {
  %y = quern.matmul %x, %w {transpose_a = true, transpose_b = true} : (tensor<4x3xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  %z = quern.add %y, %b : (tensor<3x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  %t = quern.tanh %z : (tensor<3x2xf32>) -> tensor<3x2xf32>
  return %t : tensor<3x2xf32>
}

// Vectors are matrices of one row or column.
// CHECK-LABEL:  func.func @vectors
// CHECK:        kern.view %a {{.*}}tensor<1x4xf32>
// CHECK:        kern.view {{.*}} -> tensor<f32>
func.func @vectors(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<f32> {
  %y = quern.matmul %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<f32>
  return %y : tensor<f32>
}
