// RUN: quern opt %s -p cse --verify-each --check-each | FileCheck %s

// Regions are compared op by op, after the ops in them have been merged: these two kernels are one.
// CHECK-LABEL: func.func @same
// CHECK:       %[[R:.*]] = kern.map %x body {
// CHECK-NEXT:  ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT:    %[[K:.*]] = arith.constant 3.0 : f32
// CHECK-NEXT:    %[[M:.*]] = arith.mulf %[[A]], %[[K]] : f32
// CHECK-NEXT:    %[[S:.*]] = arith.addf %[[M]], %[[M]] : f32
// CHECK-NEXT:    kern.yield %[[S]] : f32
// CHECK-NEXT:  }
// CHECK-NEXT:  return %[[R]], %[[R]]
func.func @same(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = kern.map %x body {
  ^bb0(%a: f32):
    %k = arith.constant 3.0 : f32
    %m = arith.mulf %a, %k : f32
    %s = arith.addf %m, %m : f32
    kern.yield %s : f32
  } : (tensor<4xf32>) -> tensor<4xf32>
  %1 = kern.map %x body {
  ^bb0(%b: f32):
    %k = arith.constant 3.0 : f32
    %m = arith.mulf %k, %b : f32
    %n = arith.mulf %b, %k : f32
    %s = arith.addf %m, %n : f32
    kern.yield %s : f32
  } : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// A constant, an operand or the order of yielded values makes a difference.
// CHECK-LABEL: func.func @different
// CHECK-COUNT-3: kern.map
func.func @different(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = kern.map %x, %y body {
  ^bb0(%a: f32, %b: f32):
    %s = arith.subf %a, %b : f32
    kern.yield %s : f32
  } : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = kern.map %x, %y body {
  ^bb0(%a: f32, %b: f32):
    %s = arith.subf %b, %a : f32
    kern.yield %s : f32
  } : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = kern.map %y, %x body {
  ^bb0(%a: f32, %b: f32):
    %s = arith.subf %a, %b : f32
    kern.yield %s : f32
  } : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
