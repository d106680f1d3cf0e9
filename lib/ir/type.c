/* Scalars, tensors, functions and opaque types, and the table in which all types are interned. */
#include "ir_state.h"
#include <limits.h>
#include <string.h>

const qn__type_rec *qn__type_get(const qn_context *ctx, qn_type t) {
  static const qn__type_rec null_rec;
  const qn__ir_state *ir = qn__ir_const(ctx);
  return ir && t.id < ir->types.size ? &ir->types.data[t.id] : &null_rec;
}

static bool rec_equal(const void *owner, const void *key, uint32_t id) {
  const qn__ir_state *ir = owner;
  const qn__type_rec *a = key, *b = &ir->types.data[id];
  return a->kind == b->kind && a->rank == b->rank && a->elem == b->elem && a->size == b->size &&
         (a->size == 0 || memcmp(a->body, b->body, a->size) == 0);
}

qn_type qn__type_add(qn_context *ctx, const qn__type_rec *rec, uint32_t hash) {
  qn__ir_state *ir = qn__ir(ctx);
  if (!ir) return (qn_type){0};
  if (!qn__reserve(&ctx->allocator, &ir->types, 1) ||
      !qn__map_add(&ctx->allocator, &ir->type_map, hash, ir->types.size)) {
    qn_error_no_memory(ctx);
    return (qn_type){0};
  }
  ir->types.data[ir->types.size] = *rec;
  return (qn_type){ir->types.size++};
}

qn_type qn__type_intern(qn_context *ctx, const qn__type_rec *rec) {
  qn__ir_state *ir = qn__ir(ctx);
  if (!ir) return (qn_type){0};
  uint32_t seed = rec->kind | (uint32_t)rec->rank << 8 | rec->elem << 16;
  uint32_t hash = qn__hash(rec->body, rec->size, seed ^ (uint32_t)rec->elem * 0x9E3779B9u);
  uint32_t id = qn__map_find(&ir->type_map, hash, rec_equal, ir, rec);
  if (id) return (qn_type){id};
  qn__type_rec copy = *rec;
  /* As a string: opaque text is zero-terminated. */
  copy.body = qn__arena_str(&ctx->arena, (qn_str){rec->body, rec->size}).data;
  if (copy.body) return qn__type_add(ctx, &copy, hash);
  qn_error_no_memory(ctx);
  return (qn_type){0};
}

qn_type_kind qn_type_kind_of(const qn_context *ctx, qn_type t) {
  return (qn_type_kind)qn__type_get(ctx, t)->kind;
}

qn_type qn_type_scalar(qn_context *ctx, qn_scalar s) {
  if ((unsigned)s >= QN_SCALAR_COUNT || !qn__ir(ctx)) return (qn_type){0};
  return (qn_type){(uint32_t)s};
}

qn_scalar qn_type_as_scalar(const qn_context *ctx, qn_type t) {
  return qn__type_get(ctx, t)->kind == QN_TYPE_SCALAR ? (qn_scalar)t.id : QN_SCALAR_NONE;
}

/* ---- tensors ---- */

static bool is_element(qn_type_kind kind) {
  return kind != QN_TYPE_NULL && kind != QN_TYPE_TENSOR && kind != QN_TYPE_FUNCTION;
}

qn_type qn_type_tensor(qn_context *ctx, qn_type elem, uint32_t rank, const int64_t *shape) {
  return qn_type_tensor_symbols(ctx, elem, rank, shape, NULL);
}

/* Room for the largest qn__tensor_body with its symbols. */
typedef struct tensor_room {
  int64_t count, shape[QN_MAX_RANK];
  uint32_t symbols[QN_MAX_RANK];
} tensor_room;

qn_type qn_type_tensor_symbols(qn_context *ctx, qn_type elem, uint32_t rank, const int64_t *shape,
                               const qn_name *symbols) {
  if (rank > QN_MAX_RANK || !is_element(qn_type_kind_of(ctx, elem))) return (qn_type){0};
  qn_tensor sizes = {.elem = QN_F32, .rank = rank};
  uint32_t names[QN_MAX_RANK];
  bool is_static = true, named = false;
  for (uint32_t i = 0; i < rank; i++) {
    bool dynamic = shape[i] == QN_DYNAMIC;
    if (shape[i] < 0 && !dynamic) return (qn_type){0};
    sizes.shape[i] = shape[i];
    names[i] = dynamic && symbols ? symbols[i].id : 0;
    if (dynamic) is_static = false;
    if (names[i]) named = true;
  }
  tensor_room body;
  body.count = is_static ? qn_tensor_count(&sizes) : -1;
  memcpy(body.shape, sizes.shape, rank * sizeof *shape);
  size_t size = sizeof(qn__tensor_body) + rank * sizeof *shape;
  if (named) {
    memcpy((char *)&body + size, names, rank * sizeof *names);
    size += rank * sizeof *names;
  }
  return qn__type_intern(ctx, &(qn__type_rec){.kind = QN_TYPE_TENSOR,
                                              .rank = (uint8_t)rank,
                                              .flag = is_static,
                                              .elem = elem.id,
                                              .size = (uint32_t)size,
                                              .body = &body});
}

static const qn__tensor_body *tensor_body(const qn__type_rec *r) {
  return r->kind == QN_TYPE_TENSOR ? r->body : NULL;
}

