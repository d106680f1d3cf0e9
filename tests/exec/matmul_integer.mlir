// Integer products with zero points as values, as ONNX's MatMulInteger has them; sums wrap in i32.

// CALL @plain
// INPUT a: [255, 1], [0, 128]
// INPUT b: [-128, 127], [3, -3]
// EXPECT y 2x2: [-32637, 32382], [384, -384]
func.func @plain(%a: tensor<2x2xui8>, %b: tensor<2x2xi8>) -> tensor<2x2xi32> {
  %y = quern.matmul_integer %a, %b : (tensor<2x2xui8>, tensor<2x2xi8>) -> tensor<2x2xi32>
  return %y : tensor<2x2xi32>
}

// CALL @zero_points
// INPUT a: [255, 1], [0, 128]
// INPUT b: [-128, 127], [3, -3]
// INPUT za: 128
// INPUT zb: 3
// EXPECT y 2x2: [-16637, 16510], [16768, -15872]
func.func @zero_points(%a: tensor<2x2xui8>, %b: tensor<2x2xi8>, %za: tensor<ui8>, %zb: tensor<i8>) -> tensor<2x2xi32> {
  %y = quern.matmul_integer %a, %b, %za, %zb : (tensor<2x2xui8>, tensor<2x2xi8>, tensor<ui8>, tensor<i8>) -> tensor<2x2xi32>
  return %y : tensor<2x2xi32>
}

// One zero point per row of a, one per column of b: rows (10-10, 20-10), (10-20, 20-20).
// CALL @per_row_and_column
// INPUT a: [10, 20], [10, 20]
// INPUT b: [1, 2], [3, 4]
// INPUT za: 10, 20
// INPUT zb: 1, 2
// EXPECT y 2x2: [20, 20], [0, 0]
func.func @per_row_and_column(%a: tensor<2x2xui8>, %b: tensor<2x2xui8>, %za: tensor<2xui8>, %zb: tensor<2xui8>) -> tensor<2x2xi32> {
  %y = quern.matmul_integer %a, %b, %za, %zb : (tensor<2x2xui8>, tensor<2x2xui8>, tensor<2xui8>, tensor<2xui8>) -> tensor<2x2xi32>
  return %y : tensor<2x2xi32>
}

// CALL @wraps
// INPUT a: 255*40000
// INPUT b: 255*40000
// EXPECT y 1x1: -1693967296
func.func @wraps(%a: tensor<1x40000xui8>, %b: tensor<40000x1xui8>) -> tensor<1x1xi32> {
  %y = quern.matmul_integer %a, %b : (tensor<1x40000xui8>, tensor<40000x1xui8>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

// CALL @signed_left
// INPUT a: -128, 127
// INPUT b: 255, 255
// EXPECT y 1x1: -255
func.func @signed_left(%a: tensor<1x2xi8>, %b: tensor<2x1xui8>) -> tensor<1x1xi32> {
  %y = quern.matmul_integer %a, %b : (tensor<1x2xi8>, tensor<2x1xui8>) -> tensor<1x1xi32>
  return %y : tensor<1x1xi32>
}

// CALL @batched
// INPUT a: [1, 2], [3, 4]
// INPUT b: 5, 6
// EXPECT y 2x1x1: 17, 39
func.func @batched(%a: tensor<2x1x2xi8>, %b: tensor<2x1xi8>) -> tensor<2x1x1xi32> {
  %y = quern.matmul_integer %a, %b : (tensor<2x1x2xi8>, tensor<2x1xi8>) -> tensor<2x1x1xi32>
  return %y : tensor<2x1x1xi32>
}
