/* Two programs on the same samples: how close their outputs are and, on the interpreter, the values inside that both
 * have. Sums only are kept over the samples. */
#include "alloc.h"
#include "buf.h"
#include "closeness.h"
#include "map.h"
#include "samples.h"
#include "vec.h"
#include <quern/unstable/evaluator.h>
#include <string.h>

/* A value that both programs have. */
typedef struct match {
  qn_value a, b;
  qn_tensor seen; /* a's value of the current sample; data null before */
  qn__closeness sums;
} match;

typedef struct side {
  const qn_module *m;
  qn_module *copy; /* for the interpreter, with per_op */
  qn_op func;
  uint32_t num_own; /* outputs of the program itself: lowering adds what observers saw */
  qn_program *program;
  uint32_t num_out;
  qn_tensor *out;
} side;

typedef struct job {
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_sample_set *samples;
  side a, b;
  uint32_t num_in;
  qn_tensor *in;
  uint32_t *partner; /* for each output of a, that of b */
  qn__closeness *sums;
  bool per_op;
  QN_VEC(match) matches;
  qn_idmap by_value_a, by_value_b; /* value id -> match + 1 */
} job;

/* ---- outputs ---- */

static qn_value output(const side *s, uint32_t i) {
  return qn_op_operand(s->m, qn_func_return(s->m, s->func), i);
}

static qn_status open_side(job *j, side *s, const qn_module *m, const char *engine) {
  s->m = m;
  qn_status status = qn__job_function(m, &s->func);
  if (status) return status;
  s->num_own = qn_op_num_operands(m, qn_func_return(m, s->func));
  status = qn_build_program(m, &(qn_compile_options){.engine = engine}, &s->program);
  if (status) return status;
  s->num_out = qn_program_num_outputs(s->program);
  s->out = qn__alloc_zero(j->allocator, ((size_t)s->num_out + 1) * sizeof *s->out);
  return s->out ? QN_OK : qn_error_no_memory(j->ctx);
}

static void close_side(job *j, side *s) {
  qn__free(j->allocator, s->out, s->out ? ((size_t)s->num_out + 1) * sizeof *s->out : 0);
  qn_program_destroy(s->program);
  qn_module_destroy(s->copy);
}

static bool find_output(const side *s, qn_str name, uint32_t *i) {
  for (*i = 0; *i < s->num_own; ++*i)
    if (qn_str_eq(qn_func_output_name(s->m, s->func, *i), name)) return true;
  return false;
}

/* By name where each of a's names is one of b's, else by position. */
static qn_status pair_outputs(job *j) {
  uint32_t n = j->a.num_own;
  bool by_name = true;
  if (n != j->b.num_own)
    return qn_op_error(j->b.m, j->b.func, QN_DIAG_SHAPE, "the programs have %u and %u outputs and cannot be compared",
                       n, j->b.num_own);
  j->partner = qn__alloc_zero(j->allocator, ((size_t)n + 1) * sizeof *j->partner);
  j->sums = qn__alloc_zero(j->allocator, ((size_t)n + 1) * sizeof *j->sums);
  if (!j->partner || !j->sums) return qn_error_no_memory(j->ctx);
  for (uint32_t i = 0; i < n && by_name; i++)
    by_name = find_output(&j->b, qn_func_output_name(j->a.m, j->a.func, i), &j->partner[i]);
  for (uint32_t i = 0; i < n && !by_name; i++) j->partner[i] = i;
  return QN_OK;
}

static qn__typed typed(const side *s, qn_value v, const qn_tensor *t) {
  qn_context *ctx = qn_module_context(s->m);
  return (qn__typed){ctx, qn_type_elem(ctx, qn_value_type(s->m, v)), t};
}

static qn_status add_outputs(job *j) {
  for (uint32_t i = 0; i < j->a.num_own; i++) {
    uint32_t k = j->partner[i];
    if (qn__closeness_add(&j->sums[i], typed(&j->a, output(&j->a, i), &j->a.out[i]),
                          typed(&j->b, output(&j->b, k), &j->b.out[k])))
      continue;
    qn_str name = qn_func_output_name(j->a.m, j->a.func, i);
    return qn_op_error(j->b.m, j->b.func, QN_DIAG_SHAPE, "output '%.*s' has another shape in each program",
                       (int)name.size, name.data);
  }
  return QN_OK;
}

