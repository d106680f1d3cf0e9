// RUN: not quern opt %s -p lower-kernels -o /dev/null 2>&1 | FileCheck %s
// RUN: not quern opt %s -p 'lower-kernels{target=z80}' -o /dev/null 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: no instruction set is named 'z80'

func.func private @helper(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
// CHECK: errors.mlir:[[@LINE+2]]:{{.*}}error: {{.*}}'func.call' has no kernels; run inline first
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = func.call @helper(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
