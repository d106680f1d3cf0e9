/* Constant weights examined: how many are zero and in which patterns, which parts of them can be left out, and whether
 * sums of products with them stay small. */
#include "alloc.h"
#include "pack_constants.h"
#include <stdio.h>
#include <string.h>

static const int64_t block_sizes[3] = {4, 16, 32};

static const uint8_t *row_of(const matrices *d, const void *source, int64_t k, int64_t n) {
  int64_t at = d->transpose ? n * d->k + k : k * d->n + n;
  return (const uint8_t *)source + (size_t)at * d->elem_bytes;
}

static bool is_zero(const matrices *d, const uint8_t *at) {
  for (size_t i = 0; i < d->elem_bytes; i++)
    if (at[i]) return false;
  return true;
}

static uint64_t count_zeros(const matrices *d, const void *source) {
  const uint8_t *at = source;
  uint64_t zeros = 0, count = (uint64_t)d->k * (uint64_t)d->n;
  if (d->elem_bytes > 1) {
    for (uint64_t i = 0; i < count; i++, at += d->elem_bytes) zeros += is_zero(d, at);
    return zeros;
  }
  for (uint64_t i = 0; i < count;) { /* short runs add up in a type that vectors have many of */
    uint64_t end = count - i < 8192 ? count : i + 8192;
    uint32_t some = 0;
    for (; i < end; i++) some += at[i] == 0;
    zeros += some;
  }
  return zeros;
}

/* ---- patterns ---- */

static bool two_of_four(const matrices *d, const void *source) {
  for (int64_t n = 0; n < d->n; n++)
    for (int64_t k = 0; k < d->k; k += 4) {
      int used = 0;
      for (int64_t i = k; i < k + 4 && i < d->k; i++) used += !is_zero(d, row_of(d, source, i, n));
      if (used > 2) return false;
    }
  return true;
}

typedef struct grid {
  int64_t rows, cols;
  uint8_t *used; /* 4 x 4 elements each */
} grid;

static void fill_grid(const matrices *d, const void *source, grid *g) {
  for (int64_t k = 0; k < d->k; k++)
    for (int64_t n = 0; n < d->n; n++)
      if (!is_zero(d, row_of(d, source, k, n))) g->used[k / 4 * g->cols + n / 4] = 1;
}

static bool any_used(const grid *g, int64_t row, int64_t col, int64_t size) {
  for (int64_t r = row; r < row + size && r < g->rows; r++)
    for (int64_t c = col; c < col + size && c < g->cols; c++)
      if (g->used[r * g->cols + c]) return true;
  return false;
}

static void count_blocks(const grid *g, sparsity *s) {
  for (int i = 0; i < 3; i++) {
    int64_t size = block_sizes[i] / 4;
    for (int64_t r = 0; r < g->rows; r += size)
      for (int64_t c = 0; c < g->cols; c += size) {
        s->blocks[i]++;
        s->empty[i] += !any_used(g, r, c, size);
      }
  }
}

bool qn__examine(const qn_allocator *a, const matrices *d, const void *source, sparsity *out) {
  *out = (sparsity){.elements = (uint64_t)d->k * (uint64_t)d->n, .zeros = count_zeros(d, source)};
  if (!out->elements || (double)out->zeros * 8 < (double)out->elements) return true;
  out->two_of_four = out->zeros * 2 >= out->elements && two_of_four(d, source);
  grid g = {(d->k + 3) / 4, (d->n + 3) / 4, NULL};
  size_t bytes = (size_t)g.rows * (size_t)g.cols;
  if (!(g.used = qn__alloc_zero(a, bytes))) return false;
  fill_grid(d, source, &g);
  count_blocks(&g, out);
  qn__free(a, g.used, bytes);
  return true;
}

static int percent(uint64_t part, uint64_t all) {
  return all ? (int)((double)part * 100 / (double)all) : 0;
}

