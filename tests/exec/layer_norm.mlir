// Layer normalization: sums in 32 partials, a division for the mean, one for the inverse deviation.

// mean 2.5, squares 2.25 + 0.25 + 0.25 + 2.25 = 5, over 4, and epsilon 0.3125: 1.5625 = 1.25^2, so inverse 0.8.
// CALL @plain
// INPUT x: [1, 2, 3, 4], [5, 5, 5, 5]
// EXPECT y 2x4: [-1.2, -0.4, 0.4, 1.2], [0.0, 0.0, 0.0, 0.0]
func.func @plain(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %y = quern.layer_norm %x {epsilon = 0.3125 : f32} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CALL @scaled
// INPUT x: [1, 2, 3, 4]
// INPUT s: 10, 20, 30, 40
// INPUT b: 1, 2, 3, 4
// EXPECT y 1ulp 1x4: [-11, -6, 15, 52]
// EXPECT mean 1x1: 2.5
// EXPECT inverse 1x1: 0.8
func.func @scaled(%x: tensor<1x4xf32>, %s: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<1x4xf32>, tensor<1x1xf32>, tensor<1x1xf32>) {
  %y, %mean, %inverse = quern.layer_norm %x, %s, %b {epsilon = 0.3125 : f32} : (tensor<1x4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<1x4xf32>, tensor<1x1xf32>, tensor<1x1xf32>)
  return %y, %mean, %inverse : tensor<1x4xf32>, tensor<1x1xf32>, tensor<1x1xf32>
}

// Two axes together.
// CALL @axes
// INPUT x: [[1, 2], [3, 4]], [[4, 3], [2, 1]]
// INPUT s: [10, 10], [5, 5]
// EXPECT y 1ulp 2x2x2: [[-12, -4], [2, 6]], [[12, 4], [-2, -6]]
func.func @axes(%x: tensor<2x2x2xf32>, %s: tensor<2x2xf32>) -> tensor<2x2x2xf32> {
  %y = quern.layer_norm %x, %s {axis = 1, epsilon = 0.3125 : f32} : (tensor<2x2x2xf32>, tensor<2x2xf32>) -> tensor<2x2x2xf32>
  return %y : tensor<2x2x2xf32>
}

// Sizes known at call time, f16, a row of nothing but NaN spreading in its row only; no rows.
// CALL @dynamic
// INPUT x 2x4: [1, 2, 3, 4], [1, nan, 3, 4]
// EXPECT y 2x4: [-1.2, -0.4, 0.4, 1.2], [nan, nan, nan, nan]
// INPUT x 1x2: 7, 7
// EXPECT y 1x2: 0.0, 0.0
// INPUT x 0x3:
// EXPECT y 0x3:
func.func @dynamic(%x: tensor<?x?xf16>) -> tensor<?x?xf16> {
  %y = quern.layer_norm %x {epsilon = 0.3125 : f32} : (tensor<?x?xf16>) -> tensor<?x?xf16>
  return %y : tensor<?x?xf16>
}
