// RUN: quern opt %s -p apply-calibration --verify-each --check-each | FileCheck %s
// RUN: quern opt %s -p apply-calibration --stats -o /dev/null 2>&1 | FileCheck %s --check-prefix=STATS

// STATS: 10 {{.*}}ranges applied

// CHECK-LABEL: func.func @product
// CHECK-NEXT:  %[[X:.*]] = quern.cast %x : (tensor<?x4xf32>) -> tensor<?x4x!quant.calibrated<f32<-0.5:2.0>>>
// CHECK-NEXT:  quern.matmul %[[X]], %[[X]] {transpose_b = true} : (tensor<?x4x!quant.calibrated<f32<-0.5:2.0>>>,
func.func @product(%x: tensor<?x4xf32>) -> tensor<?x?xf32> {
  %0 = quern.observe %x {key = "x", quern.state = "1 minmax 1; 64 -0.5 2.0", quern.min = -0.5 : f32, quern.max = 2.0 : f32} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = quern.matmul %0, %0 {transpose_b = true} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x?xf32>
  return %1 : tensor<?x?xf32>
}

// The range is what the kind makes of the state: the average here, the quarters at both ends left out there; channels are joined.
// CHECK-LABEL: func.func @kinds
// CHECK-DAG:   quern.cast %x : {{.*}}calibrated<f32<-1.0:4.5>>
// CHECK-DAG:   quern.cast %x : {{.*}}calibrated<f32<0.499755859375:0.5>>
// CHECK-DAG:   quern.cast %x : {{.*}}calibrated<f32<-3.0:7.0>>
// CHECK-DAG:   quern.cast %x : {{.*}}calibrated<f32<0.0:0.0>>
func.func @kinds(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = quern.observe %x {key = "a", kind = "moving-average:0.5", quern.state = "1 moving-average:0.5 1; 5 -2.0 8.0 3:-2.0:1.0 7:0.0:8.0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = quern.observe %x {key = "b", kind = "percentile:50", quern.state = "1 percentile:50 1; 8 0.0 1.0 0 -12 0 0*2047 6 0*2048 2"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = quern.observe %x {key = "c", per_axis = true, quern.state = "1 minmax 2; 4 -3.0 1.0; 4 2.0 7.0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = quern.observe %x {key = "d", kind = "kl", quern.state = "1 kl 1; 4 0.0 0.0 4 -149 0 0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %4 = quern.matmul %0, %1 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %5 = quern.matmul %2, %3 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %6 = quern.add %4, %5 : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %6 : tensor<2x2xf32>
}

// Rounded to the element type.
// CHECK-LABEL: func.func @half
// CHECK:       quern.cast %x : (tensor<2x2xf16>) -> tensor<2x2x!quant.calibrated<f16<-0.0999755859375:65504.0>>>
func.func @half(%x: tensor<2x2xf16>) -> tensor<2x2xf16> {
  %0 = quern.observe %x {key = "h", quern.state = "1 minmax 1; 4 -0.1 65504.0"} : (tensor<2x2xf16>) -> tensor<2x2xf16>
  %1 = quern.matmul %0, %0 : (tensor<2x2xf16>, tensor<2x2xf16>) -> tensor<2x2xf16>
  return %1 : tensor<2x2xf16>
}

// Signatures keep their types: what leaves the function is the value itself. A range that nobody takes goes.
// CHECK-LABEL: func.func @leaves(%x: tensor<2xf32>) -> tensor<2xf32>
// CHECK-NEXT:  return %x
// CHECK-LABEL: func.func @both(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
// CHECK-NEXT:  %[[C:.*]] = quern.cast %x
// CHECK-NEXT:  %[[R:.*]] = quern.relu %[[C]]
// CHECK-NEXT:  %[[L:.*]] = call @leaves(%x)
// CHECK-NEXT:  return %[[R]], %x
func.func @leaves(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = quern.observe %x {key = "l", quern.state = "1 minmax 1; 4 0.0 1.0"} : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @both(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0 = quern.observe %x {key = "m", quern.state = "1 minmax 1; 4 0.0 1.0"} : (tensor<2xf32>) -> tensor<2xf32>
  %1 = quern.relu %0 : (tensor<2xf32>) -> tensor<2xf32>
  %2 = func.call @leaves(%0) : (tensor<2xf32>) -> tensor<2xf32>
  return %1, %0 : tensor<2xf32>, tensor<2xf32>
}

// An observer of an observed value: each has its own range.
// CHECK-LABEL: func.func @chain
// CHECK-NEXT:  quern.cast %x : {{.*}}calibrated<f32<0.0:2.0>>
// CHECK-NEXT:  quern.relu
func.func @chain(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = quern.observe %x {key = "n", quern.state = "1 minmax 1; 4 0.0 1.0"} : (tensor<2xf32>) -> tensor<2xf32>
  %1 = quern.observe %0 {key = "o", quern.state = "1 minmax 1; 4 0.0 2.0"} : (tensor<2xf32>) -> tensor<2xf32>
  %2 = quern.relu %1 : (tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}
