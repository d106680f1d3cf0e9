// Parameters from the data itself: the whole tensor's range, or each row's; NaN does not count, infinities are cut.

// CALL @asymmetric
// INPUT x: -2, -1, 0, 1, 3
// EXPECT q: 0, 51, 102, 153, 255
// EXPECT s: 0x1.414142p-6
// EXPECT z: 102
// INPUT x: -1, 1, 0.5, -0.5, 0
// EXPECT q: 0, 254, 191, 63, 127
// EXPECT s: 0x1.010102p-7
// EXPECT z: 127
// INPUT x: 0, 4, 0.5, 1, 2
// EXPECT q: 0, 255, 32, 64, 127
// EXPECT s: 0x1.010102p-6
// EXPECT z: 0
// INPUT x: -6, -6, -0.5, nan, -1
// EXPECT q: 0, 0, 234, 255, 213
// EXPECT s: 0x1.818182p-6
// EXPECT z: 255
// INPUT x: 0, 0, -0.0, nan, 0
// EXPECT q: 0, 0, 0, 0, 0
// EXPECT s: 1
// EXPECT z: 0
// INPUT x: inf, 0, 1, nan, 0x1p126
// EXPECT q: 255, 0, 0, 0, 128
// EXPECT s: 0x1.0101p119
// EXPECT z: 0
func.func @asymmetric(%x: tensor<5xf32>) -> (tensor<5xui8>, tensor<f32>, tensor<ui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<5xf32>) -> (tensor<5xui8>, tensor<f32>, tensor<ui8>)
  return %q, %s, %z : tensor<5xui8>, tensor<f32>, tensor<ui8>
}

// CALL @symmetric
// INPUT x: -2, -1, 0, 1, 3
// EXPECT q: -85, -42, 0, 42, 127
// EXPECT s: 0x1.83060cp-6
// EXPECT z: 0
// INPUT x: 0, 0, 0, 0, nan
// EXPECT q: 0, 0, 0, 0, 0
// EXPECT s: 1
// EXPECT z: 0
func.func @symmetric(%x: tensor<5xf32>) -> (tensor<5xi8>, tensor<f32>, tensor<i8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric"} : (tensor<5xf32>) -> (tensor<5xi8>, tensor<f32>, tensor<i8>)
  return %q, %s, %z : tensor<5xi8>, tensor<f32>, tensor<i8>
}

// CALL @symmetric_unsigned
// INPUT x: -2, -1, 0, 1, 3
// EXPECT q: 43, 86, 128, 170, 255
// EXPECT s: 0x1.83060cp-6
// EXPECT z: 128
func.func @symmetric_unsigned(%x: tensor<5xf32>) -> (tensor<5xui8>, tensor<f32>, tensor<ui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, scheme = "symmetric"} : (tensor<5xf32>) -> (tensor<5xui8>, tensor<f32>, tensor<ui8>)
  return %q, %s, %z : tensor<5xui8>, tensor<f32>, tensor<ui8>
}

// CALL @signed
// INPUT x: -1, 3, 0.5, -0.5
// EXPECT q: -128, 127, -32, -96
// EXPECT s: 0x1.010102p-6
// EXPECT z: -64
func.func @signed(%x: tensor<4xf32>) -> (tensor<4xi8>, tensor<f32>, tensor<i8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8} : (tensor<4xf32>) -> (tensor<4xi8>, tensor<f32>, tensor<i8>)
  return %q, %s, %z : tensor<4xi8>, tensor<f32>, tensor<i8>
}

// CALL @rows
// INPUT x: [-2, -1, 0, 1, 3], [0, 4, 0.5, 1, 2], [0, 0, 0, 0, 0]
// EXPECT q 3x5: [0, 51, 102, 153, 255], [0, 255, 32, 64, 127], [0, 0, 0, 0, 0]
// EXPECT s 3x1: 0x1.414142p-6, 0x1.010102p-6, 1
// EXPECT z 3x1: 102, 0, 0
func.func @rows(%x: tensor<3x5xf32>) -> (tensor<3x5xui8>, tensor<3x1xf32>, tensor<3x1xui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<3x5xf32>) -> (tensor<3x5xui8>, tensor<3x1xf32>, tensor<3x1xui8>)
  return %q, %s, %z : tensor<3x5xui8>, tensor<3x1xf32>, tensor<3x1xui8>
}

// Rows of one element, and NaN, infinities and zeros in rows.
// CALL @columns
// INPUT x: 2, -3, 0, nan, inf
// EXPECT q 5x1: 255, 0, 0, 0, 255
// EXPECT s 5x1: 0x1.010102p-7, 0x1.818182p-7, 1, 1, 0x1.0101p119
// EXPECT z 5x1: 0, 255, 0, 0, 0
func.func @columns(%x: tensor<5x1xf32>) -> (tensor<5x1xui8>, tensor<5x1xf32>, tensor<5x1xui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<5x1xf32>) -> (tensor<5x1xui8>, tensor<5x1xf32>, tensor<5x1xui8>)
  return %q, %s, %z : tensor<5x1xui8>, tensor<5x1xf32>, tensor<5x1xui8>
}

// CALL @odd_rows
// INPUT x: [nan, -1, 1, 0.5, -0.5], [inf, 0, 1, nan, 0x1p126], [nan, nan, -0.0, nan, 0]
// EXPECT q 3x5: [127, 0, 254, 191, 63], [255, 0, 0, 0, 128], [0, 0, 0, 0, 0]
// EXPECT s 3x1: 0x1.010102p-7, 0x1.0101p119, 1
// EXPECT z 3x1: 127, 0, 0
func.func @odd_rows(%x: tensor<3x5xf32>) -> (tensor<3x5xui8>, tensor<3x1xf32>, tensor<3x1xui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<3x5xf32>) -> (tensor<3x5xui8>, tensor<3x1xf32>, tensor<3x1xui8>)
  return %q, %s, %z : tensor<3x5xui8>, tensor<3x1xf32>, tensor<3x1xui8>
}

// CALL @nothing
// INPUT x:
// EXPECT q 0x5:
// EXPECT s: 1
// EXPECT z: 0
func.func @nothing(%x: tensor<0x5xf32>) -> (tensor<0x5xui8>, tensor<f32>, tensor<ui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<0x5xf32>) -> (tensor<0x5xui8>, tensor<f32>, tensor<ui8>)
  return %q, %s, %z : tensor<0x5xui8>, tensor<f32>, tensor<ui8>
}

// The parts of a dynamic product: codes, integer product, scales.
// CALL @product
// INPUT x: [-2, 3], [0, 4]
// EXPECT y 2x1: 102, 1020
func.func @product(%x: tensor<2x2xf32>) -> tensor<2x1xi32> {
  %w = arith.constant dense<[[5], [4]]> : tensor<2x1xi8>
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<2x2xf32>) -> (tensor<2x2xui8>, tensor<2x1xf32>, tensor<2x1xui8>)
  %zr = quern.reshape %z {shape = array<i64: 2>} : (tensor<2x1xui8>) -> tensor<2xui8>
  %y = quern.matmul_integer %q, %w, %zr : (tensor<2x2xui8>, tensor<2x1xi8>, tensor<2xui8>) -> tensor<2x1xi32>
  return %y : tensor<2x1xi32>
}
