// RUN: quern opt %s -p 'channels-last,canonicalize,cse,dce' | FileCheck %s

// Two convolutions with a residual addition between them: transpositions stay at the edges.
// CHECK-LABEL: func.func @chain
// CHECK: quern.transpose %x {perm = array<i64: 0, 2, 3, 1>}
// CHECK-NOT: quern.transpose
// CHECK: quern.conv2d
// CHECK-NOT: quern.transpose
// CHECK: quern.add
// CHECK-NOT: quern.transpose
// CHECK: quern.relu
// CHECK-NOT: quern.transpose
// CHECK: quern.max_pool
// CHECK-NOT: quern.transpose
// CHECK: quern.conv2d
// CHECK-NOT: quern.transpose
// CHECK: quern.add
// CHECK: quern.transpose {{.*}} {perm = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: return
func.func @chain(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32> {
  %w = arith.constant dense<0.5> : tensor<2x2x1x1xf32>
  %b = arith.constant dense<[[[1.0]], [[2.0]]]> : tensor<2x1x1xf32>
  %0 = quern.conv2d %x, %w {layout = "nchw"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %1 = quern.add %0, %b : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %2 = quern.relu %1 : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %3 = quern.max_pool %2 {kernel = array<i64: 2, 2>, layout = "nchw", strides = array<i64: 2, 2>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32>
  %4 = quern.conv2d %3, %w {layout = "nchw"} : (tensor<1x2x2x2xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x2x2xf32>
  %5 = quern.add %3, %4 : (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32>
  return %5 : tensor<1x2x2x2xf32>
}
