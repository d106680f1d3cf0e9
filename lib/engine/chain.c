/* Which jobs make a chain, and its blocks. All of it is decided from the jobs' strides and the memory they touch: when
 * every access to memory that a job of the chain writes is to the same rows of the same layout, blocks of rows may run
 * through the whole chain one after the other, on any threads, and nothing is read before it is written. */
#include "chain.h"
#include <string.h>

/* A block saves what it leaves between its jobs; the weights, which every block reads again, take half a second-level
 * cache at most. */
enum { LEAST_SAVED = 128 << 10, LEAST_TILES = 8 };

static bool chains(const qn_step *s) {
  const qn_kernel_plan *k = s->plan;
  if (k->kind == QN_KERNEL_GEMM) return !k->u.gemm.window && !s->transpose;
  if (k->kind != QN_KERNEL_MAP && k->kind != QN_KERNEL_ROW) return false;
  return k->u.loop.num_loops > (k->kind == QN_KERNEL_ROW ? 1u : 0u);
}

bool qn__chain_possible(const qn_program *p) {
  for (uint32_t i = 0; i + 1 < p->num_steps; i++)
    if (chains(&p->steps[i]) && chains(&p->steps[i + 1])) return true;
  return false;
}

void qn__chain_start(qn_chain *c, const qn_program *p, const qn_bound *b) {
  c->p = p, c->b = b;
  c->num_jobs = c->num_spans = c->tallest = 0;
  c->rows = c->row_bytes = c->weight_bytes = 0;
  c->cost = 0;
}

/* ---- what a job touches ---- */

/* Operand i of a job: bytes from one of its rows (indices of loop 0) to the next, and whether it is written. */
static int64_t row_stride(const qn_job *job, uint32_t i, bool *written) {
  const int64_t *stride = job->strides;
  if (job->part == QN_PART_TILES) {
    *written = i == 2;
    return i == 1 ? 0 : i == 2 ? stride[1] : stride[i];
  }
  if (job->part == QN_PART_PROLOGUE) {
    *written = i == 1;
    return i == 0 ? stride[0] : i == 1 ? stride[2] : stride[i + 1];
  }
  *written = i >= job->step->num_in;
  return stride[(size_t)i * job->step->plan->u.loop.num_loops];
}

/* Indices of the job's loop 0 to one row of the chain: more than one where a map runs over rows and columns at once. */
static int64_t per_row(const qn_chain *c, const qn_job *job) {
  return c->rows ? job->extent[0] / c->rows : 1;
}

static qn_span span_of(const qn_chain *c, const qn_job *job, uint32_t i) {
  const qn_program *p = c->p;
  qn_pref ptr = job->ptrs[i];
  bool written;
  int64_t pitch = row_stride(job, i, &written) * per_row(c, job), bytes;
  qn_span s = {.written = written};
  if (ptr.value == QN__REF_CODES) {
    s.base = p->num_inputs + p->num_outputs;
    s.lo = (int64_t)c->b->slot_offset[p->num_slots];
    bytes = pitch * c->rows;
  } else {
    const qn_pvalue *v = &p->values[ptr.value];
    bytes = (int64_t)qn__value_bytes(p, c->b, ptr.value);
    s.base = v->where == QN_AT_INPUT    ? v->index
             : v->where == QN_AT_OUTPUT ? p->num_inputs + v->index
             : v->where == QN_AT_SLOT   ? p->num_inputs + p->num_outputs
                                        : UINT32_MAX;
    s.lo = v->where == QN_AT_SLOT ? (int64_t)c->b->slot_offset[v->index] : 0;
  }
  s.hi = s.lo + bytes;
  s.pitch = ptr.offset == 0 && pitch > 0 && pitch * c->rows == bytes ? pitch : 0;
  return s;
}

static bool disturb(const qn_span *a, const qn_span *b) {
  if (a->base != b->base || a->hi <= b->lo || b->hi <= a->lo || !(a->written || b->written)) return false;
  return a->lo != b->lo || a->pitch != b->pitch || a->pitch == 0;
}

/* ---- adding ---- */

static bool rows_fit(const qn_chain *c, const qn_job *job) {
  if (!chains(job->step) || job->extent[0] < 2) return false;
  bool product = job->step->plan->kind == QN_KERNEL_GEMM;
  if (!c->num_jobs) return true;
  if (product && c->tallest && c->tallest != job->step->plan->u.gemm.rows) return false;
  return product ? job->extent[0] == c->rows : job->extent[0] % c->rows == 0;
}

/* Of elements that share bytes, blocks begin at whole ones, as kernels want it. */
static bool at_bytes(const qn_chain *c, const qn_job *job, uint32_t i) {
  bool written;
  if (job->ptrs[i].value == QN__REF_CODES) return true;
  uint32_t bits = qn_scalar_get(c->p->values[job->ptrs[i].value].mem)->storage_bits;
  return bits >= 8 || row_stride(job, i, &written) * per_row(c, job) * bits % 8 == 0;
}

static bool add_spans(qn_chain *c, const qn_job *job) {
  uint32_t first = c->num_spans, n = first;
  if (n + job->num_ptrs > QN__CHAIN_SPANS) return false;
  for (uint32_t i = 0; i < job->num_ptrs; i++) {
    if (!at_bytes(c, job, i)) return false;
    qn_span s = span_of(c, job, i);
    if (s.base == UINT32_MAX) continue; /* constants: nothing writes them */
    if (s.written && s.pitch == 0) return false;
    for (uint32_t k = 0; k < n; k++)
      if (disturb(&c->spans[k], &s)) return false;
    c->spans[n++] = s;
  }
  c->num_spans = n;
  return true;
}

static void count_bytes(qn_chain *c, const qn_job *job) {
  for (uint32_t i = 0; i < job->num_ptrs; i++) {
    bool written;
    int64_t stride = row_stride(job, i, &written) * per_row(c, job);
    if (written) c->row_bytes += stride;
  }
  if (job->part == QN_PART_TILES) c->weight_bytes += job->strides[2] * job->extent[1];
}

bool qn__chain_add(qn_chain *c, const qn_job *job) {
  if (c->num_jobs == QN__CHAIN_JOBS || !rows_fit(c, job)) return false;
  if (!c->num_jobs) c->rows = job->extent[0];
  if (!add_spans(c, job)) return false;
  if (job->part == QN_PART_TILES) c->tallest = job->step->plan->u.gemm.rows;
  count_bytes(c, job);
  c->cost += job->cost;
  c->jobs[c->num_jobs++] = *job;
  return true;
}

static bool add_job(void *user, const qn_job *job) {
  return qn__chain_add(user, job);
}

uint32_t qn__chain_steps(qn_chain *c, const qn_program *p, const qn_bound *b, uint32_t first, uint32_t threads,
                         bool *blocks) {
  uint32_t n = 0;
  qn__chain_start(c, p, b);
  while (first + n < p->num_steps && qn__step_jobs(p, &p->steps[first + n], b, add_job, c)) n++;
  *blocks = n > 1 && qn__chain_pays(c, threads);
  qn__chain_start(c, p, b);
  return n ? n : 1;
}

/* ---- blocks ---- */

static int64_t block_tiles(const qn_chain *c) {
  int64_t tile_bytes = c->row_bytes * (c->tallest ? c->tallest : 1);
  int64_t n = (int64_t)c->p->machine.chain_bytes / (tile_bytes ? tile_bytes : 1);
  return n < LEAST_TILES ? LEAST_TILES : n;
}

static qn_row_split split_of(const qn_chain *c) {
  return qn__row_split(c->rows, c->tallest ? c->tallest : 1);
}

bool qn__chain_pays(const qn_chain *c, uint32_t threads) {
  bool fits = (double)c->weight_bytes <= c->p->machine.l2_bytes / 2;
  if (c->num_jobs < 2 || !fits || qn__chain_blocks(c) < (int64_t)threads) return false;
  return threads > 1 || c->row_bytes * c->rows > LEAST_SAVED;
}

int64_t qn__chain_blocks(const qn_chain *c) {
  qn_row_split s = split_of(c);
  int64_t tiles = s.counts[0] + s.counts[1], per = block_tiles(c);
  return (tiles + per - 1) / per;
}

void qn__chain_rows(const qn_chain *c, int64_t block, int64_t *lo, int64_t *hi) {
  qn_row_split s = split_of(c);
  int64_t tiles = s.counts[0] + s.counts[1], n = qn__chain_blocks(c);
  *lo = qn__row_of_tile(&s, tiles * block / n);
  *hi = qn__row_of_tile(&s, tiles * (block + 1) / n);
}

qn_piece qn__chain_piece(const qn_chain *c, uint32_t j, int64_t lo, int64_t hi) {
  const qn_job *job = &c->jobs[j];
  int64_t f = per_row(c, job);
  qn_piece piece = {.begin = {lo * f, 0}, .end = {hi * f, job->extent[1]}};
  qn_piece whole[2];
  qn__job_pieces(job, 0, 1, whole); /* the body that does all rows does these */
  piece.body = whole[0].body;
  return piece;
}
