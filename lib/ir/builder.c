/* Building: a cursor, and short forms that let an op's rule give the result types. */
#include "context_impl.h"
#include "module_impl.h"
#include "rules.h"
#include "spec.h"

qn_builder qn_builder_at_end(qn_module *m, qn_block block) {
  return (qn_builder){.module = m, .block = block};
}

qn_builder qn_builder_before(qn_module *m, qn_op op) {
  return (qn_builder){.module = m, .block = qn_op_parent(m, op), .before = op, .loc = qn_op_loc(m, op)};
}

qn_builder qn_builder_after(qn_module *m, qn_op op) {
  return (qn_builder){.module = m, .block = qn_op_parent(m, op), .before = qn_op_next(m, op), .loc = qn_op_loc(m, op)};
}

/* A dictionary of the entries that have a value: a caller may pass null for an attribute left out. */
static qn_attr dict_of(qn_module *m, uint32_t n, const qn_named_attr *attrs) {
  uint32_t present = 0;
  for (uint32_t i = 0; i < n; i++) present += attrs[i].attr.id != 0;
  if (present == 0) return (qn_attr){0};
  if (present == n) return qn_attr_dict(m, n, attrs);
  qn_named_attr *kept = qn__arena_array(&m->arena, present, sizeof *kept);
  if (!kept) {
    qn__module_fail(m);
    return (qn_attr){0};
  }
  uint32_t k = 0;
  for (uint32_t i = 0; i < n; i++)
    if (attrs[i].attr.id) kept[k++] = attrs[i];
  return qn_attr_dict(m, present, kept);
}

static qn_attr desc_attrs(qn_module *m, const qn_op_desc *d) {
  if (d->attrs) return dict_of(m, d->num_attrs, d->attrs);
  return qn_attr_size(m, d->attr_dict) ? d->attr_dict : (qn_attr){0};
}

/* The builder's place; a `before` that has been erased or detached since leaves the end of the block. */
void qn__builder_insert(qn_builder *b, uint32_t op) {
  qn_module *m = b->module;
  uint32_t parent = qn__op_rec(m, b->before)->parent;
  if (b->before.id && parent)
    qn__op_link(m, op, parent, b->before.id);
  else if (b->block.id && b->block.id < m->blocks.size)
    qn__op_link(m, op, b->block.id, 0);
}

qn_op qn_op_create(qn_builder *b, const qn_op_desc *d) {
  qn_module *m = b->module;
  qn_attr attrs = desc_attrs(m, d);
  uint32_t kind = d->kind;
  if (kind == QN_OP_UNREGISTERED || kind >= QN_OP_KIND_COUNT) {
    qn_op_kind known = qn_op_kind_find(m->ctx, qn_name_str(m->ctx, d->name));
    kind = known != QN_OP_UNREGISTERED ? (uint32_t)known : QN_OP_KIND_COUNT + d->name.id;
  }
  uint32_t op = qn__op_new(m, kind, d, attrs, b->loc);
  if (op) qn__builder_insert(b, op);
  return (qn_op){op};
}

/* ---- with types from the rule ---- */

/* How many results the op has: the table says so, but for calls, which have as many as their callee. */
static uint32_t result_count(qn_module *m, qn_op_kind kind, uint32_t n, const qn_named_attr *attrs) {
  const qn_count_spec count = qn__count_spec(qn_op_info_get(kind)->results);
  if (kind != QN_OP_CALL) return count.min;
  for (uint32_t i = 0; i < n; i++) {
    if (qn_attr_kind_of(m, attrs[i].attr) != QN_ATTR_SYMBOL) continue;
    qn_op callee = qn__symbol_find(m, qn_attr_as_string(m, attrs[i].attr));
    return qn_type_num_results(m->ctx, qn_attr_as_type(m, qn_op_attr(m, callee, "function_type")));
  }
  return 0;
}

