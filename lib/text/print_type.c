/* Types: each text is made once; long ones get an alias at the top of the output. */
#include "printer.h"
#include "type_text.h"
#include <string.h>

static bool room_for(qn__printer *p, qn_type t) {
  qn__type_texts *types = &p->types;
  if (t.id < types->size) return true;
  uint32_t size = types->size ? types->size : 64;
  while (size <= t.id) size = size > UINT32_MAX / 2 ? UINT32_MAX : size * 2;
  qn_str *texts = qn__resize(p->allocator, types->texts, types->size * sizeof *texts, size * sizeof *texts);
  if (!texts) {
    p->no_memory = true;
    return false;
  }
  memset(texts + types->size, 0, (size - types->size) * sizeof *texts);
  types->texts = texts;
  types->size = size;
  return true;
}

static const qn_str *text_of(const qn__printer *p, qn_type t) {
  return t.id < p->types.size && p->types.texts[t.id].data ? &p->types.texts[t.id] : NULL;
}

static void keep_text(qn__printer *p, qn_type t, qn_str text) {
  qn_str copy = room_for(p, t) ? qn__arena_str(&p->arena, text) : (qn_str){NULL, 0};
  if (copy.data)
    p->types.texts[t.id] = copy;
  else
    p->no_memory = true;
}

/* ---- parts that may hold an alias ---- */

static void put_text(qn__printer *p, qn_buf *out, qn_type t);

static void put_symbols(qn__printer *p, qn_buf *out, qn_type t, uint32_t rank) {
  bool named = false;
  for (uint32_t i = 0; i < rank; i++) named = named || qn_type_symbol(p->ctx, t, i).id;
  if (!named) return;
  qn__buf_c(out, ", #quern.dims<");
  for (uint32_t i = 0; i < rank; i++) {
    if (i) qn__buf_char(out, ',');
    qn__print_quoted(out, qn_name_str(p->ctx, qn_type_symbol(p->ctx, t, i)));
  }
  qn__buf_char(out, '>');
}

static void put_tensor(qn__printer *p, qn_buf *out, qn_type t) {
  uint32_t rank = qn_type_rank(p->ctx, t);
  const int64_t *shape = qn_type_shape(p->ctx, t);
  qn__buf_c(out, "tensor<");
  for (uint32_t i = 0; i < rank; i++) {
    if (shape[i] == QN_DYNAMIC)
      qn__buf_char(out, '?');
    else
      qn__buf_i64(out, shape[i]);
    qn__buf_char(out, 'x');
  }
  put_text(p, out, qn_type_elem(p->ctx, t));
  put_symbols(p, out, t, rank);
  qn__buf_char(out, '>');
}

static void put_function(qn__printer *p, qn_buf *out, qn_type t) {
  uint32_t inputs = qn_type_num_inputs(p->ctx, t), results = qn_type_num_results(p->ctx, t);
  qn__buf_char(out, '(');
  for (uint32_t i = 0; i < inputs; i++) {
    if (i) qn__buf_c(out, ", ");
    put_text(p, out, qn_type_input(p->ctx, t, i));
  }
  qn__buf_c(out, ") -> ");
  bool list = results != 1 || qn_type_kind_of(p->ctx, qn_type_result(p->ctx, t, 0)) == QN_TYPE_FUNCTION;
  if (list) qn__buf_char(out, '(');
  for (uint32_t i = 0; i < results; i++) {
    if (i) qn__buf_c(out, ", ");
    put_text(p, out, qn_type_result(p->ctx, t, i));
  }
  if (list) qn__buf_char(out, ')');
}

/* Without looking for a text that exists. */
static void put_fresh(qn__printer *p, qn_buf *out, qn_type t) {
  switch (qn_type_kind_of(p->ctx, t)) {
  case QN_TYPE_TENSOR: put_tensor(p, out, t); break;
  case QN_TYPE_FUNCTION: put_function(p, out, t); break;
  case QN_TYPE_NULL: qn__buf_c(out, "none"); break; /* in a broken module only */
  default: qn__type_print(out, p->ctx, t, p->type_flags); break;
  }
}

static void put_text(qn__printer *p, qn_buf *out, qn_type t) {
  const qn_str *known = text_of(p, t);
  if (known)
    qn__buf_str(out, *known);
  else
    put_fresh(p, out, t);
}

void qn__print_type(qn__printer *p, qn_type t) {
  const qn_str *known = text_of(p, t);
  if (!known) {
    qn_buf text;
    qn__buf_init(&text, p->allocator);
    put_fresh(p, &text, t);
    if (text.failed)
      p->no_memory = true;
    else
      keep_text(p, t, qn__buf_view(&text));
    qn__buf_free(&text);
    known = text_of(p, t);
  }
  if (known) qn__buf_str(&p->out, *known);
}

/* ---- aliases ---- */

typedef struct visitor {
  qn__printer *p;
  uint8_t *seen; /* by type id */
  uint32_t size;
} visitor;

