// Products of codes: the sum of (a - za) * (b - zb) in i32, which wraps; in i64 where the type says so.

// 2 * 3 + (-2) * (-5) = 16; all ends of both ranges.
// CALL @u8_i8
// INPUT a: [130, 126], [255, 0]
// INPUT b: [3, -128], [-5, 127]
// EXPECT y 2x2: [16, -510], [1021, -32512]
func.func @u8_i8(%a: tensor<2x2x!quant.uniform<u8:f32, 0.5:128>>, %b: tensor<2x2x!quant.uniform<i8:f32, 0.25>>) -> tensor<2x2xi32> {
  %y = quern.matmul %a, %b : (tensor<2x2x!quant.uniform<u8:f32, 0.5:128>>, tensor<2x2x!quant.uniform<i8:f32, 0.25>>) -> tensor<2x2xi32>
  return %y : tensor<2x2xi32>
}

// Zero points on both sides: (5 - -3) * (7 - 2) + (-128 - -3) * (-128 - 2) = 40 + 16250.
// CALL @i8_i8
// INPUT a: 5, -128
// INPUT b: 7, -128
// EXPECT y 1x1: 16290
func.func @i8_i8(%a: tensor<1x2x!quant.uniform<i8:f32, 0.5:-3>>, %b: tensor<2x1x!quant.uniform<i8:f32, 0.25:2>>) -> tensor<1x1xi32> {
  %y = quern.matmul %a, %b : (tensor<1x2x!quant.uniform<i8:f32, 0.5:-3>>, tensor<2x1x!quant.uniform<i8:f32, 0.25:2>>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

// (200 - 100) * (250 - 200) + (0 - 100) * (0 - 200) = 5000 + 20000
// CALL @u8_u8
// INPUT a: 200, 0
// INPUT b: 250, 0
// EXPECT y 1x1: 25000
func.func @u8_u8(%a: tensor<1x2x!quant.uniform<u8:f32, 0.5:100>>, %b: tensor<2x1x!quant.uniform<u8:f32, 0.25:200>>) -> tensor<1x1xi32> {
  %y = quern.matmul %a, %b : (tensor<1x2x!quant.uniform<u8:f32, 0.5:100>>, tensor<2x1x!quant.uniform<u8:f32, 0.25:200>>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

// Each column its own zero point; the weights a constant, transposed.
// CALL @channels
// INPUT a: 10, 20, 30
// EXPECT y 1x2: [140, 40]
func.func @channels(%a: tensor<1x3x!quant.uniform<u8:f32, 0.5>>) -> tensor<1x2xi32> {
  %b = arith.constant dense<[[1, 2, 3], [2, 1, 2]]> : tensor<2x3x!quant.uniform<i8:f32:0, {0.25,0.5:1}>>
  %y = quern.matmul %a, %b {transpose_b = true} : (tensor<1x3x!quant.uniform<u8:f32, 0.5>>, tensor<2x3x!quant.uniform<i8:f32:0, {0.25,0.5:1}>>) -> tensor<1x2xi32>
  return %y : tensor<1x2xi32>
}

// 40000 * 255 * 255 = 2601000000, beyond i32.
// CALL @wraps
// INPUT a: 255*40000
// INPUT b: 255*40000
// EXPECT y 1x1: -1693967296
func.func @wraps(%a: tensor<1x40000x!quant.uniform<u8:f32, 0.5>>, %b: tensor<40000x1x!quant.uniform<u8:f32, 0.25>>) -> tensor<1x1xi32> {
  %y = quern.matmul %a, %b : (tensor<1x40000x!quant.uniform<u8:f32, 0.5>>, tensor<40000x1x!quant.uniform<u8:f32, 0.25>>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

// CALL @wide
// INPUT a: 255*40000
// INPUT b: 255*40000
// EXPECT y 1x1: 2601000000
func.func @wide(%a: tensor<1x40000x!quant.uniform<u8:f32, 0.5>>, %b: tensor<40000x1x!quant.uniform<u8:f32, 0.25>>) -> tensor<1x1xi64> {
  %y = quern.matmul %a, %b : (tensor<1x40000x!quant.uniform<u8:f32, 0.5>>, tensor<40000x1x!quant.uniform<u8:f32, 0.25>>) -> tensor<1x1xi64>
  return %y : tensor<1x1xi64>
}

// 16 by 16 bits sums in i64: 4 * (-32768)^2 = 2^32.
// CALL @i16_i16
// INPUT a: -32768*4
// INPUT b: -32768*4
// EXPECT y 1x1: 4294967296
func.func @i16_i16(%a: tensor<1x4x!quant.uniform<i16:f32, 0.5>>, %b: tensor<4x1x!quant.uniform<i16:f32, 0.25>>) -> tensor<1x1xi64> {
  %y = quern.matmul %a, %b : (tensor<1x4x!quant.uniform<i16:f32, 0.5>>, tensor<4x1x!quant.uniform<i16:f32, 0.25>>) -> tensor<1x1xi64>
  return %y : tensor<1x1xi64>
}

// Four-bit weights: 7 * 100 + (-8) * 50 = 300.
// CALL @u8_i4
// INPUT a: 100, 50
// INPUT b: 7, -8
// EXPECT y 1x1: 300
func.func @u8_i4(%a: tensor<1x2x!quant.uniform<u8:f32, 0.5>>, %b: tensor<2x1x!quant.uniform<i4:f32, 0.25>>) -> tensor<1x1xi32> {
  %y = quern.matmul %a, %b : (tensor<1x2x!quant.uniform<u8:f32, 0.5>>, tensor<2x1x!quant.uniform<i4:f32, 0.25>>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

// An empty sum of codes is 0 whatever the zero points are.
// CALL @nothing
// INPUT a:
// INPUT b:
// EXPECT y 2x2: 0*4
func.func @nothing(%a: tensor<2x0x!quant.uniform<u8:f32, 0.5:128>>, %b: tensor<0x2x!quant.uniform<i8:f32, 0.25:5>>) -> tensor<2x2xi32> {
  %y = quern.matmul %a, %b : (tensor<2x0x!quant.uniform<u8:f32, 0.5:128>>, tensor<0x2x!quant.uniform<i8:f32, 0.25:5>>) -> tensor<2x2xi32>
  return %y : tensor<2x2xi32>
}

// The whole chain on codes: quantize, multiply, requantize, dequantize.
// CALL @chain
// INPUT x: [1.0, -0.5], [100, nan]
// EXPECT y 2x1: 1, 63.5
func.func @chain(%x: tensor<2x2xf32>) -> tensor<2x1xf32> {
  %q = quant.qcast %x : tensor<2x2xf32> to tensor<2x2x!quant.uniform<i8:f32, 0.5>>
  %w = arith.constant dense<[[2], [-1]]> : tensor<2x1x!quant.uniform<i8:f32, 0.5>>
  %acc = quern.matmul %q, %w : (tensor<2x2x!quant.uniform<i8:f32, 0.5>>, tensor<2x1x!quant.uniform<i8:f32, 0.5>>) -> tensor<2x1xi32>
  %m = arith.constant dense<0.5> : tensor<f32>
  %r = quern.requantize %acc, %m : (tensor<2x1xi32>, tensor<f32>) -> tensor<2x1x!quant.uniform<i8:f32, 0.5>>
  %y = quant.dcast %r : tensor<2x1x!quant.uniform<i8:f32, 0.5>> to tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}

// Multipliers that come with the call: where one of a panel's is no ordinary number, its rows are not packed.
// CALL @odd_multipliers
// INPUT a: 1*12
// INPUT m: 0.5*61, 1e38, nan, -1
// EXPECT y 3x64: 2*61, 255, 0, 0, 2*61, 255, 0, 0, 2*61, 255, 0, 0
func.func @odd_multipliers(%a: tensor<3x4x!quant.uniform<u8:f32, 0.5>>, %m: tensor<64xf32>) -> tensor<3x64x!quant.uniform<u8:f32, 0.5>> {
  %b = arith.constant dense<1> : tensor<4x64x!quant.uniform<i8:f32, 0.25>>
  %p = quern.matmul %a, %b : (tensor<3x4x!quant.uniform<u8:f32, 0.5>>, tensor<4x64x!quant.uniform<i8:f32, 0.25>>) -> tensor<3x64xi32>
  %y = quern.requantize %p, %m : (tensor<3x64xi32>, tensor<64xf32>) -> tensor<3x64x!quant.uniform<u8:f32, 0.5>>
  return %y : tensor<3x64x!quant.uniform<u8:f32, 0.5>>
}
