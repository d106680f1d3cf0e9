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

// Windows step over the border of images without padding, which counts as 0; sizes that the call tells.
// CALL @over
// INPUT x 2x4x3x4: 241, 160, 175, 229, 148, 198, 213, 57, 14, 76, 72, 223, 233, 1, 127, 210, 33, 204, 30, 119, 209, 77, 87, 71, 184, 65, 253, 113, 122, 129, 149, 141, 130, 254, 206, 202, 179, 159, 87, 253, 119, 55, 216, 41, 219, 156, 29, 11, 113, 9, 36, 131, 248, 119, 206, 234, 210, 161, 112, 131, 68, 127, 97, 63, 254, 3, 24, 49, 248, 177, 225, 51, 184, 94, 125, 0, 158, 212, 169, 39, 136, 68, 247, 225, 47, 130, 240, 216, 181, 163, 10, 189, 121, 23, 62, 138
// EXPECT y 2x4x3x2: -18978, -13672, -15409, -9934, 8080, 30612, -18704, -55904, 25847, 1393, 39543, 7227, -102872, -58487, 34259, 36177, -2159, -21533, -47281, -42005, 13778, -13232, 10624, -43950, -31997, -6184, -22318, -5703, 50060, 39976, -40987, 72330, -63282, 17885, -8297, -41556, -23791, -9794, -118600, 26370, -8409, -23783, -44348, -39369, 16859, -14972, 25853, -59291
func.func @over(%x: tensor<?x?x?x4xui8>) -> tensor<?x?x?x2xi32> {
  %w = arith.constant dense<[[58, 1], [28, 95], [47, -36], [36, 25], [-101, -113], [41, -29], [25, -46], [-71, -90], [-31, 80], [-26, -31], [19, 122], [-28, 23], [-16, 26], [-14, 35], [12, 45], [116, -90], [15, -16], [-37, -67], [-115, -25], [83, -104], [-25, 119], [115, -73], [-127, 43], [-125, -52], [-1, 95], [-105, 41], [8, -95], [88, 88], [-5, 113], [27, 103], [117, 17], [-57, -91], [16, -79], [64, 109], [-66, 13], [-116, -82]]> : tensor<36x2xi8>
  %p = kern.pack %w {layout = "k4n16s9"} : (tensor<36x2xi8>) -> tensor<36x2xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, border = 0 : i64, layout = "k4n16s9", pads = array<i64: 1, 1, 1, 1>, window = array<i64: 3, 3, 1, 1, 1, 1>} : (tensor<?x?x?x4xui8>, tensor<36x2xi8>) -> tensor<?x?x?x2xi32>
  return %y : tensor<?x?x?x2xi32>
}

// The border counts as 9, pads are uneven, and some windows see nothing else; channels do not fill a block.
// CALL @over_nothing
// INPUT x 1x2x2x3: 96, 226, 248, 164, 149, 145, 15, 96, 251, 105, 54, 61
// EXPECT y 1x4x3x1: 2115, 2115, 2115, 8641, 2115, 2115, 385, 2115, 2115, 25706, 2115, 2115
func.func @over_nothing(%x: tensor<1x2x2x3xui8>) -> tensor<1x4x3x1xi32> {
  %w = arith.constant dense<[[54], [-119], [120], [96], [17], [-9], [66], [12], [-6], [-46], [-14], [64]]> : tensor<12x1xi8>
  %p = kern.pack %w {layout = "k4n16s4"} : (tensor<12x1xi8>) -> tensor<12x1xi8>
  %y = kern.gemm %x, %p prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, border = 9 : i64, layout = "k4n16s4", pads = array<i64: 3, 0, 1, 4>, window = array<i64: 2, 2, 1, 2, 2, 1>} : (tensor<1x2x2x3xui8>, tensor<12x1xi8>) -> tensor<1x4x3x1xi32>
  return %y : tensor<1x4x3x1xi32>
}