static bool first_visit(visitor *v, qn_type t) {
  if (t.id >= v->size) {
    uint32_t size = t.id < UINT32_MAX / 2 ? t.id * 2 + 64 : UINT32_MAX;
    uint8_t *seen = qn__resize(v->p->allocator, v->seen, v->size, size);
    if (!seen) {
      v->p->no_memory = true;
      return false;
    }
    memset(seen + v->size, 0, size - v->size);
    v->seen = seen;
    v->size = size;
  }
  bool first = !v->seen[t.id];
  v->seen[t.id] = 1;
  return first;
}

static void define_alias(qn__printer *p, qn_type t, qn_str text) {
  qn_str name = qn__arena_fmt(&p->arena, "!q%u", (unsigned)p->types.aliases++);
  if (!name.data || !room_for(p, t)) {
    p->no_memory = true;
    return;
  }
  qn__buf_str(&p->out, name);
  qn__put_lit(p, " = ");
  qn__buf_str(&p->out, text);
  qn__buf_char(&p->out, '\n');
  p->types.texts[t.id] = name;
}

/* A tensor's text is long because of its element type, which is given the alias then; unless that is a scalar and the
 * names of its sizes are long. */
static qn_type alias_target(const qn__printer *p, qn_type t) {
  qn_type elem = qn_type_elem(p->ctx, t);
  return qn_type_kind_of(p->ctx, elem) == QN_TYPE_SCALAR ? t : elem;
}

static void put_alias(qn__printer *p, qn_type t, qn_buf *text) {
  put_fresh(p, text, t);
  if (text->failed) p->no_memory = true;
  if (text->failed || text->size <= QN__ALIAS_ABOVE) return;
  qn_type target = alias_target(p, t);
  if (text_of(p, target)) return;
  text->size = 0;
  put_fresh(p, text, target);
  if (text->failed)
    p->no_memory = true;
  else
    define_alias(p, target, qn__buf_view(text));
}

/* Inner types come first, so that an alias may name another. */
static void visit_type(void *user, qn_type t) {
  visitor *v = user;
  qn__printer *p = v->p;
  if (!first_visit(v, t)) return;
  qn_type_kind kind = qn_type_kind_of(p->ctx, t);
  if (kind == QN_TYPE_NULL || kind == QN_TYPE_SCALAR) return;
  if (kind == QN_TYPE_TENSOR) visit_type(v, qn_type_elem(p->ctx, t));
  if (kind == QN_TYPE_FUNCTION) {
    for (uint32_t i = 0; i < qn_type_num_inputs(p->ctx, t); i++) visit_type(v, qn_type_input(p->ctx, t, i));
    for (uint32_t i = 0; i < qn_type_num_results(p->ctx, t); i++) visit_type(v, qn_type_result(p->ctx, t, i));
    return;
  }
  qn_buf text;
  qn__buf_init(&text, p->allocator);
  put_alias(p, t, &text);
  qn__buf_free(&text);
}

void qn__visit_attr_types(const qn_module *m, qn_attr attr, void (*visit)(void *user, qn_type t), void *user) {
  switch (qn_attr_kind_of(m, attr)) {
  case QN_ATTR_TYPE: visit(user, qn_attr_as_type(m, attr)); break;
  case QN_ATTR_DENSE: visit(user, qn_attr_type_of(m, attr)); break;
  case QN_ATTR_ARRAY:
    for (uint32_t i = 0; i < qn_attr_size(m, attr); i++) qn__visit_attr_types(m, qn_attr_at(m, attr, i), visit, user);
    break;
  case QN_ATTR_DICT:
    for (uint32_t i = 0; i < qn_attr_size(m, attr); i++)
      qn__visit_attr_types(m, qn_attr_entry(m, attr, i).attr, visit, user);
    break;
  default: break;
  }
}

static void visit_block(visitor *v, qn_block block) {
  const qn_module *m = v->p->m;
  for (uint32_t i = 0; i < qn_block_num_args(m, block); i++) visit_type(v, qn_value_type(m, qn_block_arg(m, block, i)));
  for (qn_op op = qn_block_first(m, block); op.id; op = qn_op_next(m, op)) {
    qn_attr attrs = qn_op_attrs(m, op);
    if (attrs.id) qn__visit_attr_types(m, attrs, visit_type, v);
    for (uint32_t i = 0, n = qn_op_num_results(m, op); i < n; i++)
      visit_type(v, qn_value_type(m, qn_op_result(m, op, i)));
    for (uint32_t i = 0, n = qn_op_num_regions(m, op); i < n; i++) visit_block(v, qn_op_region(m, op, i));
  }
}

void qn__print_aliases(qn__printer *p) {
  visitor v = {.p = p};
  visit_block(&v, qn_module_body(p->m));
  qn__visit_attr_types(p->m, qn_module_attrs(p->m), visit_type, &v);
  qn__free(p->allocator, v.seen, v.size);
}
