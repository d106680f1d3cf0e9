// RUN: quern opt %s -p fold-qparams --verify-each --check-each | FileCheck %s

!a = !quant.uniform<u8:f32, 0.5:3>
!n = !quant.uniform<i8<-127:127>:f32, 0.5>
!c = !quant.uniform<i8<-127:127>:f32:1, {0.25,0.5,0.75}>
!y = !quant.uniform<u8:f32, 0.125>

// The same type: nothing is left. Another one: (q - z) * s1/s2.
// CHECK-LABEL:  func.func @pairs
// CHECK-NEXT:   %[[S:.*]] = quant.scast %q : {{.*}} to tensor<4xui8>
// CHECK-NEXT:   %[[I:.*]] = quern.cast %[[S]] : (tensor<4xui8>) -> tensor<4xi32>
// CHECK-NEXT:   %[[Z:.*]] = arith.constant dense<3> : tensor<i32>
// CHECK-NEXT:   %[[D:.*]] = quern.sub %[[I]], %[[Z]]
// CHECK-NEXT:   %[[M:.*]] = arith.constant dense<4.0> : tensor<f32>
// CHECK-NEXT:   %[[R:.*]] = quern.requantize %[[D]], %[[M]]
// CHECK-NEXT:   return %q, %[[R]]
func.func @pairs(%q: tensor<4x!a>) -> (tensor<4x!a>, tensor<4x!y>) {
  %x = quant.dcast %q : tensor<4x!a> to tensor<4xf32>
  %0 = quant.qcast %x : tensor<4xf32> to tensor<4x!a>
  %1 = quant.qcast %x : tensor<4xf32> to tensor<4x!y>
  return %0, %1 : tensor<4x!a>, tensor<4x!y>
}

// Codes from outside may lie out of the range, where quantizing would clamp them. Scales along an axis make a vector.
// CHECK-LABEL:  func.func @pairs_clamped
// CHECK:        %[[N:.*]] = quern.requantize {{.*}} -> tensor<2x3x!quant.uniform<i8<-127:127>:f32, 0.5>>
// CHECK:        %[[M:.*]] = arith.constant dense<{{\[\[}}2.0], [4.0], [6.0]]> : tensor<3x1xf32>
// CHECK:        quern.requantize {{.*}}, %[[M]]
func.func @pairs_clamped(%n: tensor<2x3x!n>, %c: tensor<2x3x4x!c>) -> (tensor<2x3x!n>, tensor<2x3x4x!y>) {
  %x = quant.dcast %n : tensor<2x3x!n> to tensor<2x3xf32>
  %0 = quant.qcast %x : tensor<2x3xf32> to tensor<2x3x!n>
  %w = quant.dcast %c : tensor<2x3x4x!c> to tensor<2x3x4xf32>
  %1 = quant.qcast %w : tensor<2x3x4xf32> to tensor<2x3x4x!y>
  return %0, %1 : tensor<2x3x!n>, tensor<2x3x4x!y>
}

// Dequantizing comes after what only moves, selects or clamps: codes move instead.
// CHECK-LABEL:  func.func @sinks
// CHECK-NEXT:   %[[R:.*]] = quern.reshape %q {{.*}} -> tensor<2x12x!quant.uniform<u8:f32, 0.5:3>>
// CHECK-NEXT:   %[[S:.*]] = quant.scast %[[R]]
// CHECK-NEXT:   %[[Z:.*]] = arith.constant dense<3> : tensor<ui8>
// CHECK-NEXT:   %[[M:.*]] = quern.maximum %[[S]], %[[Z]]
// CHECK-NEXT:   %[[Q:.*]] = quant.scast %[[M]]
// CHECK-NEXT:   %[[T:.*]] = quern.transpose %[[Q]]
// CHECK-NEXT:   quant.dcast %[[T]]
func.func @sinks(%q: tensor<4x6x!a>) -> tensor<12x2xf32> {
  %x = quant.dcast %q : tensor<4x6x!a> to tensor<4x6xf32>
  %0 = quern.reshape %x {shape = array<i64: 2, 12>} : (tensor<4x6xf32>) -> tensor<2x12xf32>
  %1 = quern.relu %0 : (tensor<2x12xf32>) -> tensor<2x12xf32>
  %2 = quern.transpose %1 {perm = array<i64: 1, 0>} : (tensor<2x12xf32>) -> tensor<12x2xf32>
  return %2 : tensor<12x2xf32>
}

// Codes of one type are ordered as their floats are. A clip at two codes (2.0 is 7, -1.0 is 1); one between codes stays.
// CHECK-LABEL:  func.func @limits
// CHECK:        quern.minimum {{.*}} : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
// CHECK:        quern.maximum {{.*}} : (tensor<4xui8>, tensor<ui8>) -> tensor<4xui8>
// CHECK:        quern.minimum {{.*}} : (tensor<4xui8>, tensor<ui8>) -> tensor<4xui8>
// CHECK:        quern.clip {{.*}} {max = 0.75 : f32, min = -1.0 : f32} : (tensor<4xf32>)
func.func @limits(%p: tensor<4x!a>, %q: tensor<4x!a>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %x = quant.dcast %p : tensor<4x!a> to tensor<4xf32>
  %y = quant.dcast %q : tensor<4x!a> to tensor<4xf32>
  %0 = quern.minimum %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.clip %x {min = -1.0 : f32, max = 2.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = quern.clip %x {min = -1.0 : f32, max = 0.75 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// A transpose takes the axis of the scales along; a reshape would lose it.
// CHECK-LABEL:  func.func @axes
// CHECK:        quern.transpose %c {{.*}} -> tensor<3x2x!quant.uniform<i8<-127:127>:f32:0, {0.25,0.5,0.75}>>
// CHECK:        quant.dcast %c : {{.*}} to tensor<2x3xf32>
// CHECK-NEXT:   quern.reshape {{.*}} : (tensor<2x3xf32>) -> tensor<6xf32>
func.func @axes(%c: tensor<2x3x!c>) -> (tensor<3x2xf32>, tensor<6xf32>) {
  %x = quant.dcast %c : tensor<2x3x!c> to tensor<2x3xf32>
  %0 = quern.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %y = quant.dcast %c : tensor<2x3x!c> to tensor<2x3xf32>
  %1 = quern.reshape %y {shape = array<i64: 6>} : (tensor<2x3xf32>) -> tensor<6xf32>
  return %0, %1 : tensor<3x2xf32>, tensor<6xf32>
}

// Quantizing comes before what only moves, and does a relu's work when its codes begin at zero.
// CHECK-LABEL:  func.func @rises
// CHECK-NEXT:   %[[Q:.*]] = quant.qcast %x : tensor<4x6xf32>
// CHECK-NEXT:   quern.reshape %[[Q]]
func.func @rises(%x: tensor<4x6xf32>) -> tensor<2x12x!y> {
  %0 = quern.reshape %x {shape = array<i64: 2, 12>} : (tensor<4x6xf32>) -> tensor<2x12xf32>
  %1 = quern.relu %0 : (tensor<2x12xf32>) -> tensor<2x12xf32>
  %2 = quant.qcast %1 : tensor<2x12xf32> to tensor<2x12x!y>
  return %2 : tensor<2x12x!y>
}

// With other codes below zero the relu stays.
// CHECK-LABEL:  func.func @relu_stays
// CHECK-NEXT:   quern.relu
// CHECK-NEXT:   quant.qcast
func.func @relu_stays(%x: tensor<4xf32>) -> tensor<4x!a> {
  %0 = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = quant.qcast %0 : tensor<4xf32> to tensor<4x!a>
  return %1 : tensor<4x!a>
}
