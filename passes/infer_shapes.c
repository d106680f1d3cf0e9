/* infer-shapes: runs the rules of all ops forward from the functions' inputs and writes what they find out into the
 * types: sizes, names of sizes, function types.
 *
 * Before and after, with bind=batch:8:
 *   func.func @f(%x: tensor<?x4xf32, #quern.dims<"batch", "">>) -> tensor<?x4xf32> { %0 = quern.relu %x : .. }
 *   ->
 *   func.func @f(%x: tensor<8x4xf32>) -> tensor<8x4xf32> { %0 = quern.relu %x : (tensor<8x4xf32>) -> tensor<8x4xf32> }
 *
 * bind names sizes by symbol ("batch:8") or by input and dimension ("input.0:8"), joined by `+`. Inputs' `?` without a
 * name are given one, INPUT.DIM, so that sizes which follow from them can be told apart from others. Two names that the
 * program requires to be one size become one. Private functions take the types of their first call; a second call with
 * other types is an error: inline first. Preserves: structure. */
#include "infer_shapes.h"

/* ---- what is known about sizes ---- */

/* The place of the name's entry + 1; 0 when nothing is known about it. */
static uint32_t place_of(const sizes *s, qn_name name) {
  return name.id ? qn__idmap_get(&s->index, name.id) : 0;
}

static qn_status sizes_bind(sizes *s, qn_name name, int64_t size) {
  uint32_t at = place_of(s, name);
  if (at) {
    s->entries.data[at - 1].size = size;
    return QN_OK;
  }
  const sizes_entry fresh = {.name = name, .size = size, .same_as = name};
  bool ok =
      qn__push(s->allocator, &s->entries, fresh) && qn__idmap_set(s->allocator, &s->index, name.id, s->entries.size);
  return ok ? QN_OK : qn_error_no_memory(s->ctx);
}

/* The entry's name that stands for all that are equal to it; the way there is shortened for the next one. */
static uint32_t representative(sizes *s, uint32_t at) {
  for (;;) {
    sizes_entry *e = &s->entries.data[at - 1];
    uint32_t up = place_of(s, e->same_as);
    if (up == at || !up) return at;
    e->same_as = s->entries.data[up - 1].same_as;
    at = up;
  }
}

/* What the name is bound to; *name becomes the one that stands for all equal names. */
static int64_t sizes_get(sizes *s, qn_name *name) {
  uint32_t at = place_of(s, *name);
  if (!at) return QN_DYNAMIC;
  at = representative(s, at);
  *name = s->entries.data[at - 1].name;
  return s->entries.data[at - 1].size;
}

/* The op says that both are one size. */
static qn_status equate(sizes *s, qn_module *m, qn_op op, qn_name a, qn_name b) {
  int64_t x = sizes_get(s, &a), y = sizes_get(s, &b);
  if (a.id == b.id) return QN_OK;
  if (x != QN_DYNAMIC && y != QN_DYNAMIC && x != y)
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "needs sizes '%s' and '%s' to be equal, but they are bound to %lld and %lld",
                       qn_name_str(s->ctx, a).data, qn_name_str(s->ctx, b).data, (long long)x, (long long)y);
  qn_status status = sizes_bind(s, b, y);
  if (status == QN_OK) status = sizes_bind(s, a, x != QN_DYNAMIC ? x : y);
  if (status != QN_OK) return status;
  s->entries.data[place_of(s, b) - 1].same_as = a;
  s->changed = true;
  return QN_OK;
}

/* ---- types ---- */

static qn_type sizes_apply(sizes *s, qn_type t) {
  qn_context *ctx = s->ctx;
  if (qn_type_kind_of(ctx, t) != QN_TYPE_TENSOR || qn_type_is_static(ctx, t)) return t;
  uint32_t rank = qn_type_rank(ctx, t);
  int64_t shape[QN_MAX_RANK];
  qn_name names[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) {
    shape[d] = qn_type_shape(ctx, t)[d];
    names[d] = qn_type_symbol(ctx, t, d);
    if (shape[d] != QN_DYNAMIC || !names[d].id) continue;
    shape[d] = sizes_get(s, &names[d]);
    if (shape[d] != QN_DYNAMIC) names[d] = (qn_name){0};
  }
  return qn_type_tensor_symbols(ctx, qn_type_elem(ctx, t), rank, shape, names);
}

