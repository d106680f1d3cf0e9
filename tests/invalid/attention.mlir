// RUN: not quern opt %s --verify-each 2>&1 | FileCheck %s
// Shapes, types and attributes of attention.

func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<2x6x8xf32>, %v: tensor<2x6x3xf32>, %k7: tensor<2x7x8xf32>, %d: tensor<2x6x9xf32>, %h: tensor<6x8xf32>, %k3: tensor<3x6x8xf32>, %v3: tensor<3x6x3xf32>, %i: tensor<2x6x8xi32>, %m: tensor<4x5xi1>, %mi: tensor<4x6xi32>, %e: tensor<2x4x8xf64>) {
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}operands tensor<2x4x8xf32>, tensor<2x6x9xf32> and tensor<2x6x3xf32>: the last axes of q and k differ, expected one size of a head
  %0 = quern.attention %q, %d, %v : (tensor<2x4x8xf32>, tensor<2x6x9xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}operands {{.*}}: k and v have different numbers of keys
  %1 = quern.attention %q, %k7, %v : (tensor<2x4x8xf32>, tensor<2x7x8xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}operands {{.*}}: expected one rank of 2 or more: [.., queries, d], [.., keys, d], [.., keys, dv]
  %2 = quern.attention %q, %h, %v : (tensor<2x4x8xf32>, tensor<6x8xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}operands {{.*}}: the leading axes of k and v are not those of q, nor 1, nor a divisor of q's heads
  %3 = quern.attention %q, %k3, %v3 : (tensor<2x4x8xf32>, tensor<3x6x8xf32>, tensor<3x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}operands have elements of f32, i32 and f32, expected one of f32, f16 and bf16 for all, or 8-bit codes of f32 with one scale each
  %4 = quern.attention %q, %i, %v : (tensor<2x4x8xf32>, tensor<2x6x8xi32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}operands have elements of f64, f64 and f64
  %5 = quern.attention %e, %e, %e : (tensor<2x4x8xf64>, tensor<2x4x8xf64>, tensor<2x4x8xf64>) -> tensor<2x4x8xf64>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}key_block is 0, expected a multiple of 32 from 32 to 1024
  %6 = quern.attention %q, %k, %v {key_block = 0} : (tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}key_block is 48, expected a multiple of 32 from 32 to 1024
  %7 = quern.attention %q, %k, %v {key_block = 48} : (tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}operand 3 is tensor<4x5xi1>, which does not broadcast to the scores, tensor<2x4x6xf32>
  %8 = quern.attention %q, %k, %v, %m : (tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x3xf32>, tensor<4x5xi1>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}mask has elements of i32, expected i1 or f32
  %9 = quern.attention %q, %k, %v, %mi : (tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x3xf32>, tensor<4x6xi32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}left{{.*}}
  %10 = quern.attention %q, %k, %v {causal = "left"} : (tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}scale is inf as f32, expected a finite number
  %11 = quern.attention %q, %k, %v {scale = 1.0e300 : f64} : (tensor<2x4x8xf32>, tensor<2x6x8xf32>, tensor<2x6x3xf32>) -> tensor<2x4x3xf32>
  return
}

func.func @kernel(%q: tensor<4x8xf32>, %k: tensor<6x8xf32>, %v: tensor<6x3xf32>) -> tensor<4x3xf32> {
  %kt = kern.pack %k {layout = "k1n32", transpose = true} : (tensor<6x8xf32>) -> tensor<8x6xf32>
  %vp = kern.pack %v {layout = "k1n16"} : (tensor<6x3xf32>) -> tensor<6x3xf32>
  // CHECK: attention.mlir:[[@LINE+1]]:{{[0-9]+}}: error: {{.*}}layout_k has panels of 32 columns, expected one per key block of 64
  %y = kern.attention %q, %kt, %vp score {
  ^bb0(%s: f32):
    kern.yield %s : f32
  } weight {
  ^bb0(%s: f32, %m: f32):
    kern.yield %s : f32
  } epilogue {
  ^bb0(%o: f32, %l: f32):
    kern.yield %o : f32
  } {acc = f32, key_block = 64, layout_k = "k1n32", layout_v = "k1n16"} : (tensor<4x8xf32>, tensor<8x6xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  // CHECK: attention.mlir:[[@LINE+6]]:{{[0-9]+}}: error: {{.*}}the weight yields 2 values, expected 1
  %z = kern.attention %q, %kt, %vp score {
  ^bb0(%s: f32):
    kern.yield %s : f32
  } weight {
  ^bb0(%s: f32, %m: f32):
    kern.yield %s, %m : f32, f32
  } epilogue {
  ^bb0(%o: f32, %l: f32):
    kern.yield %o : f32
  } {acc = f32, key_block = 32, layout_k = "k1n32", layout_v = "k1n16"} : (tensor<4x8xf32>, tensor<8x6xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}
