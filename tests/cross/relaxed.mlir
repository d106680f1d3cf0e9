// Products of bf16 that need not have the order of the contract: close to it where a row makes use of that, the same elsewhere.
func.func @main(%a: tensor<11x37xf32>, %b: tensor<37x130xf32>, %c: tensor<1x64xf32>, %d: tensor<64x64xf32>) -> (tensor<11x130xf32>, tensor<1x64xbf16>) {
  %g = quern.cast %a : (tensor<11x37xf32>) -> tensor<11x37xbf16>
  %h = quern.cast %b : (tensor<37x130xf32>) -> tensor<37x130xbf16>
  %0 = quern.matmul %g, %h {precision = "relaxed"} : (tensor<11x37xbf16>, tensor<37x130xbf16>) -> tensor<11x130xf32>
  %i = quern.cast %c : (tensor<1x64xf32>) -> tensor<1x64xbf16>
  %j = quern.cast %d : (tensor<64x64xf32>) -> tensor<64x64xbf16>
  %1 = quern.matmul %i, %j {precision = "relaxed"} : (tensor<1x64xbf16>, tensor<64x64xbf16>) -> tensor<1x64xbf16>
  return %0, %1 : tensor<11x130xf32>, tensor<1x64xbf16>
}
