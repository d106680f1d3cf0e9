// RUN: quern opt %s -p 'lower-kernels{target=avx2},canonicalize,pack-constants' --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni},canonicalize,pack-constants' | FileCheck %s --check-prefix VNNI

// 8 * 16 * 255 = 32640 fits 16 bits: on rows that add products of bytes in pairs, blocks of four k.
// CHECK-LABEL: func.func @sixteen
// CHECK-NEXT:  kern.packed_constant {layout = "k4n8", sums16 = 4, value
// CHECK:       {acc = i32, layout = "k4n8"}
// VNNI-LABEL:  func.func @sixteen
// VNNI-NOT:    sums16
func.func @sixteen(%x: tensor<2x16xui8>) -> tensor<2x1xi32> {
  %w = arith.constant dense<16> : tensor<16x1xi8>
  %y = quern.matmul_integer %x, %w : (tensor<2x16xui8>, tensor<16x1xi8>) -> tensor<2x1xi32>
  return %y : tensor<2x1xi32>
}

// CHECK-LABEL: func.func @negative
// CHECK-NEXT:  kern.packed_constant {layout = "k4n8", sums16 = 1, value
func.func @negative(%x: tensor<2x16xui8>) -> tensor<2x1xi32> {
  %w = arith.constant dense<-64> : tensor<16x1xi8>
  %y = quern.matmul_integer %x, %w : (tensor<2x16xui8>, tensor<16x1xi8>) -> tensor<2x1xi32>
  return %y : tensor<2x1xi32>
}

// 2 * 65 * 255 = 33150 does not.
// CHECK-LABEL: func.func @too_large
// CHECK-NEXT:  kern.packed_constant {layout = "k2n8", value
func.func @too_large(%x: tensor<2x16xui8>) -> tensor<2x1xi32> {
  %w = arith.constant dense<65> : tensor<16x1xi8>
  %y = quern.matmul_integer %x, %w : (tensor<2x16xui8>, tensor<16x1xi8>) -> tensor<2x1xi32>
  return %y : tensor<2x1xi32>
}
