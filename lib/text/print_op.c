/* Ops in generic form, regions, locations; the pretty forms are in print_form.c. */
#include "forms.h"
#include "printer.h"
#include "spec.h"
#include "type_text.h"
#include <string.h>

static void print_indent(qn__printer *p) {
  static const char blanks[] = "                                ";
  size_t n = (size_t)p->indent * 2;
  for (; n > sizeof blanks - 1; n -= sizeof blanks - 1) qn__buf_put(&p->out, blanks, sizeof blanks - 1);
  qn__buf_put(&p->out, blanks, n);
}

void qn__print_operands(qn__printer *p, qn_op op) {
  for (uint32_t i = 0, n = qn_op_num_operands(p->m, op); i < n; i++) {
    if (i) qn__put_lit(p, ", ");
    qn__print_value(p, qn_op_operand(p->m, op, i));
  }
}

void qn__print_types(qn__printer *p, qn_op op, bool results) {
  uint32_t n = results ? qn_op_num_results(p->m, op) : qn_op_num_operands(p->m, op);
  for (uint32_t i = 0; i < n; i++) {
    if (i) qn__put_lit(p, ", ");
    qn__print_type(p, qn_value_type(p->m, results ? qn_op_result(p->m, op, i) : qn_op_operand(p->m, op, i)));
  }
}

void qn__print_signature(qn__printer *p, qn_op op) {
  uint32_t results = qn_op_num_results(p->m, op);
  qn_type only = qn_value_type(p->m, qn_op_result(p->m, op, 0));
  bool list = results != 1 || qn_type_kind_of(p->ctx, only) == QN_TYPE_FUNCTION;
  qn__buf_char(&p->out, '(');
  qn__print_types(p, op, false);
  qn__put_lit(p, ") -> ");
  if (list) qn__buf_char(&p->out, '(');
  qn__print_types(p, op, true);
  if (list) qn__buf_char(&p->out, ')');
}

/* ---- regions ---- */

static void print_label(qn__printer *p, qn_block block) {
  uint32_t n = qn_block_num_args(p->m, block);
  if (n == 0) return;
  print_indent(p);
  qn__put_lit(p, "^bb0(");
  for (uint32_t i = 0; i < n; i++) {
    qn_value arg = qn_block_arg(p->m, block, i);
    qn__name_arg(p, arg);
    if (i) qn__put_lit(p, ", ");
    qn__print_value(p, arg);
    qn__put_lit(p, ": ");
    qn__print_type(p, qn_value_type(p->m, arg));
  }
  qn__put_lit(p, "):\n");
}

void qn__print_region(qn__printer *p, qn_block block, bool label) {
  qn__names_mark mark = qn__names_region(p);
  qn__put_lit(p, "{\n");
  if (label) print_label(p, block);
  p->indent++;
  for (qn_op op = qn_block_first(p->m, block); op.id && !p->out.failed && !p->done; op = qn_op_next(p->m, op)) {
    print_indent(p);
    qn__print_op(p, op);
    qn__buf_char(&p->out, '\n');
  }
  p->indent--;
  print_indent(p);
  qn__buf_char(&p->out, '}');
  qn__names_forget(p, mark);
}

/* ---- generic form ---- */

/* What upstream's cast verifies: the float is the one the quantized type expresses, the integer the one it stores. */
static bool cast_is_refused(const qn__printer *p, qn_op op, qn_op_kind kind) {
  qn_type types[2] = {qn_value_type(p->m, qn_op_operand(p->m, op, 0)), qn_value_type(p->m, qn_op_result(p->m, op, 0))};
  qn_type plain = {0}, quant = {0};
  for (int i = 0; i < 2; i++) {
    qn_type elem = qn_type_elem(p->ctx, types[i]);
    if (qn__type_is_opaque_in_generic(p->ctx, elem, p->type_flags)) return true;
    if (qn_type_kind_of(p->ctx, elem) == QN_TYPE_SCALAR)
      plain = elem;
    else
      quant = elem;
  }
  if (!plain.id || !quant.id) return true;
  qn_type_parts parts = qn_type_get_parts(p->ctx, quant);
  return plain.id != (kind == QN_OP_SCAST ? parts.storage.id : parts.expressed.id);
}

bool qn__constant_is_refused(const qn__printer *p, qn_op op) {
  qn_attr value = qn_op_attr(p->m, op, "value");
  if (qn__attr_is_foreign(p, value)) return true;
  qn_scalar s = qn_type_as_scalar(p->ctx, qn_attr_type_of(p->m, value));
  return qn_attr_kind_of(p->m, value) == QN_ATTR_INT && qn_scalar_get(s)->cls != QN_SIGNLESS;
}

static bool is_refused(const qn__printer *p, qn_op op, qn_op_kind kind) {
  if (kind == QN_OP_CONSTANT) return qn__constant_is_refused(p, op);
  bool cast = kind == QN_OP_QCAST || kind == QN_OP_DCAST || kind == QN_OP_SCAST;
  return cast && p->options.generic && cast_is_refused(p, op, kind);
}

