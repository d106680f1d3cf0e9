// RUN: quern opt %s -p dce --allow-unregistered | FileCheck %s

// What an unknown op does is not known: it stays, and so does every function it could name.
// CHECK: func.func private @maybe
// CHECK: "other.op"
func.func private @maybe(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "other.op"(%x) {f = @maybe} : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}
