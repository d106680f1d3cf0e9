// Scale and zero point as values: one for all, a vector along an axis, or any shape that broadcasts.

// CALL @one
// INPUT x: 0.25, 0.75, -0.75, 1000, nan
// INPUT s: 0.5
// INPUT z: 10
// EXPECT q: 10, 12, 8, 255, 10
// EXPECT y: 0.0, 1, -1, 122.5, 0.0
func.func @one(%x: tensor<5xf32>, %s: tensor<f32>, %z: tensor<ui8>) -> (tensor<5xui8>, tensor<5xf32>) {
  %q = quern.quantize %x, %s, %z : (tensor<5xf32>, tensor<f32>, tensor<ui8>) -> tensor<5xui8>
  %y = quern.dequantize %q, %s, %z : (tensor<5xui8>, tensor<f32>, tensor<ui8>) -> tensor<5xf32>
  return %q, %y : tensor<5xui8>, tensor<5xf32>
}

// Without a zero point the codes are ui8, or what `storage` says.
// CALL @no_zero
// INPUT x: -1, 2.5, 300
// INPUT s: 1
// EXPECT q: 0, 2, 255
// EXPECT r: -1, 2, 127
// EXPECT a: -1, 3, 127
func.func @no_zero(%x: tensor<3xf32>, %s: tensor<f32>) -> (tensor<3xui8>, tensor<3xi8>, tensor<3xi8>) {
  %q = quern.quantize %x, %s : (tensor<3xf32>, tensor<f32>) -> tensor<3xui8>
  %r = quern.quantize %x, %s {storage = i8} : (tensor<3xf32>, tensor<f32>) -> tensor<3xi8>
  %a = quern.quantize %x, %s {storage = i8, rounding = "half_away"} : (tensor<3xf32>, tensor<f32>) -> tensor<3xi8>
  return %q, %r, %a : tensor<3xui8>, tensor<3xi8>, tensor<3xi8>
}

// CALL @axis
// INPUT x: [1, 1, 1], [2, 2, 2]
// INPUT s: 0.5, 2
// INPUT z: 1, -1
// EXPECT q 2x3: [3, 3, 3], [0, 0, 0]
// EXPECT y 2x3: [1, 1, 1], [2, 2, 2]
func.func @axis(%x: tensor<2x3xf32>, %s: tensor<2xf32>, %z: tensor<2xi8>) -> (tensor<2x3xi8>, tensor<2x3xf32>) {
  %q = quern.quantize %x, %s, %z {axis = 0} : (tensor<2x3xf32>, tensor<2xf32>, tensor<2xi8>) -> tensor<2x3xi8>
  %y = quern.dequantize %q, %s, %z {axis = 0} : (tensor<2x3xi8>, tensor<2xf32>, tensor<2xi8>) -> tensor<2x3xf32>
  return %q, %y : tensor<2x3xi8>, tensor<2x3xf32>
}

// CALL @rows
// INPUT x: [1, 2], [3, 4]
// INPUT s: 1, 0.5
// EXPECT q 2x2: [1, 2], [6, 8]
func.func @rows(%x: tensor<2x2xf32>, %s: tensor<2x1xf32>) -> tensor<2x2xui8> {
  %q = quern.quantize %x, %s : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xui8>
  return %q : tensor<2x2xui8>
}

// CALL @wide
// INPUT q: 2147483647, -16777217, 3
// INPUT s: 0.5
// EXPECT y: 1073741824, -8388608, 1.5
func.func @wide(%q: tensor<3xi32>, %s: tensor<f32>) -> tensor<3xf32> {
  %y = quern.dequantize %q, %s : (tensor<3xi32>, tensor<f32>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}

// CALL @i16
// INPUT x: 40000, -40000, 0.5
// INPUT s: 1
// INPUT z: -7
// EXPECT q: 32767, -32768, -7
func.func @i16(%x: tensor<3xf32>, %s: tensor<f32>, %z: tensor<i16>) -> tensor<3xi16> {
  %q = quern.quantize %x, %s, %z : (tensor<3xf32>, tensor<f32>, tensor<i16>) -> tensor<3xi16>
  return %q : tensor<3xi16>
}

// To a type and back at once: the value that the nearest code stands for.
// CALL @fake
// INPUT x: 0.25, 0.75, -100, nan, -0.0, 200
// EXPECT y: 0.0, 1, -64, 0.0, 0.0, 63.5
// EXPECT z: 0.5, 1, -64, 0.0, 0.0, 63.5
func.func @fake(%x: tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
  %y = quern.fake_quant %x {type = !quant.uniform<i8:f32, 0.5>} : (tensor<6xf32>) -> tensor<6xf32>
  %z = quern.fake_quant %x {type = !quant.uniform<i8:f32, 0.5>, rounding = "half_away"} : (tensor<6xf32>) -> tensor<6xf32>
  return %y, %z : tensor<6xf32>, tensor<6xf32>
}

// CALL @fake_channels
// INPUT x: [1.2, 1.2], [-9, -9]
// EXPECT y 2x2: [1, 1.25], [-9, -8]
func.func @fake_channels(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %y = quern.fake_quant %x {type = !quant.uniform<i8<-32:127>:f32:1, {1.0,0.25}>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}
