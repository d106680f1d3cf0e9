/* The module around the ops, and the entry points of the printer. */
#include "printer.h"
#include "type_text.h"
#include <string.h>

void qn__printer_init(qn__printer *p, const qn_module *m, const qn_print_options *options, qn_write_fn write,
                      void *user) {
  static const qn_print_options none;
  memset(p, 0, sizeof *p);
  p->m = m;
  p->ctx = qn_module_context(m);
  p->allocator = qn_context_allocator(p->ctx);
  p->options = options ? *options : none;
  p->type_flags =
      (p->options.generic ? (unsigned)QN__TYPE_GENERIC : 0u) | (p->options.inline_ ? (unsigned)QN__TYPE_INLINE : 0u);
  qn__arena_init(&p->arena, p->allocator);
  qn__buf_init(&p->out, p->allocator);
  p->out.flush = write;
  p->out.user = user;
  p->num_values = qn_module_value_limit(m);
  p->value_names = qn__alloc_zero(p->allocator, (size_t)p->num_values * sizeof *p->value_names);
  if (!p->value_names) {
    p->no_memory = p->num_values != 0;
    p->num_values = 0;
  }
}

qn_status qn__printer_end(qn__printer *p) {
  bool ok = qn__buf_finish(&p->out);
  qn_status status = ok ? QN_OK : QN_ERR_IO; /* whoever writes knows why, and reports it */
  if (p->no_memory) status = qn_error_no_memory(p->ctx);
  qn__names_leave(p, (qn__names){0});
  qn__free(p->allocator, p->value_names, (size_t)p->num_values * sizeof *p->value_names);
  qn__free(p->allocator, p->types.texts, (size_t)p->types.size * sizeof *p->types.texts);
  qn__arena_free(&p->arena);
  qn__buf_free(&p->out);
  return status;
}

/* ---- the module op ---- */

/* The module's attributes in order, with quern.version among them whether the module has it or not. `skip` leaves one
 * out. */
static void print_module_attrs(qn__printer *p, const char *before, const char *skip) {
  qn_attr dict = qn_module_attrs(p->m);
  qn_str version = qn_str_of("quern.version");
  bool any = false, done = false;
  for (uint32_t i = 0, n = qn_attr_size(p->m, dict); i <= n; i++) {
    qn_named_attr entry = qn_attr_entry(p->m, dict, i);
    qn_str name = i < n ? qn_name_str(p->ctx, entry.name) : (qn_str){"", 0};
    size_t shorter = name.size < version.size ? name.size : version.size;
    int order = i < n ? memcmp(name.data, version.data, shorter) : 1;
    if (!done && (order > 0 || (order == 0 && name.size > version.size))) {
      qn__put(p, any ? ", " : before);
      qn__buf_fmt(&p->out, "quern.version = %d", (int)QN__TEXT_VERSION);
      done = any = true;
    }
    if (i == n || (skip && qn_str_eq(name, qn_str_of(skip)))) continue;
    if (qn_str_eq(name, version)) done = true;
    qn__put(p, any ? ", " : before);
    qn__print_named_attr(p, entry);
    any = true;
  }
  qn__buf_char(&p->out, '}');
}

static void print_generic_module(qn__printer *p) {
  qn_attr name = qn_module_attr(p->m, "sym_name");
  qn__put_lit(p, "\"builtin.module\"() ");
  if (name.id) {
    qn__put_lit(p, "<{sym_name = ");
    qn__print_attr(p, name);
    qn__put_lit(p, "}> ");
  }
  qn__buf_char(&p->out, '(');
  qn__print_region(p, qn_module_body(p->m), true);
  qn__buf_char(&p->out, ')');
  print_module_attrs(p, " {", "sym_name");
  qn__put_lit(p, " : () -> ()\n");
}

static void print_pretty_module(qn__printer *p) {
  qn_attr name = qn_module_attr(p->m, "sym_name");
  bool named = qn_attr_kind_of(p->m, name) == QN_ATTR_STRING && qn_attr_as_string(p->m, name).size;
  qn__put_lit(p, "module ");
  if (named) {
    qn__print_symbol(p, qn_attr_as_string(p->m, name));
    qn__buf_char(&p->out, ' ');
  }
  print_module_attrs(p, "attributes {", named ? "sym_name" : NULL);
  qn__buf_char(&p->out, ' ');
  qn__print_region(p, qn_module_body(p->m), true);
  qn__buf_char(&p->out, '\n');
}

void qn__print_module(qn__printer *p) {
  qn__print_aliases(p);
  if (p->options.generic)
    print_generic_module(p);
  else
    print_pretty_module(p);
}

/* ---- entry points ---- */

qn_status qn_print(const qn_module *m, const qn_print_options *options, qn_write_fn write, void *user) {
  if (!m || !write) return qn_error_null(qn_module_context(m), __func__);
  qn__printer p;
  qn__printer_init(&p, m, options, write, user);
  qn__print_module(&p);
  return qn__printer_end(&p);
}

static bool discard(void *user, const char *data, size_t size) {
  (void)user;
  (void)data;
  (void)size;
  return true;
}

static qn_op outermost(const qn_module *m, qn_op op) {
  for (qn_op holder; (holder = qn_block_op(m, qn_op_parent(m, op))).id;) op = holder;
  return op;
}

qn_status qn_print_op(const qn_module *m, qn_op op, const qn_print_options *options, qn_write_fn write, void *user) {
  if (!m || !write) return qn_error_null(qn_module_context(m), __func__);
  qn__printer p;
  qn__printer_init(&p, m, options, discard, user);
  p.target = op;
  p.target_write = write;
  qn__print_op(&p, outermost(m, op));
  return qn__printer_end(&p);
}
