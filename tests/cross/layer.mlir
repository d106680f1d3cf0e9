// A layer as models have it: quantize, multiply, bias, requantize in each of the three ways, dequantize, activations.
!x8 = !quant.uniform<u8:f32, 0.02:99>
!w8 = !quant.uniform<i8:f32, 0.01>
!y8 = !quant.uniform<i8:f32, 0.05:-7>
func.func @main(%x: tensor<7x30xf32>, %k: tensor<30x45xi8>, %b: tensor<45xi32>, %m: tensor<45xf32>)
    -> (tensor<7x45x!y8>, tensor<7x45x!y8>, tensor<7x45x!y8>, tensor<7x45xf32>, tensor<7x45xf32>, tensor<7x45xf32>) {
  %q = quant.qcast %x : tensor<7x30xf32> to tensor<7x30x!x8>
  %w = quant.scast %k : tensor<30x45xi8> to tensor<30x45x!w8>
  %acc = quern.matmul %q, %w : (tensor<7x30x!x8>, tensor<30x45x!w8>) -> tensor<7x45xi32>
  %s = quern.add %acc, %b : (tensor<7x45xi32>, tensor<45xi32>) -> tensor<7x45xi32>
  %0 = quern.requantize %s, %m : (tensor<7x45xi32>, tensor<45xf32>) -> tensor<7x45x!y8>
  %c = arith.constant dense<0.0071> : tensor<f32>
  %1 = quern.requantize %s, %c {mode = "fixed"} : (tensor<7x45xi32>, tensor<f32>) -> tensor<7x45x!y8>
  %2 = quern.requantize %s, %c {mode = "single"} : (tensor<7x45xi32>, tensor<f32>) -> tensor<7x45x!y8>
  %3 = quant.dcast %0 : tensor<7x45x!y8> to tensor<7x45xf32>
  %4 = quern.gelu %3 : (tensor<7x45xf32>) -> tensor<7x45xf32>
  %5 = quern.softmax %3 : (tensor<7x45xf32>) -> tensor<7x45xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<7x45x!y8>, tensor<7x45x!y8>, tensor<7x45x!y8>, tensor<7x45xf32>, tensor<7x45xf32>, tensor<7x45xf32>
}
