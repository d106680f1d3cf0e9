/* What is tried for a product: in stages, each a change of what was best before it. */
#include "tune.h"
#include <quern/unstable/isa.h>
#include <quern/unstable/layout.h>
#include <string.h>

typedef struct list {
  const qn_choice *from;
  qn_choice *out;
  size_t n;
} list;

static qn_choice *add(list *l) {
  if (l->n == QN__TUNE_CANDIDATES) return &l->out[l->n - 1];
  l->out[l->n] = *l->from;
  return &l->out[l->n++];
}

static void add_one(list *l, qn_choice_key key, int64_t v) {
  if (l->from->value[key] != v) add(l)->value[key] = v;
}

/* Types of "left,right,sum". */
static bool types_of(const qn_tuned *t, qn_scalar out[3]) {
  const char *at = t->types;
  for (int i = 0; i < 3; i++) {
    size_t n = strcspn(at, ",");
    out[i] = qn_scalar_find((qn_str){at, n});
    at += n + (at[n] == ',');
  }
  return out[0] != QN_SCALAR_NONE && out[1] != QN_SCALAR_NONE && out[2] != QN_SCALAR_NONE;
}

static int64_t tallest_of(int64_t m) {
  return m < 16 ? m : 16;
}

/* Operands that a tile loads for each vector of sums; tiles that load much more than others need not be tried. */
static double loads_of(int64_t rows, int64_t vectors) {
  return (double)(rows + vectors) / (double)(rows * vectors);
}

static bool fits(const qn_isa *isa, int64_t rows, int64_t vectors) {
  return (uint64_t)(rows * vectors + vectors) < isa->num_registers;
}

static double fewest_loads(const qn_isa *isa, int64_t tallest, int64_t widest) {
  double least = 2;
  for (int64_t v = 1; v <= widest; v++)
    for (int64_t r = 1; r <= tallest; r++)
      if (fits(isa, r, v) && loads_of(r, v) < least) least = loads_of(r, v);
  return least;
}

/* Panels of one to all vectors of the row's own, and tiles over them whose sums fit the registers and hide how long an
 * addition takes. */
static void tile_shapes(list *l, const qn_tuned *t) {
  const qn_isa *isa = qn_isa_find(qn_str_of(t->isa));
  qn_scalar types[3];
  qn_layout own;
  char name[32];
  if (!isa || !types_of(t, types)) return;
  const char *layout = qn_isa_gemm_layout(isa, types[0], types[1], types[2]);
  if (!layout || !qn_layout_parse(qn_str_of(layout), &own)) return;
  int64_t lanes = isa->vector_bits / qn_scalar_get(types[2])->storage_bits, m = t->m_least;
  bool panels = t->kind == QN_TUNED_GEMM;
  double most = 1.6 * fewest_loads(isa, tallest_of(m), own.panel_width / lanes);
  for (int64_t width = own.panel_width; width >= lanes && width > 0; width -= lanes) {
    if (panels && !qn_isa_gemm_panel(isa, types[0], types[1], types[2], width, name, sizeof name)) continue;
    int64_t vectors = width / lanes, last = 0;
    for (int64_t rows = tallest_of(m); rows >= 1; rows--) {
      int64_t sums = rows * vectors, tiles = (m + rows - 1) / rows;
      if (!fits(isa, rows, vectors) || (sums < 8 && rows < tallest_of(m)) || loads_of(rows, vectors) > most) continue;
      if (tiles == last) continue; /* the same tiles, lower */
      last = tiles;
      qn_choice *c = add(l);
      if (panels) c->value[QN_CHOICE_PANEL] = width;
      c->value[QN_CHOICE_ROWS] = rows;
    }
    if (!panels) break;
  }
}

/* Queries that take their steps together. */
static void query_tiles(list *l, const qn_tuned *t) {
  int64_t last = 0;
  for (int64_t rows = tallest_of(t->m_least); rows >= 1; rows--) {
    int64_t tiles = (t->m_least + rows - 1) / rows;
    if (tiles != last && (rows > 1 || t->m_least == 1)) add_one(l, QN_CHOICE_ROWS, rows);
    last = tiles;
  }
}

