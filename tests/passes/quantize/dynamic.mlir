// RUN: quern opt %s -p 'quantize{dynamic=true,granularity=tensor}' --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'quantize{dynamic=true,activations=i8}' --verify-each | FileCheck %s --check-prefix=I8

// The range of the call, measured once for both products. No calibration is needed.
// CHECK-LABEL:  func.func @main
// CHECK:        quant.scast {{.*}} to tensor<2x2x!quant.uniform<i8<-127:127>:f32, 0.015748031>>
// CHECK:        %[[Q:.*]]:3 = quern.dynamic_quantize %x {storage = ui8} : (tensor<?x2xf32>) -> (tensor<?x2xui8>, tensor<f32>, tensor<ui8>)
// CHECK-NEXT:   %[[X:.*]] = quern.dequantize %[[Q]]#0, %[[Q]]#1, %[[Q]]#2
// CHECK-NEXT:   quern.matmul %[[X]], %[[W:.*]] : (tensor<?x2xf32>
// CHECK-NEXT:   quern.matmul %[[X]], %[[W]] {transpose_b = true} : (tensor<?x2xf32>
// CHECK-NEXT:   return
// I8:           quern.dynamic_quantize %x {storage = i8} : (tensor<?x2xf32>) -> (tensor<?x2xi8>, tensor<f32>, tensor<i8>)
func.func @main(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf32>
  %0 = quern.matmul %x, %w : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %1 = quern.matmul %x, %w {transpose_b = true} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
}

// Parameters are f32: other floats are cast back.
// CHECK-LABEL:  func.func @half
// CHECK:        quern.dequantize {{.*}} -> tensor<2x2xf32>
// CHECK-NEXT:   quern.cast {{.*}} : (tensor<2x2xf32>) -> tensor<2x2xf16>
func.func @half(%x: tensor<2x2xf16>) -> tensor<2x2xf16> {
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf16>
  %0 = quern.matmul %x, %w : (tensor<2x2xf16>, tensor<2x2xf16>) -> tensor<2x2xf16>
  return %0 : tensor<2x2xf16>
}
