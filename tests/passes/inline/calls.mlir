// RUN: quern opt %s -p inline --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p inline --stats 2>&1 >/dev/null | FileCheck %s --check-prefix=STATS

// Callees first, every call of them; private functions are left over and go.
// CHECK-NOT:   private
// CHECK-LABEL: func.func @main
// CHECK-SAME:  (%x: tensor<4xf32>)
// CHECK-NEXT:  %[[A:.*]] = quern.exp %x
// CHECK-NEXT:  %[[B:.*]] = quern.neg %[[A]]
// CHECK-NEXT:  %[[C:.*]] = quern.exp %[[B]]
// CHECK-NEXT:  %[[D:.*]] = quern.exp %[[C]]
// CHECK-NEXT:  %[[E:.*]] = quern.neg %[[D]]
// CHECK-NEXT:  return %[[E]], %x
func.func private @leaf(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @both(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = call @leaf(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.neg %0 : (tensor<4xf32>) -> tensor<4xf32>
  return %1, %x : tensor<4xf32>, tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0, %same = call @both(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  %1 = call @leaf(%0) : (tensor<4xf32>) -> tensor<4xf32>
  %2, %other = call @both(%1) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %2, %same : tensor<4xf32>, tensor<4xf32>
}

// A public function that is called stays for its callers outside.
// CHECK-LABEL: func.func @entry
// CHECK-NEXT:  quern.tanh
// CHECK-LABEL: func.func @uses_entry
// CHECK-NEXT:  quern.tanh
// CHECK-NOT:   call
func.func @entry(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.tanh %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @uses_entry(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @entry(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// STATS-DAG: 5  inline: calls inlined
// STATS-DAG: 2  inline: private functions erased
