/* Verification: one walk over the ops, each checked for structure, table, rule and types. */
#include "context_impl.h"
#include "module_impl.h"
#include "rule_util.h"
#include "types_impl.h"
#include "verify_impl.h"
#include <string.h>

enum { NEWEST_VERSION = 1 };

typedef struct verifier {
  qn_module *m;
  qn_status status; /* the first failure's */
  uint8_t *defined; /* a bit per value: its definition has been walked; null where order is not checked */
  qn_idmap attrs;   /* (kind, dictionary) pairs that passed */
  qn_idmap types;   /* types that passed */
  uint32_t last_type;
  bool has_calls;
  QN_VEC(qn_type) results; /* room for a rule's answer */
} verifier;

static void fail(verifier *v, qn_status status) {
  if (v->status == QN_OK) v->status = status;
}

/* ---- types ---- */

static void check_type(verifier *v, qn_op op, qn_type type, const char *what, uint32_t i) {
  if (type.id == v->last_type) return;
  if (qn_type_is_null(type)) {
    fail(v, qn_op_error(v->m, op, QN_DIAG_TYPE, "%s %u has no type", what, i));
    return;
  }
  if (qn__idmap_get(&v->types, type.id)) return;
  qn_status status = qn__type_check_tensor(v->m->ctx, type, qn_op_place(v->m, op));
  if (status != QN_OK) {
    fail(v, status);
    return;
  }
  v->last_type = type.id;
  if (!qn__idmap_set(v->m->allocator, &v->types, type.id, 1)) fail(v, qn_error_no_memory(v->m->ctx));
}

/* ---- operands ---- */

static void define(verifier *v, qn_value value) {
  if (v->defined) v->defined[value.id / 8] |= (uint8_t)(1u << value.id % 8);
}

static bool is_defined(const verifier *v, qn_value value) {
  return !v->defined || v->defined[value.id / 8] >> value.id % 8 & 1;
}

/* The block in which a value can be used. */
static uint32_t scope_of(const qn_module *m, const qn_value_rec *rec) {
  return rec->def & QN__DEF_BLOCK ? rec->def & ~QN__DEF_BLOCK : m->ops.data[rec->def].parent;
}

/* Whether ops in `block` see the values of `scope`: it is the same block, or one around it with only unregistered ops
 * between them. Functions and kernels see nothing from outside. */
static bool sees(const qn_module *m, uint32_t block, uint32_t scope) {
  while (block != scope) {
    uint32_t holder = m->blocks.data[block].op;
    if (!holder || m->ops.data[holder].kind < QN_OP_KIND_COUNT) return false;
    block = m->ops.data[holder].parent;
    if (!block) return false;
  }
  return true;
}

static void check_operands(verifier *v, const qn_op_rec *rec, qn_op op) {
  const qn_module *m = v->m;
  for (uint32_t i = 0; i < rec->num_operands; i++) {
    qn_value value = {m->uses.data[rec->first_operand + i].value};
    const qn_value_rec *def = qn__value_rec(m, value);
    if (!def->def)
      fail(v, qn_op_error(m, op, QN_DIAG_VERIFY,
                          "operand %u is no value: its definition has been erased or was never made", i));
    else if (rec->parent && scope_of(m, def) != rec->parent && !sees(m, rec->parent, scope_of(m, def)))
      fail(v,
           qn_op_error(m, op, QN_DIAG_VERIFY,
                       "operand %u comes from another block, expected a value of this one: pass it in as an operand of "
                       "the op that holds the region",
                       i));
    else if (!is_defined(v, value))
      fail(v, qn_op_error(m, op, QN_DIAG_VERIFY, "operand %u is used before its definition", i));
  }
}

/* ---- where ops may stand ---- */

static void check_position(verifier *v, const qn_op_rec *rec, qn_op op, uint32_t traits) {
  const qn_module *m = v->m;
  if (!rec->parent) return;
  uint32_t holder = m->blocks.data[rec->parent].op;
  uint32_t kind = holder ? m->ops.data[holder].kind : 0;
  if (!holder) {
    if (!(traits & QN_SYMBOL_OP) && rec->kind < QN_OP_KIND_COUNT)
      fail(v, qn_op_error(m, op, QN_DIAG_VERIFY, "stands at the top of the module, expected inside a function"));
    return;
  }
  if (kind >= QN_OP_KIND_COUNT) return; /* an unregistered holder has rules of its own */
  if ((traits & QN_SCALAR_OP) && kind == QN_OP_FUNC)
    fail(v, qn_op_error(m, op, QN_DIAG_VERIFY,
                        "works on scalars and stands in a function, expected in a kernel's region"));
  if ((traits & (QN_TENSOR_OP | QN_KERNEL_OP)) && kind != QN_OP_FUNC)
    fail(v, qn_op_error(m, op, QN_DIAG_VERIFY,
                        "works on tensors and stands in a kernel's region, expected in a function"));
  if (rec->kind == QN_OP_CALL && kind != QN_OP_FUNC)
    fail(v, qn_op_error(m, op, QN_DIAG_VERIFY, "stands in a kernel's region, expected in a function"));
  bool last = m->blocks.data[rec->parent].last == op.id;
  if ((traits & QN_TERMINATOR) && !last)
    fail(v, qn_op_error(m, op, QN_DIAG_VERIFY, "ends its block, but ops follow it: expected it to be the last"));
}

