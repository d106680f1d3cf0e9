// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni},canonicalize,dce' --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'lower-kernels{target=avx2},canonicalize,dce' | FileCheck %s --check-prefix AVX2

// Windows two apart, and short ones, step over the border by themselves where bytes are multiplied four at once; the
// border is the zero point.
// CHECK-LABEL: func.func @strided
// CHECK-NOT:   kern.pad
// CHECK:       kern.window
// CHECK:       {acc = i32, border = 130, combine = "dot", layout = "k4n64", pads = array<i64: 1, 1, 1, 1>, window = array<i64: 3, 3, 2, 2, 1, 1>}
// AVX2-LABEL:  func.func @strided
// AVX2:        kern.pad
func.func @strided(%x: tensor<1x8x8x40x!quant.uniform<u8:f32, 0.5:130>>) -> tensor<1x4x4x40xi32> {
  %w = arith.constant dense<3> : tensor<3x3x1x40x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {groups = 40, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<1x8x8x40x!quant.uniform<u8:f32, 0.5:130>>, tensor<3x3x1x40x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x4x4x40xi32>
  return %y : tensor<1x4x4x40xi32>
}

// CHECK-LABEL: func.func @short
// CHECK-NOT:   kern.pad
// CHECK:       {acc = i32, border = 130, combine = "dot", layout = "k4n64", pads = array<i64: 1, 1, 1, 1>, window = array<i64: 3, 3, 1, 1, 1, 1>}
func.func @short(%x: tensor<1x8x8x40x!quant.uniform<u8:f32, 0.5:130>>) -> tensor<1x8x8x40xi32> {
  %w = arith.constant dense<3> : tensor<3x3x1x40x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {groups = 40, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x40x!quant.uniform<u8:f32, 0.5:130>>, tensor<3x3x1x40x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x8x8x40xi32>
  return %y : tensor<1x8x8x40xi32>
}

// Others that overlap, and images whose codes change on the way, are padded beforehand.
// CHECK-LABEL: func.func @kept
// CHECK:       kern.pad
// CHECK:       kern.window
// CHECK-NOT:   border
// CHECK:       kern.pad
// CHECK:       kern.window
// CHECK-NOT:   border
func.func @kept(%x: tensor<1x8x8x40x!quant.uniform<u8:f32, 0.5:130>>, %s: tensor<1x8x8x40x!quant.uniform<i8:f32, 0.5:2>>) -> (tensor<1x8x8x40xi32>, tensor<1x4x4x40xi32>) {
  %w = arith.constant dense<3> : tensor<3x3x1x40x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {groups = 40, dilations = array<i64: 2, 2>, pads = array<i64: 2, 2, 2, 2>} : (tensor<1x8x8x40x!quant.uniform<u8:f32, 0.5:130>>, tensor<3x3x1x40x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x8x8x40xi32>
  %z = quern.conv2d %s, %w {groups = 40, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<1x8x8x40x!quant.uniform<i8:f32, 0.5:2>>, tensor<3x3x1x40x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x4x4x40xi32>
  return %y, %z : tensor<1x8x8x40xi32>, tensor<1x4x4x40xi32>
}

// Products over windows step over it where the image is read as it is and its positions have some channels, each of
// which is a segment then; of floats the border is 0.
// CHECK-LABEL: func.func @product
// CHECK-NOT:   kern.pad
// CHECK:       {acc = i32, border = 130, layout = "k4n64s9", pads = array<i64: 1, 0, 1, 2>, window = array<i64: 3, 3, 2, 1, 1, 1>}
// CHECK:       {acc = f32, layout = "k1n64s9", pads = array<i64: 1, 1, 1, 1>, window = array<i64: 3, 3, 1, 1, 1, 1>}
// AVX2-LABEL:  func.func @product
// AVX2:        border = 130
func.func @product(%x: tensor<1x8x8x32x!quant.uniform<u8:f32, 0.5:130>>, %f: tensor<1x8x8x32xf32>) -> (tensor<1x4x8x40xi32>, tensor<1x8x8x40xf32>) {
  %w = arith.constant dense<3> : tensor<3x3x32x40x!quant.uniform<i8:f32, 0.5>>
  %v = arith.constant dense<3.0> : tensor<3x3x32x40xf32>
  %y = quern.conv2d %x, %w {pads = array<i64: 1, 0, 1, 2>, strides = array<i64: 2, 1>} : (tensor<1x8x8x32x!quant.uniform<u8:f32, 0.5:130>>, tensor<3x3x32x40x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x4x8x40xi32>
  %z = quern.conv2d %f, %v {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x32xf32>, tensor<3x3x32x40xf32>) -> tensor<1x8x8x40xf32>
  return %y, %z : tensor<1x4x8x40xi32>, tensor<1x8x8x40xf32>
}

// Few channels, and codes that change on the way, are padded.
// CHECK-LABEL: func.func @padded
// CHECK:       kern.pad
// CHECK:       kern.gemm
// CHECK-NOT:   border
// CHECK:       kern.pad
// CHECK:       kern.gemm
// CHECK-NOT:   border
func.func @padded(%x: tensor<1x8x8x12x!quant.uniform<u8:f32, 0.5>>, %s: tensor<1x8x8x32x!quant.uniform<i8:f32, 0.5:2>>) -> (tensor<1x8x8x40xi32>, tensor<1x8x8x40xi32>) {
  %w = arith.constant dense<3> : tensor<3x3x12x40x!quant.uniform<i8:f32, 0.5>>
  %v = arith.constant dense<3> : tensor<3x3x32x40x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x12x!quant.uniform<u8:f32, 0.5>>, tensor<3x3x12x40x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x8x8x40xi32>
  %z = quern.conv2d %s, %v {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x32x!quant.uniform<i8:f32, 0.5:2>>, tensor<3x3x32x40x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x8x8x40xi32>
  return %y, %z : tensor<1x8x8x40xi32>, tensor<1x8x8x40xi32>
}

// Groups of few channels are multiplied together, beside zeros, so that they fill vectors. So are channels with several
// columns each; but floats are not.
// CHECK-LABEL: func.func @grouped
// CHECK:       {acc = i32, groups = 4, layout = "k4n32s9"
// CHECK-SAME:  tensor<4x144x16xi8>
// CHECK:       {acc = i32, groups = 2, layout = "k4n32s6"
// CHECK-SAME:  tensor<2x96x32xi8>
// CHECK:       {acc = f32, groups = 8, layout = "k1n32s6"
// AVX2-LABEL:  func.func @grouped
// AVX2:        {acc = i32, groups = 8, layout = "k2n16s9"
// AVX2:        {acc = i32, groups = 4, layout = "k2n16s6"
// AVX2:        {acc = f32, groups = 8, layout = "k1n16s6"
func.func @grouped(%x: tensor<1x8x8x64x!quant.uniform<u8:f32, 0.5>>, %m: tensor<1x8x8x32x!quant.uniform<u8:f32, 0.5>>, %f: tensor<1x8x8x32xf32>) -> (tensor<1x8x8x64xi32>, tensor<1x7x6x64xi32>, tensor<1x7x6x64xf32>) {
  %w = arith.constant dense<3> : tensor<3x3x8x64x!quant.uniform<i8:f32, 0.5>>
  %v = arith.constant dense<3> : tensor<2x3x1x64x!quant.uniform<i8:f32, 0.5>>
  %u = arith.constant dense<3.0> : tensor<2x3x4x64xf32>
  %y = quern.conv2d %x, %w {groups = 8, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x64x!quant.uniform<u8:f32, 0.5>>, tensor<3x3x8x64x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x8x8x64xi32>
  %z = quern.conv2d %m, %v {groups = 32} : (tensor<1x8x8x32x!quant.uniform<u8:f32, 0.5>>, tensor<2x3x1x64x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x7x6x64xi32>
  %g = quern.conv2d %f, %u {groups = 8} : (tensor<1x8x8x32xf32>, tensor<2x3x4x64xf32>) -> tensor<1x7x6x64xf32>
  return %y, %z, %g : tensor<1x8x8x64xi32>, tensor<1x7x6x64xi32>, tensor<1x7x6x64xf32>
}
