// Convolutions: sums over windows of images [N,H,W,C], or [N,C,H,W].

// Padding is the zero point; lines of 9 bytes; scales per output channel.
// CALL @padded
// INPUT x: 165, 77, 202, 24, 37, 48, 187, 29, 109, 19, 44, 222, 214, 35, 123, 46, 217, 30, 63, 114, 31, 203, 25, 113, 23, 68, 148, 214, 73, 60, 157, 92, 52, 96, 190, 49, 32, 30, 105, 254, 218, 160, 238, 232, 185, 153, 127, 92, 124, 41, 153, 253, 175, 229, 147, 37, 60, 214, 84, 175
// EXPECT y 1x4x5x2: -6402 20299 4317 3680 729 -23039 -42571 22020 -10268 9624 1541 -4170 -11314 5582 -26048 -45578 -59862 37222 -19607 26058 13378 10191 16006 -34028 -1365 6106 -31718 19309 16754 -18974 -5895 -24152 21283 16949 -22400 -17517 11046 27795 -7013 25972
func.func @padded(%x: tensor<1x4x5x3x!quant.uniform<u8:f32, 0.5:117>>) -> tensor<1x4x5x2xi32> {
  %w = arith.constant dense<[[[[-51, 122], [87, -108], [-89, 32]], [[46, 51], [126, 105], [-93, -81]], [[10, 114], [-95, -97], [30, 100]]], [[[17, 69], [49, -117], [108, 53]], [[-42, -69], [124, -98], [-17, 19]], [[-62, -2], [75, 72], [126, -87]]], [[[-43, 101], [77, 14], [-58, 92]], [[14, 84], [55, 66], [-10, -51]], [[-86, -38], [-51, -10], [-9, -122]]]]> : tensor<3x3x3x2x!quant.uniform<i8:f32:3, {0.25,0.5}>>
  %y = quern.conv2d %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x4x5x3x!quant.uniform<u8:f32, 0.5:117>>, tensor<3x3x3x2x!quant.uniform<i8:f32:3, {0.25,0.5}>>) -> tensor<1x4x5x2xi32>
  return %y : tensor<1x4x5x2xi32>
}

// Signed codes, uneven padding, strides 2 and 1, sizes that the call tells.
// CALL @strides
// INPUT x 2x5x4x2: 120, -35, 6, 16, -126, -54, 86, 61, 35, -64, -101, 105, 72, 75, 76, 73, -75, 118, 77, -97, -31, -94, -22, 97, -45, -72, 46, -102, -76, -128, -51, -77, 58, -115, -92, -22, 64, -52, 1, 49, 58, 114, -66, -69, 121, 110, 117, 119, 31, -85, -55, -76, 47, 7, 117, -46, -117, -23, 57, -53, -115, 24, -82, 5, 59, -43, 54, -14, 40, -14, -29, -6, 77, -12, -26, 124, 54, -114, -114, 15
// EXPECT y 2x3x4x3: -1825 10121 -1528 3319 -11769 -16304 3501 -16756 -20581 291 15814 20666 16010 -10739 25725 -11616 13382 1484 -1428 33120 -9887 30213 -28149 -25374 -15036 17020 -14568 12281 -5447 -13607 -9908 6235 -15414 2717 -13977 1059 18195 -10016 19975 -6825 5112 9174 31234 -6719 -17479 182 -25065 18061 7226 -5206 2042 -6816 17914 -10887 2540 -18108 -6773 -1584 1228 484 -3311 4672 -2973 21081 -24120 13123 -17183 16613 -2533 20489 1793 -1557
func.func @strides(%x: tensor<?x?x?x2x!quant.uniform<i8:f32, 0.5:-3>>) -> tensor<?x?x?x3xi32> {
  %w = arith.constant dense<[[[[113, 4, -29], [48, 100, 50]], [[58, -87, -16], [-76, -12, 112]], [[-28, 44, -24], [119, -128, 117]]], [[[48, -85, -67], [70, -26, 116]], [[-37, 94, 42], [-84, 74, 109]], [[77, -85, -47], [-41, -63, -114]]]]> : tensor<2x3x2x3x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {pads = array<i64: 0, 2, 1, 0>, strides = array<i64: 2, 1>} : (tensor<?x?x?x2x!quant.uniform<i8:f32, 0.5:-3>>, tensor<2x3x2x3x!quant.uniform<i8:f32, 0.5>>) -> tensor<?x?x?x3xi32>
  return %y : tensor<?x?x?x3xi32>
}

