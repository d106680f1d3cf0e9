/* Matrix products: inputs, the interpreter's answer, and how close others come to it. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t product_y_bytes(const product *p) {
  return (size_t)(p->m * p->n) * qn_scalar_bytes(p->y_type, 1);
}

static void fill(product *p) {
  size_t a = (size_t)(p->m * p->k), b = (size_t)(p->k * p->n);
  p->b_scales = big_alloc((size_t)p->n * sizeof(float));
  p->bias = big_alloc((size_t)p->n * sizeof(float));
  p->bias_i32 = big_alloc((size_t)p->n * sizeof(int32_t));
  p->a = big_alloc(a * qn_scalar_bytes(p->a_type, 1));
  p->b = big_alloc(b * qn_scalar_bytes(p->b_type, 1));
  if (p->a_type == QN_F32) {
    fill_floats(p->a, a, -1, 1, 1), fill_floats(p->b, b, -1, 1, 2);
  } else {
    fill_bytes(p->a, a, 1), fill_codes(p->b, b, 127, 2);
  }
  fill_floats(p->b_scales, (size_t)p->n, 0.002f, 0.01f, 3);
  /* Sums spread as sqrt(K) times the spread of a product; three of them fill the codes. */
  p->a_scale = 0.02f;
  float spread = sqrtf((float)p->k) * 10800.0f * p->a_scale * 0.006f;
  p->y_scale = 3 * spread / 255;
  fill_floats(p->bias, (size_t)p->n, -spread, spread, 4);
  for (int64_t j = 0; j < p->n; j++) {
    p->bias_i32[j] = (int32_t)nearbyint((double)p->bias[j] / ((double)p->a_scale * (double)p->b_scales[j]));
    if (p->a_type == QN_F32) p->bias[j] /= spread;
  }
}

static void choose_rows(product *p) {
  const int64_t at[8] = {0, p->m - 1, p->m / 2, p->m / 3, 5, p->m - 2, p->m * 3 / 4, 1};
  double work = (double)p->n * (double)p->k; /* the interpreter takes about 2 ns for a multiply-add */
  int most = work > 4e7 ? 1 : work > 1e7 ? 2 : work > 2e6 ? 4 : 8;
  for (int i = 0; i < 8 && p->num_rows < most; i++) {
    bool have = at[i] < 0 || at[i] >= p->m;
    for (int j = 0; j < p->num_rows; j++) have |= p->rows[j] == at[i];
    if (!have) p->rows[p->num_rows++] = at[i];
  }
}

static qn_matmul_desc desc_of(const product *p, int64_t m) {
  qn_matmul_desc d = {.m = m, .n = p->n, .k = p->k, .a = p->a_type, .b = p->b_type, .y = p->y_type};
  d.a_scale = p->a_scale, d.y_scale = p->y_scale, d.b_data = p->b;
  if (p->relu) d.bias = p->bias, d.relu = true;
  if (p->a_type != QN_F32) d.b_scales = p->b_scales;
  return d;
}

/* The sampled rows alone, on the interpreter: rows of a product do not depend on each other. */
static bool expect(qn_context *ctx, product *p) {
  qn_matmul_desc d = desc_of(p, p->num_rows);
  qn_compile_options interp = {.engine = "interp"};
  qn_program *program;
  if (qn_kernel_matmul(ctx, &d, &interp, &program)) return false;
  size_t a_row = (size_t)p->k * qn_scalar_bytes(p->a_type, 1), y_row = (size_t)p->n * qn_scalar_bytes(p->y_type, 1);
  qn_tensor in = {.elem = p->a_type, .rank = 2, .shape = {p->num_rows, p->k}}, out;
  in.data = big_alloc(a_row * (size_t)p->num_rows);
  for (int i = 0; i < p->num_rows; i++)
    memcpy((char *)in.data + (size_t)i * a_row, (const char *)p->a + (size_t)p->rows[i] * a_row, a_row);
  memset(&out, 0, sizeof out);
  qn_status status = qn_program_run(program, &in, &out, NULL);
  if (!status) {
    p->expected = big_alloc(y_row * (size_t)p->num_rows);
    memcpy(p->expected, out.data, y_row * (size_t)p->num_rows);
    qn_tensor_free(ctx, &out);
  }
  big_free(in.data, a_row * (size_t)p->num_rows);
  qn_program_destroy(program);
  return !status;
}

