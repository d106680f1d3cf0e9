/* From a step and the sizes of its values to kernel calls. One description serves the call path, which runs the jobs,
 * and ahead-of-time output, which writes them down. */
#include "schedule.h"
#include "machine.h"
#include <string.h>

/* Strides are in bytes; in elements where several share a byte. */
static int64_t elem_bytes(qn_scalar s) {
  uint32_t bits = qn_scalar_get(s)->storage_bits;
  return bits < 8 ? 1 : bits / 8;
}
static int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* A job's numbers; its arrays are filled afterwards and hold what they happen to hold beyond their counts. */
static void start_job(qn_job *job, const qn_step *s, qn_body_part part, uint32_t ptrs, uint32_t sizes,
                      uint32_t strides) {
  job->step = s, job->part = part;
  job->num_ptrs = ptrs, job->num_sizes = sizes, job->num_strides = strides;
}

/* ---- matrix products ---- */

/* A gemm step with sizes: how its leading axes become rows or a batch loop. */
typedef struct gemm_shape {
  int64_t m, n, k, k_padded; /* k: of one segment */
  int64_t segments;
  uint32_t batch_rank; /* axes looped over; 0 when they are rows */
  int64_t batch[QN_MAX_RANK], batch_count;
} gemm_shape;

static int64_t product(const int64_t *shape, uint32_t n) {
  int64_t p = 1;
  for (uint32_t i = 0; i < n; i++) p *= shape[i];
  return p;
}

static bool same_leading(const int64_t *x, uint32_t rx, const int64_t *y, uint32_t ry) {
  if (rx != ry) return false;
  return memcmp(x, y, (rx - 1) * sizeof *x) == 0;
}

/* Operands before the extras: the matrices, or an image alone. */
static uint32_t first_extra(const qn_step *s) {
  return s->plan->kind == QN_KERNEL_WINDOW && s->plan->u.gemm.combine != QN_COMBINE_DOT ? 1 : 2;
}

/* An extra operand can follow rows that span all leading axes when it has all of them or none. */
static bool rows_can_merge(const qn_program *p, const qn_step *s, const qn_bound *b) {
  uint32_t a = s->values[0], w = s->values[1], y = s->values[s->num_in]; /* w: y itself when there are no others */
  uint32_t ry = p->values[y].rank;
  bool window = s->plan->u.gemm.window;
  if (s->transpose || (!window && product(b->shapes[w], p->values[w].rank - 2) != 1)) return false;
  if (!window && !same_leading(b->shapes[a], p->values[a].rank, b->shapes[y], ry)) return false;
  for (uint32_t i = first_extra(s); i < s->num_in; i++) {
    uint32_t e = s->values[i], re = p->values[e].rank;
    if (re >= 1 && product(b->shapes[e], re - 1) == 1) continue;
    if (re >= 1 && !same_leading(b->shapes[e], re, b->shapes[y], ry)) return false;
  }
  return true;
}

static gemm_shape shape_of(const qn_program *p, const qn_step *s, const qn_bound *b) {
  const qn_gemm_plan *g = &s->plan->u.gemm;
  uint32_t a = s->values[0], y = s->values[s->num_in], ra = p->values[a].rank, ry = p->values[y].rank;
  const int64_t *sy = b->shapes[y];
  gemm_shape out = {.m = sy[ry - 2],
                    .n = sy[ry - 1],
                    .k = b->shapes[a][ra - (s->transpose ? 2 : 1)],
                    .segments = 1,
                    .batch_count = 1};
  if (g->window && s->plan->kind == QN_KERNEL_GEMM) {
    qn_segments t = qn_window_segments(&g->shape, out.k);
    out.n /= g->shape.groups;
    out.k = t.length;
    out.segments = t.outer * t.inner;
  }
  if (ry > 2 && rows_can_merge(p, s, b)) {
    out.m = product(sy, ry - 1);
  } else {
    out.batch_rank = ry - 2;
    memcpy(out.batch, sy, out.batch_rank * sizeof *sy);
    out.batch_count = product(sy, out.batch_rank);
  }
  out.k_padded = ceil_div(out.k, g->layout.k_block) * g->layout.k_block * out.segments;
  return out;
}

