/* The public calls. Each sets the floating-point environment around a function of its own, so that no arithmetic can be
 * moved out of it. */
#include "fpenv.h"
#include "walk.h"
#include <stdio.h>
#include <string.h>

void qn_tensor_free(qn_context *ctx, qn_tensor *t) {
  if (!t || !t->data) return;
  size_t bytes = qn_tensor_bytes(t);
  qn__free(qn_context_allocator(ctx), t->data, bytes ? bytes : 1); /* an empty tensor with data has one byte */
  t->data = NULL;
}

static void clear(qn_tensor *t, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) t[i] = (qn_tensor){0};
}

/* ---- functions ---- */

static qn_status evaluate(qn_module *m, qn_op func, const qn_eval_options *options, uint32_t num_in,
                          const qn_tensor *in, uint32_t num_out, qn_tensor *out) {
  qn_context *ctx = qn_module_context(m);
  const qn_allocator *allocator = qn_context_allocator(ctx);
  qn__walk w;
  if (qn_op_kind_of(m, func) != QN_OP_FUNC)
    return qn_op_error(m, func, QN_DIAG_CALL, "only a function can be evaluated with inputs");
  qn_status s = qn__walk_init(&w, m, options);
  if (s != QN_OK) return s;
  size_t bytes = num_in * sizeof(qn_tensor *);
  const qn_tensor **pointers = qn__alloc(allocator, bytes);
  if (num_in && !pointers) s = qn_error_no_memory(ctx);
  for (uint32_t i = 0; i < num_in && s == QN_OK; i++) pointers[i] = &in[i];
  if (s == QN_OK) s = qn__walk_function(&w, func, func, num_in, pointers, num_out, out);
  qn__free(allocator, pointers, pointers ? bytes : 0);
  qn__walk_free(&w);
  return s;
}

qn_status qn_evaluate(qn_module *m, qn_op func, const qn_eval_options *options, uint32_t num_in, const qn_tensor *in,
                      uint32_t num_out, qn_tensor *out) {
  clear(out, num_out);
  qn_fp_env saved = qn__fp_enter();
  qn_status s = evaluate(m, func, options, num_in, in, num_out, out);
  qn__fp_leave(saved);
  return s;
}

/* ---- one op ---- */

typedef struct op_values {
  qn_tensor *in;
  const qn_tensor **pointers;
  size_t *in_bytes, *out_bytes;
  bool *borrowed;
} op_values;

static bool is_packed(const qn_module *m, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(m, op);
  return kind == QN_OP_PACK || kind == QN_OP_PACKED;
}

/* A packed operand comes as its bytes and is given the sizes of its type. */
static qn_status take_packed(qn_module *m, qn_op op, uint32_t i, qn_tensor *t, size_t *bytes) {
  qn_context *ctx = qn_module_context(m);
  qn_type type = qn_value_type(m, qn_op_operand(m, op, i));
  qn_status s = qn__check_tensor(m, op, "the packed operand", t);
  if (s != QN_OK) return s;
  if (!qn_type_is_static(ctx, type) || t->elem != QN_UI8 || t->rank != 1)
    return qn_op_error(m, op, QN_DIAG_CALL,
                       "a packed operand is given as its bytes, a vector of ui8, and has known sizes");
  *bytes = qn_tensor_bytes(t);
  t->elem = qn_type_memory(ctx, qn_type_elem(ctx, type));
  t->rank = qn_type_rank(ctx, type);
  for (uint32_t d = 0; d < t->rank; d++) t->shape[d] = qn_type_shape(ctx, type)[d];
  return QN_OK;
}

static qn_status take_operands(qn_module *m, qn_op op, uint32_t n, const qn_tensor *operands, op_values *v) {
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < n && s == QN_OK; i++) {
    qn_value x = qn_op_operand(m, op, i);
    char what[96];
    snprintf(what, sizeof what, "operand %u of %.60s", i, qn_op_name(m, op).data);
    v->in[i] = operands[i];
    v->pointers[i] = &v->in[i];
    if (is_packed(m, qn_value_op(m, x))) {
      s = take_packed(m, op, i, &v->in[i], &v->in_bytes[i]);
      continue;
    }
    s = qn__check_value(m, op, qn_value_type(m, x), what, &v->in[i]);
    v->in_bytes[i] = qn_tensor_bytes(&v->in[i]);
  }
  return s;
}

/* Results belong to the caller: module data is copied, packed matrices become their bytes. */
static qn_status give_result(qn_context *ctx, qn_tensor *t, size_t bytes, bool borrowed) {
  if (borrowed && bytes) {
    void *copy = qn__alloc(qn_context_allocator(ctx), bytes);
    if (copy) memcpy(copy, t->data, bytes);
    t->data = copy;
    if (!copy) return qn_error_no_memory(ctx);
  }
  if (bytes != qn_tensor_bytes(t)) *t = (qn_tensor){QN_UI8, 1, {(int64_t)bytes}, t->data};
  return QN_OK;
}

