/* insert-observers: quern.observe on what calibration has to know the range of: each float value that a matrix product
 * takes, or attention as q, k or v, and that is not made of constants alone. Before:
 *
 *   %1 = quern.matmul %x, %w : (tensor<?x64xf32>, tensor<64x10xf32>) -> tensor<?x10xf32>
 *
 * After, the key taken from the value's name, else from its op's name in the source model, else from the function's:
 *
 *   %0 = quern.observe %x {key = "x"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
 *   %1 = quern.matmul %0, %w : (tensor<?x64xf32>, tensor<64x10xf32>) -> tensor<?x10xf32>
 *
 * kind says what each observer keeps: a row of observers.def, with a parameter where it has one ("percentile:99.9").
 * weights=true observes constant operands too. Each value is observed once, however many products take it; other users
 * keep the value itself. Keys are unique in the module and the same for the same program. Observers that are there stay
 * and are used, so the pass may run again.
 *
 * Preconditions: none; canonicalize first so that constants are plain. Results do not change. Preserves shapes. */
#include "map.h"
#include <quern/unstable/observe.h>
#include <quern/unstable/rewriter.h>
#include <stdio.h>

typedef struct inserter {
  qn_pass_run *run;
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_idmap keys;     /* name id -> how often a key began with it */
  qn_idmap observed; /* value id -> the observed value, of one function */
  qn_idmap constant; /* value id -> 1: made of constants alone */
  qn_str kind;
  bool weights;
  uint32_t ordinal; /* of the observers without a name, in one function */
} inserter;

/* ---- keys ---- */

/* What the value is called, before it is made unique. `room` holds names that are made up here. */
static qn_str base_name(inserter *s, qn_op func, qn_value v, char *room, size_t size) {
  qn_module *m = s->m;
  qn_op op = qn_value_op(m, v);
  if (!op.id) return qn_func_input_name(m, func, qn_value_index(m, v));
  qn_str name = qn_name_str(s->ctx, qn_value_name(m, v));
  if (!name.size) name = qn_op_place(m, op).entity;
  if (name.size) return name;
  qn_str of = qn_func_name(m, func);
  int n = snprintf(room, size, "%.*s.%u", (int)(of.size < 200 ? of.size : 200), of.data, s->ordinal++);
  return (qn_str){room, n > 0 ? (size_t)n : 0};
}

/* The name, with "_1", "_2" .. where it is taken. Id 0 when memory runs out. */
static qn_name unique_key(inserter *s, qn_str base) {
  qn_name first = qn_name_of(s->ctx, base), key = first;
  while (key.id && qn__idmap_get(&s->keys, key.id)) {
    char text[512];
    uint32_t n = qn__idmap_get(&s->keys, first.id);
    if (!qn__idmap_set(s->allocator, &s->keys, first.id, n + 1)) return (qn_name){0};
    int size = snprintf(text, sizeof text, "%.*s_%u", (int)(base.size < 480 ? base.size : 480), base.data, n);
    key = qn_name_of(s->ctx, (qn_str){text, size > 0 ? (size_t)size : 0});
  }
  return key.id && qn__idmap_set(s->allocator, &s->keys, key.id, 1) ? key : (qn_name){0};
}

static bool collect_keys(inserter *s) {
  for (qn_op op = qn_walk_next(s->m, (qn_op){0}, (qn_op){0}); op.id; op = qn_walk_next(s->m, (qn_op){0}, op)) {
    if (qn_op_kind_of(s->m, op) != QN_OP_OBSERVE) continue;
    qn_name key = qn_name_of(s->ctx, qn_op_get_string(s->m, op, "key"));
    if (key.id && !qn__idmap_set(s->allocator, &s->keys, key.id, 1)) return false;
  }
  return true;
}

/* ---- inserting ---- */

/* %y = quern.observe %v before `at`, placed in the source where v was made. */
static qn_value observe(inserter *s, qn_op func, qn_op at, qn_value v) {
  qn_module *m = s->m;
  char room[256];
  qn_name key = unique_key(s, base_name(s, func, v, room, sizeof room));
  qn_builder b = qn_builder_before(m, at);
  qn_op maker = qn_value_op(m, v);
  if (maker.id && qn_op_loc(m, maker).id) b.loc = qn_op_loc(m, maker);
  qn_named_attr attrs[2] = {qn_named(m, "key", qn_attr_string(m, qn_name_str(s->ctx, key))),
                            qn_named(m, "kind", qn_attr_string(m, s->kind))};
  uint32_t num_attrs = qn_str_eq(s->kind, qn_str_of("minmax")) ? 1 : 2; /* the default is left out */
  qn_op op = key.id ? qn_op_build(&b, QN_OP_OBSERVE, 1, &v, num_attrs, attrs) : (qn_op){0};
  qn_value y = op.id ? qn_op_result(m, op, 0) : (qn_value){0};
  if (!y.id || !qn__idmap_set(s->allocator, &s->observed, v.id, y.id)) return (qn_value){0};
  qn_run_count(s->run, "observers inserted", 1);
  return y;
}

