/* What choices cost: how wide panels are for so many columns, and how tall tiles are over panels so wide. */
#include "kernel.h"
#include "machine.h"
#include <stdio.h>
#include <string.h>

/* Layouts of panels narrower than a row's own. */
static const char *const narrow_layouts[] = {"k4n16", "k4n32", "k4n48", "k4n8",  "k2n16", "k2n32", "k2n48",
                                             "k2n8",  "k2n4",  "k1n16", "k1n32", "k1n48", "k1n8",  "k1n4"};

static uint32_t lanes_of(const qn_isa *isa, qn_scalar acc) {
  return isa->vector_bits / qn_scalar_get(acc)->storage_bits;
}

/* The ways to multiply of other machines have their own forms of tiles; sums of 64 bits have no instruction. */
static bool has_narrow(const qn_isa *isa, qn_scalar acc) {
  return !strcmp(isa->arch, "x86_64") && isa->vector_bits >= 256 && qn_scalar_get(acc)->storage_bits == 32;
}

/* Vectors of the last panel that are multiplied, 0 where it is full: those with columns, when leaving the others out
 * saves as much as is worth the time that code of its own takes to compile; else all. */
static uint32_t last_vectors(int64_t n, uint32_t lanes, uint32_t width) {
  enum { LEAST_PART = 40 };
  uint32_t vectors = width / lanes, left = (uint32_t)((n % width + lanes - 1) / lanes);
  return left && (vectors - left) * LEAST_PART < n / lanes ? vectors : left;
}

/* Narrower panels have more loads of A to a product, and A is read once for each. What is left for the last panel is
 * multiplied with tiles as low as those of the others. */
static double cost_of(const qn_machine *m, int64_t n, uint32_t lanes, uint32_t width, uint32_t own) {
  const double vector_cost[5] = {1, m->vector1_cost, m->vector2_cost, m->vector3_cost, 1};
  const double padding = 0.4;
  const double last_cost[5] = {1, m->last1_cost, m->last2_cost, m->last3_cost, 1};
  uint32_t vectors = width / lanes, left = last_vectors(n, lanes, width);
  /* A little more each, so that of equal ones the wider is taken. */
  double per_vector = width == own || vectors > 4 ? 1 : vector_cost[vectors] + 0.001 * (4 - vectors);
  double last = left < 5 && left < vectors ? last_cost[left] : 1;
  if (left < vectors && n < width) last += 1; /* panels so narrow are better: tiles over them are taller */
  /* A few rows wait for memory, which brings the others in passing. */
  double others = left ? padding * (vectors - left) : 0;
  return ((double)(n / width * vectors) + (double)left * last) * per_vector + others;
}

/* Columns behind the last whole vector that may be better multiplied along K: half a vector at most, or ten
 * that are all, of blocks that are the words of a dot product. */
static uint32_t columns_along(const qn_isa *isa, uint32_t k_block, qn_scalar lhs, qn_scalar acc, int64_t n, int64_t k) {
  enum { ALONE = 10 }; /* rows by columns of a tile are whole groups of four */
  bool bytes = lhs == QN_UI8 && k_block == 4 && (isa->has & QN_ISA_DOT8);
  bool halves = (lhs == QN_I16 || lhs == QN_SI16) && k_block == 2 && (isa->has & QN_ISA_DOT16);
  if (!has_narrow(isa, acc) || !(bytes || halves) || qn_scalar_is_float(acc)) return 0;
  if ((isa->has & QN_ISA_TILES) && n >= QN_LEAST_TILE_COLUMNS) return 0;
  if (n <= 0 || k <= 0 || k > INT32_MAX) return 0;
  uint32_t lanes = lanes_of(isa, acc), left = (uint32_t)(n % lanes);
  bool fits = left <= lanes / 2 || (n == ALONE && n < lanes);
  return fits && k / k_block >= lanes ? left : 0;
}

/* What `left` columns along K take in the time of a vector of columns, per row: a column takes its vectors of k and as
 * long as a few more to add up lanes, a vector of columns a block of k at a time. Panels of one vector, which are all
 * there are where other columns are not, wait for the loads of rows as well. */
static double along_cost(uint32_t left, uint32_t lanes, int64_t n, int64_t blocks) {
  const double adding = 10, waiting = 1.5;
  double cost = left * ((double)(blocks / lanes) + adding) / (double)blocks;
  return n < lanes ? cost / waiting : cost;
}

/* Those that are, where there are rows enough. Among many others what is saved is little, and less than the panels lose
 * that would fit all columns better. */
static uint32_t side_of(const qn_isa *isa, uint32_t k_block, qn_scalar lhs, qn_scalar acc, int64_t n, int64_t k) {
  enum { MANY = 40 };
  uint32_t left = columns_along(isa, k_block, lhs, acc, n, k), lanes = lanes_of(isa, acc);
  double most = n / lanes < MANY ? 1 : 0.67;
  return left && along_cost(left, lanes, n, k / k_block) < most ? left : 0;
}

/* Registers for tiles take 16 columns, two of them at once, and read a panel faster whose lines are all used in turn.
 * They take 64 bytes of k, and as long for fewer: then vectors are faster. */
static const char *tiles_layout(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, int64_t n, int64_t k) {
  enum { LEAST_BYTES = 32 };
  bool bytes = lhs == QN_UI8 && rhs == QN_I8 && acc == QN_I32, pairs = lhs == QN_BF16 && rhs == QN_BF16;
  if (!(isa->has & QN_ISA_TILES) || !(bytes || pairs) || (n > 0 && n < QN_LEAST_TILE_COLUMNS)) return NULL;
  if (k >= 0 && k < LEAST_BYTES / (bytes ? 1 : 2)) return NULL;
  bool few = n > 0 && n <= 16;
  return bytes ? few ? "k4n16" : "k4n32" : few ? "k2n16" : "k2n32";
}

