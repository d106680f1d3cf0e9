#include "walk.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

qn_status qn__walk_init(qn__walk *w, qn_module *m, const qn_eval_options *options) {
  qn_context *ctx = qn_module_context(m);
  *w = (qn__walk){.m = m, .ctx = ctx, .allocator = qn_context_allocator(ctx), .options = options};
  qn__arena_init(&w->arena, w->allocator);
  w->num_values = qn_module_value_limit(m);
  w->slots = qn__arena_array(&w->arena, w->num_values, sizeof(qn__slot *));
  if (w->slots) return QN_OK;
  qn__walk_free(w);
  return qn_error_no_memory(ctx);
}

void qn__walk_free(qn__walk *w) {
  qn__arena_free(&w->arena);
}

/* ---- slots ---- */

static uint32_t count_uses(const qn_module *m, qn_value v) {
  uint32_t n = 0;
  for (qn_use u = qn_value_first_use(m, v); u.id; u = qn_use_next(m, u)) n++;
  return n;
}

static qn__slot *define(qn__walk *w, qn_value v) {
  qn__slot *s = w->free_slots;
  if (s)
    w->free_slots = s->next_free;
  else
    s = qn__arena_new(&w->arena, qn__slot);
  if (!s) return NULL;
  *s = (qn__slot){.uses = count_uses(w->m, v)};
  w->slots[v.id] = s;
  return s;
}

static void release(qn__walk *w, qn_value v) {
  qn__slot *s = v.id < w->num_values ? w->slots[v.id] : NULL;
  if (!s) return;
  if (s->owned) qn__free(w->allocator, s->t.data, s->bytes);
  w->slots[v.id] = NULL;
  s->next_free = w->free_slots;
  w->free_slots = s;
}

static void release_block(qn__walk *w, qn_block b) {
  for (uint32_t i = 0; i < qn_block_num_args(w->m, b); i++) release(w, qn_block_arg(w->m, b, i));
  for (qn_op op = qn_block_first(w->m, b); op.id; op = qn_op_next(w->m, op))
    for (uint32_t i = 0; i < qn_op_num_results(w->m, op); i++) release(w, qn_op_result(w->m, op, i));
}

/* ---- checks ---- */

qn_status qn__check_tensor(qn_module *m, qn_op at, const char *what, const qn_tensor *t) {
  char text[QN__SHAPE_TEXT];
  if (t->rank > QN_MAX_RANK || qn_tensor_count(t) < 0 || qn_scalar_get(t->elem)->bits == 0)
    return qn_op_error(m, at, QN_DIAG_CALL, "%s is no tensor: rank %u, elements of type %s", what, t->rank,
                       qn_scalar_get(t->elem)->text);
  size_t bytes = qn_tensor_bytes(t);
  if (bytes == SIZE_MAX || (bytes && !t->data))
    return qn_op_error(m, at, QN_DIAG_CALL, "%s, %s, has no data", what, qn__tensor_text(t, text));
  return QN_OK;
}

/* Signless and signed integers are the same in memory, as are index and i64. */
static bool same_memory(qn_scalar a, qn_scalar b) {
  const qn_scalar_info *x = qn_scalar_get(a), *y = qn_scalar_get(b);
  if (a == b) return true;
  if (x->cls == QN_FLOAT || y->cls == QN_FLOAT) return false;
  return x->bits == y->bits && (x->cls == QN_UNSIGNED) == (y->cls == QN_UNSIGNED);
}

qn_status qn__check_value(qn_module *m, qn_op at, qn_type type, const char *what, qn_tensor *t) {
  qn_context *ctx = qn_module_context(m);
  qn_scalar want = qn_type_memory(ctx, qn_type_elem(ctx, type));
  char text[QN__SHAPE_TEXT];
  qn_status s = qn__check_tensor(m, at, what, t);
  if (s != QN_OK) return s;
  if (!same_memory(t->elem, want))
    return qn_op_error(m, at, QN_DIAG_CALL, "%s is %s, expected elements of %s, held as %s", what,
                       qn__tensor_text(t, text), qn_type_text(ctx, type).data, qn_scalar_get(want)->text);
  t->elem = want;
  if (qn_type_kind_of(ctx, type) != QN_TYPE_TENSOR) return QN_OK;
  uint32_t rank = qn_type_rank(ctx, type);
  if (rank != t->rank)
    return qn_op_error(m, at, QN_DIAG_CALL, "%s is %s, of rank %u, expected %s", what, qn__tensor_text(t, text),
                       t->rank, qn_type_text(ctx, type).data);
  const int64_t *size = qn_type_shape(ctx, type);
  for (uint32_t d = 0; d < rank; d++)
    if (size[d] != QN_DYNAMIC && size[d] != t->shape[d])
      return qn_op_error(m, at, QN_DIAG_CALL, "%s is %s, expected %s: dimension %u is %lld, not %lld", what,
                         qn__tensor_text(t, text), qn_type_text(ctx, type).data, d, (long long)t->shape[d],
                         (long long)size[d]);
  return QN_OK;
}

