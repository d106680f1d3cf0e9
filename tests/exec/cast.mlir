// Conversions: float to integer truncates, saturates and makes NaN 0; integers wrap; floats round once, ties to even.

// CALL @to_i8
// INPUT x: 127.9, -128.9, 200, -inf, nan, -0.9, 2.5, inf
// EXPECT y: 127, -128, 127, -128, 0, 0, 2, 127
// EXPECT u: 127, 0, 200, 0, 0, 0, 2, 255
func.func @to_i8(%x: tensor<8xf32>) -> (tensor<8xi8>, tensor<8xui8>) {
  %y = quern.cast %x : (tensor<8xf32>) -> tensor<8xi8>
  %u = quern.cast %x : (tensor<8xf32>) -> tensor<8xui8>
  return %y, %u : tensor<8xi8>, tensor<8xui8>
}

// CALL @to_wide
// INPUT x: 4294967296, -1, 2147483648, -2147483904, 1e30, -1e30, nan
// EXPECT a: 2147483647, -1, 2147483647, -2147483648, 2147483647, -2147483648, 0
// EXPECT b: 4294967295, 0, 2147483648, 0, 4294967295, 0, 0
// EXPECT c: 4294967296, -1, 2147483648, -2147483904, 9223372036854775807, -9223372036854775808, 0
// EXPECT d: 4294967296, 0, 2147483648, 0, 18446744073709551615, 0, 0
func.func @to_wide(%x: tensor<7xf32>) -> (tensor<7xi32>, tensor<7xui32>, tensor<7xi64>, tensor<7xui64>) {
  %a = quern.cast %x : (tensor<7xf32>) -> tensor<7xi32>
  %b = quern.cast %x : (tensor<7xf32>) -> tensor<7xui32>
  %c = quern.cast %x : (tensor<7xf32>) -> tensor<7xi64>
  %d = quern.cast %x : (tensor<7xf32>) -> tensor<7xui64>
  return %a, %b, %c, %d : tensor<7xi32>, tensor<7xui32>, tensor<7xi64>, tensor<7xui64>
}

// CALL @wrap
// INPUT x: 300, -1, 65536, -32769
// EXPECT a: 44, -1, 0, -1
// EXPECT b: 44, 255, 0, 255
// EXPECT c: 300, -1, 0, 32767
// EXPECT d: 300, -1, 65536, -32769
func.func @wrap(%x: tensor<4xi32>) -> (tensor<4xi8>, tensor<4xui8>, tensor<4xi16>, tensor<4xi64>) {
  %a = quern.cast %x : (tensor<4xi32>) -> tensor<4xi8>
  %b = quern.cast %x : (tensor<4xi32>) -> tensor<4xui8>
  %c = quern.cast %x : (tensor<4xi32>) -> tensor<4xi16>
  %d = quern.cast %x : (tensor<4xi32>) -> tensor<4xi64>
  return %a, %b, %c, %d : tensor<4xi8>, tensor<4xui8>, tensor<4xi16>, tensor<4xi64>
}

// Unsigned values stay what they are when they get wider.
// CALL @unsigned
// INPUT x: 255, 128, 0
// EXPECT a: 255, 128, 0
// EXPECT b: 255, 128, 0
// EXPECT c: -1, -128, 0
func.func @unsigned(%x: tensor<3xui8>) -> (tensor<3xi32>, tensor<3xf32>, tensor<3xi8>) {
  %a = quern.cast %x : (tensor<3xui8>) -> tensor<3xi32>
  %b = quern.cast %x : (tensor<3xui8>) -> tensor<3xf32>
  %c = quern.cast %x : (tensor<3xui8>) -> tensor<3xi8>
  return %a, %b, %c : tensor<3xi32>, tensor<3xf32>, tensor<3xi8>
}