static void free_outputs(job *j, side *s) {
  for (uint32_t i = 0; i < s->num_out; i++) qn_tensor_free(j->ctx, &s->out[i]);
}

static qn_status run_programs(job *j) {
  qn_status status = qn_program_run(j->a.program, j->in, j->a.out, NULL);
  if (status) return status;
  status = qn_program_run(j->b.program, j->in, j->b.out, NULL);
  if (!status) {
    status = add_outputs(j);
    free_outputs(j, &j->b);
  }
  free_outputs(j, &j->a);
  return status;
}

/* ---- the values inside that both have ---- */

static uint64_t name_key(const side *s, qn_op op, uint32_t result) {
  qn_str name = qn_name_str(qn_module_context(s->m), qn_value_name(s->m, qn_op_result(s->m, op, result)));
  return name.size ? (uint64_t)qn__hash(name.data, name.size, 1) << 32 | qn__hash(name.data, name.size, 2) : 0;
}

static uint64_t place_key(const side *s, qn_op op, uint32_t result) {
  qn_place p = qn_op_place(s->m, op);
  if (!p.line && !p.entity.size) return 0;
  uint32_t rest[3] = {p.line, p.col, result};
  uint32_t low = qn__hash(p.file.data, p.file.size, 3), high = qn__hash(p.entity.data, p.entity.size, low);
  return (uint64_t)qn__hash(rest, sizeof rest, high) << 32 | qn__hash(rest, sizeof rest, ~low);
}

typedef uint64_t (*key_fn)(const side *s, qn_op op, uint32_t result);

/* Values that can be compared: tensors of numbers, not constants. */
static bool comparable(const side *s, qn_op op, uint32_t result) {
  qn_context *ctx = qn_module_context(s->m);
  qn_op_kind kind = qn_op_kind_of(s->m, op);
  qn_type t = qn_value_type(s->m, qn_op_result(s->m, op, result));
  if (kind == QN_OP_CONSTANT || kind == QN_OP_PACKED || kind == QN_OP_OBSERVE) return false;
  return qn_type_kind_of(ctx, t) == QN_TYPE_TENSOR && qn_type_memory(ctx, qn_type_elem(ctx, t)) != QN_SCALAR_NONE;
}

/* Floats, and codes whose type says what they stand for. Integers are compared with integers only: sums of codes come
 * from where a float product stood, but in units that nothing tells. */
static bool stands_for_floats(const side *s, qn_op op, uint32_t result) {
  qn_context *ctx = qn_module_context(s->m);
  qn_type elem = qn_type_elem(ctx, qn_value_type(s->m, qn_op_result(s->m, op, result)));
  return qn_type_as_quant(ctx, elem) != NULL || qn_scalar_is_float(qn_type_memory(ctx, elem));
}

/* What a value is found by; 0 for nothing. */
static uint64_t key_of(const side *s, key_fn key, qn_op op, uint32_t result) {
  uint64_t k = comparable(s, op, result) ? key(s, op, result) : 0;
  return k && stands_for_floats(s, op, result) ? ~k : k;
}

/* Key -> value id. Of several values with one key the last stands: what an op of the source became in the end. */
static bool index_values(job *j, const side *s, key_fn key, qn_idmap *map) {
  for (qn_op op = qn_block_first(s->m, qn_func_body(s->m, s->func)); op.id; op = qn_op_next(s->m, op))
    for (uint32_t i = 0; i < qn_op_num_results(s->m, op); i++) {
      uint64_t k = key_of(s, key, op, i);
      if (k && !qn__idmap_set(j->allocator, map, k, qn_op_result(s->m, op, i).id)) return false;
    }
  return true;
}

static bool same_sizes(const job *j, qn_value a, qn_value b) {
  qn_type x = qn_value_type(j->a.m, a), y = qn_value_type(j->b.m, b);
  uint32_t rank = qn_type_rank(qn_module_context(j->a.m), x);
  if (rank != qn_type_rank(qn_module_context(j->b.m), y)) return false;
  const int64_t *p = qn_type_shape(qn_module_context(j->a.m), x), *q = qn_type_shape(qn_module_context(j->b.m), y);
  for (uint32_t d = 0; d < rank; d++)
    if (p[d] != QN_DYNAMIC && q[d] != QN_DYNAMIC && p[d] != q[d]) return false;
  return true;
}

