// RUN: quern opt %s -p canonicalize --verify-each --check-each | FileCheck %s

// Neutral elements of floats: -0.0 for addition, +0.0 for subtraction, 1.0 for products and quotients, the infinities for
// maximum and minimum. The constant is found on either side of a commutative op.
// CHECK-LABEL: func.func @float_neutral
// CHECK-NEXT:  return %x, %x, %x, %x, %x, %x
func.func @float_neutral(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %zero = arith.constant dense<0.0> : tensor<f32>
  %minus_zero = arith.constant dense<-0.0> : tensor<4xf32>
  %inf = arith.constant dense<0x7F800000> : tensor<4xf32>
  %minus_inf = arith.constant dense<0xFF800000> : tensor<1xf32>
  %0 = quern.add %minus_zero, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.sub %x, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = quern.mul %one, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = quern.div %x, %one : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = quern.maximum %x, %minus_inf : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %5 = quern.minimum %inf, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// What looks neutral and is not: x + 0.0 turns -0 into +0, x - -0.0 as well; 0 - x, x * 0.0, x - x and 1 / x are others.
// CHECK-LABEL: func.func @float_not_neutral
// CHECK:       quern.add %x, %zero
// CHECK:       quern.sub %x, %minus_zero
// CHECK:       quern.sub %zero, %x
// CHECK:       quern.mul %x, %zero
// CHECK:       quern.sub %x, %x
// CHECK:       quern.div %one, %x
func.func @float_not_neutral(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %minus_zero = arith.constant dense<-0.0> : tensor<4xf32>
  %0 = quern.add %x, %zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.sub %x, %minus_zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = quern.sub %zero, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = quern.mul %x, %zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = quern.sub %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = quern.div %one, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// Neutral elements that would change the shape stay; so does a constant that is neutral in part.
// CHECK-LABEL: func.func @shape_matters
// CHECK:       quern.mul %x, %one
// CHECK:       quern.mul %y, %some
func.func @shape_matters(%x: tensor<1xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %some = arith.constant dense<[1.0, 1.0, 1.0, 2.0]> : tensor<4xf32>
  %0 = quern.mul %x, %one : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.mul %y, %some : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @int_neutral
// CHECK-NEXT:  return %x, %x, %x, %x, %x
func.func @int_neutral(%x: tensor<4xi8>) -> (tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>) {
  %zero = arith.constant dense<0> : tensor<4xi8>
  %one = arith.constant dense<1> : tensor<4xi8>
  %low = arith.constant dense<-128> : tensor<4xi8>
  %high = arith.constant dense<127> : tensor<4xi8>
  %0 = quern.add %zero, %x : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  %1 = quern.sub %0, %zero : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  %2 = quern.mul %x, %one : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  %3 = quern.maximum %x, %low : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  %4 = quern.minimum %x, %high : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  return %0, %1, %2, %3, %4 : tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>
}

// Constants that decide the result of an integer op, and equal operands.
// CHECK-LABEL: func.func @int_absorbing
// CHECK-DAG:   %[[ZERO:.*]] = arith.constant dense<0> : tensor<4xui8>
// CHECK-DAG:   %[[HIGH:.*]] = arith.constant dense<255> : tensor<4xui8>
// CHECK:       return %[[ZERO]], %[[HIGH]], %[[ZERO]], %x, %{{.*}} :
func.func @int_absorbing(%x: tensor<4xui8>) -> (tensor<4xui8>, tensor<4xui8>, tensor<4xui8>, tensor<4xui8>, tensor<4xui8>) {
  %zero = arith.constant dense<0> : tensor<4xui8>
  %high = arith.constant dense<255> : tensor<4xui8>
  %0 = quern.mul %x, %zero : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  %1 = quern.maximum %high, %x : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  %2 = quern.minimum %x, %zero : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  %3 = quern.maximum %x, %x : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  %4 = quern.sub %x, %x : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %0, %1, %2, %3, %4 : tensor<4xui8>, tensor<4xui8>, tensor<4xui8>, tensor<4xui8>, tensor<4xui8>
}

// Integers wrap, so constants can be put together; floats round, so they cannot.
// CHECK-LABEL: func.func @regrouped
// CHECK-DAG:   %[[C:.*]] = arith.constant dense<-106> : tensor<4xi8>
// CHECK-DAG:   %[[A:.*]] = quern.add %x, %[[C]]
// CHECK-DAG:   %[[B:.*]] = quern.add %y,
// CHECK-DAG:   %[[D:.*]] = quern.add %[[B]],
// CHECK:       return %[[A]], %[[D]]
func.func @regrouped(%x: tensor<4xi8>, %y: tensor<4xf32>) -> (tensor<4xi8>, tensor<4xf32>) {
  %c = arith.constant dense<100> : tensor<4xi8>
  %d = arith.constant dense<50> : tensor<4xi8>
  %e = arith.constant dense<0.1> : tensor<4xf32>
  %0 = quern.add %c, %x : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  %1 = quern.add %d, %0 : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  %2 = quern.add %y, %e : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = quern.add %2, %e : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %1, %3 : tensor<4xi8>, tensor<4xf32>
}

// Dividing by a power of two is multiplying by its reciprocal; by 3 it is not, nor where the reciprocal is subnormal.
// CHECK-LABEL: func.func @reciprocal
// CHECK-DAG:   %[[Q:.*]] = arith.constant dense<-0.25> : tensor<f32>
// CHECK-DAG:   %[[A:.*]] = quern.mul %x, %[[Q]]
// CHECK-DAG:   %[[B:.*]] = quern.div %x, %three
// CHECK-DAG:   %[[C:.*]] = quern.div %x, %huge
// CHECK:       return %[[A]], %[[B]], %[[C]]
func.func @reciprocal(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %four = arith.constant dense<-4.0> : tensor<f32>
  %three = arith.constant dense<3.0> : tensor<f32>
  %huge = arith.constant dense<0x7F000000> : tensor<f32>
  %0 = quern.div %x, %four : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = quern.div %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = quern.div %x, %huge : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
