// Accumulators to codes: one f32 product; or gemmlowp's fixed point with two roundings; or one rounding in 64 bits.

// CALL @f32
// INPUT acc: 3, 5, -5, 1, 1000, -1000, 16777217
// EXPECT q: 2, 2, -2, 0, 127, -128, 127
// EXPECT r: 2, 3, -3, 1, 127, -128, 127
func.func @f32(%acc: tensor<7xi32>) -> (tensor<7x!quant.uniform<i8:f32, 0.1>>, tensor<7x!quant.uniform<i8:f32, 0.1>>) {
  %m = arith.constant dense<0.5> : tensor<f32>
  %q = quern.requantize %acc, %m : (tensor<7xi32>, tensor<f32>) -> tensor<7x!quant.uniform<i8:f32, 0.1>>
  %r = quern.requantize %acc, %m {rounding = "half_away"} : (tensor<7xi32>, tensor<f32>) -> tensor<7x!quant.uniform<i8:f32, 0.1>>
  return %q, %r : tensor<7x!quant.uniform<i8:f32, 0.1>>, tensor<7x!quant.uniform<i8:f32, 0.1>>
}

// The multiplier 1/2: high multiply rounds ties up, where one rounding in 64 bits does the same.
// CALL @half
// INPUT acc: 5, -5, 3, -3, 2147483647, -2147483648
// EXPECT f: 3, -2, 2, -1, 127, -128
// EXPECT s: 3, -2, 2, -1, 127, -128
func.func @half(%acc: tensor<6xi32>) -> (tensor<6x!quant.uniform<i8:f32, 0.1>>, tensor<6x!quant.uniform<i8:f32, 0.1>>) {
  %m = arith.constant dense<0.5> : tensor<f32>
  %f = quern.requantize %acc, %m {mode = "fixed"} : (tensor<6xi32>, tensor<f32>) -> tensor<6x!quant.uniform<i8:f32, 0.1>>
  %s = quern.requantize %acc, %m {mode = "single"} : (tensor<6xi32>, tensor<f32>) -> tensor<6x!quant.uniform<i8:f32, 0.1>>
  return %f, %s : tensor<6x!quant.uniform<i8:f32, 0.1>>, tensor<6x!quant.uniform<i8:f32, 0.1>>
}

// 11 / 8 = 1.375. Two roundings: 11 / 2 is 6, 6 / 4 is 1.5, away from zero 2. One rounding: 1. With zero point 10.
// CALL @eighth
// INPUT acc: 11, -11, 12, -12, 4, -4
// EXPECT t: 11, 9, 12, 8, 10, 10
// EXPECT f: 12, 9, 12, 8, 11, 9
// EXPECT s: 11, 9, 12, 9, 11, 10
func.func @eighth(%acc: tensor<6xi32>) -> (tensor<6x!quant.uniform<u8:f32, 0.1:10>>, tensor<6x!quant.uniform<u8:f32, 0.1:10>>, tensor<6x!quant.uniform<u8:f32, 0.1:10>>) {
  %m = arith.constant dense<0.125> : tensor<f32>
  %t = quern.requantize %acc, %m : (tensor<6xi32>, tensor<f32>) -> tensor<6x!quant.uniform<u8:f32, 0.1:10>>
  %f = quern.requantize %acc, %m {mode = "fixed"} : (tensor<6xi32>, tensor<f32>) -> tensor<6x!quant.uniform<u8:f32, 0.1:10>>
  %s = quern.requantize %acc, %m {mode = "single"} : (tensor<6xi32>, tensor<f32>) -> tensor<6x!quant.uniform<u8:f32, 0.1:10>>
  return %t, %f, %s : tensor<6x!quant.uniform<u8:f32, 0.1:10>>, tensor<6x!quant.uniform<u8:f32, 0.1:10>>, tensor<6x!quant.uniform<u8:f32, 0.1:10>>
}

// Multipliers of 1 and more: the left shift saturates.
// CALL @large
// INPUT acc: 1, -1, 536870912, -536870912
// EXPECT f: 3, -3, 32767, -32768
// EXPECT s: 3, -3, 32767, -32768
func.func @large(%acc: tensor<4xi32>) -> (tensor<4x!quant.uniform<i16:f32, 0.1>>, tensor<4x!quant.uniform<i16:f32, 0.1>>) {
  %m = arith.constant dense<3.0> : tensor<f32>
  %f = quern.requantize %acc, %m {mode = "fixed"} : (tensor<4xi32>, tensor<f32>) -> tensor<4x!quant.uniform<i16:f32, 0.1>>
  %s = quern.requantize %acc, %m {mode = "single"} : (tensor<4xi32>, tensor<f32>) -> tensor<4x!quant.uniform<i16:f32, 0.1>>
  return %f, %s : tensor<4x!quant.uniform<i16:f32, 0.1>>, tensor<4x!quant.uniform<i16:f32, 0.1>>
}

// One multiplier per column, and codes that do not use the whole storage.
// CALL @columns
// INPUT acc: [8, 8, 8], [-8, -8, -8]
// EXPECT q 2x3: [7, 5, 4], [-7, 1, 2]
// EXPECT f 2x3: [7, 5, 4], [-7, 1, 2]
// EXPECT s 2x3: [7, 5, 4], [-7, 1, 2]
func.func @columns(%acc: tensor<2x3xi32>) -> (tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>, tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>, tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>) {
  %m = arith.constant dense<[2.0, 0.25, 0.125]> : tensor<3xf32>
  %q = quern.requantize %acc, %m : (tensor<2x3xi32>, tensor<3xf32>) -> tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>
  %f = quern.requantize %acc, %m {mode = "fixed"} : (tensor<2x3xi32>, tensor<3xf32>) -> tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>
  %s = quern.requantize %acc, %m {mode = "single"} : (tensor<2x3xi32>, tensor<3xf32>) -> tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>
  return %q, %f, %s : tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>, tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>, tensor<2x3x!quant.uniform<i8<-7:7>:f32, 0.1:3>>
}

// A multiplier that is known at call time only.
// CALL @value
// INPUT acc: 6, -6, 2147483647
// INPUT m: 0.25
// EXPECT q: 2, -2, 127
func.func @value(%acc: tensor<3xi32>, %m: tensor<f32>) -> tensor<3x!quant.uniform<i8:f32, 0.1>> {
  %q = quern.requantize %acc, %m : (tensor<3xi32>, tensor<f32>) -> tensor<3x!quant.uniform<i8:f32, 0.1>>
  return %q : tensor<3x!quant.uniform<i8:f32, 0.1>>
}

// Sums of 64 bits.
// CALL @wide
// INPUT acc: 4294967296, -4294967296, 1099511627776
// EXPECT q: 64, -64, 127
func.func @wide(%acc: tensor<3xi64>) -> tensor<3x!quant.uniform<i8:f32, 0.1>> {
  %m = arith.constant dense<1.4901161193847656e-08> : tensor<f32>
  %q = quern.requantize %acc, %m : (tensor<3xi64>, tensor<f32>) -> tensor<3x!quant.uniform<i8:f32, 0.1>>
  return %q : tensor<3x!quant.uniform<i8:f32, 0.1>>
}
