// RUN: not quern opt %s 2>&1 | FileCheck %s

// Names of ops, and their forms.

func.func @f(%x: tensor<4xf32>, %i: tensor<4xi32>) {
  // CHECK: text-ops.mlir:[[@LINE+1]]:8: error: no op 'quern.matmull'; did you mean 'quern.matmul'?
  %0 = quern.matmull %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-ops.mlir:[[@LINE+1]]:8: error: no op 'something.else'; 'quern ops' lists those there are, and --allow-unregistered keeps others
  %1 = "something.else"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-ops.mlir:[[@LINE+1]]:24: error: expected '(' and a list of types, found 'tensor'
  %2 = quern.relu %x : tensor<4xf32>
  // CHECK: text-ops.mlir:[[@LINE+2]]:3: error: expected ':' and the types, as in ': (tensor<4xf32>) -> tensor<4xf32>', found '%4'
  %3 = quern.relu %x
  %4 = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-ops.mlir:[[@LINE+1]]:39: error: expected 'to' and the result type, found '->'
  %5 = quant.qcast %x : tensor<4xf32> -> tensor<4x!quant.uniform<i8:f32, 0.5>>
  // CHECK: text-ops.mlir:[[@LINE+1]]:23: error: a constant is a number, true, false, dense<..> or dense_resource<..>
  %6 = arith.constant "text"
  // CHECK: text-ops.mlir:[[@LINE+1]]:19: error: expected a predicate: eq ne slt sle sgt sge ult ule ugt uge, found 'lt'
  %7 = arith.cmpi lt, %i, %i : tensor<4xi32>
  // CHECK: text-ops.mlir:[[@LINE+1]]:20: error: branches to other blocks have no meaning here
  "quern.relu"(%x) [^bb1] : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-ops.mlir:[[@LINE+1]]:27: error: attribute 'a.a' is given twice
  quern.relu %x {a.a = 1, a.a = 2} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: text-ops.mlir:[[@LINE+1]]:3: error: expected an op such as quern.add or "quern.add", found '12'
  12
  return
// CHECK: text-ops.mlir:[[@LINE+1]]:1: error: a second block; regions here are one block, without branches
^bb1:
  return
}
