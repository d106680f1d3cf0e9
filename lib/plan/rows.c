/* How M rows are cut into register tiles. */
#include "kernel.h"

/* The fewest tiles, ceil(m / tallest), share the rows as evenly as whole rows allow: heights h and h - 1. */
qn_row_split qn__row_split(int64_t m, uint32_t tallest) {
  qn_row_split s = {{0, 0}, {0, 0}};
  if (m <= 0 || tallest == 0) return s;
  int64_t tiles = m / tallest + (m % tallest != 0);
  int64_t low = m / tiles, extra = m % tiles; /* `extra` tiles have one row more */
  s.heights[0] = (uint32_t)(extra ? low + 1 : low);
  s.counts[0] = extra ? extra : tiles;
  if (extra) {
    s.heights[1] = (uint32_t)low;
    s.counts[1] = tiles - extra;
  }
  return s;
}

int64_t qn__row_of_tile(const qn_row_split *s, int64_t tile) {
  int64_t high = tile < s->counts[0] ? tile : s->counts[0];
  return high * s->heights[0] + (tile - high) * s->heights[1];
}
