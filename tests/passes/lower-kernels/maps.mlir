// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni}' --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'lower-kernels{target=avx512vnni fuse=false}' --verify-each --check-each | FileCheck %s --check-prefix=APART

// A chain is one kernel, unless asked otherwise.
// CHECK-LABEL:  func.func @chain
// CHECK-NEXT:   %{{.*}} = kern.map %x, %y body {
// CHECK-NEXT:   ^bb0(%[[X:.*]]: f32, %[[Y:.*]]: f32):
// CHECK-NEXT:   %[[A:.*]] = arith.addf %[[X]], %[[Y]] : f32
// CHECK-NEXT:   %[[M:.*]] = arith.mulf %[[A]], %[[Y]] : f32
// CHECK-NEXT:   %[[Z:.*]] = arith.constant 0.0 : f32
// CHECK-NEXT:   arith.maximumf %[[M]], %[[Z]] : f32
// CHECK:        return
// APART-LABEL:  func.func @chain
// APART-COUNT-3: kern.map
func.func @chain(%x: tensor<3x5xf32>, %y: tensor<5xf32>) -> tensor<3x5xf32> {
  %a = quern.add %x, %y : (tensor<3x5xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  %m = quern.mul %a, %y : (tensor<3x5xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  %r = quern.relu %m : (tensor<3x5xf32>) -> tensor<3x5xf32>
  return %r : tensor<3x5xf32>
}

// A value with two readers stays a kernel; so does one that its reader spreads.
// CHECK-LABEL:  func.func @two_readers
// CHECK-COUNT-2: kern.map
// CHECK:        return
func.func @two_readers(%x: tensor<5xf32>, %y: tensor<3x5xf32>) -> (tensor<5xf32>, tensor<3x5xf32>) {
  %a = quern.exp %x : (tensor<5xf32>) -> tensor<5xf32>
  %b = quern.add %y, %a : (tensor<3x5xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  return %a, %b : tensor<5xf32>, tensor<3x5xf32>
}

// Scales and zero points along an axis are inputs that broadcast there.
// CHECK-LABEL:  func.func @per_axis
// CHECK:        dense<{{\[\[}}0.5], [0.25]]> : tensor<2x1xf32>
// CHECK:        dense<{{\[\[}}3], [4]]> : tensor<2x1xi32>
// CHECK:        kern.map %x, %{{.*}}, %{{.*}} body {
func.func @per_axis(%x: tensor<2x3xf32>) -> tensor<2x3x!quant.uniform<u8:f32:0, {0.5:3,0.25:4}>> {
  %q = quant.qcast %x : tensor<2x3xf32> to tensor<2x3x!quant.uniform<u8:f32:0, {0.5:3,0.25:4}>>
  return %q : tensor<2x3x!quant.uniform<u8:f32:0, {0.5:3,0.25:4}>>
}

// Sizes that are not known yet: a view says where they come from.
// CHECK-LABEL:  func.func @dynamic_sizes
// CHECK:        kern.view %x {shape = array<i64: -2, 6>}
func.func @dynamic_sizes(%x: tensor<?x2x3xf32>) -> tensor<?x6xf32> {
  %y = quern.reshape %x {shape = array<i64: -2, 6>} : (tensor<?x2x3xf32>) -> tensor<?x6xf32>
  %z = quern.relu %y : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return %z : tensor<?x6xf32>
}

// Inputs, constants and repeated values are copied out, so that compiled code writes every output.
// CHECK-LABEL:  func.func @copies
// CHECK-COUNT-3: kern.map
// CHECK:        return
func.func @copies(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %c = arith.constant dense<1.0> : tensor<2xf32>
  %y = quern.add %x, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %x, %c, %y, %y : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// What an observer sees is one more output, named by its key.
// CHECK-LABEL:  func.func @observed
// CHECK-SAME:   -> (tensor<2xf32> {quern.name = {{.*}}}, tensor<2xf32> {quern.name = "key0"})
func.func @observed(%x: tensor<2xf32>) -> tensor<2xf32> {
  %o = quern.observe %x {key = "key0"} : (tensor<2xf32>) -> tensor<2xf32>
  %y = quern.neg %o : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
