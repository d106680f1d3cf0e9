// RUN: quern opt %s -p fold-qparams | FileCheck %s

!q = !quant.uniform<u8:f32, 0.02:117>
!k = !quant.uniform<i8:f32, 0.03>
!c = !quant.uniform<i8:f32:1, {0.01,0.02,0.03}>

// CHECK-LABEL: func.func @codes
// CHECK-NEXT: %y = quern.attention %q, %k, %v, %m : (tensor<4x8x!quant.uniform<u8:f32, 0.02:117>>, {{.*}}tensor<4x6xi1>) -> tensor<4x3xf32>
// CHECK-NEXT: return
func.func @codes(%q: tensor<4x8x!q>, %k: tensor<6x8x!k>, %v: tensor<6x3x!k>, %m: tensor<4x6xi1>) -> tensor<4x3xf32> {
  %0 = quant.dcast %q : tensor<4x8x!q> to tensor<4x8xf32>
  %1 = quant.dcast %k : tensor<6x8x!k> to tensor<6x8xf32>
  %2 = quant.dcast %v : tensor<6x3x!k> to tensor<6x3xf32>
  %y = quern.attention %0, %1, %2, %m : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>, tensor<4x6xi1>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// Scales per column, or an operand that stays float: nothing changes.
// CHECK-LABEL: func.func @kept
// CHECK: quern.attention {{.*}} : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>)
// CHECK: quern.attention {{.*}} : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>)
func.func @kept(%q: tensor<4x8x!q>, %k: tensor<6x8x!k>, %v: tensor<6x3x!c>, %f: tensor<6x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %0 = quant.dcast %q : tensor<4x8x!q> to tensor<4x8xf32>
  %1 = quant.dcast %k : tensor<6x8x!k> to tensor<6x8xf32>
  %2 = quant.dcast %v : tensor<6x3x!c> to tensor<6x3xf32>
  %y = quern.attention %0, %1, %2 : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  %z = quern.attention %0, %1, %f : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x3xf32>) -> tensor<4x3xf32>
  return %y, %z : tensor<4x3xf32>, tensor<4x3xf32>
}
