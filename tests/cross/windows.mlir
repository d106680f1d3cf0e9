// Products over windows of images: bytes in the layouts of most rows, floats in groups with strides and dilation.
func.func @main(%x: tensor<2x9x8x5xui8>, %w: tensor<45x37xi8>, %y: tensor<1x7x9x6xf32>, %v: tensor<2x12x19xf32>)
    -> (tensor<2x7x6x37xi32>, tensor<2x7x6x37xi32>, tensor<2x7x6x37xi32>, tensor<2x7x6x37xi32>, tensor<1x3x7x38xf32>) {
  %p0 = kern.pack %w {layout = "k1n16s3"} : (tensor<45x37xi8>) -> tensor<45x37xi8>
  %0 = kern.gemm %x, %p0 prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k1n16s3", window = array<i64: 3, 3, 1, 1, 1, 1>} : (tensor<2x9x8x5xui8>, tensor<45x37xi8>) -> tensor<2x7x6x37xi32>
  %p1 = kern.pack %w {layout = "k2n16s3"} : (tensor<45x37xi8>) -> tensor<45x37xi8>
  %1 = kern.gemm %x, %p1 prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k2n16s3", window = array<i64: 3, 3, 1, 1, 1, 1>} : (tensor<2x9x8x5xui8>, tensor<45x37xi8>) -> tensor<2x7x6x37xi32>
  %p2 = kern.pack %w {layout = "k4n16s3"} : (tensor<45x37xi8>) -> tensor<45x37xi8>
  %2 = kern.gemm %x, %p2 prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k4n16s3", window = array<i64: 3, 3, 1, 1, 1, 1>} : (tensor<2x9x8x5xui8>, tensor<45x37xi8>) -> tensor<2x7x6x37xi32>
  %p3 = kern.pack %w {layout = "k8n16s3"} : (tensor<45x37xi8>) -> tensor<45x37xi8>
  %3 = kern.gemm %x, %p3 prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k8n16s3", window = array<i64: 3, 3, 1, 1, 1, 1>} : (tensor<2x9x8x5xui8>, tensor<45x37xi8>) -> tensor<2x7x6x37xi32>
  %q = kern.pack %v {layout = "k1n16s4"} : (tensor<2x12x19xf32>) -> tensor<2x12x19xf32>
  %4 = kern.gemm %y, %q prologue {
  ^bb0(%e: f32):
    kern.yield %e : f32
  } epilogue {
  ^bb0(%s: f32):
    kern.yield %s : f32
  } {acc = f32, groups = 2, layout = "k1n16s4", window = array<i64: 2, 2, 2, 1, 2, 2>} : (tensor<1x7x9x6xf32>, tensor<2x12x19xf32>) -> tensor<1x3x7x38xf32>
  return %0, %1, %2, %3, %4 : tensor<2x7x6x37xi32>, tensor<2x7x6x37xi32>, tensor<2x7x6x37xi32>, tensor<2x7x6x37xi32>, tensor<1x3x7x38xf32>
}
