// RUN: quern opt %s -p cse --verify-each --check-each | FileCheck %s

// CHECK-LABEL: func.func @chain
// CHECK-NEXT:  %[[C:.*]] = arith.constant dense<2.0>
// CHECK-NEXT:  %[[M:.*]] = quern.mul %x, %[[C]]
// CHECK-NEXT:  %[[E:.*]] = quern.exp %[[M]]
// CHECK-NEXT:  %[[A:.*]] = quern.add %[[E]], %[[E]]
// CHECK-NEXT:  return %[[A]]
func.func @chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant dense<2.0> : tensor<4xf32>
  %d = arith.constant dense<2.0> : tensor<4xf32>
  %0 = quern.mul %x, %c : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.mul %x, %d : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = quern.exp %0 : (tensor<4xf32>) -> tensor<4xf32>
  %3 = quern.exp %1 : (tensor<4xf32>) -> tensor<4xf32>
  %4 = quern.add %2, %3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}

// Operands in another order are the same for commutative ops only.
// CHECK-LABEL: func.func @commutative
// CHECK-NEXT:  %[[A:.*]] = quern.add %x, %y
// CHECK-NEXT:  %[[S:.*]] = quern.sub %x, %y
// CHECK-NEXT:  %[[T:.*]] = quern.sub %y, %x
// CHECK-NEXT:  return %[[A]], %[[A]], %[[S]], %[[T]]
func.func @commutative(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = quern.add %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.add %y, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = quern.sub %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = quern.sub %y, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// Other attributes, other result types, or an effect: not equal.
// CHECK-LABEL: func.func @different
// CHECK-COUNT-2: quern.softmax
// CHECK-COUNT-2: quern.cast
// CHECK-COUNT-2: quern.observe
func.func @different(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xi8>, tensor<4x4xi16>, tensor<4x4xf32>, tensor<4x4xf32>) {
  %0 = quern.softmax %x {axis = 0} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = quern.softmax %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = quern.cast %x : (tensor<4x4xf32>) -> tensor<4x4xi8>
  %3 = quern.cast %x : (tensor<4x4xf32>) -> tensor<4x4xi16>
  %4 = quern.observe %x {key = "a"} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %5 = quern.observe %x {key = "a"} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xi8>, tensor<4x4xi16>, tensor<4x4xf32>, tensor<4x4xf32>
}

// Each function has its own ops.
// CHECK-LABEL: func.func @first
// CHECK:       quern.exp
// CHECK-LABEL: func.func @second
// CHECK:       quern.exp
func.func @first(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @second(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
