// Products of bytes: codes of both signs on both sides, constant and not, sizes that end inside every block and panel.
!a8 = !quant.uniform<u8:f32, 0.5:117>
!s8 = !quant.uniform<i8:f32, 0.5:-3>
!w8 = !quant.uniform<i8:f32, 0.25>
!v8 = !quant.uniform<u8:f32, 0.25:200>
func.func @main(%a: tensor<13x29x!a8>, %b: tensor<29x37x!w8>, %c: tensor<3x5x31x!s8>, %d: tensor<31x70x!w8>,
                %e: tensor<1x64x!a8>, %f: tensor<64x128x!v8>, %g: tensor<17x96xui8>, %h: tensor<96x33xi8>, %z: tensor<33xi8>)
    -> (tensor<13x37xi32>, tensor<3x5x70xi32>, tensor<1x128xi32>, tensor<17x33xi32>, tensor<13x24xi32>, tensor<13x37xi64>) {
  %0 = quern.matmul %a, %b : (tensor<13x29x!a8>, tensor<29x37x!w8>) -> tensor<13x37xi32>
  %1 = quern.matmul %c, %d : (tensor<3x5x31x!s8>, tensor<31x70x!w8>) -> tensor<3x5x70xi32>
  %2 = quern.matmul %e, %f : (tensor<1x64x!a8>, tensor<64x128x!v8>) -> tensor<1x128xi32>
  %t = arith.constant dense<9> : tensor<ui8>
  %3 = quern.matmul_integer %g, %h, %t, %z : (tensor<17x96xui8>, tensor<96x33xi8>, tensor<ui8>, tensor<33xi8>) -> tensor<17x33xi32>
  %k = arith.constant dense<-77> : tensor<24x29xi8>
  %w = quant.scast %k : tensor<24x29xi8> to tensor<24x29x!w8>
  %4 = quern.matmul %a, %w {transpose_b = true} : (tensor<13x29x!a8>, tensor<24x29x!w8>) -> tensor<13x24xi32>
  %5 = quern.matmul %a, %b : (tensor<13x29x!a8>, tensor<29x37x!w8>) -> tensor<13x37xi64>
  return %0, %1, %2, %3, %4, %5 : tensor<13x37xi32>, tensor<3x5x70xi32>, tensor<1x128xi32>, tensor<17x33xi32>, tensor<13x24xi32>, tensor<13x37xi64>
}
