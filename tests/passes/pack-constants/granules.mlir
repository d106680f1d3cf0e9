// RUN: quern opt %s -p pack-constants --verify-each --check-each | FileCheck %s

// 32 k, of which the first 16 are zero in the only panel: one granule is left, whose first k is 16. The numbers before
// the data: granules before each panel's end, 0 and 1, then the 16.
// CHECK-LABEL: func.func @half
// CHECK-NEXT:  %[[P:.*]] = kern.packed_constant {layout = "k4n4z16", quern.sparsity = "50% zeros, zero blocks: 50% of 4x4, 50% of 16x16; 50% of 16x4 skipped", value = dense<"0x000000000100000010000000{{(00)+}}01030507020406080000000000000000{{.*}}"> : tensor<128xi8>} : () -> tensor<32x2xi8>
// CHECK-NEXT:  kern.gemm %x, %[[P]]
// CHECK:       {acc = i32, layout = "k4n4z16"}
func.func @half(%x: tensor<5x32xi8>) -> tensor<5x2xi32> {
  %w = arith.constant dense<[[0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0],
                             [1, 2], [3, 4], [5, 6], [7, 8], [9, 1], [2, 3], [4, 5], [6, 7], [8, 9], [1, 2], [3, 4], [5, 6], [7, 8], [9, 1], [2, 3], [4, 5]]> : tensor<32x2xi8>
  %p = kern.pack %w {layout = "k4n4"} : (tensor<32x2xi8>) -> tensor<32x2xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: i8):
    kern.yield %a : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k4n4"} : (tensor<5x32xi8>, tensor<32x2xi8>) -> tensor<5x2xi32>
  return %y : tensor<5x2xi32>
}

// Every second k is zero: noted, but no part can be left out.
// CHECK-LABEL: func.func @two_of_four
// CHECK-NEXT:  kern.packed_constant {layout = "k4n4", quern.sparsity = "50% zeros, 2:4", value
func.func @two_of_four(%x: tensor<5x16xi8>) -> tensor<5x1xi32> {
  %w = arith.constant dense<[[1], [0], [3], [0], [5], [0], [7], [0], [9], [0], [2], [0], [4], [0], [6], [0]]> : tensor<16x1xi8>
  %p = kern.pack %w {layout = "k4n4"} : (tensor<16x1xi8>) -> tensor<16x1xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: i8):
    kern.yield %a : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k4n4"} : (tensor<5x16xi8>, tensor<16x1xi8>) -> tensor<5x1xi32>
  return %y : tensor<5x1xi32>
}

// Floats have no granules: 0 times an infinity is not nothing.
// CHECK-LABEL: func.func @floats
// CHECK-NEXT:  kern.packed_constant {layout = "k1n4", quern.sparsity = "100% zeros, 2:4, zero blocks: 100% of 4x4, 100% of 16x16, 100% of 32x32", value
func.func @floats(%x: tensor<5x16xf32>) -> tensor<5x1xf32> {
  %w = arith.constant dense<0.0> : tensor<16x1xf32>
  %p = kern.pack %w {layout = "k1n4"} : (tensor<16x1xf32>) -> tensor<16x1xf32>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: f32):
    kern.yield %a : f32
  } epilogue {
  ^bb0(%acc: f32):
    kern.yield %acc : f32
  } {acc = f32, layout = "k1n4"} : (tensor<5x16xf32>, tensor<16x1xf32>) -> tensor<5x1xf32>
  return %y : tensor<5x1xf32>
}