// Weights with zero points, which are numbers of 16 bits then; dilated.
// CALL @weight_zeros
// INPUT x: 77, 238, 74, 242, 179, 79, 67, 10, 7, 52, 71, 222, 99, 108, 14, 128, 108, 149, 123, 166, 132, 214, 67, 31, 181, 234, 215, 66, 77, 9, 225, 93, 2, 76, 88, 72, 242, 61, 31, 166, 247, 54, 29, 127, 97, 141, 21, 50, 231, 14
// EXPECT y 1x4x3x2: -16786 34773 -27201 48219 -15240 41592 -34016 34192 -76941 101711 -2780 15720 -23049 21082 -52086 109878 -12200 57114 -65690 75519 -64643 96213 -7371 21920
func.func @weight_zeros(%x: tensor<1x5x5x2x!quant.uniform<u8:f32, 0.5:200>>) -> tensor<1x4x3x2xi32> {
  %w = arith.constant dense<[[[[32, 226], [166, 102]], [[141, 231], [244, 126]]], [[[132, 103], [229, 70]], [[213, 62], [200, 226]]]]> : tensor<2x2x2x2x!quant.uniform<u8:f32:3, {0.5:100,0.25:255}>>
  %y = quern.conv2d %x, %w {dilations = array<i64: 2, 3>, pads = array<i64: 1, 0, 0, 1>} : (tensor<1x5x5x2x!quant.uniform<u8:f32, 0.5:200>>, tensor<2x2x2x2x!quant.uniform<u8:f32:3, {0.5:100,0.25:255}>>) -> tensor<1x4x3x2xi32>
  return %y : tensor<1x4x3x2xi32>
}

// Unsigned weights around 128 are signed ones.
// CALL @unsigned_weights
// INPUT x: 161, 37, 123, 219, 37, 108, 155, 62, 79, 187, 73, 129, 70, 239, 112, 48, 203, 249
// EXPECT y 1x2x2x2: 33469 31330 -9221 46663 -11215 28100 9157 55811
func.func @unsigned_weights(%x: tensor<1x3x3x2x!quant.uniform<u8:f32, 0.5>>) -> tensor<1x2x2x2xi32> {
  %w = arith.constant dense<[[[[83, 114], [82, 220]], [[206, 173], [215, 100]]], [[[182, 163], [47, 187]], [[9, 173], [234, 225]]]]> : tensor<2x2x2x2x!quant.uniform<u8:f32, 0.5:128>>
  %y = quern.conv2d %x, %w : (tensor<1x3x3x2x!quant.uniform<u8:f32, 0.5>>, tensor<2x2x2x2x!quant.uniform<u8:f32, 0.5:128>>) -> tensor<1x2x2x2xi32>
  return %y : tensor<1x2x2x2xi32>
}

