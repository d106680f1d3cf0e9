// Integer ops of regions: they wrap, never trap, and a shift by the width or more leaves no bit (or the sign).

// CALL @arithmetic
// INPUT a: 127, -128, 100, 7
// INPUT b: 1, -1, 3, -2
// EXPECT add: -128, 127, 103, 5
// EXPECT sub: 126, -127, 97, 9
// EXPECT mul: 127, -128, 44, -14
// EXPECT sdiv: 127, -128, 33, -3
// EXPECT udiv: 127, 0, 33, 0
func.func @arithmetic(%a: tensor<4xi8>, %b: tensor<4xi8>) -> (tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>) {
  %add, %sub, %mul, %sdiv, %udiv = kern.map %a, %b body {
  ^bb0(%x: i8, %y: i8):
    %0 = arith.addi %x, %y : i8
    %1 = arith.subi %x, %y : i8
    %2 = arith.muli %x, %y : i8
    %3 = arith.divsi %x, %y : i8
    %4 = arith.divui %x, %y : i8
    kern.yield %0, %1, %2, %3, %4 : i8, i8, i8, i8, i8
  } : (tensor<4xi8>, tensor<4xi8>) -> (tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>)
  return %add, %sub, %mul, %sdiv, %udiv : tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>
}

// CALL @division
// INPUT a: 5, -2147483648, -7, 7, -1
// INPUT b: 0, -1, 2, 0, 3
// INPUT c: 5, -9223372036854775808, -7, 7, -1
// INPUT d: 0, -1, 2, 0, 3
// EXPECT s: 0, -2147483648, -3, 0, 0
// EXPECT u: 0, 0, 2147483644, 0, 1431655765
// EXPECT t: 0, -9223372036854775808, -3, 0, 0
// EXPECT v: 0, 0, 9223372036854775804, 0, 6148914691236517205
func.func @division(%a: tensor<5xi32>, %b: tensor<5xi32>, %c: tensor<5xi64>, %d: tensor<5xi64>) -> (tensor<5xi32>, tensor<5xi32>, tensor<5xi64>, tensor<5xi64>) {
  %s, %u = kern.map %a, %b body {
  ^bb0(%x: i32, %y: i32):
    %0 = arith.divsi %x, %y : i32
    %1 = arith.divui %x, %y : i32
    kern.yield %0, %1 : i32, i32
  } : (tensor<5xi32>, tensor<5xi32>) -> (tensor<5xi32>, tensor<5xi32>)
  %t, %v = kern.map %c, %d body {
  ^bb0(%x: i64, %y: i64):
    %0 = arith.divsi %x, %y : i64
    %1 = arith.divui %x, %y : i64
    kern.yield %0, %1 : i64, i64
  } : (tensor<5xi64>, tensor<5xi64>) -> (tensor<5xi64>, tensor<5xi64>)
  return %s, %u, %t, %v : tensor<5xi32>, tensor<5xi32>, tensor<5xi64>, tensor<5xi64>
}

// CALL @bits
// INPUT a: 0x0F, -1, 0x55
// INPUT b: 0x3C, 0x12, -86
// EXPECT and: 12, 18, 0
// EXPECT or: 63, -1, -1
// EXPECT xor: 51, -19, -1
func.func @bits(%a: tensor<3xi8>, %b: tensor<3xi8>) -> (tensor<3xi8>, tensor<3xi8>, tensor<3xi8>) {
  %and, %or, %xor = kern.map %a, %b body {
  ^bb0(%x: i8, %y: i8):
    %0 = arith.andi %x, %y : i8
    %1 = arith.ori %x, %y : i8
    %2 = arith.xori %x, %y : i8
    kern.yield %0, %1, %2 : i8, i8, i8
  } : (tensor<3xi8>, tensor<3xi8>) -> (tensor<3xi8>, tensor<3xi8>, tensor<3xi8>)
  return %and, %or, %xor : tensor<3xi8>, tensor<3xi8>, tensor<3xi8>
}

