/* Kernel plans: what a code generator needs to know about one kern op, and nothing of the IR. Sizes are arguments, so
 * one body serves every shape. Plans are plain data, made in an arena and read only afterwards.
 *
 * Every body has the signature int32_t k(const qn_kargs *) and returns 0, or an error number (none is possible in the
 * kinds here yet). What ptr, size, stride, begin and end mean is said below for each kind. Strides are in bytes; for
 * elements below 8 bits (i2, i4, f4: maps and rows only) in elements from ptr, counted as qn_tensor packs them. */
#ifndef QN_KERNEL_H
#define QN_KERNEL_H
#include "tape.h"
#include <quern/multiplier.h>
#include <quern/unstable/bpack.h>
#include <quern/unstable/isa.h>
#include <quern/unstable/kargs.h>
#include <quern/unstable/layout.h>
#include <quern/unstable/tuned.h>
#include <quern/unstable/window.h>

typedef enum qn_kernel_kind {
  QN_KERNEL_GEMM,
  QN_KERNEL_MAP,
  QN_KERNEL_ROW,
  QN_KERNEL_PACK,
  QN_KERNEL_BLOCK_ROWS,
  QN_KERNEL_BLOCK_GEMM,
  QN_KERNEL_ATTENTION,
  QN_KERNEL_VIEW, /* no code: the same bytes */
  QN_KERNEL_WINDOW,
  QN_KERNEL_PAD
} qn_kernel_kind;

/* How an operand moves along a loop. Fixed when the kernel is planned, so that code can rely on it. */
typedef enum qn_access {
  QN_ACCESS_NONE,   /* stride 0: one element for all iterations */
  QN_ACCESS_DENSE,  /* stride = element size */
  QN_ACCESS_STRIDED /* any byte stride, given at the call; 0 where a size turns out to be 1 */
} qn_access;

/* An extra operand of a gemm prologue or epilogue: y[m,n] reads it at [m or 0, n or 0]. */
typedef struct qn_extra {
  qn_scalar mem;
  bool by_row; /* moves with m: row stride given at the call */
  bool by_col; /* moves with n (or k in a prologue), densely: column stride is the element size */
} qn_extra;

/* GEMM. Bodies of a plan (qn_body.part):
 *
 * PART_TILES, one per tile height h: rows [begin[0], end[0]), a multiple of h of them, columns of panels
 *   [begin[1], end[1]) (panel p: columns p*nb .. min(N, (p+1)*nb)). A body of height
 *   h | QN_ROWS_MIXED takes any number of rows R that ceil(R / h) tiles of h and h - 1 rows can cover, tall ones first.
 *   ptr     0 A codes (row-major, element type lhs), 1 B packed, 2 Y, 3+i epilogue extra i
 *   size    0 M, 1 N, 2 K
 *   stride  0 A row, 1 Y row (its columns are dense), 2 B panel (bytes from panel to panel), 3+i extra i row
 *   With `window`, A is an image and row m, segment (i, j) of K elements starts at
 *     n * size[7] + oh * size[8] + ow * size[9] + i * size[10] + j * size[11]    bytes, m = (n * OH + oh) * OW + ow
 *   size    2 K of a segment, 3 OH, 4 OW, 5 segments i, 6 segments j; stride 0 is not used. B's blocks of all segments
 *           follow each other, each segment padded to kb. j takes no other value than 0 unless `window_inner`.
 *   With pads, which are part of the code like the window and the border, each position is a segment and m as in WINDOW
 *   below; positions outside the image are K elements of the border.
 *   size    12, 13, 14 as in WINDOW
 *   When `layout` has granules, panel p is begin[p] .. begin[p + 1] of them, K a multiple of theirs:
 *   size    3 bytes from ptr 1 to the first granule
 *   A rows hold at least K elements; when `lhs_padded`, they are readable and finite up to K rounded up to the layout's
 *   kb, else code must not read past K. B is zero-padded to kb and nb. Sums start at 0 and add k in
 *   ascending order (floats: one fma chain; integers wrap). With `last`, N leaves that many columns or fewer, but one
 *   at least, to the last panel.
 *
 * PART_PROLOGUE, when has_prologue: rows [begin[0], end[0]): codes[m,k] = prologue(A[m,k], extras), zero for
 *   k in [K, size[2]).
 *   ptr     0 A, 1 codes, 2+i prologue extra i
 *   size    0 M, 1 K, 2 K padded
 *   stride  0 A row, 1 A column (element size unless lhs_strided), 2 codes row, 3+i extra i row
 */