// Two groups of two channels, three columns each.
// CALL @groups
// INPUT x: 9, 196, 169, 151, 32, 57, 117, 53, 43, 135, 139, 20, 92, 138, 66, 216, 132, 207, 76, 253, 167, 45, 142, 29, 93, 217, 37, 137, 8, 45, 133, 42, 113, 34, 135, 62
// EXPECT y 1x3x2x6: 20638 -18939 15496 4550 18562 12258 7832 -19435 -4487 -2689 7210 11244 -4592 -44413 -16646 5023 -10029 -10773 13870 -43538 8864 33747 13033 8794 23672 -50565 7309 16946 -26362 -10025 -7221 -27811 3342 -10359 1239 -15981
func.func @groups(%x: tensor<1x3x3x4x!quant.uniform<u8:f32, 0.5:9>>) -> tensor<1x3x2x6xi32> {
  %w = arith.constant dense<[[[[104, -123, 45, 85, 9, -62], [-106, -6, -72, -46, 6, -103]], [[-36, -25, 31, 28, -23, 20], [100, -37, 10, 49, -119, 0]]], [[[-110, -121, -119, -31, 115, -3], [100, -74, 93, 125, 73, 29]], [[-18, -11, 47, -27, -57, 79], [49, -101, -62, -121, -92, 2]]]]> : tensor<2x2x2x6x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {groups = 2, pads = array<i64: 1, 0, 0, 0>} : (tensor<1x3x3x4x!quant.uniform<u8:f32, 0.5:9>>, tensor<2x2x2x6x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x3x2x6xi32>
  return %y : tensor<1x3x2x6xi32>
}

// One channel each.
// CALL @depthwise
// INPUT x: 220, 83, 28, 43, 195, 144, 124, 150, 23, 235, 94, 80, 137, 228, 1, 134, 186, 168, 165, 125, 17, 158, 111, 182, 93, 0, 171, 195, 42, 243, 142, 102, 127, 2, 46, 135, 45, 73, 204, 21, 201, 11, 153, 155, 119, 43, 79, 199, 166, 253, 76, 145, 74, 22, 219, 71, 8, 117, 43, 15, 21, 68, 184, 53, 192, 231, 25, 9, 125, 250, 135, 1, 233, 35, 47, 33, 242, 129, 38, 135
// EXPECT y 1x4x4x5: 27037 17290 21025 -15162 35548 25306 3811 21086 10401 39286 2107 -2845 7125 8844 19754 -6951 -4479 -17702 6284 20852 -11324 -7746 18702 -14296 6452 -9635 -13536 18830 5676 42880 9723 -32462 -9111 22668 61492 14446 -26536 11486 18231 9775 25195 -24223 30464 13162 29166 -19936 -25278 -9936 20596 70706 -14181 -2807 13458 21021 48341 5215 -8982 9706 -773 1394 18186 -5891 -6682 21529 38032 28815 -22388 20337 25974 4583 24535 -10931 -4485 35632 3649 10312 -788 -24888 5066 37184
func.func @depthwise(%x: tensor<1x4x4x5x!quant.uniform<u8:f32, 0.5:7>>) -> tensor<1x4x4x5xi32> {
  %w = arith.constant dense<[[[[-8, -23, -10, 107, 124]], [[67, -89, 117, 19, -105]], [[-27, -89, -53, 41, 2]]], [[[27, -60, -122, 118, -97]], [[120, 9, -78, -17, 122]], [[20, 18, 109, 110, 110]]], [[[-68, -26, 31, -85, 114]], [[-120, 20, 106, -89, 102]], [[9, 70, -21, -21, -90]]]]> : tensor<3x3x1x5x!quant.uniform<i8:f32:3, {0.5,0.25,0.125,1.0,2.0}>>
  %y = quern.conv2d %x, %w {groups = 5, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x4x4x5x!quant.uniform<u8:f32, 0.5:7>>, tensor<3x3x1x5x!quant.uniform<i8:f32:3, {0.5,0.25,0.125,1.0,2.0}>>) -> tensor<1x4x4x5xi32>
  return %y : tensor<1x4x4x5xi32>
}

// Two columns of each channel.
// CALL @multiplier
// INPUT x: -82, -56, 6, 56, -61, 15, -71, 58, -10, 126, 120, 73, -116, -47, -127, 123, 102, 79, 26, -56, 85, 48, 64, 33, -67, 41, -128
// EXPECT y 1x3x1x6: -3645 15254 370 14845 -6118 608 -2745 2114 420 -6161 -19768 -16188 1542 896 -1191 -1194 -286 -7670
func.func @multiplier(%x: tensor<1x3x3x3x!quant.uniform<i8:f32, 0.5:7>>) -> tensor<1x3x1x6xi32> {
  %w = arith.constant dense<[[[[38, 45, 75, -67, -28, -122]], [[20, 1, 62, -95, 73, 71]]], [[[-89, 56, 91, 12, -104, 15]], [[-76, -102, 18, -52, -1, 8]]]]> : tensor<2x2x1x6x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {groups = 3, pads = array<i64: 0, 0, 1, 0>, strides = array<i64: 1, 2>} : (tensor<1x3x3x3x!quant.uniform<i8:f32, 0.5:7>>, tensor<2x2x1x6x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x3x1x6xi32>
  return %y : tensor<1x3x1x6xi32>
}

// Windows of one pixel.
// CALL @pixel
// INPUT x: 223, 161, 97, 191, 219, 14, 204, 104, 41, 25, 210, 230, 70, 146, 248, 25, 65, 87, 241, 212, 175, 144, 152, 130, 133, 207, 122, 154, 247, 201
// EXPECT y 1x2x3x2: 8911 -19346 15034 -48585 9140 -30076 25719 984 9063 -23877 8871 -4034
func.func @pixel(%x: tensor<1x2x3x5x!quant.uniform<u8:f32, 0.5:250>>) -> tensor<1x2x3x2xi32> {
  %w = arith.constant dense<[[[[-67, -43], [-46, -90], [-22, 126], [-16, 103], [42, 102]]]]> : tensor<1x1x5x2x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w : (tensor<1x2x3x5x!quant.uniform<u8:f32, 0.5:250>>, tensor<1x1x5x2x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x2x3x2xi32>
  return %y : tensor<1x2x3x2xi32>
}

// The same, every other one.
// CALL @pixel_strided
// INPUT x: 223, 161, 97, 191, 219, 14, 204, 104, 41, 25, 210, 230, 70, 146, 248, 25, 65, 87, 241, 212, 175, 144, 152, 130, 133, 207, 122, 154, 247, 201
// EXPECT y 1x1x2x2: 8911 -19346 9140 -30076
func.func @pixel_strided(%x: tensor<1x2x3x5x!quant.uniform<u8:f32, 0.5:250>>) -> tensor<1x1x2x2xi32> {
  %w = arith.constant dense<[[[[-67, -43], [-46, -90], [-22, 126], [-16, 103], [42, 102]]]]> : tensor<1x1x5x2x!quant.uniform<i8:f32, 0.5>>
  %y = quern.conv2d %x, %w {strides = array<i64: 2, 2>} : (tensor<1x2x3x5x!quant.uniform<u8:f32, 0.5:250>>, tensor<1x1x5x2x!quant.uniform<i8:f32, 0.5>>) -> tensor<1x1x2x2xi32>
  return %y : tensor<1x1x2x2xi32>
}

// Floats that add up exactly.
// CALL @floats
// INPUT x: 3.5, -5.75, 7.5, -4.0, -2.25, -7.25, -4.5, 0.75, 7.75, -7.25, 0.0, -2.5, 1.75, -1.75, 8.0, -3.75, -9.5, 3.0, 2.25, 3.0, 6.75, -3.5, 2.0, -1.5
// EXPECT y 1x3x4x3: 25.4375 -26.6875 -24.875 6.53125 -58.78125 -39.34375 21.78125 -18.9375 -10.4375 -11.09375 9.8125 -0.75 -7.59375 -29.65625 -8.71875 -42.125 -37.65625 34.4375 -19.96875 -59.09375 22.9375 33.09375 -85.59375 -64.5 -71.8125 85.40625 88.4375 -7.59375 -46.1875 21.59375 4.90625 -36.5625 -10.46875 -44.375 -11.5 35.59375
func.func @floats(%x: tensor<1x3x4x2xf32>) -> tensor<1x3x4x3xf32> {
  %w = arith.constant dense<[[[[0.375, -4.125, 2.875], [-0.625, 4.125, 0.75]], [[-3.0, 3.0, 3.375], [5.0, -1.625, -3.625]]], [[[-0.75, -1.125, 1.125], [1.375, 2.125, 1.875]], [[-0.125, -4.75, -3.0], [-4.5, 1.75, 2.5]]]]> : tensor<2x2x2x3xf32>
  %y = quern.conv2d %x, %w {pads = array<i64: 1, 1, 0, 0>} : (tensor<1x3x4x2xf32>, tensor<2x2x2x3xf32>) -> tensor<1x3x4x3xf32>
  return %y : tensor<1x3x4x3xf32>
}

// Half floats, summed in f32.
// CALL @halves
// INPUT x: 7.0, -8.0, -6.0, 4.0, 8.0, 6.0, 6.0, -1.0, -5.0, -1.0, -4.0, -4.0, 8.0, -5.0, 6.0, -6.0, -7.0, -8.0, -4.0, -1.0, -7.0, 1.0, -4.0, 0.0
// EXPECT y 1x2x3x3: 53.0 -8.0 -62.0 -3.0 -50.0 43.0 -9.0 19.0 17.0 -24.0 -43.0 0.0 47.0 -32.0 18.0 106.0 -9.0 -3.0
func.func @halves(%x: tensor<1x3x4x2xf16>) -> tensor<1x2x3x3xf16> {
  %w = arith.constant dense<[[[[4.0, 2.0, -3.0], [-3.0, -3.0, 0.0]], [[4.0, -1.0, 2.0], [0.0, -1.0, -4.0]]], [[[-4.0, 4.0, 0.0], [3.0, 0.0, 1.0]], [[-1.0, 3.0, 4.0], [-1.0, 4.0, -1.0]]]]> : tensor<2x2x2x3xf16>
  %y = quern.conv2d %x, %w : (tensor<1x3x4x2xf16>, tensor<2x2x2x3xf16>) -> tensor<1x2x3x3xf16>
  return %y : tensor<1x2x3x3xf16>
}

// One channel each, in f64.
// CALL @depthwise_doubles
// INPUT x: -9.25, 3.0, -0.25, -8.25, -9.5, -4.0, 5.75, 3.25, -7.5, -2.0, -2.75, 3.5, 1.75, -2.75, 5.75, -9.0, 0.75, 3.25
// EXPECT y 1x3x3x2: 21.375 58.25 31.4375 -2.4375 -6.09375 5.5 -5.28125 21.5625 -5.625 -52.6875 -2.34375 14.125 -9.46875 41.5625 2.90625 -27.5 0.5625 4.0625
func.func @depthwise_doubles(%x: tensor<1x3x3x2xf64>) -> tensor<1x3x3x2xf64> {
  %w = arith.constant dense<[[[[0.75, 1.25]], [[-1.875, -5.0]]], [[[-0.375, 3.0]], [[-4.0, -1.75]]]]> : tensor<2x2x1x2xf64>
  %y = quern.conv2d %x, %w {groups = 2, pads = array<i64: 0, 0, 1, 1>} : (tensor<1x3x3x2xf64>, tensor<2x2x1x2xf64>) -> tensor<1x3x3x2xf64>
  return %y : tensor<1x3x3x2xf64>
}

// Codes of 16 bits are summed in i64.
// CALL @sixteen
// INPUT x: 32203, -6500, 8089, -7349, -2516, 28195, -3744, 1968, 5889, -18481, 32212, -8217
// EXPECT y 1x2x2x1: -731214469 -320344456 77299291 -2238805372
func.func @sixteen(%x: tensor<1x2x3x2x!quant.uniform<i16:f32, 0.5:5>>) -> tensor<1x2x2x1xi64> {
  %w = arith.constant dense<[[[[-3497], [30808]], [[21892], [-25374]]], [[[-13582], [18803]], [[-25644], [-4857]]]]> : tensor<2x2x2x1x!quant.uniform<i16:f32, 0.5>>
  %y = quern.conv2d %x, %w {pads = array<i64: 1, 0, 0, 0>} : (tensor<1x2x3x2x!quant.uniform<i16:f32, 0.5:5>>, tensor<2x2x2x1x!quant.uniform<i16:f32, 0.5>>) -> tensor<1x2x2x1xi64>
  return %y : tensor<1x2x2x1xi64>
}

// Zero points as values: padding is one that the call tells.
// CALL @integer
// INPUT x: -116, -56, 84, -102, -98, -34, 73, 102, 32, -71, -88, -44, 40, -31, -34, 111, -112, 31
// INPUT zx: -100
// EXPECT y 1x4x4x2: 3944 2728 -10088 1064 6884 -12662 3396 5568 -2829 4398 -479 -8767 9787 -759 5872 10422 -37466 -29759 25555 22272 23330 25307 9577 18685 -14643 -16292 -17640 -7804 -3192 14184 4591 12082
func.func @integer(%x: tensor<1x3x3x2xi8>, %zx: tensor<i8>) -> tensor<1x4x4x2xi32> {
  %w = arith.constant dense<[[[[65, 63], [41, 98]], [[-42, -73], [-127, -88]]], [[[15, -87], [51, 87]], [[-65, -22], [66, 54]]]]> : tensor<2x2x2x2xi8>
  %y = quern.conv2d_integer %x, %w, %zx {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x3x3x2xi8>, tensor<2x2x2x2xi8>, tensor<i8>) -> tensor<1x4x4x2xi32>
  return %y : tensor<1x4x4x2xi32>
}

// The same with zero points of the weights.
// CALL @integer_weights
// INPUT x: 158, 221, 44, 25, 242, 100, 190, 228, 98, 165, 186, 242, 15, 210, 126, 207, 20, 192
// EXPECT y 1x4x4x2: 3564 7119 6852 4099 -12663 -3526 3084 -11414 -20536 -10472 31459 36361 -6978 -6473 20332 19831 -12120 -11316 10857 38662 -3760 5081 17864 39661 -14500 -6823 -17895 -4639 -4407 11053 836 7969
func.func @integer_weights(%x: tensor<1x3x3x2xui8>) -> tensor<1x4x4x2xi32> {
  %w = arith.constant dense<[[[[65, 63], [41, 98]], [[-42, -73], [-127, -88]]], [[[15, -87], [51, 87]], [[-65, -22], [66, 54]]]]> : tensor<2x2x2x2xi8>
  %zx = arith.constant dense<77> : tensor<ui8>
  %zw = arith.constant dense<[3, -5]> : tensor<2xi8>
  %y = quern.conv2d_integer %x, %w, %zx, %zw {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x3x3x2xui8>, tensor<2x2x2x2xi8>, tensor<ui8>, tensor<2xi8>) -> tensor<1x4x4x2xi32>
  return %y : tensor<1x4x4x2xi32>
}

// Channels first; scales along the weights' first axis.
// CALL @channels_first
// INPUT x: 17, 32, 131, 32, 185, 171, 134, 141, 1, 12, 54, 238, 237, 31, 99, 173, 139, 22, 162, 152, 33, 119, 243, 197
// EXPECT y 1x3x3x3: -20536 3066 -27886 -14615 -27047 -48779 -4610 -25784 -83403 31026 32525 25368 98267 59872 73990 83045 67695 96531 10303 -23728 -25137 -44029 -43626 -12435 -23464 -8083 -20984
func.func @channels_first(%x: tensor<1x2x3x4x!quant.uniform<u8:f32, 0.5:3>>) -> tensor<1x3x3x3xi32> {
  %w = arith.constant dense<[[[[0, -124, 107], [-2, -46, -22]], [[-61, -8, -27], [-111, -92, 127]]], [[[92, 27, 57], [80, 90, -79]], [[126, 39, 72], [118, 7, 100]]], [[[124, -51, -88], [-95, -75, 87]], [[-35, 35, -47], [38, -85, -40]]]]> : tensor<3x2x2x3x!quant.uniform<i8:f32:0, {0.5,0.25,1.0}>>
  %y = quern.conv2d %x, %w {layout = "nchw", pads = array<i64: 1, 0, 0, 1>} : (tensor<1x2x3x4x!quant.uniform<u8:f32, 0.5:3>>, tensor<3x2x2x3x!quant.uniform<i8:f32:0, {0.5,0.25,1.0}>>) -> tensor<1x3x3x3xi32>
  return %y : tensor<1x3x3x3xi32>
}
