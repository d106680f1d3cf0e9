// RUN: not quern opt %s -p quantize 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not quern opt %s -p 'quantize{weights=f32}' 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not quern opt %s -p 'quantize{activations=u32}' 2>&1 | FileCheck %s --check-prefix=WIDE
// RUN: not quern opt %s -p 'quantize{granularity="group=0"}' 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not quern opt %s -p 'quantize{granularity=row}' 2>&1 | FileCheck %s --check-prefix=ROW
// RUN: not quern opt %s -p 'quantize{granularity=auto}' 2>&1 | FileCheck %s --check-prefix=AUTO

// NONE:  refused.mlir:[[# @LINE + 9]]:8: warning: quern.matmul: stays in float: operand 0 has no calibrated range; calibrate it, or quantize with dynamic=true
// NONE:  error: quantize: no matrix product has calibrated operands; run calibrate and apply-calibration first, or take dynamic=true
// TYPE:  error: quantize: weights is 'f32', expected an integer of 2 to 16 bits such as i8, u8 or i4
// WIDE:  error: quantize: activations is 'u32', expected an integer of 2 to 16 bits
// SIZE:  error: quantize: granularity is 'group=0', expected 'group=SIZE' with a size of 1 or more
// ROW:   error: quantize: there is no granularity 'row'; there are auto, tensor, channel
// AUTO:  error: quantize: granularity is 'auto', which is measured by choose-granularity
func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf32>
  %0 = quern.matmul %x, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
