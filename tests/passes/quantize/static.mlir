// RUN: quern opt %s -p quantize --verify-each | FileCheck %s
// RUN: quern opt %s -p 'quantize{weights=i4,activations=i8,granularity=tensor}' --verify-each | FileCheck %s --check-prefix=I4

!r = !quant.calibrated<f32<-1.0:1.55>>
!s = !quant.calibrated<f32<0.0:5.1>>

// Codes of the weight are computed here: 127 * w / max|w| of its column. Ranges are gone, the bias and what lies
// between stay float, and signatures are as they were.
// CHECK-LABEL:  func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT:   %w = arith.constant dense<{{\[\[}}127, -95], [-64, 127]]> : tensor<2x2xi8>
// CHECK-NEXT:   %[[Q:.*]] = quant.scast %w : tensor<2x2xi8> to tensor<2x2x!quant.uniform<i8<-127:127>:f32:1, {0.007874016,0.015748031}>>
// CHECK-NEXT:   %[[W:.*]] = quant.dcast %[[Q]]
// CHECK-NEXT:   %bias = arith.constant dense<{{.*}}> : tensor<2xf32>
// CHECK-NEXT:   %[[A:.*]] = quant.qcast %x : tensor<?x2xf32> to tensor<?x2x!quant.uniform<u8:f32, 0.01:100>>
// CHECK-NEXT:   %[[X:.*]] = quant.dcast %[[A]]
// CHECK-NEXT:   %[[M:.*]] = quern.matmul %[[X]], %[[W]] : (tensor<?x2xf32>, tensor<2x2xf32>)
// CHECK-NEXT:   %[[B:.*]] = quern.add %[[M]], %bias
// CHECK-NEXT:   %[[R:.*]] = quern.relu %[[B]]
// CHECK-NEXT:   %[[A2:.*]] = quant.qcast %[[R]] : {{.*}} to tensor<?x2x!quant.uniform<u8:f32, 0.02>>
// CHECK-NEXT:   %[[X2:.*]] = quant.dcast %[[A2]]
// CHECK-NEXT:   %[[Y:.*]] = quern.matmul %[[X2]], %[[W]]
// CHECK-NEXT:   return %[[Y]]
// I4:           %w = arith.constant dense<{{\[\[}}3, -5], [-2, 7]]> : tensor<2x2xi4>
// I4-NEXT:      quant.scast %w : tensor<2x2xi4> to tensor<2x2x!quant.uniform<i4<-7:7>:f32, 0.2857143>>
// I4:           quant.qcast %x : {{.*}} to tensor<?x2x!quant.uniform<i8:f32, 0.01:-28>>
func.func @main(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf32>
  %bias = arith.constant dense<[0.25, -0.5]> : tensor<2xf32>
  %0 = quern.cast %x : (tensor<?x2xf32>) -> tensor<?x2x!r>
  %1 = quern.matmul %0, %w : (tensor<?x2x!r>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %2 = quern.add %1, %bias : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %3 = quern.relu %2 : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %4 = quern.cast %3 : (tensor<?x2xf32>) -> tensor<?x2x!s>
  %5 = quern.matmul %4, %w : (tensor<?x2x!s>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %5 : tensor<?x2xf32>
}

// An activation that feeds two products is quantized once; the range may be that of a cast beside. Products of two
// activations, and constants on the left, which have one scale.
// CHECK-LABEL:  func.func @shared
// CHECK:        quant.scast {{.*}} : tensor<2x2xi8> to tensor<2x2x!quant.uniform<i8<-127:127>:f32, 0.015748031>>
// CHECK-COUNT-1: quant.qcast
// CHECK-NOT:    quant.qcast
// CHECK:        quern.matmul %[[X:.*]], %[[X]] {transpose_b = true}
// CHECK:        quern.matmul {{.*}}, %[[X]]
// CHECK:        return
func.func @shared(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf32>
  %0 = quern.cast %x : (tensor<2x2xf32>) -> tensor<2x2x!r>
  %1 = quern.matmul %0, %0 {transpose_b = true} : (tensor<2x2x!r>, tensor<2x2x!r>) -> tensor<2x2xf32>
  %2 = quern.matmul %w, %x : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %1, %2 : tensor<2x2xf32>, tensor<2x2xf32>
}

// The decision of choose-granularity counts, and columns are where transpose_b says.
// CHECK-LABEL:  func.func @decided
// CHECK:        quant.scast {{.*}} to tensor<2x2x!quant.uniform<i8<-127:127>:f32:0, {0.011811024,0.015748031}>>
// CHECK:        quant.scast {{.*}} to tensor<2x2x!quant.uniform<i8<-127:127>:f32, 0.015748031>>
// CHECK-NOT:    quern.granularity
// CHECK:        return
func.func @decided(%x: tensor<2x2x!r>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[1.0, -1.0], [-0.5, 2.0]]> : tensor<2x2xf32>
  %1 = quern.matmul %x, %w {transpose_b = true, quern.granularity = "channel"} : (tensor<2x2x!r>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = quern.matmul %x, %v {quern.granularity = "tensor"} : (tensor<2x2x!r>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %1, %2 : tensor<2x2xf32>, tensor<2x2xf32>
}

// What was quantized before is left as it is; a reshape in between changes nothing about it.
// CHECK-LABEL:  func.func @again
// CHECK:        quant.dcast %q
// CHECK:        %[[R:.*]] = quern.reshape
// CHECK-NOT:    quant.qcast
// CHECK:        quern.matmul %[[R]]
func.func @again(%q: tensor<4x!quant.uniform<u8:f32, 0.5>>) -> tensor<2x2xf32> {
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf32>
  %0 = quant.dcast %q : tensor<4x!quant.uniform<u8:f32, 0.5>> to tensor<4xf32>
  %1 = quern.reshape %0 {shape = array<i64: 2, 2>} : (tensor<4xf32>) -> tensor<2x2xf32>
  %2 = quern.matmul %1, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %2 : tensor<2x2xf32>
}
