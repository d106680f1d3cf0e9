/* A module's life, its attributes, and what it keeps alive. */
#include "context_impl.h"
#include "module_impl.h"
#include <string.h>

static bool init_null_records(qn_module *m) {
  const qn_allocator *a = m->allocator;
  const qn_op_rec op = {0};
  const qn_value_rec value = {0};
  const qn_use_rec use = {0};
  const qn_block_rec block = {0};
  const qn_loc_rec loc = {0};
  return qn__push(a, &m->ops, op) && qn__push(a, &m->values, value) && qn__push(a, &m->uses, use) &&
         qn__push(a, &m->blocks, block) && qn__push(a, &m->locs, loc);
}

qn_module *qn_module_create(qn_context *ctx) {
  qn_module *m = qn__alloc_zero(&ctx->allocator, sizeof *m);
  if (!m) {
    qn_error_no_memory(ctx);
    return NULL;
  }
  m->ctx = ctx;
  m->allocator = &ctx->allocator;
  qn__arena_init(&m->arena, m->allocator);
  bool ok = qn__attr_table_init(&m->attr_table, m) && init_null_records(m) && qn__reserve(m->allocator, &m->blocks, 1);
  if (!ok) {
    qn_error_no_memory(ctx);
    qn_module_destroy(m);
    return NULL;
  }
  m->body = qn__block_new(m, 0);
  return m;
}

static void keep_release(const qn_allocator *a, qn_keep *keep) {
  if (--keep->refs) return;
  keep->destroy(keep->object);
  qn__free(a, keep, sizeof *keep);
}

void qn_module_destroy(qn_module *m) {
  if (!m) return;
  const qn_allocator *a = m->allocator;
  qn__attr_table_free(&m->attr_table, a);
  qn__vec_free(a, &m->ops);
  qn__vec_free(a, &m->values);
  qn__vec_free(a, &m->uses);
  qn__vec_free(a, &m->blocks);
  qn__vec_free(a, &m->locs);
  qn__vec_free(a, &m->sources);
  qn__map_free(a, &m->symbols);
  qn__arena_free(&m->arena);
  /* Last: attributes may look into what is kept. */
  for (uint32_t i = 0; i < m->keeps.size; i++) keep_release(a, m->keeps.data[i]);
  qn__vec_free(a, &m->keeps);
  qn__free(a, m, sizeof *m);
}

qn_context *qn_module_context(const qn_module *m) {
  return m ? m->ctx : NULL;
}

qn_block qn_module_body(const qn_module *m) {
  return (qn_block){m->body};
}

bool qn_module_failed(const qn_module *m) {
  return m->failed;
}

void qn__module_fail(qn_module *m) {
  m->failed = true;
  qn_error_no_memory(m->ctx);
}

qn_arena *qn__module_arena(qn_module *m) {
  return &m->arena;
}

qn_attr_table *qn__module_attrs(qn_module *m) {
  return &m->attr_table;
}

const qn_attr_table *qn__module_attrs_const(const qn_module *m) {
  return &m->attr_table;
}

uint32_t qn_module_op_limit(const qn_module *m) {
  return m->ops.size;
}

uint32_t qn_module_value_limit(const qn_module *m) {
  return m->values.size;
}

/* ---- attributes ---- */

qn_attr qn__dict_find(const qn_module *m, qn_attr dict, const char *name) {
  /* Compared as text: interning the name would take longer than looking at a handful of entries. */
  qn_str key = qn_str_of(name);
  uint32_t n = qn_attr_size(m, dict);
  for (uint32_t i = 0; i < n; i++) {
    qn_named_attr entry = qn_attr_entry(m, dict, i);
    if (qn_str_eq(qn_name_str(m->ctx, entry.name), key)) return entry.attr;
  }
  return (qn_attr){0};
}

qn_attr qn__dict_with(qn_module *m, qn_attr dict, qn_name name, qn_attr value) {
  uint32_t n = qn_attr_size(m, dict), count = 0;
  qn_named_attr few[16];
  size_t bytes = ((size_t)n + 1) * sizeof *few;
  qn_named_attr *entries = n < 16 ? few : qn__alloc(m->allocator, bytes);
  if (!entries) {
    qn__module_fail(m);
    return dict;
  }
  for (uint32_t i = 0; i < n; i++) {
    qn_named_attr entry = qn_attr_entry(m, dict, i);
    if (entry.name.id != name.id) entries[count++] = entry;
  }
  if (value.id) entries[count++] = (qn_named_attr){name, value};
  qn_attr result = count ? qn_attr_dict(m, count, entries) : (qn_attr){0};
  if (entries != few) qn__free(m->allocator, entries, bytes);
  return result;
}

