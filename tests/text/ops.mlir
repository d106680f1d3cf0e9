// RUN: quern opt %s | FileCheck %s
// RUN: quern opt %s | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | FileCheck %s --check-prefix=GENERIC

// One rule for our own ops: the generic form without quotes and operand parentheses, attributes at their default left out.

!act = tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>

// CHECK-LABEL: func.func @ops
// GENERIC-LABEL: "func.func"
func.func @ops(%x: tensor<4x64xf32>, %w: tensor<10x64xf32>) -> tensor<4x10xf32> {
  // CHECK-NEXT: %q = quant.qcast %x : tensor<4x64xf32> to tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>
  // GENERIC: %q = "quant.qcast"(%x) : (tensor<4x64xf32>) -> tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>
  %q = quant.qcast %x : tensor<4x64xf32> to !act
  // CHECK-NEXT: %d = quant.dcast %q {my.own = 1} : tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>> to tensor<4x64xf32>
  %d = quant.dcast %q {my.own = 1} : !act to tensor<4x64xf32>
  // MLIR 19 has no such type: its generic text has another op, which is read back as this one.
  // CHECK-NEXT: %f = quant.qcast %x : tensor<4x64xf32> to tensor<4x64x!quern.uniform<f8E4M3FN:f32, 0.5>>
  // GENERIC: %f = "quern.qcast"(%x) : (tensor<4x64xf32>) -> tensor<4x64x!quern.uniform<f8E4M3FN:f32, 0.5>>
  %f = quant.qcast %x : tensor<4x64xf32> to tensor<4x64x!quern.uniform<f8E4M3FN:f32, 0.5>>
  // CHECK-NEXT: %0 = quern.softmax %d : (tensor<4x64xf32>) -> tensor<4x64xf32>
  %0 = "quern.softmax"(%d) <{axis = -1 : i64}> : (tensor<4x64xf32>) -> tensor<4x64xf32>
  // CHECK-NEXT: %1 = quern.clip %0 {max = 6.0 : f32, min = 0.0 : f32, my.own} : (tensor<4x64xf32>) -> tensor<4x64xf32>
  // GENERIC: %1 = "quern.clip"(%0) <{max = 6.0 : f32, min = 0.0 : f32}> {my.own} : (tensor<4x64xf32>) -> tensor<4x64xf32>
  %1 = "quern.clip"(%0) {min = 0.0 : f32, max = 6.0 : f32, my.own} : (tensor<4x64xf32>) -> tensor<4x64xf32>
  // CHECK-NEXT: %2 = quern.matmul %1, %w {transpose_b = true} : (tensor<4x64xf32>, tensor<10x64xf32>) -> tensor<4x10xf32>
  %2 = quern.matmul %1, %w {transpose_a = false, transpose_b = true} : (tensor<4x64xf32>, tensor<10x64xf32>) -> tensor<4x10xf32>
  // CHECK-NEXT: %3:3 = quern.dynamic_quantize %2 {storage = ui8}
  %3:3 = quern.dynamic_quantize %2 {storage = ui8} : (tensor<4x10xf32>) -> (tensor<4x10xui8>, tensor<f32>, tensor<ui8>)
  // CHECK-NEXT: %y = quern.dequantize %3#0, %3#1, %3#2 : (tensor<4x10xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x10xf32>
  %y = quern.dequantize %3#0, %3#1, %3#2 : (tensor<4x10xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x10xf32>
  return %y : tensor<4x10xf32>
}
