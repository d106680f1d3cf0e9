// Programs written with kernels: the level that engines compile.

// One input transposed; several inputs broadcast; two results; unsigned codes read as such by the body's ops.
// CALL @map
// INPUT a: [1, 2, 3], [4, 5, 6]
// INPUT b: 10, 20, 30
// EXPECT t 3x2: [1, 4], [2, 5], [3, 6]
// EXPECT s 2x3: [11, 22, 33], [14, 25, 36]
// EXPECT d 2x3: [-9, -18, -27], [-6, -15, -24]
func.func @map(%a: tensor<2x3xf32>, %b: tensor<3xf32>) -> (tensor<3x2xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %t = kern.map %a body {
  ^bb0(%x: f32):
    kern.yield %x : f32
  } {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %s, %d = kern.map %a, %b body {
  ^bb0(%x: f32, %y: f32):
    %p = arith.addf %x, %y : f32
    %m = arith.subf %x, %y : f32
    kern.yield %p, %m : f32, f32
  } : (tensor<2x3xf32>, tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  return %t, %s, %d : tensor<3x2xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// CALL @unsigned_map
// INPUT a: 200, 255, 1
// EXPECT w: 200, 255, 1
func.func @unsigned_map(%a: tensor<3xui8>) -> tensor<3xi32> {
  %w = kern.map %a body {
  ^bb0(%x: i8):
    %y = arith.extui %x : i8 to i32
    kern.yield %y : i32
  } : (tensor<3xui8>) -> tensor<3xi32>
  return %w : tensor<3xi32>
}

// Largest, smallest and sum of each row; values of the row, or of its elements.
// CALL @row
// INPUT x: [1, 5, -2, 0.5], [-0.0, 0.0, -0.0, 0.0], [1, nan, 3, 2]
// EXPECT hi 3x1: 5, 0.0, nan
// EXPECT lo 3x1: -2, -0.0, nan
// EXPECT sum 3x1: 4.5, 0.0, nan
// EXPECT below 3x4: [-4, 0.0, -7, -4.5], [0.0, 0.0, 0.0, 0.0], [nan, nan, nan, nan]
func.func @row(%x: tensor<3x4xf32>) -> (tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x4xf32>) {
  %hi, %lo, %sum, %below = kern.row %x body {
  ^bb0(%e: f32):
    %a = kern.all_max %e : (f32) -> f32
    %i = kern.all_min %e : (f32) -> f32
    %s = kern.all_sum %e : (f32) -> f32
    %z = arith.constant 0.0 : f32
    %d = arith.subf %e, %a : f32
    %p = arith.addf %d, %z : f32
    kern.yield %a, %i, %s, %p : f32, f32, f32, f32
  } : (tensor<3x4xf32>) -> (tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x4xf32>)
  return %hi, %lo, %sum, %below : tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>, tensor<3x4xf32>
}

// CALL @row_int
// INPUT x: [100, 100, -128, 127], [1, 2, 3, 4]
// EXPECT hi 2x1: 127, 4
// EXPECT lo 2x1: -128, 1
// EXPECT sum 2x1: -57, 10
func.func @row_int(%x: tensor<2x4xi8>) -> (tensor<2x1xi8>, tensor<2x1xi8>, tensor<2x1xi8>) {
  %hi, %lo, %sum = kern.row %x body {
  ^bb0(%e: i8):
    %a = kern.all_max %e : (i8) -> i8
    %i = kern.all_min %e : (i8) -> i8
    %s = kern.all_sum %e : (i8) -> i8
    kern.yield %a, %i, %s : i8, i8, i8
  } : (tensor<2x4xi8>) -> (tensor<2x1xi8>, tensor<2x1xi8>, tensor<2x1xi8>)
  return %hi, %lo, %sum : tensor<2x1xi8>, tensor<2x1xi8>, tensor<2x1xi8>
}

// 33 elements: the last joins the first in partial 0, so 1e8 - 1e8 is 0 before the 1 between them counts. 17 elements:
// the last meets the first when 32 partials are halved. In 3, neighbours do not meet before the end: 1e8 swallows 1.
// CALL @sum_order
// INPUT x: 1e8, 1, 0.0*30, -1e8
// INPUT y: 1e8, 1, 0.0*14, -1e8
// INPUT z: 1e8, -1e8, 1
// EXPECT a 1: 1
// EXPECT b 1: 1
// EXPECT c 1: 0.0
func.func @sum_order(%x: tensor<33xf32>, %y: tensor<17xf32>, %z: tensor<3xf32>) -> (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) {
  %a = kern.row %x body {
  ^bb0(%e: f32):
    %s = kern.all_sum %e : (f32) -> f32
    kern.yield %s : f32
  } : (tensor<33xf32>) -> tensor<1xf32>
  %b = kern.row %y body {
  ^bb0(%e: f32):
    %s = kern.all_sum %e : (f32) -> f32
    kern.yield %s : f32
  } : (tensor<17xf32>) -> tensor<1xf32>
  %c = kern.row %z body {
  ^bb0(%e: f32):
    %s = kern.all_sum %e : (f32) -> f32
    kern.yield %s : f32
  } : (tensor<3xf32>) -> tensor<1xf32>
  return %a, %b, %c : tensor<1xf32>, tensor<1xf32>, tensor<1xf32>
}

// Rows against a vector that broadcasts, and a second reduction of what the first one gave.
// CALL @row_chain
// INPUT x: [1, 2, 3], [4, 5, 6]
// INPUT w: 1, 0.5, 2
// EXPECT y 2x3: [-7, -7, -2], [-14.5, -16, -6.5]
func.func @row_chain(%x: tensor<2x3xf32>, %w: tensor<3xf32>) -> tensor<2x3xf32> {
  %y = kern.row %x, %w body {
  ^bb0(%e: f32, %f: f32):
    %p = arith.mulf %e, %f : f32
    %s = kern.all_sum %p : (f32) -> f32
    %d = arith.subf %p, %s : f32
    %h = kern.all_max %d : (f32) -> f32
    %r = arith.subf %d, %h : f32
    %q = arith.addf %r, %h : f32
    kern.yield %q : f32
  } : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// A product with both regions: halve and round on the way in; scale, add, clamp at zero on the way out.
// CALL @gemm
// INPUT a: [2, 4, 7], [-2, 0.5, 1e9]
// INPUT b: [1, 2], [3, -4], [5, 6]
// INPUT m: 0.5, 2
// INPUT bias: 1, -1
// EXPECT y 2x2: [14.5, 35], [638.5, 3059]
func.func @gemm(%a: tensor<2x3xf32>, %b: tensor<3x2xi8>, %m: tensor<2xf32>, %bias: tensor<2xf32>) -> tensor<2x2xf32> {
  %y = kern.gemm %a, %b, %m, %bias prologue {
  ^bb0(%x: f32):
    %h = arith.constant 0.5 : f32
    %p = arith.mulf %x, %h : f32
    %r = math.roundeven %p : f32
    %q = arith.fptoui %r : f32 to i8
    kern.yield %q : i8
  } epilogue {
  ^bb0(%acc: i32, %s: f32, %t: f32):
    %f = arith.sitofp %acc : i32 to f32
    %p = arith.mulf %f, %s : f32
    %q = arith.addf %p, %t : f32
    %z = arith.constant 0.0 : f32
    %r = arith.maximumf %q, %z : f32
    kern.yield %r : f32
  } {acc = i32, lhs = ui8, layout = "plain"} : (tensor<2x3xf32>, tensor<3x2xi8>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// The same matrix packed at call time, and packed beforehand: panels of 4 columns, 2 rows of k side by side.
// CALL @packed
// INPUT a: [1, 2, 3]
// INPUT b: [1, 2], [3, -4], [5, 6]
// EXPECT y 1x2: 22, 12
// EXPECT z 1x2: 22, 12
// EXPECT w 1x2: 22, 12
func.func @packed(%a: tensor<1x3xui8>, %b: tensor<3x2xi8>) -> (tensor<1x2xi32>, tensor<1x2xi32>, tensor<1x2xi32>) {
  %p = kern.pack %b {layout = "k2n4"} : (tensor<3x2xi8>) -> tensor<3x2xi8>
  %y = kern.gemm %a, %p prologue {
  ^bb0(%x: i8):
    kern.yield %x : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k2n4"} : (tensor<1x3xui8>, tensor<3x2xi8>) -> tensor<1x2xi32>
  %c = kern.packed_constant {value = dense<[1, 3, 2, -4, 0, 0, 0, 0, 5, 0, 6, 0, 0, 0, 0, 0]> : tensor<16xi8>, layout = "k2n4"} : () -> tensor<3x2xi8>
  %z = kern.gemm %a, %c prologue {
  ^bb0(%x: i8):
    kern.yield %x : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k2n4"} : (tensor<1x3xui8>, tensor<3x2xi8>) -> tensor<1x2xi32>
  %t = kern.map %b body {
  ^bb0(%x: i8):
    kern.yield %x : i8
  } {perm = array<i64: 1, 0>} : (tensor<3x2xi8>) -> tensor<2x3xi8>
  %q = kern.pack %t {layout = "k4n8", transpose = true} : (tensor<2x3xi8>) -> tensor<3x2xi8>
  %w = kern.gemm %a, %q prologue {
  ^bb0(%x: i8):
    kern.yield %x : i8
  } epilogue {
  ^bb0(%acc: i32):
    kern.yield %acc : i32
  } {acc = i32, layout = "k4n8"} : (tensor<1x3xui8>, tensor<3x2xi8>) -> tensor<1x2xi32>
  return %y, %z, %w : tensor<1x2xi32>, tensor<1x2xi32>, tensor<1x2xi32>
}

// The same bytes under another shape, and as codes of another type.
// CALL @view
// INPUT x: [1, 2, -3], [4, 5, 6]
// EXPECT y 6: 1, 2, -3, 4, 5, 6
// EXPECT u 3x2: 1, 2, 253, 4, 5, 6
func.func @view(%x: tensor<2x3xi8>) -> (tensor<6xi8>, tensor<3x2xui8>) {
  %y = kern.view %x : (tensor<2x3xi8>) -> tensor<6xi8>
  %u = kern.view %x : (tensor<2x3xi8>) -> tensor<3x2xui8>
  return %y, %u : tensor<6xi8>, tensor<3x2xui8>
}
