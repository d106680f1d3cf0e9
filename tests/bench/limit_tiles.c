/* A large product with nothing around it: tiles of 6 x 64 (5 and 4 rows where M asks for them), u8 x s8, from memory
 * laid out as the fastest kernels want it; then scaled, biased, limited and stored. Nothing is checked, only whole
 * panels and turns are possible, and B's bytes are in any order, since only the time counts: as many dots, loads,
 * operations of the epilogue and stores as such a product takes at least, with operands from the caches in which they
 * lie and results to theirs. */
#include "bench.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)

enum {
  COLUMNS = 64, /* of a panel */
  TURN = 16,    /* of k: four blocks */
  FETCHES = 2,  /* of a line of the next panel, and of the next tile's rows, in a turn */
  MOST_ROWS = 6,
  LEAST_ROWS = 4,
  KEPT = 1 << 20,  /* bytes of A that stay in the second level while panels pass by */
  PIECE = 4096,    /* of k at once: a panel's part stays there beside it, and the next part comes */
  LEAST_TURNS = 12 /* of a piece: some beside each row of results that is fetched */
};

/* Where a tile's operands are. `first` turns, then so many as `round` beside each row of results that is fetched. Sums
 * start from `start` or, where that is null, are loaded; they become results, or where `columns` is null, are stored.
 */
typedef struct walk {
  const char *a, *b, *ahead, *next_a, *start, *columns;
  char *y, *sums;
  long a_pitch, y_pitch, ahead_step, next_a_step, first, round, width;
} walk;

/* clang-format off */

/* A field of the walk, to a register or back. */
#  define GET(field, reg) "movq %c[" #field "](%%rdi), %%" #reg "\n"
#  define PUT(field, reg) "movq %%" #reg ", %c[" #field "](%%rdi)\n"
#  define IF_ZERO(field, to) "cmpq $0, %c[" #field "](%%rdi)\nje " to "\n"

/* A block: 64 columns, and each row's part of them. Rows in threes, from %r8 and %r10 on. */
#  define COLUMNS_AT(b)                                                                                                \
    "vmovdqa64 " b "(%%rsi), %%zmm24\nvmovdqa64 64+" b "(%%rsi), %%zmm25\n"                                            \
    "vmovdqa64 128+" b "(%%rsi), %%zmm26\nvmovdqa64 192+" b "(%%rsi), %%zmm27\n"
#  define DOTS(row, c0, c1, c2, c3)                                                                                    \
    "vpbroadcastd " row ", %%zmm28\n"                                                                                  \
    "vpdpbusd %%zmm24, %%zmm28, %%zmm" #c0 "\nvpdpbusd %%zmm25, %%zmm28, %%zmm" #c1 "\n"                               \
    "vpdpbusd %%zmm26, %%zmm28, %%zmm" #c2 "\nvpdpbusd %%zmm27, %%zmm28, %%zmm" #c3 "\n"
#  define BLOCK_4(b, a)                                                                                                \
    COLUMNS_AT(b) DOTS(a "(%%r8)", 0, 1, 2, 3) DOTS(a "(%%r8,%%r9)", 4, 5, 6, 7)                                       \
    DOTS(a "(%%r8,%%r9,2)", 8, 9, 10, 11) DOTS(a "(%%r10)", 12, 13, 14, 15)
#  define BLOCK_5(b, a) BLOCK_4(b, a) DOTS(a "(%%r10,%%r9)", 16, 17, 18, 19)
#  define BLOCK_6(b, a) BLOCK_5(b, a) DOTS(a "(%%r10,%%r9,2)", 20, 21, 22, 23)
#  define FETCH "prefetcht1 (%%r11)\naddq %%r12, %%r11\nprefetcht0 (%%rax)\naddq %%r13, %%rax\n"
#  define FOUR_OF(BLOCK)                                                                                               \
    FETCH BLOCK("0", "0") BLOCK("256", "4") FETCH BLOCK("512", "8") BLOCK("768", "12")                                 \
    "addq $1024, %%rsi\naddq $16, %%r8\naddq $16, %%r10\n"

/* What is said of each row of a tile, by its four sums. */
#  define ROWS_4(X) X(0, 1, 2, 3) X(4, 5, 6, 7) X(8, 9, 10, 11) X(12, 13, 14, 15)
#  define ROWS_5(X) ROWS_4(X) X(16, 17, 18, 19)
#  define ROWS_6(X) ROWS_5(X) X(20, 21, 22, 23)

