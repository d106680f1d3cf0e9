/* Packed layouts: names, sizes, packing and unpacking. */
#include "layout.h"
#include "alloc.h"
#include <string.h>

enum { MAX_K_BLOCK = 64, MAX_PANEL = 4096 };

/* A decimal without sign or leading zeros, at most `max`; 0 when there is none. */
static uint32_t take_number(qn_str *s, uint32_t max) {
  uint32_t v = 0;
  size_t i = 0;
  for (; i < s->size && s->data[i] >= '0' && s->data[i] <= '9'; i++) {
    if (i == 0 && s->data[i] == '0') return 0;
    v = v * 10 + (uint32_t)(s->data[i] - '0');
    if (v > max) return 0;
  }
  s->data += i;
  s->size -= i;
  return v;
}

static bool take_char(qn_str *s, char c) {
  if (!s->size || s->data[0] != c) return false;
  s->data++;
  s->size--;
  return true;
}

bool qn_layout_parse(qn_str name, qn_layout *out) {
  *out = (qn_layout){.plain = true, .k_block = 1};
  if (qn_str_eq(name, qn_str_of("plain"))) return true;
  uint32_t k = take_char(&name, 'k') ? take_number(&name, MAX_K_BLOCK) : 0;
  uint32_t w = take_char(&name, 'n') ? take_number(&name, MAX_PANEL) : 0;
  if (!k || !w || name.size || (k & (k - 1))) return false;
  *out = (qn_layout){.plain = false, .k_block = k, .panel_width = w};
  return true;
}

static size_t round_up(size_t v, size_t unit) {
  return v > SIZE_MAX - unit ? SIZE_MAX : (v + unit - 1) / unit * unit;
}

size_t qn_layout_bytes(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size) {
  if (k_size < 0 || n_size < 0) return SIZE_MAX;
  size_t k = l->plain ? (size_t)k_size : round_up((size_t)k_size, l->k_block);
  size_t n = l->plain ? (size_t)n_size : round_up((size_t)n_size, l->panel_width);
  size_t count, bytes;
  if (k == SIZE_MAX || n == SIZE_MAX || !qn__mul_size(k, n, &count) || !qn__mul_size(count, elem_bytes, &bytes))
    return SIZE_MAX;
  return bytes;
}

static size_t plain_index(int64_t k_size, int64_t n_size, int64_t k, int64_t n, bool transposed) {
  return transposed ? (size_t)n * (size_t)k_size + (size_t)k : (size_t)k * (size_t)n_size + (size_t)n;
}

void qn_layout_pack(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                    bool transpose_b, void *dst) {
  size_t bytes = qn_layout_bytes(l, elem_bytes, k_size, n_size);
  if (bytes == 0 || bytes == SIZE_MAX) return;
  memset(dst, 0, bytes);
  for (int64_t k = 0; k < k_size; k++)
    for (int64_t n = 0; n < n_size; n++)
      memcpy((char *)dst + qn__layout_index(l, k_size, n_size, k, n) * elem_bytes,
             (const char *)src + plain_index(k_size, n_size, k, n, transpose_b) * elem_bytes, elem_bytes);
}

void qn__layout_unpack(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                       bool transpose_b, void *dst) {
  for (int64_t k = 0; k < k_size; k++)
    for (int64_t n = 0; n < n_size; n++)
      memcpy((char *)dst + plain_index(k_size, n_size, k, n, transpose_b) * elem_bytes,
             (const char *)src + qn__layout_index(l, k_size, n_size, k, n) * elem_bytes, elem_bytes);
}
