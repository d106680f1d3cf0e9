// RUN: quern opt %s -p prove-accumulators --verify-each | FileCheck %s
// RUN: quern opt %s -p prove-accumulators --stats 2>&1 >/dev/null | FileCheck %s --check-prefix=NOTE
// RUN: quern opt %s -p 'prove-accumulators,canonicalize,lower-kernels{target=avx2},canonicalize,dce' --verify-each --check-each | FileCheck %s --check-prefix=LOWERED

!a = !quant.uniform<u8:f32, 0.5>
!w = !quant.uniform<i8<-127:127>:f32, 0.25>
!z = !quant.uniform<u8:f32, 0.25:3>
!y = !quant.uniform<u8:f32, 0.125>

// Add, relu, requantize and casts take i64; who returns i32 gets what it got before.
// NOTE:         widen.mlir:[[# @LINE + 18]]:{{.*}} note: quern.matmul: sums of this product may reach 2284800006 and are computed in i64
// NOTE:         sums widened to i64
// CHECK-LABEL:  func.func @main
// CHECK-NEXT:   %[[BIAS:.*]] = arith.constant dense<[5, -6]> : tensor<2xi32>
// CHECK-NEXT:   %[[M:.*]] = arith.constant dense<1.0> : tensor<f32>
// CHECK-NEXT:   %[[ACC:.*]] = quern.matmul %q, %b {quern.acc_bound = 2284800006} : ({{.*}}) -> tensor<2x2xi64>
// CHECK-NEXT:   %[[WIDE:.*]] = arith.constant dense<[5, -6]> : tensor<2xi64>
// CHECK-NEXT:   %[[SUM:.*]] = quern.add %[[ACC]], %[[WIDE]] : (tensor<2x2xi64>, tensor<2xi64>) -> tensor<2x2xi64>
// CHECK-NEXT:   %[[R:.*]] = quern.relu %[[SUM]] : (tensor<2x2xi64>) -> tensor<2x2xi64>
// CHECK-NEXT:   %[[Q:.*]] = quern.requantize %[[R]], %[[M]] : (tensor<2x2xi64>, tensor<f32>)
// CHECK-NEXT:   %[[F:.*]] = quern.cast %[[SUM]] : (tensor<2x2xi64>) -> tensor<2x2xf32>
// CHECK-NEXT:   %[[I:.*]] = quern.cast %[[SUM]] : (tensor<2x2xi64>) -> tensor<2x2xi32>
// CHECK-NEXT:   return %[[Q]], %[[F]], %[[I]]
// LOWERED-LABEL: func.func @main
// LOWERED:      {acc = i64, layout = "k2n16"} : (tensor<2x70000xui8>
func.func @main(%q: tensor<2x70000x!a>, %b: tensor<70000x2x!w>) -> (tensor<2x2x!y>, tensor<2x2xf32>, tensor<2x2xi32>) {
  %bias = arith.constant dense<[5, -6]> : tensor<2xi32>
  %m = arith.constant dense<1.0> : tensor<f32>
  %0 = quern.matmul %q, %b : (tensor<2x70000x!a>, tensor<70000x2x!w>) -> tensor<2x2xi32>
  %1 = quern.add %0, %bias : (tensor<2x2xi32>, tensor<2xi32>) -> tensor<2x2xi32>
  %2 = quern.relu %1 : (tensor<2x2xi32>) -> tensor<2x2xi32>
  %3 = quern.requantize %2, %m : (tensor<2x2xi32>, tensor<f32>) -> tensor<2x2x!y>
  %4 = quern.cast %1 : (tensor<2x2xi32>) -> tensor<2x2xf32>
  return %3, %4, %1 : tensor<2x2x!y>, tensor<2x2xf32>, tensor<2x2xi32>
}

// Fixed point takes i32: the sums saturate.
// CHECK-LABEL:  func.func @fixed
// CHECK:        %[[LO:.*]] = quern.maximum %{{.*}}, %{{.*}} : (tensor<2x2xi64>, tensor<i64>) -> tensor<2x2xi64>
// CHECK:        %[[HI:.*]] = quern.minimum %[[LO]], %{{.*}} : (tensor<2x2xi64>, tensor<i64>) -> tensor<2x2xi64>
// CHECK-NEXT:   %[[I:.*]] = quern.cast %[[HI]] : (tensor<2x2xi64>) -> tensor<2x2xi32>
// CHECK-NEXT:   quern.requantize %[[I]], %{{.*}} {mode = "fixed"}
func.func @fixed(%q: tensor<2x70000x!a>, %b: tensor<70000x2x!w>) -> tensor<2x2x!y> {
  %m = arith.constant dense<1.0> : tensor<f32>
  %0 = quern.matmul %q, %b : (tensor<2x70000x!a>, tensor<70000x2x!w>) -> tensor<2x2xi32>
  %1 = quern.requantize %0, %m {mode = "fixed"} : (tensor<2x2xi32>, tensor<f32>) -> tensor<2x2x!y>
  return %1 : tensor<2x2x!y>
}

// Zero points on both sides, in i64 too.
// CHECK-LABEL:  func.func @zero_points
// CHECK:        quern.matmul %q, %b {quern.acc_bound = 4445280000} : ({{.*}}) -> tensor<2x2xi64>
// LOWERED-LABEL: func.func @zero_points
// LOWERED:      {acc = i64, {{.*}} -> tensor<2x2xf32>
func.func @zero_points(%q: tensor<2x70000x!z>, %b: tensor<70000x2x!z>) -> tensor<2x2xf32> {
  %0 = quern.matmul %q, %b : (tensor<2x70000x!z>, tensor<70000x2x!z>) -> tensor<2x2xi32>
  %1 = quern.cast %0 : (tensor<2x2xi32>) -> tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}

// A sum of unknown length has no bound.
// CHECK-LABEL:  func.func @unknown
// CHECK:        quern.matmul %q, %b : ({{.*}}) -> tensor<2x2xi64>
func.func @unknown(%q: tensor<2x?x!a>, %b: tensor<?x2x!w>) -> tensor<2x2xf32> {
  %0 = quern.matmul %q, %b : (tensor<2x?x!a>, tensor<?x2x!w>) -> tensor<2x2xi32>
  %1 = quern.cast %0 : (tensor<2x2xi32>) -> tensor<2x2xf32>
  return %1 : tensor<2x2xf32>
}
