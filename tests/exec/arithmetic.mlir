// Tensor arithmetic: IEEE floats rounded once, integers that wrap, division that never traps, broadcasting.

// The sums are ties: 2^24 + 1 stays even; the largest f32 plus itself overflows.
// CALL @add_f32
// INPUT a: 1.5, 16777216, -0.0, 0x1.fffffep127, inf, nan
// INPUT b: 2.25, 1, -0.0, 0x1.fffffep127, -inf, 1
// EXPECT y: 3.75, 16777216, -0.0, inf, nan, nan
func.func @add_f32(%a: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<6xf32> {
  %y = quern.add %a, %b : (tensor<6xf32>, tensor<6xf32>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// CALL @add_f64
// INPUT a: 0.1, 9007199254740992
// INPUT b: 0.2, 1
// EXPECT y: 0.30000000000000004, 9007199254740992
func.func @add_f64(%a: tensor<2xf64>, %b: tensor<2xf64>) -> tensor<2xf64> {
  %y = quern.add %a, %b : (tensor<2xf64>, tensor<2xf64>) -> tensor<2xf64>
  return %y : tensor<2xf64>
}

// Ties of half precision: 1 + 2^-11 stays, 1 + 3 * 2^-11 goes up to the even neighbour; 65520 is where infinity begins.
// CALL @add_f16
// INPUT a: 1, 1, 65504, 65504
// INPUT b: 0x1p-11, 0x1.8p-10, 15, 16
// EXPECT y: 1, 0x1.008p0, 65504, inf
func.func @add_f16(%a: tensor<4xf16>, %b: tensor<4xf16>) -> tensor<4xf16> {
  %y = quern.add %a, %b : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
  return %y : tensor<4xf16>
}

// CALL @add_bf16
// INPUT a: 256, 258, -1
// INPUT b: 1, 1, 1
// EXPECT y: 256, 260, 0
func.func @add_bf16(%a: tensor<3xbf16>, %b: tensor<3xbf16>) -> tensor<3xbf16> {
  %y = quern.add %a, %b : (tensor<3xbf16>, tensor<3xbf16>) -> tensor<3xbf16>
  return %y : tensor<3xbf16>
}

// CALL @add_i8
// INPUT a: 127, -128, 100
// INPUT b: 1, -1, -28
// EXPECT y: -128, 127, 72
func.func @add_i8(%a: tensor<3xi8>, %b: tensor<3xi8>) -> tensor<3xi8> {
  %y = quern.add %a, %b : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  return %y : tensor<3xi8>
}

// CALL @sub_f32
// INPUT a: 1, 0.0, -0.0, inf
// INPUT b: 0x1p-25, 0.0, 0.0, inf
// EXPECT y: 1, 0.0, -0.0, nan
func.func @sub_f32(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %y = quern.sub %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CALL @sub_ui8
// INPUT a: 3, 255, 0
// INPUT b: 5, 254, 255
// EXPECT y: 254, 1, 1
func.func @sub_ui8(%a: tensor<3xui8>, %b: tensor<3xui8>) -> tensor<3xui8> {
  %y = quern.sub %a, %b : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  return %y : tensor<3xui8>
}

// (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24, a tie; products below the smallest subnormal are zero with their sign.
// CALL @mul_f32
// INPUT a: 0x1.001p0, 1e38, 0x1p-75, -0x1p-100, inf, 0x1p-126
// INPUT b: 0x1.001p0, 10, 0x1p-74, 0x1p-100, 0.0, 0.5
// EXPECT y: 0x1.002p0, inf, 0x1p-149, -0.0, nan, 0x1p-127
func.func @mul_f32(%a: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<6xf32> {
  %y = quern.mul %a, %b : (tensor<6xf32>, tensor<6xf32>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// A product and a sum are rounded apart: never one fma.
// CALL @mul_add_f32
// INPUT a: 0x1.001p0
// INPUT b: -0x1.002p0
// EXPECT y: 0.0
func.func @mul_add_f32(%a: tensor<1xf32>, %b: tensor<1xf32>) -> tensor<1xf32> {
  %p = quern.mul %a, %a : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
  %y = quern.add %p, %b : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
  return %y : tensor<1xf32>
}

// CALL @mul_i8
// INPUT a: 100, -128, 16
// INPUT b: 3, -1, 16
// EXPECT y: 44, -128, 0
func.func @mul_i8(%a: tensor<3xi8>, %b: tensor<3xi8>) -> tensor<3xi8> {
  %y = quern.mul %a, %b : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  return %y : tensor<3xi8>
}

// CALL @mul_i32
// INPUT a: 65536, 2147483647, -2147483648
// INPUT b: 65537, 2, -1
// EXPECT y: 65536, -2, -2147483648
func.func @mul_i32(%a: tensor<3xi32>, %b: tensor<3xi32>) -> tensor<3xi32> {
  %y = quern.mul %a, %b : (tensor<3xi32>, tensor<3xi32>) -> tensor<3xi32>
  return %y : tensor<3xi32>
}

// CALL @mul_i64
// INPUT a: 4294967296, -3
// INPUT b: 4294967297, 3074457345618258603
// EXPECT y: 4294967296, 9223372036854775807
func.func @mul_i64(%a: tensor<2xi64>, %b: tensor<2xi64>) -> tensor<2xi64> {
  %y = quern.mul %a, %b : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
  return %y : tensor<2xi64>
}

// CALL @div_f32
// INPUT a: 1, 1, -1, 0.0, 0x1p-149, 5
// INPUT b: 3, 0.0, 0.0, 0.0, 2, inf
// EXPECT y: 0x1.555556p-2, inf, -inf, nan, 0.0, 0.0
func.func @div_f32(%a: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<6xf32> {
  %y = quern.div %a, %b : (tensor<6xf32>, tensor<6xf32>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// CALL @div_i8
// INPUT a: 7, -7, 5, -128, 0
// INPUT b: -2, 2, 0, -1, 0
// EXPECT y: -3, -3, 0, -128, 0
func.func @div_i8(%a: tensor<5xi8>, %b: tensor<5xi8>) -> tensor<5xi8> {
  %y = quern.div %a, %b : (tensor<5xi8>, tensor<5xi8>) -> tensor<5xi8>
  return %y : tensor<5xi8>
}

// CALL @div_i32
// INPUT a: -2147483648, 17, -17, 9
// INPUT b: -1, 5, 5, 0
// EXPECT y: -2147483648, 3, -3, 0
func.func @div_i32(%a: tensor<4xi32>, %b: tensor<4xi32>) -> tensor<4xi32> {
  %y = quern.div %a, %b : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %y : tensor<4xi32>
}

// CALL @div_i64
// INPUT a: -9223372036854775808, -9223372036854775808, 1
// INPUT b: -1, 3, 0
// EXPECT y: -9223372036854775808, -3074457345618258602, 0
func.func @div_i64(%a: tensor<3xi64>, %b: tensor<3xi64>) -> tensor<3xi64> {
  %y = quern.div %a, %b : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  return %y : tensor<3xi64>
}

// CALL @div_ui8
// INPUT a: 200, 255, 9
// INPUT b: 7, 254, 0
// EXPECT y: 28, 1, 0
func.func @div_ui8(%a: tensor<3xui8>, %b: tensor<3xui8>) -> tensor<3xui8> {
  %y = quern.div %a, %b : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  return %y : tensor<3xui8>
}

// CALL @broadcast
// INPUT a: [[1, 2, 3]], [[4, 5, 6]]
// INPUT b: [10, 20]
// EXPECT y 2x2x3: [[11, 12, 13], [21, 22, 23]], [[14, 15, 16], [24, 25, 26]]
func.func @broadcast(%a: tensor<2x1x3xf32>, %b: tensor<2x1xf32>) -> tensor<2x2x3xf32> {
  %y = quern.add %a, %b : (tensor<2x1x3xf32>, tensor<2x1xf32>) -> tensor<2x2x3xf32>
  return %y : tensor<2x2x3xf32>
}

// CALL @scalars
// INPUT a: 7
// INPUT b: 1, 2, 4
// EXPECT y 3: 7, 3.5, 1.75
// EXPECT z scalar: 49
func.func @scalars(%a: tensor<f32>, %b: tensor<3xf32>) -> (tensor<3xf32>, tensor<f32>) {
  %y = quern.div %a, %b : (tensor<f32>, tensor<3xf32>) -> tensor<3xf32>
  %z = quern.mul %a, %a : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %y, %z : tensor<3xf32>, tensor<f32>
}

// CALL @nothing
// INPUT a:
// INPUT b: 1, 2, 3
// EXPECT y 0x3:
func.func @nothing(%a: tensor<0x3xf32>, %b: tensor<3xf32>) -> tensor<0x3xf32> {
  %y = quern.add %a, %b : (tensor<0x3xf32>, tensor<3xf32>) -> tensor<0x3xf32>
  return %y : tensor<0x3xf32>
}

// One size known at call time only, shared by both inputs.
// CALL @dynamic
// INPUT a 2x2: 1, 2, 3, 4
// INPUT b 2x1: 10, 100
// EXPECT y 2x2: 11, 12, 103, 104
// INPUT a 0x2:
// INPUT b 0x1:
// EXPECT y 0x2:
// INPUT a 3x2: 1, 2, 3, 4, 5, 6
// INPUT b 2x1: 10, 100
// FAILS dimension
func.func @dynamic(%a: tensor<?x2xf32, #quern.dims<"n","">>, %b: tensor<?x1xf32, #quern.dims<"n","">>) -> tensor<?x2xf32, #quern.dims<"n","">> {
  %y = quern.add %a, %b : (tensor<?x2xf32, #quern.dims<"n","">>, tensor<?x1xf32, #quern.dims<"n","">>) -> tensor<?x2xf32, #quern.dims<"n","">>
  return %y : tensor<?x2xf32, #quern.dims<"n","">>
}
