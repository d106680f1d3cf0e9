// RUN: quern opt %s --locations | FileCheck %s
// RUN: quern opt %s --locations | quern opt - --locations | FileCheck %s
// RUN: quern opt %s --generic --inline --locations | quern opt - --locations | FileCheck %s
// RUN: quern opt %s | FileCheck %s --check-prefix=NONE

// Locations survive; what says more than an op keeps is reduced to its innermost known part.

// NONE-NOT: loc(
#early = loc("early.c":9:9)
// CHECK-LABEL: func.func @f
func.func @f(%x: tensor<4xf32> loc("argument")) {
  // CHECK-NEXT: loc("net.onnx":3:4)
  %0 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc("net.onnx":3:4)
  // CHECK-NEXT: loc("node"("net.onnx":5:6))
  %1 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc("node"("net.onnx":5:6))
  // CHECK-NEXT: loc("node")
  %2 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc("node")
  // CHECK-NEXT: loc("inner":1:2)
  %3 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc(callsite("inner":1:2 at "outer":3:4))
  // CHECK-NEXT: loc("first")
  %4 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc(fused<"why">[unknown, "first", "second"])
  // CHECK-NEXT: loc(unknown)
  %5 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc(unknown)
  // CHECK-NEXT: loc("early.c":9:9)
  %6 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc(#early)
  // CHECK-NEXT: loc("late.c":7:8)
  %7 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32> loc(#late)
  // CHECK-NEXT: loc({{.*}}locations.mlir":[[@LINE+1]]:8)
  %8 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return
}
#late = loc(#later)
#later = loc("late.c":7:8)
