// RUN: quern opt %s -p inline --verify-each --check-each | FileCheck %s

// Kernels are copied with their regions.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: kern.map
// CHECK:       return
func.func private @twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = kern.map %x body {
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    kern.yield %b : f32
  } : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @twice(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = call @twice(%0) : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
