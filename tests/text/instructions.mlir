// The instruction that each row is named for stands in its code, and none that the row below it lacks.
// REQUIRES: llvm
// RUN: quern compile %s --cpu amx-int8 --emit obj -o %t.o
// RUN: objdump -d %t.o | FileCheck %s --check-prefix=AMX
// RUN: quern compile %s --cpu avx512vnni --emit asm -o - | FileCheck %s --check-prefix=AVX512VNNI
// RUN: quern compile %s --cpu avxvnni --emit asm -o - | FileCheck %s --check-prefix=AVXVNNI
// RUN: quern compile %s --cpu avx2 --emit asm -o - | FileCheck %s --check-prefix=AVX2
// RUN: quern compile %s --cpu x86-64 --emit asm -o - | FileCheck %s --check-prefix=SSE2
// RUN: quern compile %s --cpu aarch64-i8mm --emit asm -o - | FileCheck %s --check-prefix=I8MM
// RUN: quern compile %s --cpu aarch64-sve256 --emit asm -o - | FileCheck %s --check-prefix=SVE
// RUN: quern compile %s --cpu aarch64-dotprod --emit asm -o - | FileCheck %s --check-prefix=DOTPROD
// RUN: quern compile %s --cpu aarch64 --emit asm -o - | FileCheck %s --check-prefix=NEON
// RUN: quern compile %s --cpu riscv64-v --emit asm -o - | FileCheck %s --check-prefix=RVV
// RUN: quern inspect %s --kernels --cpu neoverse-n1 | FileCheck %s --check-prefix=FOREIGN
// RUN: not quern run %s --cpu neoverse-n1 2>&1 | FileCheck %s --check-prefix=REFUSED
// RUN: quern inspect %s --kernels --engine llvm --cpu avx2 | FileCheck %s --check-prefix=SLOW
func.func @main(%a: tensor<24x64x!quant.uniform<u8:f32, 0.5>>, %b: tensor<64x64x!quant.uniform<i8:f32, 0.25>>) -> tensor<24x64xi32> {
  %y = quern.matmul %a, %b : (tensor<24x64x!quant.uniform<u8:f32, 0.5>>, tensor<64x64x!quant.uniform<i8:f32, 0.25>>) -> tensor<24x64xi32>
  return %y : tensor<24x64xi32>
}

// Kernels of every row can be looked at; only those of this machine run. (On an AArch64 machine both lines hold, too.)
// FOREIGN: kern.gemm
// FOREIGN-NEXT: isa aarch64-dotprod
// FOREIGN-NEXT: tile 4x16 k4n16
// REFUSED: {{cannot run code for aarch64-dotprod|input .a.}}

// SLOW: kern.gemm gemm_ui8_i8_i32
// SLOW: slow the ISA row has no dot product of bytes: they are multiplied as numbers of 16 bits
// AMX-DAG: ldtilecfg
// AMX-DAG: tilezero %tmm3
// AMX-DAG: tileloadd {{.*}}%tmm4
// AMX-DAG: tileloaddt1 {{.*}}%tmm6
// AMX-DAG: tdpbusd %tmm6,%tmm4,%tmm0
// AMX-DAG: tilestored %tmm3
// AMX-DAG: tilerelease
// AVX512VNNI: vpdpbusd {{.*}}zmm
// AVXVNNI-NOT: zmm
// AVXVNNI: {vex} vpdpbusd {{.*}}ymm
// AVX2-NOT: vpdp
// AVX2: vpmaddwd {{.*}}ymm
// SSE2-NOT: ymm
// SSE2: pmaddwd {{.*}}xmm
// I8MM: usmmla v{{[0-9]+}}.4s
// SVE: ptrue p{{[0-9]+}}.s, vl8
// SVE: usdot z{{[0-9]+}}.s, z{{[0-9]+}}.b, z{{[0-9]+}}.b
// DOTPROD-NOT: {{usdot|mmla}}
// DOTPROD: sdot v{{[0-9]+}}.4s, v{{[0-9]+}}.16b, v{{[0-9]+}}.4b[{{[0-3]}}]
// NEON-NOT: {{dot|mmla}}
// NEON: smlal
// RVV: vwmacc{{(us|su)?}}.v
