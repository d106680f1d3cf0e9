/* A lowered function becomes values, steps and the list of bodies that a code generator has to make. */
#include "attr_impl.h"
#include "context_impl.h"
#include "memo.h"
#include "program.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct build {
  const qn_module *m;
  qn_module *mm; /* the same module, for calls that may intern */
  qn_program *p;
  qn_op func;
  uint32_t *value_of; /* module value id -> program value + 1 */
  uint32_t value_limit;
  const qn_constants *ready;
  bool last; /* the module is not read again */
  QN_VEC(qn_pvalue) values;
  QN_VEC(qn_step) steps;
  QN_VEC(qn_body) bodies;
  QN_VEC(qn_op) constant_ops; /* with the value each fills */
  QN_VEC(uint32_t) constant_values;
  qn_map body_of;    /* bodies by their symbols */
  qn_plan_memo memo; /* steps by their ops, counted from 1 */
} build;

static qn_status no_memory(build *b) {
  return qn_error_no_memory(b->p->ctx);
}

/* ---- values ---- */

static qn_status add_value(build *b, qn_value v, qn_where where, uint32_t index, uint32_t *out) {
  qn_context *ctx = b->p->ctx;
  qn_type t = qn_value_type(b->m, v);
  qn_pvalue pv = {.where = where, .index = index, .root = b->values.size};
  if (qn_type_kind_of(ctx, t) != QN_TYPE_TENSOR)
    return qn_op_error(b->m, qn_value_op(b->m, v).id ? qn_value_op(b->m, v) : b->func, QN_DIAG_UNSUPPORTED,
                       "a value of type %s cannot be compiled; programs work on tensors", qn_type_text(ctx, t).data);
  pv.mem = qn_type_memory(ctx, qn_type_elem(ctx, t));
  pv.rank = qn_type_rank(ctx, t);
  for (uint32_t d = 0; d < pv.rank; d++) {
    pv.shape[d] = qn_type_shape(ctx, t)[d];
    pv.symbols[d] = qn_type_symbol(ctx, t, d);
  }
  qn_str text = qn_type_text(ctx, t);
  if (text.size > 1) pv.type_text = qn__arena_str(&b->p->arena, text); /* "?" says that memory ran out */
  *out = b->values.size;
  if (!pv.type_text.data || !qn__push(&b->p->allocator, &b->values, pv)) return no_memory(b);
  b->value_of[v.id] = *out + 1;
  return QN_OK;
}

static uint32_t value_at(const build *b, qn_value v) {
  return b->value_of[v.id] - 1;
}

static qn_pvalue *at(const build *b, uint32_t v) {
  assert(b->values.data && v < b->values.size);
  return &b->values.data[v];
}

static uint32_t root_of(const build *b, uint32_t v) {
  while (at(b, v)->root != v) v = at(b, v)->root;
  return v;
}

/* ---- bodies ---- */

static bool has_symbol(const void *owner, const void *symbol, uint32_t id) {
  return !strcmp(((const build *)owner)->bodies.data[id - 1].symbol, symbol);
}

static qn_status body_for(build *b, const qn_kernel_plan *plan, qn_body_part part, uint32_t rows, uint32_t *out) {
  qn_body body = {.plan = plan, .part = part, .rows = rows};
  static const char *const suffix[] = {"", "_t", "_p", "_t", "_s"};
  if (part == QN_PART_TILES || part == QN_PART_ATTENTION)
    snprintf(body.symbol, sizeof body.symbol, "%s_t%u", plan->name, rows);
  else
    snprintf(body.symbol, sizeof body.symbol, "%s%s", plan->name, suffix[part]);
  uint32_t hash = qn__hash(body.symbol, strlen(body.symbol), 0);
  uint32_t known = qn__map_find(&b->body_of, hash, has_symbol, b, body.symbol);
  if (known) { /* equal plans share their bodies */
    *out = known - 1;
    return QN_OK;
  }
  *out = b->bodies.size;
  if (!qn__push(&b->p->allocator, &b->bodies, body)) return no_memory(b);
  return qn__map_add(&b->p->allocator, &b->body_of, hash, b->bodies.size) ? QN_OK : no_memory(b);
}

