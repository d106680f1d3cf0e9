/* Which op of a program was the first whose value moved. Values are matched by id, which a rewrite keeps where it keeps
 * the op; new ops by the name or location that they took over. */
#include "map.h"
#include "pass_impl.h"
#include <math.h>
#include <quern/unstable/evaluator.h>
#include <string.h>

/* ---- comparing ---- */

bool qn__same_form(const qn_tensor *a, const qn_tensor *b) {
  return a->elem == b->elem && a->rank == b->rank && !memcmp(a->shape, b->shape, a->rank * sizeof *a->shape);
}

static double decibels(double signal, double noise) {
  if (noise == 0) return HUGE_VAL;
  return signal == 0 ? -HUGE_VAL : 10 * log10(signal / noise);
}

/* Zeros of both signs are different bits of equal value. */
static bool element_same(double was, double is) {
  return (was != was && is != is) || (was == is && signbit(was) == signbit(is));
}

static bool element_same_int(const qn_tensor *a, const qn_tensor *b, int64_t i) {
  return qn_tensor_get_i64(a, i) == qn_tensor_get_i64(b, i);
}

static bool is_finite(double x) {
  return x - x == 0;
}

/* A value that became infinite or NaN, or stopped being so, is noise without bound. */
static double noise_of(double was, double is) {
  if (was == is || (was != was && is != is)) return 0;
  return is_finite(was) && is_finite(is) ? (is - was) * (is - was) : HUGE_VAL;
}

qn__difference qn__compare_tensors(const qn_tensor *a, const qn_tensor *b) {
  qn__difference d = {.same = true, .sqnr = HUGE_VAL};
  int64_t n = qn_tensor_count(a);
  size_t bytes = qn_tensor_bytes(a);
  bool is_float = qn_scalar_is_float(a->elem);
  double signal = 0, noise = 0;
  if (!bytes || !memcmp(a->data, b->data, bytes)) return d;
  for (int64_t i = 0; i < n; i++) {
    double was = qn_tensor_get_f64(a, i), is = qn_tensor_get_f64(b, i);
    if (d.same && !(is_float ? element_same(was, is) : element_same_int(a, b, i))) {
      d.same = false;
      d.at = i, d.was = was, d.is = is;
    }
    if (is_finite(was)) signal += was * was;
    noise += noise_of(was, is);
  }
  if (!d.same) d.sqnr = decibels(signal, noise);
  return d;
}

/* ---- remembering the values of the program before ---- */

enum { AMBIGUOUS = UINT32_MAX };

typedef struct recording {
  const qn__pair *pair;
  const qn_allocator *allocator;
  qn_arena arena;
  qn_tensor *values; /* by value id of `before`; data null where nothing was computed */
  uint8_t *times;
  uint32_t limit;
  qn_idmap by_name, by_place; /* value id, or AMBIGUOUS */
  qn__moved *out;
} recording;

static uint64_t place_key(const qn_module *m, qn_op op, uint32_t result) {
  qn_place p = qn_op_place(m, op);
  if (!p.line && !p.entity.size) return 0;
  uint32_t rest[4] = {p.line, p.col, (uint32_t)qn_op_kind_of(m, op), result};
  uint32_t low = qn__hash(p.file.data, p.file.size, 1), high = qn__hash(p.entity.data, p.entity.size, low);
  return (uint64_t)qn__hash(rest, sizeof rest, high) << 32 | qn__hash(rest, sizeof rest, ~low);
}

static bool enter(recording *r, qn_idmap *map, uint64_t key, uint32_t value) {
  if (!key) return true;
  uint32_t old = qn__idmap_get(map, key);
  return qn__idmap_set(r->allocator, map, key, old && old != value ? AMBIGUOUS : value);
}

static qn_status on_before(void *user, const qn_module *m, qn_op op, uint32_t result, const qn_tensor *value) {
  recording *r = user;
  qn_value v = qn_op_result(m, op, result);
  if (v.id >= r->limit) return QN_OK;
  if (r->times[v.id]++) { /* in a function that is called more than once: not one value */
    r->times[v.id] = 1;
    r->values[v.id].data = NULL;
    return QN_OK;
  }
  size_t bytes = qn_tensor_bytes(value);
  qn_tensor copy = *value;
  copy.data = qn__arena_alloc(&r->arena, bytes ? bytes : 1);
  if (!copy.data) return qn_error_no_memory(qn_module_context(m));
  if (bytes) memcpy(copy.data, value->data, bytes);
  r->values[v.id] = copy;
  bool ok =
      enter(r, &r->by_name, qn_value_name(m, v).id, v.id) && enter(r, &r->by_place, place_key(m, op, result), v.id);
  return ok ? QN_OK : qn_error_no_memory(qn_module_context(m));
}

/* ---- comparing the program after ---- */

static const qn_tensor *counterpart(const recording *r, const qn_module *m, qn_op op, uint32_t result) {
  qn_value v = qn_op_result(m, op, result);
  uint32_t id = v.id < r->limit && r->times[v.id] ? v.id : 0;
  qn_name name = qn_value_name(m, v);
  if (!id && name.id) id = qn__idmap_get(&r->by_name, name.id);
  if (!id) id = qn__idmap_get(&r->by_place, place_key(m, op, result));
  return id && id != AMBIGUOUS && r->values[id].data ? &r->values[id] : NULL;
}

static qn_status on_after(void *user, const qn_module *m, qn_op op, uint32_t result, const qn_tensor *value) {
  recording *r = user;
  const qn_tensor *was = counterpart(r, m, op, result);
  if (!was || !qn__same_form(was, value)) return QN_OK;
  qn__difference d = qn__compare_tensors(was, value);
  if (r->pair->exact ? d.same : d.sqnr >= r->pair->min_sqnr) return QN_OK;
  *r->out = (qn__moved){op, result, d};
  return QN_ERR_INPUT; /* ends the evaluation: the answer is found */
}

static qn_status evaluate(qn_module *m, qn_op func, recording *r, bool is_before) {
  const qn__pair *p = r->pair;
  qn_eval_options options = {.on_value = is_before ? on_before : on_after, .user = r};
  uint32_t n = qn_op_num_operands(m, qn_func_return(m, func));
  qn_tensor *out = qn__arena_array(&r->arena, n, sizeof *out);
  if (!out) return qn_error_no_memory(qn_module_context(m));
  qn_status status = qn_evaluate(m, func, &options, p->num_in, p->in, n, out);
  for (uint32_t i = 0; i < n; i++) qn_tensor_free(qn_module_context(m), &out[i]);
  return status;
}

qn_status qn__find_moved(const qn__pair *pair, qn__moved *out) {
  qn_context *ctx = qn_module_context(pair->before);
  recording r = {.pair = pair, .allocator = qn_context_allocator(ctx), .out = out};
  *out = (qn__moved){.op = {0}};
  r.limit = qn_module_value_limit(pair->before);
  qn__arena_init(&r.arena, r.allocator);
  r.values = qn__arena_array(&r.arena, r.limit, sizeof *r.values);
  r.times = qn__arena_array(&r.arena, r.limit, sizeof *r.times);
  qn_status status = r.values && r.times ? QN_OK : qn_error_no_memory(ctx);
  if (status == QN_OK) status = evaluate(pair->before, pair->before_func, &r, true);
  if (status == QN_OK) status = evaluate(pair->after, pair->after_func, &r, false);
  qn__idmap_free(r.allocator, &r.by_name);
  qn__idmap_free(r.allocator, &r.by_place);
  qn__arena_free(&r.arena);
  return out->op.id ? QN_OK : status;
}