/* One activation of a function. */
typedef struct activation {
  qn__walk *w;
  qn_op func;
  QN_VEC(qn__symbol) symbols;
  qn_idmap index; /* name -> position + 1 */
} activation;

/* Dimensions of one name have one size throughout the function. */
static qn_status bind_symbols(activation *a, qn_op at, qn_type type, const char *what, const qn_tensor *t) {
  qn__walk *w = a->w;
  if (qn_type_kind_of(w->ctx, type) != QN_TYPE_TENSOR || qn_type_is_static(w->ctx, type)) return QN_OK;
  for (uint32_t d = 0; d < t->rank; d++) {
    qn_name name = qn_type_symbol(w->ctx, type, d);
    if (!name.id) continue;
    uint32_t at_index = qn__idmap_get(&a->index, name.id);
    assert(a->symbols.data || (!at_index && !a->symbols.cap));
    if (at_index) {
      const qn__symbol *known = &a->symbols.data[at_index - 1];
      char text[QN__SHAPE_TEXT];
      if (known->size == t->shape[d]) continue;
      return qn_op_error(w->m, at, QN_DIAG_SHAPE,
                         "%s is %s, but its dimension %u is named '%s', which is %lld elsewhere", what,
                         qn__tensor_text(t, text), d, qn_name_str(w->ctx, name).data, (long long)known->size);
    }
    qn__symbol fresh = {name, t->shape[d]};
    if (!qn__push(w->allocator, &a->symbols, fresh) ||
        !qn__idmap_set(w->allocator, &a->index, name.id, a->symbols.size))
      return qn_error_no_memory(w->ctx);
  }
  return QN_OK;
}

/* ---- one op ---- */

qn_status qn__run_op(qn__walk *w, qn_module *m, qn_op op, uint32_t num_in, const qn_tensor *const *in,
                     const size_t *in_bytes, qn_tensor *out, size_t *out_bytes, bool *borrowed) {
  qn_context *ctx = qn_module_context(m);
  const qn_allocator *allocator = qn_context_allocator(ctx);
  qn_arena scratch;
  qn__arena_init(&scratch, allocator);
  qn__frame f = {.m = m,
                 .ctx = ctx,
                 .op = op,
                 .in = in,
                 .in_bytes = in_bytes,
                 .num_in = num_in,
                 .out = out,
                 .out_bytes = out_bytes,
                 .borrowed = borrowed,
                 .scratch = &scratch,
                 .walk = w};
  qn_status s = qn__eval_frame(&f);
  qn__arena_free(&scratch);
  for (uint32_t i = 0; s != QN_OK && i < qn_op_num_results(m, op); i++) {
    if (!borrowed[i]) qn__free(allocator, out[i].data, out_bytes[i]);
    out[i].data = NULL;
  }
  return s;
}

/* The bytes of a packed matrix are shown as bytes. */
static qn_tensor shown(const qn__slot *s) {
  if (s->bytes == qn_tensor_bytes(&s->t)) return s->t;
  return (qn_tensor){.elem = QN_UI8, .rank = 1, .shape = {(int64_t)s->bytes}, .data = s->t.data};
}

static qn_status keep_results(activation *a, qn_op op, qn_tensor *out, const size_t *bytes, const bool *borrowed) {
  qn__walk *w = a->w;
  uint32_t n = qn_op_num_results(w->m, op);
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < n; i++) {
    qn__slot *slot = define(w, qn_op_result(w->m, op, i));
    if (!slot) {
      if (!borrowed[i]) qn__free(w->allocator, out[i].data, bytes[i]);
      s = qn_error_no_memory(w->ctx);
      continue;
    }
    slot->t = out[i];
    slot->bytes = bytes[i];
    slot->owned = !borrowed[i];
  }
  for (uint32_t i = 0; i < n && s == QN_OK; i++) {
    qn_value v = qn_op_result(w->m, op, i);
    char what[48];
    snprintf(what, sizeof what, "result %u", i);
    s = bind_symbols(a, op, qn_value_type(w->m, v), what, &w->slots[v.id]->t);
    qn_tensor view = shown(w->slots[v.id]);
    if (s == QN_OK && w->options && w->options->on_value)
      s = w->options->on_value(w->options->user, w->m, op, i, &view);
    if (w->slots[v.id]->uses == 0) release(w, v);
  }
  return s;
}

enum { FEW = 8 };

