// RUN: %if llvm %{ quern inspect %s --kernels --engine llvm --cpu avx2 | FileCheck %s --check-prefix=AVX2 %}
// RUN: %if llvm %{ quern inspect %s --kernels --engine llvm --cpu generic | FileCheck %s --check-prefix=GENERIC %}
// RUN: %if tcc %{ quern inspect %s --kernels --engine tcc --cpu avx2 | FileCheck %s --check-prefix=TCC %}
// RUN: %if tcc %{ env QUERN_VERBOSE=1 quern inspect %s --kernels --engine tcc 2>&1 >/dev/null | FileCheck %s --check-prefix=TRACE %}
// RUN: quern inspect %s --kernels --engine interp | FileCheck %s --check-prefix=INTERP
// RUN: quern inspect %s | FileCheck %s --check-prefix=SUMMARY
// RUN: quern inspect %s --dot - | FileCheck %s --check-prefix=DOT
// RUN: quern inspect %s --svg - | FileCheck %s --check-prefix=SVG
// RUN: quern inspect %s --html - --engine interp | FileCheck %s --check-prefix=HTML

// For each kernel: its tile, the instruction set, what is fused into it, and why nothing faster serves.
// AVX2: kern.gemm
// AVX2-NEXT: isa avx2
// AVX2-NEXT: tile
// AVX2-NEXT: fused relu
// AVX2-NOT: slow
// AVX2: kern.gemm gemm_i16_i16_i64
// AVX2: slow sums have 64 bits: no dot-product instruction adds into them

// GENERIC: kern.gemm gemm_f32
// GENERIC: slow the ISA row has no fused multiply-add

// TCC: kern.gemm gemm_f32
// TCC: slow libtcc compiles scalar code: it has no vector types
// TCC: slow sums have 64 bits

// TRACE: quern: kernel gemm_f32{{.*}}: f32, f32 -> f32, tcc {{.*}} (relu); slow: libtcc compiles scalar code: it has no vector types
// TRACE: quern: compiled for tcc {{.*}} in {{.*}} ms: {{[0-9]+}} of {{[0-9]+}} bodies are ready
// TRACE: quern: body gemm_f32{{.*}}: tcc, {{compiled|cached}} in {{.*}} ms, {{[0-9]+}} bytes

// INTERP: no kernels: engine interp evaluates ops as they are

// SUMMARY: functions 1
// SUMMARY: kernels 0

// SVG: <svg xmlns=
// SVG: <title>quern.matmul
// SVG: </svg>

// HTML: <!DOCTYPE html>
// HTML: <h2>Inputs</h2>
// HTML: <h2>Ops</h2>
// HTML: <h2>Graph</h2>
// HTML: </html>

// DOT: digraph program {
// DOT: label="quern.matmul"
func.func @main(%a: tensor<4x8xf32>, %b: tensor<8x5xf32>, %c: tensor<4x8x!quant.uniform<i16:f32, 0.1>>, %d: tensor<8x5x!quant.uniform<i16:f32, 0.1>>) -> (tensor<4x5xf32>, tensor<4x5xi64>) {
  %0 = quern.matmul %a, %b : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32>
  %1 = quern.relu %0 : (tensor<4x5xf32>) -> tensor<4x5xf32>
  %2 = quern.matmul %c, %d : (tensor<4x8x!quant.uniform<i16:f32, 0.1>>, tensor<8x5x!quant.uniform<i16:f32, 0.1>>) -> tensor<4x5xi64>
  return %1, %2 : tensor<4x5xf32>, tensor<4x5xi64>
}
