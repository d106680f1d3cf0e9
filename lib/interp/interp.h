/* The inside of the evaluator. Every row of ops.def names one qn__evaluator, so an op without its meaning fails to
 * link. Tensor and kernel ops have a function of their own; scalar ops have one function per form of lanes (lanes.h),
 * which regions run over many elements at once. */
#ifndef QN_INTERP_H
#define QN_INTERP_H
#include "arena.h"
#include "lanes.h"
#include <quern/unstable/evaluator.h>

typedef struct qn__walk qn__walk; /* evaluation of a function: walk.h */

/* One op being evaluated. */
typedef struct qn__frame {
  qn_module *m;
  qn_context *ctx;
  qn_op op;
  const qn_tensor *const *in; /* per operand */
  const size_t *in_bytes;     /* per operand; a packed matrix has more than its shape says */
  uint32_t num_in;
  qn_tensor *out;    /* per result; data null until made */
  size_t *out_bytes; /* per result: bytes of data */
  bool *borrowed;    /* per result: data belongs to the module and is not freed */
  qn_arena *scratch; /* emptied after the op */
  qn__walk *walk;
} qn__frame;

/* Arguments of a scalar function: y[i] = op(a[i], b[i], c[i]) for i < n. Lanes of integers and narrow floats are
 * wrapped or rounded by the caller afterwards (qn__lanes_fix). */
typedef struct qn__lane_call {
  size_t n;
  size_t row;     /* reductions: how many of the n lanes are elements of the row */
  qn_scalar from; /* type of the operand that chose the function */
  qn_scalar to;   /* type of the result */
  int64_t imm;    /* a predicate, or another number the op carries */
  qn__lanes a, b, c, y;
} qn__lane_call;
typedef void (*qn__lane_fn)(const qn__lane_call *call);

typedef struct qn__evaluator {
  qn_status (*eval)(qn__frame *f, qn_op op);    /* null for scalar ops and for what the walk itself does */
  qn__lane_fn lane[QN__LANE_KINDS];             /* by the form of the chooser; null where there is no such meaning */
  uint8_t chooser;                              /* the operand that chooses */
  bool reduces;                                 /* over a row: not elementwise */
  int64_t (*imm)(const qn_module *m, qn_op op); /* the number that the op's attributes carry; null for 0 */
} qn__evaluator;

#define QN_OP(symbol, name, operands, results, attrs, regions, traits, rule, doc)                                      \
  extern const qn__evaluator qn__eval_##symbol;
#include <quern/ops.def>
#undef QN_OP
const qn__evaluator *qn__evaluator_get(qn_op_kind kind); /* null for unregistered ops */
/* Runs the frame's op. What was made before an error stays in f->out for the caller to free. */
qn_status qn__eval_frame(qn__frame *f);

/* ---- results ---- */

/* Makes result i with this shape, in its declared type's memory form, zeroed. A size that contradicts the declared type
 * is a diagnostic. */
qn_status qn__result(qn__frame *f, uint32_t i, uint32_t rank, const int64_t *shape, qn_tensor **out);
/* The same with so many bytes of data, for packed matrices. */
qn_status qn__result_bytes(qn__frame *f, uint32_t i, uint32_t rank, const int64_t *shape, size_t bytes,
                           qn_tensor **out);
/* Result i is data of the module, of this shape; not copied. */
qn_status qn__result_borrow(qn__frame *f, uint32_t i, const qn_tensor *t, size_t bytes);
/* A tensor in scratch memory, zeroed. */
qn_status qn__scratch_tensor(qn__frame *f, qn_scalar elem, uint32_t rank, const int64_t *shape, qn_tensor *out);
void *qn__scratch(qn__frame *f, size_t count, size_t size); /* zeroed; null (reported) when exhausted */
/* memcpy that takes null for no bytes. */
void qn__copy_bytes(void *to, const void *from, size_t n);
/* Element type of operand or result in the IR. */
qn_type qn__in_elem(const qn__frame *f, uint32_t i);
qn_type qn__out_elem(const qn__frame *f, uint32_t i);

/* ---- shapes ---- */

/* "2x3xf32" into text of at least QN__SHAPE_TEXT bytes; returns text. */
enum { QN__SHAPE_TEXT = 200 };
const char *qn__tensor_text(const qn_tensor *t, char *text);
const char *qn__sizes_text(uint32_t rank, const int64_t *shape, char *text);

/* A shape grown by NumPy broadcasting. */
typedef struct qn__shape {
  uint32_t rank;
  int64_t size[QN_MAX_RANK];
} qn__shape;
static inline qn__shape qn__shape_of(const qn_tensor *t) {
  qn__shape s = {t->rank, {0}};
  for (uint32_t d = 0; d < t->rank && d < QN_MAX_RANK; d++) s.size[d] = t->shape[d];
  return s;
}
/* *s becomes the common shape; a diagnostic at the op naming both when there is none. */
qn_status qn__broadcast(qn__frame *f, qn__shape *s, const qn__shape *other);
int64_t qn__shape_count(const qn__shape *s); /* of shapes that exist: their product fits */

