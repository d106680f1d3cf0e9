// Products with a scale for each block of k.

// Codes and scales given: the sums are 36 and 1.
// CALL @given
// INPUT a: 1, 2, 3, 4, 5, 6, 7, 8, 127, -127, 1, 0, 0, 0, 0, 0
// INPUT s: 0.5, 2
// EXPECT y 2x1: [9], [1]
func.func @given(%a: tensor<2x8xi8>, %s: tensor<2x1xf32>) -> tensor<2x1xf32> {
  %c = arith.constant dense<[[1], [1], [1], [1], [1], [1], [1], [1]]> : tensor<8x1xi4>
  %w = quant.scast %c : tensor<8x1xi4> to tensor<8x1x!quant.uniform<i4:f32:{0:8, 1:1}, {{0.5}}>>
  %y = quern.block_matmul %a, %s, %w : (tensor<2x8xi8>, tensor<2x1xf32>, tensor<8x1x!quant.uniform<i4:f32:{0:8, 1:1}, {{0.5}}>>) -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}

// Quantized by blocks of 8 with a tail of 2: scales 127/127, 254/127 and 1 (of zeros). Weights are transposed, with a
// zero point per block: 1 is 3 - 2 in the first, 5 - 4 in the second. -3 / 2 is a tie: -2.
// CALL @dynamic
// INPUT x: [127, 1, 2, 3, 0, 0, 0, -100, 254, -3], [0, 0, 0, 0, 0, 0, 0, 0, nan, 5]
// EXPECT y 2x1: [158], [0x1.4000000000000p+1]
func.func @dynamic(%x: tensor<2x10xf32>) -> tensor<2x1xf32> {
  %c = arith.constant dense<[[3, 3, 3, 3, 3, 3, 3, 3, 5, 5]]> : tensor<1x10xi4>
  %w = quant.scast %c : tensor<1x10xi4> to tensor<1x10x!quant.uniform<u4:f32:{0:1, 1:8}, {{1.0:2, 0.5:4}}>>
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<2x10xf32>) -> (tensor<2x10xi8>, tensor<2x2xf32>, tensor<2x2xi8>)
  %y = quern.block_matmul %q, %s, %w {transpose_b = true} : (tensor<2x10xi8>, tensor<2x2xf32>, tensor<1x10x!quant.uniform<u4:f32:{0:1, 1:8}, {{1.0:2, 0.5:4}}>>) -> tensor<2x1xf32>
  return %y : tensor<2x1xf32>
}

// Whole blocks, and one that is longer than the row.
// CALL @codes
// INPUT x: [127, 1, 254, -3], [0, 0, nan, 5]
// EXPECT q 2x4: [127, 1, 127, -2], [0, 0, 0, 127]
// EXPECT s 2x2: [1, 2], [1, 0x1.42850a0000000p-5]
// EXPECT u 2x4: [192, 128, 255, 126], [128, 128, 128, 255]
func.func @codes(%x: tensor<2x4xf32>) -> (tensor<2x4xi8>, tensor<2x2xf32>, tensor<2x4xui8>) {
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 2} : (tensor<2x4xf32>) -> (tensor<2x4xi8>, tensor<2x2xf32>, tensor<2x2xi8>)
  %u, %t, %v = quern.dynamic_quantize %x {storage = ui8, scheme = "symmetric", block = 8} : (tensor<2x4xf32>) -> (tensor<2x4xui8>, tensor<2x1xf32>, tensor<2x1xui8>)
  return %q, %s, %u : tensor<2x4xi8>, tensor<2x2xf32>, tensor<2x4xui8>
}

