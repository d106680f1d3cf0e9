/* Writing C. One generator serves two readers: libtcc, which gets a source without any header, and people with a C11
 * compiler of their own (`--emit c`). The bodies are the same text; what they call (ld_f32, qn_fmaf ..) is defined
 * differently above them. */
#ifndef QN_CGEN_H
#define QN_CGEN_H
#include "backend.h"
#include "buf.h"

typedef struct qn_cgen {
  qn_buf *out;
  bool portable; /* for any C11 compiler; else for libtcc */
  int indent;
} qn_cgen;

/* A line of code at the present depth; `open` ends it with { and goes one deeper, `close` comes back. */
void qn__c_line(qn_cgen *g, const char *fmt, ...) QN_PRINTF(2, 3);
void qn__c_open(qn_cgen *g, const char *fmt, ...) QN_PRINTF(2, 3);
void qn__c_close(qn_cgen *g);
void qn__c_indent(qn_cgen *g);
/* Text inside a comment: anything that could end it, or is no printable ASCII, is replaced. */
void qn__c_comment_text(qn_cgen *g, qn_str s);

/* ---- cgen_prelude.c ---- */
/* Types, loads and stores, and those helper functions that the bodies' instructions call. */
void qn__c_prelude(qn_cgen *g, uint32_t num_bodies, const qn_body *bodies);

/* ---- cgen_tape.c: one tape inside a loop nest ---- */
/* How deep in the nest each register is computed: 0 before all loops, d + 1 inside loop d. */
typedef struct qn_cregion {
  const qn_tape *tape;
  uint8_t *level;            /* per register */
  const char *const *inputs; /* names of the inputs */
} qn_cregion;

const char *qn__c_type(qn_treg t);
const char *qn__c_signed_type(qn_treg t); /* the signed integer of the same width; a float type is itself */
static inline uint32_t qn__c_arg(const qn_tinst *i, uint32_t k) {
  return k == 0 ? i->a : k == 1 ? i->b : i->c;
}
/* The name of a register, or an integer constant's value. */
void qn__c_reg(qn_cgen *g, const qn_cregion *r, uint32_t reg);
/* levels: per input; reductions get `row_level`. False when memory runs out. */
bool qn__c_region_init(qn_cregion *r, const qn_tape *t, const char *const *names, const uint8_t *levels,
                       uint8_t row_level, qn_arena *arena);
/* All such instructions of this level and stage. only: null, or which registers. */
void qn__c_level(qn_cgen *g, const qn_cregion *r, uint8_t level, uint8_t stage, const bool *only);
/* Float constants, which have names: once per function. */
void qn__c_constants(qn_cgen *g, const qn_tape *t);
/* const TYPE name = load(pointer + at); `at` is null for 0, in bytes or (below 8 bits) elements. */
void qn__c_load(qn_cgen *g, const char *name, qn_scalar mem, const char *pointer, const char *at);
void qn__c_store(qn_cgen *g, const qn_cregion *r, uint32_t output, const char *pointer, const char *at);
/* Bytes of an element; 0 below 8 bits. */
static inline int qn__c_bytes(qn_scalar mem) {
  return qn_scalar_get(mem)->storage_bits / 8;
}

/* ---- bodies: cgen_loop.c, cgen_row.c, cgen_gemm.c, cgen_attention.c ---- */
void qn__c_map(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
void qn__c_row(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
/* A region inside a nest of rows (level 1) and columns (level 2): inputs are `first`, then extras. */
typedef struct qn_cnest {
  qn_cregion r;
  const qn_extra *extras;
  const char **names;
} qn_cnest;
bool qn__c_nest_init(qn_cnest *n, qn_cgen *g, const qn_tape *t, const qn_extra *extras, uint32_t num, const char *first,
                     qn_arena *arena);
/* Loads the extras that move at this level, and computes what depends on no deeper one. */
void qn__c_nest_level(qn_cgen *g, const qn_cnest *n, uint8_t level, const char *row, const char *col);
/* The result, of type `mem`, at column n of row_y. */
void qn__c_nest_store(qn_cgen *g, const qn_cnest *n, qn_scalar mem);
void qn__c_gemm_tiles(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
void qn__c_gemm_prologue(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
void qn__c_block_rows(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
void qn__c_block_gemm(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
void qn__c_attention(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
/* Where the window of row m begins, with pads: row_at bytes from the image's beginning on, with its line `above` and
 * its `column`. */
void qn__c_padded_row(qn_cgen *g, const qn_gemm_plan *p);
/* Opens the loop over rows of a product or of windows, before it what is the same for all, within what is for a row;
 * row_y: where the results go. */
void qn__c_product_rows(qn_cgen *g, const qn_cnest *n, const qn_gemm_plan *p);
void qn__c_window(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
void qn__c_pad(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
void qn__c_pack(qn_cgen *g, const qn_kernel_plan *p, qn_arena *arena);
/* A loop kernel's pointers, sizes and strides as local constants, and one loop of its nest with operands' offsets. */
void qn__c_loop_head(qn_cgen *g, const qn_loop_plan *p);
void qn__c_loop_open(qn_cgen *g, const qn_loop_plan *p, uint32_t d, bool from_args);
/* The offset of operand i inside the first `depth` loops, as text; null when it has not moved. */
const char *qn__c_loop_at(const qn_loop_plan *p, uint32_t i, uint32_t depth, char text[32]);
/* Loop levels of a tape's inputs, and their names in0, in1 ..: null when memory runs out. */
uint8_t *qn__c_loop_levels(const qn_loop_plan *p, qn_arena *arena);
const char **qn__c_names(const char *first, const char *rest, uint32_t n, qn_arena *arena);

/* ---- cgen.c, cgen_aot.c ---- */
/* A whole source: prelude, then every body as a function of its own. */
qn_status qn__c_bodies(qn_context *ctx, qn_buf *out, bool portable, uint32_t num_bodies, const qn_body *bodies);
qn_status qn__c_program(qn_context *ctx, const qn_aot *aot, qn_buf *out);
#endif
