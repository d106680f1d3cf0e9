// RUN: quern opt %s -p lower-kernels,canonicalize,dce --inline --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p lower-kernels,canonicalize,dce,pack-constants --inline --verify-each --check-each | FileCheck %s --check-prefix=PACKED

!w = !quant.uniform<i4:f32:{0:8, 1:1}, {{0.5, 0.25}, {1.0, 2.0}}>

// What quantizes x goes; two products of one form share rows; bias and relu become the epilogue.
// CHECK-LABEL: func.func @shared
// CHECK-NOT: dynamic_quantize
// CHECK: %[[R:.*]] = kern.block_rows %x {block = 8, offset = 8} : (tensor<4x10xf32>) -> tensor<4x32xi8>
// CHECK: %[[P:.*]] = kern.block_pack {{.*}} {layout = "b8p32i4e8"} : {{.*}} -> tensor<320xi8>
// CHECK: kern.block_gemm %[[R]], {{.*}} epilogue {
// CHECK: arith.addf
// CHECK: arith.maximumf
// CHECK: {k = 10, layout = "b8p32i4e8", n = 2}
// CHECK-NOT: kern.block_rows
// CHECK: kern.block_gemm %[[R]]
// PACKED-LABEL: func.func @shared
// PACKED-NOT: kern.block_pack
// PACKED: arith.constant {{.*}} : tensor<320xi8>
func.func @shared(%x: tensor<4x10xf32>) -> (tensor<4x2xf32>, tensor<4x2xf32>) {
  %c = arith.constant dense<[[1, -1], [2, -2], [3, -3], [4, -4], [5, -5], [6, -6], [7, -7], [0, -8], [1, 1], [1, 1]]> : tensor<10x2xi4>
  %w = quant.scast %c : tensor<10x2xi4> to tensor<10x2x!w>
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<4x10xf32>) -> (tensor<4x10xi8>, tensor<4x2xf32>, tensor<4x2xi8>)
  %y = quern.block_matmul %q, %s, %w : (tensor<4x10xi8>, tensor<4x2xf32>, tensor<10x2x!w>) -> tensor<4x2xf32>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %t = quern.add %y, %b : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %u = quern.relu %t : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %d = arith.constant dense<[[2, -1], [2, -2], [3, -3], [4, -4], [5, -5], [6, -6], [7, -7], [0, -8], [1, 1], [1, 1]]> : tensor<10x2xi4>
  %v = quant.scast %d : tensor<10x2xi4> to tensor<10x2x!w>
  %r = quern.block_matmul %q, %s, %v : (tensor<4x10xi8>, tensor<4x2xf32>, tensor<10x2x!w>) -> tensor<4x2xf32>
  return %u, %r : tensor<4x2xf32>, tensor<4x2xf32>
}

// Codes that something else reads are made; those given are taken as they are.
// CHECK-LABEL: func.func @codes
// CHECK: kern.row
// CHECK: kern.block_rows %x
// CHECK-LABEL: func.func @given
// CHECK: kern.block_rows %a, %s {block = 8, offset = 8} : (tensor<3x8xi8>, tensor<3x1xf32>) -> tensor<3x16xi8>
func.func @codes(%x: tensor<3x8xf32>) -> (tensor<3x8xi8>, tensor<3x1xf32>) {
  %c = arith.constant dense<1> : tensor<8x1xi4>
  %w = quant.scast %c : tensor<8x1xi4> to tensor<8x1x!quant.uniform<i4:f32:{0:8}, {{0.5}}>>
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<3x8xf32>) -> (tensor<3x8xi8>, tensor<3x1xf32>, tensor<3x1xi8>)
  %y = quern.block_matmul %q, %s, %w : (tensor<3x8xi8>, tensor<3x1xf32>, tensor<8x1x!quant.uniform<i4:f32:{0:8}, {{0.5}}>>) -> tensor<3x1xf32>
  return %q, %y : tensor<3x8xi8>, tensor<3x1xf32>
}
func.func @given(%a: tensor<3x8xi8>, %s: tensor<3x1xf32>) -> tensor<3x1xf32> {
  %c = arith.constant dense<1> : tensor<8x1xi4>
  %w = quant.scast %c : tensor<8x1xi4> to tensor<8x1x!quant.uniform<i4:f32:{0:8}, {{0.5}}>>
  %y = quern.block_matmul %a, %s, %w : (tensor<3x8xi8>, tensor<3x1xf32>, tensor<8x1x!quant.uniform<i4:f32:{0:8}, {{0.5}}>>) -> tensor<3x1xf32>
  return %y : tensor<3x1xf32>
}

