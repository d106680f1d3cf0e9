// RUN: quern opt %s -p dce --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p dce --stats 2>&1 >/dev/null | FileCheck %s --check-prefix=STATS

// A chain of unused ops goes in one run, whatever its length; constants go with their last use.
// CHECK-LABEL: func.func @chain
// CHECK-SAME:  (%x: tensor<4xf32>)
// CHECK-NEXT:  return %x : tensor<4xf32>
func.func @chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant dense<2.0> : tensor<4xf32>
  %0 = quern.mul %x, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.exp %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = quern.tanh %1 : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}

// An observer has an effect: it stays, with what it observes.
// CHECK-LABEL: func.func @observed
// CHECK:       %[[E:.*]] = quern.exp
// CHECK-NEXT:  quern.observe %[[E]] {key = "e"}
// CHECK-NEXT:  return %x
func.func @observed(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.observe %0 {key = "e"} : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}

// One used result keeps an op with several.
// CHECK-LABEL: func.func @several
// CHECK-NEXT:  %q, %s, %z = quern.dynamic_quantize
func.func @several(%x: tensor<4xf32>) -> tensor<f32> {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<4xf32>) -> (tensor<4xui8>, tensor<f32>, tensor<ui8>)
  return %s : tensor<f32>
}

// Unused scalars inside a kernel's region go too.
// CHECK-LABEL: func.func @region
// CHECK-NEXT:  kern.map %x body {
// CHECK-NEXT:  ^bb0(%a: f32):
// CHECK-NEXT:    %[[R:.*]] = arith.addf %a, %a : f32
// CHECK-NEXT:    kern.yield %[[R]] : f32
func.func @region(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = kern.map %x body {
  ^bb0(%a: f32):
    %k = arith.constant 3.0 : f32
    %u = arith.mulf %a, %k : f32
    %r = arith.addf %a, %a : f32
    kern.yield %r : f32
  } : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// STATS: 6  dce: dead ops erased
