// maximum, minimum, neg, abs, relu, clip: NaN wins, -0 is below +0, the smallest integer has no opposite.

// CALL @maximum_f32
// INPUT a: 1, -0.0, 0.0, nan, 1, -inf
// INPUT b: 2, 0.0, -0.0, 1, nan, -inf
// EXPECT y: 2, 0.0, 0.0, nan, nan, -inf
func.func @maximum_f32(%a: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<6xf32> {
  %y = quern.maximum %a, %b : (tensor<6xf32>, tensor<6xf32>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// CALL @minimum_f32
// INPUT a: 1, -0.0, 0.0, nan, 1, inf
// INPUT b: 2, 0.0, -0.0, 1, nan, inf
// EXPECT y: 1, -0.0, -0.0, nan, nan, inf
func.func @minimum_f32(%a: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<6xf32> {
  %y = quern.minimum %a, %b : (tensor<6xf32>, tensor<6xf32>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// CALL @maximum_minimum_f16
// INPUT a: 1, -0.0, nan, -65504
// INPUT b: 2, 0.0, 1, -inf
// EXPECT y: 2, 0.0, nan, -65504
// EXPECT z: 1, -0.0, nan, -inf
func.func @maximum_minimum_f16(%a: tensor<4xf16>, %b: tensor<4xf16>) -> (tensor<4xf16>, tensor<4xf16>) {
  %y = quern.maximum %a, %b : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
  %z = quern.minimum %a, %b : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
  return %y, %z : tensor<4xf16>, tensor<4xf16>
}

// The same bits, read with and without sign.
// CALL @maximum_minimum_int
// INPUT a: -1, 5, -128
// INPUT b: 1, 5, 127
// INPUT c: 255, 5, 128
// INPUT d: 1, 5, 127
// EXPECT s: 1, 5, 127
// EXPECT t: -1, 5, -128
// EXPECT u: 255, 5, 128
// EXPECT v: 1, 5, 127
func.func @maximum_minimum_int(%a: tensor<3xi8>, %b: tensor<3xi8>, %c: tensor<3xui8>, %d: tensor<3xui8>) -> (tensor<3xi8>, tensor<3xi8>, tensor<3xui8>, tensor<3xui8>) {
  %s = quern.maximum %a, %b : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  %t = quern.minimum %a, %b : (tensor<3xi8>, tensor<3xi8>) -> tensor<3xi8>
  %u = quern.maximum %c, %d : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  %v = quern.minimum %c, %d : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  return %s, %t, %u, %v : tensor<3xi8>, tensor<3xi8>, tensor<3xui8>, tensor<3xui8>
}

// CALL @neg_abs_f32
// INPUT x: 1.5, 0.0, -0.0, nan, -inf
// EXPECT n: -1.5, -0.0, 0.0, nan, inf
// EXPECT a: 1.5, 0.0, 0.0, nan, inf
func.func @neg_abs_f32(%x: tensor<5xf32>) -> (tensor<5xf32>, tensor<5xf32>) {
  %n = quern.neg %x : (tensor<5xf32>) -> tensor<5xf32>
  %a = quern.abs %x : (tensor<5xf32>) -> tensor<5xf32>
  return %n, %a : tensor<5xf32>, tensor<5xf32>
}

// CALL @neg_abs_int
// INPUT x: -128, -1, 127
// INPUT u: 0, 1, 255
// EXPECT n: -128, 1, -127
// EXPECT a: -128, 1, 127
// EXPECT m: 0, 255, 1
// EXPECT b: 0, 1, 255
func.func @neg_abs_int(%x: tensor<3xi8>, %u: tensor<3xui8>) -> (tensor<3xi8>, tensor<3xi8>, tensor<3xui8>, tensor<3xui8>) {
  %n = quern.neg %x : (tensor<3xi8>) -> tensor<3xi8>
  %a = quern.abs %x : (tensor<3xi8>) -> tensor<3xi8>
  %m = quern.neg %u : (tensor<3xui8>) -> tensor<3xui8>
  %b = quern.abs %u : (tensor<3xui8>) -> tensor<3xui8>
  return %n, %a, %m, %b : tensor<3xi8>, tensor<3xi8>, tensor<3xui8>, tensor<3xui8>
}

// CALL @relu
// INPUT x: -1, -0.0, 0.0, nan, 2, inf, -inf, -0x1p-149
// INPUT i: -5, 0, 5, -2147483648
// INPUT h: -1, -0.0, nan, 0x1p-24
// EXPECT y: 0.0, 0.0, 0.0, nan, 2, inf, 0.0, 0.0
// EXPECT j: 0, 0, 5, 0
// EXPECT k: 0.0, 0.0, nan, 0x1p-24
func.func @relu(%x: tensor<8xf32>, %i: tensor<4xi32>, %h: tensor<4xf16>) -> (tensor<8xf32>, tensor<4xi32>, tensor<4xf16>) {
  %y = quern.relu %x : (tensor<8xf32>) -> tensor<8xf32>
  %j = quern.relu %i : (tensor<4xi32>) -> tensor<4xi32>
  %k = quern.relu %h : (tensor<4xf16>) -> tensor<4xf16>
  return %y, %j, %k : tensor<8xf32>, tensor<4xi32>, tensor<4xf16>
}

// CALL @clip
// INPUT x: -1, -0.0, 0.5, 6, 7, inf, -inf, nan
// EXPECT y: 0.0, 0.0, 0.5, 6, 6, 6, 0.0, nan
func.func @clip(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = quern.clip %x {min = 0.0 : f32, max = 6.0 : f32} : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}
