/* What the tests of lib/ir share: a context that remembers its diagnostics, types and attributes from short texts. */
#ifndef QN_TEST_IR_TEST_H
#define QN_TEST_IR_TEST_H
#include "unit.h"
#include <quern/module.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ir_env {
  qn_context *ctx;
  qn_module *m;
  size_t errors;
  qn_diag_code code; /* of the last error */
  char messages[8192];
} ir_env;

static inline void ir_on_diag(void *user, const qn_diag *d) {
  ir_env *e = user;
  if (d->severity == QN_ERROR) {
    e->errors++;
    e->code = d->code;
  }
  size_t used = strlen(e->messages);
  if (used + d->message.size + 64 < sizeof e->messages)
    snprintf(e->messages + used, sizeof e->messages - used, "%u:%s\n", d->place.line, d->message.data);
}

static inline void ir_open(ir_env *e) {
  memset(e, 0, sizeof *e);
  e->ctx = qn_context_create(&(qn_context_options){.on_diag = ir_on_diag, .on_diag_user = e});
  e->m = qn_module_create(e->ctx);
  assert_non_null(e->m);
}

static inline void ir_close(ir_env *e) {
  qn_module_destroy(e->m);
  qn_context_destroy(e->ctx);
}

static inline void ir_clear(ir_env *e) {
  e->errors = 0;
  e->code = QN_DIAG_NOTE;
  e->messages[0] = 0;
}

static inline void ir_expect_error(ir_env *e, const char *part) {
  if (!strstr(e->messages, part)) fail_msg("expected an error with '%s', found: %s", part, e->messages);
  ir_clear(e);
}

/* Element types: scalar names; qi8 qu8 qi16 qi32 qf8 per tensor; qaA_N along axis A with N scales; qgA_B_N blocks of B
 * along A, N scales, in a matrix; qbB_RxC blocks of B along axis 1 of a matrix with R x C scales; cal for calibrated.
 */
static inline qn_type ir_elem(qn_context *ctx, const char *s) {
  static const float ones[256] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                  17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
  qn_scalar scalar = qn_scalar_find(qn_str_of(s));
  if (scalar != QN_SCALAR_NONE) return qn_type_scalar(ctx, scalar);
  if (!strcmp(s, "cal")) return qn_type_calibrated(ctx, qn_type_scalar(ctx, QN_F32), -1, 2);
  if (!strcmp(s, "qi8")) return qn_type_per_tensor(ctx, QN_I8, -128, 127, 0.5f, 0);
  if (!strcmp(s, "qu8")) return qn_type_per_tensor(ctx, QN_UI8, 0, 255, 0.25f, 3);
  if (!strcmp(s, "qi16")) return qn_type_per_tensor(ctx, QN_I16, -32768, 32767, 0.5f, 0);
  if (!strcmp(s, "qi32")) return qn_type_per_tensor(ctx, QN_I32, INT32_MIN, INT32_MAX, 0.5f, 0);
  qn_quant q = {.storage = qn_type_scalar(ctx, QN_I8),
                .is_signed = true,
                .qmin = -128,
                .qmax = 127,
                .expressed = qn_type_scalar(ctx, QN_F32),
                .num_scales = 1,
                .scales = ones,
                .scale_type = QN_F32,
                .tensor_scale = 1};
  int axis, n, block, rows;
  if (!strcmp(s, "qf8")) {
    q.storage = qn_type_scalar(ctx, QN_F8E4M3FN);
    q.qmin = q.qmax = 0;
  } else if (!strcmp(s, "qi8h")) {
    q.expressed = qn_type_scalar(ctx, QN_F16);
  } else if (sscanf(s, "qa%d_%d", &axis, &n) == 2) {
    return qn_type_per_axis(ctx, QN_I8, -127, 127, axis, (uint32_t)n, ones, NULL);
  } else if (sscanf(s, "qg%d_%d_%d", &axis, &block, &n) == 3) {
    q.num_blocks = 1;
    q.blocks[0] = (qn_block_dim){axis, block};
    q.num_scales = (uint32_t)n;
    q.param_rank = 2;
    q.param_shape[0] = q.param_shape[1] = 1;
    q.param_shape[axis] = n;
  } else if (sscanf(s, "qb%d_%dx%d", &block, &rows, &n) == 3) {
    q.num_blocks = 2;
    q.blocks[0] = (qn_block_dim){0, 1};
    q.blocks[1] = (qn_block_dim){1, block};
    q.num_scales = (uint32_t)(rows * n);
    q.param_rank = 2;
    q.param_shape[0] = rows;
    q.param_shape[1] = n;
  } else {
    fail_msg("no such element type: %s", s);
  }
  qn_type t = qn_type_quant(ctx, &q, qn_place_file("test"));
  if (qn_type_is_null(t)) fail_msg("quantized type %s was refused", s);
  return t;
}

/* "4x?xnxf32": sizes, `?`, or a lower case letter for a symbol, then the element; "xf32" is rank 0; "=f32" a scalar. */
static inline qn_type ir_type(qn_context *ctx, const char *text) {
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK] = {{0}};
  uint32_t rank = 0;
  if (!text) return (qn_type){0};
  if (*text == '=') return ir_elem(ctx, text + 1);
  if (*text == 'x') return qn_type_tensor(ctx, ir_elem(ctx, text + 1), 0, NULL);
  while (text[0] == '?' || (text[0] >= '0' && text[0] <= '9') || (text[0] >= 'a' && text[0] <= 'z' && text[1] == 'x')) {
    assert_true(rank < QN_MAX_RANK);
    char *end = (char *)(uintptr_t)text + 1;
    if (*text == '?') {
      shape[rank] = QN_DYNAMIC;
    } else if (*text >= 'a') {
      shape[rank] = QN_DYNAMIC;
      symbols[rank] = qn_name_of(ctx, (qn_str){text, 1});
    } else {
      shape[rank] = strtoll(text, &end, 10);
    }
    rank++;
    assert_int_equal(*end, 'x');
    text = end + 1;
  }
  qn_type t = qn_type_tensor_symbols(ctx, ir_elem(ctx, text), rank, shape, symbols);
  assert_int_not_equal(t.id, 0);
  return t;
}

