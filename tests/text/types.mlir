// RUN: quern opt %s | FileCheck %s
// RUN: quern opt %s | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | FileCheck %s --check-prefix=GENERIC

// Every form of type; what MLIR 19 lacks is opaque in generic text.

// Types above 80 characters get a name.
// CHECK: !q0 = !quant.uniform<i8<-127:127>:f32:1, {0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.1}>
// CHECK-NEXT: !q1 = !quern.uniform<f4E2M1FN:f32:{1:16}, scale = f8E4M3FN, tensor_scale = 0.01, {{[{][{]}}0.5,1.0}}>
// CHECK-NEXT: !q2 = !quern.uniform<!quant.quantile<ui2:f16, {-1.0,0.0,0.5,1.0}>:f32:{1:32}, scale = f16, {{[{][{]}}0.5}}>
// CHECK-NOT: !q3

// CHECK-LABEL: func.func @scalars
// CHECK-SAME: %arg0: tensor<f64>, %arg1: tensor<4x?xbf16>, %arg2: tensor<2xui4>, %arg3: tensor<2xsi2>, %arg4: tensor<2xf8E5M2>
// CHECK-SAME: %arg5: tensor<2xf4E2M1FN>, %arg6: tensor<2xf8E8M0FNU>, %arg7: tensor<?x?xf32, #quern.dims<"batch","">>
// GENERIC: tensor<2x!quern.f4E2M1FN>, tensor<2x!quern.f8E8M0FNU>
func.func @scalars(%0: tensor<f64>, %1: tensor<4x?xbf16>, %2: tensor<2xui4>, %3: tensor<2xsi2>, %4: tensor<2xf8E5M2>,
                   %5: tensor<2xf4E2M1FN>, %6: tensor<2x!quern.f8E8M0FNU>, %7: tensor<?x?xf32, #quern.dims<"batch","">>) {
  return
}

// CHECK-LABEL: func.func @per_tensor
// CHECK-SAME: %arg0: tensor<4x!quant.uniform<i8<-127:127>:f32, 0.0236>>, %arg1: tensor<4x!quant.uniform<u8:f32, 0.0196:102>>
// CHECK-SAME: %arg2: tensor<4x!quern.uniform<f8E4M3FN:f32, 0.5>>
func.func @per_tensor(%0: tensor<4x!quant.uniform<i8<-127:127>:f32, 0.0236>>, %1: tensor<4x!quant.uniform<u8:f32, 1.96e-2:102>>,
                      %2: tensor<4x!quern.uniform<f8E4M3FN:f32, 0.5>>) {
  return
}

// CHECK-LABEL: func.func @per_axis
// CHECK-SAME: %arg0: tensor<4x2x!quant.uniform<i8:f32:1, {200.0,0.99872:120}>>, %arg1: tensor<4x10x!q0>
func.func @per_axis(%0: tensor<4x2x!quant.uniform<i8:f32:1, {2.0e+2,0.99872:120}>>,
                    %1: tensor<4x10x!quant.uniform<i8<-127:127>:f32:1, {0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.1}>>) {
  return
}

// CHECK-LABEL: func.func @blocks
// CHECK-SAME: %arg0: tensor<2x64x!quant.uniform<i4:f32:{0:1, 1:32}, {{[{][{]}}0.1,0.2}, {0.3,0.4}}>>, %arg1: tensor<4x32x!q1>, %arg2: tensor<4x32x!q2>
// GENERIC: tensor<2x64x!quern.uniform<i4:f32:{0:1, 1:32}, {{[{][{]}}0.1,0.2}, {0.3,0.4}}>>
func.func @blocks(%0: tensor<2x64x!quant.uniform<i4:f32:{0:1, 1:32}, {{0.1,0.2}, {0.3,0.4}}>>,
                  %1: tensor<4x32x!quern.uniform<f4E2M1FN:f32:{1:16}, scale = f8E4M3FN, tensor_scale = 0.01, {{0.5, 1.0}}>>,
                  %2: tensor<4x32x!quern.uniform<!quant.quantile<ui2:f16, {-1.0, 0.0, 0.5, 1.0}>:f32:{1:32}, scale = f16, {{0.5}}>>) {
  return
}

// CHECK-LABEL: func.func @others
// CHECK-SAME: %arg0: tensor<4x!quant.any<i8<-8:7>:f32>>, %arg1: tensor<4x!quant.any<u4>>,
// CHECK-SAME: %arg2: tensor<4x!quant.calibrated<f32<-0.998:1.2321>>>, %arg3: tensor<4x!quant.calibrated<f32<1.0:1.0>>>
// CHECK-SAME: %arg4: tensor<2x!foo.bar<"x>", [1, 2] -> 3>>
// GENERIC: tensor<4x!quant.calibrated<f32<-0.998:1.2321>>>, tensor<4x!quern.calibrated<f32<1.0:1.0>>>
func.func @others(%0: tensor<4x!quant.any<i8<-8:7>:f32>>, %1: tensor<4x!quant.any<u4>>,
                  %2: tensor<4x!quant.calibrated<f32<-0.998:1.2321>>>, %3: tensor<4x!quant.calibrated<f32<1.0:1.0>>>,
                  %4: tensor<2x!foo.bar<"x>", [1, 2] -> 3>>) {
  return
}