/* WINDOW: y[m,n] = epilogue(the elements of channel n in the window of pixel m, combined), windows as in GEMM.
 *   ptr     0 image, 1 weights (dot; unused otherwise), 2 Y, 3+i epilogue extra i
 *   size, stride: as PART_TILES of a GEMM with `window`, where size[1] is the number of channels; 2, 5 and 6 are
 * unused, the window is part of the code. begin, end [0]: pixels. With pads, which are part of the code like the
 * border (the bits of an element), windows begin by them further up and left, and
 *   size    12 height and 13 width of the image, 14 what is added to a window's line
 * Weights are a [KH*KW, C] matrix in `layout`, which may be plain. */
typedef enum qn_combine { QN_COMBINE_DOT, QN_COMBINE_MAX, QN_COMBINE_SUM } qn_combine;

/* A tile of WINDOW. */
enum { QN_WINDOW_SUMS = 16 };
typedef struct qn_window_tile {
  uint32_t pixels, vectors, lanes; /* of a line; of channels; of a vector. pixels * vectors <= QN_WINDOW_SUMS */
  bool unrolled;                   /* all columns that the windows see are few; else pixels is 1 */
  bool fits;                       /* there may be that many channels */
  /* The same where the tile is written as assembly for AVX-512; 0 elsewhere. And vectors of the channels that
   * are left over, whether some of those may end within a vector, or two pixels' channels fill vectors of products of
   * bytes. */
  uint32_t text_pixels, text_vectors, text_rest;
  bool text_masks, text_pairs;
} qn_window_tile;

typedef struct qn_gemm_plan {
  qn_scalar a_mem; /* memory type of the A operand */
  qn_scalar lhs;   /* element type multiplied: ui8, i16, f32, f64 .. */
  qn_scalar rhs;   /* element type of packed B: i8, i16, f32, f64 .. */
  qn_scalar acc;   /* i32, i64, f32, f64 */
  qn_scalar y_mem;
  qn_layout layout; /* never plain: that is given as one panel as wide as the matrix, k_block 1 */
  uint32_t last; /* columns of the last panel that are multiplied, in whole vectors, where that leaves some out; or 0 */
  uint32_t side; /* columns after the last whole vector that are multiplied along K; `last` is without them then */
  bool whole;    /* N is known to fill all panels */
  uint32_t num_panels; /* two or three, where N is known to have no more; else 0 */
  bool finite;         /* of windows with pads: all weights are known to be */
  uint32_t rows;       /* tallest tile */
  bool tiles;          /* the row's registers for tiles of bytes hold tall ones */
  uint32_t
      sums16;     /* blocks of k whose products, two by two, add up to 16 bits at most, where the row makes use of it */
  uint32_t fetch; /* 1: tiles fetch the next panel while they use one, 2: also their next rows and results */
  uint32_t unroll; /* blocks of k a turn, a power of two; 0: 2 with fewer vectors of sums than unroll_below, else 1 */
  uint32_t unroll_below;
  uint32_t turns_of;                /* K is known, and a multiple of so many blocks; 0: it is not */
  bool cuts;                        /* calls may cut panels; not known to be needless */
  uint32_t piece_bytes, long_bytes; /* panels are cut into pieces of so many bytes where they have more than this */
  uint32_t outside_bytes;           /* weights that a second-level cache does not hold */
  uint32_t tile_ahead, tile_far; /* bytes ahead in panels, where all rows are one tile: into the first level; second */
  uint32_t tile_lines;           /* of the next panel, that a tile fetches at each block of K */
  uint32_t tile_close;           /* the same for few tiles */
  uint64_t far_bytes;            /* weights of more lie in no cache */
  uint32_t kept_bytes, large_bytes; /* rows of A are cut into blocks of so many bytes where they have more than this */
  uint32_t written_bytes; /* rows are cut into blocks with results of so many bytes, where those are many; 0: never */
  bool has_prologue, lhs_padded, lhs_strided, window, window_inner;
  qn_window shape; /* with `window`: not part of a GEMM's code without pads */
  int64_t border;  /* of windows with pads */
  /* K is short, the epilogue too, and sizes are known: the code may rely on N, K and bytes from row to row of A and Y,
   * which calls tell all the same, and leave sums in registers until the epilogue (direct.c). */
  bool direct, direct_fetch; /* the latter: lines of Y are fetched before tiles write them */
  int64_t direct_n, direct_k, direct_a_pitch, direct_y_pitch;
  /* Few rows over weights that a second-level cache does not hold: vectors of columns of a tile, 0 elsewhere. Sizes are
   * known, and the code may rely on K and on bytes from row to row of A, which calls tell all the same (few.c). */
  uint32_t few;
  int64_t few_rows, few_blocks, few_pitch; /* M; K in blocks; bytes */
  uint32_t few_piece;                      /* blocks that are taken at once */
  qn_combine combine;                      /* of WINDOW; DOT for GEMM */
  qn_window_tile tile;
  uint32_t num_prologue_extras, num_epilogue_extras;
  qn_extra *prologue_extras, *epilogue_extras;
  qn_tape prologue; /* inputs: A's element, then the extras; one output of type lhs */
  qn_tape epilogue; /* inputs: the sum (type acc), then the extras; one output of type y_mem */
} qn_gemm_plan;
enum { QN_FEW_MOST_ROWS = 26 }; /* of `few` */
/* Fewer columns leave nearly all of a register for tiles empty: they are multiplied as where there are none. */
enum { QN_LEAST_TILE_COLUMNS = 3 };
/* What multiplies in a product of so many rows: with `tiles`, a lone one is as fast in vectors. */
qn_multiplier qn__multiplier_of(const qn_gemm_plan *g, int64_t rows);
/* Results are many from so many blocks of written_bytes on. Blocks have LEAST rows, or OUTSIDE ones over weights that a
 * second-level cache does not hold, or none are made: weights are read again for each. */
