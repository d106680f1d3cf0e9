// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni}' | FileCheck %s
// RUN: quern opt %s -p 'lower-kernels{target=avx2}' | FileCheck %s --check-prefix=AVX2

// CHECK-LABEL: func.func @floats
// CHECK: %[[K:.*]] = kern.pack %k {layout = "k1n64", transpose = true} : (tensor<2x?x8xf32>) -> tensor<2x8x?xf32>
// CHECK: %[[V:.*]] = kern.pack %v {layout = "k1n16"}
// CHECK: kern.attention %q, %[[K]], %[[V]], %m score {
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[M:.*]]: i1):
// CHECK: %[[SCALED:.*]] = arith.mulf %[[S]]
// CHECK: arith.select %[[M]], %[[SCALED]]
// CHECK: } weight {
// CHECK: arith.subf
// CHECK: math.exp
// CHECK: } epilogue {
// CHECK: arith.divf
// CHECK: {acc = f32, causal = "top_left", key_block = 64, layout_k = "k1n64", layout_v = "k1n16"}
func.func @floats(%q: tensor<2x50x8xf32>, %k: tensor<2x?x8xf32>, %v: tensor<2x?x3xf32>, %m: tensor<50x?xi1>) -> tensor<2x50x3xf32> {
  %y = quern.attention %q, %k, %v, %m {causal = "top_left"} : (tensor<2x50x8xf32>, tensor<2x?x8xf32>, tensor<2x?x3xf32>, tensor<50x?xi1>) -> tensor<2x50x3xf32>
  return %y : tensor<2x50x3xf32>
}

// Codes of any sign become u8, i8 and i8; sums over d stand in for zero points. Four heads on two: an axis of their own.
// CHECK-LABEL: func.func @codes
// CHECK: kern.view {{.*}} {shape = array<i64: 2, 2, -3, -4>}
// CHECK: %[[KS:.*]] = kern.row
// CHECK: kern.all_sum
// CHECK: %[[KROW:.*]] = kern.view
// CHECK: %[[QS:.*]] = kern.row
// CHECK: kern.pack {{.*}} {layout = "k4n32", transpose = true}
// CHECK: kern.pack {{.*}} {layout = "k4n16"}
// CHECK: kern.attention {{.*}}, %[[KROW]], %[[QS]] score {
// CHECK: arith.sitofp
// CHECK: } weight {
// CHECK: kern.yield {{.*}} : f32, i8
// CHECK: acc = i32, key_block = 32
// CHECK: kern.view {{.*}} {shape = array<i64: 4, -4, -5>}
// AVX2-LABEL: func.func @codes
// AVX2: acc = i32, key_block = 32, layout_k = "k2n32", layout_v = "k2n16"
func.func @codes(%q: tensor<4x50x8x!quant.uniform<i8:f32, 0.02:7>>, %k: tensor<2x7x8x!quant.uniform<u8:f32, 0.03:3>>, %v: tensor<2x7x3x!quant.uniform<u8:f32, 0.01:100>>) -> tensor<4x50x3xf32> {
  %y = quern.attention %q, %k, %v {key_block = 32} : (tensor<4x50x8x!quant.uniform<i8:f32, 0.02:7>>, tensor<2x7x8x!quant.uniform<u8:f32, 0.03:3>>, tensor<2x7x3x!quant.uniform<u8:f32, 0.01:100>>) -> tensor<4x50x3xf32>
  return %y : tensor<4x50x3xf32>
}

// Without zero points there are no sums.
// CHECK-LABEL: func.func @symmetric
// CHECK-NOT: kern.row
// CHECK: kern.attention {{%[a-z0-9]+}}, {{%[a-z0-9]+}}, {{%[a-z0-9]+}} score
func.func @symmetric(%q: tensor<50x8x!quant.uniform<u8:f32, 0.02>>, %k: tensor<7x8x!quant.uniform<i8:f32, 0.03>>, %v: tensor<7x3x!quant.uniform<i8:f32, 0.01>>) -> tensor<50x3xf32> {
  %y = quern.attention %q, %k, %v : (tensor<50x8x!quant.uniform<u8:f32, 0.02>>, tensor<7x8x!quant.uniform<i8:f32, 0.03>>, tensor<7x3x!quant.uniform<i8:f32, 0.01>>) -> tensor<50x3xf32>
  return %y : tensor<50x3xf32>
}

