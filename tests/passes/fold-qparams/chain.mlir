// RUN: quern opt %s -p fold-qparams --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'fold-qparams{requantize=fixed}' --verify-each | FileCheck %s --check-prefix=FIXED
// RUN: quern opt %s -p 'fold-qparams{requantize=single}' --verify-each | FileCheck %s --check-prefix=SINGLE

!a = !quant.uniform<u8:f32, 0.5:3>
!w = !quant.uniform<i8<-127:127>:f32, 0.25>
!wc = !quant.uniform<i8<-127:127>:f32:1, {0.25,0.5}>
!wr = !quant.uniform<i8<-127:127>:f32:0, {0.25,0.5}>
!y = !quant.uniform<u8:f32, 0.125>
!yz = !quant.uniform<u8:f32, 0.125:10>
!yc = !quant.uniform<i8<-127:127>:f32:1, {0.125,0.5}>

// Bias in steps of sa*sb[j]; relu is what the clamp at the zero point does anyway; m = sa*sb[j]/sy.
// CHECK-LABEL:  func.func @chain
// CHECK-NEXT:   %[[ACC:.*]] = quern.matmul %q, %c : ({{.*}}) -> tensor<?x2xi32>
// CHECK-NEXT:   %[[M:.*]] = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
// CHECK-NEXT:   %bias = arith.constant dense<[8, -8]> : tensor<2xi32>
// CHECK-NEXT:   %[[SUM:.*]] = quern.add %[[ACC]], %bias : (tensor<?x2xi32>, tensor<2xi32>) -> tensor<?x2xi32>
// CHECK-NEXT:   %y = quern.requantize %[[SUM]], %[[M]] : (tensor<?x2xi32>, tensor<2xf32>) -> tensor<?x2x!quant.uniform<u8:f32, 0.125>>
// CHECK-NEXT:   return %y
// FIXED-LABEL:  func.func @chain
// FIXED:        quern.requantize {{.*}} {mode = "fixed"}
// SINGLE-LABEL: func.func @chain
// SINGLE:       quern.requantize {{.*}} {mode = "single"}
func.func @chain(%q: tensor<?x3x!a>, %c: tensor<3x2x!wc>) -> tensor<?x2x!y> {
  %bias = arith.constant dense<[1.0, -2.0]> : tensor<2xf32>
  %x = quant.dcast %q : tensor<?x3x!a> to tensor<?x3xf32>
  %w = quant.dcast %c : tensor<3x2x!wc> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<?x3xf32>, tensor<3x2xf32>) -> tensor<?x2xf32>
  %1 = quern.add %0, %bias : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %2 = quern.relu %1 : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %y = quant.qcast %2 : tensor<?x2xf32> to tensor<?x2x!y>
  return %y : tensor<?x2x!y>
}

// The same columns whichever way the right matrix lies; one bias for all columns is spread over their scales.
// CHECK-LABEL:  func.func @transposed
// CHECK-NEXT:   %[[ACC:.*]] = quern.matmul %q, %c {transpose_a = true, transpose_b = true} : ({{.*}}) -> tensor<5x4x2xi32>
// CHECK:        arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
// CHECK:        %bias = arith.constant dense<[8, 4]> : tensor<2xi32>
func.func @transposed(%q: tensor<5x3x4x!a>, %c: tensor<2x3x!wr>) -> tensor<5x4x2x!y> {
  %bias = arith.constant dense<1.0> : tensor<f32>
  %x = quant.dcast %q : tensor<5x3x4x!a> to tensor<5x3x4xf32>
  %w = quant.dcast %c : tensor<2x3x!wr> to tensor<2x3xf32>
  %0 = quern.matmul %x, %w {transpose_a = true, transpose_b = true} : (tensor<5x3x4xf32>, tensor<2x3xf32>) -> tensor<5x4x2xf32>
  %1 = quern.add %bias, %0 : (tensor<f32>, tensor<5x4x2xf32>) -> tensor<5x4x2xf32>
  %y = quant.qcast %1 : tensor<5x4x2xf32> to tensor<5x4x2x!y>
  return %y : tensor<5x4x2x!y>
}