static void check_regions(verifier *v, const qn_op_rec *rec, qn_op op, const qn_op_info *info) {
  const qn_module *m = v->m;
  for (uint32_t r = 0; r < rec->num_regions; r++) {
    qn_block block = {rec->first_region + r};
    for (uint32_t i = 0; i < qn_block_num_args(m, block); i++) {
      qn_value arg = qn_block_arg(m, block, i);
      define(v, arg);
      check_type(v, op, qn_value_type(m, arg), "block argument", i);
    }
    if (rec->kind >= QN_OP_KIND_COUNT) continue;
    qn_op_kind want = rec->kind == QN_OP_FUNC ? QN_OP_RETURN : QN_OP_YIELD;
    if (qn_op_kind_of(m, qn_block_last(m, block)) == want) continue;
    qn_op last = qn_block_last(m, block);
    qn_str name = qn_op_name(m, last);
    fail(v, qn_op_error(m, op, QN_DIAG_VERIFY, "region %u (%s) %s%.*s, expected %s at its end", r, info->regions,
                        last.id ? "ends with " : "is empty", (int)name.size, name.data, qn_op_info_get(want)->name));
  }
}

/* ---- table and rule ---- */

static bool check_table(verifier *v, const qn_op_rec *rec, qn_op op) {
  const qn_op_spec *spec = qn__op_spec(v->m->ctx, (qn_op_kind)rec->kind);
  if (!spec) {
    fail(v, QN_ERR_NO_MEMORY);
    return false;
  }
  qn_status status = qn__verify_counts(v->m, op, spec);
  uint64_t key = (uint64_t)rec->kind << 32 | rec->attrs;
  if ((rec->attrs || spec->num_attrs) && !qn__idmap_get(&v->attrs, key)) {
    qn_status attrs = qn__verify_attrs(v->m, op, spec);
    if (attrs == QN_OK && !qn__idmap_set(v->m->allocator, &v->attrs, key, 1)) attrs = qn_error_no_memory(v->m->ctx);
    if (status == QN_OK) status = attrs;
  }
  if (status != QN_OK) fail(v, status);
  return status == QN_OK;
}

static bool operands_typed(const qn_module *m, const qn_op_rec *rec) {
  for (uint32_t i = 0; i < rec->num_operands; i++)
    if (!m->values.data[m->uses.data[rec->first_operand + i].value].type) return false;
  return true;
}

/* Rules may make attributes and types, and so move the module's arrays: `rec` is a copy. */
static void check_rule(verifier *v, const qn_op_rec *rec, qn_op op) {
  qn_module *m = v->m;
  if (!operands_typed(m, rec)) return; /* reported where they are defined or used */
  if (!qn__reserve(m->allocator, &v->results, rec->num_results)) {
    fail(v, qn_error_no_memory(m->ctx));
    return;
  }
  qn_type *results = v->results.data;
  if (rec->num_results) memset(results, 0, rec->num_results * sizeof *results);
  qn_status status = qn__op_rule((qn_op_kind)rec->kind)(m, op, results);
  if (status != QN_OK) {
    fail(v, status);
    return;
  }
  for (uint32_t i = 0; i < rec->num_results; i++) {
    qn_type declared = {m->values.data[rec->first_result + i].type};
    if (qn_type_eq(declared, results[i]) || qn_type_is_null(declared)) continue;
    if (qn_type_is_null(results[i]))
      fail(v, qn_error_no_memory(m->ctx)); /* a rule that found nothing wrong could not make the type */
    else if (!qn__types_compatible(m->ctx, declared, results[i]))
      fail(v, qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "result %u is declared as %s, but the operands give %s", i,
                          qn__type_c(m, declared), qn__type_c(m, results[i])));
  }
}

static void check_op(verifier *v, qn_op op) {
  const qn_op_rec rec = v->m->ops.data[op.id];
  const qn_op_info *info = qn_op_info_get(qn_op_kind_of(v->m, op));
  v->has_calls |= rec.kind == QN_OP_CALL;
  check_operands(v, &rec, op);
  check_position(v, &rec, op, info->traits);
  bool known = rec.kind != QN_OP_UNREGISTERED && rec.kind < QN_OP_KIND_COUNT;
  bool counts = !known || check_table(v, &rec, op);
  check_regions(v, &rec, op, info);
  for (uint32_t i = 0; i < rec.num_results; i++) {
    qn_value result = {rec.first_result + i};
    check_type(v, op, qn_value_type(v->m, result), "result", i);
    define(v, result);
  }
  if (known && counts) check_rule(v, &rec, op);
}

