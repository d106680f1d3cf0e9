// RUN: quern opt %s -p canonicalize --verify-each --check-each | FileCheck %s

// CHECK-LABEL: func.func @chains
// CHECK-NEXT:  %[[R:.*]] = quern.relu %x
// CHECK-NEXT:  %[[A:.*]] = quern.abs %x
// CHECK-NEXT:  %[[F:.*]] = quern.floor %x
// CHECK-NEXT:  return %x, %[[R]], %[[A]], %[[A]], %[[F]]
func.func @chains(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = quern.neg %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.neg %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  %3 = quern.relu %2 : (tensor<4xf32>) -> tensor<4xf32>
  %4 = quern.abs %0 : (tensor<4xf32>) -> tensor<4xf32>
  %5 = quern.relu %4 : (tensor<4xf32>) -> tensor<4xf32>
  %6 = quern.floor %x : (tensor<4xf32>) -> tensor<4xf32>
  %7 = quern.round %6 : (tensor<4xf32>) -> tensor<4xf32>
  return %1, %3, %4, %5, %7 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// |-128| of i8 wraps to -128, so the relu does something.
// CHECK-LABEL: func.func @int_abs
// CHECK:       quern.abs
// CHECK:       quern.relu
func.func @int_abs(%x: tensor<4xi8>) -> tensor<4xi8> {
  %0 = quern.abs %x : (tensor<4xi8>) -> tensor<4xi8>
  %1 = quern.relu %0 : (tensor<4xi8>) -> tensor<4xi8>
  return %1 : tensor<4xi8>
}

// maximum with +0.0 is relu; with -0.0 it is not, for it gives -0 where relu gives +0.
// CHECK-LABEL: func.func @maximum
// CHECK-DAG:   %[[R:.*]] = quern.relu %x
// CHECK-DAG:   %[[M:.*]] = quern.maximum %x, %m
// CHECK:       return %[[R]], %[[M]]
func.func @maximum(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %m = arith.constant dense<-0.0> : tensor<4xf32>
  %0 = quern.maximum %z, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.maximum %x, %m : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// Two clips are one, relu counts as one; apart they leave one value; without bounds they leave all.
// CHECK-LABEL: func.func @clip
// CHECK-NEXT:  %[[A:.*]] = quern.clip %x {max = 4.0{{.*}}, min = 0.5{{.*}}}
// CHECK-NEXT:  %[[B:.*]] = quern.clip %x {max = 6.0{{.*}}, min = 0.0{{.*}}}
// CHECK-NEXT:  %[[C:.*]] = quern.clip %x {max = 2.0{{.*}}, min = 2.0{{.*}}}
// CHECK-NEXT:  %[[D:.*]] = quern.relu %x
// CHECK-NEXT:  return %[[A]], %[[B]], %[[C]], %[[D]], %x
func.func @clip(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = quern.clip %x {min = -1.0 : f32, max = 4.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.clip %0 {min = 0.5 : f32, max = 8.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  %3 = quern.clip %2 {min = -3.0 : f32, max = 6.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %4 = quern.clip %x {min = -1.0 : f32, max = 0.5 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %5 = quern.clip %4 {min = 2.0 : f32, max = 3.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %6 = quern.clip %x {min = 0.0 : f32, max = 0x7F800000 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %7 = quern.clip %x {min = 0xFF800000 : f32, max = 0x7F800000 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return %1, %3, %5, %6, %7 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// f16 rounds 0.1 between two clips: they stay two.
// CHECK-LABEL: func.func @clip_rounds
// CHECK-COUNT-2: quern.clip
func.func @clip_rounds(%x: tensor<4xf16>) -> tensor<4xf16> {
  %0 = quern.clip %x {min = 0.1 : f32, max = 4.0 : f32} : (tensor<4xf16>) -> tensor<4xf16>
  %1 = quern.clip %0 {min = 0.1 : f32, max = 3.0 : f32} : (tensor<4xf16>) -> tensor<4xf16>
  return %1 : tensor<4xf16>
}

// A cast through a type that holds every value is one cast, or none.
// CHECK-LABEL: func.func @casts
// CHECK-NEXT:  %[[A:.*]] = quern.cast %i : (tensor<4xi8>) -> tensor<4xi64>
// CHECK-NEXT:  %[[B:.*]] = quern.cast %h : (tensor<4xf16>) -> tensor<4xi8>
// CHECK-NEXT:  return %[[A]], %[[B]], %h
func.func @casts(%i: tensor<4xi8>, %h: tensor<4xf16>) -> (tensor<4xi64>, tensor<4xi8>, tensor<4xf16>) {
  %0 = quern.cast %i : (tensor<4xi8>) -> tensor<4xi32>
  %1 = quern.cast %0 : (tensor<4xi32>) -> tensor<4xi64>
  %2 = quern.cast %h : (tensor<4xf16>) -> tensor<4xf64>
  %3 = quern.cast %2 : (tensor<4xf64>) -> tensor<4xi8>
  %4 = quern.cast %2 : (tensor<4xf64>) -> tensor<4xf16>
  return %1, %3, %4 : tensor<4xi64>, tensor<4xi8>, tensor<4xf16>
}

// Through a narrower type, or from integers through floats (which saturate where integers wrap): two.
// CHECK-LABEL: func.func @casts_kept
// CHECK-COUNT-6: quern.cast
func.func @casts_kept(%i: tensor<4xi16>, %f: tensor<4xf32>, %u: tensor<4xui8>) -> (tensor<4xi32>, tensor<4xf32>, tensor<4xi8>) {
  %0 = quern.cast %u : (tensor<4xui8>) -> tensor<4xi8>
  %1 = quern.cast %0 : (tensor<4xi8>) -> tensor<4xi32>
  %2 = quern.cast %f : (tensor<4xf32>) -> tensor<4xbf16>
  %3 = quern.cast %2 : (tensor<4xbf16>) -> tensor<4xf32>
  %4 = quern.cast %i : (tensor<4xi16>) -> tensor<4xf32>
  %5 = quern.cast %4 : (tensor<4xf32>) -> tensor<4xi8>
  return %1, %3, %5 : tensor<4xi32>, tensor<4xf32>, tensor<4xi8>
}