/* Attributes "name=value;..": true, false, 3, 1.5, [1,2], "text", !type, @symbol, unit, inf, splat:TYPE. */
static inline uint32_t ir_attrs(ir_env *e, const char *text, qn_named_attr *out) {
  uint32_t n = 0;
  char copy[256];
  snprintf(copy, sizeof copy, "%s", text ? text : "");
  for (char *item = copy; *item;) {
    char *end = strchr(item, ';');
    char *next = end ? end + 1 : item + strlen(item);
    if (end) *end = 0;
    char *eq = strchr(item, '=');
    assert_non_null(eq);
    *eq = 0;
    const char *v = eq + 1;
    qn_attr a = {0};
    if (!strcmp(v, "true") || !strcmp(v, "false")) {
      a = qn_attr_bool(e->m, *v == 't');
    } else if (!strcmp(v, "unit")) {
      a = qn_attr_unit(e->m);
    } else if (!strcmp(v, "nan")) {
      a = qn_attr_float(e->m, (qn_type){0}, strtod("nan", NULL));
    } else if (!strncmp(v, "splat:", 6)) {
      static const char zeros[16];
      a = qn_attr_splat(e->m, ir_type(e->ctx, v + 6), zeros);
    } else if (*v == '"') {
      a = qn_attr_string(e->m, (qn_str){v + 1, strlen(v) - 2});
    } else if (*v == '!') {
      a = qn_attr_type(e->m, ir_type(e->ctx, v + 1));
    } else if (*v == '@') {
      a = qn_attr_symbol(e->m, qn_str_of(v + 1));
    } else if (*v == '[') {
      int64_t list[16];
      uint32_t count = 0;
      for (const char *c = v + 1; *c && *c != ']';) {
        char *after;
        list[count++] = strtoll(c, &after, 10);
        c = *after == ',' ? after + 1 : after;
      }
      a = qn_attr_ints(e->m, QN_I64, count, list);
    } else if (strchr(v, '.')) {
      a = qn_attr_float(e->m, (qn_type){0}, strtod(v, NULL));
    } else {
      a = qn_attr_int(e->m, (qn_type){0}, strtoll(v, NULL, 10));
    }
    assert_int_not_equal(a.id, 0);
    out[n++] = qn_named(e->m, item, a);
    item = next;
  }
  return n;
}

/* An empty function of the module; its block gets arguments as tests ask for them. */
static inline qn_op ir_function(ir_env *e, const char *name, qn_type type) {
  qn_builder top = qn_builder_at_end(e->m, qn_module_body(e->m));
  if (qn_type_is_null(type)) type = qn_type_function(e->ctx, 0, NULL, 0, NULL);
  return qn_build_function(&top, qn_str_of(name), type, true);
}

static inline qn_value ir_arg(ir_env *e, qn_block b, const char *type) {
  return qn_block_add_arg(e->m, b, ir_type(e->ctx, type), (qn_name){0});
}

/* An op as described, unchecked; region ops are the caller's. */
static inline qn_op ir_op(ir_env *e, qn_block b, qn_op_kind kind, uint32_t n, const qn_value *operands,
                          uint32_t results, const qn_type *types, const char *attrs, uint32_t regions) {
  qn_named_attr named[16];
  qn_op_desc d = {.kind = kind, .num_operands = n, .operands = operands, .num_results = results, .results = types};
  d.num_attrs = ir_attrs(e, attrs, named);
  d.attrs = named;
  d.num_regions = regions;
  qn_builder at = qn_builder_at_end(e->m, b);
  return qn_op_create(&at, &d);
}

static inline qn_op ir_end(ir_env *e, qn_block b, qn_op_kind kind, uint32_t n, const qn_value *values) {
  return ir_op(e, b, kind, n, values, 0, NULL, NULL, 0);
}

/* Use lists and links agree with the operands and blocks. */
static inline void ir_check_links(const qn_module *m) {
  size_t from_lists = 0, from_ops = 0;
  for (uint32_t v = 1; v < qn_module_value_limit(m); v++) {
    for (qn_use u = qn_value_first_use(m, (qn_value){v}); u.id; u = qn_use_next(m, u)) {
      qn_op op = qn_use_op(m, u);
      assert_false(qn_op_is_erased(m, op));
      assert_int_equal(qn_op_operand(m, op, qn_use_index(m, u)).id, v);
      from_lists++;
    }
  }
  for (uint32_t o = 1; o < qn_module_op_limit(m); o++) {
    qn_op op = {o};
    if (qn_op_is_erased(m, op)) continue;
    for (uint32_t i = 0; i < qn_op_num_operands(m, op); i++) from_ops += qn_op_operand(m, op, i).id != 0;
    qn_block b = qn_op_parent(m, op);
    if (!b.id) continue;
    qn_op prev = qn_op_prev(m, op), next = qn_op_next(m, op);
    assert_int_equal(prev.id ? qn_op_next(m, prev).id : qn_block_first(m, b).id, o);
    assert_int_equal(next.id ? qn_op_prev(m, next).id : qn_block_last(m, b).id, o);
  }
  assert_int_equal(from_lists, from_ops);
}
#endif