/* One body does all rows of a panel: tiles of one height, or of a height and the next lower one. */
static qn_status tile_bodies(build *b, qn_step *s, uint32_t tallest) {
  size_t count = QN_ROWS_MIXED + (size_t)tallest + 1;
  s->tile_bodies = qn__arena_array(&b->p->arena, count, sizeof *s->tile_bodies);
  if (!s->tile_bodies) return no_memory(b);
  for (size_t h = 0; h < count; h++) s->tile_bodies[h] = UINT32_MAX;
  for (uint32_t h = 1; h <= tallest; h++)
    for (uint32_t mixed = 0; mixed < (h > 1 ? 2 : 1); mixed++) {
      uint32_t rows = h | (mixed ? QN_ROWS_MIXED : 0);
      qn_status status = body_for(b, s->plan, QN_PART_TILES, rows, &s->tile_bodies[rows]);
      if (status) return status;
    }
  return QN_OK;
}

static qn_status gemm_bodies(build *b, qn_step *s) {
  const qn_gemm_plan *g = &s->plan->u.gemm;
  qn_status status = tile_bodies(b, s, g->rows);
  if (status || !g->has_prologue) return status;
  return body_for(b, s->plan, QN_PART_PROLOGUE, 0, &s->prologue_body);
}

static qn_status attention_bodies(build *b, qn_step *s) {
  uint32_t tallest = s->plan->u.attention.rows;
  s->tile_bodies = qn__arena_array(&b->p->arena, (size_t)tallest + 1, sizeof *s->tile_bodies);
  if (!s->tile_bodies) return no_memory(b);
  const qn_pvalue *y = at(b, s->values[s->num_in]);
  int64_t queries = y->shape[y->rank - 2];
  qn_row_split split = qn__row_split(queries, tallest);
  qn_status status = QN_OK;
  for (uint32_t h = 0; h <= tallest && !status; h++) {
    bool needed = h && (queries < 0 || split.heights[0] == h || (split.counts[1] && split.heights[1] == h));
    s->tile_bodies[h] = UINT32_MAX;
    if (needed) status = body_for(b, s->plan, QN_PART_ATTENTION, h, &s->tile_bodies[h]);
  }
  return status;
}

static qn_status step_bodies(build *b, qn_step *s) {
  s->main_body = s->prologue_body = s->stream_body = UINT32_MAX;
  switch (s->plan->kind) {
  case QN_KERNEL_VIEW: return QN_OK;
  case QN_KERNEL_GEMM: return gemm_bodies(b, s);
  case QN_KERNEL_BLOCK_GEMM: return tile_bodies(b, s, s->plan->u.gemm.rows);
  case QN_KERNEL_ATTENTION: return attention_bodies(b, s);
  default: return body_for(b, s->plan, QN_PART_MAIN, 0, &s->main_body);
  }
}

/* ---- ops ---- */

static qn_status packed_layout(build *b, qn_op op, uint32_t value) {
  qn_pvalue *v = at(b, value);
  v->packed = true;
  if (qn_layout_parse(qn_op_get_string(b->m, op, "layout"), &v->layout)) return QN_OK;
  return qn_op_error(b->m, op, QN_DIAG_ATTRIBUTE, "no packed layout is named '%.*s'",
                     (int)qn_op_get_string(b->m, op, "layout").size, qn_op_get_string(b->m, op, "layout").data);
}

static size_t constant_bytes(const build *b, qn_op op) {
  qn_type t = qn_attr_type_of(b->m, qn_op_attr(b->m, op, "value"));
  qn_scalar mem = qn_type_memory(b->p->ctx, qn_type_elem(b->p->ctx, t));
  return qn_scalar_bytes(mem, (uint64_t)qn_type_count(b->p->ctx, t));
}

