// RUN: not quern opt %s 2>&1 | FileCheck %s

!a = i8
// CHECK: text-module.mlir:[[@LINE+1]]:1: error: alias !a is defined already
!a = i16
// CHECK: text-module.mlir:[[@LINE+1]]:1: error: an alias has no '.' in its name: names with one belong to dialects
#a.b = 1
module attributes {quern.version = 1} {
  // CHECK: text-module.mlir:[[@LINE+1]]:53: error: attribute alias #none is not defined
  func.func @f() attributes {quern.a = 1, quern.b = #none} {
    return
  }
}
// CHECK: text-module.mlir:[[@LINE+1]]:1: error: a file holds one module, and nothing beside it
module {
}
// CHECK-NOT: error
