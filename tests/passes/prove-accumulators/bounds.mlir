// RUN: quern opt %s -p prove-accumulators --verify-each --check-each | FileCheck %s

!a = !quant.uniform<u8:f32, 0.5>
!az = !quant.uniform<u8:f32, 0.5:100>
!few = !quant.uniform<u8<0:15>:f32, 0.5>
!w = !quant.uniform<i8<-127:127>:f32, 0.25>
!wc = !quant.uniform<i8:f32:1, {0.25:3,0.25:-1}>

// Known weights: 255 * (2 + 4) for the first column, the second is -1 -2 -3 = 255 * 6 the other way; + |bias|.
// CHECK-LABEL:  func.func @weights
// CHECK:        quern.matmul %q, %{{.*}} {quern.acc_bound = 1630} : ({{.*}}) -> tensor<4x2xi32>
func.func @weights(%q: tensor<4x3x!a>) -> tensor<4x2xi32> {
  %c = arith.constant dense<[[2, -1], [4, -2], [-5, -3]]> : tensor<3x2xi8>
  %bias = arith.constant dense<[20, -100]> : tensor<2xi32>
  %b = quant.scast %c : tensor<3x2xi8> to tensor<3x2x!w>
  %0 = quern.matmul %q, %b : (tensor<4x3x!a>, tensor<3x2x!w>) -> tensor<4x2xi32>
  %1 = quern.add %0, %bias : (tensor<4x2xi32>, tensor<2xi32>) -> tensor<4x2xi32>
  return %1 : tensor<4x2xi32>
}

// Zero points count: a - za is in [-100, 155], b - zb is -1, 1, -8 and 0, -1, -2.
// CHECK-LABEL:  func.func @zero_points
// CHECK:        quern.matmul {{.*}} {quern.acc_bound = 1495, transpose_a = true}
func.func @zero_points(%q: tensor<3x4x!az>) -> tensor<4x2xi32> {
  %c = arith.constant dense<[[2, -1], [4, -2], [-5, -3]]> : tensor<3x2xi8>
  %b = quant.scast %c : tensor<3x2xi8> to tensor<3x2x!wc>
  %0 = quern.matmul %q, %b {transpose_a = true} : (tensor<3x4x!az>, tensor<3x2x!wc>) -> tensor<4x2xi32>
  return %0 : tensor<4x2xi32>
}

// Unknown weights: the worst codes of the storage, 3 * 255 * 128. Codes that were quantized here keep to their range
// (3 * 15 * 128); so do those that only move.
// CHECK-LABEL:  func.func @worst
// CHECK:        quern.matmul %q, %b {quern.acc_bound = 97920}
// CHECK:        quern.matmul {{.*}}, %b {quern.acc_bound = 5760}
// CHECK:        quern.matmul %b, %{{.*}} {quern.acc_bound = 1152}
func.func @worst(%q: tensor<4x3x!a>, %b: tensor<3x3x!w>, %x: tensor<3x4xf32>) -> (tensor<4x3xi32>, tensor<4x3xi32>, tensor<3x2xi32>) {
  %0 = quern.matmul %q, %b : (tensor<4x3x!a>, tensor<3x3x!w>) -> tensor<4x3xi32>
  %few = quant.qcast %x : tensor<3x4xf32> to tensor<3x4x!few>
  %t = quern.transpose %few {perm = array<i64: 1, 0>} : (tensor<3x4x!few>) -> tensor<4x3x!few>
  %1 = quern.matmul %t, %b : (tensor<4x3x!few>, tensor<3x3x!w>) -> tensor<4x3xi32>
  %c = arith.constant dense<[[2, -1], [4, -2], [-3, -6]]> : tensor<3x2xi8>
  %k = quant.scast %c : tensor<3x2xi8> to tensor<3x2x!w>
  %2 = quern.matmul %b, %k : (tensor<3x3x!w>, tensor<3x2x!w>) -> tensor<3x2xi32>
  return %0, %1, %2 : tensor<4x3xi32>, tensor<4x3xi32>, tensor<3x2xi32>
}

// A constant on the left.
// CHECK-LABEL:  func.func @left
// CHECK:        quern.matmul {{.*}} {quern.acc_bound = 2295}
func.func @left(%q: tensor<3x4x!a>) -> tensor<2x4xi32> {
  %c = arith.constant dense<[[2, 3, 4], [-1, -2, -3]]> : tensor<2x3xi8>
  %b = quant.scast %c : tensor<2x3xi8> to tensor<2x3x!w>
  %0 = quern.matmul %b, %q : (tensor<2x3x!w>, tensor<3x4x!a>) -> tensor<2x4xi32>
  return %0 : tensor<2x4xi32>
}

// The largest sums that are certain to fit, and one product more.
// CHECK-LABEL:  func.func @edge
// CHECK:        quern.matmul %a, %b {quern.acc_bound = 2147483520} : {{.*}} -> tensor<1x1xi32>
// CHECK:        quern.matmul %c, %d {quern.acc_bound = 2147516160} : {{.*}} -> tensor<1x1xi64>
func.func @edge(%a: tensor<1x65793x!a>, %b: tensor<65793x1x!w>, %c: tensor<1x65794x!a>, %d: tensor<65794x1x!w>) -> (tensor<1x1xi32>, tensor<1x1xi32>) {
  %0 = quern.matmul %a, %b : (tensor<1x65793x!a>, tensor<65793x1x!w>) -> tensor<1x1xi32>
  %1 = quern.matmul %c, %d : (tensor<1x65794x!a>, tensor<65794x1x!w>) -> tensor<1x1xi32>
  return %0, %1 : tensor<1x1xi32>, tensor<1x1xi32>
}

// Sums of values with zero points as values wrap by definition.
// CHECK-LABEL:  func.func @wraps
// CHECK:        quern.matmul_integer %a, %b : (tensor<1x70000xui8>, tensor<70000x1xui8>) -> tensor<1x1xi32>
func.func @wraps(%a: tensor<1x70000xui8>, %b: tensor<70000x1xui8>) -> tensor<1x1xi32> {
  %0 = quern.matmul_integer %a, %b : (tensor<1x70000xui8>, tensor<70000x1xui8>) -> tensor<1x1xi32>
  return %0 : tensor<1x1xi32>
}
