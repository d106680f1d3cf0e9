// RUN: quern opt %s -p fold-qparams --verify-each --check-each | FileCheck %s

// QuantizeLinear and DequantizeLinear with constant parameters: they move into types, and the product folds. A bias of
// i32 codes in steps of sa*sb is taken as it is.
// CHECK-LABEL:  func.func @qdq
// CHECK:        %[[X:.*]] = quant.qcast %x : {{.*}} to tensor<4x3x!quant.uniform<u8:f32, 0.1:128>>
// CHECK-NEXT:   %[[W:.*]] = quant.scast %wc : {{.*}} to tensor<3x2x!quant.uniform<i8:f32:1, {0.5,0.25}>>
// CHECK-NEXT:   %[[ACC:.*]] = quern.matmul %[[X]], %[[W]]
// CHECK-NEXT:   %[[M:.*]] = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
// CHECK-NEXT:   %[[B:.*]] = arith.constant dense<[1000000001, -200]> : tensor<2xi32>
// CHECK-NEXT:   %[[S:.*]] = quern.add %[[ACC]], %[[B]]
// CHECK-NEXT:   %[[Q:.*]] = quern.requantize %[[S]], %[[M]]
// CHECK-NEXT:   %[[Y:.*]] = quant.scast %[[Q]] : {{.*}} to tensor<4x2xui8>
// CHECK-NEXT:   return %[[Y]]
func.func @qdq(%x: tensor<4x3xf32>) -> tensor<4x2xui8> {
  %s = arith.constant dense<0.1> : tensor<f32>
  %z = arith.constant dense<128> : tensor<ui8>
  %wc = arith.constant dense<[[1, 2], [3, 4], [-5, -6]]> : tensor<3x2xi8>
  %ws = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %wz = arith.constant dense<0> : tensor<2xi8>
  %bc = arith.constant dense<[1000000001, -200]> : tensor<2xi32>
  %bs = arith.constant dense<[0.05, 0.025]> : tensor<2xf32>
  %0 = quern.quantize %x, %s, %z : (tensor<4x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<4x3xui8>
  %1 = quern.dequantize %0, %s, %z : (tensor<4x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x3xf32>
  %2 = quern.dequantize %wc, %ws, %wz {axis = 1} : (tensor<3x2xi8>, tensor<2xf32>, tensor<2xi8>) -> tensor<3x2xf32>
  %3 = quern.dequantize %bc, %bs {axis = 0} : (tensor<2xi32>, tensor<2xf32>) -> tensor<2xf32>
  %4 = quern.matmul %1, %2 : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %5 = quern.add %4, %3 : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %6 = quern.quantize %5, %s, %z : (tensor<4x2xf32>, tensor<f32>, tensor<ui8>) -> tensor<4x2xui8>
  return %6 : tensor<4x2xui8>
}

// Parameters that no type has stay values: a scale of 0, another rounding, a scale that is no constant.
// CHECK-LABEL:  func.func @kept
// CHECK:        quern.dequantize
// CHECK:        quern.quantize
// CHECK:        quern.quantize
func.func @kept(%q: tensor<4xui8>, %x: tensor<4xf32>, %s: tensor<f32>) -> (tensor<4xf32>, tensor<4xui8>, tensor<4xui8>) {
  %zero = arith.constant dense<0.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %0 = quern.dequantize %q, %zero : (tensor<4xui8>, tensor<f32>) -> tensor<4xf32>
  %1 = quern.quantize %x, %half {rounding = "half_away"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xui8>
  %2 = quern.quantize %x, %s : (tensor<4xf32>, tensor<f32>) -> tensor<4xui8>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xui8>, tensor<4xui8>
}
