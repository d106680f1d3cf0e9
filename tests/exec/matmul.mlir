// Matrix products: one fma chain in ascending k from +0; quantized operands give sums of (a - za) * (b - zb) in i32.

// CALL @plain
// INPUT a: [1, 2, 3], [4, 5, 6]
// INPUT b: [7, 8], [9, 10], [11, 12]
// EXPECT y 2x2: [58, 64], [139, 154]
func.func @plain(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>) -> tensor<2x2xf32> {
  %y = quern.matmul %a, %b : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// -1 + (1 + 2^-12)^2 with one rounding at the end keeps 2^-24; -0 products vanish into the +0 at the start.
// CALL @chain
// INPUT a: [1, 0x1.001p0], [0.0, 0.0], [inf, 1], [1e30, 0x1p-149]
// INPUT b: [-1], [0x1.001p0]
// EXPECT y 4x1: 0x1.0008p-11, 0.0, -inf, -1e30
func.func @chain(%a: tensor<4x2xf32>, %b: tensor<2x1xf32>) -> tensor<4x1xf32> {
  %y = quern.matmul %a, %b : (tensor<4x2xf32>, tensor<2x1xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}

// Order: 2^24 first swallows each 1 after it, 1s first add up. The sum is not split.
// CALL @order
// INPUT a: [16777216, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 16777216]
// INPUT b: 1*9
// EXPECT y 2x1: 16777216, 16777224
func.func @order(%a: tensor<2x9xf32>, %b: tensor<9x1xf32>) -> tensor<2x1xf32> {
  %y = quern.matmul %a, %b : (tensor<2x9xf32>, tensor<9x1xf32>) -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}

// CALL @transposed
// INPUT a: [1, 4], [2, 5], [3, 6]
// INPUT b: [7, 9, 11], [8, 10, 12]
// EXPECT y: [58, 64], [139, 154]
func.func @transposed(%a: tensor<3x2xf32>, %b: tensor<2x3xf32>) -> tensor<2x2xf32> {
  %y = quern.matmul %a, %b {transpose_a = true, transpose_b = true} : (tensor<3x2xf32>, tensor<2x3xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// CALL @vectors
// INPUT a: 1, 2, 3
// INPUT b: 4, 5, 6
// INPUT w: [1, 0], [0, 1], [2, 2]
// EXPECT dot scalar: 32
// EXPECT row 2: 7, 8
// EXPECT column 2: 16, 17
func.func @vectors(%a: tensor<3xf32>, %b: tensor<3xf32>, %w: tensor<3x2xf32>) -> (tensor<f32>, tensor<2xf32>, tensor<2xf32>) {
  %dot = quern.matmul %a, %b : (tensor<3xf32>, tensor<3xf32>) -> tensor<f32>
  %row = quern.matmul %a, %w : (tensor<3xf32>, tensor<3x2xf32>) -> tensor<2xf32>
  %t = quern.transpose %w {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %column = quern.matmul %t, %b : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2xf32>
  return %dot, %row, %column : tensor<f32>, tensor<2xf32>, tensor<2xf32>
}

// Leading axes broadcast: 2x1 matrices against 3.
// CALL @batched
// INPUT a: [[1, 2], [3, 4]], [[5, 6], [7, 8]]
// INPUT b: [[1], [0]], [[0], [1]], [[1], [1]]
// EXPECT y 2x3x2x1: [1, 3], [2, 4], [3, 7], [5, 7], [6, 8], [11, 15]
func.func @batched(%a: tensor<2x1x2x2xf32>, %b: tensor<3x2x1xf32>) -> tensor<2x3x2x1xf32> {
  %y = quern.matmul %a, %b : (tensor<2x1x2x2xf32>, tensor<3x2x1xf32>) -> tensor<2x3x2x1xf32>
  return %y : tensor<2x3x2x1xf32>
}

// No rows give no rows; an empty sum is +0.
// CALL @nothing
// INPUT a:
// INPUT b: 1*6
// INPUT c:
// INPUT d:
// EXPECT y 0x2:
// EXPECT z 2x3: 0.0*6
func.func @nothing(%a: tensor<0x3xf32>, %b: tensor<3x2xf32>, %c: tensor<2x0xf32>, %d: tensor<0x3xf32>) -> (tensor<0x2xf32>, tensor<2x3xf32>) {
  %y = quern.matmul %a, %b : (tensor<0x3xf32>, tensor<3x2xf32>) -> tensor<0x2xf32>
  %z = quern.matmul %c, %d : (tensor<2x0xf32>, tensor<0x3xf32>) -> tensor<2x3xf32>
  return %y, %z : tensor<0x2xf32>, tensor<2x3xf32>
}

// Half precision sums in f32: 2048 + 1 + 1 is 2050, where f16 steps would stay at 2048.
// CALL @half
// INPUT a: 2048, 1, 1
// INPUT b: 1, 1, 1
// INPUT c: 256, 1, 1
// INPUT d: 1, 1, 1
// EXPECT y 1x1: 2050
// EXPECT z 1x1: 258
func.func @half(%a: tensor<1x3xf16>, %b: tensor<3x1xf16>, %c: tensor<1x3xbf16>, %d: tensor<3x1xbf16>) -> (tensor<1x1xf16>, tensor<1x1xbf16>) {
  %y = quern.matmul %a, %b : (tensor<1x3xf16>, tensor<3x1xf16>) -> tensor<1x1xf16>
  %z = quern.matmul %c, %d : (tensor<1x3xbf16>, tensor<3x1xbf16>) -> tensor<1x1xbf16>
  return %y, %z : tensor<1x1xf16>, tensor<1x1xbf16>
}

// CALL @double
// INPUT a: 9007199254740992, 1, 1
// INPUT b: 1, 1, 1
// EXPECT y 1x1: 9007199254740992
func.func @double(%a: tensor<1x3xf64>, %b: tensor<3x1xf64>) -> tensor<1x1xf64> {
  %y = quern.matmul %a, %b : (tensor<1x3xf64>, tensor<3x1xf64>) -> tensor<1x1xf64>
  return %y : tensor<1x1xf64>
}

// Sizes known at call time, the weights a constant.
// CALL @dynamic
// INPUT x 1x2: 3, 4
// EXPECT y 1x2: 11, 18
// INPUT x 3x2: [1, 0], [0, 1], [1, 1]
// EXPECT y 3x2: [1, 2], [2, 3], [3, 5]
// INPUT x 0x2:
// EXPECT y 0x2:
func.func @dynamic(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0], [2.0, 3.0]]> : tensor<2x2xf32>
  %y = quern.matmul %x, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
