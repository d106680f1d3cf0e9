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

enum { QN_STRIP_MORE_ROWS = 7 }; /* whose bases no register is left for, where each row has one */

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
  QN_STRIP_FAR,     /* bytes behind QN_STRIP_AHEAD that are fetched too; of few rows, where that is */
  QN_STRIP_MASK,    /* of the panel's columns that are there */
  QN_STRIP_PACKED,  /* which chain */
  QN_STRIP_COLUMNS, /* values by column: a panel's width of each */
  QN_STRIP_SHUFFLE, /* sixteen bytes: which quarters of packed vectors follow each other */
  QN_STRIP_SHUFFLE_END,
  QN_STRIP_ROWS, /* address and stride of each value by row: of the first chain, then the second */
  QN_STRIP_ALL = QN_STRIP_ROWS + 4 * QN_LL_CHAIN_VALUES,  /* values that are the same for all: likewise, one a field */
  QN_STRIP_PANEL = QN_STRIP_ALL + 2 * QN_LL_CHAIN_VALUES, /* bytes from panel to panel of those taken at once */
  QN_STRIP_LIST,                                          /* of granules: where each is, */
  QN_STRIP_LIST_END,
  /* Of windows. A is their image, blocks and turns are those of a segment: of what lies together in it. */
  QN_STRIP_PLACES, /* of the tile's rows */
  QN_STRIP_BASES,  /* of rows after the eighth; where their segments are counted from */
  QN_STRIP_SEGMENT = QN_STRIP_BASES + QN_STRIP_MORE_ROWS, /* with pads: bytes of a panel for a position, */
  QN_STRIP_OFFSETS,                                       /* where each is, seen from the first, */
  QN_STRIP_OUTSIDE,                                       /* a position of the border; as bits: */
  QN_STRIP_POSITIONS,                                     /* those of the piece of K, */
  QN_STRIP_TAKEN,                                         /* of the tile, that are inside for some row, */
  QN_STRIP_COMMON,                                        /* for all rows, */
  QN_STRIP_DIFFER,                                        /* for some row but not for all, */
  QN_STRIP_LEFT,                                          /* still to be taken */
  QN_STRIP_LINES,                                         /* without pads: segments in both directions, */
  QN_STRIP_COLUMNS_OF,
  QN_STRIP_LINE_STEP, /* bytes from one to the next, */
  QN_STRIP_COLUMN_STEP,
  QN_STRIP_LINES_LEFT, /* and those left */
  QN_STRIP_COLUMNS_LEFT,
  QN_STRIP_LINE_AT, /* where the line, the segment at hand is */
  QN_STRIP_AT,
  QN_STRIP_FIELDS
} qn_ll_strip_field;

/* What is fetched of panels: the next one's part; where tiles are few, also what is next of this one; or that alone. */
typedef enum qn_ll_strip_mode { QN_STRIP_MANY, QN_STRIP_FEW, QN_STRIP_ALONE, QN_STRIP_MODES } qn_ll_strip_mode;

enum {
  QN_STRIP_TURN = 4,      /* blocks */
  QN_STRIP_MOST_SUMS = 24 /* registers; in the epilogue the ones behind hold other values */
};

/* Of few rows: a piece of K of so many blocks; what each tile of it fetches in units of a line for each of its vectors,
 * into the first level from where the panel has them, into the second without gaps. */
typedef struct qn_ll_strip_few {
  uint32_t blocks, units, moved; /* and by how many the next tile goes on */
  int64_t a_pitch;               /* of rows, in bytes */
} qn_ll_strip_few;
enum { QN_STRIP_FEW_TURN = 8 }; /* blocks at least */

typedef struct qn_ll_strip {
  qn_ll *g;
  const qn_gemm_plan *plan;
  const qn_ll_tile *tile;
  bool whole;                    /* all columns of a tile are there */
  bool cuts;                     /* K may be cut */
  bool fetches_y, fetches_b;     /* beside panels: rows and results; panels */
  bool modes;                    /* others than QN_STRIP_MANY may be asked for */
  bool window, pads;             /* rows are windows; that may reach over the image */
  bool granules;                 /* only some of K is multiplied, as a list says */
  bool skips, again;             /* positions outside for all rows are left out; with them again where a sum is -0 */
  const qn_ll_strip_few *few;    /* null but for few rows */
  uint32_t num_chains;           /* 0: sums are left in memory */
  const qn_ll_chain *chains[2];  /* the second where the first may not be used */
  const qn_ll_narrow *narrow[2]; /* results are bytes, made of 32-bit integers by saturating packs; null: words */
} qn_ll_strip;

/* strip_text.c: a function of the fields. */
LLVMValueRef qn__ll_strip_text(const qn_ll_strip *s, const char *symbol);
/* strip.c */
typedef struct qn_ll_strips qn_ll_strips;
/* Null where the body's epilogue is no chain, but for windows and few rows, whose sums then are left in memory. Sums
 * are to start from extra *start, if any, as in qn__ll_epilogue_function. With `whole` all panels are full. */
qn_ll_strips *qn__ll_strips_create(gemm_state *s, bool whole, uint32_t *start, bool *minus);
/* Whether tiles as s->tile is shaped now, of so many columns, are one vector next to the other of a panel. */
bool qn__ll_strips_serve(const gemm_state *s, uint32_t columns);
bool qn__ll_strips_leave_sums(const qn_ll_strips *strips);
/* Rows begin .. end-1 of the panel at hand, whose sums start from memory at `start`. */
void qn__ll_strips_run(qn_ll_strips *strips, LLVMValueRef block_begin, LLVMValueRef begin, LLVMValueRef end,
                       LLVMValueRef start);
/* Where sums are left in memory: `prepare` before the loop over the panel's tiles of one height, which gives the
 * function for `tile`, the tile at s->at. */
LLVMValueRef qn__ll_strips_prepare(qn_ll_strips *strips, LLVMValueRef start);
void qn__ll_strips_tile(qn_ll_strips *strips, LLVMValueRef fn);
/* Few rows: the function for tiles as s->tile is shaped now, of some columns of a panel; before its first call for the
 * panel at hand `panel`. Rows begin .. end-1 from `column` on are whole tiles. What is fetched goes on from the call
 * before where `near` and `far` are null. */
typedef struct qn_ll_strip_part {
  LLVMValueRef begin, end, a, b, start, sums, near, far;
  LLVMValueRef first, last; /* whether it is the first, the last piece of K */
  uint32_t column;
} qn_ll_strip_part;
LLVMValueRef qn__ll_strips_few(qn_ll_strips *strips, const qn_ll_strip_few *few);
void qn__ll_strips_few_panel(qn_ll_strips *strips);
void qn__ll_strips_few_run(qn_ll_strips *strips, LLVMValueRef fn, const qn_ll_strip_part *part);
#endif