static int64_t codes_row(const qn_gemm_plan *g, const gemm_shape *z) {
  return qn__codes_pitch(g, z->k_padded);
}

size_t qn__step_codes(const qn_program *p, const qn_step *s, const qn_bound *b) {
  if (s->plan->kind != QN_KERNEL_GEMM || !s->plan->u.gemm.has_prologue) return 0;
  gemm_shape z = shape_of(p, s, b);
  size_t n;
  return qn__mul_size((size_t)z.m, (size_t)codes_row(&s->plan->u.gemm, &z), &n) ? n : SIZE_MAX / 2;
}

qn_scalar qn__step_multiplies(const qn_step *s) {
  if (s->plan->kind == QN_KERNEL_GEMM) return s->plan->u.gemm.rhs;
  return s->plan->kind == QN_KERNEL_ATTENTION ? s->plan->u.attention.scores.rhs : QN_SCALAR_NONE;
}

void qn__step_ops(const qn_program *p, const qn_step *s, const qn_bound *b, double by[QN_MULTIPLIER_COUNT]) {
  const qn_kernel_plan *plan = s->plan;
  if (plan->kind == QN_KERNEL_BLOCK_GEMM)
    by[plan->u.block.floats ? QN_MULTIPLIER_F32 : QN_MULTIPLIER_INT8] += qn__block_ops(p, s, b);
  if (plan->kind == QN_KERNEL_ATTENTION) qn__attention_ops(p, s, b, by);
  if (plan->kind != QN_KERNEL_GEMM) return;
  gemm_shape z = shape_of(p, s, b);
  double groups = plan->u.gemm.window ? (double)plan->u.gemm.shape.groups : 1;
  by[qn__multiplier_of(&plan->u.gemm, z.m)] +=
      2.0 * (double)z.m * (double)z.n * (double)z.k * (double)z.segments * (double)z.batch_count * groups;
}

double qn__sum_of_ops(const double by[QN_MULTIPLIER_COUNT]) {
  double sum = 0;
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++) sum += by[i];
  return sum;
}

/* Elements from the start of an operand of `rank` axes (the last `skip` of them not looped over) to batch index `at`
 * of the loop, counting missing axes and axes of size 1 as broadcast. */
static int64_t batch_offset(const int64_t *shape, uint32_t rank, uint32_t skip, const gemm_shape *z, const int64_t *at,
                            int64_t matrix) {
  int64_t offset = 0, step = matrix;
  for (uint32_t i = 0; i < z->batch_rank; i++) {
    uint32_t back = skip + i; /* axis counted from the end */
    if (back >= rank) break;
    int64_t n = shape[rank - 1 - back];
    if (n != 1) offset += at[z->batch_rank - 1 - i] * step;
    step *= n;
  }
  return offset;
}

static void add_extra(const qn_program *p, const qn_bound *b, qn_job *job, uint32_t value, const qn_extra *extra,
                      const gemm_shape *z, const int64_t *at, bool merged) {
  uint32_t r = p->values[value].rank;
  const int64_t *s = b->shapes[value];
  int64_t bytes = elem_bytes(extra->mem), cols = r >= 1 ? s[r - 1] : 1;
  int64_t rows = r < 2 ? 1 : merged ? product(s, r - 1) : s[r - 2];
  int64_t offset = merged ? 0 : batch_offset(s, r, 2, z, at, cols * (r >= 2 ? s[r - 2] : 1));
  job->ptrs[job->num_ptrs++] = (qn_pref){value, offset * bytes};
  job->strides[job->num_strides++] = rows == 1 ? 0 : cols * bytes;
}

/* ---- products over windows ---- */

static void window_sizes(const qn_gemm_plan *g, const int64_t *image, const int64_t *y, qn_job *job) {
  const qn_window *w = &g->shape;
  int64_t column = image[3] * elem_bytes(g->a_mem), line = image[2] * column, whole = image[1] * line;
  qn_segments t = qn_window_segments(w, image[3]);
  const int64_t sizes[9] = {y[1],
                            y[2],
                            t.outer,
                            t.inner,
                            whole,
                            w->stride[0] * line,
                            w->stride[1] * column,
                            w->dilation[0] * line,
                            w->dilation[1] * column};
  memcpy(job->sizes + 3, sizes, sizeof sizes);
  job->num_sizes = 12;
}

