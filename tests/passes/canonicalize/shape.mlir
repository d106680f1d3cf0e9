// RUN: quern opt %s -p canonicalize --verify-each --check-each | FileCheck %s

// CHECK-LABEL: func.func @reshapes
// CHECK-NEXT:  %[[A:.*]] = quern.reshape %x {shape = array<i64: 4, 6>} : (tensor<2x3x4xf32>) -> tensor<4x6xf32>
// CHECK-NEXT:  return %[[A]], %x
func.func @reshapes(%x: tensor<2x3x4xf32>) -> (tensor<4x6xf32>, tensor<2x3x4xf32>) {
  %0 = quern.reshape %x {shape = array<i64: 24>} : (tensor<2x3x4xf32>) -> tensor<24xf32>
  %1 = quern.reshape %0 {shape = array<i64: 4, -1>} : (tensor<24xf32>) -> tensor<4x6xf32>
  %2 = quern.reshape %1 {shape = array<i64: 2, 3, 4>} : (tensor<4x6xf32>) -> tensor<2x3x4xf32>
  return %1, %2 : tensor<4x6xf32>, tensor<2x3x4xf32>
}

// Sizes that the outer one takes from the middle are taken from the first.
// CHECK-LABEL: func.func @dynamic
// CHECK-NEXT:  %[[A:.*]] = quern.reshape %x {shape = array<i64: -2, 6, 2>}
// CHECK-NEXT:  return %[[A]]
func.func @dynamic(%x: tensor<?x3x4xf32, #quern.dims<"n", "", "">>) -> tensor<?x6x2xf32, #quern.dims<"n", "", "">> {
  %0 = quern.reshape %x {shape = array<i64: -2, 12>} : (tensor<?x3x4xf32, #quern.dims<"n", "", "">>) -> tensor<?x12xf32, #quern.dims<"n", "">>
  %1 = quern.reshape %0 {shape = array<i64: -2, 6, 2>} : (tensor<?x12xf32, #quern.dims<"n", "">>) -> tensor<?x6x2xf32, #quern.dims<"n", "", "">>
  return %1 : tensor<?x6x2xf32, #quern.dims<"n", "", "">>
}

// Two sizes that are not known could be exchanged: the reshape stays. A single one follows from the count.
// CHECK-LABEL: func.func @unknown
// CHECK-NEXT:  %[[A:.*]] = quern.reshape %x
// CHECK-NEXT:  return %[[A]], %y
func.func @unknown(%x: tensor<?x?xf32>, %y: tensor<?x4xf32>) -> (tensor<?x?xf32>, tensor<?x4xf32>) {
  %0 = quern.reshape %x {shape = array<i64: -1, -2>} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %1 = quern.reshape %y {shape = array<i64: -1, 4>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x?xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @transposes
// CHECK-NEXT:  %[[A:.*]] = quern.transpose %x {perm = array<i64: 1, 2, 0>}
// CHECK-NEXT:  return %[[A]], %x
func.func @transposes(%x: tensor<2x3x4xf32>) -> (tensor<3x4x2xf32>, tensor<2x3x4xf32>) {
  %0 = quern.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  %1 = quern.transpose %0 {perm = array<i64: 2, 0, 1>} : (tensor<4x2x3xf32>) -> tensor<3x4x2xf32>
  %2 = quern.transpose %1 {perm = array<i64: 2, 0, 1>} : (tensor<3x4x2xf32>) -> tensor<2x3x4xf32>
  return %1, %2 : tensor<3x4x2xf32>, tensor<2x3x4xf32>
}

// Moving axes of size 1 moves no element.
// CHECK-LABEL: func.func @ones
// CHECK-NEXT:  %[[A:.*]] = quern.reshape %x {shape = array<i64: 3, 1, 4>}
// CHECK-NEXT:  return %[[A]]
func.func @ones(%x: tensor<1x3x4xf32>) -> tensor<3x1x4xf32> {
  %0 = quern.transpose %x {perm = array<i64: 1, 0, 2>} : (tensor<1x3x4xf32>) -> tensor<3x1x4xf32>
  return %0 : tensor<3x1x4xf32>
}

// CHECK-LABEL: func.func @matmul
// CHECK-NEXT:  %[[A:.*]] = quern.matmul %a, %b {transpose_a = true, transpose_b = true}
// CHECK-NEXT:  %[[B:.*]] = quern.matmul %[[A]], %b : (tensor<2x4xf32>, tensor<4x3xf32>)
// CHECK-NEXT:  return %[[B]]
func.func @matmul(%a: tensor<3x2xf32>, %b: tensor<4x3xf32>) -> tensor<2x3xf32> {
  %ta = quern.transpose %a {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %tb = quern.transpose %b {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
  %0 = quern.matmul %ta, %tb : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  %1 = quern.matmul %0, %tb {transpose_b = true} : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// A permutation of the leading axes is none of matmul's flags.
// CHECK-LABEL: func.func @batched
// CHECK:       quern.transpose
func.func @batched(%a: tensor<2x3x4x5xf32>, %b: tensor<5x6xf32>) -> tensor<3x2x4x6xf32> {
  %t = quern.transpose %a {perm = array<i64: 1, 0, 2, 3>} : (tensor<2x3x4x5xf32>) -> tensor<3x2x4x5xf32>
  %0 = quern.matmul %t, %b : (tensor<3x2x4x5xf32>, tensor<5x6xf32>) -> tensor<3x2x4x6xf32>
  return %0 : tensor<3x2x4x6xf32>
}

// Views of kernels' results.
// CHECK-LABEL: func.func @views
// CHECK-NEXT:  %[[A:.*]] = kern.view %x : (tensor<2x3xf32>) -> tensor<6xf32>
// CHECK-NEXT:  return %[[A]], %x
func.func @views(%x: tensor<2x3xf32>) -> (tensor<6xf32>, tensor<2x3xf32>) {
  %0 = kern.view %x : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = kern.view %0 : (tensor<3x2xf32>) -> tensor<6xf32>
  %2 = kern.view %1 : (tensor<6xf32>) -> tensor<2x3xf32>
  return %1, %2 : tensor<6xf32>, tensor<2x3xf32>
}
