/* Sixteen rows over weights that a second-level cache does not hold, with nothing around the product: tiles of 8 rows x
 * 32 columns, u8 x s8. K is taken in pieces, each of which both tiles find in the first level, since they fetch the
 * next one together; sums wait between pieces. Rows lie close together, weights in the order in which they are read. As
 * in limit_tiles.c only the time counts. Of what was tried (one vector of columns for all 16 rows, which needs no
 * pieces; panels of 64 in halves; shorter and longer pieces; fetching into the second level first) nothing is faster.
 */
#include "bench.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)

enum {
  ROWS = 8,          /* of a tile, */
  TILES = 2,         /* of which there are two */
  COLUMNS = 32,      /* of a panel */
  BLOCK_BYTES = 128, /* of a panel to four of k */
  TURN = 8,          /* blocks */
  MOST_BLOCKS = 128, /* of a piece: 16 KB, and 8 KB of sixteen rows */
  LEAST_BLOCKS = 64,
  SUM_BYTES = 1024,       /* of a tile */
  SECOND_LEVEL = 2 << 20, /* bytes that it may hold */
  PAST_THE_END = 64 << 10 /* bytes that are fetched behind the last panel */
};

/* Where a tile's operands are, and what it fetches to read and to write. Sums start from `start` or, where that is
 * null, are loaded; they become results, or where `columns` is null, are stored. */
typedef struct walk {
  const char *a, *b, *near, *start, *columns;
  char *y, *sums, *fetched;
  long a_pitch, y_pitch, fetched_pitch, turns, width;
} walk;

/* clang-format off */
#  define GET(field, reg) "movq %c[" #field "](%%rdi), %%" #reg "\n"
#  define IF_ZERO(field, to) "cmpq $0, %c[" #field "](%%rdi)\nje " to "\n"

/* Columns of a block, and rows' parts of it: rows in threes, from %r8, %r10 and %r11 on. */
#  define COLUMNS_AT(b) "vmovdqa64 " b "(%%rsi), %%zmm16\nvmovdqa64 64+" b "(%%rsi), %%zmm17\n"
#  define DOTS(row, spread, c0, c1)                                                                                    \
    "vpbroadcastd " row ", %%zmm" #spread "\n"                                                                         \
    "vpdpbusd %%zmm16, %%zmm" #spread ", %%zmm" #c0 "\nvpdpbusd %%zmm17, %%zmm" #spread ", %%zmm" #c1 "\n"
#  define ROWS_0(a) DOTS(a "(%%r8)", 20, 0, 1) DOTS(a "(%%r8,%%r9)", 21, 2, 3) DOTS(a "(%%r8,%%r9,2)", 22, 4, 5)
#  define ROWS_3(a) DOTS(a "(%%r10)", 23, 6, 7) DOTS(a "(%%r10,%%r9)", 24, 8, 9) DOTS(a "(%%r10,%%r9,2)", 25, 10, 11)
#  define ROWS_6(a) DOTS(a "(%%r11)", 26, 12, 13) DOTS(a "(%%r11,%%r9)", 27, 14, 15)
#  define NEAR "prefetcht0 (%%rax)\naddq $64, %%rax\n"
#  define BLOCK(b, a) COLUMNS_AT(b) ROWS_0(a) NEAR ROWS_3(a) ROWS_6(a)
#  define FOUR BLOCK("0", "0") BLOCK("128", "4") BLOCK("256", "8") BLOCK("384", "12")
#  define FETCHED "prefetchw (%%r15)\nprefetchw 64(%%r15)\naddq %%r14, %%r15\n"
#  define EIGHT FETCHED FOUR BLOCK("512", "16") BLOCK("640", "20") BLOCK("768", "24") BLOCK("896", "28")
#  define ADVANCE(b, a) "addq $" b ", %%rsi\naddq $" a ", %%r8\naddq $" a ", %%r10\naddq $" a ", %%r11\n"

/* The last four blocks by groups of rows, so that one group's results are made while the next is multiplied. */
#  define GROUP(ROWS_N)                                                                                                \
    COLUMNS_AT("0") ROWS_N("0") COLUMNS_AT("128") ROWS_N("4") COLUMNS_AT("256") ROWS_N("8")                            \
    COLUMNS_AT("384") ROWS_N("12")

#  define LOAD(at, c0, c1) "vmovdqu64 " #at "(%%rcx), %%zmm" #c0 "\nvmovdqu64 64+" #at "(%%rcx), %%zmm" #c1 "\n"
#  define STORE(at, c0, c1) "vmovdqu64 %%zmm" #c0 ", " #at "(%%rcx)\nvmovdqu64 %%zmm" #c1 ", 64+" #at "(%%rcx)\n"
#  define COPY(c0, c1) "vmovdqa64 %%zmm0, %%zmm" #c0 "\nvmovdqa64 %%zmm1, %%zmm" #c1 "\n"
#  define LOADS                                                                                                        \
    LOAD(0, 0, 1) LOAD(128, 2, 3) LOAD(256, 4, 5) LOAD(384, 6, 7) LOAD(512, 8, 9) LOAD(640, 10, 11)                    \
    LOAD(768, 12, 13) LOAD(896, 14, 15)
