// Rows: softmax along each axis, a layer norm by its parts, quantization by what the call brings, casts of codes.
!i4 = !quant.uniform<i4:f32, 0.5>
!u16 = !quant.uniform<u16:f32, 0.001:30000>
!c8 = !quant.uniform<i8<-127:127>:f32:0, {0.5,0.25,0.125:3,1.0,2.0}>
func.func @main(%x: tensor<5x75xf32>, %y: tensor<2x3x6xf32>)
    -> (tensor<5x75xf32>, tensor<5x75xf32>, tensor<2x3x6xf32>, tensor<5x75xui8>, tensor<f32>, tensor<ui8>, tensor<5x75x!i4>, tensor<5x75x!u16>,
        tensor<5x75x!c8>, tensor<5x75xf32>) {
  %0 = quern.softmax %x : (tensor<5x75xf32>) -> tensor<5x75xf32>
  %1 = quern.softmax %x {axis = 0} : (tensor<5x75xf32>) -> tensor<5x75xf32>
  %2 = quern.softmax %y {axis = 1} : (tensor<2x3x6xf32>) -> tensor<2x3x6xf32>
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<5x75xf32>) -> (tensor<5x75xui8>, tensor<f32>, tensor<ui8>)
  %3 = quant.qcast %x : tensor<5x75xf32> to tensor<5x75x!i4>
  %4 = quant.qcast %x : tensor<5x75xf32> to tensor<5x75x!u16>
  %5 = quant.qcast %x : tensor<5x75xf32> to tensor<5x75x!c8>
  %6 = quant.dcast %5 : tensor<5x75x!c8> to tensor<5x75xf32>
  return %0, %1, %2, %q, %s, %z, %3, %4, %5, %6 : tensor<5x75xf32>, tensor<5x75xf32>, tensor<2x3x6xf32>, tensor<5x75xui8>, tensor<f32>, tensor<ui8>,
      tensor<5x75x!i4>, tensor<5x75x!u16>, tensor<5x75x!c8>, tensor<5x75xf32>
}
