// RUN: quern opt %s -p fuse-patterns | FileCheck %s

// Scale by a factor, an added mask, k through a transposition of [batch, keys, heads, d].
// CHECK-LABEL: func.func @exported
// CHECK-NEXT: %[[K:.*]] = quern.transpose %k {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x6x2x8xf32{{.*}}>) -> tensor<?x2x6x8xf32{{.*}}>
// CHECK-NEXT: %y = quern.attention %q, %[[K]], %v, %mask {scale = 0.35355338 : f32}
// CHECK-NEXT: return %y
func.func @exported(%q: tensor<?x2x4x8xf32, #quern.dims<"b","","","">>, %k: tensor<?x6x2x8xf32, #quern.dims<"b","","","">>, %v: tensor<?x2x6x3xf32, #quern.dims<"b","","","">>, %mask: tensor<?x1x1x6xf32, #quern.dims<"b","","","">>) -> tensor<?x2x4x3xf32, #quern.dims<"b","","","">> {
  %kt = quern.transpose %k {perm = array<i64: 0, 2, 3, 1>} : (tensor<?x6x2x8xf32, #quern.dims<"b","","","">>) -> tensor<?x2x8x6xf32, #quern.dims<"b","","","">>
  %s = quern.matmul %q, %kt : (tensor<?x2x4x8xf32, #quern.dims<"b","","","">>, tensor<?x2x8x6xf32, #quern.dims<"b","","","">>) -> tensor<?x2x4x6xf32, #quern.dims<"b","","","">>
  %c = arith.constant dense<0.35355338> : tensor<f32>
  %t = quern.mul %s, %c : (tensor<?x2x4x6xf32, #quern.dims<"b","","","">>, tensor<f32>) -> tensor<?x2x4x6xf32, #quern.dims<"b","","","">>
  %u = quern.add %mask, %t : (tensor<?x1x1x6xf32, #quern.dims<"b","","","">>, tensor<?x2x4x6xf32, #quern.dims<"b","","","">>) -> tensor<?x2x4x6xf32, #quern.dims<"b","","","">>
  %p = quern.softmax %u {axis = 3} : (tensor<?x2x4x6xf32, #quern.dims<"b","","","">>) -> tensor<?x2x4x6xf32, #quern.dims<"b","","","">>
  %y = quern.matmul %p, %v : (tensor<?x2x4x6xf32, #quern.dims<"b","","","">>, tensor<?x2x6x3xf32, #quern.dims<"b","","","">>) -> tensor<?x2x4x3xf32, #quern.dims<"b","","","">>
  return %y : tensor<?x2x4x3xf32, #quern.dims<"b","","","">>
}

// A divisor, no mask, transpose_b.
// CHECK-LABEL: func.func @divided
// CHECK-NEXT: %y = quern.attention %q, %k, %v {scale = 0.5 : f32}
func.func @divided(%q: tensor<4x8xf16>, %k: tensor<6x8xf16>, %v: tensor<6x3xf16>) -> tensor<4x3xf16> {
  %s = quern.matmul %q, %k {transpose_b = true} : (tensor<4x8xf16>, tensor<6x8xf16>) -> tensor<4x6xf16>
  %c = arith.constant dense<2.0> : tensor<f16>
  %t = quern.div %s, %c : (tensor<4x6xf16>, tensor<f16>) -> tensor<4x6xf16>
  %p = quern.softmax %t : (tensor<4x6xf16>) -> tensor<4x6xf16>
  %y = quern.matmul %p, %v : (tensor<4x6xf16>, tensor<6x3xf16>) -> tensor<4x3xf16>
  return %y : tensor<4x3xf16>
}

// No scale: 1. A key matrix of no known origin is transposed.
// CHECK-LABEL: func.func @bare
// CHECK-NEXT: %[[K:.*]] = quern.transpose %kt {perm = array<i64: 1, 0>}
// CHECK-NEXT: %y = quern.attention %q, %[[K]], %v {scale = 1.0 : f32}
func.func @bare(%q: tensor<4x8xf32>, %kt: tensor<8x6xf32>, %v: tensor<6x3xf32>) -> tensor<4x3xf32> {
  %s = quern.matmul %q, %kt : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %p = quern.softmax %s : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %y = quern.matmul %p, %v : (tensor<4x6xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// Weights that are returned too stay; so do those of another axis, and heads of q that would be broadcast.
// CHECK-LABEL: func.func @kept
// CHECK-NOT: quern.attention
// CHECK: return
func.func @kept(%q: tensor<4x8xf32>, %k: tensor<6x8xf32>, %v: tensor<6x3xf32>, %w: tensor<4x3xf32>, %kh: tensor<2x6x8xf32>, %vh: tensor<2x6x3xf32>, %q1: tensor<1x4x8xf32>) -> (tensor<4x3xf32>, tensor<4x6xf32>, tensor<4x3xf32>, tensor<2x4x3xf32>) {
  %s = quern.matmul %q, %k {transpose_b = true} : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
  %p = quern.softmax %s : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %y = quern.matmul %p, %v : (tensor<4x6xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  %s0 = quern.matmul %q, %k {transpose_b = true} : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
  %p0 = quern.softmax %s0 {axis = 0} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  %y0 = quern.matmul %p0, %v : (tensor<4x6xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  %sh = quern.matmul %q1, %kh {transpose_b = true} : (tensor<1x4x8xf32>, tensor<2x6x8xf32>) -> tensor<2x4x6xf32>
  %ph = quern.softmax %sh : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  %yh = quern.matmul %ph, %vh : (tensor<2x4x6xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  return %y, %p, %y0, %yh : tensor<4x3xf32>, tensor<4x6xf32>, tensor<4x3xf32>, tensor<2x4x3xf32>
}
