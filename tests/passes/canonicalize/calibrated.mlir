// RUN: quern opt %s -p canonicalize --verify-each --check-each | FileCheck %s

// What calibration found out about a value is not lost: an op whose result carries a range stays.
// CHECK-LABEL: func.func @main
// CHECK-NEXT:  %[[T:.*]] = quern.transpose
// CHECK-NEXT:  %[[M:.*]] = quern.matmul %x, %[[T]]
// CHECK-NEXT:  %[[N:.*]] = quern.neg %x
// CHECK-NEXT:  %[[P:.*]] = quern.neg %[[N]]
// CHECK-NEXT:  return %[[M]], %[[P]]
func.func @main(%x: tensor<2x2xf32>, %w: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2x!quant.calibrated<f32<-1.0:1.0>>>) {
  %t = quern.transpose %w {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2x!quant.calibrated<f32<-2.0:2.0>>>
  %0 = quern.matmul %x, %t : (tensor<2x2xf32>, tensor<2x2x!quant.calibrated<f32<-2.0:2.0>>>) -> tensor<2x2xf32>
  %1 = quern.neg %x : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = quern.neg %1 : (tensor<2x2xf32>) -> tensor<2x2x!quant.calibrated<f32<-1.0:1.0>>>
  return %0, %2 : tensor<2x2xf32>, tensor<2x2x!quant.calibrated<f32<-1.0:1.0>>>
}
