// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni},canonicalize,cse,dce' | FileCheck %s

// Queries, keys and values from one activation: it is quantized once, by a kernel whose codes all products read.
// CHECK-LABEL: func.func @fixed
// CHECK: %[[Q:.*]] = kern.map %x body
// CHECK: math.roundeven
// CHECK-NOT: math.roundeven
// CHECK: kern.gemm %[[CODES:[a-z0-9]+]],
// CHECK-NOT: math.roundeven
// CHECK: kern.gemm %[[CODES]],
// CHECK-NOT: math.roundeven
// CHECK: return
func.func @fixed(%x: tensor<4x64xf32>, %w: tensor<64x8x!quant.uniform<i8:f32, 0.01>>, %u: tensor<64x8x!quant.uniform<i8:f32, 0.01>>) -> (tensor<4x8xi32>, tensor<4x8xi32>) {
  %q = quant.qcast %x : tensor<4x64xf32> to tensor<4x64x!quant.uniform<u8:f32, 0.02:117>>
  %a = quern.matmul %q, %w : (tensor<4x64x!quant.uniform<u8:f32, 0.02:117>>, tensor<64x8x!quant.uniform<i8:f32, 0.01>>) -> tensor<4x8xi32>
  %b = quern.matmul %q, %u : (tensor<4x64x!quant.uniform<u8:f32, 0.02:117>>, tensor<64x8x!quant.uniform<i8:f32, 0.01>>) -> tensor<4x8xi32>
  return %a, %b : tensor<4x8xi32>, tensor<4x8xi32>
}

// The same with parameters found at run time.
// CHECK-LABEL: func.func @dynamic
// CHECK: kern.row
// CHECK: %[[Q:q]] = kern.map %x
// CHECK: kern.gemm %[[Q]],
// CHECK: kern.gemm %[[Q]],
func.func @dynamic(%x: tensor<4x64xf32>, %w: tensor<64x8xi8>, %u: tensor<64x8xi8>) -> (tensor<4x8xi32>, tensor<4x8xi32>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<4x64xf32>) -> (tensor<4x64xui8>, tensor<f32>, tensor<ui8>)
  %a = quern.matmul_integer %q, %w, %z : (tensor<4x64xui8>, tensor<64x8xi8>, tensor<ui8>) -> tensor<4x8xi32>
  %b = quern.matmul_integer %q, %u, %z : (tensor<4x64xui8>, tensor<64x8xi8>, tensor<ui8>) -> tensor<4x8xi32>
  return %a, %b : tensor<4x8xi32>, tensor<4x8xi32>
}
