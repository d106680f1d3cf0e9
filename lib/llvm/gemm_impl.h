/* What gemm.c (loops) and gemm_sums.c (one tile's sums) share. */
#ifndef QN_LL_GEMM_IMPL_H
#define QN_LL_GEMM_IMPL_H
#include "tile.h"

/* What a tile fetches before it is needed (gemm_fetch.c). */
typedef struct gemm_fetch {
  bool some;                      /* the tile fetches anything */
  LLVMValueRef ahead, ahead_step; /* of the next panel, and how much further per block; null for nothing */
  LLVMValueRef row_bytes;         /* of the next panel that each row fetches */
  LLVMValueRef blocks_part;       /* 2^32 over the blocks of K */
  int64_t block_bytes;            /* of a panel */
  LLVMValueRef a, a_step;         /* the next tile's rows, and how much further per block; null step for nothing */
  LLVMValueRef y, y_stride;       /* the tile's part of Y */
  LLVMValueRef y_step;            /* its rows per block, times 65536 */
  uint32_t y_bytes;               /* of a row */
  LLVMValueRef alone;             /* all rows are one tile; null where there are always several */
  LLVMValueRef far; /* the weights are so many that they lie in no cache; null where that does not matter */
  LLVMValueRef few; /* there are few tiles, and panels are taken in short pieces; null where they are not cut */
} gemm_fetch;

/* Pieces of K (gemm_pieces.c). */
typedef struct gemm_pieces {
  bool some;                 /* the body can cut K */
  LLVMValueRef cut, few;     /* whether it does; and because the tiles are few */
  LLVMValueRef blocks;       /* of a piece */
  LLVMValueRef count;        /* of positions in one, of windows */
  LLVMValueRef from, to;     /* blocks of the piece at hand */
  LLVMValueRef positions;    /* of a window that are in it, a bit each; null where there are no pads */
  LLVMValueRef k_size;       /* its part of K */
  LLVMValueRef first, last;  /* whether it is */
  LLVMValueRef waiting;      /* memory: sums of the rows from `begin` on */
  LLVMValueRef begin, pitch; /* pitch: bytes from row to row, 0 where K is not cut */
  LLVMValueRef start_pitch;  /* from row to row of what sums start from */
  uint32_t most_tiles;       /* of a block of rows where K is cut */
} gemm_pieces;

/* Where windows are (gemm_places.c). */
enum { GEMM_PLACES = 768 };
/* Parts of the table, each with 8 bytes a row: bytes from the image to the window; with pads a bit for each position
 * that is inside, and the row of Y. */
enum { GEMM_BEGINS = 0, GEMM_INSIDE = GEMM_PLACES * 8, GEMM_RESULT = 2 * GEMM_PLACES * 8 };
typedef struct gemm_places {
  bool some;
  bool pads;            /* windows reach over their image */
  bool in_order;        /* rows are wanted in their own order: said before places are made */
  bool skips;           /* positions that are outside for all rows of a tile are left out */
  LLVMValueRef fn;      /* notes the places of a block's rows */
  LLVMValueRef table;   /* memory: of each row, in three parts of GEMM_PLACES, see gemm_places.c */
  LLVMValueRef outside; /* memory: a position of the border */
} gemm_places;

/* Where the tile at hand is, from its panel's first column on: moved from tile to tile, since computing it anew for
 * each takes as long as a short product. Null where there is no such thing. */
typedef struct gemm_place {
  LLVMValueRef a, b, sums, ahead, y, place;
} gemm_place;

struct gemm_sums;
typedef struct gemm_state {
  qn_ll *g;
  const qn_gemm_plan *plan;
  const qn_body *body;
  qn_ll_tile tile;
  LLVMValueRef epilogue; /* function */
  LLVMValueRef a, b;     /* the matrices; in the function of a tile's sums, what is said there */
  LLVMValueRef a_stride, b_stride;
  uint32_t at_once;                     /* panels, where there are enough of them */
  LLVMValueRef full_blocks, all_blocks; /* of K (or a segment), without and with the last, partial one */
  LLVMValueRef image[12];               /* of a window: size[3] to size[11] by their numbers */
  LLVMValueRef row, panel, column;      /* first of the tile */
  LLVMValueRef start;                   /* memory that sums start from; null: at zero */
  LLVMValueRef start_pitch;             /* from row to row of it; null: all rows start from the same */
  LLVMValueRef sums;                    /* memory that they are left in, row by row */
  LLVMValueRef kept;                    /* memory of what the function of a tile's sums finds there */
  LLVMValueRef zeros;                   /* of a block of a panel, and of a row of its sums */
  gemm_fetch fetch;
  gemm_pieces pieces;
  gemm_places places;
  LLVMValueRef place; /* of the tile's first row in the table of places */
  gemm_place at;
  const struct gemm_sums *within; /* the function that is being written */
} gemm_state;

