/* Types: interned per context, so that equal types have equal ids. Id 0 is the null type. */
#ifndef QUERN_TYPE_H
#define QUERN_TYPE_H

#include <quern/context.h>
#include <quern/scalar.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_type {
  uint32_t id;
} qn_type;

typedef enum qn_type_kind {
  QN_TYPE_NULL,
  QN_TYPE_SCALAR,     /* f32, i8, ui4, index .. */
  QN_TYPE_TENSOR,     /* tensor<4x?xT> */
  QN_TYPE_FUNCTION,   /* (T, ..) -> (T, ..) */
  QN_TYPE_QUANT,      /* !quant.uniform, !quern.uniform: storage, expressed, granularity, parameters */
  QN_TYPE_ANY,        /* !quant.any: storage and maybe expressed, parameters unknown */
  QN_TYPE_CALIBRATED, /* !quant.calibrated: a float with its observed range */
  QN_TYPE_QUANTILE,   /* !quant.quantile: a storage integer naming entries of a codebook */
  QN_TYPE_OPAQUE      /* !dialect.text, kept as it is */
} qn_type_kind;

QN_API qn_type_kind qn_type_kind_of(const qn_context *ctx, qn_type t);
static inline bool qn_type_eq(qn_type a, qn_type b) {
  return a.id == b.id;
}
static inline bool qn_type_is_null(qn_type t) {
  return t.id == 0;
}

QN_API qn_type qn_type_scalar(qn_context *ctx, qn_scalar s);
/* The scalar of a scalar type; QN_SCALAR_NONE for any other kind. */
QN_API qn_scalar qn_type_as_scalar(const qn_context *ctx, qn_type t);

/* ---- tensors ---- */

/* A size that is not known before run time, printed as `?`. */
#define QN_DYNAMIC INT64_MIN

/* `symbols`, if not null, names the dynamic dimensions (#quern.dims): one name per dimension, id 0 for none. Dimensions
 * with equal names have equal sizes. Rank above QN_MAX_RANK, a negative size or an element type that is no scalar or
 * quantized type give the null type. */
QN_API qn_type qn_type_tensor(qn_context *ctx, qn_type elem, uint32_t rank, const int64_t *shape);
QN_API qn_type qn_type_tensor_symbols(qn_context *ctx, qn_type elem, uint32_t rank, const int64_t *shape,
                                      const qn_name *symbols);
QN_API uint32_t qn_type_rank(const qn_context *ctx, qn_type tensor);
QN_API const int64_t *qn_type_shape(const qn_context *ctx, qn_type tensor); /* null unless a tensor of rank > 0 */
QN_API qn_name qn_type_symbol(const qn_context *ctx, qn_type tensor, uint32_t dim);
/* Element type of a tensor; any other type is its own element type. */
QN_API qn_type qn_type_elem(const qn_context *ctx, qn_type t);
/* Element count; -1 when a size is dynamic, the product does not fit, or it is no tensor. */
QN_API int64_t qn_type_count(const qn_context *ctx, qn_type tensor);
/* The same shape (and symbols) with another element type. */
QN_API qn_type qn_type_with_elem(qn_context *ctx, qn_type tensor, qn_type elem);
QN_API bool qn_type_is_static(const qn_context *ctx, qn_type tensor);

/* ---- functions ---- */
QN_API qn_type qn_type_function(qn_context *ctx, uint32_t num_inputs, const qn_type *inputs, uint32_t num_results,
                                const qn_type *results);
QN_API uint32_t qn_type_num_inputs(const qn_context *ctx, qn_type function);
QN_API uint32_t qn_type_num_results(const qn_context *ctx, qn_type function);
QN_API qn_type qn_type_input(const qn_context *ctx, qn_type function, uint32_t i);
QN_API qn_type qn_type_result(const qn_context *ctx, qn_type function, uint32_t i);

/* ---- quantized types ---- */

/* How many elements share a scale. With one block of size 1 the type is per axis (per channel); a block that spans
 * several channels is a group; blocks along several axes are sub-channel. */
typedef struct qn_block_dim {
  int32_t axis;
  int64_t size; /* elements along the axis per scale, >= 1; a tail block holds what is left */
} qn_block_dim;

