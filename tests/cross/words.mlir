// Products of 16 bits into 64, and of codes that are not bytes, which are made 16 bits wide, into 32.
!a16 = !quant.uniform<i16:f32, 0.5>
!u16 = !quant.uniform<u16:f32, 0.5:40000>
!w8 = !quant.uniform<i8:f32, 0.25>
!w4 = !quant.uniform<i4:f32, 0.5:1>
!a8 = !quant.uniform<u8:f32, 0.5:117>
func.func @main(%a: tensor<9x27x!a16>, %b: tensor<27x35x!a16>, %c: tensor<9x27x!u16>, %d: tensor<27x40x!w8>, %e: tensor<9x27x!a8>, %f: tensor<27x40xf32>)
    -> (tensor<9x35xi64>, tensor<9x40xi64>, tensor<9x40xi32>) {
  %0 = quern.matmul %a, %b : (tensor<9x27x!a16>, tensor<27x35x!a16>) -> tensor<9x35xi64>
  %1 = quern.matmul %c, %d : (tensor<9x27x!u16>, tensor<27x40x!w8>) -> tensor<9x40xi64>
  %w = quant.qcast %f : tensor<27x40xf32> to tensor<27x40x!w4>
  %2 = quern.matmul %e, %w : (tensor<9x27x!a8>, tensor<27x40x!w4>) -> tensor<9x40xi32>
  return %0, %1, %2 : tensor<9x35xi64>, tensor<9x40xi64>, tensor<9x40xi32>
}