// The kernels themselves: rows are 8 codes, the scale 1, and -128 * 155; weights are 1 with a scale of a half.
// CALL @kernels
// INPUT x: [1, 2, 3, 4, 5, 6, 7, 127]
// EXPECT r 1x16: 1, 2, 3, 4, 5, 6, 7, 127, 0, 0, -128, 63, -128, -78, -1, -1
// EXPECT y 1x2: -76.5, -77.5
func.func @kernels(%x: tensor<1x8xf32>) -> (tensor<1x16xi8>, tensor<1x2xf32>) {
  %c = arith.constant dense<1> : tensor<8x2xi8>
  %w = kern.view %c : (tensor<8x2xi8>) -> tensor<8x2x!quant.uniform<i8:f32:{0:8}, {{0.5}}>>
  %one = arith.constant dense<[1.0, 0.0]> : tensor<2xf32>
  %r = kern.block_rows %x {block = 8, offset = 128} : (tensor<1x8xf32>) -> tensor<1x16xi8>
  %p = kern.block_pack %w {layout = "b8p32i8e8"} : (tensor<8x2x!quant.uniform<i8:f32:{0:8}, {{0.5}}>>) -> tensor<288xi8>
  %y = kern.block_gemm %r, %p, %one epilogue {
  ^bb0(%sum: f32, %b: f32):
    %n = arith.subf %b, %sum : f32
    kern.yield %n : f32
  } {k = 8, layout = "b8p32i8e8", n = 2} : (tensor<1x16xi8>, tensor<288xi8>, tensor<2xf32>) -> tensor<1x2xf32>
  return %r, %y : tensor<1x16xi8>, tensor<1x2xf32>
}

