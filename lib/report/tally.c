/* Counting what a program is made of. */
#include "map.h"
#include "vec.h"
#include <quern/report.h>
#include <stdlib.h>
#include <string.h>

typedef struct tally {
  const qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_idmap index; /* key -> row + 1 */
  QN_VEC(qn_tally_row) rows;
  bool failed;
} tally;

typedef void (*visit_fn)(void *user, const qn_module *m, qn_op op);

/* Every op, those of regions after the op that holds them. Regions of kernels hold no regions, functions hold kernels:
 * three levels at most, but an unregistered op may nest deeper, so this walks by links, not by recursion. */
static void walk(const qn_module *m, visit_fn visit, void *user) {
  qn_op op = qn_block_first(m, qn_module_body(m));
  while (op.id) {
    visit(user, m, op);
    qn_op next = {0};
    for (uint32_t r = 0; r < qn_op_num_regions(m, op) && !next.id; r++)
      next = qn_block_first(m, qn_op_region(m, op, r));
    while (!next.id && op.id) {
      next = qn_op_next(m, op);
      if (next.id) break;
      qn_block block = qn_op_parent(m, op);
      qn_op holder = qn_block_op(m, block);
      for (uint32_t r = 0, seen = 0; holder.id && r < qn_op_num_regions(m, holder) && !next.id; r++) {
        if (seen) next = qn_block_first(m, qn_op_region(m, holder, r));
        if (qn_op_region(m, holder, r).id == block.id) seen = 1;
      }
      op = holder;
    }
    op = next;
  }
}

static void add(tally *t, uint64_t key, qn_str name, uint64_t bytes) {
  uint32_t at = qn__idmap_get(&t->index, key);
  if (!at) {
    qn_tally_row row = {.name = name};
    if (!qn__push(t->allocator, &t->rows, row) || !qn__idmap_set(t->allocator, &t->index, key, t->rows.size)) {
      t->failed = true;
      return;
    }
    at = t->rows.size;
  }
  t->rows.data[at - 1].count++;
  t->rows.data[at - 1].bytes += bytes;
}

static uint64_t constant_bytes(const qn_module *m, qn_op op) {
  qn_attr value = qn_op_attr(m, op, "value");
  if (qn_attr_kind_of(m, value) != QN_ATTR_DENSE) return 0;
  qn_context *ctx = qn_module_context(m);
  qn_type t = qn_attr_type_of(m, value);
  int64_t n = qn_type_count(ctx, t);
  return n < 0 ? 0 : qn_scalar_bytes(qn_type_memory(ctx, qn_type_elem(ctx, t)), (uint64_t)n);
}

static bool holds_constant(const qn_module *m, qn_op op) {
  qn_op_kind k = qn_op_kind_of(m, op);
  return k == QN_OP_CONSTANT || k == QN_OP_PACKED;
}

static void count_op(void *user, const qn_module *m, qn_op op) {
  tally *t = user;
  qn_str name = qn_op_name(m, op);
  add(t, qn_name_of(t->ctx, name).id, name, holds_constant(m, op) ? constant_bytes(m, op) : 0);
}

static void count_types(void *user, const qn_module *m, qn_op op) {
  tally *t = user;
  for (uint32_t i = 0; i < qn_op_num_results(m, op); i++) {
    qn_type type = qn_value_type(m, qn_op_result(m, op, i));
    add(t, type.id, qn_type_text(t->ctx, type), holds_constant(m, op) ? constant_bytes(m, op) : 0);
  }
  for (uint32_t r = 0; r < qn_op_num_regions(m, op); r++)
    for (uint32_t i = 0; i < qn_block_num_args(m, qn_op_region(m, op, r)); i++) {
      qn_type type = qn_value_type(m, qn_block_arg(m, qn_op_region(m, op, r), i));
      add(t, type.id, qn_type_text(t->ctx, type), 0);
    }
}

