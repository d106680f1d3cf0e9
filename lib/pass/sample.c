/* Inputs for check_each: the caller's, or pseudo-random numbers that fit the types and are the same on every run. */
#include "pass_impl.h"
#include <string.h>

enum { DEFAULT_SAMPLES = 2 };

int64_t qn__check_count(const qn_pass_manager *pm) {
  const qn_check_inputs *c = &pm->options.check_inputs;
  return c->get || c->count ? c->count : DEFAULT_SAMPLES;
}

/* ---- numbers ---- */

static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

/* In [0, 1), of 24 bits. */
static double unit(uint64_t *state) {
  return (double)(next_random(state) >> 40) * 0x1p-24;
}

static int64_t in_range(uint64_t *state, int64_t low, int64_t high) {
  uint64_t span = (uint64_t)high - (uint64_t)low + 1;
  return (int64_t)((uint64_t)low + (span ? next_random(state) % span : next_random(state)));
}

/* Both zeros occur, so that a rewrite which loses a sign is seen. */
static double some_float(uint64_t *state) {
  uint64_t kind = next_random(state) % 32;
  return kind == 0 ? 0.0 : kind == 1 ? -0.0 : unit(state) * 4 - 2;
}

/* Codes of a wide integer stay small: sums over them are more telling when they do not all wrap. */
static void int_range(qn_scalar s, int64_t *low, int64_t *high) {
  const qn_scalar_info *info = qn_scalar_get(s);
  bool narrow = info->bits <= 8;
  *low = narrow ? qn_scalar_min(s) : info->cls == QN_UNSIGNED ? 0 : -128;
  *high = narrow ? qn_scalar_max(s) : 127;
}

static void fill(qn_tensor *t, const qn_context *ctx, qn_type elem, uint64_t seed) {
  double min = 0, max = 0;
  int64_t low = 0, high = 1, n = qn_tensor_count(t);
  const qn_quant *q = qn_type_as_quant(ctx, elem);
  bool ranged = qn_type_calibrated_range(ctx, elem, &min, &max);
  bool is_float = qn_scalar_is_float(t->elem);
  if (q && q->qmin < q->qmax)
    low = q->qmin, high = q->qmax;
  else if (t->elem != QN_I1)
    int_range(t->elem, &low, &high);
  for (int64_t i = 0; i < n; i++) {
    if (!is_float)
      qn_tensor_set_i64(t, i, in_range(&seed, low, high));
    else if (ranged)
      qn_tensor_set_f64(t, i, min + unit(&seed) * (max - min));
    else if (t->elem == QN_F8E8M0FNU)
      qn_tensor_set_f64(t, i, 0.0625 * (double)(1 << next_random(&seed) % 9));
    else
      qn_tensor_set_f64(t, i, some_float(&seed));
  }
}

/* ---- inputs ---- */

static qn_status make_input(qn_module *m, qn_op func, uint32_t arg, int64_t sample, qn_arena *arena, qn_tensor *t) {
  qn_context *ctx = qn_module_context(m);
  qn_type type = qn_value_type(m, qn_block_arg(m, qn_func_body(m, func), arg)), elem = qn_type_elem(ctx, type);
  const int64_t *shape = qn_type_shape(ctx, type);
  *t = (qn_tensor){.elem = qn_type_memory(ctx, elem), .rank = qn_type_rank(ctx, type)};
  if (qn_type_kind_of(ctx, type) != QN_TYPE_TENSOR || t->elem == QN_SCALAR_NONE)
    return qn_op_error(m, func, QN_DIAG_UNSUPPORTED, "argument %u is %s, which no input can be made up for", arg,
                       qn_type_text(ctx, type).data);
  /* 6 and 4 divide by the sizes that reshapes most often ask for. */
  for (uint32_t d = 0; d < t->rank; d++) t->shape[d] = shape[d] == QN_DYNAMIC ? (sample % 2 ? 4 : 6) : shape[d];
  size_t bytes = qn_tensor_bytes(t);
  t->data = bytes == SIZE_MAX ? NULL : qn__arena_zero(arena, bytes);
  if (!t->data) return qn_error_no_memory(ctx);
  fill(t, ctx, elem, (uint64_t)sample * 1000003 + arg);
  return QN_OK;
}

qn_status qn__check_sample(qn_pass_manager *pm, qn_module *m, qn_op func, int64_t sample, qn_arena *arena,
                           qn_tensor *in) {
  const qn_check_inputs *c = &pm->options.check_inputs;
  uint32_t n = qn_block_num_args(m, qn_func_body(m, func));
  if (c->get) return c->get(c->user, m, func, sample, in);
  qn_status status = QN_OK;
  for (uint32_t i = 0; status == QN_OK && i < n; i++) status = make_input(m, func, i, sample, arena, &in[i]);
  return status;
}
