/* Which products keep their sums in registers into the epilogue: those whose tiles multiply for so short a time that
 * sums' way through memory shows. Their sizes are known, and become part of the code. */
#include "plan_util.h"

/* Longer epilogues, unrolled over a tile, take their time in any case and more to compile than they save. Of those that
 * end in bytes, packs do most (clamping, rounding, a zero point). */
enum { MOST_OPS = 8, MOST_OPS_TO_BYTES = 16 };
/* Products of more rows are cut into tiles like all others, so that they can take part in chains. */
enum { FEW_ROWS = 256 };
/* Weights that are not at hand in the caches are better fetched panel by panel while tiles multiply, which these do not
 * do: a third slower with 2 MB, 3 to 5% with half of one. */
enum { NEAR_BYTES = 192 << 10 };
/* Results that a first-level cache does not hold are written faster when their lines are there before. */
enum { FIRST_LEVEL = 32 << 10 };
enum { MOST_ROWS = 16, MOST_VECTORS = 4 };

static bool is_short(const qn_gemm_plan *g, int64_t k, int64_t most_bytes) {
  return k > 0 && k <= most_bytes && k * qn_scalar_get(g->lhs)->storage_bits / 8 <= most_bytes;
}

static uint32_t count_ops(const qn_tape *t) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < t->num_insts; i++) n += t->insts[i].op != QN_T_INPUT && t->insts[i].op != QN_T_CONST;
  return n;
}

/* The weights, in panels. */
static bool is_near(const qn_gemm_plan *g, int64_t n, int64_t k_padded) {
  if (n > NEAR_BYTES) return false;
  int64_t width = g->layout.panel_width, columns = (n + width - 1) / width * width;
  return columns * k_padded * qn_scalar_get(g->rhs)->storage_bits / 8 <= NEAR_BYTES;
}

static bool is_brief(const qn_gemm_plan *g) {
  uint32_t bits = qn_scalar_get(g->y_mem)->storage_bits, ops = count_ops(&g->epilogue);
  return bits == 32 ? ops <= MOST_OPS : bits == 8 && g->y_mem != QN_I1 && ops <= MOST_OPS_TO_BYTES;
}

/* Rows of a tile that is as tall as possible, or lower by up to a third where that leaves no rows over: there is one
 * loop to compile then. */
static uint32_t rows_without_rest(uint32_t most, int64_t m) {
  for (uint32_t h = most; h > 0 && 3 * h >= 2 * most; h--)
    if (m % h == 0) return h;
  return most;
}

/* The tallest tile whose sums, one block of B and an operand of A fit the registers. Sums that are results as they are
 * leave room for more blocks of B, where there are registers enough, so that rows can end one after the other
 * (gemm_direct_text.c). */
static uint32_t rows_of(const qn_isa *isa, uint32_t vectors, int64_t m, bool bare) {
  enum { MANY = 32, SUMS = 18, FEW = 14 };
  uint32_t room = (isa->num_registers - 1 - vectors) / vectors, most = room < MOST_ROWS ? room : MOST_ROWS;
  if (!bare || isa->num_registers < MANY || SUMS / vectors >= most) return rows_without_rest(most, m);
  uint32_t h = rows_without_rest(SUMS / vectors, m);
  return h * vectors >= FEW ? h : rows_without_rest(most, m);
}

/* Strips (strip.h), which 512-bit rows have for chains, leave sums in registers too, whatever sizes are, and take half
 * the time to compile. What they lose is found in small products only, and where results are as large as inputs: short
 * K leaves no time to fetch their lines. */
static bool has_strips(const qn_isa *isa, const qn_gemm_plan *g, const qn__pshape *y, int64_t k) {
  enum { SMALL = 1 << 19 };
  uint32_t bits = qn_scalar_get(g->y_mem)->storage_bits;
  int64_t results = 1; /* as many as make a product large, or less */
  for (uint32_t i = 0; i < y->rank; i++) {
    if (y->size[i] < 0) return false;
    results = y->size[i] > SMALL || results * y->size[i] > SMALL ? SMALL : results * y->size[i];
  }
  return isa->vector_bits == 512 && bits == 8 && count_ops(&g->epilogue) > 0 && results * k >= SMALL;
}

void qn__plan_direct(const qn_module *m, qn_op op, const qn_isa *isa, int64_t most_bytes, qn_gemm_plan *g) {
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0)), y = qn__pshape_of(m, qn_op_result(m, op, 0));
  if (g->window || g->lhs_strided || g->tiles || g->sums16 || g->layout.granule || a.rank < 2 || y.rank < 2) return;
  uint32_t bits = qn_scalar_get(g->acc)->storage_bits, lanes = isa->vector_bits / bits, width = g->layout.panel_width;
  if (bits != 32 || !isa->has_fma || isa->vector_bits < 256 || width % lanes || width > MOST_VECTORS * lanes) return;
  int64_t k = a.size[a.rank - 1], n = y.size[y.rank - 1], rows = y.size[y.rank - 2];
  int64_t padded = (k + g->layout.k_block - 1) / g->layout.k_block * g->layout.k_block;
  if (qn_scalar_is_float(g->lhs) && k != padded) return; /* adding the zeros of a partial block could change a -0 */
  if (!is_short(g, k, most_bytes) || n <= 0 || !is_near(g, n, padded) || !is_brief(g)) return;
  if (has_strips(isa, g, &y, k)) return;
  g->direct = true;
  g->direct_n = n, g->direct_k = k;
  g->direct_a_pitch = g->has_prologue ? qn__codes_pitch(g, padded) : k * qn_scalar_get(g->a_mem)->storage_bits / 8;
  g->direct_y_pitch = n * qn_scalar_get(g->y_mem)->storage_bits / 8;
  g->direct_fetch = rows < 0 || rows > FIRST_LEVEL || rows * g->direct_y_pitch > FIRST_LEVEL;
  if (rows > 0 && rows <= FEW_ROWS) g->rows = rows_of(isa, width / lanes, rows, count_ops(&g->epilogue) == 0);
}
