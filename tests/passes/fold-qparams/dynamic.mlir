// RUN: quern opt %s -p fold-qparams --verify-each --check-each | FileCheck %s

!w = !quant.uniform<i8<-127:127>:f32, 0.25>
!wr = !quant.uniform<i8<-127:127>:f32:0, {0.25,0.5}>
!u = !quant.uniform<u8:f32, 0.25:7>

// CHECK-LABEL:  func.func @whole
// CHECK-NEXT:   %q:3 = quern.dynamic_quantize %x
// CHECK-NEXT:   %[[SB:.*]] = arith.constant dense<0.25> : tensor<f32>
// CHECK-NEXT:   %[[ACC:.*]] = quern.matmul_integer %q#0, %c, %q#2 : (tensor<?x3xui8>, tensor<3x2xi8>, tensor<ui8>) -> tensor<?x2xi32>
// CHECK-NEXT:   %[[F:.*]] = quern.cast %[[ACC]]
// CHECK-NEXT:   %[[M:.*]] = quern.mul %q#1, %[[SB]] : (tensor<f32>, tensor<f32>) -> tensor<f32>
// CHECK-NEXT:   %[[Y:.*]] = quern.mul %[[F]], %[[M]]
// CHECK-NEXT:   quern.add %[[Y]], %bias
func.func @whole(%x: tensor<?x3xf32>, %c: tensor<3x2xi8>, %bias: tensor<2xf32>) -> tensor<?x2xf32> {
  %s = quant.scast %c : tensor<3x2xi8> to tensor<3x2x!w>
  %w = quant.dcast %s : tensor<3x2x!w> to tensor<3x2xf32>
  %q:3 = quern.dynamic_quantize %x {storage = ui8} : (tensor<?x3xf32>) -> (tensor<?x3xui8>, tensor<f32>, tensor<ui8>)
  %d = quern.dequantize %q#0, %q#1, %q#2 : (tensor<?x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x3xf32>
  %0 = quern.matmul %d, %w : (tensor<?x3xf32>, tensor<3x2xf32>) -> tensor<?x2xf32>
  %1 = quern.add %0, %bias : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %1 : tensor<?x2xf32>
}

// A range per row, a scale per column; the integer product has no flags, so the matrix is turned.
// CHECK-LABEL:  func.func @per_row
// CHECK:        %[[T:.*]] = quern.transpose %c {{.*}} : (tensor<2x3xi8>) -> tensor<3x2xi8>
// CHECK:        quern.matmul_integer %q#0, %[[T]], %q#2 : (tensor<?x3xui8>, tensor<3x2xi8>, tensor<?x1xui8>) -> tensor<?x2xi32>
// CHECK:        quern.mul %q#1, {{.*}} : (tensor<?x1xf32>, tensor<2xf32>) -> tensor<?x2xf32>
func.func @per_row(%x: tensor<?x3xf32>, %c: tensor<2x3xi8>) -> tensor<?x2xf32> {
  %s = quant.scast %c : tensor<2x3xi8> to tensor<2x3x!wr>
  %w = quant.dcast %s : tensor<2x3x!wr> to tensor<2x3xf32>
  %q:3 = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<?x3xf32>) -> (tensor<?x3xui8>, tensor<?x1xf32>, tensor<?x1xui8>)
  %d = quern.dequantize %q#0, %q#1, %q#2 : (tensor<?x3xui8>, tensor<?x1xf32>, tensor<?x1xui8>) -> tensor<?x3xf32>
  %0 = quern.matmul %d, %w {transpose_b = true} : (tensor<?x3xf32>, tensor<2x3xf32>) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// Both sides dynamic; a zero point of a type as a constant.
// CHECK-LABEL:  func.func @both
// CHECK:        quern.matmul_integer %p#0, {{.*}}, %p#2, %q#2
// CHECK:        %[[Z:.*]] = arith.constant dense<7> : tensor<ui8>
// CHECK:        quern.matmul_integer %p#0, {{.*}}, %p#2, %[[Z]]
func.func @both(%x: tensor<2x4x3xf32>, %y: tensor<2x5x3xf32>, %u: tensor<3x2x!u>) -> (tensor<2x4x5xf32>, tensor<2x4x2xf32>) {
  %p:3 = quern.dynamic_quantize %x {storage = ui8} : (tensor<2x4x3xf32>) -> (tensor<2x4x3xui8>, tensor<f32>, tensor<ui8>)
  %q:3 = quern.dynamic_quantize %y {storage = ui8} : (tensor<2x5x3xf32>) -> (tensor<2x5x3xui8>, tensor<f32>, tensor<ui8>)
  %d = quern.dequantize %p#0, %p#1, %p#2 : (tensor<2x4x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x4x3xf32>
  %e = quern.dequantize %q#0, %q#1, %q#2 : (tensor<2x5x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x5x3xf32>
  %0 = quern.matmul %d, %e {transpose_b = true} : (tensor<2x4x3xf32>, tensor<2x5x3xf32>) -> tensor<2x4x5xf32>
  %w = quant.dcast %u : tensor<3x2x!u> to tensor<3x2xf32>
  %1 = quern.matmul %d, %w : (tensor<2x4x3xf32>, tensor<3x2xf32>) -> tensor<2x4x2xf32>
  return %0, %1 : tensor<2x4x5xf32>, tensor<2x4x2xf32>
}

// Sums that could wrap stay in float.
// CHECK-LABEL:  func.func @long
// CHECK:        quern.matmul {{.*}} : (tensor<2x70000xf32>, tensor<70000x2xf32>)
func.func @long(%x: tensor<2x70000xf32>, %c: tensor<70000x2x!w>) -> tensor<2x2xf32> {
  %w = quant.dcast %c : tensor<70000x2x!w> to tensor<70000x2xf32>
  %q:3 = quern.dynamic_quantize %x {storage = ui8} : (tensor<2x70000xf32>) -> (tensor<2x70000xui8>, tensor<f32>, tensor<ui8>)
  %d = quern.dequantize %q#0, %q#1, %q#2 : (tensor<2x70000xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x70000xf32>
  %0 = quern.matmul %d, %w : (tensor<2x70000xf32>, tensor<70000x2xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
