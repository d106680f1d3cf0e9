// Float ops of regions: each IEEE operation rounded by itself, NaN and signed zeros kept, conversions rounded once.

// CALL @arithmetic
// INPUT a: 1, 0x1.001p0, -0.0, inf, 1
// INPUT b: 0x1p-24, 0x1.001p0, 0.0, inf, 3
// EXPECT add: 1, 0x1.001p1, 0.0, inf, 4
// EXPECT sub: 0x1.fffffep-1, 0.0, -0.0, nan, -2
// EXPECT mul: 0x1p-24, 0x1.002p0, -0.0, inf, 3
// EXPECT div: 0x1p24, 1, nan, nan, 0x1.555556p-2
func.func @arithmetic(%a: tensor<5xf32>, %b: tensor<5xf32>) -> (tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>) {
  %add, %sub, %mul, %div = kern.map %a, %b body {
  ^bb0(%x: f32, %y: f32):
    %0 = arith.addf %x, %y : f32
    %1 = arith.subf %x, %y : f32
    %2 = arith.mulf %x, %y : f32
    %3 = arith.divf %x, %y : f32
    kern.yield %0, %1, %2, %3 : f32, f32, f32, f32
  } : (tensor<5xf32>, tensor<5xf32>) -> (tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>)
  return %add, %sub, %mul, %div : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>
}

// A product and a sum in a region are never fused; math.fma always rounds once.
// CALL @fma
// INPUT a: 0x1.001p0, 0x1p127, 0x1p-100, inf
// INPUT b: -0x1.002p0, -inf, 0x1p-149, 1
// EXPECT two: 0.0, nan, 0x1p-149, inf
// EXPECT one: 0x1p-24, -inf, 0x1p-149, inf
// EXPECT wide: 0x1p-24, -inf, 0x1.0000000000002p-149, inf
func.func @fma(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf64>) {
  %two, %one, %wide = kern.map %a, %b body {
  ^bb0(%x: f32, %y: f32):
    %p = arith.mulf %x, %x : f32
    %0 = arith.addf %p, %y : f32
    %1 = math.fma %x, %x, %y : f32
    %dx = arith.extf %x : f32 to f64
    %dy = arith.extf %y : f32 to f64
    %2 = math.fma %dx, %dx, %dy : f64
    kern.yield %0, %1, %2 : f32, f32, f64
  } : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf64>)
  return %two, %one, %wide : tensor<4xf32>, tensor<4xf32>, tensor<4xf64>
}

// CALL @extremes
// INPUT a: 1, -0.0, 0.0, nan, 1, -inf
// INPUT b: 2, 0.0, -0.0, 1, nan, inf
// EXPECT hi: 2, 0.0, 0.0, nan, nan, inf
// EXPECT lo: 1, -0.0, -0.0, nan, nan, -inf
// EXPECT neg: -1, 0.0, -0.0, nan, -1, inf
// EXPECT abs: 1, 0.0, 0.0, nan, 1, inf
func.func @extremes(%a: tensor<6xf32>, %b: tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>) {
  %hi, %lo, %neg, %abs = kern.map %a, %b body {
  ^bb0(%x: f32, %y: f32):
    %0 = arith.maximumf %x, %y : f32
    %1 = arith.minimumf %x, %y : f32
    %2 = arith.negf %x : f32
    %3 = math.absf %x : f32
    kern.yield %0, %1, %2, %3 : f32, f32, f32, f32
  } : (tensor<6xf32>, tensor<6xf32>) -> (tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>)
  return %hi, %lo, %neg, %abs : tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>
}

