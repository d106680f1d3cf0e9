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

/* ---- types ---- */

/* An integer type of 2 to 16 bits: "i8", "u8", "ui4". Anything else is reported for `pass`. */
qn_status qn__storage_parse(qn_context *ctx, const char *pass, const char *option, qn_str text, qn_scalar *out);
/* The element type of a value in [min, max], one scale, asymmetric. */
qn_status qn__activation_type(const qn_module *m, qn_op op, qn_scalar storage, qn_type expressed, double min,
                              double max, qn_type *out);
/* The element type of a weight, symmetric (narrow for signed storage); null without a report where the granularity does
 * not apply to it. */
qn_status qn__weight_type(qn_pass_run *run, qn_op op, const qn__weight *w, qn_scalar storage, qn__granularity g,
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
bool qn__is_quantizable(const qn_module *m, qn_op op);
/* Operand i as a weight; false when it is not a constant of floats. */
bool qn__weight_of(qn_module *m, qn_op op, uint32_t i, qn__weight *out);
/* Whether the operand was dequantized already (reshaped or transposed since, maybe). */
bool qn__is_dequantized(const qn_module *m, qn_value v);
/* The calibrated range of a value: its own type's, or that of a quern.cast of it. */
bool qn__range_of(const qn_module *m, qn_value v, double *min, double *max);
#endif