/* Spread evenly: square i is zero when the number of zero ones up to it grows with it. */
static void make_zeros(product *p, double share) {
  enum { HIGH = 32, WIDE = 64 };
  size_t bytes = qn_scalar_bytes(p->b_type, 1);
  int64_t across = (p->n + WIDE - 1) / WIDE, down = (p->k + HIGH - 1) / HIGH;
  for (int64_t i = 0; i < across * down; i++) {
    int64_t order = i * 7919 % (across * down); /* no two neighbours of a panel alike for long */
    if ((int64_t)((double)(order + 1) * share) == (int64_t)((double)order * share)) continue;
    int64_t k = i / across * HIGH, n = i % across * WIDE, wide = p->n - n < WIDE ? p->n - n : WIDE;
    for (int64_t j = k; j < k + HIGH && j < p->k; j++)
      memset((char *)p->b + (size_t)(j * p->n + n) * bytes, 0, (size_t)wide * bytes);
  }
}

bool product_create(qn_context *ctx, product *p, int64_t m, int64_t n, int64_t k, qn_scalar a, qn_scalar y,
                    bool fused) {
  return product_create_sparse(ctx, p, m, n, k, a, y, fused, 0);
}

bool product_create_sparse(qn_context *ctx, product *p, int64_t m, int64_t n, int64_t k, qn_scalar a, qn_scalar y,
                           bool fused, double zeros) {
  memset(p, 0, sizeof *p);
  p->m = m, p->n = n, p->k = k, p->a_type = a, p->y_type = y, p->relu = fused;
  p->b_type = a == QN_UI8 ? QN_I8 : a;
  fill(p);
  if (zeros > 0) make_zeros(p, zeros);
  choose_rows(p);
  if (expect(ctx, p)) return true;
  product_destroy(p);
  return false;
}

void product_destroy(product *p) {
  free(p->a), free(p->b), free(p->b_scales), free(p->bias), free(p->bias_i32), free(p->expected);
  memset(p, 0, sizeof *p);
}

bool product_same(const product *p, const void *y) {
  size_t row = (size_t)p->n * qn_scalar_bytes(p->y_type, 1);
  for (int i = 0; i < p->num_rows; i++)
    if (memcmp((const char *)p->expected + (size_t)i * row, (const char *)y + (size_t)p->rows[i] * row, row))
      return false;
  return true;
}

static double element(qn_scalar type, const void *data, int64_t i) {
  switch (type) {
  case QN_F32: return (double)((const float *)data)[i];
  case QN_I32: return (double)((const int32_t *)data)[i];
  case QN_UI8: return (double)((const uint8_t *)data)[i];
  default: return (double)((const int8_t *)data)[i];
  }
}

bool product_close(const product *p, const void *y, int offset) {
  double largest = 0, off = 0;
  qn_scalar theirs = offset ? QN_I8 : p->y_type;
  for (int i = 0; i < p->num_rows; i++)
    for (int64_t j = 0; j < p->n; j++) {
      double x = element(p->y_type, p->expected, i * p->n + j);
      double d = fabs(x - element(theirs, y, p->rows[i] * p->n + j) - offset);
      if (fabs(x) > largest) largest = fabs(x);
      if (!(d <= off)) off = d;
    }
  return p->y_type == QN_UI8 ? off <= 1 : off <= 1e-3 * largest;
}

/* ---- ours ---- */

typedef struct ours {
  qn_program *program;
  uint32_t num_in, num_out;
  DLTensor in[4], out[4];
  int64_t shapes[8][QN_MAX_RANK];
  void *y[4], *workspace;
  size_t workspace_bytes;
  const qn_parallel *parallel;
  qn_prepared *prepared;
} ours;