/* Dimension d of what was declared and what the rule gives, made one. */
static qn_status merge_dim(shapes *p, qn_op op, int64_t *size, qn_name *name, int64_t declared, qn_name declared_name) {
  if (*size != QN_DYNAMIC) {
    if (declared == QN_DYNAMIC && declared_name.id) { /* the name has this size everywhere */
      qn_status status = sizes_bind(&p->sizes, declared_name, *size);
      p->sizes.changed = true;
      return status;
    }
    if (declared == QN_DYNAMIC || declared == *size) return QN_OK;
    return qn_op_error(p->m, op, QN_DIAG_SHAPE, "a size of the result is declared as %lld, but the operands give %lld",
                       (long long)declared, (long long)*size);
  }
  if (declared != QN_DYNAMIC) {
    qn_status status = QN_OK;
    if (name->id) {
      status = sizes_bind(&p->sizes, *name, declared);
      p->sizes.changed = true;
    }
    *size = declared;
    *name = (qn_name){0};
    return status;
  }
  if (!name->id) *name = declared_name;
  return name->id && declared_name.id ? equate(&p->sizes, p->m, op, *name, declared_name) : QN_OK;
}

/* The rule's answer, refined by what was declared. */
static qn_status merge(shapes *p, qn_op op, qn_type declared, qn_type inferred, qn_type *out) {
  qn_context *ctx = p->ctx;
  *out = inferred;
  if (qn_type_eq(declared, inferred)) return QN_OK;
  uint32_t rank = qn_type_rank(ctx, inferred);
  if (qn_type_kind_of(ctx, inferred) != QN_TYPE_TENSOR || qn_type_kind_of(ctx, declared) != QN_TYPE_TENSOR)
    return QN_OK;
  if (rank != qn_type_rank(ctx, declared))
    return qn_op_error(p->m, op, QN_DIAG_SHAPE, "the result is declared as %s, but the operands give %s",
                       qn_type_text(ctx, declared).data, qn_type_text(ctx, inferred).data);
  int64_t shape[QN_MAX_RANK];
  qn_name names[QN_MAX_RANK];
  qn_status status = QN_OK;
  for (uint32_t d = 0; d < rank && status == QN_OK; d++) {
    shape[d] = qn_type_shape(ctx, inferred)[d];
    names[d] = qn_type_symbol(ctx, inferred, d);
    status = merge_dim(p, op, &shape[d], &names[d], qn_type_shape(ctx, declared)[d], qn_type_symbol(ctx, declared, d));
  }
  *out = qn_type_tensor_symbols(ctx, qn_type_elem(ctx, inferred), rank, shape, names);
  if (status == QN_OK && qn_type_is_null(*out)) status = qn_error_no_memory(ctx);
  return status;
}

static void set_type(shapes *p, qn_value v, qn_type t) {
  if (qn_type_eq(qn_value_type(p->m, v), t)) return;
  qn_value_set_type(p->m, v, t);
  p->refined++;
}

static qn_status infer_op(shapes *p, qn_op op) {
  qn_module *m = p->m;
  uint32_t n = qn_op_num_results(m, op);
  if (n == 0) return QN_OK;
  for (uint32_t i = 0; i < n; i++) { /* declared sizes that are bound by now would contradict the rule's answer */
    qn_value v = qn_op_result(m, op, i);
    set_type(p, v, sizes_apply(&p->sizes, qn_value_type(m, v)));
  }
  if (!qn__reserve(p->allocator, &p->types, n)) return qn_error_no_memory(p->ctx);
  qn_status status = qn_op_infer(m, op, p->types.data);
  for (uint32_t i = 0; i < n && status == QN_OK; i++) {
    qn_value v = qn_op_result(m, op, i);
    qn_type t;
    status = merge(p, op, qn_value_type(m, v), p->types.data[i], &t);
    if (status == QN_OK) set_type(p, v, sizes_apply(&p->sizes, t));
  }
  return status;
}

