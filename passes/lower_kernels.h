/* Shared by the files of lower-kernels: building region bodies, and one lowering function per op. */
#ifndef QN_LOWER_KERNELS_H
#define QN_LOWER_KERNELS_H
#include <quern/module.h>
#include <quern/pass.h>
#include <quern/unstable/isa.h>

typedef struct lowering {
  qn_pass_run *run;
  qn_module *m;
  qn_context *ctx;
  const qn_isa *isa;
} lowering;

/* Replaces the op's results with kernel ops before it and erases it. */
typedef qn_status (*lower_fn)(lowering *l, qn_op op);
lower_fn qn__lower_elementwise(qn_op_kind kind);
qn_status qn__lower_matmul(lowering *l, qn_op op);
qn_status qn__lower_matmul_integer(lowering *l, qn_op op);
qn_status qn__lower_block_matmul(lowering *l, qn_op op);
qn_status qn__lower_weight_only(lowering *l, qn_op op);
/* dynamic_quantize with a block. */
qn_status qn__lower_block_quantize(lowering *l, qn_op op);
qn_status qn__lower_attention(lowering *l, qn_op op);
qn_status qn__lower_layer_norm(lowering *l, qn_op op);
qn_status qn__lower_conv(lowering *l, qn_op op);
qn_status qn__lower_max_pool(lowering *l, qn_op op);
qn_status qn__lower_average_pool(lowering *l, qn_op op);
qn_status qn__lower_softmax(lowering *l, qn_op op);
qn_status qn__lower_dynamic_quantize(lowering *l, qn_op op);
/* Merges kern.map ops into their neighbours, over one function. */
qn_status qn__fuse_kernels(lowering *l, qn_op func);
/* Attaches what the context's tuning chooses for kernels. */
void qn__choose_kernels(lowering *l, qn_op func);

/* Elements that share bytes become bytes around kernels that do not walk them in order, over one function. */
qn_status qn__separate_bits(lowering *l, qn_op func);

/* Results of the op get the values; the op is gone. */
qn_status qn__lower_done(lowering *l, qn_op op, const qn_value *values);

/* ---- types ---- */
qn_type qn__scalar_t(lowering *l, qn_scalar s);
/* The region type of an element: signless storage. */
qn_type qn__body_type(lowering *l, qn_type tensor_or_elem);
bool qn__is_unsigned(lowering *l, qn_type tensor_or_elem);
bool qn__is_float(lowering *l, qn_type tensor_or_elem);
uint32_t qn__bits(lowering *l, qn_type tensor_or_elem);
/* Elements of the tensor lie several to a byte. */
bool qn__shares_bytes(lowering *l, qn_value v);
/* Equal sizes for certain: static ones, or dynamic ones of one name. */
bool qn__same_shape(lowering *l, qn_type a, qn_type b);

/* Whether it is a constant, seen through casts of storage and views. */
bool qn__is_constant(lowering *l, qn_value v);

/* ---- kernel ops ---- */
/* kern.map or kern.row over the inputs with an empty body whose arguments stand in *body. */
qn_op qn__make_loop(qn_builder *b, qn_op_kind kind, uint32_t n, const qn_value *inputs, uint32_t num_results,
                    const qn_type *results, qn_builder *body);
void qn__yield(qn_builder *body, uint32_t n, const qn_value *values);
qn_value qn__make_view(qn_builder *b, qn_value x, qn_type type, qn_attr shape);
/* The type with its axes in another order, without scales. */
qn_type qn__permuted_type(lowering *l, qn_type t, const int64_t *perm);
/* A constant tensor of f32 or i32 numbers. */
qn_value qn__dense_f32(lowering *l, qn_builder *b, uint32_t rank, const int64_t *shape, const float *data);
qn_value qn__dense_i32(lowering *l, qn_builder *b, uint32_t rank, const int64_t *shape, const int32_t *data);
/* Permutes axes through kern.map. */
qn_value qn__make_transpose(lowering *l, qn_builder *b, qn_value x, const int64_t *perm);
/* The same for elements that share bytes. */
qn_value qn__transpose_bits(lowering *l, qn_builder *b, qn_value x, const int64_t *perm);

/* ---- region bodies: scalar ops; b.block is the region ---- */
qn_value qn__s1(qn_builder *b, qn_op_kind kind, qn_value x);
qn_value qn__s2(qn_builder *b, qn_op_kind kind, qn_value x, qn_value y);
qn_value qn__cmp(qn_builder *b, qn_op_kind kind, int64_t predicate, qn_value x, qn_value y);
qn_value qn__select(qn_builder *b, qn_value c, qn_value x, qn_value y);
qn_value qn__f(qn_builder *b, qn_type type, double v);
qn_value qn__i(qn_builder *b, qn_type type, int64_t v);
qn_value qn__convert(qn_builder *b, qn_op_kind kind, qn_value x, qn_type to);
/* To f32 from any float, and back. */
qn_value qn__to_f32(lowering *l, qn_builder *b, qn_value x);
qn_value qn__from_f32(lowering *l, qn_builder *b, qn_value x, qn_type to);
/* An integer element as i32 (or i64 if wider), by its sign. */
qn_value qn__widen(lowering *l, qn_builder *b, qn_value x, bool is_unsigned, qn_type to);
/* The contract's quantize: t = x / s, NaN -> 0, clamp, round, + z. `scale` null: t = x. z is i32. The result has the
 * code's storage type. never_nan skips what a finite product cannot need. */
typedef struct quantize_body {
  qn_value x, scale, zero_point; /* f32, f32 or null, i32 or null for 0 */
  bool const_zero;               /* zero_point is not used: z below */
  int64_t z, qmin, qmax;
  bool half_away, never_nan;
  qn_type code;
} quantize_body;
qn_value qn__quantize(lowering *l, qn_builder *b, const quantize_body *q);
/* f32(q - z) * s; z i32 (or null), s f32. */
qn_value qn__dequantize(lowering *l, qn_builder *b, qn_value code, bool is_unsigned, qn_value z, qn_value s);

enum { CMP_EQ = 0, CMP_SLT = 2, CMP_SGT = 4, CMPF_OEQ = 1, CMPF_OGT = 2, CMPF_OGE = 3, CMPF_OLT = 4, CMPF_UNO = 14 };
#endif
