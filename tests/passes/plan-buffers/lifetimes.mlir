// RUN: quern opt %s -p plan-buffers --verify-each --check-each | FileCheck %s

// A value that is used once more later keeps its slot until then, also when a view of it is what is used.
// CHECK-LABEL: func.func @long
// CHECK:       quern.slots = array<i64: 0>
// CHECK:       kern.view %0 {quern.slots = array<i64: -1>}
// CHECK:       quern.slots = array<i64: 1>
// CHECK:       quern.slots = array<i64: 2>
// CHECK:       quern.slots = array<i64: -1>
func.func @long(%x: tensor<8xf32>) -> tensor<2x4xf32> {
  %0 = kern.map %x body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<8xf32>) -> tensor<8xf32>
  %v = kern.view %0 : (tensor<8xf32>) -> tensor<2x4xf32>
  %1 = kern.map %0 body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<8xf32>) -> tensor<8xf32>
  %2 = kern.map %1 body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<8xf32>) -> tensor<8xf32>
  %w = kern.view %2 : (tensor<8xf32>) -> tensor<2x4xf32>
  %3 = kern.map %v, %w body {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    kern.yield %c : f32
  } : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %3 : tensor<2x4xf32>
}

// The smallest free slot that is large enough is taken: 16 bytes go into the one of 64, not into the one of 4096.
// CHECK-LABEL: func.func @fit
// CHECK:       quern.slots = array<i64: 0>{{.*}}tensor<1024xf32>
// CHECK:       quern.slots = array<i64: 1>{{.*}}tensor<16xf32>
// CHECK:       quern.slots = array<i64: -1>
// CHECK:       quern.slots = array<i64: -1>
// CHECK:       quern.slots = array<i64: 1>{{.*}}tensor<4xf32>
// CHECK:       quern.slots = array<i64: 0>{{.*}}tensor<64xf32>
func.func @fit(%x: tensor<1024xf32>, %y: tensor<16xf32>, %z: tensor<4xf32>, %u: tensor<64xf32>) -> (tensor<1024xf32>, tensor<16xf32>, tensor<4xf32>, tensor<64xf32>) {
  %0 = kern.map %x body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<1024xf32>) -> tensor<1024xf32>
  %1 = kern.map %y body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<16xf32>) -> tensor<16xf32>
  %2 = kern.map %0 body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<1024xf32>) -> tensor<1024xf32>
  %3 = kern.map %1 body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<16xf32>) -> tensor<16xf32>
  %4 = kern.map %z body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<4xf32>) -> tensor<4xf32>
  %5 = kern.map %u body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<64xf32>) -> tensor<64xf32>
  %6 = kern.map %4 body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<4xf32>) -> tensor<4xf32>
  %7 = kern.map %5 body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<64xf32>) -> tensor<64xf32>
  return %2, %3, %6, %7 : tensor<1024xf32>, tensor<16xf32>, tensor<4xf32>, tensor<64xf32>
}

// Sizes known at run time only: values of one type share, values of others do not. Each result has its slot, a result
// that nothing uses too.
// CHECK-LABEL: func.func @dynamic
// CHECK:       quern.slots = array<i64: 0, 1>
// CHECK:       quern.slots = array<i64: 2>
// CHECK:       quern.slots = array<i64: 0>
// CHECK:       quern.slots = array<i64: -1>
func.func @dynamic(%x: tensor<?xf32, #quern.dims<"n">>) -> tensor<?xi32, #quern.dims<"n">> {
  %0, %unused = kern.map %x body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b, %a : f32, f32
  } : (tensor<?xf32, #quern.dims<"n">>) -> (tensor<?xf32, #quern.dims<"n">>, tensor<?xf32, #quern.dims<"n">>)
  %1 = kern.map %0 body {
  ^bb0(%a: f32):
    %b = arith.fptosi %a : f32 to i32
    kern.yield %b : i32
  } : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xi32, #quern.dims<"n">>
  %2 = kern.map %1 body {
  ^bb0(%a: i32):
    %b = arith.sitofp %a : i32 to f32
    kern.yield %b : f32
  } : (tensor<?xi32, #quern.dims<"n">>) -> tensor<?xf32, #quern.dims<"n">>
  %3 = kern.map %2 body {
  ^bb0(%a: f32):
    %b = arith.fptosi %a : f32 to i32
    kern.yield %b : i32
  } : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xi32, #quern.dims<"n">>
  return %3 : tensor<?xi32, #quern.dims<"n">>
}
