// Products of narrow floats. Sums of small integers are exact in every order, so relaxed ones have one result too.

// 1 * 5 + 2 * 7 = 19, 1 * 6 + 2 * 8 = 22, 3 * 5 - 4 * 7 = -13, 3 * 6 - 4 * 8 = -14.
// CALL @bf16
// INPUT a: [1, 2], [3, -4]
// INPUT b: [5, 6], [7, 8]
// EXPECT y: [19, 22], [-13, -14]
// EXPECT z: [19, 22], [-13, -14]
func.func @bf16(%a: tensor<2x2xbf16>, %b: tensor<2x2xbf16>) -> (tensor<2x2xbf16>, tensor<2x2xf32>) {
  %y = quern.matmul %a, %b {precision = "relaxed"} : (tensor<2x2xbf16>, tensor<2x2xbf16>) -> tensor<2x2xbf16>
  %z = quern.matmul %a, %b {precision = "relaxed"} : (tensor<2x2xbf16>, tensor<2x2xbf16>) -> tensor<2x2xf32>
  return %y, %z : tensor<2x2xbf16>, tensor<2x2xf32>
}

// 255 * 255 + 1 * 1 + 2 * 3 = 65032 is no bf16: rounded once, to even, it is 65024; as f32 it is what it is.
// CALL @rounded_once
// INPUT a: 255, 1, 2
// INPUT b: 255, 1, 3
// EXPECT y: 65024
// EXPECT z: 65032
// EXPECT r: 65032
func.func @rounded_once(%a: tensor<1x3xbf16>, %b: tensor<1x3xbf16>) -> (tensor<1x1xbf16>, tensor<1x1xf32>, tensor<1x1xf32>) {
  %y = quern.matmul %a, %b {transpose_b = true} : (tensor<1x3xbf16>, tensor<1x3xbf16>) -> tensor<1x1xbf16>
  %z = quern.matmul %a, %b {transpose_b = true} : (tensor<1x3xbf16>, tensor<1x3xbf16>) -> tensor<1x1xf32>
  %r = quern.matmul %a, %b {transpose_b = true, precision = "relaxed"} : (tensor<1x3xbf16>, tensor<1x3xbf16>) -> tensor<1x1xf32>
  return %y, %z, %r : tensor<1x1xbf16>, tensor<1x1xf32>, tensor<1x1xf32>
}

// 2048 + 1 is no f16.
// CALL @f16
// INPUT a: 2048, 1
// INPUT b: 1, 1
// EXPECT y: 2048
// EXPECT z: 2049
func.func @f16(%a: tensor<1x2xf16>, %b: tensor<2x1xf16>) -> (tensor<1x1xf16>, tensor<1x1xf32>) {
  %y = quern.matmul %a, %b : (tensor<1x2xf16>, tensor<2x1xf16>) -> tensor<1x1xf16>
  %z = quern.matmul %a, %b {precision = "relaxed"} : (tensor<1x2xf16>, tensor<2x1xf16>) -> tensor<1x1xf32>
  return %y, %z : tensor<1x1xf16>, tensor<1x1xf32>
}

// Many terms, an odd number of them, and columns beyond a vector: -3 * 2 * 37.
// CALL @wide
// INPUT a: -3*37
// INPUT b: 2*2627
// EXPECT y 1x71: -222*71
func.func @wide(%a: tensor<1x37xbf16>, %b: tensor<37x71xbf16>) -> tensor<1x71xf32> {
  %y = quern.matmul %a, %b {precision = "relaxed"} : (tensor<1x37xbf16>, tensor<37x71xbf16>) -> tensor<1x71xf32>
  return %y : tensor<1x71xf32>
}

// A constant of 16 bits is widened as rows are multiplied by it. 2^-24 is f16's least number, 2^-14 its least normal one.
// CALL @constant_f16
// INPUT a: [1, 2, 3], [-1, 0, 1]
// EXPECT y: [12, 5.96046448e-8, 6.10351562e-5], [4, -5.96046448e-8, -6.10351562e-5]
func.func @constant_f16(%a: tensor<2x3xf16>) -> tensor<2x3xf32> {
  %b = arith.constant dense<[[-1.0, 5.96046448e-8, 6.10351562e-5], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0]]> : tensor<3x3xf16>
  %y = quern.matmul %a, %b : (tensor<2x3xf16>, tensor<3x3xf16>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// A product below the least number is 0 with its sign: K ends there, and no zero that fills a block up is added to -0.
// CALL @constant_bf16
// INPUT a: [1.0e-38], [-1.0e-38]
// EXPECT y: [inf], [-inf]
func.func @constant_bf16(%a: tensor<2x1xbf16>) -> tensor<2x1xf32> {
  %b = arith.constant dense<1.0e-38> : tensor<1x1xbf16>
  %one = arith.constant dense<1.0> : tensor<1x1xf32>
  %s = quern.matmul %a, %b : (tensor<2x1xbf16>, tensor<1x1xbf16>) -> tensor<2x1xf32>
  %y = quern.div %one, %s : (tensor<1x1xf32>, tensor<2x1xf32>) -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}
