/* Writing a module as a file: the text, and its large constants and long parameter lists in a .safetensors file of the
 * same stem. Both are complete before either appears; the text comes last. */
#include "fileio.h"
#include "lexer.h"
#include "printer.h"
#include "resource.h"
#include <quern/store.h>
#include <string.h>
#include <sys/stat.h>

typedef struct collector {
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_idmap keys;   /* attribute id -> name id */
  qn_idmap users;  /* name id -> attribute id */
  qn_idmap quants; /* types whose parameters go to the file, by id */
  QN_VEC(qn_attr) constants;
  QN_VEC(qn_type) types;
  qn_str hint; /* for the op being visited: what a new key is made of */
  qn_op op;
  bool given; /* this round collects constants that have a key; the next one gives keys to the others */
  bool no_memory;
} collector;

/* ---- what becomes a resource ---- */

static bool is_taken(void *user, qn_name name) {
  const collector *c = user;
  return qn__idmap_get(&c->users, name.id) != 0;
}

static void add(collector *c, qn_attr a, qn_name key) {
  if (!key.id || !qn__idmap_set(c->allocator, &c->keys, a.id, key.id) ||
      !qn__idmap_set(c->allocator, &c->users, key.id, a.id) || !qn__push(c->allocator, &c->constants, a))
    c->no_memory = true;
}

static void keep_original_name(collector *c, qn_name key) {
  if (qn_op_attr(c->m, c->op, "quern.name").id) return;
  qn_op_set_attr(c->m, c->op, "quern.name", qn_attr_string(c->m, qn_name_str(c->ctx, key)));
}

/* A key of its own that MLIR reads; what it was called before stays as an attribute. */
static void add_given(collector *c, qn_attr a, qn_name key) {
  bool fits = qn__is_bare_id(qn_name_str(c->ctx, key));
  if (fits && !is_taken(c, key)) {
    add(c, a, key);
    return;
  }
  add(c, a, qn_store_identifier(c->ctx, qn_name_str(c->ctx, key), is_taken, c));
  if (!fits) keep_original_name(c, key);
}

static void collect_dense(collector *c, qn_attr a) {
  if (qn__idmap_get(&c->keys, a.id)) return;
  qn_name key = qn_attr_resource(c->m, a);
  if (key.id) {
    if (c->given) add_given(c, a, key);
    return;
  }
  if (c->given || qn_attr_is_splat(c->m, a)) return;
  if (qn_type_count(c->ctx, qn_attr_type_of(c->m, a)) > QN__RESOURCE_ABOVE)
    add(c, a, qn_store_identifier(c->ctx, c->hint, is_taken, c));
}

static void collect_attr(collector *c, qn_attr a) {
  uint32_t n = qn_attr_size(c->m, a);
  switch (qn_attr_kind_of(c->m, a)) {
  case QN_ATTR_DENSE: collect_dense(c, a); break;
  case QN_ATTR_ARRAY:
    for (uint32_t i = 0; i < n; i++) collect_attr(c, qn_attr_at(c->m, a, i));
    break;
  case QN_ATTR_DICT:
    for (uint32_t i = 0; i < n; i++) collect_attr(c, qn_attr_entry(c->m, a, i).attr);
    break;
  default: break;
  }
}

static void collect_type(void *user, qn_type t) {
  collector *c = user;
  qn_type_kind kind = qn_type_kind_of(c->ctx, t);
  if (kind == QN_TYPE_TENSOR) {
    collect_type(c, qn_type_elem(c->ctx, t));
  } else if (kind == QN_TYPE_FUNCTION) {
    for (uint32_t i = 0; i < qn_type_num_inputs(c->ctx, t); i++) collect_type(c, qn_type_input(c->ctx, t, i));
    for (uint32_t i = 0; i < qn_type_num_results(c->ctx, t); i++) collect_type(c, qn_type_result(c->ctx, t, i));
  } else if (kind == QN_TYPE_QUANT && qn_type_quant_resource(c->ctx, t).id && !qn__idmap_get(&c->quants, t.id)) {
    uint32_t name = qn_type_quant_resource(c->ctx, t).id;
    bool known = qn__idmap_get(&c->users, name) != 0; /* another type with the same parameters brought them */
    if (!qn__idmap_set(c->allocator, &c->quants, t.id, 1) || (!known && !qn__push(c->allocator, &c->types, t)) ||
        !qn__idmap_set(c->allocator, &c->users, name, UINT32_MAX))
      c->no_memory = true;
  }
}

static void collect_block(collector *c, qn_block block) {
  qn_module *m = c->m;
  for (uint32_t i = 0; i < qn_block_num_args(m, block); i++)
    collect_type(c, qn_value_type(m, qn_block_arg(m, block, i)));
  for (qn_op op = qn_block_first(m, block); op.id; op = qn_op_next(m, op)) {
    qn_attr attrs = qn_op_attrs(m, op);
    qn_name name = qn_value_name(m, qn_op_result(m, op, 0));
    c->op = op;
    c->hint = name.id ? qn_name_str(c->ctx, name) : qn_str_of("constant");
    if (attrs.id) {
      collect_attr(c, attrs);
      if (c->given) qn__visit_attr_types(m, attrs, collect_type, c);
    }
    for (uint32_t i = 0, n = c->given ? qn_op_num_results(m, op) : 0; i < n; i++)
      collect_type(c, qn_value_type(m, qn_op_result(m, op, i)));
    for (uint32_t i = 0, n = qn_op_num_regions(m, op); i < n; i++) collect_block(c, qn_op_region(m, op, i));
  }
}

