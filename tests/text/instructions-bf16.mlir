// bf16 products that may be relaxed use the machine's where it has them; the others, and other rows, are exact.
// REQUIRES: llvm
// RUN: quern compile %s --cpu avx512bf16 --emit asm -o - | FileCheck %s --check-prefix=BF16
// RUN: quern compile %s --cpu amx-int8 --emit asm -o - | FileCheck %s --check-prefix=TILES
// RUN: quern compile %s --cpu avx512vnni --emit asm -o - | FileCheck %s --check-prefix=EXACT
// RUN: sed s/relaxed/exact/ %s > %t.mlir
// RUN: quern compile %t.mlir --cpu avx512bf16 --emit asm -o - | FileCheck %s --check-prefix=EXACT
// RUN: quern opt %t.mlir -p 'lower-kernels{target=avx512bf16 relaxed=true}' | FileCheck %s --check-prefix=LOWERED
func.func @main(%a: tensor<24x64xbf16>, %b: tensor<64x64xbf16>) -> tensor<24x64xf32> {
  %y = quern.matmul %a, %b {precision = "relaxed"} : (tensor<24x64xbf16>, tensor<64x64xbf16>) -> tensor<24x64xf32>
  return %y : tensor<24x64xf32>
}

// BF16: vdpbf16ps {{.*}}zmm
// TILES: tdpbf16ps %tmm{{.*}}%tmm
// EXACT-NOT: vdpbf16ps
// EXACT: vfmadd
// EXACT-NOT: vdpbf16ps
// LOWERED: kern.pack {{.*}}layout = "k2n64"{{.*}}xbf16>
// LOWERED: acc = f32, layout = "k2n64"
