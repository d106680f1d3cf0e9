// RUN: quern opt %s -p fuse-patterns,canonicalize,dce --verify-each | FileCheck %s

// A normalization as exporters write it: one multiplication and one addition per channel.
// CHECK-LABEL: func.func @normalized
// CHECK-NEXT:  %[[B:.*]] = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
// CHECK-NEXT:  %[[W:.*]] = arith.constant dense<{{\[\[\[\[}}2.0, -6.0]]]]> : tensor<1x1x1x2xf32>
// CHECK-NEXT:  %[[Y:.*]] = quern.conv2d %x, %[[W]] {strides = array<i64: 2, 2>}
// CHECK-NEXT:  quern.add %[[Y]], %[[B]]
// CHECK-NEXT:  return
func.func @normalized(%x: tensor<?x?x?x1xf32>) -> tensor<?x?x?x2xf32> {
  %w = arith.constant dense<[[[[1.0, 2.0]]]]> : tensor<1x1x1x2xf32>
  %k = arith.constant dense<[2.0, -3.0]> : tensor<2xf32>
  %b = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %s = quern.conv2d %x, %w {strides = array<i64: 2, 2>} : (tensor<?x?x?x1xf32>, tensor<1x1x1x2xf32>) -> tensor<?x?x?x2xf32>
  %t = quern.mul %s, %k : (tensor<?x?x?x2xf32>, tensor<2xf32>) -> tensor<?x?x?x2xf32>
  %y = quern.add %t, %b : (tensor<?x?x?x2xf32>, tensor<2xf32>) -> tensor<?x?x?x2xf32>
  return %y : tensor<?x?x?x2xf32>
}

// Channels first, with a bias of its own, which is multiplied, too.
// CHECK-LABEL: func.func @first
// CHECK-DAG:   arith.constant dense<{{\[\[\[\[}}2.0]]], {{\[\[\[}}-6.0]]]]> : tensor<2x1x1x1xf32>
// CHECK-DAG:   arith.constant dense<{{\[\[\[}}20.0]], {{\[\[}}-60.0]]]> : tensor<2x1x1xf32>
// CHECK-NOT:   quern.mul
func.func @first(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = arith.constant dense<[[[[1.0]]], [[[2.0]]]]> : tensor<2x1x1x1xf32>
  %k = arith.constant dense<[[[2.0]], [[-3.0]]]> : tensor<2x1x1xf32>
  %b = arith.constant dense<[[[10.0]], [[20.0]]]> : tensor<2x1x1xf32>
  %s = quern.conv2d %x, %w {layout = "nchw"} : (tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x4x4xf32>
  %a = quern.add %s, %b : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %y = quern.mul %k, %a : (tensor<2x1x1xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// One factor for all channels, of a depthwise convolution.
// CHECK-LABEL: func.func @scalar
// CHECK:       arith.constant dense<{{\[\[\[\[}}0.5, 1.0]]]]> : tensor<1x1x1x2xf32>
// CHECK-NOT:   quern.mul
func.func @scalar(%x: tensor<1x3x3x2xf32>) -> tensor<1x3x3x2xf32> {
  %w = arith.constant dense<[[[[1.0, 2.0]]]]> : tensor<1x1x1x2xf32>
  %k = arith.constant dense<0.5> : tensor<f32>
  %s = quern.conv2d %x, %w {groups = 2} : (tensor<1x3x3x2xf32>, tensor<1x1x1x2xf32>) -> tensor<1x3x3x2xf32>
  %y = quern.mul %s, %k : (tensor<1x3x3x2xf32>, tensor<f32>) -> tensor<1x3x3x2xf32>
  return %y : tensor<1x3x3x2xf32>
}

// A factor per column of the image is none of the weights; sums that are used elsewhere stay.
// CHECK-LABEL: func.func @kept
// CHECK:       quern.mul
// CHECK:       quern.mul
func.func @kept(%x: tensor<1x3x2x2xf32>) -> (tensor<1x3x2x2xf32>, tensor<1x3x2x2xf32>, tensor<1x3x2x2xf32>) {
  %w = arith.constant dense<[[[[1.0, 2.0], [3.0, 4.0]]]]> : tensor<1x1x2x2xf32>
  %k = arith.constant dense<[[2.0], [3.0]]> : tensor<2x1xf32>
  %c = arith.constant dense<[2.0, 3.0]> : tensor<2xf32>
  %s = quern.conv2d %x, %w : (tensor<1x3x2x2xf32>, tensor<1x1x2x2xf32>) -> tensor<1x3x2x2xf32>
  %y = quern.mul %s, %k : (tensor<1x3x2x2xf32>, tensor<2x1xf32>) -> tensor<1x3x2x2xf32>
  %u = quern.conv2d %y, %w : (tensor<1x3x2x2xf32>, tensor<1x1x2x2xf32>) -> tensor<1x3x2x2xf32>
  %z = quern.mul %u, %c : (tensor<1x3x2x2xf32>, tensor<2xf32>) -> tensor<1x3x2x2xf32>
  return %y, %z, %u : tensor<1x3x2x2xf32>, tensor<1x3x2x2xf32>, tensor<1x3x2x2xf32>
}