// A negative count is a large one.
// CALL @shifts
// INPUT a: 1, -128, -1, -5, 3, 64
// INPUT b: 3, 7, 8, 1, 100, -1
// INPUT c: 1, -2147483648, -1, -5, 3, 64
// INPUT d: 31, 31, 32, 1, 100, -1
// EXPECT l: 8, 0, 0, -10, 0, 0
// EXPECT s: 0, -1, -1, -3, 0, 0
// EXPECT u: 0, 1, 0, 125, 0, 0
// EXPECT m: -2147483648, 0, 0, -10, 0, 0
// EXPECT t: 0, -1, -1, -3, 0, 0
// EXPECT v: 0, 1, 0, 2147483645, 0, 0
func.func @shifts(%a: tensor<6xi8>, %b: tensor<6xi8>, %c: tensor<6xi32>, %d: tensor<6xi32>) -> (tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi32>, tensor<6xi32>, tensor<6xi32>) {
  %l, %s, %u = kern.map %a, %b body {
  ^bb0(%x: i8, %y: i8):
    %0 = arith.shli %x, %y : i8
    %1 = arith.shrsi %x, %y : i8
    %2 = arith.shrui %x, %y : i8
    kern.yield %0, %1, %2 : i8, i8, i8
  } : (tensor<6xi8>, tensor<6xi8>) -> (tensor<6xi8>, tensor<6xi8>, tensor<6xi8>)
  %m, %t, %v = kern.map %c, %d body {
  ^bb0(%x: i32, %y: i32):
    %0 = arith.shli %x, %y : i32
    %1 = arith.shrsi %x, %y : i32
    %2 = arith.shrui %x, %y : i32
    kern.yield %0, %1, %2 : i32, i32, i32
  } : (tensor<6xi32>, tensor<6xi32>) -> (tensor<6xi32>, tensor<6xi32>, tensor<6xi32>)
  return %l, %s, %u, %m, %t, %v : tensor<6xi8>, tensor<6xi8>, tensor<6xi8>, tensor<6xi32>, tensor<6xi32>, tensor<6xi32>
}

// CALL @extremes
// INPUT a: -1, 5, -128
// INPUT b: 1, 5, 127
// EXPECT smax: 1, 5, 127
// EXPECT smin: -1, 5, -128
// EXPECT umax: -1, 5, -128
// EXPECT umin: 1, 5, 127
func.func @extremes(%a: tensor<3xi8>, %b: tensor<3xi8>) -> (tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>) {
  %smax, %smin, %umax, %umin = kern.map %a, %b body {
  ^bb0(%x: i8, %y: i8):
    %0 = arith.maxsi %x, %y : i8
    %1 = arith.minsi %x, %y : i8
    %2 = arith.maxui %x, %y : i8
    %3 = arith.minui %x, %y : i8
    kern.yield %0, %1, %2, %3 : i8, i8, i8, i8
  } : (tensor<3xi8>, tensor<3xi8>) -> (tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>)
  return %smax, %smin, %umax, %umin : tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>
}

