/* Jobs of products with a scale per block. The right matrix is one for all leading axes, so these are rows, unless an
 * extra operand follows some of them only. */
#include "machine.h"
#include "program.h"

static int64_t elem_bytes(qn_scalar s) {
  return qn_scalar_get(s)->storage_bits / 8;
}

static int64_t rows_of(const int64_t *shape, uint32_t rank) {
  int64_t rows = 1;
  for (uint32_t d = 0; d + 1 < rank; d++) rows *= shape[d];
  return rows;
}

static bool rows_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user) {
  const qn_block_rows_plan *r = &s->plan->u.block_rows;
  uint32_t x = s->values[0], y = s->values[s->num_in], rank = p->values[x].rank;
  int64_t rows = rows_of(b->shapes[x], rank), k = b->shapes[x][rank - 1];
  if (rows == 0 || k == 0) return true;
  *job = (qn_job){.step = s, .part = QN_PART_MAIN, .num_ptrs = s->num_in + 1, .num_sizes = 2, .num_strides = 3};
  job->ptrs[0] = (qn_pref){x, 0};
  job->ptrs[1] = (qn_pref){y, 0};
  if (r->from_codes) job->ptrs[2] = (qn_pref){s->values[1], 0};
  job->sizes[0] = k;
  job->sizes[1] = qn_bpack_count(r->block, k);
  job->strides[0] = k * elem_bytes(p->values[x].mem);
  job->strides[1] = b->shapes[y][rank - 1];
  job->strides[2] = job->sizes[1] * (int64_t)sizeof(float);
  job->extent[0] = rows, job->extent[1] = 1, job->grain = 1;
  job->cost = (double)rows * (double)k * 4 * p->machine.op_ns;
  return fn(user, job);
}

/* Leading axes of the result that are looped over, one index each; the others are rows. */
typedef struct leading {
  int64_t m, loops;
  uint32_t rank; /* of the loop: 0 when all are rows */
} leading;

static leading leading_of(const qn_program *p, const qn_step *s, const qn_bound *b) {
  uint32_t y = s->values[s->num_in], ry = p->values[y].rank;
  const int64_t *sy = b->shapes[y];
  bool merge = true;
  for (uint32_t i = 2; i < s->num_in && merge; i++) {
    uint32_t r = p->values[s->values[i]].rank;
    const int64_t *se = b->shapes[s->values[i]];
    if (r < 2 || rows_of(se, r) == 1) continue;
    merge = r == ry;
    for (uint32_t d = 0; d + 1 < r && merge; d++) merge = se[d] == sy[d];
  }
  if (merge) return (leading){rows_of(sy, ry), 1, 0};
  return (leading){sy[ry - 2], rows_of(sy, ry - 1), ry - 2};
}

static void add_extra(const qn_program *p, const qn_bound *b, const qn_step *s, uint32_t i, const leading *z,
                      int64_t loop, qn_job *job) {
  uint32_t v = s->values[i], y = s->values[s->num_in], r = p->values[v].rank, ry = p->values[y].rank;
  const int64_t *se = b->shapes[v], *sy = b->shapes[y];
  int64_t bytes = elem_bytes(p->values[v].mem), cols = r ? se[r - 1] : 1, offset = 0;
  int64_t rows = r < 2 ? 1 : z->rank ? se[r - 2] : rows_of(se, r), step = cols * (r < 2 ? 1 : se[r - 2]);
  for (uint32_t back = 2; z->rank && back < ry; back++) { /* axes before the rows, innermost first */
    int64_t at = loop % sy[ry - 1 - back];
    loop /= sy[ry - 1 - back];
    if (back >= r) continue;
    if (se[r - 1 - back] != 1) offset += at * step;
    step *= se[r - 1 - back];
  }
  job->ptrs[job->num_ptrs++] = (qn_pref){v, offset * bytes};
  job->strides[job->num_strides++] = rows == 1 ? 0 : cols * bytes;
}

static bool gemm_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user) {
  const qn_block_plan *g = &s->plan->u.block;
  uint32_t a = s->values[0], y = s->values[s->num_in], ry = p->values[y].rank;
  leading z = leading_of(p, s, b);
  int64_t n = b->shapes[y][ry - 1], columns = b->shapes[a][ry - 1];
  int64_t blocks = g->floats ? qn_bpack_count(g->weights.block, columns) : columns / ((int64_t)g->weights.block + 8);
  if (z.m == 0 || n == 0) return true;
  for (int64_t i = 0; i < z.loops; i++) {
    *job = (qn_job){.step = s, .part = QN_PART_TILES, .num_ptrs = 3, .num_sizes = 4, .num_strides = 3};
    job->strides[0] = columns * elem_bytes(g->gemm.a_mem);
    job->strides[1] = n * elem_bytes(g->gemm.y_mem);
    job->strides[2] = blocks * (int64_t)qn_bpack_bytes(&g->weights);
    job->ptrs[0] = (qn_pref){a, i * z.m * job->strides[0]};
    job->ptrs[1] = (qn_pref){s->values[1], 0};
    job->ptrs[2] = (qn_pref){y, i * z.m * job->strides[1]};
    job->sizes[0] = z.m, job->sizes[1] = n, job->sizes[3] = blocks;
    job->sizes[2] = g->floats ? columns : blocks * g->weights.block;
    for (uint32_t e = 2; e < s->num_in; e++) add_extra(p, b, s, e, &z, i, job);
    job->extent[0] = z.m, job->extent[1] = (n + QN_BPACK_PANEL - 1) / QN_BPACK_PANEL, job->grain = 1;
    double right = (double)job->strides[2] * (double)job->extent[1], macs = (double)z.m * (double)n * (double)blocks;
    double read = right * qn__machine_byte_ns(&p->machine, right), mac = g->floats ? 1.5 : 2; /* of plain products */
    macs *= (double)g->weights.block * mac * qn__machine_mac_ns(&p->machine, p->isa, g->floats ? QN_F32 : QN_I8);
    job->cost = macs > read ? macs : read;
    if (!fn(user, job)) return false;
  }
  return true;
}

bool qn__block_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user) {
  return s->plan->kind == QN_KERNEL_BLOCK_ROWS ? rows_jobs(p, s, b, job, fn, user) : gemm_jobs(p, s, b, job, fn, user);
}

double qn__block_ops(const qn_program *p, const qn_step *s, const qn_bound *b) {
  const qn_block_plan *g = &s->plan->u.block;
  uint32_t a = s->values[0], y = s->values[s->num_in], r = p->values[y].rank;
  int64_t columns = b->shapes[a][r - 1], k = columns;
  if (!g->floats) k = columns / ((int64_t)g->weights.block + 8) * g->weights.block;
  return 2.0 * (double)rows_of(b->shapes[y], r) * (double)b->shapes[y][r - 1] * (double)k;
}

uint32_t qn__block_pieces(const qn_job *job, size_t i, size_t n, qn_piece *piece) {
  int64_t first = job->extent[1] * (int64_t)i / (int64_t)n, last = job->extent[1] * ((int64_t)i + 1) / (int64_t)n;
  if (first >= last) return 0;
  qn_row_split split = qn__row_split(job->extent[0], job->step->plan->u.gemm.rows);
  uint32_t rows = split.heights[0] | (split.counts[1] ? QN_ROWS_MIXED : 0);
  *piece = (qn_piece){job->step->tile_bodies[rows], {0, first}, {job->extent[0], last}};
  return 1;
}
