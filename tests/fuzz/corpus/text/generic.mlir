!q0 = !quern.uniform<i4:f32:{0:1, 1:16}, {{0.1,0.2}, {0.3,0.4}, {0.3,0.4}, {0.3,0.4:2}}>
!q1 = !quern.uniform<f4E2M1FN:f32:{1:16}, scale = f8E4M3FN, tensor_scale = 0.01, {{0.5,1.0}}>
!q2 = !quern.uniform<!quern.quantile<ui2:f16, {-1.0,0.0,0.5,1.0}>:f32:{1:32}, scale = f16, {{0.5}}>
"builtin.module"() <{sym_name = "all"}> ({
  "func.func"() <{arg_attrs = [{quern.name = "in"}, {}], function_type = (tensor<?x?xf32, #quern.dims<"batch","">>, tensor<f32>) -> tensor<?x?xf32, #quern.dims<"batch","">>, res_attrs = [{quern.name = "out"}], sym_name = "helper", sym_visibility = "private"}> ({
  ^bb0(%arg0: tensor<?x?xf32, #quern.dims<"batch","">>, %b: tensor<f32>):
    "func.return"(%arg0) : (tensor<?x?xf32, #quern.dims<"batch","">>) -> ()
  }) {my.note = "hi"} : () -> ()
  "func.func"() <{function_type = (tensor<4x64xf32>) -> (tensor<4x64xf32>, tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>), sym_name = "odd name"}> ({
  ^bb0(%x: tensor<4x64xf32>):
    %q = "quant.qcast"(%x) : (tensor<4x64xf32>) -> tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>
    %0 = "quant.dcast"(%q) {x.y = 1} : (tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>) -> tensor<4x64xf32>
    %q_0, %s, %z = "quern.dynamic_quantize"(%0) <{storage = ui8}> : (tensor<4x64xf32>) -> (tensor<4x64xui8>, tensor<f32>, tensor<ui8>)
    %1:3 = "quern.dynamic_quantize"(%0) <{storage = ui8}> : (tensor<4x64xf32>) -> (tensor<4x64xui8>, tensor<f32>, tensor<ui8>)
    %2 = "quern.dequantize"(%1#0, %1#1, %1#2) : (tensor<4x64xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x64xf32>
    %3 = "quern.softmax"(%2) : (tensor<4x64xf32>) -> tensor<4x64xf32>
    %4 = "quern.clip"(%3) <{max = 6.0 : f32, min = 0.0 : f32}> {my.extra = 1} : (tensor<4x64xf32>) -> tensor<4x64xf32>
    "func.return"(%4, %q) : (tensor<4x64xf32>, tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>) -> ()
  }) : () -> ()
  "func.func"() <{function_type = () -> (), sym_name = "consts"}> ({
    %a = "arith.constant"() <{value = dense<[[1, 2], [3, -4]]> : tensor<2x2xi4>}> : () -> tensor<2x2xi4>
    %b = "arith.constant"() <{value = dense<[1, 2, 3, 15]> : tensor<4xui4>}> : () -> tensor<4xui4>
    %c = "arith.constant"() <{value = dense<[true, false, true]> : tensor<3xi1>}> : () -> tensor<3xi1>
    %d = "arith.constant"() <{value = dense<[true, false, true]> : tensor<3xi1>}> : () -> tensor<3xi1>
    %e = "arith.constant"() <{value = dense<[1.0, 0x7F800000, -0.0, 3.4028235e38, 1.0e-45]> : tensor<5xf32>}> : () -> tensor<5xf32>
    %f = "quern.constant"() <{value = dense<[1, 7, 11]> : tensor<3xi8>}> : () -> tensor<3x!quern.f4E2M1FN>
    %g = "quern.constant"() <{value = dense<-128> : tensor<7xi8>}> : () -> tensor<7x!quern.f8E8M0FNU>
    %h = "arith.constant"() <{value = dense<[1.0, 448.0, 0x7F]> : tensor<3xf8E4M3FN>}> : () -> tensor<3xf8E4M3FN>
    %i = "arith.constant"() <{value = dense<[1.0, -2.5]> : tensor<2xbf16>}> : () -> tensor<2xbf16>
    %j = "arith.constant"() <{value = dense<> : tensor<0x4xf32>}> : () -> tensor<0x4xf32>
    %k = "arith.constant"() <{value = dense<5> : tensor<i32>}> : () -> tensor<i32>
    %l = "quern.constant"() <{value = dense<[12, -3]> : tensor<2xi8>}> : () -> tensor<2x!quant.uniform<i8<-127:127>:f32, 0.5>>
    %m = "quern.constant"() <{value = dense<[-56, 3]> : tensor<2xi8>}> : () -> tensor<2x!quant.uniform<u8:f32:0, {0.5,0.25:3}>>
    %n = "arith.constant"() <{value = dense<[9223372036854775807, -9223372036854775808]> : tensor<2xi64>}> : () -> tensor<2xi64>
    %o = "arith.constant"() <{value = dense<[1.5, 2.5]> : tensor<2xf64>}> : () -> tensor<2xf64>
    %p = "arith.constant"() <{value = dense<[1, 18446744073709551615]> : tensor<2xui64>}> : () -> tensor<2xui64>
    %r = "arith.constant"() <{value = dense<[1, 2]> : tensor<2xindex>}> : () -> tensor<2xindex>
    %s = "arith.constant"() <{value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>}> : () -> tensor<3xf32>
    %t = "quern.constant"() <{value = dense<[7, 8]> : tensor<2xi8>}> : () -> tensor<2x!quant.uniform<i4:f32:0, {0.1,0.2}>>
    "func.return"() : () -> ()
  }) : () -> ()
  "func.func"() <{function_type = (tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>, tensor<4x!quant.any<i8<-8:7>:f32>>, tensor<4x!quant.any<u4>>, tensor<4x!quant.calibrated<f32<-0.998:1.2321>>>, tensor<4x!quern.calibrated<f32<1.0:1.0>>>, tensor<4x32x!q0>, tensor<4x32x!q1>, tensor<4x32x!q2>, tensor<2x!quern.f4E2M1FN>, tensor<2x!foo.bar<"x>", [1, 2] -> 3>>, tensor<8xsi2>) -> (), sym_name = "types"}> ({
  ^bb0(%arg0: tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>, %arg1: tensor<4x!quant.any<i8<-8:7>:f32>>, %arg2: tensor<4x!quant.any<u4>>, %arg3: tensor<4x!quant.calibrated<f32<-0.998:1.2321>>>, %arg4: tensor<4x!quern.calibrated<f32<1.0:1.0>>>, %arg5: tensor<4x32x!q0>, %arg6: tensor<4x32x!q1>, %arg7: tensor<4x32x!q2>, %arg8: tensor<2x!quern.f4E2M1FN>, %arg9: tensor<2x!foo.bar<"x>", [1, 2] -> 3>>, %arg10: tensor<8xsi2>):
    "func.return"() : () -> ()
  }) : () -> ()
}) {quern.list = [1, 2 : i8, -3 : si4, 4 : ui64, 18446744073709551615 : ui64, 5 : index, true, "s\"\\\0A\09\01é", unit, f32, @sym, @"odd name", #quern.dims<"batch", "seq">, #quern.nobody, {}, {a, b = 1.5, "odd key" = 1.5 : f32}, array<i64: 1, -2>, array<i8>, array<i1: true, false>, array<f32: 1.0, -0.0, 0x7FC00000>, array<f64: 1.0e-5, 3.0>], quern.target = "avx2", quern.version = 1} : () -> ()