/* Where windows reach over the image: its size, and the first line of Y, when the job is that line alone. */
static void pads_sizes(const qn_gemm_plan *g, const int64_t *image, int64_t line, qn_job *job) {
  if (!qn__window_pads(g)) return;
  const int64_t more[3] = {image[1], image[2], line < 0 ? 0 : line};
  memcpy(job->sizes + 12, more, sizeof more);
  job->num_sizes = 15;
  if (line >= 0) job->sizes[3] = 1;
}

/* The same job for each group of channels. */
static bool each_group(const qn_program *p, const qn_step *s, const qn_bound *b, const gemm_shape *z, qn_job *job,
                       qn_job_fn fn, void *user) {
  const qn_gemm_plan *g = &s->plan->u.gemm;
  const int64_t *image = b->shapes[s->values[0]], *y = b->shapes[s->values[s->num_in]];
  int64_t groups = g->shape.groups;
  for (int64_t i = 0; i < groups; i++) {
    if (!fn(user, job)) return false;
    job->ptrs[0].offset += image[3] / groups * elem_bytes(g->a_mem);
    job->ptrs[1].offset += job->strides[2] * job->extent[1];
    job->ptrs[2].offset += z->n * elem_bytes(g->y_mem);
    for (uint32_t e = 0; e < g->num_epilogue_extras; e++) {
      uint32_t v = s->values[2 + e], r = p->values[v].rank;
      if (r && b->shapes[v][r - 1] == y[3]) job->ptrs[3 + e].offset += z->n * elem_bytes(g->epilogue_extras[e].mem);
    }
  }
  return true;
}

/* Multiplying takes its time, and so does reading the right side once. */
static void set_cost(const qn_program *p, const qn_gemm_plan *g, const gemm_shape *z, qn_job *job) {
  double right = (double)job->strides[2] * (double)job->extent[1];
  double macs = (double)z->m * (double)z->n * (double)(z->k * z->segments);
  job->byte_ns = qn__machine_byte_ns(&p->machine, right);
  double multiply = macs * qn__machine_mac_ns(&p->machine, p->isa, g->rhs), read = right * job->byte_ns;
  job->cost = multiply > read ? multiply : read;
}