static void inner_loop(list *l, const qn_tuned *t) {
  static const int64_t ahead[] = {0, 2304, 4608, 9216, 13824, 18432, 36864};
  if (t->kind == QN_TUNED_BLOCK) {
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) add_one(l, QN_CHOICE_AHEAD, ahead[i]);
    for (int64_t rows = tallest_of(t->m_least); rows >= 2; rows--)
      if (rows <= 8) add_one(l, QN_CHOICE_ROWS, rows);
    return;
  }
  for (int64_t n = 1; n <= 4; n *= 2) add_one(l, QN_CHOICE_UNROLL, n);
  const qn_choice_info *direct = qn_choice_info_get(QN_CHOICE_DIRECT);
  if (t->kind != QN_TUNED_GEMM || t->k > direct->most) return;
  add_one(l, QN_CHOICE_DIRECT, direct->least), add_one(l, QN_CHOICE_DIRECT, direct->most);
}

static void fetching(list *l, const qn_tuned *t) {
  if (t->kind == QN_TUNED_BLOCK) return;
  for (int64_t n = 0; n <= 2; n++) add_one(l, QN_CHOICE_FETCH, n);
  for (int64_t n = 0; n <= 4; n = n ? 2 * n : 1) add_one(l, QN_CHOICE_TILE_LINES, n);
}

/* Where each panel is read once, or a few times in pieces: how far ahead. */
static void reading(list *l, const qn_tuned *t) {
  static const int64_t ahead[] = {1024, 2048, 4096, 8192, 12288, 16384, 32768};
  enum { FEW = 24 };
  if (t->kind != QN_TUNED_GEMM || t->m_least > FEW || t->n > 1 << 30 || t->k > 1 << 26) return;
  for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
    add_one(l, QN_CHOICE_TILE_AHEAD, ahead[i]);
    add_one(l, QN_CHOICE_TILE_FAR, 2 * ahead[i]);
    add_one(l, QN_CHOICE_TILE_CLOSE, ahead[i]);
  }
  add_one(l, QN_CHOICE_FAR_BYTES, t->n * t->k / 2 + 1024);
  add_one(l, QN_CHOICE_FAR_BYTES, 4 * t->n * t->k + 1024);
}

/* Where the left side is large enough to be cut. */
static void row_blocks(list *l, const qn_tuned *t) {
  int64_t all = t->m_least * t->k, cut = all + 1;
  if (t->kind == QN_TUNED_BLOCK || all < 128 << 10 || all > 1 << 30) return;
  for (int64_t kept = 64 << 10; kept < all && kept <= 8 << 20; kept *= 2) {
    qn_choice *c = add(l);
    c->value[QN_CHOICE_KEPT] = kept, c->value[QN_CHOICE_LARGE] = kept + kept / 2;
  }
  if (cut >= 4096) add(l)->value[QN_CHOICE_LARGE] = cut; /* not at all */
}

/* Panels that are long, and weights that few rows read, by another measure of "long". */
static void k_pieces(list *l, const qn_tuned *t) {
  if (t->kind != QN_TUNED_GEMM || t->n > 1 << 30 || t->k > 1 << 26) return;
  int64_t panel = t->k * 64, all = t->k * t->n;
  if (all < 256 << 10) return;
  if (panel >= 128 << 10) {
    add_one(l, QN_CHOICE_LONG, 1 << 30);
    for (int64_t piece = 32 << 10; piece < panel && piece <= 512 << 10; piece *= 2) {
      qn_choice *c = add(l);
      c->value[QN_CHOICE_LONG] = piece, c->value[QN_CHOICE_PIECE] = piece;
    }
  }
  add_one(l, QN_CHOICE_OUTSIDE, 1 << 30);
  add_one(l, QN_CHOICE_OUTSIDE, 1024);
}

static void thread_parts(list *l, const qn_tuned *t, uint32_t threads) {
  (void)t;
  for (int64_t n = 1; n <= 8 && threads > 1; n *= 2) add_one(l, QN_CHOICE_PARTS, n);
}

size_t qn__tune_candidates(uint32_t stage, const qn_tuned *product, uint32_t threads, qn_choice *out) {
  list l = {&product->choice, out, 0};
  if (product->kind == QN_TUNED_ATTENTION) {
    if (stage == 0) query_tiles(&l, product);
    if (stage == 6) thread_parts(&l, product, threads);
    return l.n;
  }
  switch (stage) {
  case 0:
    if (product->kind != QN_TUNED_BLOCK) tile_shapes(&l, product);
    break;
  case 1: inner_loop(&l, product); break;
  case 2: fetching(&l, product); break;
  case 3: row_blocks(&l, product); break;
  case 4: k_pieces(&l, product); break;
  case 5: reading(&l, product); break;
  case 6: thread_parts(&l, product, threads); break;
  default: break;
  }
  return l.n;
}