#  define COPIES COPY(2, 3) COPY(4, 5) COPY(6, 7) COPY(8, 9) COPY(10, 11) COPY(12, 13) COPY(14, 15)

#  define SCALED(c0, c1)                                                                                               \
    "vcvtdq2ps %%zmm" #c0 ", %%zmm" #c0 "\nvcvtdq2ps %%zmm" #c1 ", %%zmm" #c1 "\n"                                     \
    "vmulps (%%rdx), %%zmm" #c0 ", %%zmm" #c0 "\nvmulps 64(%%rdx), %%zmm" #c1 ", %%zmm" #c1 "\n"
/* y = max(sum * scale + bias, 0) */
#  define FLOATS(c0, c1)                                                                                               \
    SCALED(c0, c1)                                                                                                     \
    "vaddps (%%rdx,%%r13), %%zmm" #c0 ", %%zmm" #c0 "\nvaddps 64(%%rdx,%%r13), %%zmm" #c1 ", %%zmm" #c1 "\n"           \
    "vmaxps %%zmm30, %%zmm" #c0 ", %%zmm" #c0 "\nvmaxps %%zmm30, %%zmm" #c1 ", %%zmm" #c1 "\n"                         \
    "vmovups %%zmm" #c0 ", (%%r15)\nvmovups %%zmm" #c1 ", 64(%%r15)\naddq %%r14, %%r15\n"
/* y = sum * scale, to the nearest of 0..255; the bias is what sums start from. */
#  define CODES(c0, c1)                                                                                                \
    SCALED(c0, c1) "vcvtps2dq %%zmm" #c0 ", %%zmm" #c0 "\nvcvtps2dq %%zmm" #c1 ", %%zmm" #c1 "\n"                      \
    "vpackssdw %%zmm" #c1 ", %%zmm" #c0 ", %%zmm" #c0 "\nvpackuswb %%zmm" #c0 ", %%zmm" #c0 ", %%zmm" #c0 "\n"         \
    "vpermd %%zmm" #c0 ", %%zmm30, %%zmm" #c0 "\nvmovdqu %%ymm" #c0 ", (%%r15)\naddq %%r14, %%r15\n"

