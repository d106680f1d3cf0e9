// RUN: quern opt %s -p insert-observers --verify-each --check-each | FileCheck %s
// Again, or with observers there already: nothing is added.
// RUN: quern opt %s -p insert-observers,insert-observers | FileCheck %s
// RUN: quern opt %s -p insert-observers,insert-observers --stats -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: 10 {{.*}}observers inserted
// STATS-NOT: observers inserted

// What a product takes is observed; the sum in between and the result are not, and constants are not.
// CHECK-LABEL: func.func @mlp
// CHECK-NEXT:  %w = arith.constant
// CHECK-NEXT:  %v = arith.constant
// CHECK-NEXT:  %[[X:.*]] = quern.observe %x {key = "x"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT:  %h = quern.matmul %[[X]], %w
// CHECK-NEXT:  %b = quern.add %h, %h
// CHECK-NEXT:  %r = quern.relu %b
// CHECK-NEXT:  %[[R:.*]] = quern.observe %r {key = "r"}
// CHECK-NEXT:  %y = quern.matmul %[[R]], %v
// CHECK-NEXT:  return %y
func.func @mlp(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<0.5> : tensor<4x8xf32>
  %v = arith.constant dense<0.25> : tensor<8x2xf32>
  %h = quern.matmul %x, %w : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  %b = quern.add %h, %h : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %r = quern.relu %b : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = quern.matmul %r, %v : (tensor<?x8xf32>, tensor<8x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// One observer for a value, however many products take it; other users keep the value.
// CHECK-LABEL: func.func @shared
// CHECK-NEXT:  %[[A:.*]] = quern.observe %a {key = "a"}
// CHECK-NEXT:  %[[P:.*]] = quern.matmul %[[A]], %[[A]]
// CHECK-NEXT:  %[[Z:.*]] = quern.observe %[[P]] {key = "shared.0"}
// CHECK-NEXT:  %{{.*}} = quern.matmul %[[A]], %[[Z]]
// CHECK-NEXT:  %{{.*}} = quern.add %{{.*}}, %a
func.func @shared(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = quern.matmul %a, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = quern.matmul %a, %0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = quern.add %1, %a : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}

// Keys are unique in the module; where a value has no name its op's in the source model serves; the name under which a
// function takes an input comes before that of its value.
// CHECK-LABEL: func.func @keys
// CHECK:       quern.observe %v {key = "x_1"}
// CHECK:       quern.observe %{{.*}} {key = "Gemm_3"}
// CHECK:       quern.observe %{{.*}} {key = "Gemm_3_1"}
// CHECK:       quern.observe %{{.*}} {key = "keys.0"}
func.func @keys(%v: tensor<4x4xf32> {quern.name = "x"}) -> tensor<4x4xf32> {
  %0 = quern.matmul %v, %v : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32> loc("Gemm_3")
  %1 = quern.matmul %0, %0 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32> loc("Gemm_3")
  %2 = quern.matmul %1, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = quern.matmul %2, %2 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}

// What is made of constants alone is one; integers and quantized operands are not looked at.
// CHECK-LABEL: func.func @not_observed
// CHECK-NEXT:  arith.constant
// CHECK-NEXT:  %[[T:.*]] = quern.transpose
// CHECK-NEXT:  %[[X:.*]] = quern.observe %x {key = "x_2"}
// CHECK-NEXT:  quern.matmul %[[X]], %[[T]]
// CHECK-NOT:   observe
// CHECK:       return
func.func @not_observed(%x: tensor<2x3xf32>, %q: tensor<2x2x!quant.uniform<i8:f32, 0.5>>) -> (tensor<2x4xf32>, tensor<2x2xi32>) {
  %c = arith.constant dense<1.0> : tensor<4x3xf32>
  %t = quern.transpose %c {perm = array<i64: 1, 0>} : (tensor<4x3xf32>) -> tensor<3x4xf32>
  %0 = quern.matmul %x, %t : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  %1 = quern.matmul %q, %q : (tensor<2x2x!quant.uniform<i8:f32, 0.5>>, tensor<2x2x!quant.uniform<i8:f32, 0.5>>) -> tensor<2x2xi32>
  return %0, %1 : tensor<2x4xf32>, tensor<2x2xi32>
}

// An observer that is there is used by the products after it, and its key is taken.
// CHECK-LABEL: func.func @there
// CHECK-NEXT:  %[[O:.*]] = quern.observe %x {key = "main_x", kind = "kl"}
// CHECK-NEXT:  %[[M:.*]] = quern.matmul %[[O]], %[[O]]
// CHECK-NEXT:  %[[N:.*]] = quern.observe %main_x {key = "main_x_1"}
// CHECK-NEXT:  quern.matmul %[[M2:.*]], %[[N]]
func.func @there(%x: tensor<4x4xf32>, %main_x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %o = quern.observe %x {key = "main_x", kind = "kl"} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %m = quern.matmul %o, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %n = quern.matmul %o, %main_x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %s = quern.add %m, %n : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %s : tensor<4x4xf32>
}