static qn_status step(activation *a, qn_op op) {
  qn__walk *w = a->w;
  uint32_t num_in = qn_op_num_operands(w->m, op), num_out = qn_op_num_results(w->m, op);
  const qn_tensor *few_in[FEW];
  size_t few_in_bytes[FEW], few_bytes[FEW] = {0};
  qn_tensor few_out[FEW] = {{0}};
  bool few_borrowed[FEW] = {0};
  qn_arena room;
  qn__arena_init(&room, w->allocator);
  bool many_in = num_in > FEW, many_out = num_out > FEW;
  const qn_tensor **in = many_in ? qn__arena_array(&room, num_in, sizeof *in) : few_in;
  size_t *in_bytes = many_in ? qn__arena_array(&room, num_in, sizeof *in_bytes) : few_in_bytes;
  qn_tensor *out = many_out ? qn__arena_array(&room, num_out, sizeof *out) : few_out;
  size_t *bytes = many_out ? qn__arena_array(&room, num_out, sizeof *bytes) : few_bytes;
  bool *borrowed = many_out ? qn__arena_array(&room, num_out, sizeof *borrowed) : few_borrowed;
  qn_status s = in && in_bytes && out && bytes && borrowed ? QN_OK : qn_error_no_memory(w->ctx);
  for (uint32_t i = 0; i < num_in && s == QN_OK; i++) {
    qn_value v = qn_op_operand(w->m, op, i);
    const qn__slot *slot = v.id < w->num_values ? w->slots[v.id] : NULL;
    if (!slot) {
      s = qn_op_error(w->m, op, QN_DIAG_VERIFY, "operand %u of %s is used before it is defined", i,
                      qn_op_name(w->m, op).data);
      break;
    }
    in[i] = &slot->t;
    in_bytes[i] = slot->bytes;
  }
  if (s == QN_OK) s = qn__run_op(w, w->m, op, num_in, in, in_bytes, out, bytes, borrowed);
  if (s == QN_OK) s = keep_results(a, op, out, bytes, borrowed);
  for (uint32_t i = 0; i < num_in && s == QN_OK; i++) {
    qn_value v = qn_op_operand(w->m, op, i);
    qn__slot *slot = w->slots[v.id];
    if (slot && --slot->uses == 0) release(w, v);
  }
  qn__arena_free(&room);
  return s;
}

/* ---- functions ---- */

static qn_status bind_arguments(activation *a, qn_op at, uint32_t num_in, const qn_tensor *const *in) {
  qn__walk *w = a->w;
  qn_block body = qn_func_body(w->m, a->func);
  qn_str name = qn_func_name(w->m, a->func);
  if (num_in != qn_block_num_args(w->m, body))
    return qn_op_error(w->m, at, QN_DIAG_CALL, "@%.*s takes %u inputs, but %u are given", (int)name.size, name.data,
                       qn_block_num_args(w->m, body), num_in);
  for (uint32_t i = 0; i < num_in; i++) {
    qn_value arg = qn_block_arg(w->m, body, i);
    qn_type type = qn_value_type(w->m, arg);
    qn_str input = qn_func_input_name(w->m, a->func, i);
    char what[200];
    snprintf(what, sizeof what, "input %u ('%.*s') of @%.*s", i, input.size > 64 ? 64 : (int)input.size, input.data,
             name.size > 64 ? 64 : (int)name.size, name.data);
    qn_tensor t = *in[i];
    qn_status s = qn__check_value(w->m, at, type, what, &t);
    if (s == QN_OK) s = bind_symbols(a, at, type, what, &t);
    if (s != QN_OK) return s;
    qn__slot *slot = define(w, arg);
    if (!slot) return qn_error_no_memory(w->ctx);
    slot->t = t;
    slot->bytes = qn_tensor_bytes(&t);
  }
  return QN_OK;
}

static qn_status copy_out(qn__walk *w, const qn__slot *from, qn_tensor *out) {
  qn_tensor t = from->t;
  size_t bytes = qn_tensor_bytes(&t);
  t.data = NULL;
  if (bytes) {
    t.data = qn__alloc(w->allocator, bytes);
    if (!t.data) return qn_error_no_memory(w->ctx);
    memcpy(t.data, from->t.data, bytes);
  }
  *out = t;
  return QN_OK;
}

