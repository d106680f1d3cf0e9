// RUN: quern opt %s -p inline --locations --verify-each | FileCheck %s

// An op says where it was written, not where it was copied to.
// CHECK-LABEL: func.func @main
// CHECK:       quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc("model.onnx":7:1)
func.func private @leaf(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc("model.onnx":7:1)
  return %0 : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @leaf(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
