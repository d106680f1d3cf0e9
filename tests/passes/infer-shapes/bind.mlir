// RUN: quern opt %s -p 'infer-shapes{bind=batch:8}' --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'infer-shapes{bind=x.0:8}' --verify-each | FileCheck %s
// RUN: quern opt %s -p infer-shapes --verify-each --check-each | FileCheck %s --check-prefix=FREE

// Sizes follow from the inputs through every op; the function's type and the returned types say the same.
// CHECK:      func.func @main(%x: tensor<8x6xf32>) -> (tensor<8x4xf32>, tensor<48xf32>) {
// CHECK:      %[[M:.*]] = quern.matmul %x, %w : (tensor<8x6xf32>, tensor<6x4xf32>) -> tensor<8x4xf32>
// CHECK-NEXT: %[[R:.*]] = quern.relu %[[M]] : (tensor<8x4xf32>) -> tensor<8x4xf32>
// CHECK-NEXT: %[[F:.*]] = quern.reshape %x {shape = array<i64: -1>} : (tensor<8x6xf32>) -> tensor<48xf32>
// CHECK-NEXT: return %[[R]], %[[F]] : tensor<8x4xf32>, tensor<48xf32>

// Without a binding the name goes along.
// FREE:      func.func @main(%x: tensor<?x6xf32, #quern.dims<"batch","">>)
// FREE:      quern.matmul {{.*}} -> tensor<?x4xf32, #quern.dims<"batch",
// FREE:      quern.relu {{.*}} -> tensor<?x4xf32, #quern.dims<"batch",
func.func @main(%x: tensor<?x6xf32, #quern.dims<"batch", "">>) -> (tensor<?x?xf32>, tensor<?xf32>) {
  %w = arith.constant dense<0.5> : tensor<6x4xf32>
  %0 = quern.matmul %x, %w : (tensor<?x6xf32, #quern.dims<"batch", "">>, tensor<6x4xf32>) -> tensor<?x?xf32>
  %1 = quern.relu %0 : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %2 = quern.reshape %x {shape = array<i64: -1>} : (tensor<?x6xf32, #quern.dims<"batch", "">>) -> tensor<?xf32>
  return %1, %2 : tensor<?x?xf32>, tensor<?xf32>
}