/* ---- the whole ---- */

static qn_status check_version(qn_module *m) {
  qn_attr version = qn_module_attr(m, "quern.version");
  if (!version.id) return QN_OK;
  if (qn_attr_kind_of(m, version) != QN_ATTR_INT)
    return qn_op_error(m, (qn_op){0}, QN_DIAG_ATTRIBUTE, "module attribute quern.version is no integer, expected %d",
                       NEWEST_VERSION);
  int64_t n = qn_attr_as_int(m, version);
  if (n > NEWEST_VERSION)
    return qn_op_error(m, (qn_op){0}, QN_DIAG_VERSION,
                       "the module has quern.version %lld, this library reads up to %d: use a newer one", (long long)n,
                       NEWEST_VERSION);
  if (n < 1)
    return qn_op_error(m, (qn_op){0}, QN_DIAG_ATTRIBUTE, "module attribute quern.version is %lld, expected 1 to %d",
                       (long long)n, NEWEST_VERSION);
  return QN_OK;
}

static void release(verifier *v) {
  const qn_allocator *a = v->m->allocator;
  qn__idmap_free(a, &v->attrs);
  qn__idmap_free(a, &v->types);
  qn__vec_free(a, &v->results);
}

static void walk_body(verifier *v) {
  qn_module *m = v->m;
  for (uint32_t top = m->blocks.data[m->body].first; top; top = m->ops.data[top].next)
    for (uint32_t at = top; at; at = qn__walk_next(m, top, at)) check_op(v, (qn_op){at});
}

qn_status qn_module_verify(qn_module *m) {
  if (m->failed) return qn_error_no_memory(m->ctx);
  verifier v = {.m = m};
  fail(&v, check_version(m));
  size_t bytes = (size_t)m->values.size / 8 + 1;
  v.defined = qn__alloc_zero(m->allocator, bytes);
  if (!v.defined) return qn_error_no_memory(m->ctx);
  fail(&v, qn__symbols_fill(m, true));
  m->symbols_complete = true;
  walk_body(&v);
  if (v.has_calls) fail(&v, qn__verify_calls(m));
  m->symbols_complete = false;
  qn__free(m->allocator, v.defined, bytes);
  release(&v);
  return v.status;
}

qn_status qn_op_verify(qn_module *m, qn_op op) {
  if (!qn__op_live(m, op)) return QN_OK;
  verifier v = {.m = m};
  for (uint32_t at = op.id; at; at = qn__walk_next(m, op.id, at)) check_op(&v, (qn_op){at});
  release(&v);
  return v.status;
}

/* ---- inference ---- */

/* A declared calibrated element type is what calibration found out about the value: the rule cannot know it. */
static qn_type keep_calibration(qn_module *m, qn_type declared, qn_type inferred) {
  qn_type elem = qn_type_elem(m->ctx, declared);
  if (qn_type_kind_of(m->ctx, elem) != QN_TYPE_CALIBRATED || qn_type_kind_of(m->ctx, inferred) != QN_TYPE_TENSOR)
    return inferred;
  if (!qn_type_eq(qn__plain_elem(m->ctx, elem), qn_type_elem(m->ctx, inferred))) return inferred;
  return qn_type_with_elem(m->ctx, inferred, elem);
}

qn_status qn_op_infer(qn_module *m, qn_op op, qn_type *results) {
  uint32_t n = qn_op_num_results(m, op);
  if (n) memset(results, 0, n * sizeof *results);
  qn_op_kind kind = qn_op_kind_of(m, op);
  if (kind == QN_OP_UNREGISTERED) { /* nothing is known but what was declared */
    for (uint32_t i = 0; i < n; i++) results[i] = qn__declared(m, op, i);
    return QN_OK;
  }
  const qn_op_spec *spec = qn__op_spec(m->ctx, kind);
  qn_status status = spec ? qn__verify_table(m, op, spec) : QN_ERR_NO_MEMORY;
  if (status != QN_OK) return status;
  const qn_op_rec *rec = qn__op_rec(m, op);
  if (!operands_typed(m, rec))
    return qn_op_error(m, op, QN_DIAG_VERIFY,
                       "an operand is no value: its definition has been erased or was never made");
  status = qn__op_rule(kind)(m, op, results);
  for (uint32_t i = 0; status == QN_OK && i < n; i++) {
    if (qn_type_is_null(results[i])) status = qn_error_no_memory(m->ctx);
    results[i] = keep_calibration(m, qn__declared(m, op, i), results[i]);
  }
  return status;
}
