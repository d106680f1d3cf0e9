/* Bodies as real programs have them, each with nothing in common with another: a context of its own for each program,
 * so that no piece of it has been compiled before. LLVM is loaded and has made a body. */
#include "setup.h"
#include <stdlib.h>
#include <string.h>

/* A product u8 x s8 or of floats, or one whose weights have scales in blocks. */
typedef struct product_case {
  const char *name;
  int64_t m, n, k;
  qn_scalar a, b, y;
  bool fused, floats; /* floats: of dequantized weights */
  int64_t block;      /* of scales; below 0: so many rows of the weights are zero, as many not, and so on */
} product_case;

static const product_case products[] = {
    {"u8 1x64x1024", 1, 64, 1024, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 2x64x1024", 2, 64, 1024, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 2x1024x1024", 2, 1024, 1024, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 4x64x1024", 4, 64, 1024, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 16x64x1024", 16, 64, 1024, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 64x64x1024", 64, 64, 1024, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 64x64x1001", 64, 64, 1001, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 64x100x1024", 64, 100, 1024, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 63x101x1001", 63, 101, 1001, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"u8 to f32 64x64x1024", 64, 64, 1024, QN_UI8, QN_I8, QN_F32, true, false, 0},
    {"u8 to f32 1x64x1024", 1, 64, 1024, QN_UI8, QN_I8, QN_F32, true, false, 0},
    {"u8 to i32 64x64x1024", 64, 64, 1024, QN_UI8, QN_I8, QN_I32, false, false, 0},
    {"u8 by sparse weights 64x64x1024", 64, 64, 1024, QN_UI8, QN_I8, QN_UI8, true, false, -32},
    {"u8 by sparse weights to i32 63x100x1024", 63, 100, 1024, QN_UI8, QN_I8, QN_I32, false, false, -32},
    {"u8 6x80x256", 6, 80, 256, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"s8 64x64x1024", 64, 64, 1024, QN_I8, QN_I8, QN_I8, true, false, 0},
    {"u8 64x64x64", 64, 64, 64, QN_UI8, QN_I8, QN_UI8, true, false, 0},
    {"f32 1x64x1024", 1, 64, 1024, QN_F32, QN_F32, QN_F32, true, false, 0},
    {"f32 2x64x1024", 2, 64, 1024, QN_F32, QN_F32, QN_F32, true, false, 0},
    {"f32 16x64x1024", 16, 64, 1024, QN_F32, QN_F32, QN_F32, true, false, 0},
    {"f32 64x64x1024", 64, 64, 1024, QN_F32, QN_F32, QN_F32, true, false, 0},
    {"f32 64x100x1001", 64, 100, 1001, QN_F32, QN_F32, QN_F32, true, false, 0},
    {"f32 64x64x64", 64, 64, 64, QN_F32, QN_F32, QN_F32, true, false, 0},
    {"i4 in blocks 1x64x1024", 1, 64, 1024, QN_F32, QN_I4, QN_F32, false, false, 32},
    {"i4 in blocks 2x64x1024", 2, 64, 1024, QN_F32, QN_I4, QN_F32, false, false, 32},
    {"i4 in blocks 8x64x1024", 8, 64, 1024, QN_F32, QN_I4, QN_F32, false, false, 32},
    {"i4 in blocks 64x64x1024", 64, 64, 1024, QN_F32, QN_I4, QN_F32, false, false, 32},
    {"u4 in blocks 1x64x1024", 1, 64, 1024, QN_F32, QN_UI4, QN_F32, false, false, 32},
    {"u4 in blocks 2x64x1024", 2, 64, 1024, QN_F32, QN_UI4, QN_F32, false, false, 32},
    {"u4 in blocks 64x64x1024", 64, 64, 1024, QN_F32, QN_UI4, QN_F32, false, false, 32},
    {"fp4 in blocks 1x64x1024", 1, 64, 1024, QN_F32, QN_F4E2M1FN, QN_F32, false, false, 32},
    {"fp4 in blocks 64x64x1024", 64, 64, 1024, QN_F32, QN_F4E2M1FN, QN_F32, false, false, 32},
    {"i4 weights alone 1x64x1024", 1, 64, 1024, QN_F32, QN_I4, QN_F32, false, true, 32},
    {"i4 weights alone 64x64x1024", 64, 64, 1024, QN_F32, QN_I4, QN_F32, false, true, 32},
    {"i8 weights alone 1x64x1024", 1, 64, 1024, QN_F32, QN_I8, QN_F32, false, true, 32},
    {"i8 weights alone 64x64x1001", 64, 64, 1001, QN_F32, QN_I8, QN_F32, false, true, 32},
    {"u4 weights alone 1x64x1024", 1, 64, 1024, QN_F32, QN_UI4, QN_F32, false, true, 32},
    {"u4 weights alone 8x64x1024", 8, 64, 1024, QN_F32, QN_UI4, QN_F32, false, true, 32},
    {"fp4 weights alone 2x64x1001", 2, 64, 1001, QN_F32, QN_F4E2M1FN, QN_F32, false, true, 32},
};

typedef struct conv_case {
  const char *name;
  qn_conv_desc d;
} conv_case;