static qn_status add_constant(build *b, qn_op op) {
  uint32_t v = 0;
  qn_status status = add_value(b, qn_op_result(b->m, op, 0), QN_AT_CONSTANT, 0, &v);
  if (status) return status;
  if (qn_op_kind_of(b->m, op) == QN_OP_PACKED && (status = packed_layout(b, op, v))) return status;
  if (at(b, v)->layout.granule) at(b, v)->fixed_bytes = constant_bytes(b, op);
  return qn__push(&b->p->allocator, &b->constant_ops, op) && qn__push(&b->p->allocator, &b->constant_values, v)
             ? QN_OK
             : no_memory(b);
}

static qn_status add_results(build *b, qn_op op, qn_step *s) {
  uint32_t n = 0;
  const int64_t *slots = qn_attr_as_ints(b->m, qn_op_attr(b->m, op, "quern.slots"), &n);
  for (uint32_t i = 0; i < s->num_out; i++) {
    uint32_t slot = slots && i < n && slots[i] >= 0 && slots[i] < INT32_MAX ? (uint32_t)slots[i] : UINT32_MAX;
    qn_status status = add_value(b, qn_op_result(b->m, op, i), QN_AT_SLOT, slot, &s->values[s->num_in + i]);
    if (status) return status;
  }
  uint32_t first = s->values[s->num_in];
  at(b, first)->slack = s->plan->kind == QN_KERNEL_PAD;
  if (s->plan->kind == QN_KERNEL_VIEW) at(b, first)->root = root_of(b, s->values[0]);
  if (s->plan->kind == QN_KERNEL_PACK) return packed_layout(b, op, first);
  return QN_OK;
}

/* What an equal op was planned as. */
static qn_status plan_again(build *b, qn_op op, const qn_step *like, qn_step *s) {
  s->main_body = like->main_body, s->prologue_body = like->prologue_body, s->stream_body = UINT32_MAX;
  s->tile_bodies = like->tile_bodies;
  return qn__kernel_plan_again(b->m, op, like->plan, &b->p->plans->arena, s->plan);
}

static qn_status add_step(build *b, qn_op op) {
  qn_step s = {.num_in = qn_op_num_operands(b->m, op), .num_out = qn_op_num_results(b->m, op)};
  if (s.num_in + s.num_out > QN__MAX_PTRS)
    return qn_op_error(b->m, op, QN_DIAG_LIMIT, "%u operands and results; a kernel takes at most %d",
                       s.num_in + s.num_out, QN__MAX_PTRS);
  s.plan = qn__arena_new(&b->p->plans->arena, qn_kernel_plan);
  s.values = qn__arena_array(&b->p->arena, (size_t)s.num_in + s.num_out, sizeof *s.values);
  s.op_name = qn_op_info_get(qn_op_kind_of(b->m, op))->name ? qn_op_name(b->m, op) : qn_str_of("");
  s.op_name = qn__arena_str(&b->p->arena, s.op_name);
  if (!s.plan || !s.values || !s.op_name.data) return no_memory(b);
  uint32_t known = qn__plan_memo_find(&b->memo, b->m, op);
  if (b->memo.failed) return no_memory(b);
  qn_status status = known ? plan_again(b, op, &b->steps.data[known - 1], &s)
                           : qn__kernel_plan(b->mm, op, b->p->isa, &b->p->plans->arena, s.plan);
  if (status) return status;
  for (uint32_t i = 0; i < s.num_in; i++) s.values[i] = value_at(b, qn_op_operand(b->m, op, i));
  qn_op_kind kind = qn_op_kind_of(b->m, op);
  if (kind == QN_OP_GEMM) s.transpose = qn_op_get_bool(b->m, op, "transpose_a");
  if (kind == QN_OP_KERN_ATTENTION)
    s.bottom_right = qn_str_eq(qn_op_get_string(b->m, op, "causal"), qn_str_of("bottom_right"));
  if (kind == QN_OP_PACK) s.transpose = qn_op_get_bool(b->m, op, "transpose");
  if (kind == QN_OP_PAD) {
    uint32_t n;
    const int64_t *pads = qn_attr_as_ints(b->m, qn_op_attr(b->m, op, "pads"), &n);
    for (uint32_t i = 0; pads && i < n && i < 4; i++) s.pads[i] = pads[i];
  }
  if (kind == QN_OP_VIEW) {
    uint32_t n;
    const int64_t *shape = qn_attr_as_ints(b->m, qn_op_attr(b->m, op, "shape"), &n);
    if (shape && !(s.view_shape = qn__arena_copy(&b->p->arena, shape, n * sizeof *shape))) return no_memory(b);
  }
  if ((status = add_results(b, op, &s)) || (!known && (status = step_bodies(b, &s)))) return status;
  if (!qn__push(&b->p->allocator, &b->steps, s)) return no_memory(b);
  if (!known) qn__plan_memo_add(&b->memo, b->steps.size);
  return b->memo.failed ? no_memory(b) : QN_OK;
}