/* Sums of a tile, as a function for tiles of one shape: apart from the loops around it, which need registers of their
 * own, it is compiled in half the time. It is given what changes from tile to tile, and finds the rest in memory. */
enum { GEMM_MOST = 16 };
typedef struct gemm_sums {
  LLVMValueRef fn;
  LLVMTypeRef type;
  bool starts; /* from s->start */
  uint32_t num_given, num_kept;
  LLVMValueRef *given[GEMM_MOST], *kept[GEMM_MOST]; /* fields of the state */
} gemm_sums;

/* Of the fewest tiles of `rows` rows, and of one less, that cover `count` rows: how many are tall; *tiles, all. */
LLVMValueRef qn__ll_gemm_tall(qn_ll *g, LLVMValueRef count, uint32_t rows, LLVMValueRef *tiles);
/* Rows begin .. end-1 in tiles of `rows` rows, all of them or, with low ones, so many; and the first row of one of
 * them, or the end of all. */
typedef struct qn_ll_cut {
  uint32_t rows;
  LLVMValueRef begin, end, tiles, tall;
} qn_ll_cut;
qn_ll_cut qn__ll_cut_rows(qn_ll *g, LLVMValueRef begin, LLVMValueRef end, uint32_t rows, bool low);
LLVMValueRef qn__ll_cut_row(qn_ll *g, const qn_ll_cut *c, LLVMValueRef tile);

/* For tiles of `rows` rows as s->tile is shaped now. */
void qn__ll_gemm_pieces_init(gemm_state *s, uint32_t rows);
/* Calls `rows` for each piece of the panel at hand, to take all rows of a block that begins at `begin`, and so many of
 * its columns. */
void qn__ll_gemm_pieces_loop(gemm_state *s, LLVMValueRef begin, uint32_t columns, void (*rows)(void *user), void *user);
/* What the sums of the tile at hand start from: s->start as it is, or what an earlier piece left. */
void qn__ll_gemm_pieces_aim(gemm_state *s);

/* Before the others: makes what windows need. */
void qn__ll_gemm_places_init(gemm_state *s);
/* Notes the places of rows begin .. end-1, GEMM_PLACES of them at most. */
void qn__ll_gemm_places_note(gemm_state *s, LLVMValueRef begin, LLVMValueRef end);
/* In the function of a tile's sums: its rows, where there are no pads. */
void qn__ll_gemm_places_rows(gemm_state *s);
/* The same with pads: `begin` and then `run` for each position that counts, rows and panels at it. */
void qn__ll_gemm_places_loop(gemm_state *s, void (*begin)(gemm_state *), void (*run)(gemm_state *));
/* With pads: the list of which rows of Y the tile's are. */
LLVMValueRef qn__ll_gemm_places_results(gemm_state *s);
/* The same: positions of the piece of K at hand, a bit each; and memory with how far each is from the first, in bytes.
 */
LLVMValueRef qn__ll_gemm_places_taken(gemm_state *s);
LLVMValueRef qn__ll_gemm_places_offsets(gemm_state *s);

/* For a block of `rows` rows, tiles as tall as `height`, lower ones among them or not. */
void qn__ll_gemm_fetch_block(gemm_state *s, LLVMValueRef rows, uint32_t height, bool mixed);
/* For tiles as s->tile is shaped now. */
void qn__ll_gemm_fetch_shape(gemm_state *s);
/* Into s->at for the tile at s->row, of a block of rows from `begin` on. */
void qn__ll_gemm_fetch_aim(gemm_state *s, LLVMValueRef begin);
/* At `block` of K and as many after it as are handled with it. */
void qn__ll_gemm_fetch(gemm_state *s, LLVMValueRef block, uint32_t blocks, LLVMValueRef ahead);

