// RUN: quern opt %s | FileCheck %s
// RUN: quern opt %s | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | quern opt - | FileCheck %s

// A module, its attributes and its functions; the version is written whether it was there or not.

// CHECK: module @model attributes {quern.target = "avx2", quern.version = 1} {
module @model attributes {quern.target = "avx2"} {
  // CHECK-NEXT: func.func @main(%x: tensor<4xf32> {quern.name = "input"}, %arg0: tensor<f32>) -> (tensor<4xf32> {quern.name = "output"}) attributes {quern.note = "kept"} {
  func.func @main(%x: tensor<4xf32> {quern.name = "input"}, %1: tensor<f32>)
      -> (tensor<4xf32> {quern.name = "output"}) attributes {quern.note = "kept"} {
    // CHECK-NEXT: %0:2 = call @"a helper"(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
    %0:2 = func.call @"a helper"(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
    // CHECK-NEXT: %1 = quern.add %0#0, %0#1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %5 = quern.add %0#0, %0#1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    // CHECK-NEXT: return %1 : tensor<4xf32>
    func.return %5 : tensor<4xf32>
  }
  // CHECK: func.func private @"a helper"(%arg0: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  func.func private @"a helper"(%arg3: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    return %arg3, %arg3 : tensor<4xf32>, tensor<4xf32>
  }
  // CHECK: func.func @nothing() {
  // CHECK-NEXT: return
  "func.func"() <{function_type = () -> (), sym_name = "nothing"}> ({
    "func.return"() : () -> ()
  }) : () -> ()
}