static qn_status add_op(build *b, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(b->m, op);
  if (kind == QN_OP_CONSTANT || kind == QN_OP_PACKED) return add_constant(b, op);
  if (kind == QN_OP_RETURN) return QN_OK;
  if (qn_op_info_get(kind)->traits & QN_KERNEL_OP) return add_step(b, op);
  qn_str name = qn_op_name(b->m, op);
  return qn_op_error(b->m, op, QN_DIAG_UNSUPPORTED,
                     "engine '%s' compiles kern ops; lower '%.*s' first (lower-kernels), or use the interpreter",
                     b->p->engine, (int)name.size, name.data);
}

/* ---- the whole ---- */

static qn_status add_inputs(build *b) {
  qn_block body = qn_func_body(b->m, b->func);
  qn_program *p = b->p;
  p->num_inputs = qn_block_num_args(b->m, body);
  p->inputs = qn__arena_array(&p->arena, p->num_inputs, sizeof *p->inputs);
  p->input_names = qn__arena_array(&p->arena, p->num_inputs, sizeof *p->input_names);
  if (p->num_inputs && (!p->inputs || !p->input_names)) return no_memory(b);
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    qn_status status = add_value(b, qn_block_arg(b->m, body, i), QN_AT_INPUT, i, &p->inputs[i]);
    if (status) return status;
    p->input_names[i] = qn__arena_str(&p->arena, qn_func_input_name(b->m, b->func, i));
    if (!p->input_names[i].data) return no_memory(b);
  }
  return QN_OK;
}

/* The first output that names a computed value has it written in place; every other one is copied. */
static qn_status add_outputs(build *b) {
  qn_program *p = b->p;
  qn_op ret = qn_func_return(b->m, b->func);
  p->num_outputs = qn_op_num_operands(b->m, ret);
  p->outputs = qn__arena_array(&p->arena, p->num_outputs, sizeof *p->outputs);
  p->output_names = qn__arena_array(&p->arena, p->num_outputs, sizeof *p->output_names);
  if (p->num_outputs && (!p->outputs || !p->output_names)) return no_memory(b);
  for (uint32_t i = 0; i < p->num_outputs; i++) {
    p->outputs[i] = value_at(b, qn_op_operand(b->m, ret, i));
    p->output_names[i] = qn__arena_str(&p->arena, qn_func_output_name(b->m, b->func, i));
    if (!p->output_names[i].data) return no_memory(b);
    qn_pvalue *root = at(b, root_of(b, p->outputs[i]));
    if (root->packed)
      return qn_op_error(b->m, ret, QN_DIAG_UNSUPPORTED, "output %u is a packed matrix; return the plain one", i);
    if (root->where == QN_AT_SLOT) root->where = QN_AT_OUTPUT, root->index = i;
  }
  return QN_OK;
}