static bool gemm_matrix(const qn_program *p, const qn_step *s, const qn_bound *b, const gemm_shape *z,
                        const int64_t *at, qn_job *job, qn_job_fn fn, void *user) {
  const qn_gemm_plan *g = &s->plan->u.gemm;
  uint32_t a = s->values[0], w = s->values[1], y = s->values[s->num_in];
  bool merged = z->batch_rank == 0;
  int64_t a_bytes = elem_bytes(g->a_mem), a_cols = s->transpose ? z->m : z->k;
  int64_t a_offset = merged ? 0 : batch_offset(b->shapes[a], p->values[a].rank, 2, z, at, z->m * z->k) * a_bytes;
  if (g->window) {
    qn_job steps;
    window_sizes(g, b->shapes[a], b->shapes[y], &steps);
    a_offset = at[0] * steps.sizes[7] + (qn__window_pads(g) ? 0 : at[1] * steps.sizes[8]);
  }
  qn_pref codes = {a, a_offset};
  int64_t codes_stride = a_cols * a_bytes;
  if (g->has_prologue) {
    codes = (qn_pref){QN__REF_CODES, 0};
    codes_stride = codes_row(g, z);
    start_job(job, s, QN_PART_PROLOGUE, 2, 3, 3);
    job->ptrs[0] = (qn_pref){a, a_offset};
    job->ptrs[1] = codes;
    job->sizes[0] = z->m, job->sizes[1] = z->k, job->sizes[2] = z->k_padded;
    job->strides[0] = s->transpose ? a_bytes : a_cols * a_bytes;
    job->strides[1] = s->transpose ? a_cols * a_bytes : a_bytes;
    job->strides[2] = codes_stride;
    for (uint32_t i = 0; i < g->num_prologue_extras; i++)
      add_extra(p, b, job, s->values[2 + i], &g->prologue_extras[i], z, at, merged);
    job->extent[0] = z->m, job->extent[1] = 1, job->grain = 1;
    job->cost = (double)z->m * (double)z->k * p->machine.op_ns * (double)g->prologue.num_insts / 2;
    if (!fn(user, job)) return false;
  }
  start_job(job, s, QN_PART_TILES, 3, 3, 3);
  int64_t y_columns = b->shapes[y][p->values[y].rank - 1];
  int64_t panel = z->k_padded * g->layout.panel_width * elem_bytes(g->rhs),
          panels = ceil_div(z->n, g->layout.panel_width);
  job->ptrs[0] = codes;
  bool one_matrix = merged || g->window;
  job->ptrs[1] = (qn_pref){w, one_matrix ? 0 : batch_offset(b->shapes[w], p->values[w].rank, 2, z, at, panel * panels)};
  job->ptrs[2] = (qn_pref){
      y, merged ? 0 : batch_offset(b->shapes[y], p->values[y].rank, 2, z, at, z->m * y_columns) * elem_bytes(g->y_mem)};
  job->sizes[0] = z->m, job->sizes[1] = z->n, job->sizes[2] = z->k;
  job->strides[0] = codes_stride;
  job->strides[1] = y_columns * elem_bytes(g->y_mem);
  job->strides[2] = panel;
  qn_granules granules;
  if (g->layout.granule &&
      qn_layout_granules(&g->layout, (size_t)elem_bytes(g->rhs), z->k, z->n, qn__value_bytes(p, b, w), &granules))
    job->sizes[job->num_sizes++] = (int64_t)granules.data;
  for (uint32_t i = 0; i < g->num_epilogue_extras; i++)
    add_extra(p, b, job, s->values[2 + g->num_prologue_extras + i], &g->epilogue_extras[i], z, at, merged);
  job->extent[0] = z->m, job->extent[1] = panels, job->grain = 1;
  set_cost(p, g, z, job);
  if (!g->window) return fn(user, job);
  window_sizes(g, b->shapes[a], b->shapes[y], job);
  pads_sizes(g, b->shapes[a], merged ? -1 : at[1], job);
  return each_group(p, s, b, z, job, fn, user);
}

/* ---- windows over single channels ---- */

static bool window_rows(const qn_program *p, const qn_step *s, const qn_bound *b, const gemm_shape *z,
                        const int64_t *at, qn_job *job, qn_job_fn fn, void *user) {
  const qn_gemm_plan *g = &s->plan->u.gemm;
  uint32_t a = s->values[0], y = s->values[s->num_in], first = first_extra(s);
  const int64_t *sy = b->shapes[y];
  bool merged = z->batch_rank == 0;
  int64_t y_bytes = elem_bytes(g->y_mem);
  *job = (qn_job){.step = s, .part = QN_PART_MAIN, .num_ptrs = 3, .num_strides = 3};
  window_sizes(g, b->shapes[a], sy, job);
  job->sizes[0] = z->m, job->sizes[1] = sy[3];
  pads_sizes(g, b->shapes[a], merged ? -1 : at[1], job);
  job->ptrs[0] = (qn_pref){a, merged ? 0 : at[0] * job->sizes[7] + (qn__window_pads(g) ? 0 : at[1] * job->sizes[8])};
  job->ptrs[1] = (qn_pref){g->combine == QN_COMBINE_DOT ? s->values[1] : a, 0};
  job->ptrs[2] = (qn_pref){y, merged ? 0 : batch_offset(sy, 4, 2, z, at, z->m * sy[3]) * y_bytes};
  job->strides[1] = sy[3] * y_bytes;
  for (uint32_t i = 0; i < g->num_epilogue_extras; i++)
    add_extra(p, b, job, s->values[first + i], &g->epilogue_extras[i], z, at, merged);
  job->extent[0] = z->m, job->extent[1] = 1, job->grain = 1;
  job->cost = (double)(z->m * sy[3]) * (double)(g->shape.size[0] * g->shape.size[1]) * 0.4 * p->machine.op_ns;
  return fn(user, job);
}

