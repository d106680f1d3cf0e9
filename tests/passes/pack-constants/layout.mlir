// RUN: quern opt %s -p pack-constants --verify-each --check-each | FileCheck %s

// K = 3 and N = 2 in k2n4: one panel of 4 columns, pairs of k next to each other, zeros for what is not there:
// k 0, 1 of columns 0 and 1, then k 2.
// CHECK-LABEL: func.func @gemm
// CHECK-NEXT:  %[[P:.*]] = kern.packed_constant {layout = "k2n4", value = dense<[1, 3, 2, 4, 0, 0, 0, 0, 5, 0, 6, 0, 0, 0, 0, 0]> : tensor<16xi8>} : () -> tensor<3x2xi8>
// CHECK-NEXT:  kern.gemm %x, %[[P]]
func.func @gemm(%x: tensor<5x3xi8>) -> tensor<5x2xi32> {
  %w = arith.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xi8>
  %p = kern.pack %w {layout = "k2n4"} : (tensor<3x2xi8>) -> tensor<3x2xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: i8):
    kern.yield %a : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k2n4"} : (tensor<5x3xi8>, tensor<3x2xi8>) -> tensor<5x2xi32>
  return %y : tensor<5x2xi32>
}

// The same matrix the other way round in memory packs to the same bytes.
// CHECK-LABEL: func.func @transposed
// CHECK-NEXT:  %[[P:.*]] = kern.packed_constant {layout = "k2n4", value = dense<[1, 3, 2, 4, 0, 0, 0, 0, 5, 0, 6, 0, 0, 0, 0, 0]> : tensor<16xi8>} : () -> tensor<3x2xi8>
// CHECK-NEXT:  %[[Y:.*]] = kern.gemm %x, %[[P]]
func.func @transposed(%x: tensor<5x3xi8>) -> tensor<5x2xi32> {
  %w = arith.constant dense<[[1, 3, 5], [2, 4, 6]]> : tensor<2x3xi8>
  %p = kern.pack %w {layout = "k2n4", transpose = true} : (tensor<2x3xi8>) -> tensor<3x2xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: i8):
    kern.yield %a : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k2n4"} : (tensor<5x3xi8>, tensor<3x2xi8>) -> tensor<5x2xi32>
  return %y : tensor<5x2xi32>
}

// Batches one after the other; quantized codes through the view that names their type.
// CHECK-LABEL: func.func @batched
// CHECK-NEXT:  %[[P:.*]] = kern.packed_constant {layout = "k1n2", value = dense<[1, 2, 3, 4, 5, 6, 7, 8]> : tensor<8xi8>} : () -> tensor<2x2x2x!quant.uniform<i8:f32, 0.5>>
// CHECK-NEXT:  kern.gemm %x, %[[P]]
func.func @batched(%x: tensor<2x1x2xi8>) -> tensor<2x1x2xi32> {
  %w = arith.constant dense<[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]> : tensor<2x2x2xi8>
  %v = kern.view %w : (tensor<2x2x2xi8>) -> tensor<2x2x2x!quant.uniform<i8:f32, 0.5>>
  %p = kern.pack %v {layout = "k1n2"} : (tensor<2x2x2x!quant.uniform<i8:f32, 0.5>>) -> tensor<2x2x2x!quant.uniform<i8:f32, 0.5>>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: i8):
    kern.yield %a : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k1n2"} : (tensor<2x1x2xi8>, tensor<2x2x2x!quant.uniform<i8:f32, 0.5>>) -> tensor<2x1x2xi32>
  return %y : tensor<2x1x2xi32>
}

// What is not a constant is packed at run time.
// CHECK-LABEL: func.func @computed
// CHECK-NEXT:  %[[P:.*]] = kern.pack %w
func.func @computed(%x: tensor<5x3xi8>, %w: tensor<3x2xi8>) -> tensor<5x2xi32> {
  %p = kern.pack %w {layout = "k2n4"} : (tensor<3x2xi8>) -> tensor<3x2xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%a: i8):
    kern.yield %a : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k2n4"} : (tensor<5x3xi8>, tensor<3x2xi8>) -> tensor<5x2xi32>
  return %y : tensor<5x2xi32>
}
