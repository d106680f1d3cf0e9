// Every height of tile up to the tallest, and one more.
!a8 = !quant.uniform<u8:f32, 0.5>
!w8 = !quant.uniform<i8:f32, 0.25>
func.func @main(%w: tensor<70x65x!w8>, %a: tensor<2x70x!a8>, %b: tensor<3x70x!a8>, %c: tensor<4x70x!a8>,
                %d: tensor<6x70x!a8>, %e: tensor<7x70x!a8>, %f: tensor<33x70x!a8>)
    -> (tensor<2x65xi32>, tensor<3x65xi32>, tensor<4x65xi32>, tensor<6x65xi32>, tensor<7x65xi32>, tensor<33x65xi32>) {
  %0 = quern.matmul %a, %w : (tensor<2x70x!a8>, tensor<70x65x!w8>) -> tensor<2x65xi32>
  %1 = quern.matmul %b, %w : (tensor<3x70x!a8>, tensor<70x65x!w8>) -> tensor<3x65xi32>
  %2 = quern.matmul %c, %w : (tensor<4x70x!a8>, tensor<70x65x!w8>) -> tensor<4x65xi32>
  %3 = quern.matmul %d, %w : (tensor<6x70x!a8>, tensor<70x65x!w8>) -> tensor<6x65xi32>
  %4 = quern.matmul %e, %w : (tensor<7x70x!a8>, tensor<70x65x!w8>) -> tensor<7x65xi32>
  %5 = quern.matmul %f, %w : (tensor<33x70x!a8>, tensor<70x65x!w8>) -> tensor<33x65xi32>
  return %0, %1, %2, %3, %4, %5 : tensor<2x65xi32>, tensor<3x65xi32>, tensor<4x65xi32>, tensor<6x65xi32>, tensor<7x65xi32>, tensor<33x65xi32>
}
