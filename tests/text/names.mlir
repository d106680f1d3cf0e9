// RUN: quern opt %s --allow-unregistered | FileCheck %s
// RUN: quern opt %s --allow-unregistered | quern opt - --allow-unregistered | FileCheck %s

// Names are kept; numbers and argN are given anew. A name may come again in another region, not inside the one it is in.

// CHECK: %0 = "t.a"() : () -> i8
%7 = "t.a"() : () -> i8
// CHECK: %x.y$-1 = "t.a"(%0) : (i8) -> i8
%x.y$-1 = "t.a"(%7) : (i8) -> i8
// CHECK: %1 = "t.a"() : () -> i8
%arg3 = "t.a"() : () -> i8
// CHECK: "t.regions"(%1) ({
"t.regions"(%arg3) ({
  // CHECK-NEXT: ^bb0(%v: i8, %arg0: i8):
  ^bb0(%v: i8, %0: i8):
  // CHECK-NEXT: %2 = "t.a"(%v, %arg0)
  %1 = "t.a"(%v, %0) : (i8, i8) -> i8
  // CHECK-NEXT: }, {
}, {
  // CHECK-NEXT: ^bb0(%v: i8):
  ^bb0(%v: i8):
  // CHECK-NEXT: %2 = "t.a"(%v, %x.y$-1)
  %1 = "t.a"(%v, %x.y$-1) : (i8, i8) -> i8
}) : (i8) -> ()
// CHECK: %v = "t.a"() : () -> i8
%v = "t.a"() : () -> i8
// CHECK: %group:3 = "t.three"() : () -> (i8, i16, i32)
%group:3 = "t.three"() : () -> (i8, i16, i32) loc(unknown)
// CHECK: "t.use"(%{{.*}}#1, %{{.*}}#2) : (i16, i32) -> ()
"t.use"(%group#1, %group#2) : (i16, i32) -> ()
