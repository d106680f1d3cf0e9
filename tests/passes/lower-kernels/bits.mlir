// Elements that share bytes: kernels that do not walk them from the first to the last see bytes.
// RUN: quern opt %s -p lower-kernels --inline | FileCheck %s

// Five columns do not end at a byte.
// CHECK-LABEL: func.func @odd
// CHECK: %[[T:.*]] = kern.map %{{.*}} {
// CHECK: arith.extui {{.*}} : i4 to i8
// CHECK: -> tensor<4x5xi8>
// CHECK: kern.map %[[T]] body
// CHECK: arith.trunci {{.*}} : i8 to i4
// CHECK: (tensor<4x5xi8>) -> tensor<4x5x!quant.uniform<u4:f32:1
func.func @odd(%x: tensor<4x5xf32>) -> tensor<4x5x!quant.uniform<u4:f32:1, {0.1,0.2,0.3,0.4,0.5}>> {
  %y = quant.qcast %x : tensor<4x5xf32> to tensor<4x5x!quant.uniform<u4:f32:1, {0.1,0.2,0.3,0.4,0.5}>>
  return %y : tensor<4x5x!quant.uniform<u4:f32:1, {0.1,0.2,0.3,0.4,0.5}>>
}

// Four do.
// CHECK-LABEL: func.func @even
// CHECK-COUNT-1: kern.map
// CHECK-NOT: kern.map
// CHECK: return
func.func @even(%x: tensor<4x4xf32>) -> tensor<4x4x!quant.uniform<u4:f32:1, {0.1,0.2,0.3,0.4}>> {
  %y = quant.qcast %x : tensor<4x4xf32> to tensor<4x4x!quant.uniform<u4:f32:1, {0.1,0.2,0.3,0.4}>>
  return %y : tensor<4x4x!quant.uniform<u4:f32:1, {0.1,0.2,0.3,0.4}>>
}

// Products read and write bytes, whatever stands around them.
// CHECK-LABEL: func.func @product
// CHECK: kern.view %x
// CHECK: kern.map
// CHECK: -> tensor<4x5xi16>
// CHECK: kern.gemm
// CHECK: -> tensor<4x6xi32>
// CHECK: kern.map
// CHECK: -> tensor<4x6x!quant.uniform<i4:f32, 0.5>>
func.func @product(%x: tensor<4x5x!quant.uniform<u4:f32, 0.5:3>>, %w: tensor<5x6x!quant.uniform<i8:f32, 0.5>>) -> tensor<4x6x!quant.uniform<i4:f32, 0.5>> {
  %s = quern.matmul %x, %w : (tensor<4x5x!quant.uniform<u4:f32, 0.5:3>>, tensor<5x6x!quant.uniform<i8:f32, 0.5>>) -> tensor<4x6xi32>
  %m = arith.constant dense<0.01> : tensor<f32>
  %y = quern.requantize %s, %m : (tensor<4x6xi32>, tensor<f32>) -> tensor<4x6x!quant.uniform<i4:f32, 0.5>>
  return %y : tensor<4x6x!quant.uniform<i4:f32, 0.5>>
}
