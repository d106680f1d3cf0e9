// Elementary functions: exact where the value is, else near the true value within the bound that num.h states.

// CALL @exp
// INPUT x: 0.0, -0.0, 1, -1, inf, -inf, nan, 89, -104, -100
// EXPECT y 1ulp: 1, 1, 2.718281828459045, 0.36787944117144233, inf, 0, nan, inf, 0, 3.720075976020836e-44
func.func @exp(%x: tensor<10xf32>) -> tensor<10xf32> {
  %y = quern.exp %x : (tensor<10xf32>) -> tensor<10xf32>
  return %y : tensor<10xf32>
}

// CALL @log
// INPUT x: 1, 2, 0.5, 0.0, -0.0, -1, inf, nan, 0x1p-149, 0x1.fffffep127
// EXPECT y 1ulp: 0, 0.6931471805599453, -0.6931471805599453, -inf, -inf, nan, inf, nan, -103.27892990343184, 88.72283905206835
func.func @log(%x: tensor<10xf32>) -> tensor<10xf32> {
  %y = quern.log %x : (tensor<10xf32>) -> tensor<10xf32>
  return %y : tensor<10xf32>
}

// CALL @sqrt
// INPUT x: 4, 2, 0.0, -0.0, -1, inf, nan, 0x1p-149
// EXPECT y: 2, 0x1.6a09e6p0, 0.0, -0.0, nan, inf, nan, 0x1.6a09e6p-75
func.func @sqrt(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = quern.sqrt %x : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// CALL @tanh
// INPUT x: 0.0, 0.5, -0.5, 10, -10, inf, -inf, nan
// EXPECT y 2ulp: 0, 0.46211715726000975, -0.46211715726000975, 1, -1, 1, -1, nan
func.func @tanh(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = quern.tanh %x : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// Odd functions keep the sign of zero; small arguments keep their value.
// CALL @odd
// INPUT x: -0.0, 0.0
// EXPECT t: -0.0, 0.0
// EXPECT e: -0.0, 0.0
// INPUT x: 0x1p-30, -0x1p-100
// EXPECT t 2ulp: 0x1p-30, -0x1p-100
// EXPECT e 2ulp: 0x1.20dd76p-30, -0x1.20dd76p-100
func.func @odd(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %t = quern.tanh %x : (tensor<2xf32>) -> tensor<2xf32>
  %e = quern.erf %x : (tensor<2xf32>) -> tensor<2xf32>
  return %t, %e : tensor<2xf32>, tensor<2xf32>
}

// CALL @erf
// INPUT x: 0.5, -0.5, 1, 4, -4, inf, -inf, nan
// EXPECT y 2ulp: 0.5204998778130465, -0.5204998778130465, 0.8427007929497149, 1, -1, 1, -1, nan
func.func @erf(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = quern.erf %x : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// CALL @sigmoid
// INPUT x: 0.0, 1, -1, inf, -inf, nan, 100, -200
// EXPECT y 3ulp: 0.5, 0.7310585786300049, 0.2689414213699951, 1, 0, nan, 1, 0
func.func @sigmoid(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = quern.sigmoid %x : (tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// CALL @gelu
// INPUT x: 0.0, 1, -1, 0.5, inf, -inf, nan, 20
// EXPECT y 3ulp: 0, 0.8413447460685429, -0.15865525393145707, 0.34573123063700656, inf, 0, nan, 20
// EXPECT z 3ulp: 0, 0.8411919906082768, -0.15880800939172324, 0.34571400982514394, inf, 0, nan, 20
func.func @gelu(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %y = quern.gelu %x : (tensor<8xf32>) -> tensor<8xf32>
  %z = quern.gelu %x {approximate = "tanh"} : (tensor<8xf32>) -> tensor<8xf32>
  return %y, %z : tensor<8xf32>, tensor<8xf32>
}

// CALL @rounding
// INPUT x: 0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 8388609, -0.0, inf, nan
// EXPECT f: 0.0, 1, 2, -1, -2, 0.0, 8388609, -0.0, inf, nan
// EXPECT c: 1, 2, 3, -0.0, -1, 1, 8388609, -0.0, inf, nan
// EXPECT r: 0.0, 2, 2, -0.0, -2, 0.0, 8388609, -0.0, inf, nan
func.func @rounding(%x: tensor<10xf32>) -> (tensor<10xf32>, tensor<10xf32>, tensor<10xf32>) {
  %f = quern.floor %x : (tensor<10xf32>) -> tensor<10xf32>
  %c = quern.ceil %x : (tensor<10xf32>) -> tensor<10xf32>
  %r = quern.round %x : (tensor<10xf32>) -> tensor<10xf32>
  return %f, %c, %r : tensor<10xf32>, tensor<10xf32>, tensor<10xf32>
}

// Half precision computes in f32 and rounds once.
// CALL @half
// INPUT x: 2.5, -0.5, 1
// INPUT b: 2, 1, 0.25
// EXPECT r: 2, -0.0, 1
// EXPECT e: 0x1.85cp3, 0x1.368p-1, 0x1.5cp1
// EXPECT s: 0x1.6ap0, 1, 0.5
func.func @half(%x: tensor<3xf16>, %b: tensor<3xbf16>) -> (tensor<3xf16>, tensor<3xf16>, tensor<3xbf16>) {
  %r = quern.round %x : (tensor<3xf16>) -> tensor<3xf16>
  %e = quern.exp %x : (tensor<3xf16>) -> tensor<3xf16>
  %s = quern.sqrt %b : (tensor<3xbf16>) -> tensor<3xbf16>
  return %r, %e, %s : tensor<3xf16>, tensor<3xf16>, tensor<3xbf16>
}

// CALL @nothing
// INPUT x:
// EXPECT y 2x0:
func.func @nothing(%x: tensor<2x0xf32>) -> tensor<2x0xf32> {
  %y = quern.exp %x : (tensor<2x0xf32>) -> tensor<2x0xf32>
  return %y : tensor<2x0xf32>
}
