// RUN: quern opt %s -p canonicalize --verify-each --check-each | FileCheck %s

!i8 = !quant.uniform<i8:f32, 0.5:3>
!narrow = !quant.uniform<i8<-127:127>:f32, 0.5>
!other = !quant.uniform<i8:f32, 0.25>

// Quantizing a constant gives its codes, as a constant of the storage type; dequantizing stays for fold-qparams.
// CHECK-LABEL: func.func @weights
// CHECK-NEXT:  %[[C:.*]] = arith.constant dense<[5, 3, 1]> : tensor<3xi8>
// CHECK-NEXT:  %[[Q:.*]] = quant.scast %[[C]] : tensor<3xi8> to tensor<3x!quant.uniform<i8:f32, 0.5:3>>
// CHECK-NEXT:  %[[D:.*]] = quant.dcast %[[Q]]
// CHECK-NEXT:  return %[[D]]
func.func @weights() -> tensor<3xf32> {
  %w = arith.constant dense<[1.0, 0.0, -1.0]> : tensor<3xf32>
  %q = quant.qcast %w : tensor<3xf32> to tensor<3x!i8>
  %d = quant.dcast %q : tensor<3x!i8> to tensor<3xf32>
  return %d : tensor<3xf32>
}

// Moving quantized constants moves their codes.
// CHECK-LABEL: func.func @moved
// CHECK-NEXT:  %[[C:.*]] = arith.constant dense<{{\[}}[1, 4], [2, 5], [3, 6]]> : tensor<3x2xi8>
// CHECK-NEXT:  %[[Q:.*]] = quant.scast %[[C]] : tensor<3x2xi8> to tensor<3x2x!quant.uniform<i8:f32, 0.5:3>>
// CHECK-NEXT:  return %[[Q]]
func.func @moved() -> tensor<3x2x!i8> {
  %w = arith.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi8>
  %q = quant.scast %w : tensor<2x3xi8> to tensor<2x3x!i8>
  %t = quern.transpose %q {perm = array<i64: 1, 0>} : (tensor<2x3x!i8>) -> tensor<3x2x!i8>
  return %t : tensor<3x2x!i8>
}

// What was dequantized goes back to the same codes under the same type, when all codes of the storage are in use.
// CHECK-LABEL: func.func @round_trip
// CHECK-NEXT:  return %q : 
func.func @round_trip(%q: tensor<4x!i8>) -> tensor<4x!i8> {
  %0 = quant.dcast %q : tensor<4x!i8> to tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> to tensor<4x!i8>
  return %1 : tensor<4x!i8>
}

// A code outside of the range (-128) would be clamped; another type means other codes; the other order rounds.
// CHECK-LABEL: func.func @kept
// CHECK:       quant.qcast
// CHECK:       quant.qcast
// CHECK:       quant.dcast
func.func @kept(%n: tensor<4x!narrow>, %q: tensor<4x!i8>, %x: tensor<4xf32>) -> (tensor<4x!narrow>, tensor<4x!other>, tensor<4xf32>) {
  %0 = quant.dcast %n : tensor<4x!narrow> to tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> to tensor<4x!narrow>
  %2 = quant.dcast %q : tensor<4x!i8> to tensor<4xf32>
  %3 = quant.qcast %2 : tensor<4xf32> to tensor<4x!other>
  %4 = quant.qcast %x : tensor<4xf32> to tensor<4x!i8>
  %5 = quant.dcast %4 : tensor<4x!i8> to tensor<4xf32>
  return %1, %3, %5 : tensor<4x!narrow>, tensor<4x!other>, tensor<4xf32>
}

// Codes that a quantizing op has just made are in range.
// CHECK-LABEL: func.func @made_in_range
// CHECK-NEXT:  %[[Q:.*]] = quant.qcast %x
// CHECK-NEXT:  return %[[Q]]
func.func @made_in_range(%x: tensor<4xf32>) -> tensor<4x!narrow> {
  %0 = quant.qcast %x : tensor<4xf32> to tensor<4x!narrow>
  %1 = quant.dcast %0 : tensor<4x!narrow> to tensor<4xf32>
  %2 = quant.qcast %1 : tensor<4xf32> to tensor<4x!narrow>
  return %2 : tensor<4x!narrow>
}

// CHECK-LABEL: func.func @storage
// CHECK-NEXT:  return %x : tensor<4xi8>
func.func @storage(%x: tensor<4xi8>) -> tensor<4xi8> {
  %0 = quant.scast %x : tensor<4xi8> to tensor<4x!i8>
  %1 = quant.scast %0 : tensor<4x!i8> to tensor<4xi8>
  return %1 : tensor<4xi8>
}

// Dequantizing a constant and quantizing it for show stay too: the codes are what counts.
// CHECK-LABEL: func.func @operand_forms
// CHECK:       quern.dequantize
// CHECK:       quern.fake_quant
func.func @operand_forms() -> (tensor<3xf32>, tensor<3xf32>) {
  %q = arith.constant dense<[1, 2, 3]> : tensor<3xi8>
  %s = arith.constant dense<0.5> : tensor<f32>
  %w = arith.constant dense<[1.0, 0.0, -1.0]> : tensor<3xf32>
  %0 = quern.dequantize %q, %s : (tensor<3xi8>, tensor<f32>) -> tensor<3xf32>
  %1 = quern.fake_quant %w {type = !i8} : (tensor<3xf32>) -> tensor<3xf32>
  return %0, %1 : tensor<3xf32>, tensor<3xf32>
}
