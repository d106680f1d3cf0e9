// REQUIRES: mlir-opt
// RUN: quern opt %s > %t.pretty
// RUN: quern opt %s --generic --inline > %t.generic
// RUN: mlir-opt --allow-unregistered-dialect %t.generic > %t.theirs
// RUN: quern opt %t.theirs | FileCheck %s
// RUN: mlir-opt --allow-unregistered-dialect --mlir-print-op-generic %t.generic > %t.theirs
// RUN: quern opt %t.theirs | FileCheck %s
// RUN: mlir-opt --allow-unregistered-dialect --mlir-print-debuginfo %t.generic > %t.theirs
// RUN: quern opt %t.theirs --locations | FileCheck %s --check-prefix=LOC

// mlir-opt reads our generic text, and we read what it makes of it, in either form and with locations.

// LOC: loc("{{.*}}.generic":{{[0-9]+}}:{{[0-9]+}})
// CHECK-LABEL: func.func @main
// CHECK-NEXT: quant.qcast %arg0 : tensor<4x64xf32> to tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>
// CHECK-NEXT: quant.qcast %arg0 : tensor<4x64xf32> to tensor<4x64x!quern.uniform<f4E2M1FN:f32:{1:32}, scale = f8E8M0FNU, {{[{][{]}}0.5,2.0}}>>
// CHECK-NEXT: arith.constant dense<3> : tensor<64x10xi8>
// CHECK-NEXT: quern.constant dense<{{\[\[}}0.5, 1.0], [-6.0, 0.0]]> : tensor<2x2xf4E2M1FN>
// CHECK-NEXT: arith.constant dense<{{\[\[}}1, 2], [-3, 4]]> : tensor<2x2xi4>
// CHECK-NEXT: arith.constant dense<[1.0, 0x7FC00000, 1.0e-45]> : tensor<3xf32>
// CHECK-NEXT: quern.constant dense<[200, 3]> : tensor<2x!quant.uniform<u8:f32, 0.5:10>>
// CHECK-NEXT: kern.map %arg0 body {
// CHECK-NEXT: ^bb0(%arg1: f32):
// CHECK-NEXT: arith.constant 0.0 : f32
// CHECK:      arith.maximumf %{{.*}}, %{{.*}} : f32
// CHECK:      arith.cmpf ogt, %{{.*}}, %{{.*}} : f32
// CHECK:      arith.fptosi %{{.*}} : f32 to i8
// CHECK:      kern.yield %{{.*}} : i8
// CHECK:      } : (tensor<4x64xf32>) -> tensor<4x64xi8>
func.func @main(%x: tensor<4x64xf32> {quern.name = "in"}) -> (tensor<4x64xi8> {quern.name = "out"}) {
  %q = quant.qcast %x : tensor<4x64xf32> to tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>
  %mx = quant.qcast %x : tensor<4x64xf32> to tensor<4x64x!quern.uniform<f4E2M1FN:f32:{1:32}, scale = f8E8M0FNU, {{0.5, 2.0}}>>
  %w = arith.constant dense<3> : tensor<64x10xi8>
  %f4 = arith.constant dense<[[0.5, 1.0], [-6.0, 0.0]]> : tensor<2x2xf4E2M1FN>
  %i4 = arith.constant dense<[[1, 2], [-3, 4]]> : tensor<2x2xi4>
  %f = arith.constant dense<[1.0, 0x7FC00000, 1.0e-45]> : tensor<3xf32>
  %c = arith.constant dense<[200, 3]> : tensor<2x!quant.uniform<u8:f32, 0.5:10>>
  %y = kern.map %x body {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    %b = arith.cmpf ogt, %m, %z : f32
    %s = arith.select %b, %m, %z : f32
    %r = math.roundeven %s : f32
    %i = arith.fptosi %r : f32 to i8
    kern.yield %i : i8
  } : (tensor<4x64xf32>) -> tensor<4x64xi8>
  return %y : tensor<4x64xi8>
}
