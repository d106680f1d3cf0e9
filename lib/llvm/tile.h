/* The register tile of a gemm while its sums are accumulated, and the ways to multiply (dot.c). */
#ifndef QN_LL_TILE_H
#define QN_LL_TILE_H
#include "ll.h"

enum { QN_LL_MAX_ROWS = 16, QN_LL_MAX_VECTORS = 16, QN_LL_MAX_ACC = 40 };

typedef struct qn_ll_dot qn_ll_dot;
typedef struct qn_ll_tile {
  qn_ll *g;
  const qn_gemm_plan *plan;
  const qn_ll_dot *dot;
  uint32_t rows, vectors; /* accumulators are rows x vectors */
  uint32_t sets;          /* copies of the accumulators, for block k + i in copy i mod sets */
  uint32_t unroll;        /* blocks per turn of the main loop, a power of two */
  uint32_t panels;        /* taken at once, each with vectors / panels vectors */
  LLVMTypeRef acc_elem, acc_type;
  uint32_t acc_lanes;
  LLVMValueRef k_size;               /* K */
  LLVMValueRef a[QN_LL_MAX_ROWS];    /* first element of each row */
  LLVMValueRef b[QN_LL_MAX_VECTORS]; /* per panel taken at once: its group of columns at the present block */
  LLVMValueRef acc[QN_LL_MAX_ACC];
} qn_ll_tile;

/* One operand of a block: most ways to multiply need one value, the general one a value per k of the block. */
typedef struct qn_ll_operand {
  LLVMValueRef x[64];
} qn_ll_operand;

/* A way to multiply a block of k for one vector of columns. `block` is the index of a block of k_block values; `ahead`
 * says how many blocks after it are handled with it (the row operand may be shared by them, in `shared`). */
struct qn_ll_dot {
  const char *name;
  bool (*match)(const qn_ll *g, const qn_gemm_plan *plan);
  uint32_t shares; /* blocks whose row operand is loaded at once; a power of two */
  bool reorders;   /* sums of different blocks may be added in any order */
  /* Loads vector v of the tile's columns, j blocks after where the panels' pointers stand. */
  void (*load_b)(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out);
  /* Row r at block + j, of `blocks` that are handled together; `shared` lives as long as those. With `partial`, only
   * the first K mod k_block values exist, the others count as 0. */
  void (*load_a)(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                 LLVMValueRef *shared, qn_ll_operand *out);
  LLVMValueRef (*madd)(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b);
};
/* For whole vectors of columns, or for one column at a time; null when the types cannot be multiplied. */
const qn_ll_dot *qn__ll_dot_find(const qn_ll *g, const qn_gemm_plan *plan, bool vector);

/* epilogue.c: a function void(kargs, sums, row, column, width) that writes a tile of Y, as far as there are columns,
 * from its sums, `width` to a row of the tile. Being a function of its own keeps its constants out of the registers of
 * the sums' loop, which LLVM would otherwise carry them through. */
LLVMValueRef qn__ll_epilogue_function(qn_ll *g, const qn_body *body);
void qn__ll_epilogue_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, LLVMValueRef column,
                          uint32_t width);
#endif
