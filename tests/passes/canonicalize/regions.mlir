// RUN: quern opt %s -p canonicalize --verify-each --check-each | FileCheck %s

// Scalars in kernels' regions obey the same table, and fold.
// CHECK-LABEL: func.func @scalars
// CHECK:       ^bb0(%a: f32, %b: i32):
// CHECK-NEXT:    %[[K:.*]] = arith.constant 7 : i32
// CHECK-NEXT:    %[[S:.*]] = arith.addi %b, %[[K]] : i32
// CHECK-NEXT:    kern.yield %a, %[[S]] : f32, i32
func.func @scalars(%x: tensor<4xf32>, %n: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi32>) {
  %0, %1 = kern.map %x, %n body {
  ^bb0(%a: f32, %b: i32):
    %one = arith.constant 1.0 : f32
    %mz = arith.constant -0.0 : f32
    %three = arith.constant 3 : i32
    %four = arith.constant 4 : i32
    %zero = arith.constant 0 : i32
    %ones = arith.constant -1 : i32
    %c = arith.mulf %one, %a : f32
    %d = arith.addf %c, %mz : f32
    %e = arith.divf %d, %one : f32
    %f = arith.andi %b, %ones : i32
    %g = arith.ori %f, %zero : i32
    %h = arith.addi %three, %g : i32
    %i = arith.addi %h, %four : i32
    %j = arith.shli %i, %zero : i32
    kern.yield %e, %j : f32, i32
  } : (tensor<4xf32>, tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi32>)
  return %0, %1 : tensor<4xf32>, tensor<4xi32>
}

// Conversions: out and back, and steps that make one.
// CHECK-LABEL: func.func @conversions
// CHECK:       ^bb0(%a: i8):
// CHECK-NEXT:    %[[W:.*]] = arith.extsi %a : i8 to i32
// CHECK-NEXT:    %[[V:.*]] = arith.extsi %a : i8 to i32
// CHECK-NEXT:    %[[F:.*]] = arith.sitofp %[[W]] : i32 to f32
// CHECK-NEXT:    kern.yield %a, %[[V]], %[[F]]
func.func @conversions(%x: tensor<4xi8>) -> (tensor<4xi8>, tensor<4xi32>, tensor<4xf32>) {
  %0, %1, %2 = kern.map %x body {
  ^bb0(%a: i8):
    %w = arith.extsi %a : i8 to i32
    %n = arith.trunci %w : i32 to i8
    %h = arith.extsi %a : i8 to i16
    %v = arith.extsi %h : i16 to i32
    %f = arith.sitofp %w : i32 to f32
    %g = arith.extf %f : f32 to f64
    %k = arith.truncf %g : f64 to f32
    %same = arith.maxsi %v, %v : i32
    kern.yield %n, %same, %k : i8, i32, f32
  } : (tensor<4xi8>) -> (tensor<4xi8>, tensor<4xi32>, tensor<4xf32>)
  return %0, %1, %2 : tensor<4xi8>, tensor<4xi32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @select
// CHECK:       ^bb0(%a: f32, %b: f32):
// CHECK-NEXT:    kern.yield %b, %a : f32, f32
func.func @select(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0, %1 = kern.map %x, %y body {
  ^bb0(%a: f32, %b: f32):
    %one = arith.constant 1 : i32
    %two = arith.constant 2 : i32
    %c = arith.cmpi sgt, %one, %two : i32
    %s = arith.select %c, %a, %b : f32
    %t = arith.cmpf olt, %a, %b : f32
    %u = arith.select %t, %a, %a : f32
    kern.yield %s, %u : f32, f32
  } : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// A sum over the row of a constant depends on how long the row is.
// CHECK-LABEL: func.func @row
// CHECK:       kern.all_sum
func.func @row(%x: tensor<2x4xf32>) -> tensor<2x1xf32> {
  %0 = kern.row %x body {
  ^bb0(%a: f32):
    %one = arith.constant 1.0 : f32
    %s = kern.all_sum %one : (f32) -> f32
    kern.yield %s : f32
  } : (tensor<2x4xf32>) -> tensor<2x1xf32>
  return %0 : tensor<2x1xf32>
}

// A kernel that only copies is its input; one that permutes is not.
// CHECK-LABEL: func.func @copies
// CHECK:       %[[T:.*]] = kern.map %x
// CHECK:       return %x, %[[T]]
func.func @copies(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %0 = kern.map %x body {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = kern.map %x body {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0, %1 : tensor<2x2xf32>, tensor<2x2xf32>
}
