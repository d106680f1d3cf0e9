// RUN: not quern opt %s 2>&1 | FileCheck %s

// Types: where they are wrong and what they should be.

// CHECK: text-types.mlir:[[@LINE+1]]:25: error: expected a type such as f32, i8 or tensor<4x8xf32>; 'quern types' lists them, found 'float'
func.func @a(%x: tensor<float>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:27: error: a tensor's elements are scalars or quantized values, not tensors
func.func @b(%x: tensor<4xtensor<4xf32>>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:25: error: tensors of unknown rank are not supported; give each size, or '?'
func.func @c(%x: tensor<*xf32>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:27: error: scale 1 of 1 is 0.0; scales are finite and greater than zero
func.func @d(%x: tensor<4x!quant.uniform<i8:f32, 0.0>>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:27: error: zero point 1 of 1 is 200, outside the codes -128:127 that are in use
func.func @e(%x: tensor<4x!quant.uniform<i8:f32, 0.5:200>>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:18: error: {{.*}}axis 0
func.func @f(%x: tensor<4x!quant.uniform<i8:f32:0, {0.5,0.25}>>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:18: error: type alias !none is not defined; write '!none = TYPE' before its use
func.func @g(%x: !none) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:18: error: no type !quant.unifrom; there are uniform, any, calibrated and quantile
func.func @h(%x: !quant.unifrom<i8:f32, 0.5>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:50: error: 1.0e40 does not fit f32
func.func @i(%x: tensor<4x!quant.uniform<i8:f32, 1.0e40>>) { return }
// CHECK: text-types.mlir:[[@LINE+1]]:18: error: {{.*}}63 bits
func.func @j(%x: tensor<4611686018427387904x4xi8>) { return }