#  define LOAD(c0, c1, c2, c3)                                                                                         \
    "vmovdqu64 (%%rcx), %%zmm" #c0 "\nvmovdqu64 64(%%rcx), %%zmm" #c1 "\n"                                             \
    "vmovdqu64 128(%%rcx), %%zmm" #c2 "\nvmovdqu64 192(%%rcx), %%zmm" #c3 "\naddq $256, %%rcx\n"
#  define STORE(c0, c1, c2, c3)                                                                                        \
    "vmovdqu64 %%zmm" #c0 ", (%%rcx)\nvmovdqu64 %%zmm" #c1 ", 64(%%rcx)\n"                                             \
    "vmovdqu64 %%zmm" #c2 ", 128(%%rcx)\nvmovdqu64 %%zmm" #c3 ", 192(%%rcx)\naddq $256, %%rcx\n"
#  define COPY(c0, c1, c2, c3)                                                                                         \
    "vmovdqa64 %%zmm0, %%zmm" #c0 "\nvmovdqa64 %%zmm1, %%zmm" #c1 "\n"                                                 \
    "vmovdqa64 %%zmm2, %%zmm" #c2 "\nvmovdqa64 %%zmm3, %%zmm" #c3 "\n"

/* An operation on a row's sums: on each alone, with values by column, with a constant. */
#  define ALONE(op, c0, c1, c2, c3)                                                                                    \
    op " %%zmm" #c0 ", %%zmm" #c0 "\n" op " %%zmm" #c1 ", %%zmm" #c1 "\n"                                              \
    op " %%zmm" #c2 ", %%zmm" #c2 "\n" op " %%zmm" #c3 ", %%zmm" #c3 "\n"
#  define BY_COLUMN(op, from, c0, c1, c2, c3)                                                                          \
    op " (" from "), %%zmm" #c0 ", %%zmm" #c0 "\n" op " 64(" from "), %%zmm" #c1 ", %%zmm" #c1 "\n"                    \
    op " 128(" from "), %%zmm" #c2 ", %%zmm" #c2 "\n" op " 192(" from "), %%zmm" #c3 ", %%zmm" #c3 "\n"
#  define WITH_ZERO(op, c0, c1, c2, c3)                                                                                \
    op " %%zmm29, %%zmm" #c0 ", %%zmm" #c0 "\n" op " %%zmm29, %%zmm" #c1 ", %%zmm" #c1 "\n"                            \
    op " %%zmm29, %%zmm" #c2 ", %%zmm" #c2 "\n" op " %%zmm29, %%zmm" #c3 ", %%zmm" #c3 "\n"
/* y = max(sum * scale + bias, 0) */
#  define FLOATS(c0, c1, c2, c3)                                                                                       \
    ALONE("vcvtdq2ps", c0, c1, c2, c3) BY_COLUMN("vmulps", "%%rdx", c0, c1, c2, c3)                                    \
    BY_COLUMN("vaddps", "%%rdx,%%r13", c0, c1, c2, c3) WITH_ZERO("vmaxps", c0, c1, c2, c3)                             \
    "vmovups %%zmm" #c0 ", (%%r15)\nvmovups %%zmm" #c1 ", 64(%%r15)\n"                                                 \
    "vmovups %%zmm" #c2 ", 128(%%r15)\nvmovups %%zmm" #c3 ", 192(%%r15)\naddq %%r14, %%r15\n"
/* y = sum * scale, to the nearest of 0..255; the bias is what sums start from. */
#  define CODES(c0, c1, c2, c3)                                                                                        \
    ALONE("vcvtdq2ps", c0, c1, c2, c3) BY_COLUMN("vmulps", "%%rdx", c0, c1, c2, c3)                                    \
    ALONE("vcvtps2dq", c0, c1, c2, c3)                                                                                 \
    "vpackssdw %%zmm" #c1 ", %%zmm" #c0 ", %%zmm" #c0 "\nvpackssdw %%zmm" #c3 ", %%zmm" #c2 ", %%zmm" #c2 "\n"         \
    "vpackuswb %%zmm" #c2 ", %%zmm" #c0 ", %%zmm" #c0 "\nvpermd %%zmm" #c0 ", %%zmm29, %%zmm" #c0 "\n"                 \
    "vmovdqu64 %%zmm" #c0 ", (%%r15)\naddq %%r14, %%r15\n"

