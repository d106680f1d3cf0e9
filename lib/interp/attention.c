/* Attention by key blocks: the recurrence of <quern/attention.h>, one query row at a time. */
#include "elementwise.h"
#include "eval_attention.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { PARTIALS = 32 };

/* One head's k, as [keys, d], and v, in the form that is summed; what q's row becomes; what a row needs. */
typedef struct state {
  qn__attention *a;
  void *k, *v, *q;
  void *sums;     /* keys: sums, then scores */
  float *p;       /* key_block */
  uint8_t *codes; /* key_block; null for floats */
  float *o;       /* dv */
  uint32_t *products;
  int64_t k_at, v_at; /* which matrix is held; -1 for none */
} state;

qn_status qn__attention_sizes(qn__attention *a) {
  uint32_t r = a->q.rank;
  bool good = r >= 2 && a->k.rank == r && a->v.rank == r;
  if (good) {
    a->queries = a->q.shape[r - 2], a->d = a->q.shape[r - 1];
    a->keys = a->v.shape[r - 2], a->dv = a->v.shape[r - 1];
    good = a->k.shape[a->k_swapped ? r - 1 : r - 2] == a->keys && a->k.shape[a->k_swapped ? r - 2 : r - 1] == a->d;
  }
  a->lead = (qn__shape){.rank = r >= 2 ? r - 2 : 0};
  for (uint32_t i = 0; good && i < a->lead.rank; i++) {
    int64_t n = a->lead.size[i] = a->q.shape[i], k = a->k.shape[i], v = a->v.shape[i];
    bool groups = i + 1 == a->lead.rank && k > 0 && n % k == 0;
    good = k == v && (k == n || k == 1 || groups);
  }
  if (good) return QN_OK;
  char q[QN__SHAPE_TEXT], k[QN__SHAPE_TEXT], v[QN__SHAPE_TEXT];
  return qn_op_error(a->f->m, a->f->op, QN_DIAG_SHAPE, "operands of sizes %s, %s and %s do not fit together",
                     qn__tensor_text(&a->q, q), qn__tensor_text(&a->k, k), qn__tensor_text(&a->v, v));
}

/* Row-major elements base .. as floats or as integers less `less`. */
static void read(const qn__attention *a, const qn_tensor *t, int64_t base, int64_t stride, int64_t n, int64_t less,
                 void *to) {
  if (!a->codes) {
    qn__lanes_load((qn__lanes){.p = to}, t->elem, t, base, stride, (size_t)n);
    return;
  }
  int64_t strip[256] = {0};
  uint32_t *out = to;
  for (int64_t at = 0; at < n; at += 256) {
    int64_t count = n - at < 256 ? n - at : 256;
    qn__lanes_load((qn__lanes){.i = strip}, t->elem, t, base + at * stride, stride, (size_t)count);
    for (int64_t i = 0; i < count; i++) out[at + i] = (uint32_t)(strip[i] - less);
  }
}

/* Which matrix of k (or v) the query heads at `index` read. */
static int64_t matrix_of(const qn__attention *a, const qn_tensor *t, const int64_t *index) {
  int64_t at = 0;
  for (uint32_t i = 0; i < a->lead.rank; i++) {
    int64_t n = t->shape[i];
    int64_t group = n ? a->lead.size[i] / n : 1;
    at = at * n + (group ? index[i] / group : 0);
  }
  return at;
}

/* Scores' sums of one row with keys 0 .. n-1. */
static void sums(state *s, int64_t n) {
  const qn__attention *a = s->a;
  for (int64_t j = 0; j < n; j++) {
    if (a->codes) {
      const uint32_t *q = s->q, *k = (const uint32_t *)s->k + j * a->d;
      uint32_t x = 0;
      for (int64_t d = 0; d < a->d; d++) x += q[d] * k[d];
      ((uint32_t *)s->sums)[j] = x;
    } else {
      ((float *)s->sums)[j] = qn__f32_dot(0.0f, s->q, 1, (const float *)s->k + j * a->d, 1, (size_t)a->d);
    }
  }
}

static void add_floats(state *s, int64_t first, int64_t n, float c, float *partials) {
  const int64_t dv = s->a->dv;
  for (int64_t t = 0; t < PARTIALS; t++) partials[t] = fmaf(partials[t], c, t < n ? s->p[t] : 0.0f);
  for (int64_t j = PARTIALS; j < n; j++) partials[j % PARTIALS] += s->p[j];
  for (int64_t d = 0; d < dv; d++) s->o[d] *= c;
  for (int64_t j = 0; j < n; j++) {
    const float *v = (const float *)s->v + (first + j) * dv;
    for (int64_t d = 0; d < dv; d++) s->o[d] = fmaf(s->p[j], v[d], s->o[d]);
  }
}