// Floats times weights of a codebook of floats: 1 * 0.5 + 2 * -1.5 + 3 * 0.25, scales 2 and 4.
// CALL @weight_only
// INPUT x: [1, 2, 3], [0.0, 0.0, 1]
// EXPECT y 2x2: [-3.5, -7], [0.5, 1]
func.func @weight_only(%x: tensor<2x3xf32>) -> tensor<2x2xf32> {
  %c = arith.constant dense<[[-6, -6], [-8, -8], [-7, -7]]> : tensor<3x2xi4>
  %w = quant.scast %c : tensor<3x2xi4> to tensor<3x2x!quern.uniform<!quant.quantile<i4:f16, {-1.5,0.25,0.5}>:f32:{0:8, 1:1}, {{2.0, 4.0}}>>
  %y = quern.matmul %x, %w : (tensor<2x3xf32>, tensor<3x2x!quern.uniform<!quant.quantile<i4:f16, {-1.5,0.25,0.5}>:f32:{0:8, 1:1}, {{2.0, 4.0}}>>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// Narrow floats are computed in f32 and rounded once: 2048 + 1 + 1 in f16 and 256 + 1 + 1 in bf16, where steps of the
// type itself would not move. So are weights, whatever floats they are expressed as: 4096 * (1 + 2^-12).
// CALL @weight_only_half
// INPUT x: 2048, 1, 1
// INPUT b: [256, 1, 1], [1, 2, -3]
// INPUT s: 4096, 0, 0
// INPUT v: 1, 2, 3
// EXPECT y 1x2: 2050, 1025
// EXPECT z 2x2: [258, 129], [0.0, 0.0]
// EXPECT t 1x1: 4097
// EXPECT u 2: 6, 3
func.func @weight_only_half(%x: tensor<1x3xf16>, %b: tensor<2x3xbf16>, %s: tensor<1x3xf16>, %v: tensor<3xf16>) -> (tensor<1x2xf16>, tensor<2x2xbf16>, tensor<1x1xf32>, tensor<2xf16>) {
  %c = arith.constant dense<1> : tensor<3x2xi4>
  %w = quant.scast %c : tensor<3x2xi4> to tensor<3x2x!quant.uniform<i4:f16:{0:8, 1:1}, {{1.0, 0.5}}>>
  %y = quern.matmul %x, %w : (tensor<1x3xf16>, tensor<3x2x!quant.uniform<i4:f16:{0:8, 1:1}, {{1.0, 0.5}}>>) -> tensor<1x2xf16>
  %w32 = quant.scast %c : tensor<3x2xi4> to tensor<3x2x!quant.uniform<i4:f32:{0:8, 1:1}, {{1.0, 0.5}}>>
  %z = quern.matmul %b, %w32 : (tensor<2x3xbf16>, tensor<3x2x!quant.uniform<i4:f32:{0:8, 1:1}, {{1.0, 0.5}}>>) -> tensor<2x2xbf16>
  %d = arith.constant dense<1> : tensor<1x3xi8>
  %fine = quant.scast %d : tensor<1x3xi8> to tensor<1x3x!quant.uniform<i8:f16, 1.000244140625>>
  %t = quern.matmul %s, %fine {transpose_b = true} : (tensor<1x3xf16>, tensor<1x3x!quant.uniform<i8:f16, 1.000244140625>>) -> tensor<1x1xf32>
  %u = quern.matmul %v, %w : (tensor<3xf16>, tensor<3x2x!quant.uniform<i4:f16:{0:8, 1:1}, {{1.0, 0.5}}>>) -> tensor<2xf16>
  return %y, %z, %t, %u : tensor<1x2xf16>, tensor<2x2xbf16>, tensor<1x1xf32>, tensor<2xf16>
}

// The same with weights that no layout holds, since they are an input: 2048 + 1 + 1, and columns of a.
// CALL @weight_only_half_given
// INPUT x: 2048, 1, 1
// INPUT w: [2, 2], [2, 4], [2, 6]
// EXPECT y 1x2: 2050, 2052
// EXPECT z 1x2: 2050, 2053
func.func @weight_only_half_given(%x: tensor<3x1xf16>, %w: tensor<3x2x!quant.uniform<i8:f16, 0.5>>) -> (tensor<1x2xf16>, tensor<1x2xf32>) {
  %y = quern.matmul %x, %w {transpose_a = true} : (tensor<3x1xf16>, tensor<3x2x!quant.uniform<i8:f16, 0.5>>) -> tensor<1x2xf16>
  %z = quern.matmul %x, %w {transpose_a = true} : (tensor<3x1xf16>, tensor<3x2x!quant.uniform<i8:f16, 0.5>>) -> tensor<1x2xf32>
  return %y, %z : tensor<1x2xf16>, tensor<1x2xf32>
}

// Leading axes are rows, unless an operand of the epilogue follows only some of them: sums are 36 and 8 times 0.5.
// CALL @batch
// INPUT x: [[[1, 2, 3, 4, 5, 6, 7, 127]], [[127, 0, 0, 0, 0, 0, 0, 0]]]
// INPUT b: [[[1, 2]], [[3, 4]]]
// INPUT r: [[[10, 20]], [[30, 40]]]
// EXPECT y 2x1x2: [[[78.5, 79.5]], [[66.5, 67.5]]]
// EXPECT z 2x1x2: [[[87.5, 97.5]], [[93.5, 103.5]]]
func.func @batch(%x: tensor<2x1x8xf32>, %b: tensor<2x1x2xf32>, %r: tensor<2x1x2xf32>) -> (tensor<2x1x2xf32>, tensor<2x1x2xf32>) {
  %c = arith.constant dense<1> : tensor<8x2xi8>
  %w = quant.scast %c : tensor<8x2xi8> to tensor<8x2x!quant.uniform<i8:f32:{0:8}, {{0.5}}>>
  %q, %s, %z0 = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<2x1x8xf32>) -> (tensor<2x1x8xi8>, tensor<2x1x1xf32>, tensor<2x1x1xi8>)
  %p = quern.block_matmul %q, %s, %w : (tensor<2x1x8xi8>, tensor<2x1x1xf32>, tensor<8x2x!quant.uniform<i8:f32:{0:8}, {{0.5}}>>) -> tensor<2x1x2xf32>
  %y = quern.add %p, %b : (tensor<2x1x2xf32>, tensor<2x1x2xf32>) -> tensor<2x1x2xf32>
  %v = quern.matmul %x, %w : (tensor<2x1x8xf32>, tensor<8x2x!quant.uniform<i8:f32:{0:8}, {{0.5}}>>) -> tensor<2x1x2xf32>
  %z = quern.add %v, %r : (tensor<2x1x2xf32>, tensor<2x1x2xf32>) -> tensor<2x1x2xf32>
  return %y, %z : tensor<2x1x2xf32>, tensor<2x1x2xf32>
}

// A row of three per batch, one bias for all rows of a batch.
// CALL @per_batch
// INPUT x: 127 0 0 0 0 0 0 0, 0 127 0 0 0 0 0 0, 0 0 127 0 0 0 0 0, 127 127 0 0 0 0 0 0, 0 0 0 0 0 0 0 0, 1 0 0 0 0 0 0 127
// INPUT b: 1, 2, 3, 4
// EXPECT y 2x3x2: [[[64.5, 65.5], [64.5, 65.5], [64.5, 65.5]], [[130, 131], [3, 4], [67, 68]]]
func.func @per_batch(%x: tensor<2x3x8xf32>, %b: tensor<2x1x2xf32>) -> tensor<2x3x2xf32> {
  %c = arith.constant dense<1> : tensor<8x2xi8>
  %w = quant.scast %c : tensor<8x2xi8> to tensor<8x2x!quant.uniform<i8:f32:{0:8}, {{0.5}}>>
  %q, %s, %z = quern.dynamic_quantize %x {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<2x3x8xf32>) -> (tensor<2x3x8xi8>, tensor<2x3x1xf32>, tensor<2x3x1xi8>)
  %p = quern.block_matmul %q, %s, %w : (tensor<2x3x8xi8>, tensor<2x3x1xf32>, tensor<8x2x!quant.uniform<i8:f32:{0:8}, {{0.5}}>>) -> tensor<2x3x2xf32>
  %y = quern.add %p, %b : (tensor<2x3x2xf32>, tensor<2x1x2xf32>) -> tensor<2x3x2xf32>
  return %y : tensor<2x3x2xf32>
}

// Nothing to add up, no rows, no columns.
// CALL @empty
// INPUT x 3x0:
// INPUT v 0x8:
// EXPECT y 3x2: 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
// EXPECT z 0x2:
func.func @empty(%x: tensor<3x0xf32>, %v: tensor<?x8xf32>) -> (tensor<3x2xf32>, tensor<?x2xf32>) {
  %c = arith.constant dense<> : tensor<0x2xi8>
  %w = quant.scast %c : tensor<0x2xi8> to tensor<0x2x!quant.uniform<i8:f32, 0.5>>
  %y = quern.matmul %x, %w : (tensor<3x0xf32>, tensor<0x2x!quant.uniform<i8:f32, 0.5>>) -> tensor<3x2xf32>
  %d = arith.constant dense<1> : tensor<8x2xi4>
  %u = quant.scast %d : tensor<8x2xi4> to tensor<8x2x!quant.uniform<i4:f32:{0:8}, {{0.5}}>>
  %q, %s, %z0 = quern.dynamic_quantize %v {storage = i8, scheme = "symmetric", range = "narrow", block = 8} : (tensor<?x8xf32>) -> (tensor<?x8xi8>, tensor<?x1xf32>, tensor<?x1xi8>)
  %z = quern.block_matmul %q, %s, %u : (tensor<?x8xi8>, tensor<?x1xf32>, tensor<8x2x!quant.uniform<i4:f32:{0:8}, {{0.5}}>>) -> tensor<?x2xf32>
  return %y, %z : tensor<3x2xf32>, tensor<?x2xf32>
}

// The largest sums that a block of 4-bit codes has, of either sign: 64 * 127 * 15, in both halves of the columns.
// CALL @most
// INPUT a: 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127
// INPUT s: 1
// EXPECT y 1x32: [121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920, 121920]
func.func @most(%a: tensor<1x64xi8>, %s: tensor<1x1xf32>) -> tensor<1x32xf32> {
  %c = arith.constant dense<-1> : tensor<64x32xi4>
  %w = quant.scast %c : tensor<64x32xi4> to tensor<64x32x!quant.uniform<u4:f32:{0:64, 1:32}, {{1.0:0}}>>
  %y = quern.block_matmul %a, %s, %w : (tensor<1x64xi8>, tensor<1x1xf32>, tensor<64x32x!quant.uniform<u4:f32:{0:64, 1:32}, {{1.0:0}}>>) -> tensor<1x32xf32>
  return %y : tensor<1x32xf32>
}

// CALL @least
// INPUT a: 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127
// INPUT s: 1, 1
// EXPECT y 2x32: [-121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920], [-121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920, -121920]
func.func @least(%a: tensor<2x64xi8>, %s: tensor<2x1xf32>) -> tensor<2x32xf32> {
  %c = arith.constant dense<0> : tensor<64x32xi4>
  %w = quant.scast %c : tensor<64x32xi4> to tensor<64x32x!quant.uniform<u4:f32:{0:64, 1:32}, {{1.0:15}}>>
  %y = quern.block_matmul %a, %s, %w : (tensor<2x64xi8>, tensor<2x1xf32>, tensor<64x32x!quant.uniform<u4:f32:{0:64, 1:32}, {{1.0:15}}>>) -> tensor<2x32xf32>
  return %y : tensor<2x32xf32>
}
