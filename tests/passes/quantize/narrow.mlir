// RUN: quern opt %s -p 'quantize{weights=i4,activations=f16,granularity="block=2"}' --inline | FileCheck %s

// Weights of 16-bit floats become codes expressed as such; what multiplies them computes in f32. f64 stays as it is.
// CHECK-DAG: ![[H:.*]] = !quern.uniform<i4<-7:7>:f16:{0:2, 1:1}, scale = f16, {{[{][{]}}1.0,1.0}, {0.5,0.5}}>
// CHECK-DAG: ![[B:.*]] = !quern.uniform<i4<-7:7>:bf16:{0:2, 1:1}, scale = f16, {{[{][{]}}1.0,1.0}, {0.5,0.5}}>
// CHECK-LABEL: func.func @main
// CHECK: quern.matmul %x, %{{.*}} : (tensor<3x4xf16>, tensor<4x2x![[H]]>) -> tensor<3x2xf16>
// CHECK: quern.matmul %y, %{{.*}} : (tensor<3x4xbf16>, tensor<4x2x![[B]]>) -> tensor<3x2xf32>
// CHECK: quern.matmul %z, %{{.*}} : (tensor<3x4xf64>, tensor<4x2xf64>) -> tensor<3x2xf64>
func.func @main(%x: tensor<3x4xf16>, %y: tensor<3x4xbf16>, %z: tensor<3x4xf64>) -> (tensor<3x2xf16>, tensor<3x2xf32>, tensor<3x2xf64>) {
  %w = arith.constant dense<[[7.0, -7.0], [0.0, 3.0], [2.0, 0.0], [3.5, -3.5]]> : tensor<4x2xf16>
  %0 = quern.matmul %x, %w : (tensor<3x4xf16>, tensor<4x2xf16>) -> tensor<3x2xf16>
  %v = arith.constant dense<[[7.0, -7.0], [0.0, 3.0], [2.0, 0.0], [3.5, -3.5]]> : tensor<4x2xbf16>
  %1 = quern.matmul %y, %v : (tensor<3x4xbf16>, tensor<4x2xbf16>) -> tensor<3x2xf32>
  %u = arith.constant dense<[[7.0, -7.0], [0.0, 3.0], [2.0, 0.0], [3.5, -3.5]]> : tensor<4x2xf64>
  %2 = quern.matmul %z, %u : (tensor<3x4xf64>, tensor<4x2xf64>) -> tensor<3x2xf64>
  return %0, %1, %2 : tensor<3x2xf16>, tensor<3x2xf32>, tensor<3x2xf64>
}
