// RUN: not quern opt %s -p apply-calibration 2>&1 | FileCheck %s

// All of them are named, each at its place.
// CHECK: errors.mlir:[[@LINE+3]]:{{[0-9]+}}: error: quern.observe: observer 'nothing' has no state: nothing was recorded for it; run calibrate on this program
// CHECK: note: quern.observe: in the state of observer 'broken'
func.func @f(%x: tensor<2x2xf32>, %h: tensor<2x2xf16>) -> tensor<2x2xf32> {
  %0 = quern.observe %x {key = "nothing"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %1 = quern.observe %x {key = "broken", quern.state = "1 minmax 1; 4 nan 1.0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
// CHECK: errors.mlir:[[@LINE+1]]:{{.*}}error: observer state, character 14: found '', expected '; ' and the count of a channel
  %2 = quern.observe %x {key = "short", quern.state = "1 minmax 2; 0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
// CHECK: errors.mlir:[[@LINE+1]]:{{.*}}error: the observer saw no values; a range needs some
  %3 = quern.observe %x {key = "empty", quern.state = "1 minmax 1; 0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
// CHECK: errors.mlir:[[@LINE+1]]:{{.*}}error: observer state of version 9; this library knows 1
  %4 = quern.observe %x {key = "newer", quern.state = "9 minmax 1; 0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
// CHECK: errors.mlir:[[@LINE+1]]:{{[0-9]+}}: error: quern.observe: observer 'half': its range -1 to 70000 is not finite in f16
  %5 = quern.observe %h {key = "half", quern.state = "1 minmax 1; 4 -1.0 70000.0"} : (tensor<2x2xf16>) -> tensor<2x2xf16>
// CHECK: errors.mlir:[[@LINE+1]]:{{[0-9]+}}: error: quern.observe: observer 'single': its range 0 to 1e+300 is not finite in f32
  %6 = quern.observe %x {key = "single", quern.state = "1 minmax 1; 4 0.0 1.0e300"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
// CHECK: errors.mlir:[[@LINE+1]]:{{.*}}error: no observer is named 'thing'
  %7 = quern.observe %x {key = "kind", quern.state = "1 thing 1; 0"} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  return %x : tensor<2x2xf32>
}