#  define A_LINE    "prefetchw (%%r15)\naddq %%r14, %%r15\n"
#  define FOUR_LINES "prefetchw 64(%%r15)\nprefetchw 128(%%r15)\nprefetchw 192(%%r15)\n" A_LINE

#  define SUMS                                                                                                         \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12",         \
    "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23"
#  define FIELD(name) [name] "i"(offsetof(walk, name))

/* One tile over a piece of K, from the columns' own start or from what the piece before left. Rows of results are
 * fetched one after the other while it is multiplied. */
#  define TILE(name, rows, BLOCK, ROWS, LINES, RESULTS)                                                                \
    __attribute__((target("avx512f,avx512bw,avx512vnni"))) static void name(walk *w) {                                 \
      __asm__ volatile(                                                                                                \
        GET(start, rcx) IF_ZERO(start, "1f") LOAD(0, 1, 2, 3) ROWS(COPY) "jmp 2f\n"                                    \
        "1:" GET(sums, rcx) ROWS(LOAD) "2:"                                                                            \
        GET(a, r8) GET(a_pitch, r9) "leaq (%%r8,%%r9,2), %%r10\naddq %%r9, %%r10\n" GET(b, rsi)                        \
        GET(ahead, r11) GET(ahead_step, r12) GET(next_a, rax) GET(next_a_step, r13)                                    \
        GET(y, r15) GET(y_pitch, r14) GET(first, rcx) "movl $" #rows ", %%ebx\n"                                       \
        ".p2align 5\n3:" FOUR_OF(BLOCK) "decq %%rcx\njne 3b\n"                                                         \
        LINES GET(round, rcx) "decl %%ebx\njns 3b\n" PUT(ahead, r11)                                                   \
        IF_ZERO(columns, "4f") GET(columns, rdx) GET(width, r13) GET(y, r15)                                           \
        "vpxord %%zmm29, %%zmm29, %%zmm29\n" ROWS(RESULTS) "jmp 5f\n"                                                  \
        "4:" GET(sums, rcx) ROWS(STORE) "5:\n"                                                                         \
        : : "D"(w), FIELD(a), FIELD(b), FIELD(ahead), FIELD(next_a), FIELD(start), FIELD(columns), FIELD(y),           \
            FIELD(sums), FIELD(a_pitch), FIELD(y_pitch), FIELD(ahead_step), FIELD(next_a_step), FIELD(first),          \
            FIELD(round), FIELD(width)                                                                                 \
        : SUMS, "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9",   \
          "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");                                                   \
    }
TILE(floats_4, 4, BLOCK_4, ROWS_4, FOUR_LINES, FLOATS)
TILE(floats_5, 5, BLOCK_5, ROWS_5, FOUR_LINES, FLOATS)
TILE(floats_6, 6, BLOCK_6, ROWS_6, FOUR_LINES, FLOATS)
TILE(codes_4, 4, BLOCK_4, ROWS_4, A_LINE, CODES)
TILE(codes_5, 5, BLOCK_5, ROWS_5, A_LINE, CODES)
TILE(codes_6, 6, BLOCK_6, ROWS_6, A_LINE, CODES)
/* clang-format on */

typedef void (*tile)(walk *w);

/* What tiles of a height have in common, over a piece of K. */
typedef struct form {
  tile tile;
  long first, round, ahead_step, next_a_step;
} form;

typedef struct tiles {
  long m, n, k, piece, block;
  long y_bytes; /* of an element */
  form forms[MOST_ROWS + 1];
  char *a, *b, *y, *columns, *sums; /* columns: starts, scales, then biases */
} tiles;

/* Of the next tile, of as few as there can be and of about equal ones. */
static long height(long left) {
  long count = (left + MOST_ROWS - 1) / MOST_ROWS;
  return (left + count - 1) / count;
}

