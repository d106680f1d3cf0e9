// RUN: %if tcc %{ not quern compile %s --emit c -o - 2>&1 | FileCheck %s %}
// RUN: %if llvm %{ not quern compile %s --emit asm -o - 2>&1 | FileCheck %s %}
// A kernel has no room for every block of rows.

func.func @main(%q: tensor<4x4096xf32>, %k: tensor<600x4096xf32>, %v: tensor<600x64xf32>) -> tensor<4x64xf32> {
  // CHECK: attention-rows.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}layout_k is "plain", and a block of 512 rows takes more than the 131072 bytes that a kernel has for it, or their length is not known: pack them with kern.pack
  %y = kern.attention %q, %k, %v score {
  ^bb0(%s: f32):
    kern.yield %s : f32
  } weight {
  ^bb0(%s: f32, %m: f32):
    kern.yield %s : f32
  } epilogue {
  ^bb0(%o: f32, %l: f32):
    kern.yield %o : f32
  } {acc = f32, key_block = 512, layout_k = "plain", layout_v = "plain"} : (tensor<4x4096xf32>, tensor<600x4096xf32>, tensor<600x64xf32>) -> tensor<4x64xf32>
  return %y : tensor<4x64xf32>
}