#define IMAGE(size, c, o) .batch = 1, .height = size, .width = size, .channels = c, .n = o
#define KERNEL(size, pad) .kernel = {size, size}, .pads = {pad, pad, pad, pad}
#define OF_BYTES          .x = QN_UI8, .w = QN_I8, .y = QN_UI8
#define OF_FLOATS         .x = QN_F32, .w = QN_F32, .y = QN_F32
static const conv_case convs[] = {
    {"u8 convolution 3x3", {IMAGE(14, 64, 64), KERNEL(3, 1), OF_BYTES}},
    {"u8 convolution 3x3, stride 2", {IMAGE(14, 64, 64), KERNEL(3, 1), OF_BYTES, .strides = {2, 2}}},
    {"u8 convolution 1x1", {IMAGE(14, 64, 64), KERNEL(1, 0), OF_BYTES}},
    {"u8 convolution 7x7, 3 channels", {IMAGE(28, 3, 64), KERNEL(7, 3), OF_BYTES, .strides = {2, 2}}},
    {"u8 convolution depthwise", {IMAGE(14, 64, 64), KERNEL(3, 1), OF_BYTES, .groups = 64}},
    {"u8 convolution depthwise, stride 2",
     {IMAGE(14, 64, 64), KERNEL(3, 1), OF_BYTES, .groups = 64, .strides = {2, 2}}},
    {"u8 convolution depthwise, 32 channels", {IMAGE(14, 32, 32), KERNEL(3, 1), OF_BYTES, .groups = 32}},
    {"u8 convolution depthwise, 24 channels", {IMAGE(14, 24, 24), KERNEL(3, 1), OF_BYTES, .groups = 24}},
    {"u8 convolution depthwise, 32 channels, stride 2",
     {IMAGE(14, 32, 32), KERNEL(3, 1), OF_BYTES, .groups = 32, .strides = {2, 2}}},
    {"u8 convolution depthwise, dilated",
     {IMAGE(14, 64, 64), KERNEL(3, 2), OF_BYTES, .groups = 64, .dilations = {2, 2}}},
    {"u8 convolution depthwise, stride 3",
     {IMAGE(14, 64, 64), KERNEL(3, 1), OF_BYTES, .groups = 64, .strides = {3, 3}}},
    {"u8 convolution depthwise, 32 channels, dilated",
     {IMAGE(14, 32, 32), KERNEL(3, 2), OF_BYTES, .groups = 32, .dilations = {2, 2}}},
    {"u8 convolution depthwise, dilated by 36",
     {IMAGE(14, 64, 64), KERNEL(3, 36), OF_BYTES, .groups = 64, .dilations = {36, 36}}},
    {"u8 convolution depthwise 7x7, 17 channels", {IMAGE(14, 17, 17), KERNEL(7, 3), OF_BYTES, .groups = 17}},
    {"u8 convolution depthwise 9x9, stride 2",
     {IMAGE(14, 64, 64), KERNEL(9, 4), OF_BYTES, .groups = 64, .strides = {2, 2}}},
    {"u8 convolution depthwise 1x31",
     {.batch = 1,
      .height = 1,
      .width = 100,
      .channels = 64,
      .n = 64,
      .kernel = {1, 31},
      .pads = {0, 15, 0, 15},
      OF_BYTES,
      .groups = 64}},
    {"u8 to f32 convolution depthwise",
     {IMAGE(14, 64, 64), KERNEL(3, 1), .x = QN_UI8, .w = QN_I8, .y = QN_F32, .groups = 64}},
    {"s8 convolution depthwise", {IMAGE(14, 64, 64), KERNEL(3, 1), .x = QN_I8, .w = QN_I8, .y = QN_I8, .groups = 64}},
    {"u8 convolution depthwise 5x5, 100 channels", {IMAGE(14, 100, 100), KERNEL(5, 2), OF_BYTES, .groups = 100}},
    {"u8 to f32 convolution 3x3", {IMAGE(14, 64, 64), KERNEL(3, 1), .x = QN_UI8, .w = QN_I8, .y = QN_F32}},
    {"s8 convolution 3x3", {IMAGE(14, 64, 64), KERNEL(3, 1), .x = QN_I8, .w = QN_I8, .y = QN_I8}},
    {"u8 convolution 5x5, 100 columns", {IMAGE(14, 64, 100), KERNEL(5, 2), OF_BYTES}},
    {"u8 convolution 3x3, 80 columns", {IMAGE(14, 64, 80), KERNEL(3, 1), OF_BYTES}},
    {"u8 convolution 3x3, 16 columns", {IMAGE(14, 64, 16), KERNEL(3, 1), OF_BYTES}},
    {"u8 convolution 3x3, 4 pixels, 13 channels", {IMAGE(4, 13, 48), KERNEL(3, 0), OF_BYTES}},
    {"f32 convolution 3x3, 4 pixels", {IMAGE(4, 64, 64), KERNEL(3, 0), OF_FLOATS}},
    {"u8 convolution 3x3, 4 groups", {IMAGE(14, 64, 64), KERNEL(3, 1), OF_BYTES, .groups = 4}},
    {"u8 convolution 3x3, a row", {IMAGE(3, 64, 64), KERNEL(3, 0), OF_BYTES}},
    {"f32 convolution 3x3", {IMAGE(14, 64, 64), KERNEL(3, 1), OF_FLOATS}},
    {"f32 convolution 3x3, 4 groups", {IMAGE(14, 64, 64), KERNEL(3, 1), OF_FLOATS, .groups = 4}},
    {"f32 convolution 7x7, 3 channels", {IMAGE(28, 3, 64), KERNEL(7, 3), OF_FLOATS, .strides = {2, 2}}},
    {"f32 convolution depthwise 5x5, stride 2",
     {IMAGE(14, 144, 144), KERNEL(5, 2), OF_FLOATS, .groups = 144, .strides = {2, 2}}},
    {"f32 convolution depthwise 7x7", {IMAGE(14, 96, 96), KERNEL(7, 3), OF_FLOATS, .groups = 96}},
    {"f32 convolution depthwise", {IMAGE(14, 64, 64), KERNEL(3, 1), OF_FLOATS, .groups = 64}},
};