/* ---- functions and calls ---- */

static void apply_to_inputs(shapes *p, qn_op func) {
  qn_block body = qn_func_body(p->m, func);
  for (uint32_t i = 0; i < qn_block_num_args(p->m, body); i++) {
    qn_value v = qn_block_arg(p->m, body, i);
    set_type(p, v, sizes_apply(&p->sizes, qn_value_type(p->m, v)));
  }
}

static qn_status enter(shapes *p, uint32_t func) {
  qn_op op = p->functions.list.data[func];
  const shapes_frame f = {func, qn_block_first(p->m, qn_func_body(p->m, op))};
  p->state[func] = SHAPES_ON_STACK;
  apply_to_inputs(p, op);
  return qn__push(p->allocator, &p->stack, f) && qn__push(p->allocator, &p->touched, func) ? QN_OK
                                                                                           : qn_error_no_memory(p->ctx);
}

static qn_status shapes_differ(shapes *p, qn_op call, qn_op callee) {
  return qn_op_error(p->m, call, QN_DIAG_SHAPE,
                     "passes or takes other types than @%s has: a function has one set of shapes; inline it first",
                     qn_func_name(p->m, callee).data);
}

/* A private callee's inputs are what its first call passes. */
static void pass_arguments(shapes *p, qn_op call, qn_op callee) {
  qn_block body = qn_func_body(p->m, callee);
  for (uint32_t i = 0; i < qn_block_num_args(p->m, body); i++)
    set_type(p, qn_block_arg(p->m, body, i), qn_value_type(p->m, qn_op_operand(p->m, call, i)));
}

static bool call_fits(const shapes *p, qn_op call, qn_op callee) {
  const qn_module *m = p->m;
  qn_type t = qn_attr_as_type(m, qn_op_attr(m, callee, "function_type"));
  for (uint32_t i = 0; i < qn_op_num_operands(m, call); i++)
    if (!qn_type_eq(qn_value_type(m, qn_op_operand(m, call, i)), qn_type_input(p->ctx, t, i))) return false;
  for (uint32_t i = 0; i < qn_op_num_results(m, call); i++)
    if (!qn_type_eq(qn_value_type(m, qn_op_result(m, call, i)), qn_type_result(p->ctx, t, i))) return false;
  return true;
}

static qn_status finish_call(shapes *p, qn_op call, qn_op callee) {
  qn_type t = qn_attr_as_type(p->m, qn_op_attr(p->m, callee, "function_type"));
  for (uint32_t i = 0; i < qn_op_num_results(p->m, call); i++)
    set_type(p, qn_op_result(p->m, call, i), qn_type_result(p->ctx, t, i));
  return call_fits(p, call, callee) ? QN_OK : shapes_differ(p, call, callee);
}

static qn_status visit_call(shapes *p, shapes_frame *top) {
  qn_op call = top->at;
  uint32_t i = qn__callee_of(&p->functions, call);
  if (i == UINT32_MAX || p->state[i] == SHAPES_ON_STACK)
    return qn_op_error(p->m, call, QN_DIAG_VERIFY, "names a function that does not exist or calls itself");
  qn_op callee = p->functions.list.data[i];
  if (p->state[i] == SHAPES_UNSEEN && !qn_func_is_public(p->m, callee)) {
    pass_arguments(p, call, callee);
    return enter(p, i);
  }
  top->at = qn_op_next(p->m, call);
  return finish_call(p, call, callee);
}

