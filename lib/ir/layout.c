/* Packed layouts: names, sizes, packing and unpacking. */
#include "layout.h"
#include "alloc.h"
#include <string.h>

enum { MAX_K_BLOCK = 64, MAX_PANEL = 4096, MAX_SEGMENTS = 1 << 16, MAX_GRANULE = 4096 };

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
  uint32_t s = take_char(&name, 's') ? take_number(&name, MAX_SEGMENTS) : 1;
  bool granules = take_char(&name, 'z');
  uint32_t g = granules ? take_number(&name, MAX_GRANULE) : 0;
  if (!k || !w || !s || name.size || (k & (k - 1)) || (granules && (!g || g % k || s > 1))) return false;
  *out = (qn_layout){.plain = false, .k_block = k, .panel_width = w, .segments = s, .granule = g};
  return true;
}

static size_t round_up(size_t v, size_t unit) {
  return v > SIZE_MAX - unit ? SIZE_MAX : (v + unit - 1) / unit * unit;
}

static size_t padded(const qn_layout *l, size_t k_size) {
  size_t s = qn__layout_segments(l), one = round_up(k_size / s, l->k_block), all;
  return one != SIZE_MAX && qn__mul_size(one, s, &all) ? all : SIZE_MAX;
}

int64_t qn_layout_padded_k(const qn_layout *l, int64_t k_size) {
  if (l->plain || k_size < 0) return k_size;
  size_t k = padded(l, (size_t)k_size);
  return k > INT64_MAX ? INT64_MAX : (int64_t)k;
}

size_t qn_layout_bytes(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size) {
  if (k_size < 0 || n_size < 0 || k_size % qn__layout_segments(l) || l->granule) return SIZE_MAX;
  size_t k = l->plain ? (size_t)k_size : padded(l, (size_t)k_size);
  size_t n = l->plain ? (size_t)n_size : round_up((size_t)n_size, l->panel_width);
  size_t count, bytes;
  if (k == SIZE_MAX || n == SIZE_MAX || !qn__mul_size(k, n, &count) || !qn__mul_size(count, elem_bytes, &bytes))
    return SIZE_MAX;
  return bytes;
}

/* Bytes between neighbours along k and along n in the row-major matrix. */
typedef struct strides {
  size_t k, n;
} strides;

static strides plain_strides(size_t elem_bytes, int64_t k_size, int64_t n_size, bool transposed) {
  return transposed ? (strides){elem_bytes, (size_t)k_size * elem_bytes}
                    : (strides){(size_t)n_size * elem_bytes, elem_bytes};
}

/* memcpy of a constant size is a move, of a variable one a call: these run once per weight of a model. */
static inline void copy_elem(char *dst, const char *src, size_t elem_bytes) {
  switch (elem_bytes) {
  case 1: *dst = *src; break;
  case 2: memcpy(dst, src, 2); break;
  case 4: memcpy(dst, src, 4); break;
  default: memcpy(dst, src, elem_bytes); break;
  }
}

/* One run of `count` values of k for one column, from the matrix to the panel or back. */
static void copy_run(char *panel, char *matrix, size_t stride, size_t count, size_t elem_bytes, bool pack) {
  for (size_t i = 0; i < count; i++, panel += elem_bytes, matrix += stride)
    copy_elem(pack ? panel : matrix, pack ? matrix : panel, elem_bytes);
}

/* One block of k by one panel: `rows` values of k for each of `columns` columns. A loop of constant length for what
 * weights mostly are, because it runs once per weight of a model. */
static void copy_block(char *packed, char *matrix, strides s, size_t columns, size_t rows, size_t block,
                       size_t elem_bytes, bool pack) {
  if (pack && block == 4 && rows == 4 && elem_bytes == 1) {
    for (size_t c = 0; c < columns; c++, packed += 4, matrix += s.n)
      for (size_t i = 0; i < 4; i++) packed[i] = matrix[i * s.k];
    return;
  }
  for (size_t c = 0; c < columns; c++)
    copy_run(packed + c * block * elem_bytes, matrix + c * s.n, s.k, rows, elem_bytes, pack);
}

enum { BLOCKS_AT_ONCE = 16 };

/* Some blocks of k, then all panels, then the next blocks: rows of the matrix are read (or written) along, a few of
 * them at a time. Padding is stepped over. */
static void walk_panels(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, strides s, char *matrix,
                        char *packed, bool pack) {
  const size_t block = l->k_block, width = l->panel_width, kn = (size_t)k_size, nn = (size_t)n_size;
  const size_t length = kn / qn__layout_segments(l), per_segment = (length + block - 1) / block;
  const size_t blocks = per_segment * qn__layout_segments(l), block_bytes = width * block * elem_bytes;
  for (size_t first = 0; first < blocks; first += BLOCKS_AT_ONCE)
    for (size_t n0 = 0, panel = 0; n0 < nn; n0 += width, panel++)
      for (size_t i = first; i < blocks && i < first + BLOCKS_AT_ONCE; i++) {
        const size_t in_segment = i % per_segment * block, k0 = i / per_segment * length + in_segment;
        const size_t columns = nn - n0 < width ? nn - n0 : width;
        const size_t rows = length - in_segment < block ? length - in_segment : block;
        copy_block(packed + (panel * blocks + i) * block_bytes, matrix + k0 * s.k + n0 * s.n, s, columns, rows, block,
                   elem_bytes, pack);
      }
}

static void walk_plain(size_t elem_bytes, int64_t k_size, int64_t n_size, strides s, char *matrix, char *packed,
                       bool pack) {
  for (int64_t k = 0; k < k_size; k++, packed += (size_t)n_size * elem_bytes)
    copy_run(packed, matrix + (size_t)k * s.k, s.n, (size_t)n_size, elem_bytes, pack);
}

static void walk(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, bool transposed, char *matrix,
                 char *packed, bool pack) {
  const strides s = plain_strides(elem_bytes, k_size, n_size, transposed);
  if (l->plain)
    walk_plain(elem_bytes, k_size, n_size, s, matrix, packed, pack);
  else
    walk_panels(l, elem_bytes, k_size, n_size, s, matrix, packed, pack);
}

void qn_layout_pack(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                    bool transpose_b, void *dst) {
  size_t bytes = qn_layout_bytes(l, elem_bytes, k_size, n_size);
  if (bytes == 0 || bytes == SIZE_MAX) return;
  memset(dst, 0, bytes);
  walk(l, elem_bytes, k_size, n_size, transpose_b, (char *)(uintptr_t)src, dst, true); /* src is only read */
}

void qn__layout_unpack(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                       bool transpose_b, void *dst) {
  size_t bytes = qn_layout_bytes(l, elem_bytes, k_size, n_size);
  if (bytes == 0 || bytes == SIZE_MAX) return;
  walk(l, elem_bytes, k_size, n_size, transpose_b, dst, (char *)(uintptr_t)src, false);
}
