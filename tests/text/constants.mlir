// RUN: quern opt %s | FileCheck %s
// RUN: quern opt %s | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | quern opt - | FileCheck %s
// RUN: quern opt %s --hex | quern opt - | FileCheck %s
// RUN: quern opt %s --generic --inline | FileCheck %s --check-prefix=GENERIC

// Dense data of every element type.

// CHECK-LABEL: func.func @lists
func.func @lists() {
  // CHECK: %0 = arith.constant dense<3> : tensor<4xi8>
  %0 = arith.constant dense<3> : tensor<4xi8>
  // CHECK: %1 = arith.constant dense<{{\[\[}}1, 2], [3, -4]]> : tensor<2x2xi4>
  %1 = arith.constant dense<[[1, 2], [3, -4]]> : tensor<2x2xi4>
  // CHECK: %2 = arith.constant dense<[1.0, 0x7F800000, -0.0, 3.4028235e38, 1.0e-45]> : tensor<5xf32>
  %2 = arith.constant dense<[1.0, 0x7F800000, -0.0, 3.4028235e+38, 1.0e-45]> : tensor<5xf32>
  // CHECK: %3 = arith.constant dense<[true, false]> : tensor<2xi1>
  %3 = arith.constant dense<[true, false]> : tensor<2xi1>
  // CHECK: %4 = arith.constant dense<> : tensor<0x4xf32>
  %4 = arith.constant dense<> : tensor<0x4xf32>
  // CHECK: %5 = arith.constant dense<7> : tensor<i32>
  %5 = arith.constant dense<7> : tensor<i32>
  // CHECK: %6 = arith.constant dense<[18446744073709551615, 0]> : tensor<2xui64>
  %6 = arith.constant dense<[18446744073709551615, 0]> : tensor<2xui64>
  return
}

// CHECK-LABEL: func.func @bytes
func.func @bytes() {
  // One byte for each element below 8 bits.
  // CHECK: %0 = arith.constant dense<[1, 2, 3, -1]> : tensor<4xi4>
  %0 = arith.constant dense<"0x0102030F"> : tensor<4xi4>
  // But i1 is packed.
  // CHECK: %1 = arith.constant dense<[true, false, true]> : tensor<3xi1>
  %1 = arith.constant dense<"0x05"> : tensor<3xi1>
  // The bytes of one element are all of them.
  // CHECK: %2 = arith.constant dense<1.0> : tensor<3xf32>
  %2 = arith.constant dense<"0x0000803F"> : tensor<3xf32>
  return
}

// Types that MLIR's own op refuses: its generic text has their bits.
// CHECK-LABEL: func.func @refused
// GENERIC-LABEL: sym_name = "refused"
func.func @refused() {
  // CHECK: %0 = quern.constant dense<[0.5, 6.0, -1.5]> : tensor<3xf4E2M1FN>
  // GENERIC: %0 = "quern.constant"() <{value = dense<[1, 7, 11]> : tensor<3xi8>}> : () -> tensor<3x!quern.f4E2M1FN>
  %0 = quern.constant dense<[0.5, 6.0, -1.5]> : tensor<3xf4E2M1FN>
  // CHECK: %1 = quern.constant dense<2.0> : tensor<7xf8E8M0FNU>
  // GENERIC: %1 = "quern.constant"() <{value = dense<-128> : tensor<7xi8>}> : () -> tensor<7x!quern.f8E8M0FNU>
  %1 = arith.constant dense<2.0> : tensor<7xf8E8M0FNU>
  // CHECK: %2 = quern.constant dense<[12, -3]> : tensor<2x!quant.uniform<i8<-127:127>:f32, 0.5>>
  // GENERIC: %2 = "quern.constant"() <{value = dense<[12, -3]> : tensor<2xi8>}> : () -> tensor<2x!quant.uniform<i8<-127:127>:f32, 0.5>>
  %2 = arith.constant dense<[12, -3]> : tensor<2x!quant.uniform<i8<-127:127>:f32, 0.5>>
  // CHECK: %3 = quern.constant dense<[200, 3]> : tensor<2x!quant.uniform<u8:f32, 0.5:10>>
  // GENERIC: %3 = "quern.constant"() <{value = dense<[-56, 3]> : tensor<2xi8>}> : () -> tensor<2x!quant.uniform<u8:f32, 0.5:10>>
  %3 = arith.constant dense<[200, 3]> : tensor<2x!quant.uniform<u8:f32, 0.5:10>>
  return
}