// Clamps that the type does not imply become its range of codes.
// CHECK-LABEL:  func.func @narrowed
// CHECK:        %[[Q:.*]] = quern.requantize {{.*}} -> tensor<4x2x!quant.uniform<u8<6:58>:f32, 0.125:10>>
// CHECK-NEXT:   %[[S:.*]] = quant.scast %[[Q]] : tensor<4x2x!quant.uniform<u8<6:58>:f32, 0.125:10>> to tensor<4x2xui8>
// CHECK-NEXT:   quant.scast %[[S]] : tensor<4x2xui8> to tensor<4x2x!quant.uniform<u8:f32, 0.125:10>>
func.func @narrowed(%q: tensor<4x3x!a>, %c: tensor<3x2x!w>) -> tensor<4x2x!yz> {
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %c : tensor<3x2x!w> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %1 = quern.clip %0 {min = -0.5 : f32, max = 6.0 : f32} : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %y = quant.qcast %1 : tensor<4x2xf32> to tensor<4x2x!yz>
  return %y : tensor<4x2x!yz>
}

// A clamp that leaves the zero point out has no type: floats stay between the product and the cast.
// CHECK-LABEL:  func.func @beyond_zero
// CHECK:        quern.mul
// CHECK-NEXT:   quern.clip
// CHECK-NEXT:   quant.qcast
func.func @beyond_zero(%q: tensor<4x3x!a>, %c: tensor<3x2x!w>) -> tensor<4x2x!yz> {
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %c : tensor<3x2x!w> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %1 = quern.clip %0 {min = 1.0 : f32, max = 6.0 : f32} : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %y = quant.qcast %1 : tensor<4x2xf32> to tensor<4x2x!yz>
  return %y : tensor<4x2x!yz>
}

// The result may have a scale per column, too.
// CHECK-LABEL:  func.func @result_columns
// CHECK:        arith.constant dense<[1.0, 0.5]> : tensor<2xf32>
// CHECK:        quern.requantize
func.func @result_columns(%q: tensor<4x3x!a>, %c: tensor<3x2x!wc>) -> tensor<4x2x!yc> {
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %c : tensor<3x2x!wc> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %y = quant.qcast %0 : tensor<4x2xf32> to tensor<4x2x!yc>
  return %y : tensor<4x2x!yc>
}

// One product, three users: each branch that ends in codes is requantized, the others share the floats.
// CHECK-LABEL:  func.func @branches
// CHECK-NEXT:   %[[ACC:.*]] = quern.matmul %q, %c
// CHECK-NEXT:   %[[F:.*]] = quern.cast %[[ACC]] : (tensor<4x2xi32>) -> tensor<4x2xf32>
// CHECK-NEXT:   %[[S:.*]] = arith.constant dense<0.125> : tensor<f32>
// CHECK-NEXT:   %[[Y:.*]] = quern.mul %[[F]], %[[S]]
// CHECK:        quern.requantize %[[ACC]]
// CHECK:        %[[B:.*]] = quern.add %[[ACC]]
// CHECK:        quern.requantize %[[B]]
// CHECK:        return %[[Y]], 
func.func @branches(%q: tensor<4x3x!a>, %c: tensor<3x2x!w>) -> (tensor<4x2xf32>, tensor<4x2x!y>, tensor<4x2x!yz>) {
  %bias = arith.constant dense<[1.0, -2.0]> : tensor<2xf32>
  %x = quant.dcast %q : tensor<4x3x!a> to tensor<4x3xf32>
  %w = quant.dcast %c : tensor<3x2x!w> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %y = quant.qcast %0 : tensor<4x2xf32> to tensor<4x2x!y>
  %1 = quern.add %0, %bias : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %z = quant.qcast %1 : tensor<4x2xf32> to tensor<4x2x!yz>
  return %0, %y, %z : tensor<4x2xf32>, tensor<4x2x!y>, tensor<4x2x!yz>
}

// A bias that makes the product larger belongs to another op.
// CHECK-LABEL:  func.func @spreading_bias
// CHECK:        quern.mul
// CHECK-NEXT:   quern.add
// CHECK-NEXT:   quant.qcast
func.func @spreading_bias(%q: tensor<1x3x!a>, %c: tensor<3x2x!w>) -> tensor<2x2x!y> {
  %bias = arith.constant dense<[[1.0, -2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %x = quant.dcast %q : tensor<1x3x!a> to tensor<1x3xf32>
  %w = quant.dcast %c : tensor<3x2x!w> to tensor<3x2xf32>
  %0 = quern.matmul %x, %w : (tensor<1x3xf32>, tensor<3x2xf32>) -> tensor<1x2xf32>
  %1 = quern.add %0, %bias : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %y = quant.qcast %1 : tensor<2x2xf32> to tensor<2x2x!y>
  return %y : tensor<2x2x!y>
}
