/* Shared by choose-granularity and quantize: which operands are quantized, the table of granularities, and quantized
 * types and codes of constants. */
#ifndef QN_QUANTIZE_H
#define QN_QUANTIZE_H
#include <quern/num.h>
#include <quern/unstable/rewriter.h>

/* ---- granularities: one row each, coarsest first ---- */

/* A constant operand of a quantizable op. */
typedef struct qn__weight {
  qn_tensor data; /* floats */
  qn_type expressed;
  int32_t column; /* axis along which scales may differ; -1 where one scale has to do */
  int32_t k;      /* the summed axis */
} qn__weight;

typedef struct qn__granularity_row {
  const char *name;
  bool sized;          /* spelled NAME=SIZE */
  const char *refused; /* why no kernel runs it; null where one does */
  /* The blocks that share a scale; false where the weight cannot be cut so. */
  bool (*blocks)(const qn__weight *w, int64_t size, qn_block_dim *out, uint32_t *n);
} qn__granularity_row;

typedef struct qn__granularity {
  const qn__granularity_row *row; /* null for auto */
  int64_t size;
} qn__granularity;

const qn__granularity_row *qn__granularity_at(size_t i); /* null past the end */
/* Reads "channel" or "block=32"; "auto" gives a null row. Unknown and refused ones are reported for `pass`. */
qn_status qn__granularity_parse(qn_context *ctx, const char *pass, qn_str text, qn__granularity *out);

/* Blocks along the summed axis. */
bool qn__has_k_blocks(const qn__granularity *g);
/* "channel" or "block=32". */
const char *qn__granularity_text(const qn__granularity *g, char text[48]);

/* ---- formats of weights (quantize_formats.c) ---- */

typedef enum qn__format_kind { QN__FORMAT_INTEGER, QN__FORMAT_NF4, QN__FORMAT_MXFP4, QN__FORMAT_NVFP4 } qn__format_kind;
typedef struct qn__format {
  qn__format_kind kind;
  qn_scalar storage;
  bool floats; /* activations stay floats: weight-only */
} qn__format;

/* Weights: an integer type, or "nf4", "mxfp4", "nvfp4". Activations: an integer type, or "f16" or "f32" for
 * weight-only. */
qn_status qn__format_parse(qn_context *ctx, const char *pass, qn_str weights, qn_str activations, qn__format *out,
                           qn_scalar *codes);
/* Storage and the type of scales, for a tensor with elements up to amax. */
void qn__format_start(qn_context *ctx, const qn__format *f, bool blocks, float amax, qn_quant *q);
/* Parameters of one block with elements in [low, high]. */
qn_status qn__format_choose(const qn__format *f, bool blocks, const qn_quant *q, float low, float high, qn_qparams *out,
                            const char **reason);

/* Codes of a quantized type. */
typedef struct qn__coder {
  const qn_quant *q;
  qn_scalar memory;
  float entries[16];
  uint32_t num_entries;
  int64_t first_code;
} qn__coder;
qn__coder qn__coder_of(const qn_context *ctx, qn_type elem);
int64_t qn__coder_encode(const qn__coder *c, uint32_t param, float x);
float qn__coder_decode(const qn__coder *c, uint32_t param, int64_t code);

/* ---- types ---- */

/* An integer type of 2 to 16 bits: "i8", "u8", "ui4". Anything else is reported for `pass`. */
qn_status qn__storage_parse(qn_context *ctx, const char *pass, const char *option, qn_str text, qn_scalar *out);
/* The element type of a value in [min, max], one scale, asymmetric. */
qn_status qn__activation_type(const qn_module *m, qn_op op, qn_scalar storage, qn_type expressed, double min,
                              double max, qn_type *out);
/* The element type of a weight; null without a report where the granularity does not apply to it. */
qn_status qn__weight_type(qn_pass_run *run, qn_op op, const qn__weight *w, const qn__format *f, qn__granularity g,
                          qn_type *out);
/* Codes of w in the memory type of `elem`, into `out`: qn_scalar_bytes of the count. */
void qn__weight_codes(qn_context *ctx, const qn__weight *w, qn_type elem, void *out);

/* Which of a type's scales belongs to each element, in row-major order: start, then `at` and next per element. */
typedef struct qn__scale_walk {
  uint32_t rank, at;
  int64_t index[QN_MAX_RANK], shape[QN_MAX_RANK], block[QN_MAX_RANK]; /* block 0: the axis is not cut */
  uint32_t stride[QN_MAX_RANK];
} qn__scale_walk;
qn__scale_walk qn__scale_walk_start(const qn_quant *q, const qn_tensor *t);
void qn__scale_walk_next(qn__scale_walk *w);
/* Parameters of scale i; its scale with the tensor's. */
qn_qparams qn__params_at(const qn_quant *q, uint32_t i);

/* ---- operands ---- */

/* Whether quantize has anything to do with this op: a matrix product of floats. */
/* A convolution with channels last. */
bool qn__is_conv(const qn_module *m, qn_op op);
bool qn__is_quantizable(const qn_module *m, qn_op op);
/* Operand i as a weight; false when it is not a constant of floats. */
bool qn__weight_of(qn_module *m, qn_op op, uint32_t i, qn__weight *out);
/* Whether the operand was dequantized already (reshaped or transposed since, maybe). */
bool qn__is_dequantized(const qn_module *m, qn_value v);
/* The calibrated range of a value: its own type's, or that of a quern.cast of it. */
bool qn__range_of(const qn_module *m, qn_value v, double *min, double *max);
#endif