typedef struct text_case {
  const char *name, *text;
} text_case;

#define UNARY(op)                                                                                                      \
  "func.func @main(%x: tensor<64x1024xf32>) -> tensor<64x1024xf32> {\n%y = quern." op                                  \
  " %x : (tensor<64x1024xf32>) -> tensor<64x1024xf32>\nreturn %y : tensor<64x1024xf32>\n}\n"
#define ATTENTION(heads, queries, keys, d, q, kv)                                                                      \
  "func.func @main(%q: tensor<" #heads "x" #queries "x" #d "x" q ">, %k: tensor<" #heads "x" #keys "x" #d "x" kv       \
  ">, %v: tensor<" #heads "x" #keys "x" #d "x" kv ">) -> tensor<" #heads "x" #queries "x" #d                           \
  "xf32> {\n%y = quern.attention %q, %k, %v : (tensor<" #heads "x" #queries "x" #d "x" q ">, tensor<" #heads "x" #keys \
  "x" #d "x" kv ">, tensor<" #heads "x" #keys "x" #d "x" kv ">) -> tensor<" #heads "x" #queries "x" #d                 \
  "xf32>\nreturn %y : tensor<" #heads "x" #queries "x" #d "xf32>\n}\n"
#define PADS "pads = array<i64: 1, 1, 1, 1>, "
#define POOL(op, pads, type, size, to, kernel, strides)                                                                \
  "func.func @main(%x: tensor<1x" #size "x" #size "x64x" type ">) -> tensor<1x" #to "x" #to "x64x" type                \
  "> {\n%y = quern." op " %x {" pads "kernel = array<i64: " kernel ">, strides = array<i64: " strides                  \
  ">} : (tensor<1x" #size "x" #size "x64x" type ">) -> tensor<1x" #to "x" #to "x64x" type                              \
  ">\nreturn %y : tensor<1x" #to "x" #to "x64x" type ">\n}\n"
#define CONV(type, size, c, each, o, k, pad, groups)                                                                   \
  "func.func @main(%x: tensor<1x" #size "x" #size "x" #c "x" type ">, %w: tensor<" #k "x" #k "x" #each "x" #o "x" type \
  ">) -> tensor<1x" #size "x" #size "x" #o "x" type "> {\n%y = quern.conv2d %x, %w {groups = " #groups                 \
  ", pads = array<i64: " #pad ", " #pad ", " #pad ", " #pad ">} : (tensor<1x" #size "x" #size "x" #c "x" type          \
  ">, tensor<" #k "x" #k "x" #each "x" #o "x" type ">) -> tensor<1x" #size "x" #size "x" #o "x" type                   \
  ">\nreturn %y : tensor<1x" #size "x" #size "x" #o "x" type ">\n}\n"
#define CODES "!quant.uniform<u8:f32, 0.02:117>"
/* Codes of 64 rows by a constant, scaled: %p, of which `behind` makes %y. */
#define PRODUCT(k, more, type, behind)                                                                                 \
  "func.func @main(%x: tensor<64x" #k "x" CODES ">" more ") -> tensor<64x64x" type "> {\n"                             \
  "%c = arith.constant dense<3> : tensor<" #k "x64xi8>\n"                                                              \
  "%w = quant.scast %c : tensor<" #k "x64xi8> to tensor<" #k "x64x!quant.uniform<i8:f32, 0.01>>\n"                     \
  "%s = quern.matmul %x, %w : (tensor<64x" #k "x" CODES ">, tensor<" #k                                                \
  "x64x!quant.uniform<i8:f32, 0.01>>) -> tensor<64x64xi32>\n"                                                          \
  "%f = quern.cast %s : (tensor<64x64xi32>) -> tensor<64x64xf32>\n"                                                    \
  "%m = arith.constant dense<0.0002> : tensor<64xf32>\n"                                                               \
  "%p = quern.mul %f, %m : (tensor<64x64xf32>, tensor<64xf32>) -> tensor<64x64xf32>\n" behind                          \
  "return %y : tensor<64x64x" type ">\n}\n"
#define RELAXED(m, k)                                                                                                  \
  "func.func @main(%x: tensor<" #m "x" #k "xbf16>) -> tensor<" #m "x64xf32> {\n"                                       \
  "%w = arith.constant dense<0.5> : tensor<" #k "x64xbf16>\n%b = arith.constant dense<0.25> : tensor<64xf32>\n"        \
  "%s = quern.matmul %x, %w {precision = \"relaxed\"} : (tensor<" #m "x" #k "xbf16>, tensor<" #k                       \
  "x64xbf16>) -> tensor<" #m "x64xf32>\n%a = quern.add %s, %b : (tensor<" #m "x64xf32>, tensor<64xf32>) -> tensor<" #m \
  "x64xf32>\n%y = quern.relu %a : (tensor<" #m "x64xf32>) -> tensor<" #m "x64xf32>\nreturn %y : tensor<" #m            \
  "x64xf32>\n}\n"
