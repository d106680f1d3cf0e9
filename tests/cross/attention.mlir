// Attention by blocks of keys: floats and codes, masks, heads that share keys.
!q8 = !quant.uniform<u8:f32, 0.02:120>
!k8 = !quant.uniform<i8:f32, 0.02:3>
!v8 = !quant.uniform<u8:f32, 0.05:100>
func.func @main(%q: tensor<1x4x9x24xf32>, %k: tensor<1x2x70x24xf32>, %v: tensor<1x2x70x20xf32>, %m: tensor<9x70xf32>,
                %a: tensor<7x16x!q8>, %b: tensor<45x16x!k8>, %c: tensor<45x19x!v8>) -> (tensor<1x4x9x20xf32>, tensor<1x4x9x20xf32>, tensor<7x19xf32>) {
  %0 = quern.attention %q, %k, %v : (tensor<1x4x9x24xf32>, tensor<1x2x70x24xf32>, tensor<1x2x70x20xf32>) -> tensor<1x4x9x20xf32>
  %1 = quern.attention %q, %k, %v, %m : (tensor<1x4x9x24xf32>, tensor<1x2x70x24xf32>, tensor<1x2x70x20xf32>, tensor<9x70xf32>) -> tensor<1x4x9x20xf32>
  %2 = quern.attention %a, %b, %c : (tensor<7x16x!q8>, tensor<45x16x!k8>, tensor<45x19x!v8>) -> tensor<7x19xf32>
  return %0, %1, %2 : tensor<1x4x9x20xf32>, tensor<1x4x9x20xf32>, tensor<7x19xf32>
}