enum { QN_MANY_WRITTEN = 4, QN_LEAST_WRITTEN = 24, QN_OUTSIDE_WRITTEN = 64 };
/* Bytes from row to row of the codes that a prologue makes, of k elements rounded up to the layout's blocks. With `few`
 * never so many that all rows share places of a first-level cache. */
static inline int64_t qn__codes_pitch(const qn_gemm_plan *g, int64_t k_padded) {
  int64_t bytes = (k_padded * (int64_t)qn_scalar_bytes(g->lhs, 1) + 63) & ~(int64_t)63;
  return g->few && bytes % 512 == 0 ? bytes + 64 : bytes;
}
/* Whether windows reach over the image. */
static inline bool qn__window_pads(const qn_gemm_plan *g) {
  return qn_window_pads(&g->shape);
}

/* MAP: loops d = 0 .. num_loops-1, outermost first, over the (merged) axes of the results.
 *   ptr     operands, then results
 *   size    per loop
 *   stride  [operand * num_loops + d], operands then results
 *   begin, end [0]: range of loop 0
 * access[operand * num_loops + d]. With num_loops = 0 there is one element (begin, end unused).
 * A loop's stride is that of the innermost of its axes with more than one element. Operands with elements below 8 bits
 * have access DENSE or NONE along the last loop, their strides along the others are whole bytes, and where that is loop
 * 0, so is what stands before `begin`.
 *
 * ROW: the same, with the last loop along the row: num_loops >= 1; loop 0 is split (rows are never split: with
 * num_loops = 1 there is one row, begin and end are unused). An output with reduced[i] has access NONE on the last
 * loop and takes the row's value, even for an empty row. */
typedef struct qn_loop_plan {
  uint32_t num_loops, num_inputs, num_outputs;
  uint32_t
      first_axis[QN_MAX_RANK + 1]; /* loop d merges axes first_axis[d] .. first_axis[d+1]-1 of the iteration shape */
  uint32_t rank;                   /* of the iteration shape */
  qn_access *access;
  bool *reduced;             /* per output; null for MAP */
  int64_t perm[QN_MAX_RANK]; /* transposition of the single input, identity mostly */
  bool has_perm;
  uint32_t read_ahead, write_ahead; /* bytes ahead at which memory is fetched */
  uint32_t far_ahead;               /* the same where outputs go past the caches */
  uint32_t row_ahead;               /* ROW: the longest row, in bytes, whose passes fetch the next row */
  qn_tape tape;
} qn_loop_plan;

/* The loop of a transposed map along which its input lies densely, when squares of that loop and the innermost one can
 * be turned around in registers; else UINT32_MAX. */
static inline uint32_t qn__tiled_loop(const qn_loop_plan *p) {
  uint32_t loops = p->num_loops;
  if (!p->has_perm || p->num_outputs != 1 || loops < 2) return UINT32_MAX;
  if (p->access[loops - 1] != QN_ACCESS_STRIDED || p->access[2 * loops - 1] != QN_ACCESS_DENSE) return UINT32_MAX;
  if (qn_scalar_get(p->tape.input_mem[0])->storage_bits < 8 || qn_scalar_get(p->tape.output_mem[0])->storage_bits < 8)
    return UINT32_MAX;
  for (uint32_t d = 0; d + 1 < loops; d++)
    if (p->access[d] == QN_ACCESS_DENSE && p->access[loops + d] != QN_ACCESS_NONE) return d;
  return UINT32_MAX;
}

