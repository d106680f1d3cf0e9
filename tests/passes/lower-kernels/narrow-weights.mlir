// Constants of 16-bit floats stay what they are where less to read pays for widening them in the product: few rows, or
// rows that are not known.
// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni},canonicalize,dce' | FileCheck %s

// CHECK-LABEL: func.func @one_row
// CHECK: kern.pack {{.*}} {layout = "k2n64"} : (tensor<512x512xbf16>) -> tensor<512x512xbf16>
// CHECK: kern.gemm
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: lhs = f32} : (tensor<1x512xbf16>, tensor<512x512xbf16>) -> tensor<1x512xf32>
func.func @one_row(%x: tensor<1x512xbf16>) -> tensor<1x512xf32> {
  %w = arith.constant dense<1.5> : tensor<512x512xbf16>
  %y = quern.matmul %x, %w : (tensor<1x512xbf16>, tensor<512x512xbf16>) -> tensor<1x512xf32>
  return %y : tensor<1x512xf32>
}

// CHECK-LABEL: func.func @any_rows
// CHECK: kern.pack {{.*}} {layout = "k1n64"{{.*}}} : (tensor<512x512xf16>) -> tensor<512x512xf16>
// CHECK: lhs = f32} : (tensor<?x512xf16>, tensor<512x512xf16>) -> tensor<?x512xf32>
func.func @any_rows(%x: tensor<?x512xf16>) -> tensor<?x512xf32> {
  %w = arith.constant dense<1.5> : tensor<512x512xf16>
  %y = quern.matmul %x, %w {transpose_b = true} : (tensor<?x512xf16>, tensor<512x512xf16>) -> tensor<?x512xf32>
  return %y : tensor<?x512xf32>
}

// CHECK-LABEL: func.func @many_rows
// CHECK: lhs = f32} : (tensor<256x512xf16>, tensor<512x512xf32>) -> tensor<256x512xf32>
func.func @many_rows(%x: tensor<256x512xf16>) -> tensor<256x512xf32> {
  %w = arith.constant dense<1.5> : tensor<512x512xf16>
  %y = quern.matmul %x, %w : (tensor<256x512xf16>, tensor<512x512xf16>) -> tensor<256x512xf32>
  return %y : tensor<256x512xf32>
}

// Not a constant: it is packed at every call, and widened then.
// CHECK-LABEL: func.func @activations
// CHECK: lhs = f32} : (tensor<1x512xf16>, tensor<512x512xf32>) -> tensor<1x512xf32>
func.func @activations(%x: tensor<1x512xf16>, %w: tensor<512x512xf16>) -> tensor<1x512xf32> {
  %y = quern.matmul %x, %w : (tensor<1x512xf16>, tensor<512x512xf16>) -> tensor<1x512xf32>
  return %y : tensor<1x512xf32>
}
