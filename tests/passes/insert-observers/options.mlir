// RUN: quern opt %s -p 'insert-observers{kind=kl}' | FileCheck %s --check-prefix=KL
// RUN: quern opt %s -p 'insert-observers{kind=percentile:99.9}' | FileCheck %s --check-prefix=PERCENT
// RUN: quern opt %s -p 'insert-observers{weights=true}' | FileCheck %s --check-prefix=WEIGHTS
// RUN: not quern opt %s -p 'insert-observers{kind=largest}' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not quern opt %s -p 'insert-observers{kind=percentile:20}' 2>&1 | FileCheck %s --check-prefix=LOW

// KL: quern.observe %x {key = "x", kind = "kl"}
// PERCENT: quern.observe %x {key = "x", kind = "percentile:99.9"}
// WEIGHTS: quern.observe %x {key = "x"}
// WEIGHTS-NEXT: quern.observe %w {key = "w"}
// UNKNOWN: error: no observer is named 'largest', expected one of: minmax, moving-average, percentile, histogram-mse, kl
// LOW: error: observer 'percentile': percentage kept is '20', expected a number from 50 to 100
func.func @f(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = arith.constant dense<0.5> : tensor<4x4xf32>
  %0 = quern.matmul %x, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}
