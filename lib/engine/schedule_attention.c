/* Attention's calls: a job for each index of the leading axes but the last, which the body walks itself (its heads),
 * and each of the tile heights that the number of queries is cut into. */
#include "machine.h"
#include "schedule.h"

static int64_t elem_bytes(qn_scalar s) {
  return qn_scalar_get(s)->storage_bits / 8;
}

static int64_t product(const int64_t *shape, uint32_t n) {
  int64_t p = 1;
  for (uint32_t i = 0; i < n; i++) p *= shape[i];
  return p;
}

static int64_t panels(int64_t n, uint32_t width) {
  return (n + width - 1) / width;
}

typedef struct sizes {
  int64_t queries, keys, d, dv, heads, outer;
  int64_t k_panel, v_panel;   /* bytes */
  int64_t k_matrix, v_matrix; /* bytes */
  uint32_t lead;              /* leading axes */
} sizes;

static sizes sizes_of(const qn_program *p, const qn_step *s, const qn_bound *b) {
  const qn_attention_plan *a = &s->plan->u.attention;
  const int64_t *q = b->shapes[s->values[0]], *v = b->shapes[s->values[2]];
  uint32_t r = p->values[s->values[0]].rank;
  sizes z = {.queries = q[r - 2], .keys = v[r - 2], .d = q[r - 1], .dv = v[r - 1], .lead = r - 2};
  z.heads = z.lead ? q[z.lead - 1] : 1;
  z.outer = z.lead ? product(q, z.lead - 1) : 1;
  const qn_layout *lk = &a->scores.layout, *lv = &a->values.layout;
  z.k_panel = panels(z.d, lk->k_block) * lk->k_block * lk->panel_width * elem_bytes(a->scores.rhs);
  z.v_panel = panels(z.keys, lv->k_block) * lv->k_block * lv->panel_width * elem_bytes(a->values.rhs);
  z.k_matrix = z.k_panel * panels(z.keys, lk->panel_width);
  if (a->k_rows) {
    z.k_panel = a->key_block * z.d * elem_bytes(a->scores.rhs);
    z.k_matrix = z.keys * z.d * elem_bytes(a->scores.rhs);
  }
  z.v_matrix = z.v_panel * panels(z.dv, lv->panel_width);
  if (a->v_rows) z.v_matrix = z.keys * z.dv * elem_bytes(a->values.rhs);
  return z;
}

void qn__attention_ops(const qn_program *p, const qn_step *s, const qn_bound *b, double by[QN_MULTIPLIER_COUNT]) {
  const qn_attention_plan *a = &s->plan->u.attention;
  sizes z = sizes_of(p, s, b);
  double pairs = 2.0 * (double)z.outer * (double)z.heads * (double)z.queries * (double)z.keys;
  by[qn__multiplier_of(&a->scores, z.queries)] += pairs * (double)z.d;
  by[qn__multiplier_of(&a->values, z.queries)] += pairs * (double)z.dv;
}

/* Bytes from the start of a value, whose last two axes make `matrix` bytes, to the matrix of outer index `at`; *head:
 * bytes from one head to the next. Axes of size 1, and missing ones, are broadcast. */
static int64_t place(const qn_program *p, const qn_bound *b, uint32_t value, const sizes *z, const int64_t *at,
                     int64_t matrix, int64_t *head) {
  const int64_t *shape = b->shapes[value];
  uint32_t r = p->values[value].rank;
  int64_t offset = 0, step = matrix;
  *head = 0;
  for (uint32_t back = 0; back < z->lead && back + 2 < r; back++) {
    int64_t n = shape[r - 3 - back];
    if (back == 0)
      *head = n == 1 ? 0 : step;
    else if (n != 1)
      offset += at[z->lead - 1 - back] * step;
    step *= n;
  }
  return offset;
}

static void add_extras(const qn_program *p, const qn_step *s, const qn_bound *b, const sizes *z, const int64_t *at,
                       qn_job *job) {
  const qn_attention_plan *a = &s->plan->u.attention;
  for (uint32_t i = 0; i < a->num_extras; i++) {
    uint32_t value = s->values[3 + i], r = p->values[value].rank;
    const int64_t *shape = b->shapes[value];
    int64_t bytes = elem_bytes(a->extras[i].mem), cols = r >= 1 ? shape[r - 1] : 1, rows = r >= 2 ? shape[r - 2] : 1;
    int64_t *stride = &job->strides[job->num_strides];
    job->ptrs[job->num_ptrs++] = (qn_pref){value, place(p, b, value, z, at, rows * cols * bytes, &stride[1])};
    stride[0] = rows == 1 ? 0 : cols * bytes;
    job->num_strides += 2;
  }
}

static void fill(const qn_program *p, const qn_step *s, const qn_bound *b, const sizes *z, const int64_t *at,
                 qn_job *job) {
  const qn_attention_plan *a = &s->plan->u.attention;
  int64_t q = elem_bytes(a->scores.lhs), y = elem_bytes(a->y_mem);
  job->step = s, job->part = QN_PART_ATTENTION;
  job->num_ptrs = 4, job->num_sizes = 8, job->num_strides = 8, job->grain = 1;
  const uint32_t values[4] = {s->values[0], s->values[1], s->values[2], s->values[s->num_in]};
  const int64_t matrix[4] = {z->queries * z->d * q, z->k_matrix, z->v_matrix, z->queries * z->dv * y};
  for (int i = 0; i < 4; i++)
    job->ptrs[i] = (qn_pref){values[i], place(p, b, values[i], z, at, matrix[i], &job->strides[4 + i])};
  job->strides[0] = z->d * q, job->strides[1] = z->dv * y;
  job->strides[2] = z->k_panel, job->strides[3] = z->v_panel;
  const int64_t first[5] = {z->queries, z->keys, z->d, z->dv, s->bottom_right ? z->keys - z->queries : 0};
  for (int i = 0; i < 5; i++) job->sizes[i] = first[i];
  job->extent[1] = 1;
  add_extras(p, s, b, z, at, job);
}

bool qn__attention_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn,
                        void *user) {
  const qn_attention_plan *a = &s->plan->u.attention;
  sizes z = sizes_of(p, s, b);
  qn_row_split split = qn__row_split(z.queries, a->rows);
  const int64_t *lead = b->shapes[s->values[0]];
  if (z.queries == 0 || z.dv == 0 || z.heads == 0) return true;
  for (int64_t i = 0; i < z.outer; i++) {
    int64_t at[QN_MAX_RANK] = {0}, rest = i, row = 0;
    for (uint32_t d = z.lead ? z.lead - 1 : 0; d-- > 0;) {
      at[d] = rest % lead[d];
      rest /= lead[d];
    }
    for (int g = 0; g < 2; g++) {
      if (!split.counts[g]) continue;
      fill(p, s, b, &z, at, job);
      job->sizes[5] = row, job->sizes[6] = split.counts[g], job->sizes[7] = split.heights[g];
      job->body = s->tile_bodies[split.heights[g]];
      job->extent[0] = split.counts[g] * z.heads;
      double mac = qn__machine_mac_ns(&p->machine, p->isa, a->scores.rhs);
      job->cost = (double)job->extent[0] * (double)split.heights[g] * (double)z.keys *
                  ((double)(z.d + z.dv) * mac + 20 * p->machine.op_ns);
      if (!fn(user, job)) return false;
      row += split.counts[g] * split.heights[g];
    }
  }
  return true;
}
