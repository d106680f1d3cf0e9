/* Which products of few rows take their weights in short pieces of K: those whose weights come from a last-level cache
 * at about the speed at which they are multiplied. Each line is to come into the first level once, at an even pace,
 * and be there when it is used (gemm_few.c). */
#include "plan_util.h"
#include <string.h>

/* More rows take their time to multiply, and fewer loads to a product with tiles as wide as panels. From memory fewer
 * than FAR_ROWS wait for the weights alone, which come in order the fastest. */
enum { LEAST_ROWS = 6, FAR_ROWS = 9, MOST_ROWS = QN_FEW_MOST_ROWS, REGISTERS = 32, LANES = 16, WORD = 4 };

/* The way to multiply is an instruction on words of 32 bits. */
static bool has_words(const qn_isa *isa, const qn_gemm_plan *g) {
  if (strcmp(isa->arch, "x86_64") || isa->vector_bits != LANES * 32 || isa->num_registers != REGISTERS) return false;
  if (g->lhs == QN_BF16) return (isa->has & QN_ISA_BF16) && g->layout.k_block == 2;
  if (g->acc == QN_F32) return g->lhs == QN_F32 && g->rhs == QN_F32 && g->layout.k_block == 1;
  if (qn_scalar_get(g->acc)->storage_bits != 32 || qn_scalar_is_float(g->acc)) return false;
  if (g->lhs == QN_UI8) return (isa->has & QN_ISA_DOT8) && g->layout.k_block == 4;
  return (g->lhs == QN_I16 || g->lhs == QN_SI16) && (isa->has & QN_ISA_DOT16) && g->layout.k_block == 2;
}

/* Vectors of columns that tiles are wide, 0 where panels have no such parts. More of them would leave fewer rows to a
 * tile: what it leaves for later, and fetches again, is less when a piece of K is longer for as many bytes. */
static uint32_t vectors_of(const qn_layout *l) {
  uint32_t vectors = l->panel_width / LANES;
  if (l->plain || l->granule || l->panel_width % LANES || vectors > 4) return 0;
  return vectors % 2 ? vectors == 3 ? 3 : 0 : 2;
}

/* Rows whose sums leave registers for two blocks of B, or one where they are three vectors wide. */
static uint32_t tallest_of(uint32_t vectors) {
  return vectors == 3 ? 8 : 12;
}

/* Whether so many of the rows share places of a first-level cache that some would always be missing. */
static bool rows_collide(int64_t rows, int64_t pitch) {
  enum { LEVEL = 4096, TOGETHER = 4 };
  int64_t power = pitch & -pitch;
  return rows * (power < LEVEL ? power : LEVEL) > TOGETHER * LEVEL;
}

/* Blocks of K in a piece. Longer ones load and store sums more rarely, up to what stays in the first level until the
 * last tile has it; a last one that is much shorter than the others costs more than that. */
enum { PIECE = 64, LONG_PIECE = 96 };
static uint32_t piece_of(int64_t blocks) {
  return blocks % LONG_PIECE == 0 ? LONG_PIECE : PIECE;
}

void qn__plan_few(const qn_module *m, qn_op op, const qn_isa *isa, qn_gemm_plan *g) {
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0)), y = qn__pshape_of(m, qn_op_result(m, op, 0));
  if (g->direct || g->window || g->tiles || g->sums16 || g->side || !g->lhs_padded || !g->fetch) return;
  if (a.rank < 2 || y.rank < 2 || !has_words(isa, g)) return;
  uint32_t vectors = vectors_of(&g->layout);
  int64_t k = a.size[a.rank - (g->lhs_strided ? 2 : 1)], n = y.size[y.rank - 1], rows = 1;
  for (uint32_t i = 0; i + 1 < y.rank; i++) {
    if (y.size[i] < 0 || y.size[i] > MOST_ROWS) return;
    rows *= y.size[i];
    if (rows > MOST_ROWS) return;
  }
  if (!vectors || rows < LEAST_ROWS || k < 1 || k > INT32_MAX / MOST_ROWS / 4 || n < 1 || n > INT32_MAX) return;
  int64_t kb = g->layout.k_block, blocks = (k + kb - 1) / kb, width = g->layout.panel_width;
  if (blocks < PIECE) return;
  int64_t bytes = (n + width - 1) / width * width * blocks * WORD;
  if (bytes <= (int64_t)g->outside_bytes || (rows < FAR_ROWS && (uint64_t)bytes > g->far_bytes)) return;
  g->few = vectors;
  g->few_rows = rows;
  g->few_blocks = blocks;
  g->few_piece = piece_of(blocks);
  g->rows = tallest_of(vectors);
  /* Then they are copied. */
  g->has_prologue |= rows_collide(rows, blocks * WORD);
  g->few_pitch = g->has_prologue ? qn__codes_pitch(g, blocks * kb) : k * qn_scalar_get(g->lhs)->storage_bits / 8;
}
