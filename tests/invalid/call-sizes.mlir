// RUN: python3 %S/Inputs/zeros.py 5 4 > %t.5x4.npy
// RUN: python3 %S/Inputs/zeros.py 3 4 > %t.3x4.npy
// RUN: python3 %S/Inputs/zeros.py 3 3 > %t.3x3.npy
// RUN: python3 %S/Inputs/zeros.py 4 > %t.4.npy
// RUN: not quern run %s --engine interp --input a=%t.5x4.npy --input b=%t.3x4.npy -o %t.out 2>&1 | FileCheck %s --check-prefix=INTERP
// RUN: %if tcc %{ not quern run %s --engine tcc --input a=%t.5x4.npy --input b=%t.3x4.npy -o %t.out 2>&1 | FileCheck %s --check-prefix=KERNEL %}
// RUN: %if llvm %{ not quern run %s --engine llvm --input a=%t.5x4.npy --input b=%t.3x4.npy -o %t.out 2>&1 | FileCheck %s --check-prefix=KERNEL %}
// RUN: %if tcc %{ not quern run %s --engine tcc --input a=%t.5x4.npy --input b=%t.3x3.npy -o %t.out 2>&1 | FileCheck %s --check-prefix=SIZE %}
// RUN: %if tcc %{ not quern run %s --engine tcc --input a=%t.5x4.npy --input b=%t.4.npy -o %t.out 2>&1 | FileCheck %s --check-prefix=RANK %}
// RUN: not ls %t.out

// Sizes that only the call knows: the line of the model is named on every engine.
// INTERP: call-sizes.mlir:[[#@LINE+5]]:{{[0-9]+}}: error: quern.add: operands of sizes 5x4 and 3x4 do not broadcast
// KERNEL: call-sizes.mlir:[[#@LINE+4]]:{{[0-9]+}}: error: {{[a-z.]+}}: operands of sizes 5x4, 3x4 do not fit together
// SIZE: error: input 'b' has size 3 in dimension 1; {{.*}} asks for 4
// RANK: error: input 'b' has rank 1; {{.*}} asks for 2
func.func @main(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = quern.add %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
