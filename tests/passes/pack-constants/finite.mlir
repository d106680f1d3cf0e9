// RUN: quern opt %s -p pack-constants --verify-each --check-each | FileCheck %s

// Products of floats over windows with pads leave out what is outside where all weights are finite.
// CHECK-LABEL: func.func @finite
// CHECK:       kern.packed_constant {finite = true, layout = "k1n4s2", value
func.func @finite(%x: tensor<1x2x3x2xf32>) -> tensor<1x2x3x3xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [1.0, 2.0, 3.0]]> : tensor<4x3xf32>
  %p = kern.pack %w {layout = "k1n4s2"} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } epilogue {
  ^bb0(%acc: f32):
    kern.yield %acc : f32
  } {acc = f32, layout = "k1n4s2", pads = array<i64: 0, 1, 0, 0>, window = array<i64: 1, 2, 1, 1, 1, 1>} : (tensor<1x2x3x2xf32>, tensor<4x3xf32>) -> tensor<1x2x3x3xf32>
  return %y : tensor<1x2x3x3xf32>
}

// One is not.
// CHECK-LABEL: func.func @infinite
// CHECK:       kern.packed_constant {layout = "k1n4s2", value
func.func @infinite(%x: tensor<1x2x3x2xf32>) -> tensor<1x2x3x3xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 0x7F800000, 6.0], [7.0, 8.0, 9.0], [1.0, 2.0, 3.0]]> : tensor<4x3xf32>
  %p = kern.pack %w {layout = "k1n4s2"} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } epilogue {
  ^bb0(%acc: f32):
    kern.yield %acc : f32
  } {acc = f32, layout = "k1n4s2", pads = array<i64: 0, 1, 0, 0>, window = array<i64: 1, 2, 1, 1, 1, 1>} : (tensor<1x2x3x2xf32>, tensor<4x3xf32>) -> tensor<1x2x3x3xf32>
  return %y : tensor<1x2x3x3xf32>
}

// Without pads nobody asks.
// CHECK-LABEL: func.func @inside
// CHECK:       kern.packed_constant {layout = "k1n4", value
func.func @inside(%x: tensor<2x4xf32>) -> tensor<2x3xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [1.0, 2.0, 3.0]]> : tensor<4x3xf32>
  %p = kern.pack %w {layout = "k1n4"} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } epilogue {
  ^bb0(%acc: f32):
    kern.yield %acc : f32
  } {acc = f32, layout = "k1n4"} : (tensor<2x4xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