/* The same of windows of 3 x 3, with gelu and codes behind it. */
#define F32_IMAGE  "tensor<1x14x14x64xf32>"
#define CODE_IMAGE "tensor<1x14x14x64x" CODES ">"
#define WINDOWS(each, groups)                                                                                          \
  "func.func @main(%x: " CODE_IMAGE ") -> " CODE_IMAGE " {\n%c = arith.constant dense<3> : tensor<3x3x" each           \
  "x64xi8>\n%w = quant.scast %c : tensor<3x3x" each "x64xi8> to tensor<3x3x" each                                      \
  "x64x!quant.uniform<i8:f32, 0.01>>\n%s = quern.conv2d %x, %w {groups = " groups                                      \
  ", pads = array<i64: 1, 1, 1, 1>} : (" CODE_IMAGE ", tensor<3x3x" each                                               \
  "x64x!quant.uniform<i8:f32, 0.01>>) -> tensor<1x14x14x64xi32>\n"                                                     \
  "%f = quern.cast %s : (tensor<1x14x14x64xi32>) -> " F32_IMAGE                                                        \
  "\n%m = arith.constant dense<0.0002> : tensor<64xf32>\n%p = quern.mul %f, %m : (" F32_IMAGE                          \
  ", tensor<64xf32>) -> " F32_IMAGE "\n%g = quern.gelu %p : (" F32_IMAGE ") -> " F32_IMAGE                             \
  "\n%y = quant.qcast %g : " F32_IMAGE " to " CODE_IMAGE "\nreturn %y : " CODE_IMAGE "\n}\n"
/* Of %x, %f in floats, as `op` has it, and %y of that. */
#define CODED(from, to, op)                                                                                            \
  "func.func @main(%x: tensor<64x1024x" from ">) -> tensor<64x1024x" to                                                \
  "> {\n%f = quant.dcast %x : tensor<64x1024x" from "> to tensor<64x1024xf32>\n" op                                    \
  "%y = quant.qcast %g : tensor<64x1024xf32> to tensor<64x1024x" to ">\nreturn %y : tensor<64x1024x" to ">\n}\n"
#define IN_FLOATS(op) "%g = quern." op " %f : (tensor<64x1024xf32>) -> tensor<64x1024xf32>\n"
#define CAST(from, to)                                                                                                 \
  "func.func @main(%x: tensor<64x1024x" from ">) -> tensor<64x1024x" to                                                \
  "> {\n%y = quern.cast %x : (tensor<64x1024x" from ">) -> tensor<64x1024x" to ">\nreturn %y : tensor<64x1024x" to     \
  ">\n}\n"
