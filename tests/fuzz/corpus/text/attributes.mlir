// A bit of everything.
!act = tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>
#dims = #quern.dims<"batch", "seq">
module @all attributes {quern.target = "avx2", quern.list = [1, 2 : i8, -3 : si4, 4 : ui64, 18446744073709551615 : ui64, 5 : index, true, "s\"\\\n\t\01é", unit, f32, @sym, @"odd name", #dims, #quern.nobody, {}, {a, b = 1.5, "odd key" = 1.5 : f32}, array<i64: 1, -2>, array<i8>, array<i1: true, false>, array<f32: 1.0, -0.0, 0x7FC00000>, array<f64: 1.0e-5, 3>]} {
  func.func private @helper(%arg0: tensor<?x?xf32, #quern.dims<"batch","">> {quern.name = "in"}, %b: tensor<f32>) -> (tensor<?x?xf32, #quern.dims<"batch","">> {quern.name = "out"}) attributes {my.note = "hi"} {
    return %arg0 : tensor<?x?xf32, #quern.dims<"batch","">>
  }
  func.func @"odd name"(%x: tensor<4x64xf32>) -> (tensor<4x64xf32>, tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>) {
    %q = quant.qcast %x : tensor<4x64xf32> to !act loc("net.onnx":3:4)
    %0 = quant.dcast %q {x.y = 1} : !act to tensor<4x64xf32> loc("node"("net.onnx":3:4))
    %q_0, %s, %z = quern.dynamic_quantize %0 {storage = ui8, scheme = "asymmetric"} : (tensor<4x64xf32>) -> (tensor<4x64xui8>, tensor<f32>, tensor<ui8>) loc(fused<"m">[unknown, "a"])
    %1:3 = quern.dynamic_quantize %0 {storage = ui8} : (tensor<4x64xf32>) -> (tensor<4x64xui8>, tensor<f32>, tensor<ui8>) loc(callsite("a" at "b"))
    %2 = quern.dequantize %1#0, %1#1, %1#2 : (tensor<4x64xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x64xf32> loc(#l1)
    %3 = quern.softmax %2 {axis = -1} : (tensor<4x64xf32>) -> tensor<4x64xf32>
    %4 = "quern.clip"(%3) <{min = 0.0 : f32, max = 6.0 : f32}> {my.extra = 1} : (tensor<4x64xf32>) -> tensor<4x64xf32>
    return %4, %q : tensor<4x64xf32>, !act
  }
  func.func @consts() {
    %a = arith.constant dense<[[1, 2], [3, -4]]> : tensor<2x2xi4>
    %b = arith.constant dense<"0x0102030F"> : tensor<4xui4>
    %c = arith.constant dense<[true, false, true]> : tensor<3xi1>
    %d = arith.constant dense<"0x05"> : tensor<3xi1>
    %e = arith.constant dense<[1.0, 0x7F800000, -0.0, 3.4028235e38, 1.0e-45]> : tensor<5xf32>
    %f = arith.constant dense<[0.5, 6.0, -1.5]> : tensor<3xf4E2M1FN>
    %g = arith.constant dense<2.0> : tensor<7xf8E8M0FNU>
    %h = arith.constant dense<[1.0, 448.0, 0x7F]> : tensor<3xf8E4M3FN>
    %i = arith.constant dense<[1.0, -2.5]> : tensor<2xbf16>
    %j = arith.constant dense<> : tensor<0x4xf32>
    %k = arith.constant dense<5> : tensor<i32>
    %l = arith.constant dense<[12, -3]> : tensor<2x!quant.uniform<i8<-127:127>:f32, 0.5>>
    %m = arith.constant dense<[200, 3]> : tensor<2x!quant.uniform<u8:f32:0, {0.5,0.25:3}>>
    %n = arith.constant dense<[9223372036854775807, -9223372036854775808]> : tensor<2xi64>
    %o = arith.constant dense<[1.5, 2.5]> : tensor<2xf64>
    %p = arith.constant dense<[1, 18446744073709551615]> : tensor<2xui64>
    %r = arith.constant dense<[1, 2]> : tensor<2xindex>
    %s = arith.constant dense_resource<blob> : tensor<3xf32>
    %t = arith.constant dense<[7, -8]> : tensor<2x!quant.uniform<i4:f32:{0:1}, {0.1, 0.2}>>
    return
  }
  func.func @types(%0: !act, %1: tensor<4x!quant.any<i8<-8:7>:f32>>, %2: tensor<4x!quant.any<u4>>, %3: tensor<4x!quant.calibrated<f32<-0.998:1.2321>>>, %4: tensor<4x!quant.calibrated<f32<1.0:1.0>>>, %5: tensor<4x32x!quant.uniform<i4:f32:{0:1, 1:16}, {{0.1,0.2}, {0.3,0.4}, {0.3,0.4}, {0.3,0.4:2}}>>, %6: tensor<4x32x!quern.uniform<f4E2M1FN:f32:{1:16}, scale = f8E4M3FN, tensor_scale = 0.01, {{0.5, 1.0}}>>, %7: tensor<4x32x!quern.uniform<!quant.quantile<ui2:f16, {-1.0, 0.0, 0.5, 1.0}>:f32:{1:32}, scale = f16, {{0.5}}>>, %8: tensor<2x!quern.f4E2M1FN>, %9: tensor<2x!foo.bar<"x>", [1, 2] -> 3>>, %10: tensor<8xsi2>) {
    return
  }
}
#l1 = loc("late":1:2)
{-#
  dialect_resources: {
    builtin: {
      blob: "0x040000000000803F0000004000004040"
    }
  }
#-}