qn_attr qn_module_attr(const qn_module *m, const char *name) {
  return qn__dict_find(m, m->attrs, name);
}

void qn_module_set_attr(qn_module *m, const char *name, qn_attr value) {
  m->attrs = qn__dict_with(m, m->attrs, qn_name_of_c(m->ctx, name), value);
}

qn_attr qn_module_attrs(const qn_module *m) {
  return m->attrs;
}

void qn_module_set_attrs(qn_module *m, qn_attr dict) {
  m->attrs = qn_attr_size(m, dict) ? dict : (qn_attr){0};
}

qn_op qn_module_function(const qn_module *m, const char *name) {
  qn_str wanted = name ? qn_str_of(name) : (qn_str){NULL, 0};
  for (qn_op op = qn_block_first(m, qn_module_body(m)); op.id; op = qn_op_next(m, op)) {
    if (qn_op_kind_of(m, op) != QN_OP_FUNC) continue;
    if (name ? qn_str_eq(qn_func_name(m, op), wanted) : qn_func_is_public(m, op)) return op;
  }
  return (qn_op){0};
}

/* ---- functions by name ---- */

static bool symbol_equal(const void *owner, const void *key, uint32_t id) {
  const qn_module *m = owner;
  const qn_str *name = key;
  qn_op op = {id};
  return qn_op_kind_of(m, op) == QN_OP_FUNC && qn_op_parent(m, op).id == m->body &&
         qn_str_eq(qn_func_name(m, op), *name);
}

qn_status qn__symbols_fill(qn_module *m, bool report) {
  qn_status status = QN_OK;
  qn__map_clear(&m->symbols);
  for (qn_op op = qn_block_first(m, qn_module_body(m)); op.id; op = qn_op_next(m, op)) {
    if (qn_op_kind_of(m, op) != QN_OP_FUNC) continue;
    qn_str name = qn_func_name(m, op);
    uint32_t hash = qn__hash(name.data, name.size, 0);
    uint32_t first = qn__map_find(&m->symbols, hash, symbol_equal, m, &name);
    if (first) {
      if (!report) continue;
      status = qn_op_error(m, op, QN_DIAG_REDEFINED, "a function @%.*s exists already: names must be unique",
                           (int)name.size, name.data);
      qn_op_note(m, (qn_op){first}, "the first one is here");
    } else if (!qn__map_add(m->allocator, &m->symbols, hash, op.id)) {
      qn__module_fail(m);
      return QN_ERR_NO_MEMORY;
    }
  }
  return status;
}

qn_op qn__symbol_find(qn_module *m, qn_str name) {
  uint32_t hash = qn__hash(name.data, name.size, 0);
  uint32_t found = qn__map_find(&m->symbols, hash, symbol_equal, m, &name);
  if (found || m->symbols_complete) return (qn_op){found};
  qn__symbols_fill(m, false);
  return (qn_op){qn__map_find(&m->symbols, hash, symbol_equal, m, &name)};
}

/* ---- what is kept ---- */

qn_status qn_module_keep(qn_module *m, void *object, void (*destroy)(void *object)) {
  return qn_module_keep_memory(m, object, destroy, NULL);
}

qn_status qn_module_keep_memory(qn_module *m, void *object, void (*destroy)(void *object),
                                void (*passed)(void *object, const void *data, size_t size)) {
  qn_keep *keep = qn__alloc(m->allocator, sizeof *keep);
  if (!keep || !qn__push(m->allocator, &m->keeps, keep)) {
    if (keep) qn__free(m->allocator, keep, sizeof *keep);
    destroy(object);
    qn__module_fail(m);
    return QN_ERR_NO_MEMORY;
  }
  *keep = (qn_keep){1, object, destroy, passed};
  return QN_OK;
}

void qn_module_passed(const qn_module *m, const void *data, size_t size) {
  for (uint32_t i = 0; i < m->keeps.size; i++)
    if (m->keeps.data[i]->passed) m->keeps.data[i]->passed(m->keeps.data[i]->object, data, size);
}

static bool has_keep(const qn_module *m, const qn_keep *keep) {
  for (uint32_t i = 0; i < m->keeps.size; i++)
    if (m->keeps.data[i] == keep) return true;
  return false;
}

bool qn__keeps_share(qn_module *to, const qn_module *from) {
  for (uint32_t i = 0; i < from->keeps.size; i++) {
    qn_keep *keep = from->keeps.data[i];
    if (has_keep(to, keep)) continue;
    if (!qn__push(to->allocator, &to->keeps, keep)) return false;
    keep->refs++;
  }
  return true;
}