#define I4_CODES "!quant.uniform<i4:f32, 0.02:3>"
#define I2_CODES "!quant.uniform<i2:f32, 0.03>"
static const text_case texts[] = {
    {"dynamic quantize, product, bias, gelu 64x64x1024",
     "func.func @main(%x: tensor<64x1024xf32>) -> tensor<64x64xf32> {\n"
     "%w = arith.constant dense<3> : tensor<1024x64xi8>\n"
     "%s = arith.constant dense<0.01> : tensor<64xf32>\n"
     "%b = arith.constant dense<0.25> : tensor<64xf32>\n"
     "%q:3 = quern.dynamic_quantize %x {storage = ui8} : (tensor<64x1024xf32>) -> (tensor<64x1024xui8>, tensor<f32>, "
     "tensor<ui8>)\n"
     "%p = quern.matmul_integer %q#0, %w, %q#2 : (tensor<64x1024xui8>, tensor<1024x64xi8>, tensor<ui8>) -> "
     "tensor<64x64xi32>\n"
     "%c = quern.cast %p : (tensor<64x64xi32>) -> tensor<64x64xf32>\n"
     "%m = quern.mul %q#1, %s : (tensor<f32>, tensor<64xf32>) -> tensor<64xf32>\n"
     "%d = quern.mul %c, %m : (tensor<64x64xf32>, tensor<64xf32>) -> tensor<64x64xf32>\n"
     "%e = quern.add %d, %b : (tensor<64x64xf32>, tensor<64xf32>) -> tensor<64x64xf32>\n"
     "%y = quern.gelu %e : (tensor<64x64xf32>) -> tensor<64x64xf32>\n"
     "return %y : tensor<64x64xf32>\n}\n"},
    {"dynamic quantize",
     "func.func @main(%x: tensor<64x1024xf32>) -> (tensor<64x1024xui8>, tensor<f32>, tensor<ui8>) {\n"
     "%q:3 = quern.dynamic_quantize %x {storage = ui8} : (tensor<64x1024xf32>) -> (tensor<64x1024xui8>, tensor<f32>, "
     "tensor<ui8>)\nreturn %q#0, %q#1, %q#2 : tensor<64x1024xui8>, tensor<f32>, tensor<ui8>\n}\n"},
    {"quantize", "func.func @main(%x: tensor<64x1024xf32>) -> tensor<64x1024x" CODES
                 "> {\n%q = quant.qcast %x : tensor<64x1024xf32> to tensor<64x1024x" CODES
                 ">\nreturn %q : tensor<64x1024x" CODES ">\n}\n"},
    {"dequantize", "func.func @main(%x: tensor<64x1024x" CODES
                   ">) -> tensor<64x1024xf32> {\n%q = quant.dcast %x : tensor<64x1024x" CODES
                   "> to tensor<64x1024xf32>\nreturn %q : tensor<64x1024xf32>\n}\n"},
    {"gelu", UNARY("gelu")},
    {"softmax", UNARY("softmax")},
    {"layer_norm",
     "func.func @main(%x: tensor<64x1024xf32>) -> tensor<64x1024xf32> {\n"
     "%g = arith.constant dense<1.5> : tensor<1024xf32>\n%b = arith.constant dense<0.25> : tensor<1024xf32>\n"
     "%y = quern.layer_norm %x, %g, %b : (tensor<64x1024xf32>, tensor<1024xf32>, tensor<1024xf32>) -> "
     "tensor<64x1024xf32>\nreturn %y : tensor<64x1024xf32>\n}\n"},
    {"transpose", "func.func @main(%x: tensor<64x1024xf32>) -> tensor<1024x64xf32> {\n%y = quern.transpose %x {perm = "
                  "array<i64: 1, 0>} : (tensor<64x1024xf32>) -> tensor<1024x64xf32>\n"
                  "return %y : tensor<1024x64xf32>\n}\n"},
    {"transpose of bytes",
     "func.func @main(%x: tensor<64x1024xui8>) -> tensor<1024x64xui8> {\n%y = quern.transpose %x {perm "
     "= array<i64: 1, 0>} : (tensor<64x1024xui8>) -> tensor<1024x64xui8>\n"
     "return %y : tensor<1024x64xui8>\n}\n"},
    {"transpose of four axes",
     "func.func @main(%x: tensor<1x28x28x64xf32>) -> tensor<1x64x28x28xf32> {\n%y = quern.transpose %x {perm = "
     "array<i64: 0, 3, 1, 2>} : (tensor<1x28x28x64xf32>) -> tensor<1x64x28x28xf32>\n"
     "return %y : tensor<1x64x28x28xf32>\n}\n"},
    {"softmax of halves", "func.func @main(%x: tensor<64x1024xf16>) -> tensor<64x1024xf16> {\n%y = quern.softmax %x : "
                          "(tensor<64x1024xf16>) -> tensor<64x1024xf16>\nreturn %y : tensor<64x1024xf16>\n}\n"},
    {"softmax of bf16", "func.func @main(%x: tensor<64x1024xbf16>) -> tensor<64x1024xbf16> {\n%y = quern.softmax %x : "
                        "(tensor<64x1024xbf16>) -> tensor<64x1024xbf16>\nreturn %y : tensor<64x1024xbf16>\n}\n"},
    {"layer_norm of bf16",
     "func.func @main(%x: tensor<64x1024xbf16>, %g: tensor<1024xbf16>, %b: tensor<1024xbf16>) -> tensor<64x1024xbf16> "
     "{\n%y = quern.layer_norm %x, %g, %b : (tensor<64x1024xbf16>, tensor<1024xbf16>, tensor<1024xbf16>) -> "
     "tensor<64x1024xbf16>\nreturn %y : tensor<64x1024xbf16>\n}\n"},
    {"layer_norm of halves",
     "func.func @main(%x: tensor<64x1024xf16>, %g: tensor<1024xf16>, %b: tensor<1024xf16>) -> tensor<64x1024xf16> "
     "{\n%y = quern.layer_norm %x, %g, %b : (tensor<64x1024xf16>, tensor<1024xf16>, tensor<1024xf16>) -> "
     "tensor<64x1024xf16>\nreturn %y : tensor<64x1024xf16>\n}\n"},
    {"attention of one query", ATTENTION(8, 1, 1024, 64, "f32", "f32")},
    {"attention of four queries", ATTENTION(8, 4, 1024, 64, "f32", "f32")},
    {"attention of one query, heads of 40", ATTENTION(8, 1, 1024, 40, "f32", "f32")},
    {"attention of two queries", ATTENTION(8, 2, 1024, 64, "f32", "f32")},
    {"attention of codes, two queries",
     ATTENTION(8, 2, 1024, 64, "!quant.uniform<u8:f32, 0.02:128>", "!quant.uniform<i8:f32, 0.02>")},
    {"attention of codes, four queries",
     ATTENTION(8, 4, 1024, 64, "!quant.uniform<u8:f32, 0.02:128>", "!quant.uniform<i8:f32, 0.02>")},
    {"attention of codes, 16 queries",
     ATTENTION(8, 16, 1024, 64, "!quant.uniform<u8:f32, 0.02:128>", "!quant.uniform<i8:f32, 0.02>")},
    {"attention of codes with a zero point, one query",
     ATTENTION(8, 1, 1024, 64, CODES, "!quant.uniform<i8:f32, 0.02:5>")},
    {"attention of codes with a zero point, four queries",
     ATTENTION(8, 4, 1024, 64, CODES, "!quant.uniform<i8:f32, 0.02:5>")},
    {"attention of many queries", ATTENTION(2, 64, 128, 64, "f32", "f32")},
    {"attention of codes, one query",
     ATTENTION(8, 1, 1024, 64, "!quant.uniform<u8:f32, 0.02:128>", "!quant.uniform<i8:f32, 0.02>")},
    {"attention of codes, many queries",
     ATTENTION(2, 64, 128, 64, "!quant.uniform<u8:f32, 0.02:128>", "!quant.uniform<i8:f32, 0.02>")},
    {"attention with a mask, one query",
     "func.func @main(%q: tensor<8x1x64xf32>, %k: tensor<8x1024x64xf32>, %v: tensor<8x1024x64xf32>, %m: "
     "tensor<1x1024xf32>) -> tensor<8x1x64xf32> {\n%y = quern.attention %q, %k, %v, %m {causal = \"bottom_right\"} : "
     "(tensor<8x1x64xf32>, tensor<8x1024x64xf32>, tensor<8x1024x64xf32>, tensor<1x1024xf32>) -> tensor<8x1x64xf32>\n"
     "return %y : tensor<8x1x64xf32>\n}\n"},
    {"attention with a mask of bits, one query",
     "func.func @main(%q: tensor<8x1x64xf32>, %k: tensor<8x1024x64xf32>, %v: tensor<8x1024x64xf32>, %m: "
     "tensor<1x1024xi1>) -> tensor<8x1x64xf32> {\n%y = quern.attention %q, %k, %v, %m : (tensor<8x1x64xf32>, "
     "tensor<8x1024x64xf32>, tensor<8x1024x64xf32>, tensor<1x1024xi1>) -> tensor<8x1x64xf32>\n"
     "return %y : tensor<8x1x64xf32>\n}\n"},
    {"attention of f16, one query",
     "func.func @main(%q: tensor<8x1x64xf16>, %k: tensor<8x1024x64xf16>, %v: tensor<8x1024x64xf16>) -> "
     "tensor<8x1x64xf16> {\n%y = quern.attention %q, %k, %v : (tensor<8x1x64xf16>, tensor<8x1024x64xf16>, "
     "tensor<8x1024x64xf16>) -> tensor<8x1x64xf16>\nreturn %y : tensor<8x1x64xf16>\n}\n"},
    {"attention with a mask, many queries",
     "func.func @main(%q: tensor<2x64x64xf32>, %k: tensor<2x128x64xf32>, %v: tensor<2x128x64xf32>, %m: "
     "tensor<64x128xf32>) -> tensor<2x64x64xf32> {\n%y = quern.attention %q, %k, %v, %m {causal = \"bottom_right\"} : "
     "(tensor<2x64x64xf32>, tensor<2x128x64xf32>, tensor<2x128x64xf32>, tensor<64x128xf32>) -> tensor<2x64x64xf32>\n"
     "return %y : tensor<2x64x64xf32>\n}\n"},
    {"attention of f16, many queries",
     "func.func @main(%q: tensor<2x64x64xf16>, %k: tensor<2x128x64xf16>, %v: tensor<2x128x64xf16>) -> "
     "tensor<2x64x64xf16> {\n%y = quern.attention %q, %k, %v : (tensor<2x64x64xf16>, tensor<2x128x64xf16>, "
     "tensor<2x128x64xf16>) -> tensor<2x64x64xf16>\nreturn %y : tensor<2x64x64xf16>\n}\n"},
    {"bf16 product 1x64x1024", RELAXED(1, 1024)},
    {"bf16 product 16x64x1024", RELAXED(16, 1024)},
    {"bf16 product 64x64x1024", RELAXED(64, 1024)},
    {"bf16 product 64x64x1001", RELAXED(64, 1001)},
    {"product of two inputs, f32 64x64x1024",
     "func.func @main(%x: tensor<64x1024xf32>, %w: tensor<1024x64xf32>) -> tensor<64x64xf32> {\n"
     "%y = quern.matmul %x, %w : (tensor<64x1024xf32>, tensor<1024x64xf32>) -> tensor<64x64xf32>\n"
     "return %y : tensor<64x64xf32>\n}\n"},
    {"max pool", POOL("max_pool", "", "f32", 28, 14, "2, 2", "2, 2")},
    {"max pool 3x3 with pads", POOL("max_pool", PADS, "f32", 28, 14, "3, 3", "2, 2")},
    {"max pool of codes", POOL("max_pool", PADS, CODES, 28, 14, "3, 3", "2, 2")},
    {"average pool", POOL("average_pool", "", "f32", 28, 14, "2, 2", "2, 2")},
    {"average pool 3x3 with pads", POOL("average_pool", PADS, "f32", 28, 28, "3, 3", "1, 1")},
    {"max pool of i8 codes", POOL("max_pool", PADS, "!quant.uniform<i8:f32, 0.02:17>", 28, 14, "3, 3", "2, 2")},
    {"max pool of f16", POOL("max_pool", PADS, "f16", 28, 14, "3, 3", "2, 2")},
    {"u8 convolution depthwise, gelu", WINDOWS("1", "64")},
    {"u8 convolution 3x3, gelu", WINDOWS("64", "1")},
    {"u8 product, gelu 64x64x1024", PRODUCT(1024, "", CODES,
                                            "%g = quern.gelu %p : (tensor<64x64xf32>) -> tensor<64x64xf32>\n"
                                            "%y = quant.qcast %g : tensor<64x64xf32> to tensor<64x64x" CODES ">\n")},
    {"u8 product, tanh 64x64x1024", PRODUCT(1024, "", CODES,
                                            "%g = quern.tanh %p : (tensor<64x64xf32>) -> tensor<64x64xf32>\n"
                                            "%y = quant.qcast %g : tensor<64x64xf32> to tensor<64x64x" CODES ">\n")},
    {"u8 product, erf to f32 64x64x1024",
     PRODUCT(1024, "", "f32", "%y = quern.erf %p : (tensor<64x64xf32>) -> tensor<64x64xf32>\n")},
    {"u8 product, residual 64x64x1024",
     PRODUCT(1024, ", %r: tensor<64x64xf32>", "f32",
             "%y = quern.add %p, %r : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>\n")},
    {"u8 product, residual of codes 64x64x64",
     PRODUCT(64, ", %r: tensor<64x64x" CODES ">", CODES,
             "%d = quant.dcast %r : tensor<64x64x" CODES "> to tensor<64x64xf32>\n"
             "%a = quern.add %p, %d : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>\n"
             "%y = quant.qcast %a : tensor<64x64xf32> to tensor<64x64x" CODES ">\n")},
    {"quantize to i4", "func.func @main(%x: tensor<64x1024xf32>) -> tensor<64x1024x!quant.uniform<i4:f32, 0.02>> {\n"
                       "%q = quant.qcast %x : tensor<64x1024xf32> to tensor<64x1024x!quant.uniform<i4:f32, 0.02>>\n"
                       "return %q : tensor<64x1024x!quant.uniform<i4:f32, 0.02>>\n}\n"},
    {"requantize from i4 to i2",
     "func.func @main(%x: tensor<64x1024x" I4_CODES ">) -> tensor<64x1024x" I2_CODES
     "> {\n%f = quant.dcast %x : tensor<64x1024x" I4_CODES
     "> to tensor<64x1024xf32>\n%q = quant.qcast %f : tensor<64x1024xf32> to tensor<64x1024x" I2_CODES
     ">\nreturn %q : tensor<64x1024x" I2_CODES ">\n}\n"},
    {"gelu of i4", CODED(I4_CODES, I4_CODES, IN_FLOATS("gelu"))},
    {"softmax of codes", CODED(CODES, CODES, IN_FLOATS("softmax"))},
    {"layer_norm of codes", CODED(CODES, CODES, IN_FLOATS("layer_norm"))},
    {"cast of fp4 to i4", CAST("f4E2M1FN", "i4")},
    {"cast of i64 to f16", CAST("i64", "f16")},
    {"quotients of i32", "func.func @main(%x: tensor<64x1024xi32>, %z: tensor<64x1024xi32>) -> tensor<64x1024xi32> {\n"
                         "%y = quern.div %x, %z : (tensor<64x1024xi32>, tensor<64x1024xi32>) -> tensor<64x1024xi32>\n"
                         "return %y : tensor<64x1024xi32>\n}\n"},
    {"requantize", "func.func @main(%x: tensor<64x1024x" CODES
                   ">) -> tensor<64x1024x!quant.uniform<i8:f32, 0.03>> {\n%f = quant.dcast %x : tensor<64x1024x" CODES
                   "> to tensor<64x1024xf32>\n%q = quant.qcast %f : tensor<64x1024xf32> to "
                   "tensor<64x1024x!quant.uniform<i8:f32, 0.03>>\n"
                   "return %q : tensor<64x1024x!quant.uniform<i8:f32, 0.03>>\n}\n"},
    {"f32 convolution depthwise, gelu",
     "func.func @main(%x: tensor<1x14x14x64xf32>, %w: tensor<3x3x1x64xf32>) -> tensor<1x14x14x64xf32> {\n"
     "%s = quern.conv2d %x, %w {groups = 64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x14x14x64xf32>, "
     "tensor<3x3x1x64xf32>) -> tensor<1x14x14x64xf32>\n"
     "%y = quern.gelu %s : (tensor<1x14x14x64xf32>) -> tensor<1x14x14x64xf32>\n"
     "return %y : tensor<1x14x14x64xf32>\n}\n"},
    {"f32 convolution depthwise to codes",
     "func.func @main(%x: tensor<1x14x14x64xf32>, %w: tensor<3x3x1x64xf32>) -> tensor<1x14x14x64x" CODES "> {\n"
     "%s = quern.conv2d %x, %w {groups = 64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x14x14x64xf32>, "
     "tensor<3x3x1x64xf32>) -> tensor<1x14x14x64xf32>\n"
     "%y = quant.qcast %s : tensor<1x14x14x64xf32> to tensor<1x14x14x64x" CODES ">\n"
     "return %y : tensor<1x14x14x64x" CODES ">\n}\n"},
    {"f64 convolution depthwise, relu",
     "func.func @main(%x: tensor<1x14x14x64xf64>, %w: tensor<3x3x1x64xf64>) -> tensor<1x14x14x64xf64> {\n"
     "%s = quern.conv2d %x, %w {groups = 64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x14x14x64xf64>, "
     "tensor<3x3x1x64xf64>) -> tensor<1x14x14x64xf64>\n"
     "%y = quern.relu %s : (tensor<1x14x14x64xf64>) -> tensor<1x14x14x64xf64>\n"
     "return %y : tensor<1x14x14x64xf64>\n}\n"},
    {"f64 product 64x100x64",
     "func.func @main(%x: tensor<64x64xf64>, %w: tensor<64x100xf64>) -> tensor<64x100xf64> {\n"
     "%y = quern.matmul %x, %w : (tensor<64x64xf64>, tensor<64x100xf64>) -> tensor<64x100xf64>\n"
     "return %y : tensor<64x100xf64>\n}\n"},
    {"f16 convolution 3x3", CONV("f16", 14, 64, 64, 64, 3, 1, 1)},
    {"f16 convolution depthwise", CONV("f16", 14, 64, 1, 64, 3, 1, 64)},
};

