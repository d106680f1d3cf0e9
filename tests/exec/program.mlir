// Functions, calls and constants: private functions are inlined, several public ones are entry points of their own.

func.func private @twice(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = quern.add %x, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

func.func private @both(%a: tensor<2xf32>, %b: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %c = call @twice(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %c, %b : tensor<2xf32>, tensor<2xf32>
}

// CALL @calls
// INPUT x: 1, 2
// INPUT z: 5, 6
// EXPECT a: 4, 8
// EXPECT b: 5, 6
func.func @calls(%x: tensor<2xf32>, %z: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %c = call @twice(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %a, %b = call @both(%c, %z) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  return %a, %b : tensor<2xf32>, tensor<2xf32>
}

// An input that is given back, twice, and one that nobody reads.
// CALL @through
// INPUT x: 1, nan
// INPUT unused: 3
// EXPECT first: 1, nan
// EXPECT second: 1, nan
func.func @through(%x: tensor<2xf32>, %unused: tensor<f32>) -> (tensor<2xf32> {quern.name = "first"}, tensor<2xf32> {quern.name = "second"}) {
  return %x, %x : tensor<2xf32>, tensor<2xf32>
}

// CALL @constants
// EXPECT a: 1.5, -0.0, nan, inf
// EXPECT b 2x2: 1, 2, 3, -4
// EXPECT c scalar: 1
// EXPECT d: 7, 7, 7
// EXPECT e 0x3:
// EXPECT f: -8, 7, 0
func.func @constants() -> (tensor<4xf32>, tensor<2x2xi8>, tensor<i1>, tensor<3xi64>, tensor<0x3xf32>, tensor<3xi4>) {
  %a = arith.constant dense<[1.5, -0.0, 0x7FC00000, 0x7F800000]> : tensor<4xf32>
  %b = arith.constant dense<[[1, 2], [3, -4]]> : tensor<2x2xi8>
  %c = arith.constant dense<true> : tensor<i1>
  %d = arith.constant dense<7> : tensor<3xi64>
  %e = arith.constant dense<> : tensor<0x3xf32>
  %f = arith.constant dense<[-8, 7, 0]> : tensor<3xi4>
  return %a, %b, %c, %d, %e, %f : tensor<4xf32>, tensor<2x2xi8>, tensor<i1>, tensor<3xi64>, tensor<0x3xf32>, tensor<3xi4>
}

// One constant for all rows, used twice with different shapes around it.
// CALL @shared
// INPUT x: [1, 2], [3, 4]
// EXPECT y 2x2: [11, 22], [13, 24]
// EXPECT z 2x2: [10, 40], [30, 80]
func.func @shared(%x: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %c = arith.constant dense<[10.0, 20.0]> : tensor<2xf32>
  %y = quern.add %x, %c : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  %z = quern.mul %x, %c : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %y, %z : tensor<2x2xf32>, tensor<2x2xf32>
}

// A public function may call another.
// CALL @entry
// INPUT x: 1, -1
// EXPECT y: 1, 0.0
func.func @other(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = quern.relu %x : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
func.func @entry(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = call @other(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
