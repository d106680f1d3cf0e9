// RUN: quern opt %s -p dce --verify-each --check-each | FileCheck %s

// Private functions that no public one leads to go; those that are called, directly or not, stay.
// CHECK:     func.func private @leaf
// CHECK:     func.func private @used
// CHECK-NOT: @unused
// CHECK-NOT: @only_by_unused
// CHECK:     func.func @main
func.func private @leaf(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @used(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @leaf(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @only_by_unused(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func private @unused(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @only_by_unused(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @used(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