/* Slots given by plan-buffers are kept; values without one get their own. */
static void number_slots(build *b) {
  uint32_t next = 0;
  for (uint32_t v = 0; v < b->values.size; v++) {
    const qn_pvalue *pv = at(b, v);
    if (pv->root == v && pv->where == QN_AT_SLOT && pv->index != UINT32_MAX && pv->index >= next) next = pv->index + 1;
  }
  if (next > b->values.size) next = UINT32_MAX; /* numbers that no pass of ours gives: ignore them all */
  bool ignore = next == UINT32_MAX;
  if (ignore) next = 0;
  for (uint32_t v = 0; v < b->values.size; v++) {
    qn_pvalue *pv = at(b, v);
    if (pv->root == v && pv->where == QN_AT_SLOT && (ignore || pv->index == UINT32_MAX)) pv->index = next++;
  }
  for (uint32_t v = 0; v < b->values.size; v++) {
    qn_pvalue *pv = at(b, v), *root = at(b, root_of(b, v));
    pv->where = root->where, pv->index = root->index;
  }
  b->p->num_slots = next;
}

/* Constant i's data may go as they are copied: nobody else's, and of no constant that comes later. */
static bool may_go(const build *b, uint32_t i, const qn_tensor *t, size_t n) {
  enum { LARGE = 1 << 20 };
  if (!b->last || n < LARGE) return false;
  qn_attr value = qn_op_attr(b->m, b->constant_ops.data[i], "value");
  const qn__dense *d = qn__attr_dense(b->m, value);
  bool own = d && !d->borrowed && d->data == t->data && d->bytes >= n;
  for (uint32_t j = i + 1; own && j < b->constant_ops.size; j++)
    own = qn_op_attr(b->m, b->constant_ops.data[j], "value").id != value.id;
  return own;
}

static void copy_constant(char *to, const char *from, size_t n, bool go) {
  const size_t most = (size_t)8 << 20;
  for (size_t at = 0; at < n; at += most) {
    size_t size = n - at < most ? n - at : most;
    memcpy(to + at, from + at, size);
    /* With the page that the step before ended in. */
    if (go) qn__give_back_pages(from + (at ? at - QN_LARGE_PAGE : 0), size + (at ? QN_LARGE_PAGE : 0));
  }
}

/* Room for a block that may end in a large page of its own, if it fills a good part of it: touching what is left over
 * page by page takes as long as the rest together. */
static size_t in_large_pages(size_t total) {
  size_t rest = total % QN_LARGE_PAGE;
  bool more = total > QN_LARGE_PAGE && rest >= QN_LARGE_PAGE / 4 && total <= SIZE_MAX - QN_LARGE_PAGE;
  return more ? total - rest + QN_LARGE_PAGE : total;
}

static qn_status copy_constants(build *b) {
  qn_program *p = b->p;
  size_t total = 0;
  for (uint32_t i = 0; i < b->constant_ops.size; i++) {
    at(b, b->constant_values.data[i])->offset = total;
    size_t n = constant_bytes(b, b->constant_ops.data[i]);
    if (n == SIZE_MAX || !qn__add_size(total, (n + 63) & ~(size_t)63, &total)) return no_memory(b);
  }
  /* A view of a constant lies where the constant lies. */
  for (uint32_t v = 0; v < b->values.size; v++) at(b, v)->offset = at(b, root_of(b, v))->offset;
  p->constants_bytes = total;
  if (b->ready && b->ready->size != total)
    return qn_error(p->ctx, QN_DIAG_FORMAT, qn_place_file(""), "%zu bytes of constants; the program needs %zu",
                    b->ready->size, total);
  if (b->ready) {
    p->constants = b->ready->data;
    return QN_OK;
  }
  /* What is read once in every call is read faster from large pages, before anything has touched them. */
  size_t align = total >= QN_LARGE_PAGE ? QN_LARGE_PAGE : 64, room = in_large_pages(total);
  if (!qn__add_size(room, align, &p->constants_alloc_bytes)) return no_memory(b);
  p->constants_alloc = qn__alloc(&p->allocator, p->constants_alloc_bytes);
  if (!p->constants_alloc) return no_memory(b);
  char *block = (char *)(((uintptr_t)p->constants_alloc + align - 1) & ~(uintptr_t)(align - 1));
  if (align > 64) qn__want_large_pages(block, room);
  p->constants = block;
  for (uint32_t i = 0; i < b->constant_ops.size; i++) {
    qn_tensor t;
    if (!qn_attr_dense_tensor(b->mm, qn_op_attr(b->m, b->constant_ops.data[i], "value"), &t)) return no_memory(b);
    size_t n = constant_bytes(b, b->constant_ops.data[i]), gap = -n & 63;
    char *to = block + at(b, b->constant_values.data[i])->offset;
    if (n) copy_constant(to, t.data, n, may_go(b, i, &t, n));
    memset(to + n, 0, gap); /* saved programs of the same module are the same bytes */
    qn_module_passed(b->m, t.data, n);
  }
  return QN_OK;
}

