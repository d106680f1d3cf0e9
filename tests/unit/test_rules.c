/* The rule of every op: what it infers, and what it refuses. */
#include "ir_test.h"

typedef struct rule_case {
  qn_op_kind kind;
  const char *operands[4];
  const char *attrs;
  const char *declared; /* result 0; null when the rule must find it */
  const char *results;  /* types separated by blanks */
  const char *error;    /* part of the message, when it must fail */
} rule_case;

#define OK(kind, a, b, attrs, declared, results)                                                                       \
  { QN_OP_##kind, {a, b}, attrs, declared, results, NULL }
#define OK4(kind, a, b, c, d, attrs, results)                                                                          \
  { QN_OP_##kind, {a, b, c, d}, attrs, NULL, results, NULL }
#define BAD(kind, a, b, attrs, declared, error)                                                                        \
  { QN_OP_##kind, {a, b}, attrs, declared, NULL, error }
#define BAD4(kind, a, b, c, d, attrs, error)                                                                           \
  { QN_OP_##kind, {a, b, c, d}, attrs, NULL, NULL, error }

static const rule_case elementwise[] = {
    OK(ADD, "4x8xf32", "4x8xf32", 0, 0, "4x8xf32"),
    OK(ADD, "4x8xf32", "8xf32", 0, 0, "4x8xf32"),
    OK(SUB, "8xf32", "4x1xf32", 0, 0, "4x8xf32"),
    OK(MUL, "xf32", "4x?xf32", 0, 0, "4x?xf32"),
    OK(MUL, "nx4xf32", "nx1xf32", 0, 0, "nx4xf32"),
    OK(MUL, "nx4xf32", "4xf32", 0, 0, "nx4xf32"),
    OK(DIV, "nx4xf32", "mx4xf32", 0, 0, "?x4xf32"),
    OK(DIV, "?x4xf32", "7x4xf32", 0, 0, "7x4xf32"),
    OK(DIV, "7x4xf32", "?x?xf32", 0, 0, "7x4xf32"),
    OK(MAXIMUM, "?x4xf32", "1x4xf32", 0, 0, "?x4xf32"),
    OK(MAXIMUM, "1xf32", "nxf32", 0, 0, "nxf32"),
    OK(MINIMUM, "0x4xi8", "1xi8", 0, 0, "0x4xi8"),
    OK(MINIMUM, "?x4xi8", "0x4xi8", 0, 0, "0x4xi8"),
    OK(ADD, "4xui8", "4xui8", 0, 0, "4xui8"),
    OK(ADD, "4xcal", "4xf32", 0, 0, "4xf32"),
    OK(ADD, "4xcal", "4xcal", 0, 0, "4xf32"),
    BAD(ADD, "4xf32", "3xf32", 0, 0, "do not broadcast"),
    BAD(ADD, "4x3xf32", "4xf32", 0, 0, "do not broadcast"),
    BAD(ADD, "4xf32", "4xf16", 0, 0, "quern.cast"),
    BAD(ADD, "4xi8", "4xui8", 0, 0, "expected one type"),
    BAD(ADD, "=f32", "4xf32", 0, 0, "expected a tensor"),
    BAD(ADD, "4xqi8", "4xqi8", 0, 0, "quant.dcast"),
    BAD(ADD, "4xf32", 0, 0, 0, "has 1 operands, expected 2 (a, b)"),
    BAD4(ADD, "4xf32", "4xf32", "4xf32", 0, 0, "has 3 operands, expected 2 (a, b)"),
    BAD(ADD, "4xf32", "4xf32", "axis=1", 0, "has no attribute 'axis', expected any of: none"),
    OK(ADD, "4xf32", "4xf32", "my.note=1", 0, "4xf32"),
    OK(NEG, "?xi32", 0, 0, 0, "?xi32"),
    OK(ABS, "4xcal", 0, 0, 0, "4xf32"),
    OK(RELU, "nx4xf16", 0, 0, 0, "nx4xf16"),
    BAD(RELU, "4xqi8", 0, 0, 0, "quant.dcast"),
    OK(CLIP, "4xf32", 0, "min=0.0;max=6.0", 0, "4xf32"),
    BAD(CLIP, "4xf32", 0, "min=6.0;max=0.0", 0, "min <= max"),
    BAD(CLIP, "4xf32", 0, "min=nan;max=0.0", 0, "no NaN"),
    BAD(CLIP, "4xf32", 0, "min=0;max=6.0", 0, "attribute 'min' is an integer, expected a float"),
    BAD(CLIP, "4xf32", 0, "min=0.0", 0, "attribute 'max' is missing"),
    BAD(CLIP, "4xi32", 0, "min=0.0;max=6.0", 0, "floats"),
    OK(EXP, "4xf32", 0, 0, 0, "4xf32"),
    OK(LOG, "4xf32", 0, 0, 0, "4xf32"),
    OK(SQRT, "4xf64", 0, 0, 0, "4xf64"),
    OK(TANH, "4xbf16", 0, 0, 0, "4xbf16"),
    OK(ERF, "4xf32", 0, 0, 0, "4xf32"),
    OK(SIGMOID, "4xcal", 0, 0, 0, "4xf32"),
    OK(GELU, "4xf32", 0, "approximate=\"tanh\"", 0, "4xf32"),
    BAD(GELU, "4xf32", 0, "approximate=\"sigmoid\"", 0, "expected one of none|tanh"),
    OK(FLOOR, "4xf32", 0, 0, 0, "4xf32"),
    OK(CEIL, "4xf32", 0, 0, 0, "4xf32"),
    OK(ROUND, "4xf32", 0, 0, 0, "4xf32"),
    BAD(EXP, "4xi32", 0, 0, 0, "quern.cast"),
    BAD(EXP, "4xqi8", 0, 0, 0, "quant.dcast"),
    OK(CAST, "nx4xf32", 0, 0, "?x4xi8", "nx4xi8"),
    OK(CAST, "4xui8", 0, 0, "4xf16", "4xf16"),
    BAD(CAST, "4xf32", 0, 0, 0, "says what it casts to"),
    BAD(CAST, "4xf32", 0, 0, "4xqi8", "says what it casts to"),
    OK(SOFTMAX, "4x8xf32", 0, 0, 0, "4x8xf32"),
    OK(SOFTMAX, "4x8xf32", 0, "axis=-2", 0, "4x8xf32"),
    BAD(SOFTMAX, "4x8xf32", 0, "axis=2", 0, "axis is 2, expected a value from -2 to 1"),
    BAD(SOFTMAX, "xf32", 0, 0, 0, "axis is -1"),
    OK(OBSERVE, "4x8xf32", 0, "key=\"a\"", 0, "4x8xf32"),
    OK(OBSERVE, "4x8xf32", 0, "key=\"a\";per_axis=true;axis=1", 0, "4x8xf32"),
    BAD(OBSERVE, "4x8xf32", 0, "key=\"a\";per_axis=true;axis=2", 0, "axis is 2"),
    BAD(OBSERVE, "4x8xf32", 0, "key=\"\"", 0, "key is empty"),
    BAD(OBSERVE, "4x8xf32", 0, 0, 0, "'key' is missing, expected a string"),
    BAD(OBSERVE, "4x8xi32", 0, "key=\"a\"", 0, "floats"),
};

static const rule_case quantization[] = {
    OK(QCAST, "4x8xf32", 0, 0, "4x8xqi8", "4x8xqi8"),
    OK(QCAST, "nx8xcal", 0, 0, "?x8xqu8", "nx8xqu8"),
    OK(QCAST, "4x8xf16", 0, 0, "4x8xqi8h", "4x8xqi8h"),
    BAD(QCAST, "4x8xf32", 0, 0, "4x8xqi8h", "both must be one float type"),
    BAD(QCAST, "4x8xf32", 0, 0, "4x8xqi32", "dequantized only"),
    BAD(QCAST, "4x8xf32", 0, 0, "4x7xqi8", "expected the shape of 'x'"),
    BAD(QCAST, "4x8xf32", 0, 0, "4x8xi8", "expected a quantized type"),
    BAD(QCAST, "4x8xf32", 0, 0, 0, "carries the parameters"),
    BAD(QCAST, "4x8xi32", 0, 0, "4x8xqi8", "floats"),
    OK(DCAST, "nx8xqi8", 0, 0, 0, "nx8xf32"),
    OK(DCAST, "4x8xqa0_4", 0, 0, 0, "4x8xf32"),
    OK(DCAST, "4xqi32", 0, 0, 0, "4xf32"),
    OK(DCAST, "4xqi8h", 0, 0, 0, "4xf16"),
    BAD(DCAST, "4x8xi8", 0, 0, 0, "expected a quantized type"),
    OK(SCAST, "4xqi8", 0, 0, 0, "4xi8"),
    OK(SCAST, "4xqu8", 0, 0, "4xi8", "4xi8"),
    OK(SCAST, "4xqu8", 0, 0, "4xui8", "4xui8"),
    OK(SCAST, "4xui8", 0, 0, "4xqu8", "4xqu8"),
    OK(SCAST, "nxi8", 0, 0, "?xqi8", "nxqi8"),
    OK(SCAST, "4xqf8", 0, 0, "4xf8E4M3FN", "4xf8E4M3FN"),
    BAD(SCAST, "4xqi8", 0, 0, "4xui8", "is stored as i8"),
    BAD(SCAST, "4xqi8", 0, 0, "4xi16", "the bits must be the same"),
    BAD(SCAST, "4xqi8", 0, 0, "4xqu8", "on one side"),
    BAD(SCAST, "4xi8", 0, 0, "4xi8", "on one side"),
    BAD(SCAST, "4xi8", 0, 0, 0, "says what it casts to"),
    OK(FAKE_QUANT, "4x8xf32", 0, "type=!=qi8", 0, "4x8xf32"),
    OK(FAKE_QUANT, "4x8xcal", 0, "type=!=qa1_8", 0, "4x8xf32"),
    BAD(FAKE_QUANT, "4x8xf32", 0, "type=!=i8", 0, "expected a quantized type"),
    BAD(FAKE_QUANT, "4x8xf32", 0, "type=!=qa0_8", 0, "8"),
    BAD(FAKE_QUANT, "4x8xf32", 0, "type=3", 0, "attribute 'type' is an integer, expected a type"),
    OK(REQUANTIZE, "4x8xi32", "xf32", 0, "4x8xqi8", "4x8xqi8"),
    OK(REQUANTIZE, "nx8xi32", "8xf32", "mode=\"fixed\"", "?x8xqu8", "nx8xqu8"),
    OK(REQUANTIZE, "4x8xi64", "4x1xf32", 0, "4x8xqi16", "4x8xqi16"),
    BAD(REQUANTIZE, "4x8xi16", "xf32", 0, "4x8xqi8", "i32 or i64"),
    BAD(REQUANTIZE, "4x8xi32", "xf64", 0, "4x8xqi8", "tensor of f32"),
    BAD(REQUANTIZE, "4x8xi32", "4xf32", 0, "4x8xqi8", "does not broadcast"),
    BAD(REQUANTIZE, "8xi32", "4x8xf32", 0, "8xqi8", "does not broadcast"),
    BAD(REQUANTIZE, "8xi32", "8xf32", 0, "8xi8", "expected a quantized type"),
    BAD(REQUANTIZE, "8xi32", "8xf32", 0, "8xqi32", "dequantized only"),
    BAD(REQUANTIZE, "8xi32", "8xf32", "mode=\"half\"", "8xqi8", "expected one of f32|fixed|single"),
    OK(DYNAMIC_QUANTIZE, "4x8xf32", 0, "storage=!=ui8", 0, "4x8xui8 xf32 xui8"),
    OK(DYNAMIC_QUANTIZE, "nx8xf32", 0, "storage=!=i8;per_row=true;scheme=\"symmetric\"", 0, "nx8xi8 nx1xf32 nx1xi8"),
    BAD(DYNAMIC_QUANTIZE, "4x8xf32", 0, "storage=!=i32", 0, "2 to 16 bits"),
    BAD(DYNAMIC_QUANTIZE, "4x8xf32", 0, "storage=!=i1", 0, "2 to 16 bits"),
    BAD(DYNAMIC_QUANTIZE, "4x8xf32", 0, "storage=!=f32", 0, "2 to 16 bits"),
    BAD(DYNAMIC_QUANTIZE, "xf32", 0, "storage=!=i8;per_row=true", 0, "rank 1 or more"),
    OK(QUANTIZE, "4x8xf32", "xf32", 0, 0, "4x8xui8"),
    OK(QUANTIZE, "4x8xf32", "8xf32", 0, 0, "4x8xui8"),
    OK(QUANTIZE, "4x8xf32", "4xf32", "axis=-2;storage=!=i4", 0, "4x8xi4"),
    OK4(QUANTIZE, "4x8xf32", "8xf32", "8xi8", 0, 0, "4x8xi8"),
    OK4(QUANTIZE, "nx8xf16", "nx1xf32", "nx1xui16", 0, 0, "nx8xui16"),
    OK4(QUANTIZE, "4xf32", "1xf32", "xi8", 0, 0, "4xi8"),
    OK(QUANTIZE, "4xf32", "xf32", "storage=!=f8E4M3FN", 0, "4xf8E4M3FN"),
    BAD(QUANTIZE, "4x8xf32", "4xf32", 0, 0, "expected one for each of 8 along axis 1"),
    BAD(QUANTIZE, "8xf32", "8xf32", 0, 0, "axis is 1"),
    BAD(QUANTIZE, "4x8xf32", "2x8xf32", 0, 0, "does not broadcast"),
    BAD(QUANTIZE, "4x8xf32", "8xi32", 0, 0, "f32, f16 or bf16"),
    BAD4(QUANTIZE, "4x8xf32", "8xf32", "xi8", 0, 0, "expected the shape of 'scale'"),
    BAD4(QUANTIZE, "4x8xf32", "xf32", "xi8", 0, "storage=!=ui8", "expected elements of type ui8"),
    BAD4(QUANTIZE, "4x8xf32", "xf32", "xi32", 0, 0, "2 to 16 bits"),
    OK4(DEQUANTIZE, "4x8xui8", "xf32", "xui8", 0, 0, "4x8xf32"),
    OK(DEQUANTIZE, "nx8xi32", "8xf32", 0, 0, "nx8xf32"),
    OK(DEQUANTIZE, "4xi4", "xf16", 0, 0, "4xf16"),
    BAD(DEQUANTIZE, "4xi64", "xf32", 0, 0, "operand 'q'"),
    BAD4(DEQUANTIZE, "4xui8", "xf32", "xi8", 0, 0, "expected elements of type ui8"),
};

static const rule_case products[] = {
    OK(MATMUL, "4x8xf32", "8x5xf32", 0, 0, "4x5xf32"),
    OK(MATMUL, "4x8xf32", "5x8xf32", "transpose_b=true", 0, "4x5xf32"),
    OK(MATMUL, "8x4xf32", "5x8xf32", "transpose_a=true;transpose_b=true", 0, "4x5xf32"),
    OK(MATMUL, "nx8xf32", "8x5xf32", 0, 0, "nx5xf32"),
    OK(MATMUL, "nx?xf32", "8x5xf32", 0, 0, "nx5xf32"),
    OK(MATMUL, "2x1x4x8xf32", "3x8x5xf32", 0, 0, "2x3x4x5xf32"),
    OK(MATMUL, "8xf32", "8x5xf32", 0, 0, "5xf32"),
    OK(MATMUL, "8xf32", "3x8x5xf32", 0, 0, "3x5xf32"),
    OK(MATMUL, "3x4x8xf32", "8xf32", 0, 0, "3x4xf32"),
    OK(MATMUL, "8xf32", "8xf32", 0, 0, "xf32"),
    OK(MATMUL, "4x0xf32", "0x5xf32", 0, 0, "4x5xf32"),
    OK(MATMUL, "4x8xcal", "8x5xf32", 0, 0, "4x5xf32"),
    OK(MATMUL, "4x8xbf16", "8x5xbf16", 0, 0, "4x5xbf16"),
    OK(MATMUL, "4x8xqu8", "8x5xqi8", 0, 0, "4x5xi32"),
    OK(MATMUL, "4x8xqu8", "8x5xqa1_5", 0, 0, "4x5xi32"),
    OK(MATMUL, "4x8xqu8", "5x8xqa0_5", "transpose_b=true", 0, "4x5xi32"),
    OK(MATMUL, "4x8xqu8", "8x6xqg1_3_2", 0, 0, "4x6xi32"),
    OK(MATMUL, "4x8xqi16", "8x5xqi16", 0, 0, "4x5xi64"),
    OK(MATMUL, "4x8xqi16", "8x5xqi8", 0, 0, "4x5xi32"),
    BAD(MATMUL, "4x8xf32", "7x5xf32", 0, 0, "8 elements in one and 7 in the other"),
    BAD(MATMUL, "2x4x8xf32", "3x8x5xf32", 0, 0, "leading axes do not broadcast"),
    BAD(MATMUL, "xf32", "8x5xf32", 0, 0, "rank 1 or more"),
    BAD(MATMUL, "8xf32", "8x5xf32", "transpose_a=true", 0, "cannot be transposed"),
    BAD(MATMUL, "4x8xf32", "8x5xf16", 0, 0, "one float type or both quantized"),
    BAD(MATMUL, "4x8xi8", "8x5xi8", 0, 0, "quern.matmul_integer"),
    BAD(MATMUL, "4x8xf32", "8x5xqi8", 0, 0, "one float type or both quantized"),
    BAD(MATMUL, "4x8xqu8", "8x5xqa0_8", 0, 0, "along its column axis 1 only"),
    BAD(MATMUL, "4x8xqa0_4", "8x5xqi8", 0, 0, "one scale for the whole tensor"),
    BAD(MATMUL, "4x8xqu8", "8xqa0_8", 0, 0, "one scale for all of it"),
    BAD(MATMUL, "4x8xqf8", "8x5xqf8", 0, 0, "integer storage"),
    BAD(MATMUL, "4x8xqi32", "8x5xqi8", 0, 0, "at most 16 bits"),
    BAD(MATMUL, "4x8xqi8", "8x5xqi8h", 0, 0, "different floats"),
    OK(MATMUL_INTEGER, "4x8xui8", "8x5xi8", 0, 0, "4x5xi32"),
    OK4(MATMUL_INTEGER, "4x8xui8", "8x5xi8", "xui8", "xi8", 0, "4x5xi32"),
    OK4(MATMUL_INTEGER, "4x8xui8", "8x5xi8", "4xui8", "5xi8", 0, "4x5xi32"),
    OK4(MATMUL_INTEGER, "2x4x8xui8", "8x5xi8", "2x4x1xui8", 0, 0, "2x4x5xi32"),
    BAD(MATMUL_INTEGER, "4x8xi32", "8x5xi8", 0, 0, "at most 8 bits"),
    BAD4(MATMUL_INTEGER, "4x8xui8", "8x5xi8", "xi8", 0, 0, "expected elements of ui8"),
    BAD4(MATMUL_INTEGER, "4x8xui8", "8x5xi8", "8xui8", 0, 0, "one for each row of 'a'"),
    BAD4(MATMUL_INTEGER, "4x8xui8", "8x5xi8", "xui8", "8xi8", 0, "one for each column of 'b'"),
    OK(RESHAPE, "4x8xf32", 0, "shape=[2,16]", 0, "2x16xf32"),
    OK(RESHAPE, "4x8xf32", 0, "shape=[2,-1]", 0, "2x16xf32"),
    OK(RESHAPE, "4x8xf32", 0, "shape=[-3,-2]", 0, "8x4xf32"),
    OK(RESHAPE, "nx2x3xf32", 0, "shape=[-2,-1]", 0, "nx6xf32"),
    OK(RESHAPE, "nx2x3xf32", 0, "shape=[-1,6]", 0, "nx6xf32"),
    OK(RESHAPE, "nx2x3xf32", 0, "shape=[-1,3]", 0, "?x3xf32"),
    OK(RESHAPE, "nxnxf32", 0, "shape=[-2,-1]", 0, "nxnxf32"),
    OK(RESHAPE, "nxmxf32", 0, "shape=[-1]", 0, "?xf32"),
    OK(RESHAPE, "?xf32", 0, "shape=[2,3]", 0, "2x3xf32"),
    OK(RESHAPE, "1xf32", 0, "shape=[]", 0, "xf32"),
    OK(RESHAPE, "xf32", 0, "shape=[1,1]", 0, "1x1xf32"),
    OK(RESHAPE, "0x4xf32", 0, "shape=[0,7]", 0, "0x7xf32"),
    OK(RESHAPE, "0x4xf32", 0, "shape=[-1,7]", 0, "0x7xf32"),
    OK(RESHAPE, "4x8xqi8", 0, "shape=[32]", 0, "32xqi8"),
    OK(RESHAPE, "4xcal", 0, "shape=[2,2]", 0, "2x2xf32"),
    BAD(RESHAPE, "4x8xf32", 0, "shape=[3,-1]", 0, "another number of elements"),
    BAD(RESHAPE, "4x8xf32", 0, "shape=[31]", 0, "another number of elements"),
    BAD(RESHAPE, "nx2xf32", 0, "shape=[-2,3]", 0, "another number of elements"),
    BAD(RESHAPE, "4x8xf32", 0, "shape=[-1,-1]", 0, "more than once"),
    BAD(RESHAPE, "4x8xf32", 0, "shape=[-4,-1]", 0, "the size of dimension 2"),
    BAD(RESHAPE, "4x8xf32", 0, "shape=[-9223372036854775808]", 0, "the size of dimension"),
    BAD(RESHAPE, "4x8xf32", 0, "shape=[1,1,1,1,1,1,1,1,32]", 0, "at most 8"),
    BAD(RESHAPE, "0x4xf32", 0, "shape=[0,-1]", 0, "not determined"),
    BAD(RESHAPE, "4x8xqa0_4", 0, "shape=[32]", 0, "belong to an axis"),
    OK(TRANSPOSE, "4x8xf32", 0, "perm=[1,0]", 0, "8x4xf32"),
    OK(TRANSPOSE, "nx4x8xf32", 0, "perm=[2,0,1]", 0, "8xnx4xf32"),
    OK(TRANSPOSE, "xf32", 0, "perm=[]", 0, "xf32"),
    OK(TRANSPOSE, "4x8xqa0_4", 0, "perm=[1,0]", 0, "8x4xqa1_4"),
    OK(TRANSPOSE, "4x8xqg1_4_2", 0, "perm=[1,0]", 0, "8x4xqg0_4_2"),
    BAD(TRANSPOSE, "4x8xf32", 0, "perm=[0]", 0, "one for each of 2 axes"),
    BAD(TRANSPOSE, "4x8xf32", 0, "perm=[0,0]", 0, "each axis from 0 to 1 once"),
    BAD(TRANSPOSE, "4x8xf32", 0, "perm=[0,2]", 0, "each axis from 0 to 1 once"),
    OK(VIEW, "4x8xf32", 0, 0, "128xi8", "128xi8"),
    OK(VIEW, "4xi4", 0, 0, "2xi8", "2xi8"),
    OK(VIEW, "nx4xf32", 0, 0, "?x2x2xf32", "?x2x2xf32"),
    OK(VIEW, "nx4xf32", 0, "shape=[-2,2,2]", "?x2x2xf32", "?x2x2xf32"),
    BAD(VIEW, "nx4xf32", 0, "shape=[-2,2,3]", "?x2x2xf32", "attribute 'shape' gives"),
    BAD(VIEW, "nx4xf32", 0, "shape=[-4,4]", "?x4xf32", "the size of dimension 2"),
    BAD(VIEW, "4x8xf32", 0, 0, "127xi8", "takes 128 bytes"),
    BAD(VIEW, "4x8xf32", 0, 0, 0, "says what it shows"),
    OK(PACK, "8x5xi8", 0, "layout=\"k4n64\"", 0, "8x5xi8"),
    OK(PACK, "2x5x8xi8", 0, "layout=\"k4n64\";transpose=true", 0, "2x8x5xi8"),
    OK(PACK, "5x8xqa0_5", 0, "layout=\"k4n64\";transpose=true", 0, "8x5xqa1_5"),
    BAD(PACK, "8x5xi8", 0, "layout=\"plain\"", 0, "expected a packed one"),
    BAD(PACK, "8x5xi8", 0, "layout=\"k3n64\"", 0, "a power of two"),
    BAD(PACK, "8x5xi4", 0, "layout=\"k4n64\"", 0, "whole bytes"),
    BAD(PACK, "8xi8", 0, "layout=\"k4n64\"", 0, "rank 2 or more"),
    OK(PACKED, 0, 0, "layout=\"k4n8\";value=splat:64xi8", "8x5xqi8", "8x5xqi8"),
    OK(PACKED, 0, 0, "layout=\"k4n8\";value=splat:192xi8", "3x8x5xi8", "3x8x5xi8"),
    OK(PACKED, 0, 0, "layout=\"k1n8\";value=splat:256xi8", "8x5xf32", "8x5xf32"),
    BAD(PACKED, 0, 0, "layout=\"k4n8\";value=splat:63xi8", "8x5xi8", "value holds 63 bytes"),
    BAD(PACKED, 0, 0, "layout=\"k4n8\";value=splat:64xi8", "8x?xi8", "sizes that are known"),
    BAD(PACKED, 0, 0, "layout=\"k4n8\";value=splat:64xi8", 0, "rank 2 or more"),
    OK(CONSTANT, 0, 0, "value=splat:4x8xf32", 0, "4x8xf32"),
    BAD(CONSTANT, 0, 0, "value=3", 0, "expected a tensor"),
    BAD(CONSTANT, 0, 0, "value=\"x\"", 0, "is no constant"),
    BAD(CONSTANT, 0, 0, 0, 0, "'value' is missing"),
};

static const rule_case scalars[] = {
    OK(ADDI, "=i32", "=i32", 0, 0, "=i32"),
    OK(SUBI, "=i8", "=i8", 0, 0, "=i8"),
    OK(MULI, "=i64", "=i64", 0, 0, "=i64"),
    OK(DIVSI, "=i32", "=i32", 0, 0, "=i32"),
    OK(DIVUI, "=i32", "=i32", 0, 0, "=i32"),
    OK(ANDI, "=i1", "=i1", 0, 0, "=i1"),
    OK(ORI, "=i32", "=i32", 0, 0, "=i32"),
    OK(XORI, "=i32", "=i32", 0, 0, "=i32"),
    OK(SHLI, "=i32", "=i32", 0, 0, "=i32"),
    OK(SHRSI, "=i32", "=i32", 0, 0, "=i32"),
    OK(SHRUI, "=i32", "=i32", 0, 0, "=i32"),
    OK(MAXSI, "=i32", "=i32", 0, 0, "=i32"),
    OK(MINSI, "=index", "=index", 0, 0, "=index"),
    OK(MAXUI, "=i32", "=i32", 0, 0, "=i32"),
    OK(MINUI, "=i32", "=i32", 0, 0, "=i32"),
    BAD(ADDI, "=i32", "=i64", 0, 0, "expected one type"),
    BAD(ADDI, "=ui8", "=ui8", 0, 0, "signless integer"),
    BAD(ADDI, "=f32", "=f32", 0, 0, "signless integer"),
    BAD(ADDI, "4xi32", "4xi32", 0, 0, "signless integer"),
    OK(ADDF, "=f32", "=f32", 0, 0, "=f32"),
    OK(SUBF, "=f16", "=f16", 0, 0, "=f16"),
    OK(MULF, "=f64", "=f64", 0, 0, "=f64"),
    OK(DIVF, "=bf16", "=bf16", 0, 0, "=bf16"),
    OK(MAXIMUMF, "=f32", "=f32", 0, 0, "=f32"),
    OK(MINIMUMF, "=f32", "=f32", 0, 0, "=f32"),
    OK(NEGF, "=f32", 0, 0, 0, "=f32"),
    BAD(ADDF, "=i32", "=i32", 0, 0, "expected a float"),
    BAD(ADDF, "=f32", "=f64", 0, 0, "expected one type"),
    OK(CMPI, "=i32", "=i32", "predicate=9", 0, "=i1"),
    OK(CMPF, "=f32", "=f32", "predicate=15", 0, "=i1"),
    BAD(CMPI, "=i32", "=i32", "predicate=10", 0, "expected 0 to 9"),
    BAD(CMPF, "=f32", "=f32", "predicate=-1", 0, "expected 0 to 15"),
    BAD(CMPF, "=i32", "=i32", "predicate=1", 0, "expected a float"),
    OK4(SELECT, "=i1", "=f32", "=f32", 0, 0, "=f32"),
    BAD4(SELECT, "=i8", "=f32", "=f32", 0, 0, "expected i1"),
    BAD4(SELECT, "=i1", "=f32", "=i32", 0, 0, "expected one type"),
    OK(EXTSI, "=i8", 0, 0, "=i32", "=i32"),
    OK(EXTUI, "=i8", 0, 0, "=i32", "=i32"),
    OK(TRUNCI, "=i32", 0, 0, "=i8", "=i8"),
    OK(SITOFP, "=i32", 0, 0, "=f32", "=f32"),
    OK(UITOFP, "=i8", 0, 0, "=f32", "=f32"),
    OK(FPTOSI, "=f32", 0, 0, "=i8", "=i8"),
    OK(FPTOUI, "=f32", 0, 0, "=i32", "=i32"),
    OK(EXTF, "=f16", 0, 0, "=f32", "=f32"),
    OK(TRUNCF, "=f32", 0, 0, "=bf16", "=bf16"),
    OK(BITCAST, "=i32", 0, 0, "=f32", "=f32"),
    BAD(EXTSI, "=i32", 0, 0, "=i8", "must be wider than"),
    BAD(EXTSI, "=i32", 0, 0, "=f64", "expected a signless integer"),
    BAD(TRUNCI, "=i8", 0, 0, "=i8", "must be narrower than"),
    BAD(SITOFP, "=f32", 0, 0, "=f32", "expected a signless integer"),
    BAD(FPTOSI, "=f32", 0, 0, "=ui8", "expected a signless integer"),
    BAD(BITCAST, "=i32", 0, 0, "=f16", "as wide as"),
    BAD(EXTF, "=f16", 0, 0, 0, "the result is no type"),
    OK4(FMA, "=f32", "=f32", "=f32", 0, 0, "=f32"),
    BAD4(FMA, "=f32", "=f32", "=f64", 0, 0, "expected one type"),
    OK(MATH_EXP, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_LOG, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_SQRT, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_TANH, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_ERF, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_SIGMOID, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_GELU, "=f32", 0, "approximate=\"none\"", 0, "=f32"),
    OK(MATH_ROUNDEVEN, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_ROUND, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_FLOOR, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_CEIL, "=f32", 0, 0, 0, "=f32"),
    OK(MATH_ABSF, "=f32", 0, 0, 0, "=f32"),
    BAD(MATH_EXP, "=i32", 0, 0, 0, "expected a float"),
    BAD(MATH_EXP, "4xf32", 0, 0, 0, "expected a float"),
};

static bool covered[QN_OP_KIND_COUNT];

static void check_results(ir_env *e, const rule_case *c, qn_op op, const qn_type *types) {
  char copy[128];
  snprintf(copy, sizeof copy, "%s", c->results);
  uint32_t n = 0;
  for (char *t = strtok(copy, " "); t; t = strtok(NULL, " "), n++) {
    qn_type want = ir_type(e->ctx, t);
    if (!qn_type_eq(want, types[n]))
      fail_msg("%s: result %u is %s, expected %s", qn_op_info_get(c->kind)->name, n,
               qn_type_text(e->ctx, types[n]).data, qn_type_text(e->ctx, want).data);
  }
  assert_int_equal(n, qn_op_num_results(e->m, op));
}

static void run_case(ir_env *e, qn_block body, const rule_case *c) {
  qn_value operands[4];
  uint32_t n = 0;
  while (n < 4 && c->operands[n]) {
    operands[n] = ir_arg(e, body, c->operands[n]);
    n++;
  }
  uint32_t num_results = c->kind == QN_OP_DYNAMIC_QUANTIZE ? 3 : 1;
  qn_type declared[3] = {ir_type(e->ctx, c->declared)}, inferred[3] = {{0}};
  qn_op op = ir_op(e, body, c->kind, n, operands, num_results, declared, c->attrs, 0);
  qn_status status = qn_op_infer(e->m, op, inferred);
  if (c->error) {
    if (status == QN_OK) fail_msg("%s passed, expected '%s'", qn_op_info_get(c->kind)->name, c->error);
    assert_true(e->errors > 0);
    ir_expect_error(e, c->error);
  } else {
    if (status != QN_OK) fail_msg("%s failed: %s", qn_op_info_get(c->kind)->name, e->messages);
    assert_int_equal(e->errors, 0);
    check_results(e, c, op, inferred);
    covered[c->kind] = true;
  }
  qn_op_erase(e->m, op);
}

static void run_table(const rule_case *cases, size_t n, bool in_kernel) {
  ir_env e;
  ir_open(&e);
  qn_op func = ir_function(&e, "f", (qn_type){0});
  qn_block body = qn_func_body(e.m, func);
  if (in_kernel) body = qn_op_region(e.m, ir_op(&e, body, QN_OP_ROW, 0, NULL, 0, NULL, NULL, 1), 0);
  for (size_t i = 0; i < n; i++) run_case(&e, body, &cases[i]);
  ir_close(&e);
}

#define RUN(table, in_kernel) run_table(table, sizeof table / sizeof *table, in_kernel)

static void test_elementwise(void **state) {
  (void)state;
  RUN(elementwise, false);
}

static void test_quantization(void **state) {
  (void)state;
  RUN(quantization, false);
}

static void test_products(void **state) {
  (void)state;
  RUN(products, false);
}

static void test_scalars(void **state) {
  (void)state;
  RUN(scalars, true);
}

/* Scales of blocks along two axes move with the axes. */
static void test_transpose_blocks(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value x = ir_arg(&e, body, "2x12xqb4_2x3"); /* scales {{1,2,3},{4,5,6}} */
  qn_type y;
  qn_op op = ir_op(&e, body, QN_OP_TRANSPOSE, 1, &x, 1, NULL, "perm=[1,0]", 0);
  assert_int_equal(qn_op_infer(e.m, op, &y), QN_OK);
  const qn_quant *q = qn_type_as_quant(e.ctx, qn_type_elem(e.ctx, y));
  assert_non_null(q);
  static const float want[6] = {1, 4, 2, 5, 3, 6};
  assert_int_equal(q->num_scales, 6);
  assert_memory_equal(q->scales, want, sizeof want);
  assert_int_equal(q->blocks[0].axis, 0);
  assert_int_equal(q->blocks[0].size, 4);
  assert_int_equal(q->blocks[1].axis, 1);
  assert_int_equal(q->blocks[1].size, 1);
  ir_close(&e);
}

/* ---- kernels ---- */

static qn_value fill(ir_env *e, qn_block b, const char *arg_types, qn_op_kind last, const char *yield) {
  char copy[128];
  snprintf(copy, sizeof copy, "%s", arg_types);
  for (char *t = strtok(copy, " "); t; t = strtok(NULL, " ")) ir_arg(e, b, t);
  qn_value v = qn_block_arg(e->m, b, 0);
  if (last != QN_OP_UNREGISTERED) {
    qn_type type = ir_type(e->ctx, yield);
    v = qn_op_result(e->m, ir_op(e, b, last, 1, &v, 1, &type, NULL, 0), 0);
  }
  ir_end(e, b, QN_OP_YIELD, 1, &v);
  return v;
}

typedef struct gemm_case {
  const char *a, *b, *extra1, *extra2, *attrs, *prologue, *epilogue, *declared;
  qn_op_kind prologue_op, epilogue_op;
  const char *lhs, *yield; /* what the regions' last ops give */
  const char *result, *error;
} gemm_case;

static const gemm_case gemms[] = {
    {"4x8xf32", "8x5xf32", 0, 0, "acc=!=f32;layout=\"plain\"", "=f32", "=f32", 0, 0, 0, 0, 0, "4x5xf32", 0},
    {"nx8xui8", "8x5xi8", "5xi32", 0, "acc=!=i32;layout=\"plain\"", "=i8", "=i32 =i32", 0, 0, 0, 0, 0, "nx5xi32", 0},
    {"nx8xqu8", "8x5xqi8", "5xf32", 0, "acc=!=i32;layout=\"plain\"", "=i8", "=i32 =f32", "?x5xqi8", 0, QN_OP_TRUNCI, 0,
     "=i8", "nx5xqi8", 0},
    {"4x8xf32", "8x5xi8", "xf32", "5xf32", "acc=!=i32;lhs=!=ui8;num_prologue=1;layout=\"plain\"", "=f32 =f32",
     "=i32 =f32", 0, QN_OP_FPTOUI, QN_OP_SITOFP, "=i8", "=f32", "4x5xf32", 0},
    {"2x4x8xui8", "8x5xi8", 0, 0, "acc=!=i64;layout=\"plain\"", "=i8", "=i64", 0, 0, 0, 0, 0, "2x4x5xi64", 0},
    {"4x8xf32", "8x5xf32", 0, 0, "layout=\"plain\"", "=f32", "=f32", 0, 0, 0, 0, 0, 0, "'acc' is missing"},
    {"8x4xui8", "8x5xi8", "4x1xi32", 0, "acc=!=i32;transpose_a=true;num_prologue=1;layout=\"plain\"", "=i8 =i32",
     "=i32", 0, 0, 0, 0, 0, "4x5xi32", 0},
    {"4x8xf32", "8x5xf32", 0, 0, "acc=!=f32", "=f32", "=f32", 0, 0, 0, 0, 0, 0, "'layout' is missing"},
    {"4x8xf32", "7x5xf32", 0, 0, "acc=!=f32;layout=\"plain\"", "=f32", "=f32", 0, 0, 0, 0, 0, 0, "8 elements in one"},
    {"4x8xf32", "8x5xf32", 0, 0, "acc=!=i32;layout=\"plain\"", "=f32", "=i32", 0, 0, 0, 0, 0, 0, "into i32"},
    {"4x8xf32", "8x5xi8", 0, 0, "acc=!=f32;layout=\"plain\"", "=f32", "=f32", 0, 0, 0, 0, 0, 0, "multiplies f32 by i8"},
    {"4x8xui8", "8x5xi8", 0, 0, "acc=!=i32;layout=\"plain\"", "=f32", "=i32", 0, 0, 0, 0, 0, 0,
     "argument 0 of the prologue is f32, expected i8"},
    {"4x8xui8", "8x5xi8", 0, 0, "acc=!=i32;layout=\"plain\"", "=i8", "=i64", 0, 0, 0, 0, 0, 0,
     "argument 0 of the epilogue is i64, expected i32"},
    {"4x8xui8", "8x5xi8", "5xi32", 0, "acc=!=i32;layout=\"plain\"", "=i8", "=i32", 0, 0, 0, 0, 0, 0,
     "the epilogue has 1 arguments, expected 2"},
    {"4x8xui8", "8x5xi8", "5xi32", 0, "acc=!=i32;num_prologue=2;layout=\"plain\"", "=i8", "=i32 =i32", 0, 0, 0, 0, 0, 0,
     "expected 0 to 1"},
    {"4x8xui8", "8x5xi8", "4xi32", 0, "acc=!=i32;layout=\"plain\"", "=i8", "=i32 =i32", 0, 0, 0, 0, 0, 0,
     "does not broadcast to the product"},
    {"4x8xui8", "8x5xi8", "5xi32", 0, "acc=!=i32;num_prologue=1;layout=\"plain\"", "=i8 =i32", "=i32", 0, 0, 0, 0, 0, 0,
     "does not broadcast to 'a'"},
    {"4x8xui8", "8x5xi8", 0, 0, "acc=!=i32;layout=\"plain\"", "=i8", "=i32", "4x5xqi8", 0, 0, 0, 0, 0,
     "yields i32 as result 0"},
    {"4x8xf32", "8x5xi8", 0, 0, "acc=!=i32;lhs=!=i8;layout=\"plain\"", "=f32", "=i32", 0, 0, 0, 0, 0, 0,
     "the prologue yields f32, expected i8"},
    {"8xui8", "8x5xi8", 0, 0, "acc=!=i32;layout=\"plain\"", "=i8", "=i32", 0, 0, 0, 0, 0, 0, "kern.view"},
    {"4x8xui8", "8x5xi8", 0, 0, "acc=!=i32;layout=\"k4n64\"", "=i8", "=i32", 0, 0, 0, 0, 0, 0,
     "does not come from kern.pack"},
    {"4x8xui8", "8x5xi8", 0, 0, "acc=!=i32;layout=\"tiled\"", "=i8", "=i32", 0, 0, 0, 0, 0, 0, "layout is \"tiled\""},
};

static void run_gemm(ir_env *e, qn_block body, const gemm_case *c) {
  const char *texts[4] = {c->a, c->b, c->extra1, c->extra2};
  qn_value operands[4];
  uint32_t n = 0;
  for (; n < 4 && texts[n]; n++) operands[n] = ir_arg(e, body, texts[n]);
  qn_type declared = ir_type(e->ctx, c->declared), inferred = {0};
  qn_op op = ir_op(e, body, QN_OP_GEMM, n, operands, 1, &declared, c->attrs, 2);
  fill(e, qn_op_region(e->m, op, 0), c->prologue, c->prologue_op, c->lhs);
  fill(e, qn_op_region(e->m, op, 1), c->epilogue, c->epilogue_op, c->yield);
  qn_status status = qn_op_infer(e->m, op, &inferred);
  if (c->error) {
    assert_int_not_equal(status, QN_OK);
    ir_expect_error(e, c->error);
  } else {
    if (status != QN_OK) fail_msg("gemm: %s", e->messages);
    assert_int_equal(inferred.id, ir_type(e->ctx, c->result).id);
    if (!c->declared) qn_value_set_type(e->m, qn_op_result(e->m, op, 0), inferred);
    assert_int_equal(qn_op_verify(e->m, op), QN_OK);
    covered[QN_OP_GEMM] = true;
  }
  qn_op_erase(e->m, op);
}

static void test_gemm(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  for (size_t i = 0; i < sizeof gemms / sizeof *gemms; i++) run_gemm(&e, body, &gemms[i]);
  ir_close(&e);
}

static void test_gemm_packed(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value a = ir_arg(&e, body, "4x8xui8"), b = ir_arg(&e, body, "8x5xi8");
  qn_type bt = qn_value_type(e.m, b), y = ir_type(e.ctx, "4x5xi32"), t;
  qn_op pack = ir_op(&e, body, QN_OP_PACK, 1, &b, 1, &bt, "layout=\"k4n64\"", 0);
  const qn_value operands[2] = {a, qn_op_result(e.m, pack, 0)};
  qn_op gemm = ir_op(&e, body, QN_OP_GEMM, 2, operands, 1, &y, "acc=!=i32;layout=\"k4n64\"", 2);
  fill(&e, qn_op_region(e.m, gemm, 0), "=i8", 0, NULL);
  fill(&e, qn_op_region(e.m, gemm, 1), "=i32", 0, NULL);
  assert_int_equal(qn_op_infer(e.m, gemm, &t), QN_OK);
  assert_int_equal(qn_op_infer(e.m, pack, &t), QN_OK);
  qn_op_set_attr(e.m, gemm, "layout", qn_attr_string(e.m, qn_str_of("k4n32")));
  assert_int_not_equal(qn_op_infer(e.m, gemm, &t), QN_OK);
  ir_expect_error(&e, "does not come from kern.pack");
  assert_int_not_equal(qn_op_infer(e.m, pack, &t), QN_OK);
  ir_expect_error(&e, "expected only kern.gemm of layout \"k4n64\"");
  qn_op_set_attr(e.m, gemm, "layout", qn_attr_string(e.m, qn_str_of("plain")));
  assert_int_not_equal(qn_op_infer(e.m, gemm, &t), QN_OK);
  ir_expect_error(&e, "operand 'b' is packed");
  ir_close(&e);
}

static void test_map(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  const qn_value in[2] = {ir_arg(&e, body, "nx1xqu8"), ir_arg(&e, body, "4xf32")};
  qn_type declared = ir_type(e.ctx, "?x4xui8"), t;
  qn_op op = ir_op(&e, body, QN_OP_MAP, 2, in, 1, &declared, NULL, 1);
  fill(&e, qn_op_region(e.m, op, 0), "=i8 =f32", 0, NULL);
  assert_int_equal(qn_op_infer(e.m, op, &t), QN_OK);
  assert_int_equal(t.id, ir_type(e.ctx, "nx4xui8").id);
  covered[QN_OP_MAP] = true;
  qn_op_set_attr(e.m, op, "perm", qn_attr_ints(e.m, QN_I64, 2, (const int64_t[]){1, 0}));
  assert_int_not_equal(qn_op_infer(e.m, op, &t), QN_OK);
  ir_expect_error(&e, "expected a single one");
  qn_type none = {0};
  qn_op one = ir_op(&e, body, QN_OP_MAP, 1, in, 1, &none, "perm=[1,0]", 1);
  fill(&e, qn_op_region(e.m, one, 0), "=i8", 0, NULL);
  assert_int_equal(qn_op_infer(e.m, one, &t), QN_OK);
  assert_int_equal(t.id, ir_type(e.ctx, "1xnxi8").id);
  qn_op empty = ir_op(&e, body, QN_OP_MAP, 0, NULL, 1, &none, NULL, 1);
  fill(&e, qn_op_region(e.m, empty, 0), "=i8", 0, NULL);
  assert_int_not_equal(qn_op_infer(e.m, empty, &t), QN_OK);
  ir_expect_error(&e, "has no inputs");
  qn_op bare = ir_op(&e, body, QN_OP_MAP, 1, in, 1, &none, NULL, 1);
  ir_arg(&e, qn_op_region(e.m, bare, 0), "=i8");
  assert_int_not_equal(qn_op_infer(e.m, bare, &t), QN_OK);
  ir_expect_error(&e, "does not end with kern.yield");
  ir_close(&e);
}

static void test_row(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value x = ir_arg(&e, body, "nx8xf32");
  qn_type declared[2] = {ir_type(e.ctx, "?x1xf32"), ir_type(e.ctx, "?x8xf32")}, t[2], scalar;
  qn_op op = ir_op(&e, body, QN_OP_ROW, 1, &x, 2, declared, NULL, 1);
  qn_block row = qn_op_region(e.m, op, 0);
  qn_value v = ir_arg(&e, row, "=f32");
  qn_type f32 = ir_type(e.ctx, "=f32");
  static const qn_op_kind alls[3] = {QN_OP_ALL_SUM, QN_OP_ALL_MIN, QN_OP_ALL_MAX};
  for (int i = 0; i < 3; i++) {
    qn_op all = ir_op(&e, row, alls[i], 1, &v, 1, &f32, NULL, 0);
    assert_int_equal(qn_op_infer(e.m, all, &scalar), QN_OK);
    v = qn_op_result(e.m, all, 0);
    covered[alls[i]] = true;
  }
  const qn_value out[2] = {v, qn_block_arg(e.m, row, 0)};
  ir_end(&e, row, QN_OP_YIELD, 2, out);
  assert_int_equal(qn_op_infer(e.m, op, t), QN_OK);
  assert_int_equal(t[0].id, ir_type(e.ctx, "nx1xf32").id);
  assert_int_equal(t[1].id, ir_type(e.ctx, "nx8xf32").id);
  covered[QN_OP_ROW] = covered[QN_OP_YIELD] = true;
  qn_op map = ir_op(&e, body, QN_OP_MAP, 1, &x, 1, declared, NULL, 1);
  qn_value in = ir_arg(&e, qn_op_region(e.m, map, 0), "=f32");
  qn_op all = ir_op(&e, qn_op_region(e.m, map, 0), QN_OP_ALL_SUM, 1, &in, 1, &f32, NULL, 0);
  assert_int_not_equal(qn_op_infer(e.m, all, &scalar), QN_OK);
  ir_expect_error(&e, "outside of a kern.row body");
  ir_close(&e);
}

/* Runs last: an op without a case above fails here, by name. func, return and call are checked with whole modules. */
static void test_every_op_has_a_case(void **state) {
  (void)state;
  covered[QN_OP_FUNC] = covered[QN_OP_RETURN] = covered[QN_OP_CALL] = true;
  for (int k = 1; k < QN_OP_KIND_COUNT; k++)
    if (!covered[k]) fail_msg("no passing case for %s", qn_op_info_get((qn_op_kind)k)->name);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_elementwise),
      cmocka_unit_test(test_quantization),
      cmocka_unit_test(test_products),
      cmocka_unit_test(test_scalars),
      cmocka_unit_test(test_transpose_blocks),
      cmocka_unit_test(test_gemm),
      cmocka_unit_test(test_gemm_packed),
      cmocka_unit_test(test_map),
      cmocka_unit_test(test_row),
      cmocka_unit_test(test_every_op_has_a_case),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
