// What no kernel convolves.
// RUN: not quern opt %s -p lower-kernels -o /dev/null 2>&1 | FileCheck %s

// CHECK: conv-errors.mlir:[[@LINE+2]]:{{.*}}error: {{.*}}weights of 16 bits with a zero point have no kernel: make them signed with zero point 0
func.func @main(%x: tensor<1x2x2x1x!quant.uniform<i8:f32, 0.5>>, %w: tensor<1x1x1x2x!quant.uniform<u16:f32, 0.5:3>>) -> tensor<1x2x2x2xi32> {
  %y = quern.conv2d %x, %w : (tensor<1x2x2x1x!quant.uniform<i8:f32, 0.5>>, tensor<1x1x1x2x!quant.uniform<u16:f32, 0.5:3>>) -> tensor<1x2x2x2xi32>
  return %y : tensor<1x2x2x2xi32>
}
