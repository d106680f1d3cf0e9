// RUN: quern opt %s -p 'quantize{weights=i4,activations=i8,dynamic=true,granularity="block=2"}' --inline | FileCheck %s
// RUN: quern opt %s -p 'quantize{weights=u4,activations=i8,dynamic=true,granularity="block=2"}' --inline | FileCheck %s --check-prefix=ZERO
// RUN: quern opt %s -p 'quantize{weights=nf4,activations=i8,dynamic=true,granularity="block=4"}' --inline | FileCheck %s --check-prefix=NF4
// RUN: quern opt %s -p 'quantize{weights=mxfp4,activations=i8,dynamic=true,granularity="block=4"}' --inline | FileCheck %s --check-prefix=MX
// RUN: quern opt %s -p 'quantize{weights=nvfp4,activations=i8,dynamic=true,granularity="block=4"}' --inline | FileCheck %s --check-prefix=NV
// RUN: quern opt %s -p 'quantize{weights=i4,activations=f32,granularity="block=2"}' --inline | FileCheck %s --check-prefix=ONLY
// RUN: quern opt %s -p 'choose-granularity{granularity="block=2",weights=i4,activations=i8}' --inline | FileCheck %s --check-prefix=CHOSEN

// Scales are amax / 7 of two elements, in f16: 7 / 7 and 3.5 / 7.
// CHECK: !q0 = !quern.uniform<i4<-7:7>:f32:{0:2, 1:1}, scale = f16, {{[{][{]}}1.0,1.0}, {0.5,0.5}}>
// CHECK-LABEL: func.func @main
// CHECK: arith.constant dense<{{\[\[}}7, -7], [0, 3], [4, 0], [7, -7]]> : tensor<4x2xi4>
// CHECK-NEXT: quant.scast {{.*}} to tensor<4x2x!q0>
// CHECK-NEXT: quern.dynamic_quantize %x {block = 2, range = "narrow", scheme = "symmetric", storage = i8} : (tensor<3x4xf32>) -> (tensor<3x4xi8>, tensor<3x2xf32>, tensor<3x2xi8>)
// CHECK-NEXT: quern.block_matmul {{.*}} -> tensor<3x2xf32>
// CHECK-NEXT: return
// A zero point per block.
// ZERO: !quern.uniform<u4:f32:{0:2, 1:1}, scale = f16, {{[{][{]}}{{[0-9.]+}},{{[0-9.]+}}:{{[0-9]+}}}
// NF4: !quern.uniform<!quant.quantile<ui4:f32, {-127.0,-88.0,
// NF4-SAME: scale = f16
// MX: !quern.uniform<f4E2M1FN:f32:{0:4, 1:1}, scale = f8E8M0FNU, {{[{][{]}}1.0,1.0}}>
// NV: !quern.uniform<f4E2M1FN:f32:{0:4, 1:1}, scale = f8E4M3FN, tensor_scale =
// ONLY: !q0 = !quern.uniform<i4<-7:7>:f32:{0:2, 1:1}, scale = f16, {{[{][{]}}1.0,1.0}, {0.5,0.5}}>
// ONLY: quern.matmul %x, %{{.*}} : (tensor<3x4xf32>, tensor<4x2x!q0>) -> tensor<3x2xf32>
// CHOSEN: {quern.granularity = "block=2"}
func.func @main(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  %w = arith.constant dense<[[7.0, -7.0], [0.0, 3.0], [2.0, 0.0], [3.5, -3.5]]> : tensor<4x2xf32>
  %0 = quern.matmul %x, %w : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}