/* Returned values are handed over where nothing else needs them. */
static qn_status take_results(qn__walk *w, qn_op ret, uint32_t num_out, qn_tensor *out) {
  uint32_t n = qn_op_num_operands(w->m, ret);
  if (n != num_out)
    return qn_op_error(w->m, ret, QN_DIAG_CALL, "the function has %u results, but %u are asked for", n, num_out);
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < n && s == QN_OK; i++) {
    qn_value v = qn_op_operand(w->m, ret, i);
    qn__slot *slot = v.id < w->num_values ? w->slots[v.id] : NULL;
    if (!slot) return qn_op_error(w->m, ret, QN_DIAG_VERIFY, "result %u is returned before it is defined", i);
    if (slot->bytes != qn_tensor_bytes(&slot->t))
      return qn_op_error(w->m, ret, QN_DIAG_UNSUPPORTED, "result %u is a packed matrix, which only kern.gemm reads", i);
    if (slot->owned && slot->uses == 1) {
      out[i] = slot->t;
      slot->owned = false;
    } else {
      s = copy_out(w, slot, &out[i]);
    }
    if (--slot->uses == 0) release(w, v);
  }
  return s;
}

static qn_status run_body(activation *a, qn_op at, uint32_t num_in, const qn_tensor *const *in, uint32_t num_out,
                          qn_tensor *out) {
  qn__walk *w = a->w;
  qn_status s = bind_arguments(a, at, num_in, in);
  qn_op op = qn_block_first(w->m, qn_func_body(w->m, a->func));
  for (; s == QN_OK && op.id && qn_op_kind_of(w->m, op) != QN_OP_RETURN; op = qn_op_next(w->m, op)) s = step(a, op);
  if (s != QN_OK) return s;
  if (!op.id) return qn_op_error(w->m, a->func, QN_DIAG_VERIFY, "the function does not end with return");
  return take_results(w, op, num_out, out);
}

qn_status qn__walk_function(qn__walk *w, qn_op func, qn_op at, uint32_t num_in, const qn_tensor *const *in,
                            uint32_t num_out, qn_tensor *out) {
  if (w->depth == QN__MAX_CALL_DEPTH)
    return qn_op_error(w->m, at, QN_DIAG_LIMIT, "calls are nested deeper than %d", QN__MAX_CALL_DEPTH);
  for (uint32_t i = 0; i < w->depth; i++)
    if (w->stack[i].id == func.id)
      return qn_op_error(w->m, at, QN_DIAG_VERIFY, "@%s calls itself", qn_func_name(w->m, func).data);
  w->stack[w->depth++] = func;
  activation a = {.w = w, .func = func};
  qn_status s = run_body(&a, at, num_in, in, num_out, out);
  qn__vec_free(w->allocator, &a.symbols);
  qn__idmap_free(w->allocator, &a.index);
  release_block(w, qn_func_body(w->m, func));
  w->depth--;
  for (uint32_t i = 0; s != QN_OK && i < num_out; i++) qn_tensor_free(w->ctx, &out[i]);
  return s;
}

/* ---- ops that belong to the walk ---- */

static qn_status eval_call(qn__frame *f, qn_op op) {
  qn_str callee = qn_attr_as_string(f->m, qn_op_attr(f->m, op, "callee"));
  qn_op func = qn_module_function(f->m, callee.data);
  if (!func.id || !callee.size)
    return qn_op_error(f->m, op, QN_DIAG_MISSING, "no function @%.*s in this module", (int)callee.size, callee.data);
  uint32_t n = qn_op_num_results(f->m, op);
  qn__walk own, *w = f->walk ? f->walk : &own;
  qn_status s = QN_OK;
  if (!f->walk) s = qn__walk_init(&own, f->m, NULL);
  if (s != QN_OK) return s;
  if (!w->checked) s = qn_module_check_calls(f->m, w->depth ? w->stack[0] : func);
  w->checked = true;
  if (s == QN_OK) s = qn__walk_function(w, func, op, f->num_in, f->in, n, f->out);
  if (!f->walk) qn__walk_free(&own);
  for (uint32_t i = 0; i < n && s == QN_OK; i++) f->out_bytes[i] = qn_tensor_bytes(&f->out[i]);
  return s;
}
const qn__evaluator qn__eval_CALL = {.eval = eval_call};

static qn_status eval_observe(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  const qn_eval_options *o = f->walk ? f->walk->options : NULL;
  qn_tensor *y;
  qn_status s = o && o->on_observe ? o->on_observe(o->user, f->m, op, x) : QN_OK;
  if (s == QN_OK) s = qn__result(f, 0, x->rank, x->shape, &y);
  if (s == QN_OK) qn__copy_bytes(y->data, x->data, qn_tensor_bytes(x));
  return s;
}
const qn__evaluator qn__eval_OBSERVE = {.eval = eval_observe};

/* The structure of functions and regions: values only through what is around them. */
const qn__evaluator qn__eval_FUNC = {.eval = NULL};
const qn__evaluator qn__eval_RETURN = {.eval = NULL};
const qn__evaluator qn__eval_YIELD = {.eval = NULL};