uint32_t qn_type_rank(const qn_context *ctx, qn_type tensor) {
  return qn__type_get(ctx, tensor)->rank;
}

const int64_t *qn_type_shape(const qn_context *ctx, qn_type tensor) {
  const qn__type_rec *r = qn__type_get(ctx, tensor);
  return r->rank ? tensor_body(r)->shape : NULL;
}

/* Null when no dimension has a symbol. */
static const qn_name *tensor_symbols(const qn__type_rec *r) {
  size_t before = sizeof(qn__tensor_body) + r->rank * sizeof(int64_t);
  return r->kind == QN_TYPE_TENSOR && r->size > before ? (const qn_name *)(const void *)((const char *)r->body + before)
                                                       : NULL;
}

qn_name qn_type_symbol(const qn_context *ctx, qn_type tensor, uint32_t dim) {
  const qn__type_rec *r = qn__type_get(ctx, tensor);
  const qn_name *symbols = tensor_symbols(r);
  return symbols && dim < r->rank ? symbols[dim] : (qn_name){0};
}

qn_type qn_type_elem(const qn_context *ctx, qn_type t) {
  const qn__type_rec *r = qn__type_get(ctx, t);
  return r->kind == QN_TYPE_TENSOR ? (qn_type){r->elem} : t;
}

int64_t qn_type_count(const qn_context *ctx, qn_type tensor) {
  const qn__tensor_body *body = tensor_body(qn__type_get(ctx, tensor));
  return body ? body->count : -1;
}

qn_type qn_type_with_elem(qn_context *ctx, qn_type tensor, qn_type elem) {
  const qn__type_rec *r = qn__type_get(ctx, tensor);
  const qn__tensor_body *body = tensor_body(r);
  return body ? qn_type_tensor_symbols(ctx, elem, r->rank, body->shape, tensor_symbols(r)) : (qn_type){0};
}

bool qn_type_is_static(const qn_context *ctx, qn_type tensor) {
  const qn__type_rec *r = qn__type_get(ctx, tensor);
  return r->kind == QN_TYPE_TENSOR && r->flag;
}

/* ---- functions ---- */

static unsigned deepest(const qn_context *ctx, uint32_t n, const qn_type *types, bool *ok) {
  unsigned depth = 0;
  for (uint32_t i = 0; i < n; i++) {
    const qn__type_rec *r = qn__type_get(ctx, types[i]);
    if (r->kind == QN_TYPE_NULL) *ok = false;
    if (r->depth > depth) depth = r->depth;
  }
  return depth;
}

qn_type qn_type_function(qn_context *ctx, uint32_t num_inputs, const qn_type *inputs, uint32_t num_results,
                         const qn_type *results) {
  bool ok = qn__ir(ctx) != NULL;
  unsigned in = deepest(ctx, num_inputs, inputs, &ok), out = deepest(ctx, num_results, results, &ok);
  unsigned depth = (in > out ? in : out) + 1;
  size_t count = (size_t)num_inputs + num_results;
  if (!ok || depth > QN__TYPE_MAX_DEPTH || count > UINT32_MAX / 8) return (qn_type){0};
  size_t size = sizeof(qn__function_body) + count * sizeof(qn_type);
  qn__function_body *body = qn__alloc(&ctx->allocator, size);
  if (!body) {
    qn_error_no_memory(ctx);
    return (qn_type){0};
  }
  body->num_inputs = num_inputs;
  body->num_results = num_results;
  if (num_inputs) memcpy(body->types, inputs, num_inputs * sizeof *inputs);
  if (num_results) memcpy(body->types + num_inputs, results, num_results * sizeof *results);
  qn__type_rec rec = {.kind = QN_TYPE_FUNCTION, .depth = (uint8_t)depth, .size = (uint32_t)size, .body = body};
  qn_type t = qn__type_intern(ctx, &rec);
  qn__free(&ctx->allocator, body, size);
  return t;
}

static const qn__function_body *function_body(const qn_context *ctx, qn_type t) {
  static const qn__function_body none;
  const qn__type_rec *r = qn__type_get(ctx, t);
  return r->kind == QN_TYPE_FUNCTION ? r->body : &none;
}

uint32_t qn_type_num_inputs(const qn_context *ctx, qn_type function) {
  return function_body(ctx, function)->num_inputs;
}

uint32_t qn_type_num_results(const qn_context *ctx, qn_type function) {
  return function_body(ctx, function)->num_results;
}

qn_type qn_type_input(const qn_context *ctx, qn_type function, uint32_t i) {
  const qn__function_body *f = function_body(ctx, function);
  return i < f->num_inputs ? f->types[i] : (qn_type){0};
}

qn_type qn_type_result(const qn_context *ctx, qn_type function, uint32_t i) {
  const qn__function_body *f = function_body(ctx, function);
  return i < f->num_results ? f->types[f->num_inputs + i] : (qn_type){0};
}

/* ---- opaque ---- */

qn_type qn_type_opaque(qn_context *ctx, qn_str text) {
  if (text.size == 0 || text.size > UINT32_MAX / 2) return (qn_type){0};
  return qn__type_intern(ctx, &(qn__type_rec){.kind = QN_TYPE_OPAQUE, .size = (uint32_t)text.size, .body = text.data});
}
