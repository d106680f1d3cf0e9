// RUN: not quern opt %s 2>&1 | FileCheck %s

// Values: each error is reported once, and reading goes on.

// CHECK-NOT: error:
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: text-values.mlir:[[@LINE+1]]:19: error: value %later is not defined here; a value is defined before its use
  %0 = quern.relu %later : (tensor<4xf32>) -> tensor<4xf32>
  // Uses of what failed are no errors of their own.
  %1 = quern.relu %0 : (tensor<4xf32>) -> tensor<4xf32>
  %later = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-values.mlir:[[@LINE+1]]:3: error: value %x is defined already; each name is given once
  %x = quern.relu %later : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-values.mlir:[[@LINE+1]]:25: error: %later stands for 1 value; results count from #0
  %3 = quern.relu %later#1 : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-values.mlir:[[@LINE+1]]:8: error: operand 0 is a tensor<4xf32>, but the types behind ':' say tensor<5xf32>
  %4 = quern.relu %x : (tensor<5xf32>) -> tensor<5xf32>
  // CHECK: text-values.mlir:[[@LINE+1]]:8: error: 1 operands, but the types behind ':' speak of 2
  %5 = quern.relu %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-values.mlir:[[@LINE+1]]:3: error: 3 names for 1 results
  %6:3 = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-values.mlir:[[@LINE+1]]:22: error: value %nothing is not defined here
  %7 = quern.add %x, %nothing : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}
// CHECK-NOT: error:
