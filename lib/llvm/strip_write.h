/* What the writers of a strip's assembly share: strip_text.c, strip_window.c for windows, strip_few.c for few
 * rows. */
#ifndef QN_LL_STRIP_WRITE_H
#define QN_LL_STRIP_WRITE_H
#include "strip.h"

enum { QN_STRIP_LINE = 64 }; /* bytes of a vector */
enum { LABEL_TILE = 1, LABEL_RESUME, LABEL_BEGUN, LABEL_SUMMED, LABEL_NEXT, LABEL_OTHER, LABEL_END, LABEL_REST };
enum { LABEL_MODE = 10, LABELS_MODE = 10, ENTRY = 0, ROUND, TURN, ENOUGH }; /* of each mode, from a number on */
enum { LABEL_ONE = LABEL_MODE + LABELS_MODE * QN_STRIP_MODES, LABEL_NONE, LABEL_NO_TAIL };
enum { LABEL_AGAIN = LABEL_NO_TAIL + 1, LABEL_SEGMENT, LABEL_LINE, LABEL_SAME, LABEL_SEGMENTS_END };
enum { LABEL_FEW = LABEL_SEGMENTS_END + 1, LABEL_FEW_LAST };

typedef struct writer {
  const qn_ll_strip *s;
  const qn_ll_wording *words;
  qn_ll_assembly code;
  uint32_t rows, vectors, sums, first_spread, spreads, next_spread;
  uint32_t all;             /* sums, of all copies */
  int64_t a_block, b_block; /* bytes */
} writer;

#define TEXT(...) qn__buf_fmt(&w->code.text, __VA_ARGS__)

static inline void load_field(writer *w, qn_ll_strip_field f, const char *reg) {
  TEXT("movq %d(%%rdi), %%%s\n", 8 * (int)f, reg);
}

static inline void store_field(writer *w, const char *reg, qn_ll_strip_field f) {
  TEXT("movq %%%s, %d(%%rdi)\n", reg, 8 * (int)f);
}

static inline void add_field(writer *w, const char *reg, qn_ll_strip_field f) {
  TEXT("addq %%%s, %d(%%rdi)\n", reg, 8 * (int)f);
}

static inline void if_field(writer *w, qn_ll_strip_field f, int is, const char *jump, int label) {
  TEXT("cmpq $$%d, %d(%%rdi)\n%s %df\n", is, 8 * (int)f, jump, label);
}

static inline void label(writer *w, int n) {
  TEXT("%d:\n", n);
}

/* strip_text.c: turns over K, as many as rcx says, none possible, which fetch what is to be in `mode`; blocks that are
 * no turn, and the partial one. */
void qn__ll_strip_turns(writer *w, qn_ll_strip_mode mode);
void qn__ll_strip_rest(writer *w);
void qn__ll_strip_advance(writer *w, uint32_t blocks);

/* What a block consists of: the panel's part of it, then each row's, multiplied with that. */
void qn__ll_strip_columns(writer *w, uint32_t j);
void qn__ll_strip_row(writer *w, uint32_t j, uint32_t row);
/* So many blocks, and on to the next. */
void qn__ll_strip_blocks(writer *w, uint32_t count);
/* To where a row's sums wait. */
void qn__ll_strip_leave_row(writer *w, uint32_t row);

/* strip_few.c: K of the tile; sums that are not to become results are left in memory. */
void qn__ll_strip_few_begin(writer *w);
void qn__ll_strip_few_end(writer *w);
void qn__ll_strip_few_sums(writer *w);

/* strip_window.c, of windows and granules. Row's base is in a register, or is to be loaded into rax before. */
void qn__ll_strip_window_begin(writer *w);
void qn__ll_strip_window_row(writer *w, uint32_t row);
void qn__ll_strip_window_operand(writer *w, uint32_t row, int64_t offset);
/* All segments of the tile; where some are left out, the tile is begun again if a sum is -0. */
void qn__ll_strip_window_sums(writer *w);
/* The address of panel p's blocks; what those after the first have is to be set when the first one's is. */
const char *qn__ll_strip_panel(uint32_t p);
/* Granules: the tile's rows, before what its sums start from; and all of them. */
void qn__ll_strip_granules_begin(writer *w);
void qn__ll_strip_granules_sums(writer *w);
/* With pads: before a row's results, where they are, in rax, and the values by row of a chain. */
void qn__ll_strip_window_result(writer *w, uint32_t chain, uint32_t row);
#endif