static void add_codes(state *s, int64_t first, int64_t n, float c, float *l) {
  const int64_t dv = s->a->dv;
  uint32_t total = 0;
  if (dv) memset(s->products, 0, (size_t)dv * sizeof *s->products);
  for (int64_t j = 0; j < n; j++) {
    const uint32_t *w = (const uint32_t *)s->v + (first + j) * dv;
    total += s->codes[j];
    for (int64_t d = 0; d < dv; d++) s->products[d] += s->codes[j] * w[d];
  }
  *l = fmaf(*l, c, (float)total);
  for (int64_t d = 0; d < dv; d++) s->o[d] = fmaf(s->o[d], c, (float)(int32_t)s->products[d]);
}

static qn_status row(state *s, const int64_t *index, int64_t row, int64_t base) {
  qn__attention *a = s->a;
  int64_t n = qn_attention_keys(a->causal, row, a->queries, a->keys);
  sums(s, n);
  qn_status status = n ? a->score(a, index, row, n, s->sums) : QN_OK;
  float m = -FLT_MAX, l[PARTIALS] = {0.0f};
  for (int64_t d = 0; d < a->dv; d++) s->o[d] = 0.0f;
  for (int64_t first = 0; first < n && status == QN_OK; first += a->key_block) {
    const float *scores = (const float *)s->sums + first;
    int64_t count = n - first < a->key_block ? n - first : a->key_block;
    float largest = m, c = 1.0f;
    for (int64_t j = 0; j < count; j++)
      if (scores[j] > largest) largest = scores[j];
    if (!(largest == m)) status = a->weight(a, 1, &m, largest, &c, NULL);
    if (status == QN_OK) status = a->weight(a, count, scores, largest, s->p, s->codes);
    if (status != QN_OK) return status;
    m = largest;
    if (a->codes)
      add_codes(s, first, count, c, l);
    else
      add_floats(s, first, count, c, l);
  }
  return status == QN_OK ? a->finish(a, base, s->o, a->codes ? l[0] : qn__f32_sum_fold(l)) : status;
}

static void load_matrices(state *s, const int64_t *index) {
  qn__attention *a = s->a;
  size_t size = a->codes ? sizeof(uint32_t) : sizeof(float);
  int64_t k = matrix_of(a, &a->k, index), v = matrix_of(a, &a->v, index);
  if (s->k_at != k)
    for (int64_t j = 0; j < a->keys; j++)
      read(a, &a->k, k * a->keys * a->d + (a->k_swapped ? j : j * a->d), a->k_swapped ? a->keys : 1, a->d, a->k_zero,
           (char *)s->k + (size_t)(j * a->d) * size);
  if (s->v_at != v) read(a, &a->v, v * a->keys * a->dv, 1, a->keys * a->dv, a->v_less, s->v);
  s->k_at = k, s->v_at = v;
}

static bool allocate(state *s) {
  qn__attention *a = s->a;
  qn__frame *f = a->f;
  /* Operands of these sizes exist, so the products fit. */
  s->k = qn__scratch(f, (size_t)(a->keys * a->d) + 1, sizeof(float));
  s->v = qn__scratch(f, (size_t)(a->keys * a->dv) + 1, sizeof(float));
  s->q = qn__scratch(f, (size_t)a->d + 1, sizeof(float));
  s->sums = qn__scratch(f, (size_t)a->keys + 1, sizeof(float));
  s->p = qn__scratch(f, (size_t)a->key_block, sizeof(float));
  s->codes = a->codes ? qn__scratch(f, (size_t)a->key_block, 1) : NULL;
  s->o = qn__scratch(f, (size_t)a->dv + 1, sizeof(float));
  s->products = qn__scratch(f, (size_t)a->dv + 1, sizeof(uint32_t));
  return s->k && s->v && s->q && s->sums && s->p && s->o && s->products && (s->codes || !a->codes);
}

qn_status qn__attention_run(qn__attention *a) {
  state s = {.a = a, .k_at = -1, .v_at = -1};
  qn__shape all = a->lead;
  all.size[all.rank++] = a->queries;
  if (qn__shape_count(&all) == 0) return QN_OK;
  if (!allocate(&s)) return QN_ERR_NO_MEMORY;
  int64_t index[QN_MAX_RANK] = {0}, rows = 0;
  do {
    load_matrices(&s, index);
    for (int64_t i = 0; i < a->queries; i++, rows++) {
      read(a, &a->q, rows * a->d, 1, a->d, a->q_zero, s.q);
      qn_status status = row(&s, index, i, rows * a->dv);
      if (status != QN_OK) return status;
    }
  } while (qn__next_index(index, a->lead.size, a->lead.rank));
  return QN_OK;
}
