// Convolutions: codes in groups of all sizes, one channel each among them, floats, both layouts.
!x8 = !quant.uniform<u8:f32, 0.5:117>
!w8 = !quant.uniform<i8:f32, 0.25>
!d8 = !quant.uniform<u8:f32, 0.5:7>
func.func @main(%x: tensor<2x7x8x5x!x8>, %w: tensor<3x3x5x37x!w8>, %d: tensor<1x6x7x35x!d8>, %e: tensor<3x3x1x35x!w8>,
                %f: tensor<1x7x6x8xf32>, %g: tensor<3x2x4x22xf32>, %h: tensor<1x20x5x5xf32>, %i: tensor<20x1x3x3xf32>)
    -> (tensor<2x7x8x37xi32>, tensor<1x6x7x35xi32>, tensor<1x4x5x22xf32>, tensor<1x20x5x5xf32>) {
  %0 = quern.conv2d %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<2x7x8x5x!x8>, tensor<3x3x5x37x!w8>) -> tensor<2x7x8x37xi32>
  %1 = quern.conv2d %d, %e {groups = 35, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x6x7x35x!d8>, tensor<3x3x1x35x!w8>) -> tensor<1x6x7x35xi32>
  %2 = quern.conv2d %f, %g {groups = 2, pads = array<i64: 1, 0, 1, 0>, strides = array<i64: 2, 1>} : (tensor<1x7x6x8xf32>, tensor<3x2x4x22xf32>) -> tensor<1x4x5x22xf32>
  %3 = quern.conv2d %h, %i {groups = 20, layout = "nchw", pads = array<i64: 1, 1, 1, 1>} : (tensor<1x20x5x5xf32>, tensor<20x1x3x3xf32>) -> tensor<1x20x5x5xf32>
  return %0, %1, %2, %3 : tensor<2x7x8x37xi32>, tensor<1x6x7x35xi32>, tensor<1x4x5x22xf32>, tensor<1x20x5x5xf32>
}
