/* Strips: the tiles of one panel, of a block of rows, one below the other, as one piece of assembly for AVX-512, from
 * the loop over tiles to the results. What tiles leave in registers goes into the epilogue there, where it is a chain
 * (chain.h): handing it over in memory costs 1 to 2% of a product of K = 768, whose panels leave no room for it in the
 * first level; and a body is assembled in a fifth of the time that LLVM takes to compile it. */
#ifndef QN_LL_STRIP_H
#define QN_LL_STRIP_H
#include "assembly.h"
#include "chain.h"
#include "gemm_impl.h"
#include "narrow.h"

/* What the assembly finds in memory, eight bytes each; it moves on some of them from tile to tile. */
typedef enum qn_ll_strip_field {
  QN_STRIP_A,
  QN_STRIP_A_STRIDE,
  QN_STRIP_B,
  QN_STRIP_TILES,
  QN_STRIP_MORE_TURNS, /* of the loop over K, */
  QN_STRIP_TURNS,      /* then for each row of the tile, */
  QN_STRIP_BLOCKS,     /* and blocks that are no turn */
  QN_STRIP_TAIL,       /* bytes of a row's last, partial block that are there, a bit each */
  QN_STRIP_START,      /* a row of sums to start from */
  QN_STRIP_SUMS,       /* where those of a piece of K wait */
  QN_STRIP_FIRST,      /* whether it is the first, the last piece */
  QN_STRIP_LAST,
  QN_STRIP_Y,
  QN_STRIP_Y_STRIDE,
  QN_STRIP_AHEAD, /* of the panel or piece of one that is fetched, and how much further per turn's half */
  QN_STRIP_AHEAD_STEP,
  QN_STRIP_A_STEP,  /* of the rows of the next tile, likewise */
  QN_STRIP_MODE,    /* qn_ll_strip_mode */
  QN_STRIP_FAR,     /* bytes behind QN_STRIP_AHEAD that are fetched too */
  QN_STRIP_MASK,    /* of the panel's columns that are there */
  QN_STRIP_PACKED,  /* which chain */
  QN_STRIP_COLUMNS, /* values by column: a panel's width of each */
  QN_STRIP_SHUFFLE, /* sixteen bytes: which quarters of packed vectors follow each other */
  QN_STRIP_SHUFFLE_END,
  QN_STRIP_ROWS, /* address and stride of each value by row: of the first chain, then the second */
  QN_STRIP_ALL = QN_STRIP_ROWS + 4 * QN_LL_CHAIN_VALUES, /* values that are the same for all: likewise, one a field */
  QN_STRIP_FIELDS = QN_STRIP_ALL + 2 * QN_LL_CHAIN_VALUES
} qn_ll_strip_field;

/* What is fetched of panels: the next one's part; where tiles are few, also what is next of this one; or that alone. */
typedef enum qn_ll_strip_mode { QN_STRIP_MANY, QN_STRIP_FEW, QN_STRIP_ALONE, QN_STRIP_MODES } qn_ll_strip_mode;

enum { QN_STRIP_TURN = 4 }; /* blocks */

typedef struct qn_ll_strip {
  qn_ll *g;
  const qn_gemm_plan *plan;
  const qn_ll_tile *tile;
  bool whole;                /* all columns of a tile are there */
  bool cuts;                 /* K may be cut */
  bool fetches_y, fetches_b; /* beside panels: rows and results; panels */
  bool modes;                /* others than QN_STRIP_MANY may be asked for */
  uint32_t num_chains;
  const qn_ll_chain *chains[2];  /* the second where the first may not be used */
  const qn_ll_narrow *narrow[2]; /* results are bytes, made of 32-bit integers by saturating packs; null: words */
} qn_ll_strip;

/* strip_text.c: the call of it, at the builder's position, its fields at `fields`. */
void qn__ll_strip_text(const qn_ll_strip *s, LLVMValueRef fields);
/* strip.c */
typedef struct qn_ll_strips qn_ll_strips;
/* Null where the body's epilogue is no chain. Sums are to start from extra *start, if any, as in
 * qn__ll_epilogue_function. With `whole` all panels are full. */
qn_ll_strips *qn__ll_strips_create(gemm_state *s, bool whole, uint32_t *start, bool *minus);
/* Whether tiles as s->tile is shaped now, of so many columns, are one vector next to the other of a panel. */
bool qn__ll_strips_serve(const gemm_state *s, uint32_t columns);
/* Rows begin .. end-1 of the panel at hand, whose sums start from memory at `start`. */
void qn__ll_strips_run(qn_ll_strips *strips, LLVMValueRef block_begin, LLVMValueRef begin, LLVMValueRef end,
                       LLVMValueRef start);
#endif
