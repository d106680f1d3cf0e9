/* What the kinds of kernels share while they are planned. */
#ifndef QN_PLAN_UTIL_H
#define QN_PLAN_UTIL_H
#include "kernel.h"
#include "tape_hash.h"

/* Sizes of a tensor value, aligned at the last axis of an iteration shape. */
typedef struct qn__pshape {
  uint32_t rank;
  int64_t size[QN_MAX_RANK]; /* QN_DYNAMIC where not known */
  qn_name symbol[QN_MAX_RANK];
} qn__pshape;

qn__pshape qn__pshape_of(const qn_module *m, qn_value v);
/* NumPy broadcasting; a dynamic size against a known one other than 1 is taken to be equal. */
void qn__pshape_join(qn__pshape *into, const qn__pshape *other);
/* Element type in memory. */
qn_scalar qn__mem_of(const qn_module *m, qn_value v);
static inline bool qn__sub_byte(qn_scalar s) {
  return qn_scalar_get(s)->storage_bits < 8;
}
static inline int64_t qn__elem_bytes(qn_scalar s) {
  return qn_scalar_get(s)->storage_bits / 8;
}

/* One function per kind of kernel: fills everything but name, hash, isa, loc. */
qn_status qn__plan_gemm(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
qn_status qn__plan_block_rows(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
qn_status qn__plan_block_gemm(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
qn_status qn__plan_loop(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
qn_status qn__plan_attention(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
qn_status qn__plan_window(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
qn_status qn__plan_pad(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
uint64_t qn__window_hash(const qn_gemm_plan *p, uint64_t h);
/* What pads make part of a window's code; h itself without any. */
uint64_t qn__pads_hash(const qn_gemm_plan *p, uint64_t h);
uint64_t qn__extras_hash(const qn_extra *e, uint32_t n, uint64_t h);
uint64_t qn__gemm_hash(const qn_gemm_plan *p, uint64_t h);
/* Extras and tape of the epilogue, region `region`, whose operands start at `first`; acc and y_mem are set. */
qn_status qn__plan_epilogue(qn_module *m, qn_op op, uint32_t region, uint32_t first, qn_arena *arena, qn_gemm_plan *g);
/* direct.c: fills `direct` and what goes with it where rows of A have at most so many bytes, and there the height of
 * tiles, too. Everything but the rest of `g` is set. */
void qn__plan_direct(const qn_module *m, qn_op op, const qn_isa *isa, int64_t most_bytes, qn_gemm_plan *g);
/* few.c: fills `few` and what goes with it, the height of tiles among them. Everything but the rest of `g` is set. */
void qn__plan_few(const qn_module *m, qn_op op, const qn_isa *isa, qn_gemm_plan *g);
/* What code depends on, of the other kinds. */
uint64_t qn__block_hash(const qn_kernel_plan *p, uint64_t h);
uint64_t qn__loop_hash(const qn_loop_plan *p, uint64_t h);
uint64_t qn__attention_hash(const qn_attention_plan *p, uint64_t h);
/* How an operand that broadcasts over rows and columns moves along them. */
qn_extra qn__plan_extra(const qn_module *m, qn_value v);
static inline uint64_t qn__layout_hash(const qn_layout *l, uint64_t h) {
  h = qn__mix(h, (uint64_t)l->plain | (uint64_t)l->k_block << 8 | (uint64_t)l->panel_width << 32);
  if (l->granule) h = qn__mix(h, l->granule);
  return l->segments > 1 ? qn__mix(h, l->segments > 1) : h; /* how many does not change code */
}

/* Appends what a region does, in words, to a text of `size` bytes: "bias, relu, requantize". */
void qn__plan_describe(const qn_module *m, qn_block region, bool is_epilogue, char *text, size_t size);
#endif