static qn_status infer_function(shapes *p, uint32_t root) {
  qn_status status = enter(p, root);
  while (status == QN_OK && p->stack.size) {
    shapes_frame *top = &p->stack.data[p->stack.size - 1];
    if (!top->at.id) {
      qn_func_update_type(p->m, p->functions.list.data[top->func]);
      p->state[top->func] = SHAPES_DONE;
      p->stack.size--;
    } else if (qn_op_kind_of(p->m, top->at) == QN_OP_CALL) {
      status = visit_call(p, top);
    } else {
      qn_op op = top->at;
      top->at = qn_op_next(p->m, op);
      status = infer_op(p, op);
    }
  }
  return status;
}

/* The scope begins with what the option binds. */
static qn_status begin_scope(shapes *p) {
  qn__idmap_free(p->allocator, &p->sizes.index);
  p->sizes.entries.size = 0;
  p->touched.size = 0;
  qn_status status = QN_OK;
  for (uint32_t i = 0; i < p->bound.size && status == QN_OK; i++)
    status = sizes_bind(&p->sizes, p->bound.data[i].name, p->bound.data[i].size);
  return status;
}

/* What is found out about a name late in a function holds in its beginning too; each round settles a name for good. */
static qn_status infer_scope(shapes *p, uint32_t root) {
  qn_status status = begin_scope(p);
  do {
    while (p->touched.size) p->state[p->touched.data[--p->touched.size]] = SHAPES_UNSEEN;
    p->sizes.changed = false;
    if (status == QN_OK) status = infer_function(p, root);
  } while (status == QN_OK && p->sizes.changed);
  return status;
}

/* A public function may have been called before its own turn came. */
static qn_status check_calls(shapes *p) {
  const qn_module *m = p->m;
  for (uint32_t i = 0; i < p->functions.list.size; i++)
    for (qn_op op = qn_block_first(m, qn_func_body(m, p->functions.list.data[i])); op.id; op = qn_op_next(m, op)) {
      if (qn_op_kind_of(m, op) != QN_OP_CALL) continue;
      qn_op callee = p->functions.list.data[qn__callee_of(&p->functions, op)];
      if (!call_fits(p, op, callee)) return shapes_differ(p, op, callee);
    }
  return QN_OK;
}

/* Public functions first: they decide what private ones are called with. */
static qn_status infer_all(shapes *p) {
  uint32_t n = p->functions.list.size;
  qn_status status = QN_OK;
  for (int is_public = 1; is_public >= 0; is_public--)
    for (uint32_t i = 0; i < n && status == QN_OK; i++)
      if (p->state[i] == SHAPES_UNSEEN && qn_func_is_public(p->m, p->functions.list.data[i]) == (is_public == 1))
        status = infer_scope(p, i);
  return status == QN_OK ? check_calls(p) : status;
}

static qn_status run_all(shapes *p) {
  qn_status status = qn__functions_find(p->m, &p->functions);
  if (status == QN_OK) status = qn__bind_sizes(p);
  p->state = qn_run_alloc(p->run, p->functions.list.size + 1);
  if (!p->state) return QN_ERR_NO_MEMORY;
  return status == QN_OK ? infer_all(p) : status;
}

qn_status qn__pass_infer_shapes(qn_pass_run *run) {
  qn_context *ctx = qn_run_context(run);
  const qn_allocator *a = qn_context_allocator(ctx);
  shapes p = {.run = run, .m = qn_run_module(run), .ctx = ctx, .allocator = a, .sizes = {.ctx = ctx, .allocator = a}};
  qn_status status = run_all(&p);
  qn__functions_free(&p.functions);
  qn__vec_free(a, &p.stack);
  qn__vec_free(a, &p.types);
  qn__vec_free(a, &p.bound);
  qn__vec_free(a, &p.touched);
  qn__vec_free(a, &p.sizes.entries);
  qn__idmap_free(a, &p.sizes.index);
  if (p.refined) qn_run_count(run, "types refined", p.refined);
  qn_run_preserved(run, p.refined > 0, QN_PRESERVES_STRUCTURE);
  return status;
}