static bool gemm_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user) {
  gemm_shape z = shape_of(p, s, b);
  if (z.m == 0 || z.n == 0) return true;
  int64_t at[QN_MAX_RANK] = {0};
  for (int64_t i = 0; i < z.batch_count; i++) {
    int64_t rest = i;
    for (uint32_t d = z.batch_rank; d-- > 0;) {
      at[d] = rest % z.batch[d];
      rest /= z.batch[d];
    }
    if (!(s->plan->kind == QN_KERNEL_WINDOW ? window_rows : gemm_matrix)(p, s, b, &z, at, job, fn, user)) return false;
  }
  return true;
}

/* ---- padding ---- */

static bool pad_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user) {
  uint32_t x = s->values[0], y = s->values[s->num_in];
  const int64_t *sx = b->shapes[x], *sy = b->shapes[y];
  int64_t x_bytes = elem_bytes(p->values[x].mem), y_bytes = elem_bytes(p->values[y].mem);
  *job = (qn_job){.step = s, .part = QN_PART_MAIN, .num_ptrs = 2, .num_sizes = 6, .num_strides = 2};
  job->ptrs[0] = (qn_pref){x, 0};
  job->ptrs[1] = (qn_pref){y, 0};
  for (uint32_t i = 1; i < s->num_in; i++) job->ptrs[job->num_ptrs++] = (qn_pref){s->values[i], 0};
  const int64_t sizes[6] = {sx[1], sx[2] * sx[3], sy[1], s->pads[0], s->pads[1] * sx[3], s->pads[3] * sx[3]};
  memcpy(job->sizes, sizes, sizeof sizes);
  job->strides[0] = sx[2] * sx[3] * x_bytes;
  job->strides[1] = sy[2] * sy[3] * y_bytes;
  job->extent[0] = sy[0] * sy[1], job->extent[1] = 1, job->grain = 1;
  job->cost = (double)product(sy, 4) * p->machine.op_ns * (double)s->plan->u.loop.tape.num_insts;
  return job->extent[0] == 0 || product(sy, 4) == 0 || fn(user, job);
}

/* ---- loops ---- */

/* Elements from one index of `axis` of the iteration shape to the next, in operand `value`; 0 where it broadcasts. */
static int64_t axis_stride(const qn_program *p, const qn_bound *b, const qn_loop_plan *l, uint32_t value, uint32_t axis,
                           bool permuted) {
  uint32_t r = p->values[value].rank;
  const int64_t *s = b->shapes[value];
  if (permuted) axis = (uint32_t)l->perm[axis];
  uint32_t lead = l->rank - r;
  if (axis < lead || s[axis - lead] == 1) return 0;
  return product(s + (axis - lead) + 1, r - 1 - (axis - lead));
}

static bool loop_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user) {
  const qn_loop_plan *l = &s->plan->u.loop;
  start_job(job, s, QN_PART_MAIN, s->num_in + s->num_out, l->num_loops, 0);
  /* The iteration shape: the first full output has it; if all are reduced, the inputs do. */
  qn_shape full;
  for (uint32_t d = 0; d < l->rank; d++) {
    full[d] = 1;
    for (uint32_t i = 0; i < s->num_in + s->num_out; i++) {
      uint32_t v = s->values[i], r = p->values[v].rank;
      uint32_t axis = l->has_perm && i < s->num_in ? (uint32_t)l->perm[d] : d;
      if (axis + r >= l->rank && b->shapes[v][axis + r - l->rank] != 1) full[d] = b->shapes[v][axis + r - l->rank];
    }
  }
  double count = 1;
  for (uint32_t d = 0; d < l->num_loops; d++) {
    job->sizes[d] = product(full + l->first_axis[d], l->first_axis[d + 1] - l->first_axis[d]);
    count *= (double)job->sizes[d];
    bool row = s->plan->kind == QN_KERNEL_ROW && d + 1 == l->num_loops;
    if (job->sizes[d] == 0 && !row) return true;
  }
  for (uint32_t i = 0; i < job->num_ptrs; i++) {
    uint32_t v = s->values[i];
    job->ptrs[i] = (qn_pref){v, 0};
    for (uint32_t d = 0; d < l->num_loops; d++) {
      uint32_t axis = l->first_axis[d + 1] - 1;
      while (axis > l->first_axis[d] && full[axis] == 1) axis--; /* axes of one element say nothing */
      job->strides[i * l->num_loops + d] =
          axis_stride(p, b, l, v, axis, l->has_perm && i < s->num_in) * elem_bytes(p->values[v].mem);
    }
  }
  job->num_strides = job->num_ptrs * l->num_loops;
  bool splits = l->num_loops > (s->plan->kind == QN_KERNEL_ROW ? 1u : 0u);
  job->extent[0] = splits ? job->sizes[0] : 1;
  job->extent[1] = 1;
  job->grain = l->num_loops == 1 ? 256 : 1;
  double bytes = 0;
  for (uint32_t i = 0; i < job->num_ptrs; i++) bytes += (double)qn__value_bytes(p, b, s->values[i]);
  double compute = count * p->machine.op_ns * (double)l->tape.num_insts;
  double move = bytes * qn__machine_byte_ns(&p->machine, bytes);
  job->cost = compute > move ? compute : move;
  if (qn__job_streams(p, b, job)) job->part = QN_PART_STREAM;
  return fn(user, job);
}

