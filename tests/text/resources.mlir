// RUN: rm -rf %t && mkdir %t
// RUN: quern opt %s -o %t/a.mlir
// RUN: FileCheck %s --input-file %t/a.mlir
// RUN: quern opt %t/a.mlir -o %t/b.mlir
// RUN: cmp %t/a.mlir %t/b.mlir
// RUN: cmp %t/a.safetensors %t/b.safetensors
// RUN: quern opt %s --inline -o %t/c.mlir
// RUN: quern opt %t/b.mlir --inline -o %t/d.mlir
// RUN: cmp %t/c.mlir %t/d.mlir
// RUN: not ls %t/c.safetensors
// RUN: cp %t/a.mlir %t/moved.mlir
// RUN: not quern opt %t/moved.mlir 2>&1 | FileCheck %s --check-prefix=MOVED

// Constants above 64 elements and types above 16 parameters go to the .safetensors file of the same stem.

// CHECK: %w = arith.constant dense_resource<w> : tensor<66xi8>
// CHECK: %0 = arith.constant dense_resource<constant> : tensor<66xi4>
// CHECK: %splat = arith.constant dense<3> : tensor<17xi8>
// CHECK: %q = quant.scast %splat : tensor<17xi8> to tensor<17x!quant.uniform<i8:f32:0, dense_resource<q_{{[0-9a-f]*}}>>>
// MOVED: moved.mlir:3:40: error: no data for resource 'w': there is no file {{.*}}moved.safetensors
func.func @f() {
  %w = arith.constant dense<[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66]> : tensor<66xi8>
  %0 = arith.constant dense<[1,2,3,4,5,6,7,-8,-7,-6,-5,-4,-3,-2,-1,0,1,2,3,4,5,6,7,-8,-7,-6,-5,-4,-3,-2,-1,0,1,2,3,4,5,6,7,-8,-7,-6,-5,-4,-3,-2,-1,0,1,2,3,4,5,6,7,-8,-7,-6,-5,-4,-3,-2,-1,0,1,2]> : tensor<66xi4>
  %splat = arith.constant dense<3> : tensor<17xi8>
  %q = quant.scast %splat : tensor<17xi8> to tensor<17x!quant.uniform<i8:f32:0, {0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.1,1.2,1.3,1.4,1.5:-3,1.6,1.7,1.8}>>
  return
}
