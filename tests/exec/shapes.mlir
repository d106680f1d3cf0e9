// Reshape and transpose move elements and change none, of any type.

// n is a size, -1 what is left, -2-d the size of dimension d.
// CALL @reshape
// INPUT x: 1, 2, 3, 4, 5, 6
// EXPECT a 3x2: 1, 2, 3, 4, 5, 6
// EXPECT b 6: 1, 2, 3, 4, 5, 6
// EXPECT c 2x1x3: 1, 2, 3, 4, 5, 6
func.func @reshape(%x: tensor<2x3xf32>) -> (tensor<3x2xf32>, tensor<6xf32>, tensor<2x1x3xf32>) {
  %a = quern.reshape %x {shape = array<i64: 3, 2>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %b = quern.reshape %x {shape = array<i64: -1>} : (tensor<2x3xf32>) -> tensor<6xf32>
  %c = quern.reshape %x {shape = array<i64: -2, 1, -1>} : (tensor<2x3xf32>) -> tensor<2x1x3xf32>
  return %a, %b, %c : tensor<3x2xf32>, tensor<6xf32>, tensor<2x1x3xf32>
}

// CALL @to_scalar
// INPUT x: nan
// EXPECT y scalar: nan
func.func @to_scalar(%x: tensor<1x1xf32>) -> tensor<f32> {
  %y = quern.reshape %x {shape = array<i64>} : (tensor<1x1xf32>) -> tensor<f32>
  return %y : tensor<f32>
}

// CALL @dynamic
// INPUT x 2x6: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
// EXPECT y 2x3x2: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
// INPUT x 0x6:
// EXPECT y 0x3x2:
func.func @dynamic(%x: tensor<?x6xi8>) -> tensor<?x3x2xi8> {
  %y = quern.reshape %x {shape = array<i64: -2, 3, 2>} : (tensor<?x6xi8>) -> tensor<?x3x2xi8>
  return %y : tensor<?x3x2xi8>
}

// CALL @transpose
// INPUT x: [[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]
// EXPECT y 3x2x2: [[1, 4], [7, 10]], [[2, 5], [8, 11]], [[3, 6], [9, 12]]
// EXPECT z 2x3x2: [[1, 4], [2, 5], [3, 6]], [[7, 10], [8, 11], [9, 12]]
// EXPECT w 2x2x3: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
func.func @transpose(%x: tensor<2x2x3xf32>) -> (tensor<3x2x2xf32>, tensor<2x3x2xf32>, tensor<2x2x3xf32>) {
  %y = quern.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x2x3xf32>) -> tensor<3x2x2xf32>
  %z = quern.transpose %x {perm = array<i64: 0, 2, 1>} : (tensor<2x2x3xf32>) -> tensor<2x3x2xf32>
  %w = quern.transpose %x {perm = array<i64: 0, 1, 2>} : (tensor<2x2x3xf32>) -> tensor<2x2x3xf32>
  return %y, %z, %w : tensor<3x2x2xf32>, tensor<2x3x2xf32>, tensor<2x2x3xf32>
}

// Every width of element; a bool is a byte, four bits are packed without padding of rows.
// CALL @widths
// INPUT a: [1, 0, 1], [0, 0, 1]
// INPUT b: [1, 2, 3], [4, 5, 6]
// INPUT c: [-1, -2, -3], [-4, -5, -6]
// INPUT d: [1, 2, 3], [4, 5, -6]
// EXPECT e 3x2: 1, 0, 0, 0, 1, 1
// EXPECT f 3x2: 1, 4, 2, 5, 3, 6
// EXPECT g 3x2: -1, -4, -2, -5, -3, -6
// EXPECT h 3x2: 1, 4, 2, 5, 3, -6
func.func @widths(%a: tensor<2x3xi1>, %b: tensor<2x3xf16>, %c: tensor<2x3xi64>, %d: tensor<2x3xi4>) -> (tensor<3x2xi1>, tensor<3x2xf16>, tensor<3x2xi64>, tensor<3x2xi4>) {
  %e = quern.transpose %a {perm = array<i64: 1, 0>} : (tensor<2x3xi1>) -> tensor<3x2xi1>
  %f = quern.transpose %b {perm = array<i64: 1, 0>} : (tensor<2x3xf16>) -> tensor<3x2xf16>
  %g = quern.transpose %c {perm = array<i64: 1, 0>} : (tensor<2x3xi64>) -> tensor<3x2xi64>
  %h = quern.transpose %d {perm = array<i64: 1, 0>} : (tensor<2x3xi4>) -> tensor<3x2xi4>
  return %e, %f, %g, %h : tensor<3x2xi1>, tensor<3x2xf16>, tensor<3x2xi64>, tensor<3x2xi4>
}

// The axis of the scales moves with the axis of the codes.
// CALL @codes
// INPUT q: [1, 2, 3], [4, 5, 6]
// EXPECT y 3x2: 0.5, 4, 1, 5, 1.5, 6
func.func @codes(%q: tensor<2x3x!quant.uniform<i8:f32:0, {0.5,1.0}>>) -> tensor<3x2xf32> {
  %t = quern.transpose %q {perm = array<i64: 1, 0>} : (tensor<2x3x!quant.uniform<i8:f32:0, {0.5,1.0}>>) -> tensor<3x2x!quant.uniform<i8:f32:1, {0.5,1.0}>>
  %y = quant.dcast %t : tensor<3x2x!quant.uniform<i8:f32:1, {0.5,1.0}>> to tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// CALL @nothing
// INPUT x:
// EXPECT y 3x0x2:
func.func @nothing(%x: tensor<0x2x3xf32>) -> tensor<3x0x2xf32> {
  %y = quern.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<0x2x3xf32>) -> tensor<3x0x2xf32>
  return %y : tensor<3x0x2xf32>
}
