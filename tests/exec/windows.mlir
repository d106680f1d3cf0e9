// Products over windows: rows of the left matrix are windows of an image [N,H,W,C], whose padding is part of it.

// 2 x 2 windows of one channel, stride 1: a line of the window is one segment of 2, padded to 4.
// CALL @line
// INPUT x: 1 2 3, 4 5 6, 7 8 9
// EXPECT y 1x2x2x1: 1245, 2356, 4578, 5689
func.func @line(%x: tensor<1x3x3x1xui8>) -> tensor<1x2x2x1xi32> {
  %v = arith.constant dense<[[100], [10], [0], [0]]> : tensor<4x1xi8>
  %u = arith.constant dense<[[0], [0], [10], [1]]> : tensor<4x1xi8>
  %p = kern.pack %v {layout = "k4n16s2"} : (tensor<4x1xi8>) -> tensor<4x1xi8>
  %q = kern.pack %u {layout = "k4n16s2"} : (tensor<4x1xi8>) -> tensor<4x1xi8>
  %a = kern.gemm %x, %p prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    %t = arith.constant 10 : i32
    %r = arith.muli %s, %t : i32
    kern.yield %r : i32
  } {acc = i32, layout = "k4n16s2", window = array<i64: 2, 2, 1, 1, 1, 1>} : (tensor<1x3x3x1xui8>, tensor<4x1xi8>) -> tensor<1x2x2x1xi32>
  %y = kern.gemm %x, %q, %a prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32, %o: i32):
    %r = arith.addi %s, %o : i32
    kern.yield %r : i32
  } {acc = i32, layout = "k4n16s2", window = array<i64: 2, 2, 1, 1, 1, 1>} : (tensor<1x3x3x1xui8>, tensor<4x1xi8>, tensor<1x2x2x1xi32>) -> tensor<1x2x2x1xi32>
  return %y : tensor<1x2x2x1xi32>
}

// Two images, strides 2 and 1, dilation 1 and 2: each position of the window is a segment of 3 channels.
// CALL @dilated
// INPUT x 2x4x4x3: 1 2 3, 4 5 6, 7 8 9, 10 11 12, 13 14 15, 16 17 18, 19 20 21, 22 23 24, 25 26 27, 28 29 30, 31 32 33, 34 35 36, 37 38 39, 40 41 42, 43 44 45, 46 47 48, 255 254 253, 252 251 250, 249 248 247, 246 245 244, 243 242 241, 240 239 238, 237 236 235, 234 233 232, 231 230 229, 228 227 226, 225 224 223, 222 221 220, 219 218 217, 216 215 214, 213 212 211, 210 209 208
// EXPECT y 2x2x2x2: -958 1559 -1282 2048 -3550 5471 -3874 5960 -26690 40169 -26366 39680 -24098 36257 -23774 35768
func.func @dilated(%x: tensor<?x?x?x3xui8>) -> tensor<?x?x?x2xi32> {
  %w = arith.constant dense<[[1, -1], [2, -2], [3, 5], [-7, 4], [11, 9], [-128, 127], [2, 8], [3, 9], [5, 1], [1, 1], [0, 0], [-1, 2]]> : tensor<12x2xi8>
  %p = kern.pack %w {layout = "k2n16s4"} : (tensor<12x2xi8>) -> tensor<12x2xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k2n16s4", window = array<i64: 2, 2, 2, 1, 1, 2>} : (tensor<?x?x?x3xui8>, tensor<12x2xi8>) -> tensor<?x?x?x2xi32>
  return %y : tensor<?x?x?x2xi32>
}

// Two groups of 2 channels, f32, a column of one group each; an extra per column and one per line of the result.
// CALL @groups
// INPUT x 1x2x3x4: 1 2 3 4, 5 6 7 8, 9 10 11 12, -1 -2 -3 -4, 0.5 0.25 0.125 2, 3 1 4 1
// INPUT z 2x1x1: 1000, 2000
// EXPECT y 1x2x2x2: 1125.0 879.0 1172.0 879.0 2079.3125 1873.875 2104.75 1898.25
func.func @groups(%x: tensor<1x?x?x4xf32>, %z: tensor<?x1x1xf32>) -> tensor<1x?x?x2xf32> {
  %w = arith.constant dense<[[[1.0], [10.0], [0.5], [0.25]], [[2.0], [3.0], [-1.0], [-4.0]]]> : tensor<2x4x1xf32>
  %b = arith.constant dense<[100.0, -100.0]> : tensor<2xf32>
  %p = kern.pack %w {layout = "k1n32s2"} : (tensor<2x4x1xf32>) -> tensor<2x4x1xf32>
  %y = kern.gemm %x, %p, %b, %z prologue {
  ^bb0(%e: f32):
    kern.yield %e : f32
  } epilogue {
  ^bb0(%s: f32, %c: f32, %l: f32):
    %r = arith.addf %s, %c : f32
    %t = arith.addf %r, %l : f32
    kern.yield %t : f32
  } {acc = f32, layout = "k1n32s2", window = array<i64: 1, 2, 1, 1, 1, 1>, groups = 2} : (tensor<1x?x?x4xf32>, tensor<2x4x1xf32>, tensor<2xf32>, tensor<?x1x1xf32>) -> tensor<1x?x?x2xf32>
  return %y : tensor<1x?x?x2xf32>
}

