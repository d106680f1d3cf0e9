// RUN: not quern opt %s 2>&1 | FileCheck %s

module {
}
// CHECK: text-after-module.mlir:[[@LINE+2]]:1: error: expected the end of the text or an alias: the module ended before this, found 'func.func'
// CHECK-NOT: error
func.func @g() {
  return
}