/* When it is known where every value lies. */
static qn_status stream_bodies(build *b) {
  qn_status status = QN_OK;
  for (uint32_t i = 0; i < b->steps.size && !status; i++) {
    qn_step *s = &b->steps.data[i];
    if (qn__step_may_stream(b->p->isa, s, b->values.data, b->steps.size, b->steps.data))
      status = body_for(b, s->plan, QN_PART_STREAM, 0, &s->stream_body);
  }
  return status;
}

static qn_status finish(build *b) {
  qn_program *p = b->p;
  p->num_values = b->values.size, p->num_steps = b->steps.size, p->num_bodies = b->bodies.size;
  p->values = qn__arena_copy(&p->arena, b->values.data, b->values.size * sizeof *p->values);
  p->steps = qn__arena_copy(&p->arena, b->steps.data, b->steps.size * sizeof *p->steps);
  p->bodies = qn__arena_copy(&p->arena, b->bodies.data, b->bodies.size * sizeof *p->bodies);
  if ((p->num_values && !p->values) || (p->num_steps && !p->steps) || (p->num_bodies && !p->bodies))
    return no_memory(b);
  for (uint32_t v = 0; v < p->num_values; v++) p->values[v].root = root_of(b, v);
  qn__fix_bytes(p);
  return QN_OK;
}

static qn_status run(build *b) {
  qn_status status = add_inputs(b);
  for (qn_op op = qn_block_first(b->m, qn_func_body(b->m, b->func)); op.id && !status; op = qn_op_next(b->m, op))
    status = add_op(b, op);
  if (!status) status = add_outputs(b);
  if (!status) {
    number_slots(b);
    status = copy_constants(b);
  }
  if (!status) status = stream_bodies(b);
  return status ? status : finish(b);
}

qn_status qn__program_build(const qn_module *m, qn_op func, const qn_isa *isa, const char *engine,
                            const qn_constants *ready, bool last, qn_program **out) {
  qn_context *ctx = qn_module_context(m);
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_program *p = qn__alloc_zero(a, sizeof *p);
  *out = NULL;
  if (!p) return qn_error_no_memory(ctx);
  p->ctx = ctx, p->allocator = *a, p->engine = engine, p->isa = isa;
  p->machine = qn_context_machine(ctx);
  qn__arena_init(&p->arena, &p->allocator);
  p->plans = qn__plans_create(ctx);
  p->function = qn__arena_str(&p->arena, qn_func_name(m, func)).data;
  build b = {.m = m, .p = p, .func = func, .ready = ready, .last = last, .value_limit = qn_module_value_limit(m)};
  /* Compiling adds nothing to the program that is read, but interning types and attributes needs a module to add to. */
  b.mm = (qn_module *)(uintptr_t)m;
  qn__plan_memo_init(&b.memo, a);
  b.value_of = qn__alloc_zero(a, b.value_limit * sizeof *b.value_of);
  qn_status status = b.value_of && p->function && p->plans ? run(&b) : no_memory(&b);
  qn__free(a, b.value_of, b.value_limit * sizeof *b.value_of);
  qn__vec_free(a, &b.values), qn__vec_free(a, &b.steps), qn__vec_free(a, &b.bodies);
  qn__vec_free(a, &b.constant_ops), qn__vec_free(a, &b.constant_values);
  qn__map_free(a, &b.body_of);
  qn__plan_memo_free(&b.memo);
  if (status)
    qn_program_destroy(p);
  else
    *out = p;
  return status;
}