/* A panel's piece of K times a block of rows; the next piece, and the tile below, come nearer meanwhile. */
static void panel_piece(const tiles *t, long row, long panel, long at) {
  const long end = row + t->block < t->m ? row + t->block : t->m;
  const char *a = t->a + row * t->k + at, *columns = t->columns + panel * COLUMNS * 4;
  walk w = {.a = a, .a_pitch = t->k, .b = t->b + panel * COLUMNS * t->k + at * COLUMNS};
  w.ahead = w.b + t->piece * COLUMNS;
  w.y = t->y + (row * t->n + panel * COLUMNS) * t->y_bytes, w.y_pitch = t->n * t->y_bytes;
  w.columns = at + t->piece == t->k ? columns + t->n * 4 : NULL, w.width = t->n * 4;
  w.start = at ? NULL : columns, w.sums = t->sums;
  for (long left = end - row, rows; left; left -= rows) {
    rows = height(left);
    const form *f = &t->forms[rows];
    w.a = a, a += rows * t->k;
    w.next_a = left > rows ? a : t->a + row * t->k + at;
    w.first = f->first, w.round = f->round, w.ahead_step = f->ahead_step, w.next_a_step = f->next_a_step;
    f->tile(&w);
    w.y += rows * w.y_pitch, w.sums += rows * COLUMNS * 4;
  }
}

static void tiles_run(void *state) {
  const tiles *t = state;
  for (long row = 0; row < t->m; row += t->block)
    for (long panel = 0; panel < t->n / COLUMNS; panel++)
      for (long at = 0; at < t->k; at += t->piece) panel_piece(t, row, panel, at);
}

static void tiles_destroy(void *state) {
  tiles *t = state;
  free(t->a), free(t->b), free(t->y), free(t->columns), free(t->sums);
  free(t);
}

/* `room` bytes that begin with as many of the product's own as there are. */
static char *filled(int64_t room, const void *from, int64_t bytes) {
  char *p = big_alloc((size_t)room);
  memset(p, 0, (size_t)room);
  if (bytes) memcpy(p, from, (size_t)bytes);
  return p;
}

static void choose_forms(tiles *t, bool floats) {
  static const tile to_floats[MOST_ROWS + 1] = {[4] = floats_4, [5] = floats_5, [6] = floats_6};
  static const tile to_codes[MOST_ROWS + 1] = {[4] = codes_4, [5] = codes_5, [6] = codes_6};
  long turns = t->piece / TURN;
  for (long rows = LEAST_ROWS; rows <= MOST_ROWS; rows++) {
    form *f = &t->forms[rows];
    f->tile = (floats ? to_floats : to_codes)[rows];
    f->round = turns / (2 * rows), f->first = turns - rows * f->round;
    f->ahead_step = (rows * COLUMNS * TURN / FETCHES + t->block - 1) / t->block;
    f->next_a_step = rows * TURN / FETCHES;
  }
}

/* Pieces of K, blocks of M; false where something would be left that is no turn, or rows for no tile. */
static bool choose_sizes(tiles *t) {
  long blocks = (t->m * t->k + KEPT - 1) / KEPT;
  t->piece = t->k;
  while (t->piece > PIECE && t->piece % (2 * TURN) == 0) t->piece /= 2;
  t->block = ((t->m + blocks - 1) / blocks + MOST_ROWS - 1) / MOST_ROWS * MOST_ROWS;
  return t->n % COLUMNS == 0 && t->piece % TURN == 0 && t->piece >= LEAST_TURNS * TURN &&
         (t->m - 1) % t->block + 1 >= 3 * LEAST_ROWS;
}

bool limit_tiles(const options *o, const product *p, contender *out) {
  tiles t = {.m = (long)p->m, .n = (long)p->n, .k = (long)p->k};
  if (!wide_row(o, QN_ISA_DOT8) || !choose_sizes(&t)) return false;
  tiles *state = malloc(sizeof t);
  if (!state) return false;
  t.y_bytes = (long)qn_scalar_bytes(p->y_type, 1);
  choose_forms(&t, p->y_type == QN_F32);
  t.a = filled(t.m * t.k, p->a, t.m * t.k);
  t.b = filled((t.n + COLUMNS) * t.k, p->b, t.n * t.k); /* one more panel is fetched */
  t.y = filled(t.m * t.n * t.y_bytes, NULL, 0), t.sums = filled(t.block * COLUMNS * 4, NULL, 0);
  t.columns = filled(t.n * 12, p->bias_i32, t.n * 4);
  memcpy(t.columns + t.n * 4, p->b_scales, (size_t)t.n * 4);
  memcpy(t.columns + t.n * 8, p->bias, (size_t)t.n * 4);
  *state = t;
  *out = (contender){"limit", state, tiles_run, NULL, tiles_destroy};
  return true;
}

#else
bool limit_tiles(const options *o, const product *p, contender *out) {
  (void)o, (void)p, (void)out;
  return false;
}
#endif