static bool pack_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn, void *user) {
  const qn_pack_plan *k = &s->plan->u.pack;
  uint32_t x = s->values[0], y = s->values[1], r = p->values[x].rank;
  int64_t rows = b->shapes[y][r - 2], cols = b->shapes[y][r - 1], bytes = elem_bytes(k->mem);
  int64_t panels = ceil_div(cols, k->layout.panel_width);
  int64_t panel = qn_layout_padded_k(&k->layout, rows) * k->layout.panel_width * bytes;
  int64_t segments = k->layout.segments > 1 ? k->layout.segments : 1, length = rows / segments;
  int64_t batch = product(b->shapes[x], r - 2);
  for (int64_t i = 0; i < batch * segments; i++) {
    start_job(job, s, QN_PART_MAIN, 2, 2, 3);
    int64_t matrix = i / segments, segment = i % segments;
    int64_t first = segment * length * (s->transpose ? 1 : cols) * bytes;
    job->ptrs[0] = (qn_pref){x, matrix * rows * cols * bytes + first};
    job->ptrs[1] = (qn_pref){y, matrix * panels * panel + segment * (panel / segments)};
    job->sizes[0] = length, job->sizes[1] = cols;
    job->strides[0] = s->transpose ? bytes : cols * bytes;
    job->strides[1] = s->transpose ? rows * bytes : bytes;
    job->strides[2] = panel;
    job->extent[0] = panels, job->extent[1] = 1, job->grain = 1;
    job->cost = (double)(length * cols);
    if (!fn(user, job)) return false;
  }
  return true;
}

bool qn__step_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job_fn fn, void *user) {
  qn_job job;
  switch (s->plan->kind) {
  case QN_KERNEL_WINDOW:
  case QN_KERNEL_GEMM: return gemm_jobs(p, s, b, &job, fn, user);
  case QN_KERNEL_PAD: return pad_jobs(p, s, b, &job, fn, user);
  case QN_KERNEL_MAP:
  case QN_KERNEL_ROW: return loop_jobs(p, s, b, &job, fn, user);
  case QN_KERNEL_PACK: return pack_jobs(p, s, b, &job, fn, user);
  case QN_KERNEL_BLOCK_ROWS:
  case QN_KERNEL_BLOCK_GEMM: return qn__block_jobs(p, s, b, &job, fn, user);
  case QN_KERNEL_ATTENTION: return qn__attention_jobs(p, s, b, &job, fn, user);
  case QN_KERNEL_VIEW: return true;
  }
  return true;
}

/* ---- parts and pieces ---- */

uint32_t qn__cost_parts(const qn_program *p, double cost, const qn_parallel *parallel) {
  if (!parallel || !parallel->run || parallel->num_threads < 2) return 1;
  if (parallel->min_ns) return cost >= parallel->min_ns ? parallel->num_threads : 1;
  double most = cost / (2 * p->machine.thread_ns);
  return most >= parallel->num_threads ? parallel->num_threads : most < 2 ? 1 : (uint32_t)most;
}