const char *qn_isa_gemm_layout_for(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, int64_t n, int64_t k,
                                   const qn_machine *machine) {
  const char *best = qn_isa_gemm_layout(isa, lhs, rhs, acc), *tiles = tiles_layout(isa, lhs, rhs, acc, n, k);
  qn_layout own, other;
  if (tiles) return tiles;
  if (!best || n <= 0 || !has_narrow(isa, acc) || !qn_layout_parse(qn_str_of(best), &own)) return best;
  uint32_t lanes = lanes_of(isa, acc), side = side_of(isa, own.k_block, lhs, acc, n, k);
  if (side < n) n -= side; /* the time of those is the same beside any panels */
  double least = cost_of(machine, n, lanes, own.panel_width, own.panel_width);
  for (size_t i = 0; i < sizeof narrow_layouts / sizeof *narrow_layouts; i++) {
    if (!qn_layout_parse(qn_str_of(narrow_layouts[i]), &other) || other.k_block != own.k_block) continue;
    if (other.panel_width >= own.panel_width || other.panel_width % lanes) continue;
    double cost = cost_of(machine, n, lanes, other.panel_width, own.panel_width);
    if (cost < least) least = cost, best = narrow_layouts[i];
  }
  return best;
}

/* Of a product's time when b is widened in it, measured on tiles of 6 rows by 4 vectors: bf16 comes in pairs, of which
 * each half takes one operation. */
static double widening_cost(qn_scalar b) {
  return b == QN_BF16 ? 1.1 : 1.3;
}

bool qn_isa_keeps_narrow(const qn_isa *isa, qn_scalar b, int64_t m, int64_t n, int64_t k, const qn_machine *machine) {
  if (!qn_isa_gemm_layout(isa, QN_F32, b, QN_F32)) return false;
  if (m < 0 || n < 0 || k < 0) return true;
  double macs = (double)m * (double)n * (double)k * qn__machine_mac_ns(machine, isa, QN_F32);
  double wide = (double)n * (double)k * 4, narrow = (double)n * (double)k * qn_scalar_get(b)->storage_bits / 8;
  double read_wide = wide * qn__machine_byte_ns(machine, wide), read = narrow * qn__machine_byte_ns(machine, narrow);
  double as_f32 = macs > read_wide ? macs : read_wide, widening = macs * widening_cost(b);
  return (widening > read ? widening : read) <= as_f32;
}

bool qn__layout_is_own(const qn_isa *isa, const qn_layout *layout, const qn_layout *own, qn_scalar acc) {
  if (layout->plain || layout->k_block != own->k_block) return false;
  if (layout->panel_width == own->panel_width) return true;
  return has_narrow(isa, acc) && layout->panel_width < own->panel_width &&
         layout->panel_width % lanes_of(isa, acc) == 0;
}

uint32_t qn__last_panel(const qn_isa *isa, const qn_layout *layout, qn_scalar acc, int64_t n) {
  if (n <= 0 || layout->plain || !has_narrow(isa, acc)) return 0;
  uint32_t lanes = lanes_of(isa, acc), width = layout->panel_width;
  uint32_t last = width % lanes ? 0 : last_vectors(n, lanes, width) * lanes;
  return last < width ? last : 0;
}

uint32_t qn__side_columns(const qn_isa *isa, const qn_layout *layout, qn_scalar lhs, qn_scalar acc, int64_t m,
                          int64_t n, int64_t k) {
  enum { FEW_ROWS = 8, GATHERING = 4 }; /* what a column beside others takes to be gathered, once for all rows */
  const double alone = 1.25;            /* the same, against a vector of columns of one row */
  if (layout->plain || layout->granule || layout->panel_width % lanes_of(isa, acc)) return 0;
  uint32_t side = side_of(isa, layout->k_block, lhs, acc, n, k);
  if (!side || m < FEW_ROWS) return 0;
  if (side < n || isa->vector_bits < 512) return m >= FEW_ROWS + side * GATHERING ? side : 0;
  double gain = 1 - along_cost(side, lanes_of(isa, acc), n, k / layout->k_block);
  return (double)m * gain > alone * side ? side : 0;
}

uint32_t qn__tallest_tile(const qn_isa *isa, const qn_layout *layout, const qn_layout *own, qn_scalar acc,
                          uint32_t rows) {
  enum { MOST = 12 }; /* of rows whose addresses stay in registers */
  if (!has_narrow(isa, acc) || layout->panel_width >= own->panel_width || layout->panel_width % lanes_of(isa, acc))
    return rows;
  uint32_t tall = rows * own->panel_width / layout->panel_width;
  return tall < MOST ? tall : MOST;
}

bool qn_isa_gemm_panel(const qn_isa *isa, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, int64_t panel, char *name,
                       size_t size) {
  const char *best = qn_isa_gemm_layout(isa, lhs, rhs, acc);
  qn_layout own, asked;
  if (!best || panel < 1 || panel > UINT16_MAX || !qn_layout_parse(qn_str_of(best), &own)) return false;
  int n = snprintf(name, size, "k%un%u", own.k_block, (unsigned)panel);
  return n > 0 && (size_t)n < size && qn_layout_parse(qn_str_of(name), &asked) &&
         qn__layout_is_own(isa, &asked, &own, acc);
}