/* An operand walked along an iteration space: element strides, 0 where it is broadcast. */
typedef struct qn__view {
  const qn_tensor *t;
  int64_t stride[QN_MAX_RANK];
} qn__view;
/* t broadcast to shape, aligned at the last axis; shape must be broadcastable from t's. */
qn__view qn__view_of(const qn_tensor *t, const qn__shape *shape);
/* The same for axes of t in the order perm (perm null: in order). */
qn__view qn__view_perm(const qn_tensor *t, const qn__shape *shape, const int64_t *perm);
/* Goes to the next index of the first `rank` axes; false after the last. `index` starts at zeros. */
bool qn__next_index(int64_t *index, const int64_t *shape, uint32_t rank);
/* Element offset of an index, over the first `rank` axes. */
int64_t qn__view_offset(const qn__view *v, const int64_t *index, uint32_t rank);

/* ---- scalar scripts: regions and elementwise ops, ready to run ---- */

typedef struct qn__inst {
  qn__lane_fn fn;
  uint32_t args[3], y;
  uint8_t num_args;
  qn_scalar from, to;
  int64_t imm;
} qn__inst;

typedef struct qn__script {
  uint32_t num_args, num_regs, num_insts, num_yields, max_regs, max_insts;
  qn_scalar *types;    /* per register; arguments come first */
  uint64_t *constants; /* bits, for registers that are constants */
  bool *is_constant;
  qn__inst *insts;
  uint32_t *yields;
  bool has_reduction;
} qn__script;

/* Room for so many arguments, further registers and yields, from the arena. Null when exhausted (not reported). */
qn__script *qn__script_new(qn_arena *arena, uint32_t num_args, uint32_t max_other, uint32_t num_yields);
uint32_t qn__script_const(qn__script *p, qn_scalar type, uint64_t bits);
uint32_t qn__script_const_f64(qn__script *p, qn_scalar type, double value);
/* y = op(a, b, c) as the scalar op's evaluator has it; UINT32_MAX when it has no form for the operand's type. */
uint32_t qn__script_op(qn__script *p, const qn__evaluator *op, uint32_t num_args, const uint32_t *args, qn_scalar to,
                       int64_t imm);
/* A region. Errors are diagnostics at the op concerned. */
qn_status qn__script_build(qn_module *m, qn_block block, qn_arena *arena, qn__script **out);

/* Runs p over every element of `shape`. views: one per argument. outputs: dense tensors of that shape; with `rows` the
 * last axis is a row, over which reductions run, and an output of size 1 there takes the row's value. */
qn_status qn__script_run(qn_context *ctx, qn_arena *scratch, const qn__script *p, const qn__shape *shape,
                         const qn__view *views, qn_tensor *outputs, bool rows);

/* An elementwise op in one step: result 0 = op over the broadcast operands. */
qn_status qn__map_op(qn__frame *f, const qn__evaluator *scalar_op, int64_t imm);
/* Runs p over the operands and makes result 0. */
qn_status qn__map_script(qn__frame *f, const qn__script *p);

/* ---- kernels: eval_kernel.c ---- */

/* The region as a script whose arguments are elements of these tensors and whose values fill tensors of these types. */
qn_status qn__region_script(qn__frame *f, uint32_t region, uint32_t num_args, const qn_tensor *const *args,
                            uint32_t num_out, const qn_scalar *out, bool rows, qn__script **p);
/* Packed operand i, in the layout that attribute `attr` names, written out row-major; `plain` shares the data when the
 * layout is plain. */
qn_status qn__unpack(qn__frame *f, qn_op op, const char *attr, uint32_t i, qn_tensor *plain);

/* ---- matrix products: product.c ---- */

/* One operand: matrices of rows x cols elements, one per index of the leading axes. */
typedef struct qn__matrices {
  const qn_tensor *t;
  qn_scalar as; /* how elements are read */
  qn__shape batch;
  int64_t rows, cols, row_stride, col_stride;
  bool vector;          /* rank 1: the product has no axis for it */
  const qn__view *zero; /* integers minus this zero point, viewed along batch, row and column; null for none */
} qn__matrices;
/* The matrices of a (rows m, columns k) or of b (rows k, columns n); `swap` exchanges the last two axes. */
qn__matrices qn__matrices_of(const qn_tensor *t, bool is_rhs, bool swap);
/* Shape of the product; a diagnostic when sizes do not fit. */
qn_status qn__product_shape(qn__frame *f, const qn__matrices *a, const qn__matrices *b, qn__shape *batch,
                            qn__shape *out);
/* y[m,n] = sum over k of a[m,k] * b[k,n] with sums of type acc: F32, F64 one fma chain each in ascending k from +0;
 * I32, I64 wrap. y has the product's shape and elements of type acc, or of a narrower float, to which sums are rounded.
 */
qn_status qn__product(qn__frame *f, const qn__matrices *a, const qn__matrices *b, qn_scalar acc, qn_tensor *y);

/* ---- shared by several ops ---- */
/* Region `region` over the sums of a product and so many operands from `first` on: makes result 0. */
qn_status qn__run_epilogue(qn__frame *f, uint32_t region, const qn_tensor *sums, uint32_t first, uint32_t extras);
/* The sizes that attribute 'shape' of a reshape or view asks for, for so many elements. */
qn_status qn__resolve_shape(qn__frame *f, qn_op op, int64_t count, qn__shape *out);
qn_status qn__check_perm(qn__frame *f, const int64_t *perm, uint32_t n); /* of operand 0's axes */
#endif
