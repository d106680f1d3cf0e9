// RUN: quern opt %s -p 'infer-shapes{bind=n:4}' --verify-each --check-each | FileCheck %s

// Sizes go into the functions that are called and come back.
// CHECK-LABEL: func.func private @inner(%x: tensor<4xf32>) -> tensor<4x1xf32>
// CHECK-LABEL: func.func @main(%x: tensor<4xf32>) -> tensor<4x1xf32>
// CHECK:       call @inner(%y) : (tensor<4xf32>) -> tensor<4x1xf32>
func.func private @inner(%x: tensor<?xf32>) -> tensor<?x1xf32> {
  %0 = quern.reshape %x {shape = array<i64: -2, 1>} : (tensor<?xf32>) -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
func.func @main(%x: tensor<?xf32, #quern.dims<"n">>) -> tensor<?x1xf32> {
  %y = quern.exp %x : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xf32>
  %0 = call @inner(%y) : (tensor<?xf32>) -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
