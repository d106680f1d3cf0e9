// RUN: quern opt %s -p canonicalize --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'canonicalize{max_fold=3}' --verify-each | FileCheck %s --check-prefix=SMALL

// Any pure op over constants, by the interpreter's own evaluators: the sum of a and b transposed.
// CHECK-LABEL: func.func @arithmetic
// CHECK-NEXT:  %[[C:.*]] = arith.constant dense<{{\[}}[11.0, 32.0], [23.0, 44.0]]> : tensor<2x2xf32>
// CHECK-NEXT:  return %[[C]]
// SMALL-LABEL: func.func @arithmetic
// SMALL-NEXT:  arith.constant
// SMALL-NEXT:  return
func.func @arithmetic() -> tensor<2x2xf32> {
  %a = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %b = arith.constant dense<[[10.0, 20.0], [30.0, 40.0]]> : tensor<2x2xf32>
  %t = quern.transpose %a {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %u = quern.transpose %b {perm = array<i64: 0, 1>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %v = quern.transpose %t {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %w = quern.transpose %u {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %s = quern.add %v, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %r = quern.transpose %s {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %q = quern.transpose %r {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %q : tensor<2x2xf32>
}

// max_fold bounds what has more elements than it is made of.
// CHECK-LABEL: func.func @outer
// CHECK-NEXT:  %[[C:.*]] = arith.constant dense<{{.*}}> : tensor<3x3xf32>
// CHECK-NEXT:  return %[[C]]
// SMALL-LABEL: func.func @outer
// SMALL:       quern.mul
func.func @outer() -> tensor<3x3xf32> {
  %a = arith.constant dense<[[1.0], [2.0], [3.0]]> : tensor<3x1xf32>
  %b = arith.constant dense<[[1.0, 10.0, 100.0]]> : tensor<1x3xf32>
  %0 = quern.mul %a, %b : (tensor<3x1xf32>, tensor<1x3xf32>) -> tensor<3x3xf32>
  return %0 : tensor<3x3xf32>
}

// CHECK-LABEL: func.func @matmul
// CHECK-NEXT:  %[[C:.*]] = arith.constant dense<17.0> : tensor<1x1xf32>
// CHECK-NEXT:  return %[[C]]
func.func @matmul() -> tensor<1x1xf32> {
  %a = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %b = arith.constant dense<[[3.0], [7.0]]> : tensor<2x1xf32>
  %0 = quern.matmul %a, %b : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

// Kernels fold as well, with their regions.
// CHECK-LABEL: func.func @kernel
// CHECK-NEXT:  %[[C:.*]] = arith.constant dense<[2, 4, 6]> : tensor<3xi32>
// CHECK-NEXT:  return %[[C]]
// SMALL-LABEL: func.func @kernel
// SMALL-NEXT:  %[[C:.*]] = arith.constant dense<[2, 4, 6]> : tensor<3xi32>
func.func @kernel() -> tensor<3xi32> {
  %a = arith.constant dense<[1, 2, 3]> : tensor<3xi32>
  %0 = kern.map %a body {
  ^bb0(%x: i32):
    %y = arith.addi %x, %x : i32
    kern.yield %y : i32
  } : (tensor<3xi32>) -> tensor<3xi32>
  return %0 : tensor<3xi32>
}

// A result of unknown size, an effect, an op over a value: nothing to fold.
// CHECK-LABEL: func.func @not_folded
// CHECK:       quern.observe
// CHECK:       quern.add
func.func @not_folded(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %0 = quern.observe %c {key = "c"} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.add %x, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