size_t qn__job_parts(const qn_program *p, const qn_job *job, const qn_parallel *parallel) {
  uint32_t parts = qn__cost_parts(p, job->cost, parallel);
  if (parts == 1) return 1;
  if (job->step->plan->parts > 1 && (job->part == QN_PART_TILES || job->part == QN_PART_ATTENTION))
    parts *= job->step->plan->parts;
  int64_t units = ceil_div(job->extent[0], job->grain);
  if (job->step->plan->kind == QN_KERNEL_BLOCK_GEMM) {
    units = job->extent[1];
  } else if (job->part == QN_PART_TILES) {
    qn_row_split split = qn__row_split(job->extent[0], job->step->plan->u.gemm.rows);
    units = split.counts[0] + split.counts[1];
    units = units > parts ? units : units * job->extent[1];
  }
  return units < (int64_t)parts ? (units < 1 ? 1 : (size_t)units) : parts;
}

/* Rows and panels of part (i, j) of r by n / r. */
typedef struct share {
  int64_t rows[2], panels[2];
} share;

static share share_of(const qn_job *job, const qn_row_split *s, int64_t i, int64_t r, int64_t j, int64_t c) {
  int64_t tiles = s->counts[0] + s->counts[1];
  return (share){{qn__row_of_tile(s, tiles * i / r), qn__row_of_tile(s, tiles * (i + 1) / r)},
                 {job->extent[1] * j / c, job->extent[1] * (j + 1) / c}};
}

/* What the slowest part takes: of r by c parts the last ones are the largest. It multiplies its share, and reads its
 * rows of the left side and its panels of the right one. */
static double slowest(const qn_job *job, const qn_row_split *s, int64_t r, int64_t c) {
  share last = share_of(job, s, r - 1, r, c - 1, c), first = share_of(job, s, 0, r, 0, c);
  double rows = (double)(last.rows[1] - last.rows[0]), panels = (double)(last.panels[1] - last.panels[0]);
  if ((double)(first.rows[1] - first.rows[0]) > rows) rows = (double)(first.rows[1] - first.rows[0]);
  double multiply = job->cost * rows / (double)job->extent[0] * panels / (double)job->extent[1];
  return multiply + job->byte_ns * (rows * (double)job->strides[0] + panels * (double)job->strides[2]);
}

/* Into how many parts the rows are cut when there are n: panels are into n / that. */
static int64_t parts_of_rows(const qn_job *job, const qn_row_split *s, int64_t n) {
  int64_t best = n;
  double least = 0;
  for (int64_t r = n; r >= 1; r--) {
    if (n % r) continue;
    double takes = slowest(job, s, r, n / r);
    if (r == n || takes < least) best = r, least = takes;
  }
  return best;
}

static uint32_t tile_pieces(const qn_job *job, size_t i, size_t n, qn_piece pieces[2]) {
  qn_row_split split = qn__row_split(job->extent[0], job->step->plan->u.gemm.rows);
  int64_t parts = (int64_t)n, r = parts > 1 ? parts_of_rows(job, &split, parts) : 1, c = parts / r;
  share s = share_of(job, &split, (int64_t)i / c, r, (int64_t)i % c, c);
  if (s.rows[0] >= s.rows[1] || s.panels[0] >= s.panels[1]) return 0;
  uint32_t rows = split.heights[0] | (split.counts[1] ? QN_ROWS_MIXED : 0);
  pieces[0] = (qn_piece){job->step->tile_bodies[rows], {s.rows[0], s.panels[0]}, {s.rows[1], s.panels[1]}};
  return 1;
}

uint32_t qn__job_pieces(const qn_job *job, size_t i, size_t n, qn_piece pieces[2]) {
  if (job->step->plan->kind == QN_KERNEL_BLOCK_GEMM) return qn__block_pieces(job, i, n, pieces);
  if (job->part == QN_PART_TILES) return tile_pieces(job, i, n, pieces);
  int64_t units = ceil_div(job->extent[0], job->grain);
  int64_t lo = units * (int64_t)i / (int64_t)n * job->grain, hi = units * ((int64_t)i + 1) / (int64_t)n * job->grain;
  if (hi > job->extent[0]) hi = job->extent[0];
  if (lo >= hi) return 0;
  uint32_t body = job->part == QN_PART_PROLOGUE ? job->step->prologue_body : job->step->main_body;
  if (job->part == QN_PART_ATTENTION) body = job->body;
  if (job->part == QN_PART_STREAM) body = job->step->stream_body;
  pieces[0] = (qn_piece){body, {lo, 0}, {hi, 1}};
  return 1;
}