/* Outputs are told of as such. */
static bool is_output_pair(const job *j, qn_value a, qn_value b) {
  for (uint32_t i = 0; i < j->a.num_own; i++)
    if (output(&j->a, i).id == a.id && output(&j->b, j->partner[i]).id == b.id) return true;
  return false;
}

static bool add_match(job *j, qn_value a, qn_value b) {
  if (qn__idmap_get(&j->by_value_a, a.id) || qn__idmap_get(&j->by_value_b, b.id) || !same_sizes(j, a, b) ||
      is_output_pair(j, a, b))
    return true;
  return qn__push(j->allocator, &j->matches, (match){.a = a, .b = b}) &&
         qn__idmap_set(j->allocator, &j->by_value_a, a.id, j->matches.size) &&
         qn__idmap_set(j->allocator, &j->by_value_b, b.id, j->matches.size);
}

static bool match_by(job *j, key_fn key) {
  qn_idmap a = {0}, b = {0};
  bool ok = index_values(j, &j->a, key, &a) && index_values(j, &j->b, key, &b);
  const side *s = &j->a;
  for (qn_op op = qn_block_first(s->m, qn_func_body(s->m, s->func)); op.id && ok; op = qn_op_next(s->m, op))
    for (uint32_t i = 0; i < qn_op_num_results(s->m, op) && ok; i++) {
      qn_value v = qn_op_result(s->m, op, i);
      uint64_t k = key_of(s, key, op, i);
      uint32_t there = k && qn__idmap_get(&a, k) == v.id ? qn__idmap_get(&b, k) : 0;
      if (there) ok = add_match(j, v, (qn_value){there});
    }
  qn__idmap_free(j->allocator, &a);
  qn__idmap_free(j->allocator, &b);
  return ok;
}

/* The evaluator works on copies: a comparison does not touch the programs. */
static qn_status match_values(job *j) {
  j->a.copy = qn_module_clone(j->a.m);
  j->b.copy = qn_module_clone(j->b.m);
  return j->a.copy && j->b.copy && match_by(j, name_key) && match_by(j, place_key) ? QN_OK : qn_error_no_memory(j->ctx);
}

static match *match_of(job *j, const qn_idmap *map, const qn_module *m, qn_op op, uint32_t result) {
  uint32_t i = qn__idmap_get(map, qn_op_result(m, op, result).id);
  return i ? &j->matches.data[i - 1] : NULL;
}

static qn_status keep_value(void *user, const qn_module *m, qn_op op, uint32_t result, const qn_tensor *value) {
  job *j = user;
  match *x = match_of(j, &j->by_value_a, m, op, result);
  size_t bytes = qn_tensor_bytes(value);
  if (!x) return QN_OK;
  qn_tensor_free(j->ctx, &x->seen);
  x->seen = *value;
  x->seen.data = qn__alloc(j->allocator, bytes ? bytes : 1);
  if (!x->seen.data) return qn_error_no_memory(j->ctx);
  if (bytes) memcpy(x->seen.data, value->data, bytes);
  return QN_OK;
}

static qn_status compare_value(void *user, const qn_module *m, qn_op op, uint32_t result, const qn_tensor *value) {
  job *j = user;
  match *x = match_of(j, &j->by_value_b, m, op, result);
  if (x && x->seen.data) qn__closeness_add(&x->sums, typed(&j->a, x->a, &x->seen), typed(&j->b, x->b, value));
  return QN_OK;
}

static qn_status evaluate(job *j, side *s, bool keep) {
  qn_eval_options options = {.on_value = keep ? keep_value : compare_value, .user = j};
  qn_status status = qn_evaluate(s->copy, s->func, &options, j->num_in, j->in, s->num_own, s->out);
  for (uint32_t i = 0; i < s->num_own; i++) qn_tensor_free(j->ctx, &s->out[i]);
  return status;
}

static qn_status run_evaluators(job *j) {
  qn_status status = evaluate(j, &j->a, true);
  if (!status) status = evaluate(j, &j->b, false);
  for (uint32_t i = 0; i < j->matches.size; i++) qn_tensor_free(j->ctx, &j->matches.data[i].seen);
  return status;
}

/* ---- reports ---- */

/* The value's name, else its op's in the source model, else where it stands. */
static void put_label(qn_buf *b, const side *s, qn_value v) {
  qn_op op = qn_value_op(s->m, v);
  qn_str name = qn_name_str(qn_module_context(s->m), qn_value_name(s->m, v));
  qn_place p = qn_op_place(s->m, op);
  if (!name.size) name = p.entity;
  if (name.size)
    qn__buf_str(b, name);
  else
    qn__buf_fmt(b, "%.*s at %.*s:%u", (int)qn_op_name(s->m, op).size, qn_op_name(s->m, op).data, (int)p.file.size,
                p.file.data, p.line);
}