#  define FIELD(name) [name] "i"(offsetof(walk, name))
#  define TILE(name, RESULT)                                                                                           \
    __attribute__((target("avx512f,avx512bw,avx512vnni"))) static void name(walk *w) {                                 \
      __asm__ volatile(                                                                                                \
        GET(start, rcx) IF_ZERO(start, "1f") LOAD(0, 0, 1) COPIES "jmp 2f\n"                                           \
        "1:" GET(sums, rcx) LOADS "2:"                                                                                 \
        GET(a, r8) GET(a_pitch, r9) "leaq (%%r8,%%r9,2), %%r10\naddq %%r9, %%r10\n"                                    \
        "leaq (%%r10,%%r9,2), %%r11\naddq %%r9, %%r11\n"                                                               \
        GET(b, rsi) GET(near, rax) GET(turns, rcx)                                   \
        GET(fetched, r15) GET(fetched_pitch, r14) \
        ".p2align 5\n3:" EIGHT ADVANCE("1024", "32") "decq %%rcx\njne 3b\n" FOUR ADVANCE("512", "16")                 \
        IF_ZERO(columns, "4f") GET(columns, rdx) GET(width, r13) GET(y, r15) GET(y_pitch, r14)                         \
        "vpxord %%zmm30, %%zmm30, %%zmm30\n"                                                                           \
        GROUP(ROWS_0) RESULT(0, 1) RESULT(2, 3) RESULT(4, 5)                                                           \
        GROUP(ROWS_3) RESULT(6, 7) RESULT(8, 9) RESULT(10, 11)                                                         \
        GROUP(ROWS_6) RESULT(12, 13) RESULT(14, 15) "jmp 5f\n"                                                         \
        "4:" GET(sums, rcx) GROUP(ROWS_0) STORE(0, 0, 1) STORE(128, 2, 3) STORE(256, 4, 5)                             \
        GROUP(ROWS_3) STORE(384, 6, 7) STORE(512, 8, 9) STORE(640, 10, 11)                                             \
        GROUP(ROWS_6) STORE(768, 12, 13) STORE(896, 14, 15) "5:\n"                                                     \
        : : "D"(w), FIELD(a), FIELD(b), FIELD(near), FIELD(start), FIELD(columns), FIELD(y), FIELD(sums),  \
            FIELD(a_pitch), FIELD(y_pitch), FIELD(turns), FIELD(fetched), FIELD(fetched_pitch), FIELD(width)                               \
        : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12",   \
          "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm20", "zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26",  \
          "zmm27", "zmm30", "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r13", "r14", "r15",          \
          "memory", "cc");                                                                                             \
    }
TILE(floats, FLOATS)
TILE(codes, CODES)
/* clang-format on */

typedef struct few {
  long m, n, blocks, piece; /* of K, and of it at once, in blocks */
  long y_bytes, a_pitch;
  void (*tile)(walk *w);
  char *a, *b, *y, *columns, *sums; /* columns: starts, scales, then biases */
} few;

/* Both tiles over one piece. Each fetches as much as it can before the next needs it: the first one the second half of
 * this piece, as the second one before did with its first half. */
static void piece(const few *f, long panel, long at) {
  const long bytes = f->piece * BLOCK_BYTES, part = bytes / TILES;
  const char *columns = f->columns + panel * COLUMNS * 4;
  bool last = at + f->piece == f->blocks;
  walk w = {.a = f->a + at * 4, .a_pitch = f->a_pitch, .b = f->b + (panel * f->blocks + at) * BLOCK_BYTES};
  w.near = w.b + bytes / 2, w.turns = f->piece / TURN - 1;
  w.start = at ? NULL : columns, w.columns = last ? columns + f->n * 4 : NULL, w.width = f->n * 4;
  w.y = f->y + panel * COLUMNS * f->y_bytes, w.y_pitch = f->n * f->y_bytes, w.sums = f->sums;
  w.fetched_pitch = last ? w.y_pitch : 0;
  for (long row = 0; row < f->m; row += ROWS) {
    w.fetched = last ? w.y : w.sums;
    f->tile(&w);
    w.a += ROWS * w.a_pitch, w.y += ROWS * w.y_pitch, w.sums += SUM_BYTES, w.near += part;
  }
}

static void few_run(void *state) {
  const few *f = state;
  for (long panel = 0; panel < f->n / COLUMNS; panel++)
    for (long at = 0; at < f->blocks; at += f->piece) piece(f, panel, at);
}

static void few_destroy(void *state) {
  few *f = state;
  free(f->a), free(f->b), free(f->y), free(f->columns), free(f->sums);
  free(f);
}

/* The longest pieces that stay in the first level: they leave and fetch sums most rarely. 0 where none are whole. */
static long piece_of(long blocks) {
  for (long n = MOST_BLOCKS; n >= LEAST_BLOCKS; n -= TURN)
    if (blocks % n == 0) return n;
  return 0;
}

/* `room` bytes that begin with as many of the product's own as there are. */
static char *filled(long room, const void *from, long bytes) {
  char *p = big_alloc((size_t)room);
  memset(p, 0, (size_t)room);
  if (bytes) memcpy(p, from, (size_t)bytes);
  return p;
}

bool limit_few(const options *o, const product *p, contender *out) {
  few f = {.m = (long)p->m, .n = (long)p->n, .blocks = (long)p->k / 4, .piece = piece_of((long)p->k / 4)};
  bool whole =
      f.m == TILES * ROWS && f.n % COLUMNS == 0 && p->k % 4 == 0 && f.piece && f.n * f.blocks * 4 > SECOND_LEVEL;
  if (!wide_row(o, QN_ISA_DOT8) || !whole) return false;
  few *state = malloc(sizeof f);
  if (!state) return false;
  f.tile = p->y_type == QN_F32 ? floats : codes;
  f.y_bytes = (long)qn_scalar_bytes(p->y_type, 1);
  f.a_pitch = f.blocks * 4 + 64; /* so that no lines of its rows are in the way of each other */
  f.a = filled(f.m * f.a_pitch, p->a, f.m * f.blocks * 4);
  f.b = filled(f.n * f.blocks * 4 + PAST_THE_END, p->b, f.n * f.blocks * 4);
  f.y = filled(f.m * f.n * f.y_bytes, NULL, 0), f.sums = filled(TILES * SUM_BYTES, NULL, 0);
  f.columns = filled(f.n * 12, p->bias_i32, f.n * 4);
  memcpy(f.columns + f.n * 4, p->b_scales, (size_t)f.n * 4);
  memcpy(f.columns + f.n * 8, p->bias, (size_t)f.n * 4);
  *state = f;
  *out = (contender){"limit", state, few_run, NULL, few_destroy};
  return true;
}

#else
bool limit_few(const options *o, const product *p, contender *out) {
  (void)o, (void)p, (void)out;
  return false;
}
#endif