// Floats times weights: packed where a layout holds them (a scale per column is a block as long as k), else dequantized.
// CHECK-LABEL: func.func @weight_only
// CHECK: kern.block_gemm %x
// CHECK: {k = 10, layout = "b8p32i4e8", n = 2}
// CHECK: kern.block_gemm %x
// CHECK: {k = 10, layout = "b16p32i8f32", n = 2}
// CHECK: kern.gemm %x
func.func @weight_only(%x: tensor<3x10xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>) {
  %c = arith.constant dense<3> : tensor<10x2xi4>
  %w = quant.scast %c : tensor<10x2xi4> to tensor<10x2x!w>
  %0 = quern.matmul %x, %w : (tensor<3x10xf32>, tensor<10x2x!w>) -> tensor<3x2xf32>
  %d = arith.constant dense<3> : tensor<10x2xi8>
  %v = quant.scast %d : tensor<10x2xi8> to tensor<10x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>
  %1 = quern.matmul %x, %v : (tensor<3x10xf32>, tensor<10x2x!quant.uniform<i8:f32:1, {0.1, 0.2}>>) -> tensor<3x2xf32>
  %u = quant.scast %d : tensor<10x2xi8> to tensor<10x2x!quant.uniform<i8:f32:{0:5}, {{0.1}, {0.2}}>>
  %2 = quern.matmul %x, %u : (tensor<3x10xf32>, tensor<10x2x!quant.uniform<i8:f32:{0:5}, {{0.1}, {0.2}}>>) -> tensor<3x2xf32>
  return %0, %1, %2 : tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>
}

// Rows of 16-bit floats are widened before, once for all that read them, and results rounded in the epilogue.
// CHECK-LABEL: func.func @half
// CHECK: %[[X:.*]] = kern.map %x body {
// CHECK: arith.extf {{.*}} : f16 to f32
// CHECK: kern.block_gemm %[[X]], {{.*}} epilogue {
// CHECK: arith.truncf {{.*}} : f32 to f16
// CHECK-NOT: kern.map
// CHECK: kern.block_gemm %[[X]]
// CHECK-NOT: arith.truncf
// CHECK: return
func.func @half(%x: tensor<3x10xf16>) -> (tensor<3x2xf16>, tensor<3x2xf32>) {
  %c = arith.constant dense<3> : tensor<10x2xi4>
  %w = quant.scast %c : tensor<10x2xi4> to tensor<10x2x!w>
  %0 = quern.matmul %x, %w : (tensor<3x10xf16>, tensor<10x2x!w>) -> tensor<3x2xf16>
  %d = arith.constant dense<3> : tensor<10x2xi8>
  %v = quant.scast %d : tensor<10x2xi8> to tensor<10x2x!quant.uniform<i8:f16:1, {0.1, 0.2}>>
  %1 = quern.matmul %x, %v : (tensor<3x10xf16>, tensor<10x2x!quant.uniform<i8:f16:1, {0.1, 0.2}>>) -> tensor<3x2xf32>
  return %0, %1 : tensor<3x2xf16>, tensor<3x2xf32>
}

// Rows and floats that the program makes itself, but further down, are not what products above can read.
// CHECK-LABEL: func.func @later
// CHECK: %[[R:.*]] = kern.block_rows %x
// CHECK: kern.block_gemm %[[R]],
// CHECK: kern.block_rows %x
// CHECK: %[[X:.*]] = kern.map %h
// CHECK: kern.block_gemm %[[X]],
// CHECK: kern.map %h
func.func @later(%x: tensor<3x10xf32>, %h: tensor<3x10xf16>) -> (tensor<3x2xf32>, tensor<3x32xi8>, tensor<3x2xf32>, tensor<3x10xf32>) {
  %c = arith.constant dense<3> : tensor<10x2xi4>
  %w = quant.scast %c : tensor<10x2xi4> to tensor<10x2x!w>
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<3x10xf32>) -> (tensor<3x10xi8>, tensor<3x2xf32>, tensor<3x2xi8>)
  %y = quern.block_matmul %q, %s, %w : (tensor<3x10xi8>, tensor<3x2xf32>, tensor<10x2x!w>) -> tensor<3x2xf32>
  %r = kern.block_rows %x {block = 8, offset = 8} : (tensor<3x10xf32>) -> tensor<3x32xi8>
  %u = quern.matmul %h, %w : (tensor<3x10xf16>, tensor<10x2x!w>) -> tensor<3x2xf32>
  %f = kern.map %h body {
  ^bb0(%e: f16):
    %1 = arith.extf %e : f16 to f32
    kern.yield %1 : f32
  } : (tensor<3x10xf16>) -> tensor<3x10xf32>
  return %y, %r, %u, %f : tensor<3x2xf32>, tensor<3x32xi8>, tensor<3x2xf32>, tensor<3x10xf32>
}
