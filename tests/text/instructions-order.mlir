// Rows of a small product end one after the other, so that no store of sums waits for another: the first row is done with
// its last block of K when the last row is blocks behind. Sums do not leave the registers for anything but results.
// REQUIRES: llvm
// RUN: quern compile %s --cpu avx512vnni --emit asm -o - | FileCheck %s
func.func @main(%a: tensor<16x64x!quant.uniform<u8:f32, 0.5>>, %b: tensor<64x16x!quant.uniform<i8:f32, 0.25>>) -> tensor<16x16xi32> {
  %y = quern.matmul %a, %b : (tensor<16x64x!quant.uniform<u8:f32, 0.5>>, tensor<64x16x!quant.uniform<i8:f32, 0.25>>) -> tensor<16x16xi32>
  return %y : tensor<16x16xi32>
}

// CHECK-LABEL: gemm_ui8_i8_i32
// CHECK-NOT: (%rsp)
// CHECK: vpbroadcastd 60(
// CHECK: vmovdqu64 %zmm0, (
// CHECK-NOT: (%rsp)
// CHECK: vpbroadcastd 1012(
// CHECK-NOT: (%rsp)
// CHECK: vpbroadcastd 1020(
// CHECK-NOT: (%rsp)
// CHECK: retq
