// Products with a scale for each block of k.

// Codes and scales given: 2*(1*1 + .. ) by hand. Block of 8, k = 8: sums 36 and -36 ..
// CALL @given
// INPUT a: 1, 2, 3, 4, 5, 6, 7, 8, 127, -127, 1, 0, 0, 0, 0, 0
// INPUT s: 0.5, 2
// EXPECT y 2x1: [9], [1]
func.func @given(%a: tensor<2x8xi8>, %s: tensor<2x1xf32>) -> tensor<2x1xf32> {
  %c = arith.constant dense<[[1], [1], [1], [1], [1], [1], [1], [1]]> : tensor<8x1xi4>
  %w = quant.scast %c : tensor<8x1xi4> to tensor<8x1x!quant.uniform<i4:f32:{0:8, 1:1}, {{0.5}}>>
  %y = quern.block_matmul %a, %s, %w : (tensor<2x8xi8>, tensor<2x1xf32>, tensor<8x1x!quant.uniform<i4:f32:{0:8, 1:1}, {{0.5}}>>) -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}
