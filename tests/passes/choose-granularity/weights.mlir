// RUN: quern opt %s -p choose-granularity --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p 'choose-granularity{min_sqnr=50}' | FileCheck %s --check-prefix=STRICT
// RUN: quern opt %s -p 'choose-granularity{granularity=tensor}' | FileCheck %s --check-prefix=TENSOR
// RUN: quern opt %s -p 'choose-granularity{granularity=channel}' | FileCheck %s --check-prefix=CHANNEL
// RUN: quern opt %s -p 'choose-granularity{weights=i4}' | FileCheck %s --check-prefix=I4
// RUN: quern opt %s -p 'choose-granularity{weights=i4}' --stats 2>&1 >/dev/null | FileCheck %s --check-prefix=STATS

// Without samples the weights alone are measured. 8 bits do well with one scale; in 4 bits small columns beside a large
// one would lose their codes (@uneven).
// CHECK-LABEL:   func.func @even
// CHECK:         quern.matmul {{.*}} {quern.granularity = "tensor"}
// STRICT-LABEL:  func.func @even
// STRICT:        quern.matmul {{.*}} {quern.granularity = "channel"}
// TENSOR-LABEL:  func.func @even
// TENSOR:        quern.granularity = "tensor"
// CHANNEL-LABEL: func.func @even
// CHANNEL:       quern.granularity = "channel"
func.func @even(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %w = arith.constant dense<[[1.0, -1.5], [-0.53, 2.0]]> : tensor<2x2xf32>
  %0 = quern.matmul %x, %w : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// CHECK-LABEL:   func.func @uneven
// CHECK:         quern.matmul {{.*}} {quern.granularity = "tensor", transpose_b = true}
// I4-LABEL:      func.func @uneven
// I4:            quern.matmul {{.*}} {quern.granularity = "channel", transpose_b = true}
func.func @uneven(%x: tensor<2x3xf32>) -> tensor<2x4xf32> {
  %w = arith.constant dense<[[7.0, 7.0, 7.0], [0.4, 0.4, 0.4], [0.4, -0.4, 0.4], [0.4, 0.4, -0.4]]> : tensor<4x3xf32>
  %0 = quern.matmul %x, %w {transpose_b = true} : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// A vector, and a constant on the left, have no columns. A decision made by hand stays.
// CHECK-LABEL:   func.func @others
// CHECK:         quern.matmul %x, %{{.*}} {quern.granularity = "tensor"} : (tensor<2x2xf32>, tensor<2xf32>)
// CHECK:         quern.matmul %{{.*}}, %x : 
// CHECK:         quern.matmul %x, %x : 
// CHECK:         quern.matmul %x, %{{.*}} {quern.granularity = "block=8"}
// CHANNEL-LABEL: func.func @others
// CHANNEL:       quern.matmul %x, %{{.*}} {quern.granularity = "tensor"} : (tensor<2x2xf32>, tensor<2xf32>)
func.func @others(%x: tensor<2x2xf32>) -> (tensor<2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %v = arith.constant dense<[1.0, -1.5]> : tensor<2xf32>
  %w = arith.constant dense<[[1.0, -1.5], [-0.5, 2.0]]> : tensor<2x2xf32>
  %0 = quern.matmul %x, %v : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %1 = quern.matmul %w, %x : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = quern.matmul %x, %x : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = quern.matmul %x, %w {quern.granularity = "block=8"} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %0, %1, %2, %3 : tensor<2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// The best there is, when nothing is good enough (@even).
// STATS: choose-granularity: below min_sqnr
