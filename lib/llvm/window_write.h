/* What the writers of windows' assembly share: window_text.c, and depthwise_text.c for products of bytes. */
#ifndef QN_LL_WINDOW_WRITE_H
#define QN_LL_WINDOW_WRITE_H
#include "assembly.h"
#include "chain.h"
#include "window.h"

enum { REGISTERS = 32, LINE = 64, VALUES = QN_LL_CHAIN_VALUES, CHANNELS = 512 };

/* What the assembly finds in memory, eight bytes each, and changes there. */
enum field {
  ROWS, /* pixels that are left */
  Y,
  FIRST_COLUMN, /* of the group, of its line of Y, */
  FIRST_LINE,
  LINE_AT,  /* its windows' first line of the image, at column 0, */
  GROUP_AT, /* at the group's first column */
  TOP,      /* the first line of its windows, the first column, in the image */
  LEFT,
  START, /* the same eight, as they are in the beginning */
  Y_PITCH = START + 8,
  COLUMNS,
  LINES,
  LINE_STEP,
  IMAGE_STEP,
  PIXEL_STEP,
  FIRST_TOP, /* of windows of line 0 */
  HEIGHT,    /* of the image */
  WIDTH,
  DOWN, /* bytes from line to line of a window, from column to column of the image */
  COLUMN,
  WEIGHTS,
  TAP, /* bytes from weight to weight, or where prepared weights are */
  OUTSIDE,
  CHANNELS_LEFT,
  COUNT,     /* pixels of the group */
  BEFORE,    /* columns that its windows see before the image begins, */
  READABLE,  /* and how many follow that may be read */
  VALUES_AT, /* values by column */
  PACKED,    /* which chain of bytes */
  SCALAR,
  ROW_VALUE = SCALAR + 2 * VALUES, /* of the first chain: address and stride */
  FIELDS = ROW_VALUE + 2 * VALUES
};
enum {
  AT_GROUP = 1,
  AT_CHANNELS,
  AT_LINE,
  AT_SOME,
  AT_LINE_END,
  AT_STORED,
  AT_NEXT_LINE,
  AT_CHANNELS_END,
  AT_PIXELS_END,
  AT_OTHER,
  AT_SMALL,
  AT_PANEL,
  AT_END
};

typedef struct text {
  qn_ll *g;
  const qn_gemm_plan *plan;
  qn_ll_assembly code;
  qn_ll_chains all;
  void (*channels)(struct text *t); /* writes what is done with the channels of a group of pixels */
  uint32_t pixels, vectors, lanes, sums;
  bool pads, keys, weights, masks;
  char kind;                          /* the letter of vector registers, of products of bytes */
  uint32_t vector_bytes, at_once;     /* of products of bytes; pixels whose channels a vector has */
  int64_t size, y_size, weight_bytes; /* of an element, of a channel's weights up to the next one's */
  int64_t value_bytes;                /* of what a chain's steps take beside the sums */
  LLVMValueRef fields, table;
  LLVMValueRef prepared; /* memory for weights, of products of bytes; else null */
  LLVMValueRef epilogue; /* of parked sums, where it is known already */
  LLVMValueRef *base, *stride;
  qn_ll_place *places;
} text;

#define TEXT(...) qn__buf_fmt(&t->code.text, __VA_ARGS__)

static inline void load(text *t, enum field f, const char *reg) {
  TEXT("movq %d(%%rdi), %%%s\n", 8 * (int)f, reg);
}

static inline void store(text *t, const char *reg, enum field f) {
  TEXT("movq %%%s, %d(%%rdi)\n", reg, 8 * (int)f);
}

static inline void add(text *t, const char *reg, enum field f) {
  TEXT("addq %%%s, %d(%%rdi)\n", reg, 8 * (int)f);
}

static inline void label(text *t, int n) {
  TEXT("%d:\n", n);
}

/* window_text.c. Masks of what channels there are, from r10 on, in k1 and those after it. */
void qn__ll_window_masks(text *t);
/* Columns that the windows of so many pixels see. */
int64_t qn__ll_window_columns(const text *t, uint32_t pixels);
/* rax, which stands at a column of the line that r8 stands at the begin of, goes to another; changes rcx. */
void qn__ll_window_go(text *t, int64_t *at, int64_t to);
/* To rcx the address of column c, where rax stands (or of the column after that one), or of what is outside the image
 * (rsi) if it is not one of those that may be read, as rbx says of the line. */
void qn__ll_window_find(text *t, int64_t c, bool next);
/* Goes to a label unless all columns that the windows of so many pixels see may be read. */
void qn__ll_window_unless_all(text *t, uint32_t pixels, int to);
/* All groups of pixels, from the fields as they are. */
void qn__ll_window_groups(text *t);
/* The body, whose assembly is `write`; the chains are known, others of its fields are set. Values by column stand in
 * their order, or as sums of panels of so many channels stand `apart`. */
void qn__ll_window_body(text *t, const window_tile *w, const qn_body *body, void (*write)(text *t), uint32_t apart);
/* What such a body is made of: memory for fields, those that are the same for all channels and pixels, those of so many
 * pixels that begin with pixel `begin`, from channel `first` on, whose results lie at `y`; the function. */
void qn__ll_window_fields(text *t, const window_tile *w);
void qn__ll_window_start(text *t, const window_tile *w, LLVMValueRef first, LLVMValueRef begin, LLVMValueRef rows,
                         LLVMValueRef y);
LLVMValueRef qn__ll_window_function(text *t, const qn_body *body, void (*write)(text *t));
void qn__ll_window_call(text *t, LLVMValueRef fn);
static inline void set(text *t, int f, LLVMValueRef v) {
  LLVMBuildStore(t->g->b, v, qn__ll_gep_const(t->g, t->fields, (int64_t)f * 8));
}
/* window_values.c: values by column of all chains; sets those of `count` channels from `first` on. */
uint32_t qn__ll_window_values(const text *t);
void qn__ll_window_set_values(text *t, LLVMValueRef first, LLVMValueRef count, uint32_t apart);
/* window_parked.c: the body where there is no chain, for up to `most` channels at a time, a multiple of `least` of
 * them, which is a power of two; `write` leaves sums, and finds PACKED not to be 0 when it has not been called for
 * these channels before. */
void qn__ll_window_parked(text *t, const window_tile *w, const qn_body *body, void (*write)(text *t), uint32_t least,
                          uint32_t most);
/* Finds chains; false when memory runs out. */
bool qn__ll_window_chains(text *t, bool *found);
#endif
