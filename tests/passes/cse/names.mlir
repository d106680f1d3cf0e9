// RUN: quern opt %s -p cse --verify-each | FileCheck %s

// A function's output keeps the name that callers know, though the value it came from is gone.
// CHECK: func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32> {quern.name = "second"})
// CHECK-NEXT: %first = quern.exp
// CHECK-NEXT: return %first, %first
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %first = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %second = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %first, %second : tensor<4xf32>, tensor<4xf32>
}
