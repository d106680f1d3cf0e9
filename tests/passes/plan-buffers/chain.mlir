// RUN: quern opt %s -p plan-buffers --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p plan-buffers --stats 2>&1 >/dev/null | FileCheck %s --check-prefix=STATS

// Two slots take turns along a chain; the last value is the caller's output and has none.
// CHECK-LABEL: func.func @chain
// CHECK:       } {quern.slots = array<i64: 0>} : (tensor<8xf32>) -> tensor<8xf32>
// CHECK:       } {quern.slots = array<i64: 1>} : (tensor<8xf32>) -> tensor<8xf32>
// CHECK:       } {quern.slots = array<i64: 0>} : (tensor<8xf32>) -> tensor<8xf32>
// CHECK:       } {quern.slots = array<i64: -1>} : (tensor<8xf32>) -> tensor<8xf32>
func.func @chain(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = kern.map %x body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<8xf32>) -> tensor<8xf32>
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
  %3 = kern.map %2 body {
  ^bb0(%a: f32):
    %b = arith.negf %a : f32
    kern.yield %b : f32
  } : (tensor<8xf32>) -> tensor<8xf32>
  return %3 : tensor<8xf32>
}

// STATS-DAG: 2  plan-buffers: slots
// STATS-DAG: 64  plan-buffers: bytes of known size in slots
// STATS-DAG: 96  plan-buffers: bytes of known size without sharing
