// RUN: split-file %s %t
// RUN: not quern opt %t/two.mlir -p infer-shapes 2>&1 | FileCheck %s --check-prefix=TWO
// RUN: not quern opt %t/clash.mlir -p 'infer-shapes{bind=n:4+m:5}' 2>&1 | FileCheck %s --check-prefix=CLASH
// RUN: not quern opt %t/fixed.mlir -p 'infer-shapes{bind=n:5}' 2>&1 | FileCheck %s --check-prefix=FIXED
// RUN: not quern opt %t/fixed.mlir -p 'infer-shapes{bind=k:5}' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not quern opt %t/fixed.mlir -p 'infer-shapes{bind=n:x}' 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not quern opt %t/fixed.mlir -p 'infer-shapes{bind=n}' 2>&1 | FileCheck %s --check-prefix=SIZE

// TWO: two.mlir:7:{{[0-9]+}}: error: func.call: passes or takes other types than @f has: a function has one set of shapes; inline it first
// CLASH: clash.mlir:2:{{[0-9]+}}: error: quern.exp: a size of the result is declared as 5, but the operands give 4
// FIXED: fixed.mlir:2:{{[0-9]+}}: error: quern.exp: a size of the result is declared as 4, but the operands give 5
// UNKNOWN: error: infer-shapes: bind has 'k:5', but no input has a size of that name; expected NAME:SIZE
// NUMBER: error: infer-shapes: bind has 'n:x', whose size is no number
// SIZE: error: infer-shapes: bind has 'n', which gives no size

//--- two.mlir
func.func private @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = quern.exp %x : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
func.func @main(%a: tensor<?xf32>, %b: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %0 = call @f(%a) : (tensor<?xf32>) -> tensor<?xf32>
  %1 = call @f(%b) : (tensor<?xf32>) -> tensor<?xf32>
  return %0, %1 : tensor<?xf32>, tensor<?xf32>
}

//--- clash.mlir
func.func @main(%x: tensor<?xf32, #quern.dims<"n">>, %y: tensor<?xf32, #quern.dims<"m">>) -> tensor<?xf32, #quern.dims<"m">> {
  %0 = quern.exp %x : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xf32, #quern.dims<"m">>
  return %0 : tensor<?xf32, #quern.dims<"m">>
}

//--- fixed.mlir
func.func @main(%x: tensor<?xf32, #quern.dims<"n">>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<?xf32, #quern.dims<"n">>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
