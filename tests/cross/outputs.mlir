// Outputs that no kernel of the program computes: an input, a constant, one value twice, another view of it.
func.func @main(%x: tensor<3x5xf32>, %c: tensor<7xi8>) -> (tensor<3x5xf32>, tensor<7xi8>, tensor<4xf32>, tensor<3x5xf32>, tensor<3x5xf32>, tensor<15xf32>) {
  %same = quern.cast %x : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %k = arith.constant dense<[1.0, -0.0, 0.5, 3.0]> : tensor<4xf32>
  %n = quern.neg %x : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %flat = quern.reshape %n {shape = array<i64: 15>} : (tensor<3x5xf32>) -> tensor<15xf32>
  return %same, %c, %k, %n, %n, %flat : tensor<3x5xf32>, tensor<7xi8>, tensor<4xf32>, tensor<3x5xf32>, tensor<3x5xf32>, tensor<15xf32>
}