/* ---- what bodies take, from a line of trace: `compiled for llvm ROW in T ms: N of M bodies are ready` ---- */

typedef struct made {
  int bodies;
  double ms;
} made;

static void on_trace(void *user, qn_str line) {
  made *m = user;
  char copy[256];
  snprintf(copy, sizeof copy, "%.*s", (int)line.size, line.data);
  const char *time = strstr(copy, " in ");
  if (!strncmp(copy, "compiled for ", 13) && time && sscanf(time, " in %lf ms: %d of", &m->ms, &m->bodies) != 2)
    m->bodies = 0; /* told of as a failure */
}

static void on_diag(void *user, const qn_diag *d) {
  fprintf(stderr, "quern-bench-peers: %s: %.*s\n", (const char *)user, (int)d->message.size, d->message.data);
}

/* ---- programs ---- */

/* Of all that constants hold. */
static void *same_bytes(size_t n) {
  void *p = big_alloc(n);
  memset(p, 0x21, n);
  return p;
}

static float *same_floats(int64_t n, float value) {
  float *p = big_alloc((size_t)n * sizeof *p);
  for (int64_t i = 0; i < n; i++) p[i] = value;
  return p;
}

static bool make_product(qn_context *ctx, const product_case *c, qn_program **out) {
  int64_t block = c->block > 0 ? c->block : 0, none = c->block < 0 ? -c->block : 0;
  int64_t blocks = block ? (c->k + block - 1) / block : 1;
  float *scales = same_floats(c->n * blocks, 0.01f), *bias = same_floats(c->n, 0.5f);
  void *b = same_bytes((size_t)(c->k * c->n) * sizeof(float));
  for (int64_t i = 0; none && i < c->k; i += 2 * none) memset((char *)b + i * c->n, 0, (size_t)(none * c->n));
  int32_t *zeros = big_alloc((size_t)(c->n * blocks) * sizeof *zeros);
  qn_matmul_desc d = {.m = c->m, .n = c->n, .k = c->k, .a = c->a, .b = c->b, .y = c->y, .b_data = b, .b_block = block};
  for (int64_t i = 0; i < c->n * blocks; i++) zeros[i] = (int32_t)(i % 15);
  if (c->a != QN_F32) d.a_scale = 0.02f, d.y_scale = 0.1f;
  if (c->b != QN_F32) d.b_scales = scales;
  if (c->b == QN_UI4) d.b_zero_points = zeros;
  if (c->fused) d.bias = bias, d.relu = true;
  d.b_float = c->floats;
  qn_compile_options compile = {.engine = "llvm"};
  bool good = qn_kernel_matmul(ctx, &d, &compile, out) == QN_OK;
  free(scales), free(bias), free(b), free(zeros);
  return good;
}