static qn_status report(job *j, qn_comparison_fn each, void *user) {
  for (uint32_t i = 0; i < j->a.num_own; i++) {
    qn_comparison c = qn__closeness_result(&j->sums[i], qn_func_output_name(j->a.m, j->a.func, i));
    each(user, &c);
  }
  qn_buf label;
  qn__buf_init(&label, j->allocator);
  for (uint32_t i = 0; i < j->matches.size && !label.failed; i++) {
    label.size = 0;
    put_label(&label, &j->a, j->matches.data[i].a);
    qn_comparison c = qn__closeness_result(&j->matches.data[i].sums, qn__buf_view(&label));
    bool met = j->matches.data[i].sums.tensors > 0; /* sizes known at run time only may turn out to differ */
    if (met && !label.failed) each(user, &c);
  }
  qn_status status = label.failed ? qn_error_no_memory(j->ctx) : QN_OK;
  qn__buf_free(&label);
  return status;
}

/* ---- the job ---- */

/* One sample (or as many as the program takes) a run: nothing in the programs can then mix samples. */
static qn_status run_all(job *j) {
  qn__cut cut;
  qn_status status = qn__samples_cut(j->samples, j->a.m, j->a.func, &cut);
  if (!status && !cut.count)
    status = qn_error(j->ctx, QN_DIAG_MISSING, qn__samples_place(j->samples, j->a.m, j->a.func, 0),
                      "there are no samples to compare on");
  for (int64_t first = 0; !status && first < cut.count; first += cut.unit) {
    status = qn_samples_inputs(j->samples, j->a.m, j->a.func, first, cut.unit, j->in);
    if (!status) status = run_programs(j);
    if (!status && j->per_op) status = run_evaluators(j);
    qn_progress(j->ctx, "compare", first + cut.unit, cut.count);
  }
  return status;
}

static qn_status prepare(job *j, const qn_module *a, const qn_module *b, const char *engine) {
  if (!j->samples)
    return qn_error(j->ctx, QN_DIAG_MISSING, qn_place_file(""), "a comparison needs samples; none were given");
  qn_status status = open_side(j, &j->a, a, engine);
  if (!status) status = open_side(j, &j->b, b, engine);
  if (status) return status;
  j->num_in = qn_program_num_inputs(j->a.program);
  if (qn_program_num_inputs(j->b.program) != j->num_in)
    return qn_op_error(b, j->b.func, QN_DIAG_SHAPE, "the programs have %u and %u inputs and cannot be compared",
                       j->num_in, qn_program_num_inputs(j->b.program));
  j->in = qn__alloc_zero(j->allocator, ((size_t)j->num_in + 1) * sizeof *j->in);
  if (!j->in) return qn_error_no_memory(j->ctx);
  status = pair_outputs(j);
  return !status && j->per_op ? match_values(j) : status;
}

static void clean_up(job *j) {
  qn__free(j->allocator, j->in, j->in ? ((size_t)j->num_in + 1) * sizeof *j->in : 0);
  qn__free(j->allocator, j->partner, j->partner ? ((size_t)j->a.num_own + 1) * sizeof *j->partner : 0);
  qn__free(j->allocator, j->sums, j->sums ? ((size_t)j->a.num_own + 1) * sizeof *j->sums : 0);
  qn__vec_free(j->allocator, &j->matches);
  qn__idmap_free(j->allocator, &j->by_value_a);
  qn__idmap_free(j->allocator, &j->by_value_b);
  close_side(j, &j->a);
  close_side(j, &j->b);
}

qn_status qn_compare(const qn_module *a, const qn_module *b, qn_sample_set *samples, const char *engine, bool per_op,
                     qn_comparison_fn each, void *user) {
  if (!a || !b || !each) return qn_error_null(qn_module_context(a), __func__);
  qn_context *ctx = qn_module_context(a);
  job j = {.ctx = ctx, .allocator = qn_context_allocator(ctx), .samples = samples, .per_op = per_op};
  qn_status status = prepare(&j, a, b, engine);
  if (!status) status = run_all(&j);
  if (!status) status = report(&j, each, user);
  clean_up(&j);
  return status;
}