// Added to it an image; then one value for each line and column.
// CALL @over_plus
// INPUT x 1x3x4x4: 14, 6, 184, 95, 205, 7, 232, 31, 106, 247, 27, 168, 186, 109, 20, 134, 110, 223, 174, 88, 14, 151, 71, 175, 221, 90, 231, 132, 135, 195, 202, 232, 255, 38, 105, 238, 78, 1, 147, 192, 190, 207, 164, 35, 216, 107, 216, 208
// INPUT z 1x3x4x2: -2512, -1767, 4287, 8454, -8069, -8625, -5038, -1400, -6745, 390, 825, 9017, 4914, -4980, 5729, 6120, 3596, 3529, -3800, 4341, -7304, 2592, 8420, 9430
// EXPECT y 1x3x4x2: 63827, 21892, 25883, 83710, 11894, 65744, -37769, 16919, -12051, 35887, 3821, 45943, 48575, 20837, 50134, 51493, 32191, 57550, 81291, 37665, 15215, 73480, 42384, 19241
func.func @over_plus(%x: tensor<1x3x4x4xui8>, %z: tensor<1x3x4x2xi32>) -> tensor<1x3x4x2xi32> {
  %w = arith.constant dense<[[120, -125], [93, 32], [-4, 75], [115, 3], [-106, 57], [-69, -71], [-79, -78], [104, -36], [-101, -83], [-27, -40], [-49, 114], [93, 18], [124, -41], [-93, -59], [-106, 115], [-72, -15], [-77, 122], [-88, 3], [115, 5], [102, 101], [68, 62], [19, 20], [84, -19], [114, 96]]> : tensor<24x2xi8>
  %p = kern.pack %w {layout = "k4n16s6"} : (tensor<24x2xi8>) -> tensor<24x2xi8>
  %y = kern.gemm %x, %p, %z prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32, %e: i32):
    %r = arith.addi %s, %e : i32
    kern.yield %r : i32
  } {acc = i32, border = 0 : i64, layout = "k4n16s6", pads = array<i64: 1, 1, 0, 1>, window = array<i64: 2, 3, 1, 1, 1, 1>} : (tensor<1x3x4x4xui8>, tensor<24x2xi8>, tensor<1x3x4x2xi32>) -> tensor<1x3x4x2xi32>
  return %y : tensor<1x3x4x2xi32>
}

// The same with one for each line.
// CALL @over_lines
// INPUT x 1x3x3x4: 76, 85, 158, 101, 187, 51, 43, 12, 120, 54, 76, 234, 208, 215, 151, 28, 191, 154, 232, 122, 44, 152, 116, 168, 96, 78, 32, 246, 193, 119, 60, 160, 105, 162, 23, 47
// INPUT z 3x1x1: -5120, -9220, -3883
// EXPECT y 1x3x3x1: 59484, -25524, -26690, 78279, -2625, 25478, 54002, 92253, 94592
func.func @over_lines(%x: tensor<1x3x3x4xui8>, %z: tensor<3x1x1xi32>) -> tensor<1x3x3x1xi32> {
  %w = arith.constant dense<[[60], [-113], [45], [-23], [-128], [67], [51], [80], [101], [58], [87], [-100], [107], [105], [49], [77], [61], [96], [99], [5], [80], [106], [-52], [-117], [-85], [-121], [-17], [-123], [-62], [-64], [52], [-65], [115], [-80], [120], [17]]> : tensor<36x1xi8>
  %p = kern.pack %w {layout = "k4n16s9"} : (tensor<36x1xi8>) -> tensor<36x1xi8>
  %y = kern.gemm %x, %p, %z prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32, %e: i32):
    %r = arith.addi %s, %e : i32
    kern.yield %r : i32
  } {acc = i32, border = 0 : i64, layout = "k4n16s9", pads = array<i64: 1, 1, 1, 1>, window = array<i64: 3, 3, 1, 1, 1, 1>} : (tensor<1x3x3x4xui8>, tensor<36x1xi8>, tensor<3x1x1xi32>) -> tensor<1x3x3x1xi32>
  return %y : tensor<1x3x3x1xi32>
}
