/* The register tile of a gemm while its sums are accumulated, and the ways to multiply (dot.c). */
#ifndef QN_LL_TILE_H
#define QN_LL_TILE_H
#include "ll.h"

enum { QN_LL_MAX_ROWS = 16, QN_LL_MAX_VECTORS = 16, QN_LL_MAX_ACC = 40 };
enum { QN_LL_MAX_OPERANDS = QN_LL_MAX_ROWS + 1 }; /* rows of a tile, and what a way to multiply adds to them */

typedef struct qn_ll_dot qn_ll_dot;
typedef struct qn_ll_tile {
  qn_ll *g;
  const qn_gemm_plan *plan;
  const qn_ll_dot *dot;
  uint32_t rows, vectors;
  uint32_t acc_rows; /* accumulators are acc_rows x vectors: qn__ll_dot_rows of rows */
  uint32_t sets;     /* copies of the accumulators, for block k + i in copy i mod sets */
  uint32_t unroll;   /* blocks per turn of the main loop, a power of two */
  uint32_t panels;   /* taken at once, each with vectors / panels vectors */
  LLVMTypeRef acc_elem, acc_type;
  uint32_t acc_lanes;
  LLVMValueRef k_size;               /* K */
  LLVMValueRef a[QN_LL_MAX_ROWS];    /* first element of each row */
  LLVMValueRef b[QN_LL_MAX_VECTORS]; /* per panel taken at once: its group of columns at the present block */
  LLVMValueRef tails; /* memory: the partial block of each row as qn__ll_dot_word gives it; null where none is kept */
  LLVMValueRef acc[QN_LL_MAX_ACC];
} qn_ll_tile;

/* One operand of a block: most ways to multiply need one value, the general one a value per k of the block. */
typedef struct qn_ll_operand {
  LLVMValueRef x[64];
  uint32_t part; /* of a row's: which part of b it is multiplied with, where that is not all */
} qn_ll_operand;

/* A way to multiply a block of k for one vector of columns. `block` is the index of a block of k_block values, from
 * which on `blocks` are handled together (the row operand may be shared by them, in `shared`). */
struct qn_ll_dot {
  const char *name;
  bool (*match)(const qn_ll *g, const qn_gemm_plan *plan);
  uint32_t shares; /* blocks whose row operand is loaded at once; a power of two */
  bool reorders;   /* sums of different blocks may be added in any order */
  uint32_t more;   /* rows of accumulators beside those of the tile; load_a is asked for them too */
  bool even;       /* rows of accumulators come in pairs */
  bool by_columns; /* row operands take fewer registers than those of B: keep them and load B last */
  /* Loads vector v of the tile's columns, j blocks after where the panels' pointers stand. */
  void (*load_b)(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out);
  /* Row r at block + j, of `blocks` that are handled together; `shared` lives as long as those. With `partial`, only
   * the first K mod k_block values exist, the others count as 0. */
  void (*load_a)(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                 LLVMValueRef *shared, qn_ll_operand *out);
  LLVMValueRef (*madd)(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b);
  /* In place of the three for `blocks` whole blocks, where several of them are added up before they join the sums. */
  void (*step)(qn_ll_tile *t, LLVMValueRef block, uint32_t blocks);
  /* Makes the sums of the tile's rows of the accumulators, once all blocks are added; null when they are that. */
  void (*finish)(qn_ll_tile *t);
};
/* For whole vectors of columns, or for one column at a time; null when the types cannot be multiplied. */
const qn_ll_dot *qn__ll_dot_find(const qn_ll *g, const qn_gemm_plan *plan, bool vector);
static inline uint32_t qn__ll_dot_rows(const qn_ll_dot *dot, uint32_t rows) {
  uint32_t all = rows + dot->more;
  return dot->even ? (all + 1) & ~1u : all;
}

/* ---- what ways to multiply are made of ---- */
/* Address of vector v of the tile, j blocks on from where its panel's pointer stands. */
LLVMValueRef qn__ll_dot_b(qn_ll_tile *t, uint32_t v, uint32_t j);
/* Address of row r's values of block + j. */
LLVMValueRef qn__ll_dot_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j);
/* Value `kk` of a block of row r; in a partial block 0 from K on, without reading there. */
LLVMValueRef qn__ll_dot_element(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t kk, bool partial);
/* A block of row r as one integer: 4 bytes or 2 halves as i32, 8 bytes as i64. A partial one comes from the tails. */
LLVMValueRef qn__ll_dot_word(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, bool partial);
/* `rhs` and `acc` also match their explicitly signed forms. */
bool qn__ll_dot_types(const qn_gemm_plan *p, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, uint32_t k_block);
/* load_a and load_b of blocks of 32 bits: a word in all lanes; a vector as it is. */
void qn__ll_dot_word_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                       LLVMValueRef *shared, qn_ll_operand *out);
void qn__ll_dot_word_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out);

/* dot_x86.c */
extern const qn_ll_dot qn__ll_dot_vpdpbusd, qn__ll_dot_vpdpwssd, qn__ll_dot_vdpbf16ps;
extern const qn_ll_dot qn__ll_dot_pmaddwd8, qn__ll_dot_pmaddwd16;
/* dot_pairs.c: products of bytes two by two in 16 bits, where the weights are proven to let those hold 4, 2 or 1 of
 * them
 */
