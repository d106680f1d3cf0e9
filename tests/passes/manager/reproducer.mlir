// RUN: rm -f %t.mlir
// RUN: not quern opt %s -p 'dce,infer-shapes{bind=nothing:3},cse' --reproducer %t.mlir 2>&1 | FileCheck %s
// RUN: FileCheck %s --check-prefix=FILE < %t.mlir
// RUN: not quern opt %t.mlir -p 'infer-shapes{bind=nothing:3},cse' 2>&1 | FileCheck %s --check-prefix=AGAIN

// The program as it was before the pass that failed, and the rest of the pipeline.
// CHECK: error: infer-shapes: bind has 'nothing:3'
// CHECK: error: pass 'infer-shapes' (2 of 3) failed
// CHECK: reproducer.mlir.tmp.mlir{{.*}} note: the program before the pass and the rest of the pipeline are in this file

// FILE:      // quern opt -p 'infer-shapes{bind=nothing:3},cse'
// FILE:      func.func @main
// FILE-NOT:  quern.exp
// FILE:      return %x

// AGAIN: error: infer-shapes: bind has 'nothing:3'
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %unused = quern.exp %x : (tensor<?xf32>) -> tensor<?xf32>
  return %x : tensor<?xf32>
}