/* PAD: lines [begin[0], end[0]) of an image with its border. The plan is a qn_loop_plan without loops, whose tape has
 * two outputs: inside, and border, which does not depend on input 0.
 *   ptr     0 x, 1 y, 1+i extra i from 1 on (one element each)
 *   size    0 height of x, 1 elements of a line of x, 2 height of y, 3 lines above, 4 elements left, 5 elements right
 *   stride  0 x line, 1 y line */

/* PACK: panels [begin[0], end[0]) of one matrix.
 *   ptr     0 B, 1 packed
 *   size    0 K, 1 N
 *   stride  0 along k, 1 along n (bytes), 2 from panel to panel in packed
 * Bytes are copied; padding is zero. Elements are whole bytes. */
typedef struct qn_pack_plan {
  qn_scalar mem;
  qn_layout layout;
} qn_pack_plan;

/* BLOCK_ROWS: rows of activations for BLOCK_GEMM (unstable/bpack.h), rows [begin[0], end[0]).
 *   ptr     0 x (f32, or i8 codes), 1 rows, 2 scales of the codes
 *   size    0 K, 1 blocks
 *   stride  0 x row, 1 rows row, 2 scales row
 */
typedef struct qn_block_rows_plan {
  uint32_t block;
  int32_t offset;
  bool from_codes;
} qn_block_rows_plan;

/* BLOCK_GEMM: PART_TILES, panels [begin[1], end[1]), and of each all rows [begin[0], end[0]), so that a panel is used
 * up before the next one is read. A body of height h takes a multiple of h rows; one of height h | QN_ROWS_MIXED takes
 * any number R > h - 1 as ceil(R / h) tiles, the first of h rows, the others of h - 1.
 *   ptr     0 rows of blocks, or f32 A (row-major, read up to K), 1 packed weights, 2 Y, 3+i epilogue extra i
 *   size    0 M, 1 N, 2 K, 3 blocks
 *   stride  0 A row, 1 Y row, 2 from panel to panel, 3+i extra i row
 */
typedef struct qn_block_plan {
  qn_gemm_plan gemm; /* rows, acc (f32), y_mem and epilogue as in GEMM; no prologue; layout is not used */
  qn_bpack_layout weights;
  bool floats;    /* A is f32: one fma chain in ascending k over dequantized weights */
  uint32_t ahead; /* bytes ahead at which weights are fetched when all rows are one tile */
} qn_block_plan;
enum { QN_ROWS_MIXED = 64 };
/* ATTENTION (quern/attention.h has the arithmetic). One body per tile height h (qn_body.rows), PART_ATTENTION: units
 * [begin[0], end[0]), unit u = tile u mod size[6] of head u / size[6]; the tile's h queries start at
 * size[5] + h * (u mod size[6]).
 *   ptr     0 q (row-major, d dense), 1 packed k^T (panel p: keys p * key_block ..), or with `k_rows` k (dense rows),
 *           2 packed v, or with `v_rows` v (dense rows), 3 y (dense rows), 4+i extra i
 *   size    0 queries, 1 keys, 2 d, 3 dv, 4 what a causal row adds to its index + 1: 0 or keys - queries, 5 first
 * query, 6 tiles per head, 7 h stride  0 q row, 1 y row, 2 k panel (with `k_rows` a block of its rows), 3 v panel, then
 * per head: 4 q, 5 k, 6 v, 7 y; 8+2i extra i row, 9+2i extra i head Packed operands are zero-padded. q is not read past
 * d. The products `scores` and `values` say what is multiplied by what in which layout; the second's left side are the
 * weights (f32) or their codes (ui8), whose rows take key_block elements and are 0 where a key does not take part. */
enum { QN_ATTENTION_DIRECT_ROWS = 2, QN_ATTENTION_DIRECT_CODES = 256 };
typedef struct qn_attention_plan {
  qn_gemm_plan scores, values; /* lhs, rhs, acc, layout, lhs_padded: nothing else */
  qn_scalar y_mem;
  uint32_t key_block, rows;
  uint32_t sums;       /* rows whose sums fit the registers at once: a tile is one or more of them */
  uint32_t dv_room;    /* dv, rounded up to whole panels of v */
  bool k_rows, v_rows; /* brought into the products' layouts block by block, where they are used */
  uint32_t d, dv;      /* the former 0 where it is not known */
  bool direct;         /* one or two queries of signed codes: k and v may be multiplied where they lie */
  uint32_t d_room;     /* with k_rows: d, rounded up to whole blocks of the scores' layout */
  bool codes, causal;
  bool exponential; /* the weight is e^(s - m), and its code that times 255, rounded */
  uint32_t num_extras;
  qn_extra *extras; /* of the score, over [query, key] */
  qn_tape score;    /* inputs: the sum, then the extras; f32 */
  qn_tape weight;   /* inputs: s, m; f32, and with `codes` the code */
  qn_tape epilogue; /* inputs: o, l; of type y_mem */
} qn_attention_plan;