void qn__sparsity_text(const sparsity *s, char *text, size_t size) {
  int at = snprintf(text, size, "%d%% zeros%s", percent(s->zeros, s->elements), s->two_of_four ? ", 2:4" : "");
  bool first = true;
  for (int i = 0; i < 3; i++) {
    if (!s->empty[i] || at < 0 || (size_t)at >= size) continue;
    at += snprintf(text + at, size - (size_t)at, "%s %d%% of %dx%d", first ? ", zero blocks:" : ",",
                   percent(s->empty[i], s->blocks[i]), (int)block_sizes[i], (int)block_sizes[i]);
    first = false;
  }
}

/* ---- sums of 16 bits ---- */

/* Whether sums over `depth` blocks of four fit, in one column of one segment. */
static bool fits(const matrices *d, const void *source, int64_t n, int64_t begin, int64_t end, int64_t depth) {
  enum { MOST_CODE = 255 };
  for (int64_t k = begin; k < end; k += 4 * depth) {
    int32_t low[2] = {0, 0}, high[2] = {0, 0};
    for (int64_t i = k; i < k + 4 * depth && i < end; i++) {
      int32_t w = (int8_t)*row_of(d, source, i, n);
      int half = (i - begin) % 4 >= 2;
      if (w < 0)
        low[half] += w;
      else
        high[half] += w;
    }
    for (int half = 0; half < 2; half++)
      if (high[half] * MOST_CODE > INT16_MAX || low[half] * MOST_CODE < INT16_MIN) return false;
  }
  return true;
}

uint32_t qn__fitting_blocks(const matrices *d, const void *source) {
  int64_t segments = d->layout.segments ? d->layout.segments : 1, length = d->k / segments;
  uint32_t depth = 4;
  for (int64_t i = 0; i < d->count; i++)
    for (int64_t n = 0; n < d->n; n++)
      for (int64_t s = 0; s < segments; s++)
        while (!fits(d, (const char *)source + (size_t)i * d->source_bytes, n, s * length, (s + 1) * length, depth)) {
          if (depth == 1) return 0;
          depth /= 2;
        }
  return depth;
}

/* ---- granules ---- */

void qn__layout_name(const qn_layout *l, char *text, size_t size) {
  int at = snprintf(text, size, "k%un%u", l->k_block, l->panel_width);
  if (at > 0 && (size_t)at < size && l->segments > 1)
    snprintf(text + at, size - (size_t)at, "s%u", l->segments);
  else if (at > 0 && (size_t)at < size && l->granule)
    snprintf(text + at, size - (size_t)at, "z%u", l->granule);
}

/* Time of panels that are a half and a quarter as wide, and what a granule costs beside its products, in values of k:
 * the list, and the loop that starts anew. */
static const double narrow_cost[3] = {1, 1.04, 1.12};
static const double granule_cost = 3;

compact_choice qn__choose_granules(const matrices *d, const void *source, void *room, double worth) {
  static const uint32_t granules[] = {16, 32, 64};
  compact_choice best = {.layout = d->layout};
  double least = worth;
  for (uint32_t narrow = 0; narrow < 3; narrow++) {
    qn_layout dense = d->layout;
    dense.panel_width >>= narrow;
    if (narrow && (d->layout.panel_width != 64 || dense.panel_width % 16)) break; /* 64: four vectors of the row */
    qn_layout_pack(&dense, d->elem_bytes, d->k, d->n, source, d->transpose, room);
    for (size_t i = 0; i < sizeof granules / sizeof *granules; i++) {
      qn_layout l = dense;
      l.granule = granules[i];
      if (l.granule % l.k_block) continue;
      uint64_t kept = qn_layout_count_granules(&l, d->elem_bytes, d->k, d->n, room);
      size_t bytes = kept == UINT64_MAX ? SIZE_MAX : qn_layout_granules_bytes(&l, d->elem_bytes, d->n, kept);
      uint64_t panels = ((uint64_t)d->n + l.panel_width - 1) / l.panel_width;
      uint64_t all = (uint64_t)d->k / l.granule * panels;
      if (bytes == SIZE_MAX || !all) continue;
      double part = (double)kept / (double)all, cost = part * narrow_cost[narrow] * (1 + granule_cost / l.granule);
      if (cost < least) least = cost, best = (compact_choice){l, bytes, 1 - part};
    }
  }
  return best;
}