static void ours_run(void *state) {
  ours *s = state;
  qn_call_error error;
  if (qn_program_call(s->program, s->in, s->out, s->workspace, s->workspace_bytes, s->parallel, &error)) {
    fprintf(stderr, "quern-bench-peers: a call failed: %s\n", error.message);
    exit(1);
  }
}

static void ours_run_prepared(void *state) {
  ours *s = state;
  qn_call_error error;
  if (qn_prepared_run(s->prepared, &error)) {
    fprintf(stderr, "quern-bench-peers: a prepared call failed: %s\n", error.message);
    exit(1);
  }
}

bool ours_prepare(contender *c) {
  ours *s = c->state;
  qn_call_error error = {.message = ""};
  if (qn_prepared_create(s->program, s->in, s->out, s->parallel, &s->prepared, &error)) {
    fprintf(stderr, "quern-bench-peers: %s\n", error.message);
    return false;
  }
  c->run = ours_run_prepared;
  return true;
}

qn_multiplier ours_multiplier(const contender *c, qn_multiplier otherwise) {
  const ours *s = c->state;
  double by[QN_MULTIPLIER_COUNT];
  qn_multiplier most = 0;
  if (qn_program_ops(s->program, s->in, by) <= 0) return otherwise;
  for (uint32_t i = 1; i < QN_MULTIPLIER_COUNT; i++)
    if (by[i] > by[most]) most = i;
  return most;
}

static void ours_destroy(void *state) {
  ours *s = state;
  qn_prepared_destroy(s->prepared);
  qn_program_destroy(s->program);
  for (uint32_t i = 0; i < s->num_out; i++) free(s->y[i]);
  free(s->workspace);
  free(s);
}

bool ours_program(qn_context *ctx, qn_program *program, const qn_tensor *in, const qn_parallel *parallel,
                  contender *out, const void **y) {
  ours *s = calloc(1, sizeof *s);
  qn_call_error error = {.message = ""};
  int64_t out_shapes[4][QN_MAX_RANK];
  if (!s) return qn_error_no_memory(ctx), false;
  s->program = program, s->num_in = qn_program_num_inputs(program), s->parallel = parallel;
  uint32_t num_out = qn_program_num_outputs(program);
  *out = (contender){"quern", s, ours_run, NULL, ours_destroy};
  if (s->num_in > 4 || num_out > 4) {
    fprintf(stderr, "quern-bench-peers: a program with more than four inputs or outputs\n");
    return contender_destroy(out), false;
  }
  for (uint32_t i = 0; i < s->num_in; i++) s->in[i] = qn_tensor_as_dlpack(&in[i], s->shapes[i]);
  if (qn_program_sizes(program, s->in, &s->workspace_bytes, out_shapes, &error)) {
    fprintf(stderr, "quern-bench-peers: %s\n", error.message);
    return contender_destroy(out), false;
  }
  s->workspace = big_alloc(s->workspace_bytes + 64);
  for (uint32_t i = 0; i < num_out; i++) {
    qn_port_info port = qn_program_output(program, i);
    qn_tensor t = {.elem = port.elem, .rank = port.rank};
    memcpy(t.shape, out_shapes[i], sizeof t.shape);
    t.data = s->y[i] = big_alloc(qn_tensor_bytes(&t) + 64);
    s->out[i] = qn_tensor_as_dlpack(&t, s->shapes[4 + i]);
    s->num_out++;
  }
  if (y) *y = s->y[0];
  return true;
}

bool ours_product(qn_context *ctx, const product *p, const options *o, const qn_parallel *parallel, contender *out,
                  const void **y) {
  qn_matmul_desc d = desc_of(p, p->m);
  qn_compile_options compile = {.engine = "llvm", .cpu = o->cpu};
  qn_program *program;
  if (qn_kernel_matmul(ctx, &d, &compile, &program)) return false;
  qn_tensor in = {.elem = p->a_type, .rank = 2, .shape = {p->m, p->k}, .data = p->a};
  return ours_program(ctx, program, &in, parallel, out, y);
}