// CALL @rounding
// INPUT x: 0.5, 1.5, 2.5, -0.5, -2.5, 0x1.fffffep-2, 0x1.000002p23, nan
// EXPECT even: 0.0, 2, 2, -0.0, -2, 0.0, 0x1.000002p23, nan
// EXPECT away: 1, 2, 3, -1, -3, 0.0, 0x1.000002p23, nan
// EXPECT floor: 0.0, 1, 2, -1, -3, 0.0, 0x1.000002p23, nan
// EXPECT ceil: 1, 2, 3, -0.0, -2, 1, 0x1.000002p23, nan
func.func @rounding(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %even, %away, %floor, %ceil = kern.map %x body {
  ^bb0(%e: f32):
    %0 = math.roundeven %e : f32
    %1 = math.round %e : f32
    %2 = math.floor %e : f32
    %3 = math.ceil %e : f32
    kern.yield %0, %1, %2, %3 : f32, f32, f32, f32
  } : (tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return %even, %away, %floor, %ceil : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}

// CALL @functions
// INPUT x: 1, 0.5, nan
// EXPECT e 1ulp: 2.718281828459045, 1.6487212707001282, nan
// EXPECT l 1ulp: 0, -0.6931471805599453, nan
// EXPECT r: 1, 0x1.6a09e6p-1, nan
// EXPECT t 2ulp: 0.7615941559557649, 0.46211715726000975, nan
func.func @functions(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %e, %l, %r, %t = kern.map %x body {
  ^bb0(%v: f32):
    %0 = math.exp %v : f32
    %1 = math.log %v : f32
    %2 = math.sqrt %v : f32
    %3 = math.tanh %v : f32
    kern.yield %0, %1, %2, %3 : f32, f32, f32, f32
  } : (tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  return %e, %l, %r, %t : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// CALL @more_functions
// INPUT x: 1, 0.5, nan
// EXPECT e 2ulp: 0.8427007929497149, 0.5204998778130465, nan
// EXPECT s 3ulp: 0.7310585786300049, 0.6224593312018546, nan
// EXPECT g 3ulp: 0.8413447460685429, 0.34573123063700656, nan
// EXPECT t 3ulp: 0.8411919906082768, 0.34571400982514394, nan
func.func @more_functions(%x: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %e, %s, %g, %t = kern.map %x body {
  ^bb0(%v: f32):
    %0 = math.erf %v : f32
    %1 = quern.sigmoid_scalar %v : (f32) -> f32
    %2 = quern.gelu_scalar %v : (f32) -> f32
    %3 = quern.gelu_scalar %v {approximate = "tanh"} : (f32) -> f32
    kern.yield %0, %1, %2, %3 : f32, f32, f32, f32
  } : (tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  return %e, %s, %g, %t : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// The sixteen predicates, the first in bit 0: false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true.
// CALL @compare
// INPUT a: 1, 1, 2, nan, -0.0
// INPUT b: 1, 2, 1, 1, 0.0
// EXPECT y: 0x95AA, 0xB8F0, 0xA6CC, 0xFF00, 0x95AA
func.func @compare(%a: tensor<5xf32>, %b: tensor<5xf32>) -> tensor<5xi32> {
  %y = kern.map %a, %b body {
  ^bb0(%x: f32, %y: f32):
    %c1 = arith.constant 1 : i32
    %p0 = arith.cmpf false, %x, %y : f32
    %b0 = arith.extui %p0 : i1 to i32
    %p1 = arith.cmpf oeq, %x, %y : f32
    %b1 = arith.extui %p1 : i1 to i32
    %p2 = arith.cmpf ogt, %x, %y : f32
    %b2 = arith.extui %p2 : i1 to i32
    %p3 = arith.cmpf oge, %x, %y : f32
    %b3 = arith.extui %p3 : i1 to i32
    %p4 = arith.cmpf olt, %x, %y : f32
    %b4 = arith.extui %p4 : i1 to i32
    %p5 = arith.cmpf ole, %x, %y : f32
    %b5 = arith.extui %p5 : i1 to i32
    %p6 = arith.cmpf one, %x, %y : f32
    %b6 = arith.extui %p6 : i1 to i32
    %p7 = arith.cmpf ord, %x, %y : f32
    %b7 = arith.extui %p7 : i1 to i32
    %p8 = arith.cmpf ueq, %x, %y : f32
    %b8 = arith.extui %p8 : i1 to i32
    %p9 = arith.cmpf ugt, %x, %y : f32
    %b9 = arith.extui %p9 : i1 to i32
    %p10 = arith.cmpf uge, %x, %y : f32
    %b10 = arith.extui %p10 : i1 to i32
    %p11 = arith.cmpf ult, %x, %y : f32
    %b11 = arith.extui %p11 : i1 to i32
    %p12 = arith.cmpf ule, %x, %y : f32
    %b12 = arith.extui %p12 : i1 to i32
    %p13 = arith.cmpf une, %x, %y : f32
    %b13 = arith.extui %p13 : i1 to i32
    %p14 = arith.cmpf uno, %x, %y : f32
    %b14 = arith.extui %p14 : i1 to i32
    %p15 = arith.cmpf true, %x, %y : f32
    %b15 = arith.extui %p15 : i1 to i32
    %s14 = arith.shli %b15, %c1 : i32
    %t14 = arith.ori %s14, %b14 : i32
    %s13 = arith.shli %t14, %c1 : i32
    %t13 = arith.ori %s13, %b13 : i32
    %s12 = arith.shli %t13, %c1 : i32
    %t12 = arith.ori %s12, %b12 : i32
    %s11 = arith.shli %t12, %c1 : i32
    %t11 = arith.ori %s11, %b11 : i32
    %s10 = arith.shli %t11, %c1 : i32
    %t10 = arith.ori %s10, %b10 : i32
    %s9 = arith.shli %t10, %c1 : i32
    %t9 = arith.ori %s9, %b9 : i32
    %s8 = arith.shli %t9, %c1 : i32
    %t8 = arith.ori %s8, %b8 : i32
    %s7 = arith.shli %t8, %c1 : i32
    %t7 = arith.ori %s7, %b7 : i32
    %s6 = arith.shli %t7, %c1 : i32
    %t6 = arith.ori %s6, %b6 : i32
    %s5 = arith.shli %t6, %c1 : i32
    %t5 = arith.ori %s5, %b5 : i32
    %s4 = arith.shli %t5, %c1 : i32
    %t4 = arith.ori %s4, %b4 : i32
    %s3 = arith.shli %t4, %c1 : i32
    %t3 = arith.ori %s3, %b3 : i32
    %s2 = arith.shli %t3, %c1 : i32
    %t2 = arith.ori %s2, %b2 : i32
    %s1 = arith.shli %t2, %c1 : i32
    %t1 = arith.ori %s1, %b1 : i32
    %s0 = arith.shli %t1, %c1 : i32
    %t0 = arith.ori %s0, %b0 : i32
    kern.yield %t0 : i32
  } : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xi32>
  return %y : tensor<5xi32>
}

// CALL @select
// INPUT a: 1, nan, -0.0
// INPUT b: 2, 2, 1
// EXPECT y: 2, 2, 1
func.func @select(%a: tensor<3xf32>, %b: tensor<3xf32>) -> tensor<3xf32> {
  %y = kern.map %a, %b body {
  ^bb0(%x: f32, %y: f32):
    %c = arith.cmpf ogt, %x, %y : f32
    %r = arith.select %c, %x, %y : f32
    kern.yield %r : f32
  } : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}

// CALL @from_integers
// INPUT a: 16777217, -1, 2147483647
// INPUT b: 9007199791611905, -1, 1
// EXPECT s: 16777216, -1, 2147483648
// EXPECT u: 16777216, 4294967296, 2147483648
// EXPECT t: 9007200328482816, -1, 1
// EXPECT v: 9007200328482816, 18446744073709551616, 1
// EXPECT h: inf, -1, inf
func.func @from_integers(%a: tensor<3xi32>, %b: tensor<3xi64>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf16>) {
  %s, %u, %t, %v, %h = kern.map %a, %b body {
  ^bb0(%x: i32, %y: i64):
    %0 = arith.sitofp %x : i32 to f32
    %1 = arith.uitofp %x : i32 to f32
    %2 = arith.sitofp %y : i64 to f32
    %3 = arith.uitofp %y : i64 to f32
    %4 = arith.sitofp %x : i32 to f16
    kern.yield %0, %1, %2, %3, %4 : f32, f32, f32, f32, f16
  } : (tensor<3xi32>, tensor<3xi64>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf16>)
  return %s, %u, %t, %v, %h : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf16>
}

// CALL @to_integers
// INPUT x: 127.9, -128.9, 1e10, -1e10, nan, -0.5, inf
// EXPECT a: 127, -128, 127, -128, 0, 0, 127
// EXPECT b: 127, 0, 255, 0, 0, 0, 255
// EXPECT c: 127, -128, 2147483647, -2147483648, 0, 0, 2147483647
// EXPECT d: 127, 0, 4294967295, 0, 0, 0, 4294967295
// EXPECT e: 127, -128, 10000000000, -10000000000, 0, 0, 9223372036854775807
func.func @to_integers(%x: tensor<7xf32>) -> (tensor<7xi8>, tensor<7xui8>, tensor<7xi32>, tensor<7xui32>, tensor<7xi64>) {
  %a, %b, %c, %d, %e = kern.map %x body {
  ^bb0(%v: f32):
    %0 = arith.fptosi %v : f32 to i8
    %1 = arith.fptoui %v : f32 to i8
    %2 = arith.fptosi %v : f32 to i32
    %3 = arith.fptoui %v : f32 to i32
    %4 = arith.fptosi %v : f32 to i64
    kern.yield %0, %1, %2, %3, %4 : i8, i8, i32, i32, i64
  } : (tensor<7xf32>) -> (tensor<7xi8>, tensor<7xui8>, tensor<7xi32>, tensor<7xui32>, tensor<7xi64>)
  return %a, %b, %c, %d, %e : tensor<7xi8>, tensor<7xui8>, tensor<7xi32>, tensor<7xui32>, tensor<7xi64>
}

// The small formats: 8 bits saturate, halves become infinite; ties go to even.
// CALL @narrow
// INPUT x: 1, 1.0625, 1.125, 1.1875, 1e9, -1e9, 0x1p-10, nan
// EXPECT h: 1, 1.0625, 1.125, 1.1875, inf, -inf, 0x1p-10, nan
// EXPECT b: 1, 1.0625, 1.125, 1.1875, 998244352, -998244352, 0x1p-10, nan
// EXPECT e4: 1, 1, 1.125, 1.25, 448, -448, 0.0, nan
// EXPECT e5: 1, 1, 1, 1.25, 57344, -57344, 0x1p-10, nan
func.func @narrow(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %h, %b, %e4, %e5 = kern.map %x body {
  ^bb0(%v: f32):
    %0 = arith.truncf %v : f32 to f16
    %1 = arith.truncf %v : f32 to bf16
    %2 = arith.truncf %v : f32 to f8E4M3FN
    %3 = arith.truncf %v : f32 to f8E5M2
    %4 = arith.extf %0 : f16 to f32
    %5 = arith.extf %1 : bf16 to f32
    %6 = arith.extf %2 : f8E4M3FN to f32
    %7 = arith.extf %3 : f8E5M2 to f32
    kern.yield %4, %5, %6, %7 : f32, f32, f32, f32
  } : (tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return %h, %b, %e4, %e5 : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}

// CALL @bits
// INPUT x: 1, -0.0, inf
// INPUT i: 0x3F800000, 1, -8388608
// EXPECT a: 0x3F800000, -2147483648, 0x7F800000
// EXPECT b: 1, 0x1p-149, -inf
func.func @bits(%x: tensor<3xf32>, %i: tensor<3xi32>) -> (tensor<3xi32>, tensor<3xf32>) {
  %a, %b = kern.map %x, %i body {
  ^bb0(%v: f32, %w: i32):
    %0 = arith.bitcast %v : f32 to i32
    %1 = arith.bitcast %w : i32 to f32
    kern.yield %0, %1 : i32, f32
  } : (tensor<3xf32>, tensor<3xi32>) -> (tensor<3xi32>, tensor<3xf32>)
  return %a, %b : tensor<3xi32>, tensor<3xf32>
}
