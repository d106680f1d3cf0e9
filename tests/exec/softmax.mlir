// e^(x - max) over its sum along an axis: large values do not overflow, NaN spreads over its row only.

// CALL @last
// INPUT x: [0, 0, 0, 0], [1000, 1000, -inf, -1000], [0, 1.0986123, -200, -200], [1, nan, 1, 1], [-1e30, 1e30, 0, 0]
// EXPECT y 2ulp: [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [0.25, 0.75, 0, 0], [nan, nan, nan, nan], [0, 1, 0, 0]
func.func @last(%x: tensor<5x4xf32>) -> tensor<5x4xf32> {
  %y = quern.softmax %x : (tensor<5x4xf32>) -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// CALL @first
// INPUT x: [0, 5, 1], [0, 5, 1], [0, 5, 1], [0, 5, 1]
// EXPECT y 4x3: 0.25*12
func.func @first(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %y = quern.softmax %x {axis = 0} : (tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// CALL @middle
// INPUT x: [[0, 9], [0, 9]], [[-3, 100], [-3, 100]]
// EXPECT y 2x2x2: 0.5*8
func.func @middle(%x: tensor<2x2x2xf32>) -> tensor<2x2x2xf32> {
  %y = quern.softmax %x {axis = -2} : (tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
  return %y : tensor<2x2x2xf32>
}

// One element is everything; a row of -inf only has no largest finite value.
// CALL @one
// INPUT x: 3, -inf, inf
// EXPECT y: 1, nan, nan
func.func @one(%x: tensor<3x1xf32>) -> tensor<3x1xf32> {
  %y = quern.softmax %x : (tensor<3x1xf32>) -> tensor<3x1xf32>
  return %y : tensor<3x1xf32>
}

// CALL @half
// INPUT x: [1, 1, 1, 1], [60000, 60000, 0, 0]
// EXPECT y: 0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.0, 0.0
func.func @half(%x: tensor<2x4xf16>) -> tensor<2x4xf16> {
  %y = quern.softmax %x : (tensor<2x4xf16>) -> tensor<2x4xf16>
  return %y : tensor<2x4xf16>
}

// CALL @nothing
// INPUT x:
// INPUT z:
// EXPECT y 0x4:
// EXPECT w 3x0:
func.func @nothing(%x: tensor<0x4xf32>, %z: tensor<3x0xf32>) -> (tensor<0x4xf32>, tensor<3x0xf32>) {
  %y = quern.softmax %x : (tensor<0x4xf32>) -> tensor<0x4xf32>
  %w = quern.softmax %z : (tensor<3x0xf32>) -> tensor<3x0xf32>
  return %y, %w : tensor<0x4xf32>, tensor<3x0xf32>
}

// CALL @dynamic
// INPUT x 2x2: 7, 7, 0, 0
// EXPECT y 2x2: 0.5*4
// INPUT x 1x8: 2*8
// EXPECT y 1x8: 0.125*8
func.func @dynamic(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %y = quern.softmax %x : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