static bool make_conv(qn_context *ctx, const conv_case *c, qn_program **out) {
  qn_conv_desc d = c->d;
  float *scales = same_floats(d.n, 0.01f), *bias = same_floats(d.n, 0.5f);
  int64_t groups = d.groups ? d.groups : 1;
  void *w = same_bytes((size_t)(d.kernel[0] * d.kernel[1] * d.channels / groups * d.n) * sizeof(float));
  d.w_data = w, d.bias = bias, d.relu = true;
  if (d.x != QN_F32) d.x_scale = 0.02f, d.y_scale = 0.1f, d.w_scales = scales;
  qn_compile_options compile = {.engine = "llvm"};
  bool good = qn_kernel_conv(ctx, &d, &compile, out) == QN_OK;
  free(scales), free(bias), free(w);
  return good;
}

static bool make_text(qn_context *ctx, const text_case *c, qn_program **out) {
  static const options none;
  text t = {(char *)(uintptr_t)c->text, strlen(c->text), 0};
  return program_from_text(ctx, &t, "llvm", &none, false, out);
}

enum {
  PRODUCTS = sizeof products / sizeof *products,
  CONVS = sizeof convs / sizeof *convs,
  TEXTS = sizeof texts / sizeof *texts
};

static bool make(qn_context *ctx, int i, qn_program **out) {
  if (i < PRODUCTS) return make_product(ctx, &products[i], out);
  if (i < PRODUCTS + CONVS) return make_conv(ctx, &convs[i - PRODUCTS], out);
  return make_text(ctx, &texts[i - PRODUCTS - CONVS], out);
}