static void collect(collector *c) {
  c->given = true;
  collect_block(c, qn_module_body(c->m));
  c->given = false;
  collect_block(c, qn_module_body(c->m));
  if (qn_module_failed(c->m)) c->no_memory = true;
}

static void collector_free(collector *c) {
  qn__idmap_free(c->allocator, &c->keys);
  qn__idmap_free(c->allocator, &c->users);
  qn__idmap_free(c->allocator, &c->quants);
  qn__vec_free(c->allocator, &c->constants);
  qn__vec_free(c->allocator, &c->types);
}

/* ---- the tensors ---- */

static qn_status add_constant(collector *c, qn_store_writer *w, qn_attr a) {
  qn_tensor t;
  if (!qn_attr_dense_tensor(c->m, a, &t)) return qn_error_no_memory(c->ctx);
  return qn_store_writer_add(w, qn_name_str(c->ctx, (qn_name){qn__idmap_get(&c->keys, a.id)}), &t);
}

/* The data of tensors is only borrowed until commit, and the type's own arrays live as long as the context. */
static qn_status add_params(collector *c, qn_store_writer *w, qn_type type, qn_buf *name) {
  const qn_quant *q = qn_type_as_quant(c->ctx, type);
  qn_str key = qn_name_str(c->ctx, qn_type_quant_resource(c->ctx, type));
  qn_tensor t = {.elem = QN_F32, .rank = q->param_rank, .data = (void *)(uintptr_t)q->scales};
  memcpy(t.shape, q->param_shape, sizeof t.shape);
  qn_status status = qn_store_writer_add(w, key, &t);
  if (status != QN_OK || !q->zero_points) return status;
  name->size = 0;
  qn__buf_str(name, key);
  qn__buf_c(name, ".zero_points");
  if (name->failed) return qn_error_no_memory(c->ctx);
  t.elem = QN_I32;
  t.data = (void *)(uintptr_t)q->zero_points;
  return qn_store_writer_add(w, qn__buf_view(name), &t);
}

static qn_status add_tensors(collector *c, qn_store_writer *w) {
  qn_status status = QN_OK;
  qn_buf name;
  qn__buf_init(&name, c->allocator);
  for (uint32_t i = 0; status == QN_OK && i < c->constants.size; i++) status = add_constant(c, w, c->constants.data[i]);
  for (uint32_t i = 0; status == QN_OK && i < c->types.size; i++) status = add_params(c, w, c->types.data[i], &name);
  qn__buf_free(&name);
  return status;
}

/* ---- the files ---- */

/* Standard output, devices and pipes get everything in the text. */
static bool is_stream(const char *path) {
  struct stat st;
  if (strcmp(path, "-") == 0 || strncmp(path, "/dev/", 5) == 0) return true;
  return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static qn_status write_text(const qn_module *m, const qn_print_options *options, const qn_idmap *keys, qn_writer *w) {
  qn__printer p;
  qn__printer_init(&p, m, options, qn__writer_put, w);
  p.keys = keys;
  qn__print_module(&p);
  qn_status status = qn__printer_end(&p);
  return status == QN_ERR_IO ? QN_OK : status; /* commit reports why it could not be written */
}

static qn_status print_alone(const qn_module *m, const qn_print_options *options, const char *path) {
  qn_writer w;
  qn_status status = qn__writer_open(qn_module_context(m), path, &w);
  if (status != QN_OK) return status;
  status = write_text(m, options, NULL, &w);
  if (status == QN_OK) return qn__writer_commit(&w);
  qn__writer_abandon(&w);
  return status;
}

static qn_status write_both(collector *c, const qn_print_options *options, const char *path, const char *store_path) {
  qn_writer text;
  qn_store_writer *store;
  qn_status status = qn__writer_open(c->ctx, path, &text);
  if (status != QN_OK) return status;
  status = qn_store_writer_create(c->ctx, store_path, QN_STORE_SAFETENSORS, &store);
  if (status != QN_OK) {
    qn__writer_abandon(&text);
    return status;
  }
  status = add_tensors(c, store);
  if (status == QN_OK) status = write_text(c->m, options, &c->keys, &text);
  if (status == QN_OK && text.error == 0) {
    status = qn_store_writer_commit(store);
  } else {
    qn_store_writer_abandon(store);
  }
  if (status == QN_OK) return qn__writer_commit(&text);
  qn__writer_abandon(&text);
  return status;
}

qn_status qn_print_file(qn_module *m, const qn_print_options *options, const char *path) {
  if (!m || !path) return qn_error_null(qn_module_context(m), __func__);
  static const qn_print_options none;
  qn_print_options o = options ? *options : none;
  if (is_stream(path)) o.inline_ = true;
  if (o.inline_) return print_alone(m, &o, path);
  qn_context *ctx = qn_module_context(m);
  collector c = {.m = m, .ctx = ctx, .allocator = qn_context_allocator(ctx)};
  collect(&c);
  qn_buf store_path;
  qn__buf_init(&store_path, c.allocator);
  qn__store_path(&store_path, path);
  qn_status status;
  if (c.no_memory || store_path.failed)
    status = qn_error_no_memory(ctx);
  else if (c.constants.size || c.types.size)
    status = write_both(&c, &o, path, store_path.data);
  else
    status = print_alone(m, &o, path);
  qn__buf_free(&store_path);
  collector_free(&c);
  return status;
}