// A border whose value is an extra; lines above and below, columns left and right; the inside is doubled.
// CALL @pad
// INPUT x: 1 2, 3 4, 5 6, 7 8
// INPUT z: 9
// EXPECT y 1x4x5x1: 9 9 9 9 9, 9 9 9 9 9, 9 2 4 6 8, 9 10 12 14 16
func.func @pad(%x: tensor<1x2x4x1xi8>, %z: tensor<1xi32>) -> tensor<1x4x5x1xi8> {
  %y = kern.pad %x, %z body {
  ^bb0(%e: i8, %b: i32):
    %d = arith.addi %e, %e : i8
    %t = arith.trunci %b : i32 to i8
    kern.yield %d, %t : i8, i8
  } {pads = array<i64: 2, 1, 0, 0>} : (tensor<1x2x4x1xi8>, tensor<1xi32>) -> tensor<1x4x5x1xi8>
  return %y : tensor<1x4x5x1xi8>
}

// Segments of 3 bytes of what was padded for this product: what is read behind them counts nothing.
// CALL @behind
// INPUT x 2x2x1x1: 1 2 3 4
// EXPECT y 2x2x1x2: 245 717 278 727 271 737 292 747
func.func @behind(%x: tensor<?x2x1x1xui8>) -> tensor<?x2x1x2xi32> {
  %w = arith.constant dense<[[1, 0], [2, 0], [3, 1], [4, 0], [5, 10], [6, 0], [7, 0], [8, 0], [9, 100]]> : tensor<9x2xi8>
  %q = kern.pack %w {layout = "k4n16s3"} : (tensor<9x2xi8>) -> tensor<9x2xi8>
  %p = kern.pad %x body {
  ^bb0(%e: i8):
    %b = arith.constant 7 : i8
    kern.yield %e, %b : i8, i8
  } {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x2x1x1xui8>) -> tensor<?x4x3x1xui8>
  %y = kern.gemm %p, %q prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k4n16s3", window = array<i64: 3, 3, 1, 1, 1, 1>} : (tensor<?x4x3x1xui8>, tensor<9x2xi8>) -> tensor<?x2x1x2xi32>
  return %y : tensor<?x2x1x2xi32>
}

// Largest and sum of each window; an extra per channel; NaN wins, -0 is below +0.
// CALL @pools
// INPUT x: 1 -0.0, 2 0.0, nan 5, 4 -1
// EXPECT m 1x1x3x2: 102 1000, nan 1005, nan 1005
// EXPECT s 1x1x3x2: 3 0.0, nan 5, nan 4
func.func @pools(%x: tensor<1x1x4x2xf32>) -> (tensor<1x1x3x2xf32>, tensor<1x1x3x2xf32>) {
  %c = arith.constant dense<[100.0, 1000.0]> : tensor<2xf32>
  %m = kern.window %x, %c epilogue {
  ^bb0(%e: f32, %b: f32):
    %d = arith.addf %e, %b : f32
    kern.yield %d : f32
  } {combine = "max", acc = f32, window = array<i64: 1, 2, 1, 1, 1, 1>} : (tensor<1x1x4x2xf32>, tensor<2xf32>) -> tensor<1x1x3x2xf32>
  %s = kern.window %x epilogue {
  ^bb0(%e: f32):
    kern.yield %e : f32
  } {combine = "sum", acc = f32, window = array<i64: 1, 2, 1, 1, 1, 1>} : (tensor<1x1x4x2xf32>) -> tensor<1x1x3x2xf32>
  return %m, %s : tensor<1x1x3x2xf32>, tensor<1x1x3x2xf32>
}

// Codes: unsigned and signed.
// CALL @codes
// INPUT x: 1 200, 127 128
// INPUT z: 1 -56, 127 -128
// EXPECT a 1x1x1x2: 127 200
// EXPECT b 1x1x1x2: 127 -56
func.func @codes(%x: tensor<1x2x1x2xui8>, %z: tensor<1x2x1x2xi8>) -> (tensor<1x1x1x2xui8>, tensor<1x1x1x2xi8>) {
  %a = kern.window %x epilogue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } {combine = "max", acc = ui8, window = array<i64: 2, 1, 1, 1, 1, 1>} : (tensor<1x2x1x2xui8>) -> tensor<1x1x1x2xui8>
  %b = kern.window %z epilogue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } {combine = "max", acc = i8, window = array<i64: 2, 1, 1, 1, 1, 1>} : (tensor<1x2x1x2xi8>) -> tensor<1x1x1x2xi8>
  return %a, %b : tensor<1x1x1x2xui8>, tensor<1x1x1x2xi8>
}

// Products of one channel each, of a plain matrix and of a packed one; stride 2 down, dilation 2 to the right.
// CALL @depthwise
// INPUT x: 255 1, 2 2, 3 3, 4 4, 5 5, 6 6
// EXPECT p 1x1x1x2: -32132 1262
// EXPECT q 1x1x1x2: -32132 1262
func.func @depthwise(%x: tensor<1x2x3x2xui8>) -> (tensor<1x1x1x2xi32>, tensor<1x1x1x2xi32>) {
  %w = arith.constant dense<[[-128, 100], [100, 10], [1, 100], [34, 122]]> : tensor<4x2xi8>
  %k = kern.pack %w {layout = "k4n64"} : (tensor<4x2xi8>) -> tensor<4x2xi8>
  %p = kern.window %x, %w epilogue {
  ^bb0(%e: i32):
    kern.yield %e : i32
  } {combine = "dot", acc = i32, window = array<i64: 2, 2, 2, 1, 1, 2>} : (tensor<1x2x3x2xui8>, tensor<4x2xi8>) -> tensor<1x1x1x2xi32>
  %q = kern.window %x, %k epilogue {
  ^bb0(%e: i32):
    kern.yield %e : i32
  } {combine = "dot", acc = i32, layout = "k4n64", window = array<i64: 2, 2, 2, 1, 1, 2>} : (tensor<1x2x3x2xui8>, tensor<4x2xi8>) -> tensor<1x1x1x2xi32>
  return %p, %q : tensor<1x1x1x2xi32>, tensor<1x1x1x2xi32>
}
