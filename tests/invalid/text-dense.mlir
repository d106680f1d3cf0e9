// RUN: not quern opt %s 2>&1 | FileCheck %s

// Dense data that does not fit its type.

func.func @f() {
  // CHECK: text-dense.mlir:[[@LINE+1]]:29: error: this list has 2 entries, dimension 0 of tensor<3xi8> has 3
  %0 = arith.constant dense<[1, 2]> : tensor<3xi8>
  // CHECK: text-dense.mlir:[[@LINE+1]]:36: error: this list has more than the 2 entries that dimension 0 of tensor<2xi8> has
  %1 = arith.constant dense<[1, 2, 3]> : tensor<2xi8>
  // CHECK: text-dense.mlir:[[@LINE+1]]:30: error: this element does not fit i8
  %2 = arith.constant dense<[300, 2]> : tensor<2xi8>
  // CHECK: text-dense.mlir:[[@LINE+1]]:30: error: expected an integer, found '1.5'
  %3 = arith.constant dense<[1.5, 2]> : tensor<2xi8>
  // CHECK: text-dense.mlir:[[@LINE+1]]:29: error: 3 bytes of data, but tensor<2xi8> takes 2
  %4 = arith.constant dense<"0x010203"> : tensor<2xi8>
  // CHECK: text-dense.mlir:[[@LINE+1]]:39: error: a dense attribute has a tensor type with fixed sizes, not tensor<?xi8>
  %5 = arith.constant dense<[1, 2]> : tensor<?xi8>
  // CHECK: text-dense.mlir:[[@LINE+1]]:23: error: the list has fewer elements than tensor<1000000000000xi8>
  %6 = arith.constant dense<[1, 2]> : tensor<1000000000000xi8>
  // CHECK: text-dense.mlir:[[@LINE+1]]:38: error: no data for resource 'weights': there is no file {{.*}}text-dense.safetensors
  %7 = arith.constant dense_resource<weights> : tensor<2xi8>
  return
}
