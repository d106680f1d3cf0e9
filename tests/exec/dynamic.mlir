// Sizes that only the call knows, zero among them; what does not fit is refused by every engine.

// The largest of nothing is below everything, the sum of nothing is +0.
// CALL @static
// INPUT x:
// EXPECT y 2x1: -inf, -inf
// EXPECT s 2x1: 0.0, 0.0
func.func @static(%x: tensor<2x0xf32>) -> (tensor<2x1xf32>, tensor<2x1xf32>) {
  %y, %s = kern.row %x body {
  ^bb0(%e: f32):
    %m = kern.all_max %e : (f32) -> f32
    %t = kern.all_sum %e : (f32) -> f32
    kern.yield %m, %t : f32, f32
  } : (tensor<2x0xf32>) -> (tensor<2x1xf32>, tensor<2x1xf32>)
  return %y, %s : tensor<2x1xf32>, tensor<2x1xf32>
}
// CALL @dynamic
// INPUT x 2x0:
// EXPECT y 2x1: -inf, -inf
func.func @dynamic(%x: tensor<2x?xf32>) -> tensor<2x1xf32> {
  %y = kern.row %x body {
  ^bb0(%e: f32):
    %m = kern.all_max %e : (f32) -> f32
    kern.yield %m : f32
  } : (tensor<2x?xf32>) -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}
// Rows without elements have a range of zeros only.
// CALL @dq
// INPUT x 0x4:
// EXPECT q 0x4:
// EXPECT s 0x1:
// EXPECT z 0x1:
// INPUT x 2x0:
// EXPECT q 2x0:
// EXPECT s 2x1: 1, 1
// EXPECT z 2x1: 0, 0
func.func @dq(%x: tensor<?x?xf32>) -> (tensor<?x?xui8>, tensor<?x1xf32>, tensor<?x1xui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<?x?xf32>) -> (tensor<?x?xui8>, tensor<?x1xf32>, tensor<?x1xui8>)
  return %q, %s, %z : tensor<?x?xui8>, tensor<?x1xf32>, tensor<?x1xui8>
}
// CALL @mm
// INPUT a 0x3:
// INPUT b 3x0:
// EXPECT y 0x0:
// INPUT a 2x0:
// INPUT b 0x2:
// EXPECT y 2x2: 0.0, 0.0, 0.0, 0.0
// INPUT a 2x3: 1*6
// INPUT b 3x0:
// EXPECT y 2x0:
func.func @mm(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %p = quern.matmul %a, %b : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %y = quern.relu %p : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
// CALL @mismatch
// INPUT a 2x3: 1*6
// INPUT b 4x2: 1*8
// FAILS 3
func.func @mismatch(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %p = quern.matmul %a, %b : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return %p : tensor<?x?xf32>
}
// CALL @bcast
// INPUT a 2x3: 1*6
// INPUT b 1x3: 1, 2, 3
// EXPECT y 2x3: 2, 3, 4, 2, 3, 4
// INPUT a 2x1: 5, 6
// INPUT b 1x3: 1, 2, 3
// EXPECT y 2x3: 6, 7, 8, 7, 8, 9
// INPUT a 2x3: 1*6
// INPUT b 4x3: 1*12
// FAILS 4
func.func @bcast(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %y = quern.add %a, %b : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}
