// Pools: the largest element or the average of windows.

// Padding is below everything; the last line only partly there.
// CALL @max
// INPUT x: -1 5 -3, -4 -5 -6
// EXPECT y 1x3x2x1: -1 5, -1 5, -4 -5
func.func @max(%x: tensor<1x2x3x1xf32>) -> tensor<1x3x2x1xf32> {
  %y = quern.max_pool %x {kernel = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 0>, strides = array<i64: 1, 2>} : (tensor<1x2x3x1xf32>) -> tensor<1x3x2x1xf32>
  return %y : tensor<1x3x2x1xf32>
}

// Codes of either sign, dilated, channels first, sizes that the call tells.
// CALL @max_codes
// INPUT x 1x2x2x3: -128 -127 -126, -1 0 1, 5 6 7, 8 9 127
// EXPECT y 1x2x2x1: -126 1, 7 127
func.func @max_codes(%x: tensor<?x2x?x3x!quant.uniform<i8:f32, 0.5:3>>) -> tensor<?x2x?x1x!quant.uniform<i8:f32, 0.5:3>> {
  %y = quern.max_pool %x {dilations = array<i64: 1, 2>, kernel = array<i64: 1, 2>, layout = "nchw"} : (tensor<?x2x?x3x!quant.uniform<i8:f32, 0.5:3>>) -> tensor<?x2x?x1x!quant.uniform<i8:f32, 0.5:3>>
  return %y : tensor<?x2x?x1x!quant.uniform<i8:f32, 0.5:3>>
}

// Half floats; a window of the whole image; NaN wins.
// CALL @max_whole
// INPUT x: 1 -0.0, 3 -0.0, nan 0.0, 2 -0.0
// EXPECT y 1x1x1x2: nan 0.0
func.func @max_whole(%x: tensor<1x2x2x2xf16>) -> tensor<1x1x1x2xf16> {
  %y = quern.max_pool %x : (tensor<1x2x2x2xf16>) -> tensor<1x1x1x2xf16>
  return %y : tensor<1x1x1x2xf16>
}

// Windows of 1, 2, 2 and 1 elements; the same with what is around counted, of 2 each; an extra column never counts.
// CALL @average
// INPUT x: 1 2 4
// EXPECT a 1x1x4x1: 1, 1.5, 3, 4
// EXPECT b 1x1x4x1: 0.5, 1.5, 3, 2
// EXPECT c 1x1x3x1: 1.5, 3, 4
func.func @average(%x: tensor<1x1x3x1xf32>) -> (tensor<1x1x4x1xf32>, tensor<1x1x4x1xf32>, tensor<1x1x3x1xf32>) {
  %a = quern.average_pool %x {kernel = array<i64: 1, 2>, pads = array<i64: 0, 1, 0, 1>} : (tensor<1x1x3x1xf32>) -> tensor<1x1x4x1xf32>
  %b = quern.average_pool %x {count_pads = true, kernel = array<i64: 1, 2>, pads = array<i64: 0, 1, 0, 1>} : (tensor<1x1x3x1xf32>) -> tensor<1x1x4x1xf32>
  %c = quern.average_pool %x {count_pads = true, extra = array<i64: 0, 1>, kernel = array<i64: 1, 2>} : (tensor<1x1x3x1xf32>) -> tensor<1x1x3x1xf32>
  return %a, %b, %c : tensor<1x1x4x1xf32>, tensor<1x1x4x1xf32>, tensor<1x1x3x1xf32>
}

// The whole image, in ascending order from +0: 2^25 + 1 - 2^25 is 0 in f32; f64 keeps it.
// CALL @global
// INPUT x: 33554432, 1, -33554432, 2
// INPUT z: 33554432, 1, -33554432, 2
// EXPECT y 1x1x1x1: 0.5
// EXPECT w 1x1x1x1: 0.75
func.func @global(%x: tensor<1x2x2x1xf32>, %z: tensor<1x2x2x1xf64>) -> (tensor<1x1x1x1xf32>, tensor<1x1x1x1xf64>) {
  %y = quern.average_pool %x : (tensor<1x2x2x1xf32>) -> tensor<1x1x1x1xf32>
  %w = quern.average_pool %z : (tensor<1x2x2x1xf64>) -> tensor<1x1x1x1xf64>
  return %y, %w : tensor<1x1x1x1xf32>, tensor<1x1x1x1xf64>
}

// Half floats are summed and divided in f32.
// CALL @halves
// INPUT x: 0.25 0.5 0.75 1, 1.25 0.25 0.5 0.75, 1 1.25 0.25 0.5
// EXPECT y: 0.8335 0.6665 0.5 0.75
func.func @halves(%x: tensor<1x1x3x4xf16>) -> tensor<1x1x1x4xf16> {
  %y = quern.average_pool %x : (tensor<1x1x3x4xf16>) -> tensor<1x1x1x4xf16>
  return %y : tensor<1x1x1x4xf16>
}

// An average of many channels, divided, scaled and quantized: several vectors of channels side by side.
// CALL @quantized
// INPUT x: 1*128
// EXPECT y 1x1x1x64: 31*64
func.func @quantized(%x: tensor<1x1x2x64xf32>) -> tensor<1x1x1x64xui8> {
  %a = quern.average_pool %x : (tensor<1x1x2x64xf32>) -> tensor<1x1x1x64xf32>
  %q = quant.qcast %a : tensor<1x1x1x64xf32> to tensor<1x1x1x64x!quant.uniform<u8:f32, 0.0321:0>>
  %y = quant.scast %q : tensor<1x1x1x64x!quant.uniform<u8:f32, 0.0321:0>> to tensor<1x1x1x64xui8>
  return %y : tensor<1x1x1x64xui8>
}
