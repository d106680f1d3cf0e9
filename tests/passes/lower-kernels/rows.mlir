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

// The row finds the parameters; quantizing is the prologue of the product that reads the codes.
// CHECK-LABEL:  func.func @dynamic
// CHECK:        kern.row %x body {
// CHECK:        kern.all_max
// CHECK:        kern.all_min
// CHECK:        : (tensor<3x4xf32>) -> (tensor<3x1xf32>, tensor<3x1xui8>)
// CHECK:        kern.gemm %x, %{{.*}}, %{{.*}}, %{{.*}} prologue {
// CHECK-NEXT:   ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: i8):
// CHECK:        num_prologue = 2
func.func @dynamic(%x: tensor<3x4xf32>, %w: tensor<4x2xi8>) -> (tensor<3x2xi32>, tensor<3x1xf32>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = ui8, per_row = true} : (tensor<3x4xf32>) -> (tensor<3x4xui8>, tensor<3x1xf32>, tensor<3x1xui8>)
  %acc = quern.matmul_integer %q, %w : (tensor<3x4xui8>, tensor<4x2xi8>) -> tensor<3x2xi32>
  return %acc, %s : tensor<3x2xi32>, tensor<3x1xf32>
}
