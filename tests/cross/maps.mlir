// Elementwise functions and conversions of every kind, special values among the inputs.
func.func @main(%x: tensor<3x43xf32>, %y: tensor<43xf32>, %h: tensor<129xf16>, %i: tensor<77xi32>, %l: tensor<77xi64>)
    -> (tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>,
        tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf16>, tensor<3x43xbf16>, tensor<3x43xf32>,
        tensor<129xf32>, tensor<3x43xi8>, tensor<3x43xi64>, tensor<77xf32>, tensor<77xf32>, tensor<77xf16>, tensor<77xi32>, tensor<77xi64>) {
  %0 = quern.exp %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %1 = quern.log %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %2 = quern.tanh %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %3 = quern.erf %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %4 = quern.sigmoid %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %5 = quern.gelu %x {approximate = "tanh"} : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %6 = quern.sqrt %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %7 = quern.div %x, %y : (tensor<3x43xf32>, tensor<43xf32>) -> tensor<3x43xf32>
  %8 = quern.maximum %x, %y : (tensor<3x43xf32>, tensor<43xf32>) -> tensor<3x43xf32>
  %9 = quern.round %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %10 = quern.floor %x : (tensor<3x43xf32>) -> tensor<3x43xf32>
  %11 = quern.cast %x : (tensor<3x43xf32>) -> tensor<3x43xf16>
  %12 = quern.cast %x : (tensor<3x43xf32>) -> tensor<3x43xbf16>
  %e = quern.cast %x : (tensor<3x43xf32>) -> tensor<3x43xf8E4M3FN>
  %13 = quern.cast %e : (tensor<3x43xf8E4M3FN>) -> tensor<3x43xf32>
  %14 = quern.cast %h : (tensor<129xf16>) -> tensor<129xf32>
  %15 = quern.cast %x : (tensor<3x43xf32>) -> tensor<3x43xi8>
  %16 = quern.cast %x : (tensor<3x43xf32>) -> tensor<3x43xi64>
  %17 = quern.cast %i : (tensor<77xi32>) -> tensor<77xf32>
  %18 = quern.cast %l : (tensor<77xi64>) -> tensor<77xf32>
  %19 = quern.cast %i : (tensor<77xi32>) -> tensor<77xf16>
  %j = quern.cast %l : (tensor<77xi64>) -> tensor<77xi32>
  %20 = quern.div %i, %j : (tensor<77xi32>, tensor<77xi32>) -> tensor<77xi32>
  %21 = quern.mul %l, %l : (tensor<77xi64>, tensor<77xi64>) -> tensor<77xi64>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21 :
      tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>,
      tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf32>, tensor<3x43xf16>, tensor<3x43xbf16>, tensor<3x43xf32>,
      tensor<129xf32>, tensor<3x43xi8>, tensor<3x43xi64>, tensor<77xf32>, tensor<77xf32>, tensor<77xf16>, tensor<77xi32>, tensor<77xi64>
}