/* The last columns of a product, plan->side of them, multiplied along K (gemm_side.c). */
typedef struct qn_ll_side {
  LLVMValueRef begin, end;  /* rows */
  LLVMValueRef a, a_stride; /* row 0 of the left side */
  LLVMValueRef b;           /* the first of the columns in its panel */
  LLVMValueRef bytes;       /* of a row */
  LLVMValueRef start;       /* memory: an i32 per column that sums start from */
} qn_ll_side;
/* Calls `results` for some rows after the other, with their sums in memory, plan->side to a row. */
void qn__ll_gemm_side(const qn_ll_tile *tile, const qn_ll_side *s, const char *symbol,
                      void (*results)(void *user, LLVMValueRef row, LLVMValueRef rows, LLVMValueRef sums), void *user);

/* A piece of K of them, as assembly (gemm_side_text.c). */
enum { QN_LL_SIDE_GROUP = 4 }; /* sums whose lanes are added up at once; rows of a tile, or half of them */
typedef struct qn_ll_side_piece {
  uint32_t columns, rows;  /* rows of a tile; rows * columns is a multiple of QN_LL_SIDE_GROUP */
  uint32_t words_apart;    /* columns of a panel */
  int64_t room;            /* bytes from gathered column to gathered column */
  LLVMValueRef columns_at; /* in their panel */
  LLVMValueRef gathered;   /* memory */
  LLVMValueRef length;     /* bytes of K */
  LLVMValueRef whole;      /* of it that are in vectors before the last one */
  LLVMValueRef rows_at, stride, count;
  LLVMValueRef sums;              /* memory, `columns` to a row */
  LLVMValueRef start, start_step; /* what a tile's sums start from; bytes from tile to tile */
} qn_ll_side_piece;
bool qn__ll_side_text_serves(const qn_ll_tile *tile);
void qn__ll_side_columns_text(qn_ll *g, const qn_ll_side_piece *p);
void qn__ll_side_rows_text(const qn_ll_tile *tile, const qn_ll_side_piece *p);

/* The function for tiles as s->tile and s->fetch are shaped (gemm_tile.c). What it finds in memory is stored where it
 * is made: no other shape's tiles may come between that and calls of it. */
gemm_sums qn__ll_gemm_sums_function(gemm_state *s, bool starts);
/* s->at for the tile at s->row of s->panel, of a block of rows from `begin` on, and which of its fields move with rows,
 * by what from tile to tile. */
enum { GEMM_MOVED = 5 };
void qn__ll_gemm_place(gemm_state *s, LLVMValueRef begin);
uint32_t qn__ll_gemm_moved(gemm_state *s, LLVMValueRef *fields[GEMM_MOVED], LLVMValueRef by[GEMM_MOVED]);
/* Calls it for the tile at s->at and s->column. K is not 0, but where there are windows or granules. */
void qn__ll_gemm_sums_call(gemm_state *s, const gemm_sums *f);
/* Where s->column of a panel is. */
LLVMValueRef qn__ll_gemm_columns(gemm_state *s, LLVMValueRef panel);
/* What the function does, into s->sums: rows start at s->a, the panel's columns at s->b, both at the piece of K at
 * hand, which is as long as s->tile.k_size. With windows s->a is the image, with granules s->b the whole of B. */
void qn__ll_gemm_sums(gemm_state *s);

/* The granules of the panel at hand: the list of where they are, four bytes each, how many, and what they hold. */
typedef struct gemm_granules {
  LLVMValueRef list, count, values;
} gemm_granules;
gemm_granules qn__ll_gemm_granules(gemm_state *s);

/* gemm_text.c: K of the rows, or of one segment of them, as assembly, in the function s->within. */
bool qn__ll_gemm_text_serves(const gemm_state *s);
void qn__ll_gemm_text_run(gemm_state *s);
/* The same for all of the function. */
bool qn__ll_gemm_text_is_whole(const gemm_state *s);
void qn__ll_gemm_text_whole(gemm_state *s);
#endif
