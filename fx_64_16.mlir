func.func @f(%q: tensor<1x1026x64xf32>, %k: tensor<1x1024x64xf32>, %v: tensor<1x1024x16xf32>) -> tensor<1x1026x16xf32> {
  %y = quern.attention %q, %k, %v : (tensor<1x1026x64xf32>, tensor<1x1024x64xf32>, tensor<1x1024x16xf32>) -> tensor<1x1026x16xf32>
  return %y : tensor<1x1026x16xf32>
}
