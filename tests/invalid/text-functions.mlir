// RUN: not quern opt %s 2>&1 | FileCheck %s

// A header that is wrong does not hide what comes after its body.

// CHECK: text-functions.mlir:[[@LINE+1]]:11: error: expected a symbol like @main, found 'f'
func.func f(%x: tensor<4xf32>) {
  quern.this_is_not_looked_at {
  }
  return
}
// CHECK: text-functions.mlir:[[@LINE+1]]:14: error: an argument needs a name, as in '%x: TYPE'; functions are defined, not declared
func.func @g(tensor<4xf32>)
// CHECK: text-functions.mlir:[[@LINE+2]]:1: error: expected '{' and the function's body; declarations without one have no meaning here, found 'func.func'
func.func private @h(%x: tensor<4xf32>) -> tensor<4xf32>
func.func @i() {
  // CHECK: text-functions.mlir:[[@LINE+1]]:3: error: no op 'nope'
  nope
  return
}
// CHECK: text-functions.mlir:[[@LINE+1]]:1: error: '}' without a '{' before it
}
// CHECK: text-functions.mlir:[[@LINE+3]]:1: error: expected '}' at the end of the region, found the end of the text
func.func @j() {
  return
