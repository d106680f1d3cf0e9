// Attention by key blocks. Equal scores give the mean of the values; a score far above the others picks its value.

// CALL @mean
// INPUT q: 0.0*4
// INPUT k: [1, 2], [3, 4], [5, 6], [7, 8]
// INPUT v: [1, 10, 100], [2, 20, 200], [3, 30, 300], [6, 60, 600]
// EXPECT y 2x3: [3, 30, 300], [3, 30, 300]
func.func @mean(%q: tensor<2x2xf32>, %k: tensor<4x2xf32>, %v: tensor<4x3xf32>) -> tensor<2x3xf32> {
  %y = quern.attention %q, %k, %v : (tensor<2x2xf32>, tensor<4x2xf32>, tensor<4x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// The first row picks key 2, the second key 0: the others are e^-200 away or more, which is 0 in f32.
// CALL @picks
// INPUT q: [200, 0], [0, 200]
// INPUT k: [0, 5], [1, 1], [3, 2]
// INPUT v: [1, -1], [2, -2], [3, -3]
// EXPECT y 2x2: [3, -3], [1, -1]
func.func @picks(%q: tensor<2x2xf32>, %k: tensor<3x2xf32>, %v: tensor<3x2xf32>) -> tensor<2x2xf32> {
  %y = quern.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<2x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// e^0 and e^-1: y = (1 * e + 0) / (e + 1).
// CALL @sigmoid
// INPUT q: 1
// INPUT k: [1], [0]
// INPUT v: [1], [0]
// EXPECT y 2ulp 1x1: 0.7310585786300049
func.func @sigmoid(%q: tensor<1x1xf32>, %k: tensor<2x1xf32>, %v: tensor<2x1xf32>) -> tensor<1x1xf32> {
  %y = quern.attention %q, %k, %v : (tensor<1x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// More keys than a block of 32: 40 equal ones, then, in the second call, one in the second block that takes it all.
// CALL @blocks
// INPUT q: 1
// INPUT k: 0.0*40
// INPUT v: 2*39, 42
// EXPECT y 1x1: 3
// INPUT q: 1000
// INPUT k: 0.0*39, 1
// INPUT v: 2*39, 42
// EXPECT y 1x1: 42
func.func @blocks(%q: tensor<1x1xf32>, %k: tensor<40x1xf32>, %v: tensor<40x1xf32>) -> tensor<1x1xf32> {
  %y = quern.attention %q, %k, %v {key_block = 32, scale = 1.0 : f32} : (tensor<1x1xf32>, tensor<40x1xf32>, tensor<40x1xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// Query i sees keys 0 .. i; in the second function 0 .. i + 2, the last query all five. What is not seen is not read:
// its value may be NaN.
// CALL @top_left
// INPUT q: 0.0*3
// INPUT k: 1*5
// INPUT v: 2, 4, 6, nan, inf
// EXPECT y 3x1: [2], [3], [4]
func.func @top_left(%q: tensor<3x1xf32>, %k: tensor<5x1xf32>, %v: tensor<5x1xf32>) -> tensor<3x1xf32> {
  %y = quern.attention %q, %k, %v {causal = "top_left"} : (tensor<3x1xf32>, tensor<5x1xf32>, tensor<5x1xf32>) -> tensor<3x1xf32>
  return %y : tensor<3x1xf32>
}
// CALL @bottom_right
// INPUT q: 0.0*3
// INPUT k: 1*5
// INPUT v: 2, 4, 6, 8, inf
// EXPECT y 3x1: [4], [5], [inf]
func.func @bottom_right(%q: tensor<3x1xf32>, %k: tensor<5x1xf32>, %v: tensor<5x1xf32>) -> tensor<3x1xf32> {
  %y = quern.attention %q, %k, %v {causal = "bottom_right"} : (tensor<3x1xf32>, tensor<5x1xf32>, tensor<5x1xf32>) -> tensor<3x1xf32>
  return %y : tensor<3x1xf32>
}

// With more queries than keys the first ones see none: 0.
// CALL @no_keys_yet
// INPUT q: 0.0*4
// INPUT k: 1, 1
// INPUT v: 2, 4
// EXPECT y 4x1: [0.0], [0.0], [2], [3]
func.func @no_keys_yet(%q: tensor<4x1xf32>, %k: tensor<2x1xf32>, %v: tensor<2x1xf32>) -> tensor<4x1xf32> {
  %y = quern.attention %q, %k, %v {causal = "bottom_right"} : (tensor<4x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}

// True takes part. A row with nothing gives 0; a masked key's weight of 0 still meets its value.
// CALL @mask
// INPUT q: 0.0*3
// INPUT k: 1*3
// INPUT v: 2, 4, 9
// INPUT m: [1, 1, 0], [0, 0, 0], [1, 1, 1]
// EXPECT y 3x1: [3], [0.0], [5]
// INPUT q: 0.0*3
// INPUT k: 1*3
// INPUT v: 2, 4, inf
// INPUT m: [1, 1, 0], [0, 0, 0], [1, 1, 1]
// EXPECT y 3x1: [nan], [0.0], [inf]
func.func @mask(%q: tensor<3x1xf32>, %k: tensor<3x1xf32>, %v: tensor<3x1xf32>, %m: tensor<3x3xi1>) -> tensor<3x1xf32> {
  %y = quern.attention %q, %k, %v, %m : (tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x3xi1>) -> tensor<3x1xf32>
  return %y : tensor<3x1xf32>
}

// Added: -inf masks; the lowest finite number in every place masks nothing; NaN spreads over its row only.
// CALL @added
// INPUT q: 0.0*4
// INPUT k: 1*2
// INPUT v: 2, 4
// INPUT m: [0, -inf], [-3.4028234663852886e38, -3.4028234663852886e38], [-inf, -inf], [nan, 0]
// EXPECT y 4x1: [2], [3], [0.0], [nan]
func.func @added(%q: tensor<4x1xf32>, %k: tensor<2x1xf32>, %v: tensor<2x1xf32>, %m: tensor<4x2xf32>) -> tensor<4x1xf32> {
  %y = quern.attention %q, %k, %v, %m : (tensor<4x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>, tensor<4x2xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}

// Four heads of q on two of k and v; a mask per head; a batch.
// CALL @groups
// INPUT q: 0.0*4
// INPUT k: 1*4
// INPUT v: [1, 3], [10, 30]
// INPUT m: [1, 1], [1, 0], [0, 1], [1, 1]
// EXPECT y 1x4x1x1: 2, 1, 30, 20
func.func @groups(%q: tensor<1x4x1x1xf32>, %k: tensor<1x2x2x1xf32>, %v: tensor<1x2x2x1xf32>, %m: tensor<4x1x2xi1>) -> tensor<1x4x1x1xf32> {
  %y = quern.attention %q, %k, %v, %m : (tensor<1x4x1x1xf32>, tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>, tensor<4x1x2xi1>) -> tensor<1x4x1x1xf32>
  return %y : tensor<1x4x1x1xf32>
}

// No keys give 0, no queries nothing; values without columns nothing.
// CALL @nothing
// INPUT q: 1, 2
// INPUT k:
// INPUT v:
// INPUT p:
// INPUT w:
// EXPECT y 2x2: 0.0*4
// EXPECT z 0x1:
// EXPECT u 2x0:
func.func @nothing(%q: tensor<2x1xf32>, %k: tensor<0x1xf32>, %v: tensor<0x2xf32>, %p: tensor<0x1xf32>, %w: tensor<2x0xf32>) -> (tensor<2x2xf32>, tensor<0x1xf32>, tensor<2x0xf32>) {
  %y = quern.attention %q, %k, %v : (tensor<2x1xf32>, tensor<0x1xf32>, tensor<0x2xf32>) -> tensor<2x2xf32>
  %z = quern.attention %p, %q, %q : (tensor<0x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<0x1xf32>
  %u = quern.attention %q, %q, %w : (tensor<2x1xf32>, tensor<2x1xf32>, tensor<2x0xf32>) -> tensor<2x0xf32>
  return %y, %z, %u : tensor<2x2xf32>, tensor<0x1xf32>, tensor<2x0xf32>
}

// Half precision is computed in f32 and rounded once: the mean of 2048 and 2050 and 2051 is 2049.67, in f16 2050.
// CALL @half
// INPUT q: 0
// INPUT k: 1*3
// INPUT v: 2048, 2050, 2052
// EXPECT y 1x1: 2050
func.func @half(%q: tensor<1x1xf16>, %k: tensor<3x1xf16>, %v: tensor<3x1xf16>) -> tensor<1x1xf16> {
  %y = quern.attention %q, %k, %v : (tensor<1x1xf16>, tensor<3x1xf16>, tensor<3x1xf16>) -> tensor<1x1xf16>
  return %y : tensor<1x1xf16>
}

// Codes: (2 - 2) * .. = 0 for the first query, so the mean of v: (110 - 100 + 130 - 100 + 120 - 100) / 3 * 0.5 = 10. The
// second: (202 - 2) * (k - 1) * 0.5 = 0, 100, 300, and key 2 takes it all.
// CALL @codes
// INPUT q: 2, 202
// INPUT k: 1, 2, 4
// INPUT v: 110, 130, 120
// EXPECT y 2x1: [10], [10]
func.func @codes(%q: tensor<2x1x!quant.uniform<u8:f32, 0.5:2>>, %k: tensor<3x1x!quant.uniform<i8:f32, 1.0:1>>, %v: tensor<3x1x!quant.uniform<u8:f32, 0.5:100>>) -> tensor<2x1xf32> {
  %y = quern.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<2x1x!quant.uniform<u8:f32, 0.5:2>>, tensor<3x1x!quant.uniform<i8:f32, 1.0:1>>, tensor<3x1x!quant.uniform<u8:f32, 0.5:100>>) -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}

// A weight of e^-1 is code 94 of 255: y = (255 * 100 + 94 * 0) / 349.
// CALL @code_weights
// INPUT q: 1
// INPUT k: 1, 0
// INPUT v: 100, 0
// EXPECT y 2ulp 1x1: 73.06590257879656
func.func @code_weights(%q: tensor<1x1x!quant.uniform<i8:f32, 1.0>>, %k: tensor<2x1x!quant.uniform<i8:f32, 1.0>>, %v: tensor<2x1x!quant.uniform<i8:f32, 1.0>>) -> tensor<1x1xf32> {
  %y = quern.attention %q, %k, %v : (tensor<1x1x!quant.uniform<i8:f32, 1.0>>, tensor<2x1x!quant.uniform<i8:f32, 1.0>>, tensor<2x1x!quant.uniform<i8:f32, 1.0>>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// One query of codes around zero, with keys of 70 codes and values of 64: the first head's is nearest to key 0, the
// second's to key 1. Then the same heads on one head of k and v, and a mask per head that leaves the second key 3 alone.
// CALL @one_query
// INPUT q: 100*70, -100*70
// INPUT k: 100*70, -100*70, 0*70, 1*70, -1*70, 99*70, -99*70, 3*70, 2*70, 1*70
// INPUT v: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 2*64, 3*64, 4*64, 5*64, 6*64, -7*64, 8*64, 9*64, 10*64
// INPUT k0: 100*70, -100*70, 0*70, 1*70, -1*70
// INPUT v0: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 2*64, 3*64, 4*64, 5*64
// EXPECT y 2x1x64: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, -7*64
// EXPECT z 2x1x64: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 2*64
// EXPECT u 2x1x64: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 4*64
!q = !quant.uniform<i8:f32, 0.1>
!v = !quant.uniform<i8:f32, 1.0>
func.func @one_query(%q: tensor<2x1x70x!q>, %k: tensor<2x5x70x!q>, %v: tensor<2x5x64x!v>, %k0: tensor<1x5x70x!q>, %v0: tensor<1x5x64x!v>) -> (tensor<2x1x64xf32>, tensor<2x1x64xf32>, tensor<2x1x64xf32>) {
  %m = arith.constant dense<[[[1, 1, 1, 1, 1]], [[0, 0, 0, 1, 0]]]> : tensor<2x1x5xi1>
  %y = quern.attention %q, %k, %v : (tensor<2x1x70x!q>, tensor<2x5x70x!q>, tensor<2x5x64x!v>) -> tensor<2x1x64xf32>
  %z = quern.attention %q, %k0, %v0 : (tensor<2x1x70x!q>, tensor<1x5x70x!q>, tensor<1x5x64x!v>) -> tensor<2x1x64xf32>
  %u = quern.attention %q, %k0, %v0, %m : (tensor<2x1x70x!q>, tensor<1x5x70x!q>, tensor<1x5x64x!v>, tensor<2x1x5xi1>) -> tensor<2x1x64xf32>
  return %y, %z, %u : tensor<2x1x64xf32>, tensor<2x1x64xf32>, tensor<2x1x64xf32>
}

// Three queries of codes, both zero points off the middle: each is nearest to a key of its own, also with a number per
// query added, or where it sees no more than the keys up to its own at the end; then the first keys only.
// CALL @three_queries
// INPUT q: 217, 117, 117, 217, 17, 117
// INPUT k: 5*6, 15, 5, 5*58, 5, 15, 5*8, -5, 5, 5*2
// INPUT v: 0*51, 3*17, 0*493, 33*17, 0*68, 38*17, 0*17
// INPUT m: 1, -2, 3
// EXPECT y 3x17: 3*17, 33*17, 38*17
// EXPECT z 3x17: 3*17, 33*17, 38*17
// EXPECT u 3x17: 0.0*51
!q3 = !quant.uniform<u8:f32, 1.0:117>
!k3 = !quant.uniform<i8:f32, 1.0:5>
func.func @three_queries(%q: tensor<3x2x!q3>, %k: tensor<40x2x!k3>, %v: tensor<40x17x!v>, %m: tensor<3x1xf32>) -> (tensor<3x17xf32>, tensor<3x17xf32>, tensor<3x17xf32>) {
  %y = quern.attention %q, %k, %v, %m {key_block = 32} : (tensor<3x2x!q3>, tensor<40x2x!k3>, tensor<40x17x!v>, tensor<3x1xf32>) -> tensor<3x17xf32>
  %z = quern.attention %q, %k, %v {key_block = 32, causal = "bottom_right"} : (tensor<3x2x!q3>, tensor<40x2x!k3>, tensor<40x17x!v>) -> tensor<3x17xf32>
  %u = quern.attention %q, %k, %v {key_block = 32, causal = "top_left"} : (tensor<3x2x!q3>, tensor<40x2x!k3>, tensor<40x17x!v>) -> tensor<3x17xf32>
  return %y, %z, %u : tensor<3x17xf32>, tensor<3x17xf32>, tensor<3x17xf32>
}

// Sizes known at call time.
// CALL @dynamic
// INPUT q 1x2: 0, 0
// INPUT k 2x2: 1, 1, 1, 1
// INPUT v 2x2: [1, 2], [3, 4]
// EXPECT y 1x2: 2, 3
// INPUT q 3x2: 0.0*6
// INPUT k 1x2: 1, 1
// INPUT v 1x2: 5, 6
// EXPECT y 3x2: [5, 6], [5, 6], [5, 6]
// INPUT q 1x2: 0, 0
// INPUT k 2x2: 1, 1, 1, 1
// INPUT v 3x2: 1*6
// FAILS do not fit together
func.func @dynamic(%q: tensor<?x2xf32>, %k: tensor<?x2xf32>, %v: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %y = quern.attention %q, %k, %v : (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// The kernel by itself, with regions of another kind: scores with a value per row and key added, weights all 0.5, the
// sum of the weights taken from the sum of the values. Rows see one, two and three keys.
// CALL @kernel
// INPUT q: 1, 1, 1
// INPUT k: 1, 2, 3
// INPUT v: [2, 20], [4, 40], [6, 60]
// INPUT r: 5, 6, 7
// EXPECT y 3x2: [0.5, 9.5], [2, 29], [4.5, 58.5]
func.func @kernel(%q: tensor<3x1xf32>, %k: tensor<3x1xf32>, %v: tensor<3x2xf32>, %r: tensor<3x1xf32>) -> tensor<3x2xf32> {
  %kt = kern.pack %k {layout = "k1n32", transpose = true} : (tensor<3x1xf32>) -> tensor<1x3xf32>
  %vp = kern.pack %v {layout = "k1n16"} : (tensor<3x2xf32>) -> tensor<3x2xf32>
  %y = kern.attention %q, %kt, %vp, %r score {
  ^bb0(%s: f32, %e: f32):
    %t = arith.addf %s, %e : f32
    kern.yield %t : f32
  } weight {
  ^bb0(%s: f32, %m: f32):
    %half = arith.constant 0.5 : f32
    kern.yield %half : f32
  } epilogue {
  ^bb0(%o: f32, %l: f32):
    %d = arith.subf %o, %l : f32
    kern.yield %d : f32
  } {acc = f32, causal = "top_left", key_block = 32, layout_k = "k1n32", layout_v = "k1n16"} : (tensor<3x1xf32>, tensor<1x3xf32>, tensor<3x2xf32>, tensor<3x1xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// One query of floats whose keys and values may be multiplied where they lie: 37 keys, of which the last ones are in a
// second block; a key that no mask lets through may have any score. Then fewer keys than go together.
// CALL @one_float_query
// INPUT q: 0.0*15, 1
// INPUT k: 0.0*575, 200, 0.0*16
// INPUT v: 1*560, 2*16, 4*16
// INPUT m: 1*36, 0
// EXPECT y 1x16: 2*16
// EXPECT z 1x16: 1*16
// EXPECT u 1x16: 1.5*16
!few = tensor<2x16xf32>
func.func @one_float_query(%q: tensor<1x16xf32>, %k: tensor<37x16xf32>, %v: tensor<37x16xf32>, %m: tensor<1x37xi1>) -> (tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>) {
  %none = arith.constant dense<0.0> : !few
  %ones = arith.constant dense<1.5> : !few
  %y = quern.attention %q, %k, %v, %m {key_block = 32, scale = 1.0 : f32} : (tensor<1x16xf32>, tensor<37x16xf32>, tensor<37x16xf32>, tensor<1x37xi1>) -> tensor<1x16xf32>
  %z = quern.attention %q, %k, %v {key_block = 32, causal = "top_left"} : (tensor<1x16xf32>, tensor<37x16xf32>, tensor<37x16xf32>) -> tensor<1x16xf32>
  %u = quern.attention %q, %none, %ones : (tensor<1x16xf32>, !few, !few) -> tensor<1x16xf32>
  return %y, %z, %u : tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>
}
