// Each public function of a module can be run, compiled and inspected by name; a missing one is an error.
// REQUIRES: tcc
// RUN: quern inspect %s --kernels --engine tcc --function second | FileCheck %s
// RUN: not quern inspect %s --kernels --engine tcc --function third 2>&1 | FileCheck %s --check-prefix=NONE
// CHECK: fused {{.*}}exp
// NONE: error: the module has no function @third
func.func @first(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = quern.neg %x : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @second(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
