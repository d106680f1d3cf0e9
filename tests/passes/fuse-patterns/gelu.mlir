// RUN: quern opt %s -p fuse-patterns | FileCheck %s

// CHECK-LABEL: func.func @by_erf
// CHECK-NEXT: %y = quern.gelu %x : (tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: return
func.func @by_erf(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %a = quern.div %x, %r : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %e = quern.erf %a : (tensor<4xf32>) -> tensor<4xf32>
  %s = quern.add %e, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %m = quern.mul %x, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y = quern.mul %m, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// The half first, a factor instead of a divisor.
// CHECK-LABEL: func.func @half_first
// CHECK-NEXT: %y = quern.gelu %x : (tensor<4xf32>) -> tensor<4xf32>
func.func @half_first(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = arith.constant dense<0.707106769> : tensor<1xf32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %h = quern.mul %half, %x : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %a = quern.mul %x, %r : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %e = quern.erf %a : (tensor<4xf32>) -> tensor<4xf32>
  %s = quern.add %one, %e : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %y = quern.mul %h, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func.func @by_tanh
// CHECK-NEXT: %y = quern.gelu %x {approximate = "tanh"} : (tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: return
func.func @by_tanh(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = arith.constant dense<0.797884583> : tensor<f32>
  %k = arith.constant dense<4.471500e-02> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %x2 = quern.mul %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %x3 = quern.mul %x2, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %kx3 = quern.mul %k, %x3 : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %i = quern.add %x, %kx3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %a = quern.mul %i, %r : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %t = quern.tanh %a : (tensor<4xf32>) -> tensor<4xf32>
  %s = quern.add %t, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %h = quern.mul %x, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %y = quern.mul %h, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Another x, another constant, a step that is used elsewhere: nothing is raised.
// CHECK-LABEL: func.func @kept
// CHECK-NOT: quern.gelu
// CHECK: return
func.func @kept(%x: tensor<4xf32>, %z: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %r = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %a = quern.div %x, %r : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %e = quern.erf %a : (tensor<4xf32>) -> tensor<4xf32>
  %s = quern.add %e, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %m = quern.mul %z, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y = quern.mul %m, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %e1 = quern.erf %x : (tensor<4xf32>) -> tensor<4xf32>
  %s1 = quern.add %e1, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %m1 = quern.mul %x, %s1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y1 = quern.mul %m1, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %a2 = quern.div %x, %r : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %e2 = quern.erf %a2 : (tensor<4xf32>) -> tensor<4xf32>
  %s2 = quern.add %e2, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %m2 = quern.mul %x, %s2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y2 = quern.mul %m2, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %y3 = quern.add %y2, %s2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y, %y1, %y3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
