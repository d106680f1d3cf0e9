// RUN: quern opt %s --allow-unregistered | FileCheck %s
// RUN: quern opt %s --allow-unregistered --generic --inline | FileCheck %s
// RUN: quern opt %s --allow-unregistered | quern opt - --allow-unregistered | FileCheck %s

// Every kind of attribute.

#alias = {k = 3 : i8}

// CHECK-LABEL: "t.numbers"
// CHECK-SAME: {a = 1, b = -8 : i4, c = 15 : ui4, d = 18446744073709551615 : ui64, e = 5 : index, f = true,
// CHECK-SAME: g = 1.5, h = 1.5 : f32, i = 1.0e-5 : f32, j = -0.0 : bf16, k = 0x7FC00001 : f32,
// CHECK-SAME: l = 0x7FF0000000000000 : f64, m = 448.0 : f8E4M3FN}
"t.numbers"() {a = 1 : i64, b = -8 : i4, c = 0xF : ui4, d = 18446744073709551615 : ui64, e = 5 : index, f = 1 : i1,
               g = 1.5 : f64, h = 1.5 : f32, i = 0.00001 : f32, j = -0.0 : bf16, k = 0x7FC00001 : f32,
               l = 0x7FF0000000000000 : f64, m = 448.0 : f8E4M3FN} : () -> ()

// CHECK-LABEL: "t.others"
// CHECK-SAME: {"a b" = "text \"quoted\" \0A", arr = [1, [], "x", unit], dict = {k = 3 : i8}, fn = (f32) -> (i8, i8),
// CHECK-SAME: sym = @main, sym2 = @"odd name", type = tensor<4x?xf32>, unit}
"t.others"() {unit, "a b" = "text \"quoted\" \n", type = tensor<4x?xf32>, fn = (f32) -> (i8, i8), arr = [1, [], "x", unit],
              dict = #alias, sym = @main, sym2 = @"odd name"} : () -> ()

// CHECK-LABEL: "t.arrays"
// CHECK-SAME: {a = array<i64: 1, -2>, b = array<i8>, c = array<i1: true, false>, d = array<f32: 1.0, 0x7FC00000>,
// CHECK-SAME: e = array<f64: 1.0e-300>}
"t.arrays"() {a = array<i64: 1, -2>, b = array<i8>, c = array<i1: 1, false>, d = array<f32: 1, 0x7FC00000>,
              e = array<f64: 1.0e-300>} : () -> ()

// CHECK-LABEL: "t.dialect"
// CHECK-SAME: {a = #quern.dims<"x", "y">, b = #foo.bar, c = #foo.baz<[1, (2 -> 3)], ">">}
"t.dialect"() {a = #quern.dims<"x", "y">, b = #foo.bar, c = #foo.baz<[1, (2 -> 3)], ">">} : () -> ()
