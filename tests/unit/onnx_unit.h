/* What the importer's tests share: a context that remembers what was reported, and looks into modules. */
#ifndef QN_TEST_ONNX_UNIT_H
#define QN_TEST_ONNX_UNIT_H
#include "failing_alloc.h"
#include "onnx_writer.h"
#include "unit.h"
#include <quern/import.h>
#include <stdio.h>
#include <string.h>

typedef struct onnx_unit {
  qn_context *ctx;
  qn_module *m;
  size_t errors, notes, warnings;
  qn_diag_code code; /* of the first error */
  char place[512], message[2048], note[2048];
} onnx_unit;

static void unit_on_diag(void *user, const qn_diag *d) {
  onnx_unit *u = user;
  if (d->severity == QN_NOTE) {
    u->notes++;
    snprintf(u->note, sizeof u->note, "%.*s", (int)d->message.size, d->message.data);
  }
  if (d->severity == QN_WARNING) u->warnings++;
  if (d->severity != QN_ERROR || u->errors++) return;
  u->code = d->code;
  snprintf(u->place, sizeof u->place, "%.*s|%.*s", (int)d->place.file.size, d->place.file.data,
           (int)d->place.entity.size, d->place.entity.data);
  snprintf(u->message, sizeof u->message, "%.*s", (int)d->message.size, d->message.data);
}

static inline void unit_open(onnx_unit *u) {
  const qn_context_options options = {.on_diag = unit_on_diag, .on_diag_user = u};
  *u = (onnx_unit){0};
  u->ctx = qn_context_create(&options);
  assert_non_null(u->ctx);
}

static inline void unit_close(onnx_unit *u) {
  qn_module_destroy(u->m);
  qn_context_destroy(u->ctx);
}

/* Imports bytes and frees them. */
static inline qn_status unit_try(onnx_unit *u, pb model, const qn_import_options *options) {
  qn_status status = qn_import_onnx_memory(u->ctx, "test.onnx", model.data, model.size, options, &u->m);
  pb_free(&model);
  if (status == QN_OK)
    assert_non_null(u->m);
  else
    assert_null(u->m);
  if (status != QN_OK) assert_true(u->errors > 0);
  return status;
}

static inline void unit_import(onnx_unit *u, pb model, const qn_import_options *options) {
  unit_open(u);
  qn_status status = unit_try(u, model, options);
  if (status != QN_OK) fail_msg("%s: %s", u->place, u->message);
}

static inline qn_op unit_main(const onnx_unit *u) {
  qn_op func = qn_module_function(u->m, "main");
  assert_true(func.id && qn_func_is_public(u->m, func));
  return func;
}

/* Names of main's ops, without dialect, separated by blanks. */
static inline const char *unit_ops(const onnx_unit *u) {
  static char text[2048];
  size_t n = 0;
  text[0] = 0;
  for (qn_op op = qn_block_first(u->m, qn_func_body(u->m, unit_main(u))); op.id; op = qn_op_next(u->m, op)) {
    qn_str name = qn_op_name(u->m, op);
    const char *dot = memchr(name.data, '.', name.size);
    int written = snprintf(text + n, sizeof text - n, "%s%.*s", n ? " " : "",
                           (int)(name.size - (size_t)(dot + 1 - name.data)), dot + 1);
    n += (size_t)written;
  }
  return text;
}

/* The k-th op of main of this kind. */
static inline qn_op unit_op(const onnx_unit *u, qn_op_kind kind, unsigned k) {
  for (qn_op op = qn_block_first(u->m, qn_func_body(u->m, unit_main(u))); op.id; op = qn_op_next(u->m, op))
    if (qn_op_kind_of(u->m, op) == kind && k-- == 0) return op;
  fail_msg("no such op among: %s", unit_ops(u));
  return (qn_op){0};
}

static inline const char *unit_type(const onnx_unit *u, qn_value v) {
  return qn_type_text(u->ctx, qn_value_type(u->m, v)).data;
}
/* The type of result 0 of the k-th op of this kind. */
static inline const char *unit_op_type(const onnx_unit *u, qn_op_kind kind, unsigned k) {
  return unit_type(u, qn_op_result(u->m, unit_op(u, kind, k), 0));
}
static inline const char *unit_input_type(const onnx_unit *u, unsigned i) {
  return unit_type(u, qn_block_arg(u->m, qn_func_body(u->m, unit_main(u)), i));
}
static inline const char *unit_output_type(const onnx_unit *u, unsigned i) {
  return unit_type(u, qn_op_operand(u->m, qn_func_return(u->m, unit_main(u)), i));
}
#endif