typedef struct qn_quant {
  qn_type storage;     /* a scalar (integer of any sign, or small float) or a quantile type */
  bool is_signed;      /* how an integer storage's codes are read; MLIR spells i8 and u8 */
  int64_t qmin, qmax;  /* codes in use; for float storage both 0 */
  qn_type expressed;   /* a float scalar */
  uint32_t num_blocks; /* 0: one scale for the whole tensor */
  qn_block_dim blocks[QN_MAX_RANK];
  bool per_axis;       /* spelled as MLIR's per-axis form: one block of size 1 */
  uint32_t num_scales; /* 1 per tensor; else the product over the blocks' axes of ceil(dim / size) */
  uint32_t param_rank; /* nesting of the parameter list in text: 0, 1 (per axis), or number of tensor dims */
  int64_t param_shape[QN_MAX_RANK]; /* its shape, product num_scales */
  const float *scales;              /* row-major over the blocks */
  const int32_t *zero_points;       /* null when all are 0 (or the storage is a float) */
  qn_scalar scale_type;             /* how scales are stored: F32, F16, BF16, F8E8M0FNU, F8E4M3FN */
  float tensor_scale;               /* a second-level scale (NVFP4), 1 without */
} qn_quant;

/* Copies what `q` points to. Reports a diagnostic at `place` and gives the null type when the parameters break a rule:
 * scales finite and positive and exact in scale_type, zero points within [qmin, qmax] for storage up to 16 bits, range
 * within the storage type, expressed a float. */
QN_API qn_type qn_type_quant(qn_context *ctx, const qn_quant *q, qn_place place);
/* Null for other kinds. Valid as long as the context. */
QN_API const qn_quant *qn_type_as_quant(const qn_context *ctx, qn_type t);
/* The simple forms. Parameters must obey the rules above; null type otherwise. */
QN_API qn_type qn_type_per_tensor(qn_context *ctx, qn_scalar storage, int64_t qmin, int64_t qmax, float scale,
                                  int32_t zero_point);
QN_API qn_type qn_type_per_axis(qn_context *ctx, qn_scalar storage, int64_t qmin, int64_t qmax, int32_t axis,
                                uint32_t n, const float *scales, const int32_t *zero_points);
/* Name of the resource that carries the parameters of a type with more than 16 of them ("q_" and a content hash). */
QN_API qn_name qn_type_quant_resource(qn_context *ctx, qn_type quant);
/* The integer (or small float) that codes are stored as: signless i8 for u8 and i8 alike, as MLIR has it. */
QN_API qn_scalar qn_type_storage(const qn_context *ctx, qn_type elem);
/* The same with its sign: UI8 for u8. What engines and evaluators hold in memory for an element of type `elem`; for a
 * plain scalar the scalar itself, for !quant.calibrated its expressed type. */
QN_API qn_scalar qn_type_memory(const qn_context *ctx, qn_type elem);

QN_API qn_type qn_type_any(qn_context *ctx, qn_type storage, bool is_signed, int64_t qmin, int64_t qmax,
                           qn_type expressed);
QN_API qn_type qn_type_calibrated(qn_context *ctx, qn_type expressed, double min, double max);
QN_API bool qn_type_calibrated_range(const qn_context *ctx, qn_type t, double *min, double *max);
QN_API qn_type qn_type_quantile(qn_context *ctx, qn_type storage, bool is_signed, qn_type expressed, uint32_t n,
                                const double *entries);
QN_API qn_type qn_type_opaque(qn_context *ctx, qn_str dialect_and_text); /* "quern.thing<..>" without the ! */
/* The storage, expressed type, codes or text of any of the kinds above; null or 0 where the kind has none. */
typedef struct qn_type_parts {
  qn_type storage, expressed;
  bool is_signed;
  int64_t qmin, qmax;
  uint32_t num_entries;
  const double *entries;
  qn_str text;
} qn_type_parts;
QN_API qn_type_parts qn_type_get_parts(const qn_context *ctx, qn_type t);

/* The type's text, in the pretty spelling; zero-terminated; valid as long as the context. */
QN_API qn_str qn_type_text(qn_context *ctx, qn_type t);

#ifdef __cplusplus
}
#endif
#endif
