// Observers let values through as they are; what they see is a further output of the compiled program.
// CALL @observe
// INPUT x: 1, -0.0, nan, inf
// EXPECT y: 1, -0.0, nan, inf
// OBSERVES seen: 1, -0.0, nan, inf
func.func @observe(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = quern.observe %x {key = "seen"} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
