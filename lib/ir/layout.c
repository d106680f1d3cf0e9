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

/* A matrix and its packed form, on the way from one to the other. */
typedef struct walker {
  const qn_layout *l;
  size_t elem_bytes, k_size, n_size;
  strides s;
  char *matrix, *packed;
  bool pack;
  qn_layout_passed passed; /* null for nobody to tell */
  void *user;
  size_t told; /* bytes of the matrix */
} walker;

/* Everything before `end` has been read. */
static void tell(walker *w, size_t end) {
  enum { SOME = 4 << 20 };
  if (!w->passed || (end - w->told < SOME && end < w->k_size * w->n_size * w->elem_bytes)) return;
  w->passed(w->user, w->matrix + w->told, end - w->told);
  w->told = end;
}

/* Blocks first .. last-1 of the columns from n0 on. */
static void walk_blocks(const walker *w, size_t n0, size_t first, size_t last) {
  const size_t block = w->l->k_block, width = w->l->panel_width, block_bytes = width * block * w->elem_bytes;
  const size_t length = w->k_size / qn__layout_segments(w->l), per_segment = (length + block - 1) / block;
  const size_t blocks = per_segment * qn__layout_segments(w->l);
  const size_t columns = w->n_size - n0 < width ? w->n_size - n0 : width;
  for (size_t i = first; i < last; i++) {
    const size_t in_segment = i % per_segment * block, k0 = i / per_segment * length + in_segment;
    const size_t rows = length - in_segment < block ? length - in_segment : block;
    copy_block(w->packed + (n0 / width * blocks + i) * block_bytes, w->matrix + k0 * w->s.k + n0 * w->s.n, w->s,
               columns, rows, block, w->elem_bytes, w->pack);
  }
}

/* Rows of the matrix are read (or written) along, a few of them at a time: of one whose rows are those of k some blocks
 * of k, then all panels, then the next blocks; of a transposed one panel by panel. Padding is stepped over. */
static void walk_panels(walker *w) {
  enum { BLOCKS_AT_ONCE = 16 };
  const size_t block = w->l->k_block, width = w->l->panel_width, segments = qn__layout_segments(w->l);
  const size_t length = w->k_size / segments, per_segment = (length + block - 1) / block;
  const size_t blocks = per_segment * segments;
  const bool transposed = w->s.k < w->s.n;
  for (size_t n0 = 0; transposed && n0 < w->n_size; n0 += width) {
    walk_blocks(w, n0, 0, blocks);
    tell(w, (w->n_size - n0 < width ? w->n_size : n0 + width) * w->s.n);
  }
  for (size_t first = 0; !transposed && first < blocks; first += BLOCKS_AT_ONCE) {
    const size_t last = blocks - first < BLOCKS_AT_ONCE ? blocks : first + BLOCKS_AT_ONCE;
    const size_t k = last / per_segment * length + last % per_segment * block;
    for (size_t n0 = 0; n0 < w->n_size; n0 += width) walk_blocks(w, n0, first, last);
    tell(w, k * w->s.k);
  }
}

static void walk_plain(walker *w) {
  char *packed = w->packed;
  for (size_t k = 0; k < w->k_size; k++, packed += w->n_size * w->elem_bytes)
    copy_run(packed, w->matrix + k * w->s.k, w->s.n, w->n_size, w->elem_bytes, w->pack);
  tell(w, w->k_size * w->n_size * w->elem_bytes);
}

static walker walker_of(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, bool transposed) {
  walker w = {.l = l, .elem_bytes = elem_bytes, .k_size = (size_t)k_size, .n_size = (size_t)n_size};
  w.s = plain_strides(elem_bytes, k_size, n_size, transposed);
  return w;
}

static void walk(walker *w) {
  if (w->l->plain)
    walk_plain(w);
  else
    walk_panels(w);
}

void qn_layout_pack_passing(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                            bool transpose_b, void *dst, qn_layout_passed passed, void *user) {
  size_t bytes = qn_layout_bytes(l, elem_bytes, k_size, n_size);
  if (bytes == 0 || bytes == SIZE_MAX) return;
  memset(dst, 0, bytes);
  walker w = walker_of(l, elem_bytes, k_size, n_size, transpose_b);
  w.matrix = (char *)(uintptr_t)src; /* only read */
  w.packed = dst, w.pack = true, w.passed = passed, w.user = user;
  walk(&w);
}

void qn_layout_pack(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                    bool transpose_b, void *dst) {
  qn_layout_pack_passing(l, elem_bytes, k_size, n_size, src, transpose_b, dst, NULL, NULL);
}

void qn__layout_unpack(const qn_layout *l, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                       bool transpose_b, void *dst) {
  size_t bytes = qn_layout_bytes(l, elem_bytes, k_size, n_size);
  if (bytes == 0 || bytes == SIZE_MAX) return;
  walker w = walker_of(l, elem_bytes, k_size, n_size, transpose_b);
  w.matrix = dst;
  w.packed = (char *)(uintptr_t)src; /* only read */
  walk(&w);
}