/* A tensor of plain floats: what is quantized, or calibrated already, is left as it is. */
static bool is_float(const inserter *s, qn_value v) {
  qn_type elem = qn_type_elem(s->ctx, qn_value_type(s->m, v));
  return qn_scalar_is_float(qn_type_as_scalar(s->ctx, elem));
}

static bool wanted(const inserter *s, qn_value v) {
  if (qn_op_kind_of(s->m, qn_value_op(s->m, v)) == QN_OP_OBSERVE) return false;
  return s->weights || !qn__idmap_get(&s->constant, v.id);
}

static bool visit_product(inserter *s, qn_op func, qn_op op) {
  qn_module *m = s->m;
  uint32_t n = qn_op_kind_of(m, op) == QN_OP_ATTENTION ? 3 : 2;
  for (uint32_t i = 0; i < n; i++)
    if (!is_float(s, qn_op_operand(m, op, i))) return true;
  for (uint32_t i = 0; i < n; i++) {
    qn_value v = qn_op_operand(m, op, i);
    if (!wanted(s, v)) continue;
    qn_value y = {qn__idmap_get(&s->observed, v.id)};
    if (!y.id && !(y = observe(s, func, op, v)).id) return false;
    qn_op_set_operand(m, op, i, y);
  }
  return true;
}

static bool made_of_constants(const inserter *s, qn_op op) {
  if (!qn_op_has(s->m, op, QN_PURE) || qn_op_num_regions(s->m, op)) return false;
  for (uint32_t i = 0; i < qn_op_num_operands(s->m, op); i++)
    if (!qn__idmap_get(&s->constant, qn_op_operand(s->m, op, i).id)) return false;
  return true;
}

static bool visit(inserter *s, qn_op func, qn_op op) {
  qn_module *m = s->m;
  qn_op_kind kind = qn_op_kind_of(m, op);
  if (made_of_constants(s, op))
    for (uint32_t i = 0; i < qn_op_num_results(m, op); i++)
      if (!qn__idmap_set(s->allocator, &s->constant, qn_op_result(m, op, i).id, 1)) return false;
  if (kind == QN_OP_OBSERVE)
    return qn__idmap_set(s->allocator, &s->observed, qn_op_operand(m, op, 0).id, qn_op_result(m, op, 0).id);
  bool product = kind == QN_OP_MATMUL || kind == QN_OP_CONV2D || kind == QN_OP_ATTENTION;
  return !product || visit_product(s, func, op);
}

static bool visit_function(inserter *s, qn_op func) {
  s->ordinal = 0;
  qn_block body = qn_func_body(s->m, func);
  for (qn_op op = qn_block_first(s->m, body); op.id; op = qn_op_next(s->m, op))
    if (!visit(s, func, op)) return false;
  return true;
}

static bool visit_module(inserter *s) {
  if (!collect_keys(s)) return false;
  for (qn_op f = qn_block_first(s->m, qn_module_body(s->m)); f.id; f = qn_op_next(s->m, f))
    if (qn_op_kind_of(s->m, f) == QN_OP_FUNC && !visit_function(s, f)) return false;
  return !qn_module_failed(s->m);
}

qn_status qn__pass_insert_observers(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_context *ctx = qn_run_context(run);
  inserter s = {.run = run, .m = m, .ctx = ctx, .allocator = qn_context_allocator(ctx)};
  uint32_t before = qn_module_op_limit(m);
  s.kind = qn_run_string(run, "kind");
  s.weights = qn_run_bool(run, "weights");
  if (!qn_observer_info_find(ctx, s.kind, qn_place_file(""))) return QN_ERR_INPUT;
  size_t errors = qn_context_error_count(ctx);
  bool ok = visit_module(&s);
  qn__idmap_free(s.allocator, &s.keys);
  qn__idmap_free(s.allocator, &s.observed);
  qn__idmap_free(s.allocator, &s.constant);
  /* A rule that failed has reported; anything else that stops the walk is memory. */
  if (!ok) return qn_context_error_count(ctx) > errors && !qn_module_failed(m) ? QN_ERR_INPUT : qn_error_no_memory(ctx);
  qn_run_preserved(run, qn_module_op_limit(m) != before, QN_PRESERVES_SHAPES);
  return QN_OK;
}