static bool infer_results(qn_module *m, qn_op op) {
  uint32_t n = qn_op_num_results(m, op);
  qn_type few[8] = {{0}};
  qn_type *types = n <= 8 ? few : qn__arena_array(&m->arena, n, sizeof *types);
  if (!types) {
    qn__module_fail(m);
    return false;
  }
  if (qn_op_infer(m, op, types) != QN_OK) return false;
  for (uint32_t i = 0; i < n; i++) {
    if (qn_type_is_null(types[i])) { /* only exhausted memory gets here: a rule answers types or an error */
      qn__module_fail(m);
      return false;
    }
    if (qn_type_is_null(qn_value_type(m, qn_op_result(m, op, i))))
      qn_value_set_type(m, qn_op_result(m, op, i), types[i]);
  }
  return true;
}

static bool has_null_operand(const qn_module *m, uint32_t n, const qn_value *operands) {
  for (uint32_t i = 0; i < n; i++)
    if (!qn__value_rec(m, operands[i])->def) return true;
  return false;
}

static qn_op build(qn_builder *b, const qn_op_desc *d) {
  qn_module *m = b->module;
  /* A null operand comes from a failure that has been reported; a chain of builds ends quietly. */
  if (has_null_operand(m, d->num_operands, d->operands)) return (qn_op){0};
  qn_op op = qn_op_create(b, d);
  if (!op.id || infer_results(m, op)) return op;
  qn_op_erase(m, op);
  return (qn_op){0};
}

qn_op qn_op_build(qn_builder *b, qn_op_kind kind, uint32_t num_operands, const qn_value *operands, uint32_t num_attrs,
                  const qn_named_attr *attrs) {
  qn_op_desc d = {.kind = kind, .num_operands = num_operands, .operands = operands, .attrs = attrs};
  d.num_attrs = attrs ? num_attrs : 0;
  d.num_results = result_count(b->module, kind, d.num_attrs, attrs);
  d.num_regions = qn__count_spec(qn_op_info_get(kind)->regions).min;
  return build(b, &d);
}

qn_value qn_build1(qn_builder *b, qn_op_kind kind, qn_value a) {
  return qn_op_result(b->module, qn_op_build(b, kind, 1, &a, 0, NULL), 0);
}

qn_value qn_build2(qn_builder *b, qn_op_kind kind, qn_value a, qn_value c) {
  const qn_value operands[2] = {a, c};
  return qn_op_result(b->module, qn_op_build(b, kind, 2, operands, 0, NULL), 0);
}

qn_value qn_build_cast(qn_builder *b, qn_op_kind kind, qn_value a, qn_type result) {
  if (qn_type_is_null(result)) return (qn_value){0};
  qn_op_desc d = {.kind = kind, .num_operands = 1, .operands = &a, .num_results = 1, .results = &result};
  return qn_op_result(b->module, build(b, &d), 0);
}

qn_value qn_build_constant(qn_builder *b, qn_attr value) {
  if (!value.id) return (qn_value){0};
  const qn_named_attr attr = qn_named(b->module, "value", value);
  return qn_op_result(b->module, qn_op_build(b, QN_OP_CONSTANT, 0, NULL, 1, &attr), 0);
}

qn_named_attr qn_named(qn_module *m, const char *name, qn_attr value) {
  return (qn_named_attr){qn_name_of_c(m->ctx, name), value};
}

qn_op qn_build_function(qn_builder *b, qn_str name, qn_type function_type, bool is_public) {
  qn_module *m = b->module;
  const qn_named_attr attrs[3] = {
      qn_named(m, "sym_name", qn_attr_string(m, name)),
      qn_named(m, "function_type", qn_attr_type(m, function_type)),
      qn_named(m, "sym_visibility", is_public ? (qn_attr){0} : qn_attr_string(m, qn_str_of("private"))),
  };
  qn_op_desc d = {.kind = QN_OP_FUNC, .num_attrs = 3, .attrs = attrs, .num_regions = 1};
  qn_op func = qn_op_create(b, &d);
  qn_block body = qn_op_region(m, func, 0);
  uint32_t n = qn_type_num_inputs(m->ctx, function_type);
  for (uint32_t i = 0; body.id && i < n; i++)
    qn_block_add_arg(m, body, qn_type_input(m->ctx, function_type, i), (qn_name){0});
  return func;
}