// Rows of v that are whole vectors are read where they are.
// CHECK-LABEL: func.func @in_place
// CHECK: kern.pack %k
// CHECK-NOT: kern.pack
// CHECK: kern.attention %q, %{{.*}}, %v score
// CHECK: layout_v = "plain"
func.func @in_place(%q: tensor<50x8xf32>, %k: tensor<7x8xf32>, %v: tensor<7x64xf32>) -> tensor<50x64xf32> {
  %y = quern.attention %q, %k, %v : (tensor<50x8xf32>, tensor<7x8xf32>, tensor<7x64xf32>) -> tensor<50x64xf32>
  return %y : tensor<50x64xf32>
}

// For few queries k is not packed beforehand, nor are codes of v; a k that is constant is.
// CHECK-LABEL: func.func @few
// CHECK-NOT: kern.pack
// CHECK: kern.attention %q, %k, %v score
// CHECK: layout_k = "plain", layout_v = "plain"
// CHECK: kern.attention
// CHECK: acc = i32, key_block = 64, layout_k = "plain", layout_v = "plain"
func.func @few(%q: tensor<1x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x64xf32>, %a: tensor<2x8x!quant.uniform<u8:f32, 0.02>>, %b: tensor<?x8x!quant.uniform<i8:f32, 0.03>>, %c: tensor<?x3x!quant.uniform<i8:f32, 0.01>>) -> (tensor<1x64xf32>, tensor<2x3xf32>) {
  %y = quern.attention %q, %k, %v : (tensor<1x8xf32>, tensor<?x8xf32>, tensor<?x64xf32>) -> tensor<1x64xf32>
  %z = quern.attention %a, %b, %c : (tensor<2x8x!quant.uniform<u8:f32, 0.02>>, tensor<?x8x!quant.uniform<i8:f32, 0.03>>, tensor<?x3x!quant.uniform<i8:f32, 0.01>>) -> tensor<2x3xf32>
  return %y, %z : tensor<1x64xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: func.func @constant
// CHECK: kern.pack
// CHECK: kern.attention
// CHECK: layout_k = "k1n64"
func.func @constant(%q: tensor<1x2xf32>, %v: tensor<2x64xf32>) -> tensor<1x64xf32> {
  %k = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = quern.attention %q, %k, %v : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2x64xf32>) -> tensor<1x64xf32>
  return %y : tensor<1x64xf32>
}

// One query of codes around zero is multiplied signed where k and v lie, if the machine can; heads that share k and v are
// queries of one head, and then too many for that.
// CHECK-LABEL: func.func @one_query
// CHECK-NOT: kern.row
// CHECK: kern.attention
// CHECK: layout_k = "plain", layout_v = "plain"} : (tensor<4x1x8xi8>,
// AVX2-LABEL: func.func @one_query
// AVX2: kern.row
// AVX2: kern.attention
// AVX2: layout_k = "plain", layout_v = "plain"} : (tensor<4x1x8xui8>,
func.func @one_query(%q: tensor<4x1x8x!quant.uniform<i8:f32, 0.02>>, %k: tensor<4x90x8x!quant.uniform<i8:f32, 0.03>>, %v: tensor<4x90x64x!quant.uniform<i8:f32, 0.01>>) -> tensor<4x1x64xf32> {
  %y = quern.attention %q, %k, %v {key_block = 32} : (tensor<4x1x8x!quant.uniform<i8:f32, 0.02>>, tensor<4x90x8x!quant.uniform<i8:f32, 0.03>>, tensor<4x90x64x!quant.uniform<i8:f32, 0.01>>) -> tensor<4x1x64xf32>
  return %y : tensor<4x1x64xf32>
}
// CHECK-LABEL: func.func @shared
// CHECK: kern.view {{.*}} -> tensor<2x3x8xui8>
// CHECK: kern.attention
// CHECK: layout_v = "plain"} : (tensor<2x3x8xui8>, tensor<2x90x8xi8>,
// CHECK: kern.view {{.*}} -> tensor<6x1x64xf32>
func.func @shared(%q: tensor<6x1x8x!quant.uniform<u8:f32, 0.02:128>>, %k: tensor<2x90x8x!quant.uniform<i8:f32, 0.03>>, %v: tensor<2x90x64x!quant.uniform<i8:f32, 0.01>>) -> tensor<6x1x64xf32> {
  %y = quern.attention %q, %k, %v {causal = "bottom_right", key_block = 32} : (tensor<6x1x8x!quant.uniform<u8:f32, 0.02:128>>, tensor<2x90x8x!quant.uniform<i8:f32, 0.03>>, tensor<2x90x64x!quant.uniform<i8:f32, 0.01>>) -> tensor<6x1x64xf32>
  return %y : tensor<6x1x64xf32>
}