extern const qn_ll_dot qn__ll_dot_vpmaddubsw4, qn__ll_dot_vpmaddubsw2, qn__ll_dot_vpmaddubsw1;
/* dot_arm.c */
extern const qn_ll_dot qn__ll_dot_usmmla, qn__ll_dot_sdot, qn__ll_dot_sve;
/* Products of unsigned and signed bytes added to 32-bit lanes, on rows with QN_ISA_SVE. */
LLVMValueRef qn__ll_sve_usdot(qn_ll *g, LLVMValueRef acc, LLVMValueRef unsigned_bytes, LLVMValueRef signed_bytes);
/* dot.c: products of 16 bits into 32, which are instructions on Arm and RISC-V */
extern const qn_ll_dot qn__ll_dot_widening;

/* amx.c: the whole of a body in tile registers. Low tiles are as fast in vectors, which cover all they can be asked. */
bool qn__ll_amx_serves(const qn_body *body);
qn_status qn__ll_amx_tiles(qn_ll *g, const qn_body *body);

/* Of an epilogue's extras where they are and how far apart their rows; and how each input of the tape varies, the sum
 * first. Null without memory. */
uint8_t *qn__ll_epilogue_extras(qn_ll *g, const qn_gemm_plan *plan, LLVMValueRef **base, LLVMValueRef **stride);
/* epilogue.c: a function void(kargs, sums, row, rows, column, width) that writes a tile of Y, as far as there are
 * columns, from its sums, `width` to a row of the tile. Being a function of its own keeps its constants out of the
 * registers of the sums' loop, which LLVM would otherwise carry them through.
 *
 * Where the first thing that happens to an integer sum is that one value per column (extra *start) is added, or with
 * *minus subtracted, the function leaves that out: sums are to start from it instead. Else *start is UINT32_MAX. With
 * start null nothing is left out. With `whole` a tile is as wide as a panel, and all its columns are there. */
LLVMValueRef qn__ll_epilogue_function(qn_ll *g, const qn_body *body, bool whole, uint32_t *start, bool *minus);
/* The same, during which something else is done: `each` is written where a step of that is due, evenly over the rows of
 * whole groups of columns. The function has one more argument, memory: the steps that are left and two pointers that
 * each step moves on, which are there behind it too, and more that `begin` loads. Null where the epilogue is text. */
typedef struct qn_ll_meanwhile {
  void (*begin)(void *user, LLVMValueRef memory);
  void (*each)(void *user, LLVMValueRef pointers[2]);
  void *user;
} qn_ll_meanwhile;
LLVMValueRef qn__ll_epilogue_meanwhile(qn_ll *g, const qn_body *body, bool whole, const qn_ll_meanwhile *other);
void qn__ll_epilogue_meanwhile_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, LLVMValueRef rows,
                                    LLVMValueRef column, LLVMValueRef width, LLVMValueRef memory);
/* The same for less than a vector of columns. */
LLVMValueRef qn__ll_epilogue_few(qn_ll *g, const qn_body *body, uint32_t *start, bool *minus);
/* The same where rows of Y and of extras need not follow each other: `row` is the address of as many numbers of them.
 */
LLVMValueRef qn__ll_epilogue_listed(qn_ll *g, const qn_body *body, bool whole, uint32_t *start, bool *minus);
/* As qn__ll_epilogue_function where nothing is left out and its tape is long enough to be text, else null. */
LLVMValueRef qn__ll_epilogue_if_text(qn_ll *g, const qn_body *body);
/* The instructions of such a function, in `tape`; start and minus as above. False when memory runs out. */
bool qn__ll_epilogue_tape(qn_ll *g, const qn_gemm_plan *plan, qn_tape *tape, uint32_t *start, bool *minus);
void qn__ll_epilogue_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, uint32_t rows,
                          LLVMValueRef column, uint32_t width);
/* The same for a number of rows that is known at run time. */
void qn__ll_epilogue_rows(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, LLVMValueRef rows,
                          LLVMValueRef column, LLVMValueRef width);

/* gemm_direct.c: a body whose plan is `direct`, where the row's way to multiply allows it. */
bool qn__ll_gemm_direct_serves(const qn_ll *g, const qn_body *body);
qn_status qn__ll_gemm_direct(qn_ll *g, const qn_body *body);

/* gemm_few.c: a body whose plan is `few`, where the row's way to multiply allows it. */
bool qn__ll_gemm_few_serves(const qn_ll *g, const qn_body *body);
qn_status qn__ll_gemm_few(qn_ll *g, const qn_body *body);
/* gemm_direct_text.c: the sums of a tile in registers, t->acc, over num_blocks of K, added to those there already. */
typedef struct qn_ll_sums {
  uint32_t num_blocks;
  LLVMValueRef a, b;                 /* first row, panel */
  LLVMValueRef y;                    /* rows that are fetched for writing meanwhile, y_lines of each; null for none */
  LLVMValueRef to;                   /* where the sums are stored, whole vectors; null where they come out in t->acc */
  int64_t a_pitch, a_block, b_block; /* bytes from row to row, from block to block */
  int64_t y_pitch;
  uint32_t y_lines; /* one more than its y_bytes fill: rows that do not begin with a line end in one more */
  int64_t y_bytes;
  bool zero; /* the sums are 0 yet; they are where they are stored, and have no copies then */
} qn_ll_sums;
bool qn__ll_sums_serve(const qn_ll_tile *t);
void qn__ll_sums(qn_ll_tile *t, const qn_ll_sums *s);

/* window.c: bytes from where the first window with pads begins to the image. */
LLVMValueRef qn__ll_window_origin(qn_ll *g, const qn_gemm_plan *plan);
#endif
