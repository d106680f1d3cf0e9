// Kernels for layouts that no row is made for: panels wider than the registers hold, blocks longer than them, odd widths.
func.func @main(%x: tensor<12x70xui8>, %w: tensor<70x37xi8>, %y: tensor<12x70xf32>, %v: tensor<70x37xf32>, %z: tensor<3x70xi16>, %u: tensor<70x37xi16>)
    -> (tensor<12x37xi32>, tensor<12x37xi32>, tensor<12x37xi32>, tensor<12x37xf32>, tensor<12x37xf32>, tensor<3x37xi64>, tensor<3x37xi64>) {
  %p0 = kern.pack %w {layout = "k1n4096"} : (tensor<70x37xi8>) -> tensor<70x37xi8>
  %0 = kern.gemm %x, %p0 prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k1n4096"} : (tensor<12x70xui8>, tensor<70x37xi8>) -> tensor<12x37xi32>
  %p1 = kern.pack %w {layout = "k64n1"} : (tensor<70x37xi8>) -> tensor<70x37xi8>
  %1 = kern.gemm %x, %p1 prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k64n1"} : (tensor<12x70xui8>, tensor<70x37xi8>) -> tensor<12x37xi32>
  %p2 = kern.pack %w {layout = "k4n48"} : (tensor<70x37xi8>) -> tensor<70x37xi8>
  %2 = kern.gemm %x, %p2 prologue {
  ^bb0(%e: i8):
    kern.yield %e : i8
  } epilogue {
  ^bb0(%s: i32):
    kern.yield %s : i32
  } {acc = i32, layout = "k4n48"} : (tensor<12x70xui8>, tensor<70x37xi8>) -> tensor<12x37xi32>
  %p3 = kern.pack %v {layout = "k1n4096"} : (tensor<70x37xf32>) -> tensor<70x37xf32>
  %3 = kern.gemm %y, %p3 prologue {
  ^bb0(%e: f32):
    kern.yield %e : f32
  } epilogue {
  ^bb0(%s: f32):
    kern.yield %s : f32
  } {acc = f32, layout = "k1n4096"} : (tensor<12x70xf32>, tensor<70x37xf32>) -> tensor<12x37xf32>
  %p4 = kern.pack %v {layout = "k2n24"} : (tensor<70x37xf32>) -> tensor<70x37xf32>
  %4 = kern.gemm %y, %p4 prologue {
  ^bb0(%e: f32):
    kern.yield %e : f32
  } epilogue {
  ^bb0(%s: f32):
    kern.yield %s : f32
  } {acc = f32, layout = "k2n24"} : (tensor<12x70xf32>, tensor<70x37xf32>) -> tensor<12x37xf32>
  %p5 = kern.pack %u {layout = "k1n7"} : (tensor<70x37xi16>) -> tensor<70x37xi16>
  %5 = kern.gemm %z, %p5 prologue {
  ^bb0(%e: i16):
    kern.yield %e : i16
  } epilogue {
  ^bb0(%s: i64):
    kern.yield %s : i64
  } {acc = i64, layout = "k1n7"} : (tensor<3x70xi16>, tensor<70x37xi16>) -> tensor<3x37xi64>
  %p6 = kern.pack %u {layout = "k8n16"} : (tensor<70x37xi16>) -> tensor<70x37xi16>
  %6 = kern.gemm %z, %p6 prologue {
  ^bb0(%e: i16):
    kern.yield %e : i16
  } epilogue {
  ^bb0(%s: i64):
    kern.yield %s : i64
  } {acc = i64, layout = "k8n16"} : (tensor<3x70xi16>, tensor<70x37xi16>) -> tensor<3x37xi64>
  return %0, %1, %2, %3, %4, %5, %6 : tensor<12x37xi32>, tensor<12x37xi32>, tensor<12x37xi32>, tensor<12x37xf32>, tensor<12x37xf32>, tensor<3x37xi64>, tensor<3x37xi64>
}
