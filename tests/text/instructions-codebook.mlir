// Codes of a codebook are looked up as they lie where an instruction takes six bits of each index.
// REQUIRES: llvm
// RUN: quern compile %s --cpu avx512vbmi --emit asm -o - | FileCheck %s --check-prefix=VBMI
// RUN: quern compile %s --cpu avx512vnni --emit asm -o - | FileCheck %s --check-prefix=VNNI
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x2xf32> {
  %c = arith.constant dense<3> : tensor<8x2xui4>
  %w = quant.scast %c : tensor<8x2xui4> to tensor<8x2x!quern.uniform<!quant.quantile<ui4:f16, {-127.0,-104.0,-83.0,-65.0,-49.0,-35.0,-22.0,-10.0,1.0,13.0,25.0,38.0,53.0,69.0,89.0,113.0}>:f32:{0:8, 1:1}, {{2.0, 4.0}}>>
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<1x8xf32>) -> (tensor<1x8xi8>, tensor<1x1xf32>, tensor<1x1xi8>)
  %y = quern.block_matmul %q, %s, %w : (tensor<1x8xi8>, tensor<1x1xf32>, tensor<8x2x!quern.uniform<!quant.quantile<ui4:f16, {-127.0,-104.0,-83.0,-65.0,-49.0,-35.0,-22.0,-10.0,1.0,13.0,25.0,38.0,53.0,69.0,89.0,113.0}>:f32:{0:8, 1:1}, {{2.0, 4.0}}>>) -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}

// VBMI: vpermb
// VNNI-NOT: vpermb
// VNNI: vpshufb
