// RUN: quern opt %s | FileCheck %s
// RUN: quern opt %s | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | FileCheck %s --check-prefix=GENERIC

// Regions stand under the names that the table gives them; scalar ops have upstream's short forms.

// CHECK-LABEL: func.func @map(%x: tensor<4x8xf32>, %y: tensor<8xi32>) -> tensor<4x8xf32> {
// CHECK-NEXT:    %0 = kern.map %x, %y body {
// CHECK-NEXT:    ^bb0(%a: f32, %b: i32):
// CHECK-NEXT:      %c = arith.sitofp %b : i32 to f32
// CHECK-NEXT:      %1 = arith.addf %a, %c : f32
// CHECK-NEXT:      %zero = arith.constant 0.0 : f32
// CHECK-NEXT:      %2 = arith.cmpf ugt, %1, %zero : f32
// CHECK-NEXT:      %3 = arith.select %2, %1, %zero : f32
// CHECK-NEXT:      %4 = math.fma %3, %3, %a : f32
// CHECK-NEXT:      %5 = quern.gelu_scalar %4 {approximate = "tanh"} : (f32) -> f32
// CHECK-NEXT:      kern.yield %5 : f32
// CHECK-NEXT:    } : (tensor<4x8xf32>, tensor<8xi32>) -> tensor<4x8xf32>
// CHECK-NEXT:    return %0 : tensor<4x8xf32>
// GENERIC: %0 = "kern.map"(%x, %y) ({
// GENERIC-NEXT: ^bb0(%a: f32, %b: i32):
// GENERIC: %2 = "arith.cmpf"(%1, %zero) <{predicate = 9}> : (f32, f32) -> i1
// GENERIC: "kern.yield"(%5) : (f32) -> ()
// GENERIC-NEXT: }) : (tensor<4x8xf32>, tensor<8xi32>) -> tensor<4x8xf32>
func.func @map(%x: tensor<4x8xf32>, %y: tensor<8xi32>) -> tensor<4x8xf32> {
  %0 = kern.map %x, %y body {
  ^bb0(%a: f32, %b: i32):
    %c = arith.sitofp %b : i32 to f32
    %1 = arith.addf %a, %c fastmath<none> : f32
    %zero = arith.constant 0.0 : f32
    %2 = "arith.cmpf"(%1, %zero) <{fastmath = #arith.fastmath<none>, predicate = 9 : i64}> : (f32, f32) -> i1
    %3 = arith.select %2, %1, %zero : f32
    %4 = math.fma %3, %3, %a : f32
    %5 = quern.gelu_scalar %4 {approximate = "tanh"} : (f32) -> f32
    kern.yield %5 : f32
  } : (tensor<4x8xf32>, tensor<8xi32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @gemm
// CHECK:         %0 = kern.gemm %a, %b, %bias prologue {
// CHECK-NEXT:    ^bb0(%v: i8):
// CHECK-NEXT:      kern.yield %v : i8
// CHECK-NEXT:    } epilogue {
// CHECK-NEXT:    ^bb0(%acc: i32, %v: i32):
// CHECK-NEXT:      %1 = arith.addi %acc, %v : i32
// CHECK-NEXT:      kern.yield %1 : i32
// CHECK-NEXT:    } {acc = i32, layout = "plain"} : (tensor<4x64xi8>, tensor<64x8xi8>, tensor<8xi32>) -> tensor<4x8xi32>
func.func @gemm(%a: tensor<4x64xi8>, %b: tensor<64x8xi8>, %bias: tensor<8xi32>) -> tensor<4x8xi32> {
  %0 = kern.gemm %a, %b, %bias prologue {^bb0(%v: i8): kern.yield %v : i8} epilogue {^bb0(%acc: i32, %v: i32):
    %1 = arith.addi %acc, %v overflow<nsw> : i32
    kern.yield %1 : i32
  } {acc = i32, layout = "plain", num_prologue = 0} : (tensor<4x64xi8>, tensor<64x8xi8>, tensor<8xi32>) -> tensor<4x8xi32>
  return %0 : tensor<4x8xi32>
}