typedef struct qn_kernel_plan {
  qn_kernel_kind kind;
  const qn_isa *isa;
  char name[64];           /* "gemm_ui8_i8_f32_1f0c..": a C identifier, equal for equal plans */
  uint64_t hash;           /* of everything below and the ISA row */
  uint64_t check;          /* the same from another seed: both together stand for the plan where plans are compared */
  const char *slow_reason; /* why a faster form does not apply; null */
  const char *notes;       /* what was found out about the operands: "sparsity: .."; null */
  char fused[160];         /* what prologue and epilogue do, for people: "bias, relu, requantize" */
  char tile[48];           /* for people: "6x64 k4n64"; empty when there is none */
  char tuned[112];         /* what quern.choice says, "rows=8 panel=48"; empty when it says nothing */
  uint32_t parts;          /* of the work for each thread; no part of the code */
  qn_tuned product;        /* what a tuning file calls it, with what is chosen; kind 0 when it is no product */
  qn_place place;          /* of the op, strings in the arena */
  union {
    qn_gemm_plan gemm;
    qn_loop_plan loop;
    qn_pack_plan pack;
    qn_block_rows_plan block_rows;
    qn_block_plan block;
    qn_attention_plan attention;
  } u;
} qn_kernel_plan;

/* STREAM, of MAP and ROW: as MAIN, but what it writes passes by the caches, where a row's elements lie one after the
 * other; rows of at most QN_STREAM_ROW bytes (ROW). */
typedef enum qn_body_part {
  QN_PART_MAIN,
  QN_PART_TILES,
  QN_PART_PROLOGUE,
  QN_PART_ATTENTION,
  QN_PART_STREAM
} qn_body_part;
enum { QN_STREAM_ROW = 32768 };

/* One function to generate. */
typedef struct qn_body {
  const qn_kernel_plan *plan;
  qn_body_part part;
  uint32_t rows;   /* PART_TILES, PART_ATTENTION: the tile height */
  char symbol[80]; /* C identifier, unique within a program: name plus part and height */
} qn_body;

/* Plans a kern op for an ISA row. Errors (a type or op that no kernel can do) are diagnostics at the op. `out` and all
 * it points to live in the arena. */
qn_status qn__kernel_plan(qn_module *m, qn_op op, const qn_isa *isa, qn_arena *arena, qn_kernel_plan *out);
/* The plan of an op that is equal to the one `like` was made for (memo.h), in the same arena. */
qn_status qn__kernel_plan_again(const qn_module *m, qn_op op, const qn_kernel_plan *like, qn_arena *arena,
                                qn_kernel_plan *out);

/* How M rows are cut into tiles: at most two heights, tallest first, so that no tile is much shorter than the others
 * (16 rows of tiles up to 6: 1 x 6 and 2 x 5). counts are numbers of tiles; heights[1] may be 0. For M <= 0 all 0. */
typedef struct qn_row_split {
  uint32_t heights[2];
  int64_t counts[2];
} qn_row_split;
qn_row_split qn__row_split(int64_t m, uint32_t tallest);
/* The first row of a tile; M for the one after the last. */
int64_t qn__row_of_tile(const qn_row_split *s, int64_t tile);

/* ---- cost.c ---- */
/* Columns of the last of the panels for n columns, in whole vectors, where its others need not be multiplied; 0: all
 * are, or n is not known. */
uint32_t qn__last_panel(const qn_isa *isa, const qn_layout *layout, qn_scalar acc, int64_t n);
/* Columns behind the last whole vector that are multiplied along K, of m rows of k; sizes QN_DYNAMIC where they are not
 * known. 0: none, or that would not be faster. */
uint32_t qn__side_columns(const qn_isa *isa, const qn_layout *layout, qn_scalar lhs, qn_scalar acc, int64_t m,
                          int64_t n, int64_t k);
/* Whether kernels are made for a layout, given the row's own for these types: that one, or a narrower one. */
bool qn__layout_is_own(const qn_isa *isa, const qn_layout *layout, const qn_layout *own, qn_scalar acc);
/* The tallest tile over panels of a layout, where it is `rows` over the row's own. */
uint32_t qn__tallest_tile(const qn_isa *isa, const qn_layout *layout, const qn_layout *own, qn_scalar acc,
                          uint32_t rows);
#endif