static void print_name(qn__printer *p, qn_op op, qn_op_kind kind) {
  qn__buf_char(&p->out, '"');
  if (is_refused(p, op, kind))
    qn__put(p, qn__refused_name(kind));
  else
    qn__buf_str(&p->out, qn_op_name(p->m, op));
  qn__buf_char(&p->out, '"');
}

static bool prints_as_bits(const qn__printer *p, qn_op_kind kind, qn_named_attr entry) {
  return p->options.generic && kind == QN_OP_CONSTANT && qn__attr_is_foreign(p, entry.attr) &&
         !qn__attr_is_resource(p, entry.attr) && qn_str_eq(qn_name_str(p->ctx, entry.name), qn_str_of("value"));
}

static void print_entry(qn__printer *p, qn_op_kind kind, qn_named_attr entry) {
  if (!prints_as_bits(p, kind, entry)) {
    qn__print_named_attr(p, entry);
    return;
  }
  qn__put_lit(p, "value = ");
  qn__print_attr_bits(p, entry.attr);
}

/* The attributes that the table has (properties), but for defaults, or the others. */
static void print_entries(qn__printer *p, qn_op op, qn_op_kind kind, bool own, const char *open, const char *close) {
  qn_attr dict = qn_op_attrs(p->m, op);
  const qn_op_spec *spec = qn__op_spec(p->ctx, kind);
  bool any = false;
  for (uint32_t i = 0, n = qn_attr_size(p->m, dict); i < n; i++) {
    qn_named_attr entry = qn_attr_entry(p->m, dict, i);
    const qn_attr_spec *row = spec && kind != QN_OP_UNREGISTERED ? qn__op_spec_attr(spec, entry.name) : NULL;
    if ((row != NULL) != own || (row && qn__attr_is_default(p->m, row, entry.attr))) continue;
    qn__put(p, any ? ", " : open);
    print_entry(p, kind, entry);
    any = true;
  }
  if (any) qn__put(p, close);
}

static void print_generic(qn__printer *p, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(p->m, op);
  uint32_t regions = qn_op_num_regions(p->m, op);
  bool attrs = qn_op_attrs(p->m, op).id != 0;
  print_name(p, op, kind);
  qn__buf_char(&p->out, '(');
  qn__print_operands(p, op);
  qn__buf_char(&p->out, ')');
  if (attrs) print_entries(p, op, kind, true, " <{", "}>");
  for (uint32_t i = 0; i < regions; i++) {
    qn__put(p, i ? ", " : " (");
    qn__print_region(p, qn_op_region(p->m, op, i), true);
  }
  if (regions) qn__buf_char(&p->out, ')');
  if (attrs) print_entries(p, op, kind, false, " {", "}");
  qn__put_lit(p, " : ");
  qn__print_signature(p, op);
}

/* ---- one op ---- */

static void print_loc(qn__printer *p, qn_op op) {
  qn_place place = qn_op_place(p->m, op);
  bool file = place.file.size != 0 || place.line != 0, name = place.entity.size != 0;
  qn__put_lit(p, " loc(");
  if (name) qn__print_quoted(&p->out, place.entity);
  if (name && file) qn__buf_char(&p->out, '(');
  if (file) {
    qn__print_quoted(&p->out, place.file);
    qn__buf_fmt(&p->out, ":%u:%u", (unsigned)place.line, (unsigned)place.col);
  }
  if (name && file) qn__buf_char(&p->out, ')');
  if (!name && !file) qn__put_lit(p, "unknown");
  qn__buf_char(&p->out, ')');
}

static void print_inside(qn__printer *p, qn_op op) {
  if (p->options.generic || !qn__print_pretty(p, op)) print_generic(p, op);
  if (p->options.locations) print_loc(p, op);
}

static void print_whole(qn__printer *p, qn_op op) {
  qn__name_results(p, op);
  qn__print_results(p, op);
  bool function = qn_op_kind_of(p->m, op) == QN_OP_FUNC;
  qn__names outer = {0};
  if (function) outer = qn__names_enter(p);
  print_inside(p, op);
  if (function) qn__names_leave(p, outer);
}

/* The op that all the printing before it only gave names for. */
static void print_target(qn__printer *p, qn_op op) {
  qn_write_fn discard = p->out.flush;
  p->out.size = 0;
  p->out.flush = p->target_write;
  p->indent = 0;
  print_whole(p, op);
  qn__buf_char(&p->out, '\n');
  qn__buf_finish(&p->out);
  p->out.flush = discard;
  p->done = true;
}

void qn__print_op(qn__printer *p, qn_op op) {
  if (p->target.id && op.id == p->target.id)
    print_target(p, op);
  else
    print_whole(p, op);
}
