// quant.qcast, dcast, scast: t = x / s; NaN is 0; clamp; round half to even; add the zero point.

// Ties go to even before the zero point is added, which is odd here.
// CALL @qcast_u8
// INPUT x: 0.25, 0.75, 1.25, -0.25, nan, inf, -inf, 1e30, -0.0, -1.5, 126
// EXPECT q: 3, 5, 5, 3, 3, 255, 0, 255, 3, 0, 255
func.func @qcast_u8(%x: tensor<11xf32>) -> tensor<11x!quant.uniform<u8:f32, 0.5:3>> {
  %q = quant.qcast %x : tensor<11xf32> to tensor<11x!quant.uniform<u8:f32, 0.5:3>>
  return %q : tensor<11x!quant.uniform<u8:f32, 0.5:3>>
}

// CALL @qcast_narrow
// INPUT x: -1e9, 1e9, 2.5, -2.5, 3.5, nan
// EXPECT q: -127, 127, 2, -2, 4, 0
func.func @qcast_narrow(%x: tensor<6xf32>) -> tensor<6x!quant.uniform<i8<-127:127>:f32, 1.0>> {
  %q = quant.qcast %x : tensor<6xf32> to tensor<6x!quant.uniform<i8<-127:127>:f32, 1.0>>
  return %q : tensor<6x!quant.uniform<i8<-127:127>:f32, 1.0>>
}

// Divided by the f32 next to 0.1, not multiplied by 10: these are ties, and one just below.
// CALL @qcast_division
// INPUT x: 0.3, 0.05, 0.15, 0.25, 0.35, 12.65
// EXPECT q: 3, 0, 2, 2, 4, 126
func.func @qcast_division(%x: tensor<6xf32>) -> tensor<6x!quant.uniform<i8:f32, 0.1>> {
  %q = quant.qcast %x : tensor<6xf32> to tensor<6x!quant.uniform<i8:f32, 0.1>>
  return %q : tensor<6x!quant.uniform<i8:f32, 0.1>>
}

// CALL @qcast_channels
// INPUT x: [1, 1, 1], [-1, -3, 100]
// EXPECT q 2x3: [1, 2, 14], [-1, -6, 127]
// EXPECT y 2x3: [1, 1, 1], [-1, -3, 29.25]
func.func @qcast_channels(%x: tensor<2x3xf32>) -> (tensor<2x3x!quant.uniform<i8:f32:1, {1.0,0.5,0.25:10}>>, tensor<2x3xf32>) {
  %q = quant.qcast %x : tensor<2x3xf32> to tensor<2x3x!quant.uniform<i8:f32:1, {1.0,0.5,0.25:10}>>
  %y = quant.dcast %q : tensor<2x3x!quant.uniform<i8:f32:1, {1.0,0.5,0.25:10}>> to tensor<2x3xf32>
  return %q, %y : tensor<2x3x!quant.uniform<i8:f32:1, {1.0,0.5,0.25:10}>>, tensor<2x3xf32>
}

// CALL @qcast_small
// INPUT x: -9, -8, 7, 8, 1.5
// EXPECT a: -8, -8, 7, 7, 2
// EXPECT b: 0, 0, 15, 15, 10
func.func @qcast_small(%x: tensor<5xf32>) -> (tensor<5x!quant.uniform<i4:f32, 1.0>>, tensor<5x!quant.uniform<u4:f32, 1.0:8>>) {
  %a = quant.qcast %x : tensor<5xf32> to tensor<5x!quant.uniform<i4:f32, 1.0>>
  %b = quant.qcast %x : tensor<5xf32> to tensor<5x!quant.uniform<u4:f32, 1.0:8>>
  return %a, %b : tensor<5x!quant.uniform<i4:f32, 1.0>>, tensor<5x!quant.uniform<u4:f32, 1.0:8>>
}