// Rounded once: by way of f64 the i64 below, 2^53 + 2^29 + 1, would come out as 2^53.
// CALL @int_to_float
// INPUT x: 16777217, -16777219, 2147483647
// INPUT w: 9007199791611905, -1, 9223372036854775807
// INPUT u: 4294967295, 16777217, 1
// EXPECT a: 16777216, -16777220, 2147483648
// EXPECT b: 9007200328482816, -1, 9223372036854775808
// EXPECT c: 4294967296, 16777216, 1
func.func @int_to_float(%x: tensor<3xi32>, %w: tensor<3xi64>, %u: tensor<3xui32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %a = quern.cast %x : (tensor<3xi32>) -> tensor<3xf32>
  %b = quern.cast %w : (tensor<3xi64>) -> tensor<3xf32>
  %c = quern.cast %u : (tensor<3xui32>) -> tensor<3xf32>
  return %a, %b, %c : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// From f64 in one step: 1 + 2^-11 + 2^-40 is above the tie of f16, which f32 would forget.
// CALL @narrow
// INPUT x: 0x1.0020000001p0, 0x1.01p0, 0x1p-25, 0x1.8p-25, 65520, 1e300, nan, 0x1.000001p0
// EXPECT h: 0x1.004p0, 0x1.01p0, 0.0, 0x1p-24, inf, inf, nan, 1
// EXPECT b: 1, 1, 0x1p-25, 0x1.8p-25, 65536, inf, nan, 1
// EXPECT f: 0x1.002p0, 0x1.01p0, 0x1p-25, 0x1.8p-25, 65520, inf, nan, 1
func.func @narrow(%x: tensor<8xf64>) -> (tensor<8xf16>, tensor<8xbf16>, tensor<8xf32>) {
  %h = quern.cast %x : (tensor<8xf64>) -> tensor<8xf16>
  %b = quern.cast %x : (tensor<8xf64>) -> tensor<8xbf16>
  %f = quern.cast %x : (tensor<8xf64>) -> tensor<8xf32>
  return %h, %b, %f : tensor<8xf16>, tensor<8xbf16>, tensor<8xf32>
}

// CALL @widen
// INPUT h: 0x1p-24, 65504, -inf, -0.0
// INPUT b: 0x1p-133, 3, inf, nan
// EXPECT x: 0x1p-24, 65504, -inf, -0.0
// EXPECT y: 0x1p-133, 3, inf, nan
// EXPECT z: 0x1p-24, 65504, -inf, -0.0
func.func @widen(%h: tensor<4xf16>, %b: tensor<4xbf16>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf64>) {
  %x = quern.cast %h : (tensor<4xf16>) -> tensor<4xf32>
  %y = quern.cast %b : (tensor<4xbf16>) -> tensor<4xf32>
  %z = quern.cast %h : (tensor<4xf16>) -> tensor<4xf64>
  return %x, %y, %z : tensor<4xf32>, tensor<4xf32>, tensor<4xf64>
}

// CALL @bool
// INPUT x: 0.0, -0.0, 0.5, nan
// INPUT i: 0, 1, -1, 256
// INPUT c: 1, 0, 1, 1
// EXPECT a: 0, 0, 1, 1
// EXPECT b: 0, 1, 1, 1
// EXPECT d: 1, 0, 1, 1
func.func @bool(%x: tensor<4xf32>, %i: tensor<4xi32>, %c: tensor<4xi1>) -> (tensor<4xi1>, tensor<4xi1>, tensor<4xf32>) {
  %a = quern.cast %x : (tensor<4xf32>) -> tensor<4xi1>
  %b = quern.cast %i : (tensor<4xi32>) -> tensor<4xi1>
  %d = quern.cast %c : (tensor<4xi1>) -> tensor<4xf32>
  return %a, %b, %d : tensor<4xi1>, tensor<4xi1>, tensor<4xf32>
}

// CALL @same
// INPUT x: 1, -0.0, nan
// EXPECT y: 1, -0.0, nan
func.func @same(%x: tensor<3xf32>) -> tensor<3xf32> {
  %y = quern.cast %x : (tensor<3xf32>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}

// What is rounded on the way, in a chain that takes many registers.
// CALL @erf_of_rounded
// INPUT x: 0.0, 0.0
// EXPECT y 2: 0.0, 0.0
func.func @erf_of_rounded(%x: tensor<2xf32>) -> tensor<2xf16> {
  %h = quern.cast %x : (tensor<2xf32>) -> tensor<2xf16>
  %y = quern.erf %h : (tensor<2xf16>) -> tensor<2xf16>
  return %y : tensor<2xf16>
}