// The ten predicates in bits 0 to 9: eq ne slt sle sgt sge ult ule ugt uge.
// CALL @compare
// INPUT a: 1, 1, 2, -1
// INPUT b: 1, 2, 1, 1
// EXPECT y: 0x2A9, 0x0CE, 0x332, 0x30E
func.func @compare(%a: tensor<4xi32>, %b: tensor<4xi32>) -> tensor<4xi32> {
  %y = kern.map %a, %b body {
  ^bb0(%x: i32, %y: i32):
    %c1 = arith.constant 1 : i32
    %p0 = arith.cmpi eq, %x, %y : i32
    %p1 = arith.cmpi ne, %x, %y : i32
    %p2 = arith.cmpi slt, %x, %y : i32
    %p3 = arith.cmpi sle, %x, %y : i32
    %p4 = arith.cmpi sgt, %x, %y : i32
    %p5 = arith.cmpi sge, %x, %y : i32
    %p6 = arith.cmpi ult, %x, %y : i32
    %p7 = arith.cmpi ule, %x, %y : i32
    %p8 = arith.cmpi ugt, %x, %y : i32
    %p9 = arith.cmpi uge, %x, %y : i32
    %b0 = arith.extui %p0 : i1 to i32
    %b1 = arith.extui %p1 : i1 to i32
    %b2 = arith.extui %p2 : i1 to i32
    %b3 = arith.extui %p3 : i1 to i32
    %b4 = arith.extui %p4 : i1 to i32
    %b5 = arith.extui %p5 : i1 to i32
    %b6 = arith.extui %p6 : i1 to i32
    %b7 = arith.extui %p7 : i1 to i32
    %b8 = arith.extui %p8 : i1 to i32
    %b9 = arith.extui %p9 : i1 to i32
    %s9 = arith.shli %b9, %c1 : i32
    %t8 = arith.ori %s9, %b8 : i32
    %s8 = arith.shli %t8, %c1 : i32
    %t7 = arith.ori %s8, %b7 : i32
    %s7 = arith.shli %t7, %c1 : i32
    %t6 = arith.ori %s7, %b6 : i32
    %s6 = arith.shli %t6, %c1 : i32
    %t5 = arith.ori %s6, %b5 : i32
    %s5 = arith.shli %t5, %c1 : i32
    %t4 = arith.ori %s5, %b4 : i32
    %s4 = arith.shli %t4, %c1 : i32
    %t3 = arith.ori %s4, %b3 : i32
    %s3 = arith.shli %t3, %c1 : i32
    %t2 = arith.ori %s3, %b2 : i32
    %s2 = arith.shli %t2, %c1 : i32
    %t1 = arith.ori %s2, %b1 : i32
    %s1 = arith.shli %t1, %c1 : i32
    %t0 = arith.ori %s1, %b0 : i32
    kern.yield %t0 : i32
  } : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %y : tensor<4xi32>
}

// CALL @widths
// INPUT a: -1, 127, -128
// INPUT b: 0x12345678, -1, 128
// EXPECT s: -1, 127, -128
// EXPECT u: 255, 127, 128
// EXPECT t: 120, -1, -128
// EXPECT w: -1, 127, -128
func.func @widths(%a: tensor<3xi8>, %b: tensor<3xi32>) -> (tensor<3xi32>, tensor<3xi32>, tensor<3xi8>, tensor<3xi64>) {
  %s, %u, %t, %w = kern.map %a, %b body {
  ^bb0(%x: i8, %y: i32):
    %0 = arith.extsi %x : i8 to i32
    %1 = arith.extui %x : i8 to i32
    %2 = arith.trunci %y : i32 to i8
    %3 = arith.extsi %x : i8 to i64
    kern.yield %0, %1, %2, %3 : i32, i32, i8, i64
  } : (tensor<3xi8>, tensor<3xi32>) -> (tensor<3xi32>, tensor<3xi32>, tensor<3xi8>, tensor<3xi64>)
  return %s, %u, %t, %w : tensor<3xi32>, tensor<3xi32>, tensor<3xi8>, tensor<3xi64>
}

// CALL @select
// INPUT c: 1, 0, 1
// INPUT a: 1, 2, 3
// INPUT b: -1, -2, -3
// EXPECT y: 1, -2, 3
// EXPECT z: -1, 2, -3
func.func @select(%c: tensor<3xi1>, %a: tensor<3xi16>, %b: tensor<3xi16>) -> (tensor<3xi16>, tensor<3xi16>) {
  %y, %z = kern.map %c, %a, %b body {
  ^bb0(%k: i1, %p: i16, %q: i16):
    %0 = arith.select %k, %p, %q : i16
    %1 = arith.select %k, %q, %p : i16
    kern.yield %0, %1 : i16, i16
  } : (tensor<3xi1>, tensor<3xi16>, tensor<3xi16>) -> (tensor<3xi16>, tensor<3xi16>)
  return %y, %z : tensor<3xi16>, tensor<3xi16>
}
