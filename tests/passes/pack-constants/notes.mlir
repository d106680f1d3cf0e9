// REQUIRES: llvm
// RUN: quern inspect %s --kernels --cpu avx2 | FileCheck %s
// RUN: quern inspect %s --json --cpu avx2 | FileCheck %s --check-prefix JSON

// CHECK:      kern.gemm
// CHECK:      notes  sparsity: 50% zeros, zero blocks: 50% of 4x4, 50% of 16x16; 50% of 16x8 skipped; sums of 8 products of bytes fit 16 bits
// JSON:       "notes":{{.*}}"sparsity: 50% zeros, zero blocks: 50% of 4x4, 50% of 16x16; 50% of 16x8 skipped; sums of 8 products of bytes fit 16 bits"
func.func @main(%x: tensor<5x32xui8>) -> tensor<5x1xi32> {
  %w = arith.constant dense<"0x0000000000000000000000000000000001020304050607080908070605040302"> : tensor<32x1xi8>
  %y = quern.matmul_integer %x, %w : (tensor<5x32xui8>, tensor<32x1xi8>) -> tensor<5x1xi32>
  return %y : tensor<5x1xi32>
}
