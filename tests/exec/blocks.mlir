// Scales for blocks of a tensor, small floats as codes, four-bit codes with a scale per row.

// Blocks of one row and two columns; the last one is a tail of one. 7 / 2 is a tie: 4 is even.
// CALL @sub_channel
// INPUT x: [1, 2, 3, 4, 100], [5, 6, 7, 8, -7]
// EXPECT y 2x5: [1, 2, 3, 4, 100], [5, 6, 8, 8, -6]
func.func @sub_channel(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %q = quant.qcast %x : tensor<2x5xf32> to tensor<2x5x!quant.uniform<i8:f32:{0:1, 1:2}, {{0.5, 1.0, 4.0}, {0.25, 2.0, 3.0}}>>
  %y = quant.dcast %q : tensor<2x5x!quant.uniform<i8:f32:{0:1, 1:2}, {{0.5, 1.0, 4.0}, {0.25, 2.0, 3.0}}>> to tensor<2x5xf32>
  return %y : tensor<2x5xf32>
}

// A group: two channels share a scale.
// CALL @group
// INPUT x: [1, 1], [1, 1], [1, 1]
// EXPECT q 3x2: [2, 2], [2, 2], [4, 4]
func.func @group(%x: tensor<3x2xf32>) -> tensor<3x2x!quant.uniform<i8:f32:{0:2}, {{0.5}, {0.25}}>> {
  %q = quant.qcast %x : tensor<3x2xf32> to tensor<3x2x!quant.uniform<i8:f32:{0:2}, {{0.5}, {0.25}}>>
  return %q : tensor<3x2x!quant.uniform<i8:f32:{0:2}, {{0.5}, {0.25}}>>
}

// Small floats saturate at their largest value: 448 * 0.5, 57344 * 0.5. NaN becomes 0.
// CALL @floats
// INPUT x: 1, 1.0625, 3.5, 1e6, -1e6, nan
// EXPECT a: 1, 1.0, 3.5, 224, -224, 0.0
// EXPECT b: 1, 1.0, 3.5, 28672, -28672, 0.0
func.func @floats(%x: tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>) {
  %p = quant.qcast %x : tensor<6xf32> to tensor<6x!quern.uniform<f8E4M3FN:f32, 0.5>>
  %a = quant.dcast %p : tensor<6x!quern.uniform<f8E4M3FN:f32, 0.5>> to tensor<6xf32>
  %q = quant.qcast %x : tensor<6xf32> to tensor<6x!quern.uniform<f8E5M2:f32, 0.5>>
  %b = quant.dcast %q : tensor<6x!quern.uniform<f8E5M2:f32, 0.5>> to tensor<6xf32>
  return %a, %b : tensor<6xf32>, tensor<6xf32>
}

// CALL @rows
// INPUT x: [1, -1, 100], [1, -1, 100]
// EXPECT y 2x3: [1, -1, 7], [1, -1, 3.5]
func.func @rows(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %q = quant.qcast %x : tensor<2x3xf32> to tensor<2x3x!quant.uniform<i4:f32:0, {1.0,0.5}>>
  %y = quant.dcast %q : tensor<2x3x!quant.uniform<i4:f32:0, {1.0,0.5}>> to tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