static int more_first(const void *a, const void *b) {
  const qn_tally_row *x = a, *y = b;
  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  size_t n = x->name.size < y->name.size ? x->name.size : y->name.size;
  int c = memcmp(x->name.data, y->name.data, n);
  return c ? c : x->name.size < y->name.size ? -1 : x->name.size > y->name.size;
}

static qn_status report(const qn_module *m, visit_fn visit, qn_tally_fn each, void *user) {
  qn_context *ctx = qn_module_context(m);
  tally t = {.m = m, .ctx = ctx, .allocator = qn_context_allocator(ctx)};
  walk(m, visit, &t);
  if (t.rows.size) qsort(t.rows.data, t.rows.size, sizeof *t.rows.data, more_first);
  for (uint32_t i = 0; i < t.rows.size && !t.failed; i++) each(user, &t.rows.data[i]);
  qn__vec_free(t.allocator, &t.rows);
  qn__idmap_free(t.allocator, &t.index);
  return t.failed ? qn_error_no_memory(ctx) : QN_OK;
}

qn_status qn_report_ops(const qn_module *m, qn_tally_fn each, void *user) {
  if (!m || !each) return qn_error_null(qn_module_context(m), __func__);
  return report(m, count_op, each, user);
}
qn_status qn_report_types(const qn_module *m, qn_tally_fn each, void *user) {
  if (!m || !each) return qn_error_null(qn_module_context(m), __func__);
  return report(m, count_types, each, user);
}

typedef struct summing {
  qn_summary s;
  uint64_t high_level;
} summing;

/* Casts from codes, as they are or behind ops that move or select. */
static bool is_dequantized(const qn_module *m, qn_value v) {
  for (;;) {
    qn_op op = qn_value_op(m, v);
    switch (qn_op_kind_of(m, op)) {
    case QN_OP_DCAST:
    case QN_OP_DEQUANTIZE: return true;
    case QN_OP_RESHAPE:
    case QN_OP_TRANSPOSE:
    case QN_OP_MAX_POOL:
    case QN_OP_RELU: v = qn_op_operand(m, op, 0); break;
    default: return false;
    }
  }
}

static void sum_op(void *user, const qn_module *m, qn_op op) {
  summing *g = user;
  qn_context *ctx = qn_module_context(m);
  qn_op_kind kind = qn_op_kind_of(m, op);
  uint32_t traits = qn_op_info_get(kind)->traits;
  if (kind == QN_OP_FUNC) {
    g->s.functions++;
    return;
  }
  if (traits & QN_SCALAR_OP || qn_op_kind_of(m, qn_block_op(m, qn_op_parent(m, op))) != QN_OP_FUNC) return;
  g->s.ops++;
  if ((traits & QN_KERNEL_OP) && kind != QN_OP_PACKED && kind != QN_OP_VIEW) g->s.kernels++;
  if (!(traits & (QN_KERNEL_OP | QN_TERMINATOR)) && kind != QN_OP_CONSTANT) g->high_level++;
  if (kind == QN_OP_MATMUL || kind == QN_OP_CONV2D)
    g->s.unfolded += is_dequantized(m, qn_op_operand(m, op, 0)) && is_dequantized(m, qn_op_operand(m, op, 1));
  if (holds_constant(m, op)) g->s.constant_bytes += constant_bytes(m, op);
  for (uint32_t i = 0; i < qn_op_num_results(m, op); i++) {
    qn_type elem = qn_type_elem(ctx, qn_value_type(m, qn_op_result(m, op, i)));
    g->s.values++;
    if (qn_type_as_quant(ctx, elem))
      g->s.quantized_values++;
    else if (qn_scalar_is_float(qn_type_memory(ctx, elem)))
      g->s.float_values++;
    else
      g->s.int_values++;
  }
}

qn_summary qn_report_summary(const qn_module *m) {
  summing g = {0};
  if (!m) return g.s;
  walk(m, sum_op, &g);
  g.s.lowered = g.s.ops > 0 && g.high_level == 0;
  qn_attr target = qn_module_attr(m, "quern.target");
  if (target.id) g.s.target = qn_attr_as_string(m, target);
  return g.s;
}