// CALL @qcast_i16
// INPUT x: 32767, -40000, 0.5, 1.5, 65535, -1
// EXPECT a: 32767, -32768, 0, 2, 32767, -1
// EXPECT b: 32867, 0, 100, 102, 65535, 99
func.func @qcast_i16(%x: tensor<6xf32>) -> (tensor<6x!quant.uniform<i16:f32, 1.0>>, tensor<6x!quant.uniform<u16:f32, 1.0:100>>) {
  %a = quant.qcast %x : tensor<6xf32> to tensor<6x!quant.uniform<i16:f32, 1.0>>
  %b = quant.qcast %x : tensor<6xf32> to tensor<6x!quant.uniform<u16:f32, 1.0:100>>
  return %a, %b : tensor<6x!quant.uniform<i16:f32, 1.0>>, tensor<6x!quant.uniform<u16:f32, 1.0:100>>
}

// The smallest scale there is: every value that is not tiny saturates.
// CALL @qcast_tiny_scale
// INPUT x: 1, -1, 0x1p-126, 0.0, 0x1p-149
// EXPECT q: 127, -128, 1, 0, 0
func.func @qcast_tiny_scale(%x: tensor<5xf32>) -> tensor<5x!quant.uniform<i8:f32, 1.17549435e-38>> {
  %q = quant.qcast %x : tensor<5xf32> to tensor<5x!quant.uniform<i8:f32, 1.17549435e-38>>
  return %q : tensor<5x!quant.uniform<i8:f32, 1.17549435e-38>>
}

// CALL @dcast
// INPUT a: 0, 128, 255
// INPUT b: -128, 0, 127
// INPUT c: 2147483647, 16777217, -5
// EXPECT x: -64, 0.0, 63.5
// EXPECT y: -32.75, -0.75, 31
// EXPECT z: 1073741824, 8388608, -2.5
func.func @dcast(%a: tensor<3x!quant.uniform<u8:f32, 0.5:128>>, %b: tensor<3x!quant.uniform<i8:f32, 0.25:3>>, %c: tensor<3x!quant.uniform<i32:f32, 0.5>>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %x = quant.dcast %a : tensor<3x!quant.uniform<u8:f32, 0.5:128>> to tensor<3xf32>
  %y = quant.dcast %b : tensor<3x!quant.uniform<i8:f32, 0.25:3>> to tensor<3xf32>
  %z = quant.dcast %c : tensor<3x!quant.uniform<i32:f32, 0.5>> to tensor<3xf32>
  return %x, %y, %z : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// Codes and their bits are the same thing.
// CALL @scast
// INPUT x: -1, 127, -128
// EXPECT u: 255, 127, 128
// EXPECT s: -1, 127, -128
func.func @scast(%x: tensor<3xi8>) -> (tensor<3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3xi8>) {
  %u = quant.scast %x : tensor<3xi8> to tensor<3x!quant.uniform<u8:f32, 0.5:3>>
  %s = quant.scast %u : tensor<3x!quant.uniform<u8:f32, 0.5:3>> to tensor<3xi8>
  return %u, %s : tensor<3x!quant.uniform<u8:f32, 0.5:3>>, tensor<3xi8>
}

// CALL @half
// INPUT x: 0.25, 0.75, nan, 1000
// EXPECT q: 0, 2, 0, 127
// EXPECT y: 0.0, 1, 0.0, 63.5
func.func @half(%x: tensor<4xf16>) -> (tensor<4x!quant.uniform<i8:f16, 0.5>>, tensor<4xf16>) {
  %q = quant.qcast %x : tensor<4xf16> to tensor<4x!quant.uniform<i8:f16, 0.5>>
  %y = quant.dcast %q : tensor<4x!quant.uniform<i8:f16, 0.5>> to tensor<4xf16>
  return %q, %y : tensor<4x!quant.uniform<i8:f16, 0.5>>, tensor<4xf16>
}

// CALL @nothing
// INPUT x:
// EXPECT y 0x2:
func.func @nothing(%x: tensor<0x2xf32>) -> tensor<0x2xf32> {
  %q = quant.qcast %x : tensor<0x2xf32> to tensor<0x2x!quant.uniform<i8:f32, 0.5>>
  %y = quant.dcast %q : tensor<0x2x!quant.uniform<i8:f32, 0.5>> to tensor<0x2xf32>
  return %y : tensor<0x2xf32>
}
