// RUN: quern opt %s -p quantize,fold-qparams | FileCheck %s
// RUN: quern opt %s -p insert-observers | FileCheck %s --check-prefix=OBSERVE

// q, k and v have ranges: codes. A value without one: floats.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-3: quant.qcast
// CHECK: quern.attention {{.*}}!quant.uniform<u8{{.*}}!quant.uniform<u8{{.*}}!quant.uniform<u8
// CHECK: quern.attention {{.*}} : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>)
func.func @main(%q: tensor<4x8x!quant.calibrated<f32<-1.0:2.0>>>, %k: tensor<6x8x!quant.calibrated<f32<-1.0:1.0>>>, %v: tensor<6x3x!quant.calibrated<f32<0.0:1.0>>>, %f: tensor<6x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %y = quern.attention %q, %k, %v : (tensor<4x8x!quant.calibrated<f32<-1.0:2.0>>>, tensor<6x8x!quant.calibrated<f32<-1.0:1.0>>>, tensor<6x3x!quant.calibrated<f32<0.0:1.0>>>) -> tensor<4x3xf32>
  %z = quern.attention %q, %k, %f : (tensor<4x8x!quant.calibrated<f32<-1.0:2.0>>>, tensor<6x8x!quant.calibrated<f32<-1.0:1.0>>>, tensor<6x3xf32>) -> tensor<4x3xf32>
  return %y, %z : tensor<4x3xf32>, tensor<4x3xf32>
}

// OBSERVE-LABEL: func.func @observed
// OBSERVE-NEXT: %[[Q:.*]] = quern.observe %q {key = "q"}
// OBSERVE-NEXT: %[[K:.*]] = quern.observe %k {key = "k"}
// OBSERVE-NEXT: %[[V:.*]] = quern.observe %v {key = "v"}
// OBSERVE-NEXT: quern.attention %[[Q]], %[[K]], %[[V]]
func.func @observed(%q: tensor<4x8xf32>, %k: tensor<6x8xf32>, %v: tensor<6x3xf32>) -> tensor<4x3xf32> {
  %y = quern.attention %q, %k, %v : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}