static qn_status eval_op(qn_module *m, qn_op op, qn_arena *arena, const qn_tensor *operands, qn_tensor *results) {
  qn_context *ctx = qn_module_context(m);
  uint32_t n = qn_op_num_operands(m, op), r = qn_op_num_results(m, op);
  op_values v = {qn__arena_array(arena, n, sizeof(qn_tensor)), qn__arena_array(arena, n, sizeof(qn_tensor *)),
                 qn__arena_array(arena, n, sizeof(size_t)), qn__arena_array(arena, r, sizeof(size_t)),
                 qn__arena_array(arena, r, sizeof(bool))};
  if (!v.in || !v.pointers || !v.in_bytes || !v.out_bytes || !v.borrowed) return qn_error_no_memory(ctx);
  qn_status s = take_operands(m, op, n, operands, &v);
  if (s == QN_OK) s = qn__run_op(NULL, m, op, n, v.pointers, v.in_bytes, results, v.out_bytes, v.borrowed);
  if (s != QN_OK) return s;
  for (uint32_t i = 0; i < r; i++) {
    qn_status given = give_result(ctx, &results[i], v.out_bytes[i], v.borrowed[i]);
    if (given != QN_OK) s = given;
  }
  for (uint32_t i = 0; s != QN_OK && i < r; i++) qn_tensor_free(ctx, &results[i]);
  return s;
}

qn_status qn_eval_op(qn_module *m, qn_op op, const qn_tensor *operands, qn_tensor *results) {
  qn_arena arena;
  clear(results, qn_op_num_results(m, op));
  qn__arena_init(&arena, qn_context_allocator(qn_module_context(m)));
  qn_fp_env saved = qn__fp_enter();
  qn_status s = eval_op(m, op, &arena, operands, results);
  qn__fp_leave(saved);
  qn__arena_free(&arena);
  return s;
}

/* ---- a region ---- */

static qn_status region_args(qn_module *m, qn_op at, const qn__script *p, uint32_t n, const qn_tensor *args,
                             const qn__shape *shape, qn__view *views) {
  for (uint32_t i = 0; i < n; i++) {
    char what[48], text[QN__SHAPE_TEXT];
    snprintf(what, sizeof what, "argument %u of the region", i);
    qn_status s = qn__check_tensor(m, at, what, &args[i]);
    if (s != QN_OK) return s;
    const qn_scalar_info *have = qn_scalar_get(args[i].elem), *want = qn_scalar_get(p->types[i]);
    bool fits = have->storage_bits == want->storage_bits && (have->cls == QN_FLOAT) == (want->cls == QN_FLOAT) &&
                (have->cls != QN_FLOAT || args[i].elem == p->types[i]) && args[i].rank == shape->rank;
    for (uint32_t d = 0; fits && d < shape->rank; d++) fits = args[i].shape[d] == shape->size[d];
    if (!fits)
      return qn_op_error(m, at, QN_DIAG_CALL, "%s is %s, expected %s in the shape of argument 0", what,
                         qn__tensor_text(&args[i], text), want->text);
    views[i] = qn__view_of(&args[i], shape);
  }
  return QN_OK;
}

static qn_status eval_region(qn_module *m, qn_block region, qn_arena *arena, uint32_t num_args, const qn_tensor *args,
                             uint32_t num_results, qn_tensor *results) {
  qn_context *ctx = qn_module_context(m);
  qn_op at = qn_block_op(m, region);
  qn__script *p;
  qn_status s = qn__script_build(m, region, arena, &p);
  if (s != QN_OK) return s;
  if (p->num_args != num_args || p->num_yields != num_results)
    return qn_op_error(m, at, QN_DIAG_CALL, "the region takes %u and yields %u values, but %u and %u are given",
                       p->num_args, p->num_yields, num_args, num_results);
  qn__shape shape = {0};
  if (num_args && qn__check_tensor(m, at, "argument 0 of the region", &args[0]) == QN_OK)
    shape = qn__shape_of(&args[0]);
  qn__view *views = qn__arena_array(arena, num_args, sizeof *views);
  if (!views) return qn_error_no_memory(ctx);
  s = region_args(m, at, p, num_args, args, &shape, views);
  for (uint32_t i = 0; i < num_results && s == QN_OK; i++) {
    qn_tensor t = {.elem = p->types[p->yields[i]], .rank = shape.rank};
    for (uint32_t d = 0; d < shape.rank; d++) t.shape[d] = shape.size[d];
    size_t bytes = qn_tensor_bytes(&t);
    if (bytes && !(t.data = qn__alloc_zero(qn_context_allocator(ctx), bytes))) s = qn_error_no_memory(ctx);
    results[i] = t;
  }
  return s == QN_OK ? qn__script_run(ctx, arena, p, &shape, views, results, p->has_reduction) : s;
}

qn_status qn_eval_region(qn_module *m, qn_block region, uint32_t num_args, const qn_tensor *args, uint32_t num_results,
                         qn_tensor *results) {
  qn_context *ctx = qn_module_context(m);
  qn_arena arena;
  clear(results, num_results);
  qn__arena_init(&arena, qn_context_allocator(ctx));
  qn_fp_env saved = qn__fp_enter();
  qn_status s = eval_region(m, region, &arena, num_args, args, num_results, results);
  qn__fp_leave(saved);
  qn__arena_free(&arena);
  for (uint32_t i = 0; s != QN_OK && i < num_results; i++) qn_tensor_free(ctx, &results[i]);
  return s;
}