static const char *name_of(int i) {
  return i < PRODUCTS           ? products[i].name
         : i < PRODUCTS + CONVS ? convs[i - PRODUCTS].name
                                : texts[i - PRODUCTS - CONVS].name;
}

/* Sizes are known, so that all bodies which they need are made, at once; false on failure. */
static bool make_alone(int i, made *m) {
  qn_context_options context = {
      .on_diag = on_diag, .on_diag_user = (void *)(uintptr_t)name_of(i), .on_trace = on_trace, .on_trace_user = m};
  qn_context *ctx = qn_context_create(&context);
  qn_program *p;
  *m = (made){.bodies = 0};
  bool good = ctx && make(ctx, i, &p);
  if (good) qn_program_destroy(p);
  qn_context_destroy(ctx);
  return good && m->bodies > 0;
}

int setup_bodies(const char *only) {
  int status = 0;
  made m;
  if (!make_alone(0, &m)) return 1; /* the first of the process */
  for (int i = 0; i < PRODUCTS + CONVS + TEXTS; i++) {
    if (!strstr(name_of(i), only)) continue;
    if (make_alone(i, &m))
      printf("%.3f a body by itself, %s%s\n", m.ms * 1e3 / m.bodies, name_of(i), m.bodies > 1 ? " (of several)" : "");
    else
      status = 1;
  }
  return status;
}
