/* Layouts with granules: packed matrices without the parts that are zero. */
#include "alloc.h"
#include "layout.h"
#include <string.h>

enum { ALIGN = 64, MOST_GRANULES = INT32_MAX };

static uint64_t panels_of(const qn_layout *l, int64_t n_size) {
  return ((uint64_t)n_size + l->panel_width - 1) / l->panel_width;
}

static bool has_granules(const qn_layout *l, int64_t k_size, int64_t n_size) {
  return l->granule && !l->plain && k_size >= 0 && n_size >= 0 && k_size % l->granule == 0 && k_size <= UINT32_MAX;
}

static size_t granule_bytes(const qn_layout *l, size_t elem_bytes) {
  return (size_t)l->granule * l->panel_width * elem_bytes;
}

/* Bytes of the numbers before the data; both counts are below 2^33. */
static uint64_t head_bytes(uint64_t panels, uint64_t count) {
  return ((panels + 1 + count) * 4 + ALIGN - 1) / ALIGN * ALIGN;
}

size_t qn_layout_granules_bytes(const qn_layout *l, size_t elem_bytes, int64_t n_size, uint64_t count) {
  uint64_t panels = n_size < 0 ? UINT64_MAX : panels_of(l, n_size);
  size_t data, all;
  if (panels > MOST_GRANULES || count > MOST_GRANULES) return SIZE_MAX;
  if (!qn__mul_size((size_t)count, granule_bytes(l, elem_bytes), &data)) return SIZE_MAX;
  return qn__add_size(data, (size_t)head_bytes(panels, count), &all) ? all : SIZE_MAX;
}

bool qn_layout_granules(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, size_t size,
                        qn_granules *out) {
  if (!has_granules(l, k_size, n_size)) return false;
  uint64_t panels = panels_of(l, n_size), bytes = granule_bytes(l, elem_bytes);
  if (panels > MOST_GRANULES || size < head_bytes(panels, 0)) return false;
  /* The head is rounded up by less than ALIGN, so that few numbers are possible, and one of them at most is right. */
  uint64_t most = (size - (panels + 1) * 4) / (bytes + 4);
  for (uint64_t count = most, tries = 0; tries <= ALIGN / (bytes + 4) + 1; tries++, count--) {
    if (qn_layout_granules_bytes(l, elem_bytes, n_size, count) == size) {
      size_t first = (size_t)(panels + 1) * 4;
      *out = (qn_granules){panels, count, first, (size_t)head_bytes(panels, count), (size_t)bytes};
      return true;
    }
    if (!count) break;
  }
  return false;
}

static uint32_t number(const char *at, uint64_t i) {
  uint32_t v;
  memcpy(&v, at + i * 4, 4);
  return v;
}

bool qn_layout_granules_valid(const qn_layout *l, int64_t k_size, const qn_granules *g, const void *data) {
  const char *begin = data, *first = begin + g->first;
  if (number(begin, 0)) return false;
  for (uint64_t p = 0; p < g->panels; p++) {
    uint32_t from = number(begin, p), to = number(begin, p + 1);
    if (to < from || to > g->count) return false;
    for (uint32_t i = from; i < to; i++) {
      uint32_t k = number(first, i);
      if (k % l->granule || k >= (uint64_t)k_size || (i > from && k <= number(first, i - 1))) return false;
    }
  }
  return true;
}

static bool all_zero(const char *at, size_t size) {
  for (; size >= 64; size -= 64, at += 64) {
    uint64_t word[8], any = 0;
    memcpy(word, at, 64);
    for (int i = 0; i < 8; i++) any |= word[i];
    if (any) return false;
  }
  for (size_t i = 0; i < size; i++)
    if (at[i]) return false;
  return true;
}

uint64_t qn_layout_count_granules(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size,
                                  const void *dense) {
  if (!has_granules(l, k_size, n_size)) return UINT64_MAX;
  uint64_t n = (uint64_t)k_size / l->granule * panels_of(l, n_size), count = 0;
  size_t bytes = granule_bytes(l, elem_bytes);
  if (n > MOST_GRANULES) return UINT64_MAX;
  for (uint64_t i = 0; i < n; i++) count += !all_zero((const char *)dense + i * bytes, bytes);
  return count;
}

void qn_layout_compact(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *dense,
                       size_t size, void *dst) {
  qn_granules g;
  if (!qn_layout_granules(l, elem_bytes, k_size, n_size, size, &g)) return;
  const char *from = dense;
  char *head = memset(dst, 0, g.data), *to = head + g.data;
  uint32_t count = 0;
  for (uint64_t p = 0; p < g.panels; p++) {
    for (uint32_t k = 0; k < (uint64_t)k_size; k += l->granule, from += g.bytes) {
      if (count == g.count || all_zero(from, g.bytes)) continue;
      memcpy(head + g.first + (size_t)count * 4, &k, 4);
      memcpy(to, from, g.bytes);
      to += g.bytes;
      count++;
    }
    memcpy(head + (p + 1) * 4, &count, 4);
  }
}

void qn_layout_expand(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                      size_t size, void *dense) {
  qn_granules g;
  if (!qn_layout_granules(l, elem_bytes, k_size, n_size, size, &g) || !qn_layout_granules_valid(l, k_size, &g, src))
    return;
  const char *head = src, *from = head + g.data;
  size_t panel = (size_t)k_size / l->granule * g.bytes;
  memset(dense, 0, panel * g.panels);
  for (uint64_t p = 0; p < g.panels; p++)
    for (uint32_t i = number(head, p); i < number(head, p + 1); i++)
      memcpy((char *)dense + p * panel + number(head + g.first, i) / l->granule * g.bytes, from + (size_t)i * g.bytes,
             g.bytes);
}
