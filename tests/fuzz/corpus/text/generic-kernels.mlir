"builtin.module"() ({
  "func.func"() <{function_type = (tensor<4x64xf32>, tensor<64x8xi8>, tensor<8xf32>) -> tensor<4x8xi8>, sym_name = "g"}> ({
  ^bb0(%a: tensor<4x64xf32>, %b: tensor<64x8xi8>, %m: tensor<8xf32>):
    %0 = "kern.gemm"(%a, %b, %m) <{acc = i32, layout = "plain", lhs = i8}> ({
    ^bb0(%x: f32):
      %s = "arith.constant"() <{value = 0.5 : f32}> : () -> f32
      %c0 = "arith.constant"() <{value = 3 : i32}> : () -> i32
      %t = "arith.constant"() <{value = true}> : () -> i1
      %d = "arith.mulf"(%x, %s) : (f32, f32) -> f32
      %dr = "math.roundeven"(%d) : (f32) -> f32
      %i = "arith.fptosi"(%dr) : (f32) -> i8
      "kern.yield"(%i) : (i8) -> ()
    }, {
    ^bb0(%acc: i32, %mm: f32):
      %f = "arith.sitofp"(%acc) : (i32) -> f32
      %z = "arith.constant"() <{value = 0.0 : f32}> : () -> f32
      %g = "arith.mulf"(%f, %mm) : (f32, f32) -> f32
      %c = "arith.cmpf"(%g, %z) <{predicate = 9}> : (f32, f32) -> i1
      %h = "arith.select"(%c, %g, %z) : (i1, f32, f32) -> f32
      %e = "math.fma"(%h, %mm, %z) : (f32, f32, f32) -> f32
      %k = "quern.gelu_scalar"(%e) <{approximate = "tanh"}> : (f32) -> f32
      %r = "math.roundeven"(%k) : (f32) -> f32
      %q = "arith.fptosi"(%r) : (f32) -> i8
      "kern.yield"(%q) : (i8) -> ()
    }) : (tensor<4x64xf32>, tensor<64x8xi8>, tensor<8xf32>) -> tensor<4x8xi8>
    %1 = "kern.map"(%0) ({
    ^bb0(%x: i8):
      %w = "arith.extsi"(%x) : (i8) -> i32
      %c1 = "arith.constant"() <{value = -7 : i32}> : () -> i32
      %c = "arith.cmpi"(%w, %c1) <{predicate = 2}> : (i32, i32) -> i1
      %n = "arith.addi"(%w, %c1) : (i32, i32) -> i32
      %j = "arith.select"(%c, %w, %n) : (i1, i32, i32) -> i32
      %u = "arith.trunci"(%j) : (i32) -> i8
      "kern.yield"(%u) : (i8) -> ()
    }) : (tensor<4x8xi8>) -> tensor<4x8xi8>
    %2 = "func.call"(%1) <{callee = @h}> : (tensor<4x8xi8>) -> tensor<4x8xi8>
    "func.return"(%2) : (tensor<4x8xi8>) -> ()
  }) : () -> ()
  "func.func"() <{function_type = (tensor<4x8xi8>) -> tensor<4x8xi8>, sym_name = "h", sym_visibility = "private"}> ({
  ^bb0(%x: tensor<4x8xi8>):
    %0 = "kern.row"(%x) ({
    ^bb0(%v: i8):
      %m = "kern.all_max"(%v) : (i8) -> i8
      "kern.yield"(%m) : (i8) -> ()
    }) : (tensor<4x8xi8>) -> tensor<4x8xi8>
    "func.return"(%0) : (tensor<4x8xi8>) -> ()
  }) : () -> ()
}) {quern.version = 1} : () -> ()
