// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni},dce' --verify-each --check-each | FileCheck %s

// CHECK-LABEL:  func.func @softmax
// CHECK-NEXT:   %y = kern.row %x body {
// CHECK-NEXT:   ^bb0(%[[X:.*]]: f32):
// CHECK-NEXT:   %[[MAX:.*]] = kern.all_max %[[X]]
// CHECK-NEXT:   %[[D:.*]] = arith.subf %[[X]], %[[MAX]] : f32
// CHECK-NEXT:   %[[E:.*]] = math.exp %[[D]] : f32
// CHECK-NEXT:   %[[SUM:.*]] = kern.all_sum %[[E]]
// CHECK-NEXT:   %[[Y:.*]] = arith.divf %[[E]], %[[SUM]] : f32
// CHECK-NEXT:   kern.yield %[[Y]] : f32
func.func @softmax(%x: tensor<3x5xf32>) -> tensor<3x5xf32> {
  %y = quern.softmax %x : (tensor<3x5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

// Another axis is brought to the end and back.
// CHECK-LABEL:  func.func @softmax_axis
// CHECK:        perm = array<i64: 2, 1, 0>
// CHECK:        kern.row
// CHECK:        perm = array<i64: 2, 1, 0>
func.func @softmax_axis(%x: tensor<3x5x2xf32>) -> tensor<3x5x2xf32> {
  %y = quern.softmax %x {axis = 0} : (tensor<3x5x2xf32>) -> tensor<3x5x2xf32>
  return %y : tensor<3x5x2xf32>
}

// What follows a row joins its body.
// CHECK-LABEL:  func.func @row_and_map
// CHECK:        kern.row
// CHECK:        arith.divf
// CHECK-NEXT:   arith.mulf
// CHECK-NEXT:   kern.yield
// CHECK-NOT:    kern.map
func.func @row_and_map(%x: tensor<3x5xf32>, %s: tensor<5xf32>) -> tensor<3x5xf32> {
  %y = quern.softmax %x : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %z = quern.mul %y, %s : (tensor<3x5xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  return %z : tensor<3x5xf32>
}

// With a range per row one kernel finds the parameters and quantizes; the product reads its codes.
// CHECK-LABEL:  func.func @dynamic_rows
// CHECK:        kern.row %x body {
// CHECK:        kern.all_max
// CHECK:        kern.all_min
// CHECK:        kern.yield %{{.*}}, %{{.*}}, %{{.*}} : i8, f32, i8
// CHECK:        : (tensor<3x4xf32>) -> (tensor<3x4xui8>, tensor<3x1xf32>, tensor<3x1xui8>)
// CHECK-NOT:    kern.map
// CHECK:        kern.gemm %q, %{{.*}} prologue {
func.func @dynamic_rows(%x: tensor<3x4xf32>, %w: tensor<4x2xi8>) -> (tensor<3x2xi32>, tensor<3x1xf32>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<3x4xf32>) -> (tensor<3x4xui8>, tensor<3x1xf32>, tensor<3x1xui8>)
  %acc = quern.matmul_integer %q, %w : (tensor<3x4xui8>, tensor<4x2xi8>) -> tensor<3x2xi32>
  return %acc, %s : tensor<3x2xi32>, tensor<3x1xf32>
}

// With one range the row finds the parameters; quantizing is the prologue of the product that reads the codes.
// CHECK-LABEL:  func.func @dynamic
// CHECK:        kern.all_max
// CHECK:        kern.all_min
// CHECK:        : (tensor<12xf32>) -> (tensor<1xf32>, tensor<1xui8>)
// CHECK:        kern.gemm %x, %{{.*}}, %{{.*}}, %{{.*}} prologue {
// CHECK-NEXT:   ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: i8):
// CHECK:        num_prologue = 2
func.func @dynamic(%x: tensor<3x4xf32>, %w: tensor<4x2xi8>) -> (tensor<3x2xi32>, tensor<f32>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<3x4xf32>) -> (tensor<3x4xui8>, tensor<f32>, tensor<ui8>)
  %acc = quern.matmul_integer %q, %w : (tensor<3x4xui8>, tensor<4x2xi8>) -> tensor<3x2xi32>
  return %acc, %s : tensor<3x2xi32>, tensor<f32>
}

// A large tensor's range is that of its parts, which threads can share.
// CHECK-LABEL:  func.func @dynamic_large
// CHECK:        kern.view %x {shape = array<i64: 32, 9375>}
// CHECK:        : (tensor<32x9375xf32>) -> (tensor<32x1xf32>, tensor<32x1xf32>)
// CHECK:        : (tensor<32xf32>, tensor<32xf32>) -> (tensor<1xf32>, tensor<1xui8>)
// CHECK:        kern.map %x
func.func @dynamic_large(%x: tensor<500x600xf32>) -> (tensor<500x600xui8>, tensor<f32>, tensor<ui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<500x600xf32>) -> (tensor<500x600xui8>, tensor<f32>, tensor<ui8>)
  return %q, %s, %z : tensor<500x600xui8>, tensor<f32>, tensor<ui8>
}

// A short map that only feeds a row is part of it.
// CHECK-LABEL:  func.func @map_and_row
// CHECK:        kern.row %x, %m body {
// CHECK-NEXT:   ^bb0(%[[X:.*]]: f32, %[[M:.*]]: f32):
// CHECK-NEXT:   %[[S:.*]] = arith.addf %[[X]], %[[M]] : f32
// CHECK-NEXT:   kern.all_max %[[S]]
// CHECK-NOT:    kern.map
func.func @map_and_row(%x: tensor<3x5xf32>, %m: tensor<5xf32>) -> tensor<3x5xf32> {
  %y = quern.add %x, %m : (tensor<3x5xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  %z = quern.softmax %y : (tensor<3x5xf32>) -> tensor<3x5xf32>
  return %z : tensor<3x5xf32>
}

// So is a map of the result's size that only feeds an epilogue: scales of rows times scales of columns are no matrix.
// CHECK-LABEL:  func.func @map_and_epilogue
// CHECK-NOT:    kern.map %r
// CHECK:        kern.gemm %a, %{{.*}}, %{{.*}}, %{{.*}} prologue {
// CHECK:        epilogue {
// CHECK:        arith.mulf
// CHECK:        arith.mulf
// CHECK-NOT:    kern.map
func.func @map_and_epilogue(%a: tensor<3x4xui8>, %w: tensor<4x2xi8>, %r: tensor<3x1xf32>, %c: tensor<2xf32>) -> tensor<3x2xf32> {
  %acc = quern.matmul_integer %a, %w : (tensor<3x4xui8>, tensor<4x2xi8>) -> tensor<3x2xi32>
  %f = quern.cast %acc : (tensor<3x2xi32>) -> tensor<3x2xf32>
  %s = quern.mul %r, %c : (tensor<3x1xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  %y = quern.mul %f, %s : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
