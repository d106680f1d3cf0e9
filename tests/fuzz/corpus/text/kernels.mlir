module {
  func.func @g(%a: tensor<4x64xf32>, %b: tensor<64x8xi8>, %m: tensor<8xf32>) -> tensor<4x8xi8> {
    %0 = kern.gemm %a, %b, %m prologue {
    ^bb0(%x: f32):
      %s = arith.constant 0.5 : f32
      %c0 = arith.constant 3 : i32
      %t = arith.constant true
      %d = arith.mulf %x, %s fastmath<nnan,ninf> : f32
      %dr = math.roundeven %d : f32
      %i = arith.fptosi %dr : f32 to i8
      kern.yield %i : i8
    } epilogue {
    ^bb0(%acc: i32, %mm: f32):
      %f = arith.sitofp %acc : i32 to f32
      %z = arith.constant 0.0 : f32
      %g = arith.mulf %f, %mm : f32
      %c = arith.cmpf ugt, %g, %z : f32
      %h = arith.select %c, %g, %z : f32
      %e = math.fma %h, %mm, %z : f32
      %k = quern.gelu_scalar %e {approximate = "tanh"} : (f32) -> f32
      %r = math.roundeven %k : f32
      %q = arith.fptosi %r : f32 to i8
      kern.yield %q : i8
    } {acc = i32, lhs = i8, layout = "plain", num_prologue = 0} : (tensor<4x64xf32>, tensor<64x8xi8>, tensor<8xf32>) -> tensor<4x8xi8>
    %1 = kern.map %0 body {
    ^bb0(%x: i8):
      %w = arith.extsi %x : i8 to i32
      %c1 = arith.constant -7 : i32
      %c = arith.cmpi slt, %w, %c1 : i32
      %n = arith.addi %w, %c1 overflow<nsw> : i32
      %j = arith.select %c, %w, %n : i32
      %u = arith.trunci %j : i32 to i8
      kern.yield %u : i8
    } : (tensor<4x8xi8>) -> tensor<4x8xi8>
    %2 = call @h(%1) : (tensor<4x8xi8>) -> tensor<4x8xi8>
    return %2 : tensor<4x8xi8>
  }
  func.func private @h(%x: tensor<4x8xi8>) -> tensor<4x8xi8> {
    %0 = kern.row %x body {
    ^bb0(%v: i8):
      %m = kern.all_max %v : (i8) -> i8
      kern.yield %m : i8
    } : (tensor<4x8xi8>) -> tensor<4x8xi8>
    func.return %0 : tensor<4x8xi8>
  }
}
