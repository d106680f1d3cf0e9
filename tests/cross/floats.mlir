// Products of floats: one fma chain each, whatever the width of the vectors.
func.func @main(%a: tensor<11x29xf32>, %b: tensor<29x37xf32>, %c: tensor<5x13xf64>, %d: tensor<13x19xf64>, %e: tensor<29x11xf16>,
                %f: tensor<2x29x16xf16>) -> (tensor<11x37xf32>, tensor<5x19xf64>, tensor<2x11x16xf16>, tensor<11x37xbf16>) {
  %0 = quern.matmul %a, %b : (tensor<11x29xf32>, tensor<29x37xf32>) -> tensor<11x37xf32>
  %1 = quern.matmul %c, %d : (tensor<5x13xf64>, tensor<13x19xf64>) -> tensor<5x19xf64>
  %2 = quern.matmul %e, %f {transpose_a = true} : (tensor<29x11xf16>, tensor<2x29x16xf16>) -> tensor<2x11x16xf16>
  %g = quern.cast %a : (tensor<11x29xf32>) -> tensor<11x29xbf16>
  %h = quern.cast %b : (tensor<29x37xf32>) -> tensor<29x37xbf16>
  %3 = quern.matmul %g, %h : (tensor<11x29xbf16>, tensor<29x37xbf16>) -> tensor<11x37xbf16>
  return %0, %1, %2, %3 : tensor<11x37xf32>, tensor<5x19xf64>, tensor<2x11x16xf16>, tensor<11x37xbf16>
}
