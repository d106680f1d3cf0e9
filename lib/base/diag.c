/* Diagnostics: from a code and a format to the context's handler. */
#include "buf.h"
#include "context_impl.h"
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name, *doc;
} codes[QN_DIAG_COUNT] = {
#define QN_DIAG(symbol, name, doc) {name, doc},
#include <quern/diags.def>
#undef QN_DIAG
};

const char *qn_diag_name(qn_diag_code code) {
  return (unsigned)code < QN_DIAG_COUNT ? codes[code].name : "unknown";
}

const char *qn_diag_doc(qn_diag_code code) {
  return (unsigned)code < QN_DIAG_COUNT ? codes[code].doc : "";
}

static qn_status status_of(qn_diag_code code) {
  switch (code) {
  case QN_DIAG_UNSUPPORTED: return QN_ERR_UNSUPPORTED;
  case QN_DIAG_IO: return QN_ERR_IO;
  case QN_DIAG_NO_MEMORY: return QN_ERR_NO_MEMORY;
  case QN_DIAG_ENGINE:
  case QN_DIAG_INTERNAL: return QN_ERR_INTERNAL;
  default: return QN_ERR_INPUT;
  }
}

static void deliver(qn_context *ctx, qn_severity severity, qn_diag_code code, qn_place place, qn_str message) {
  qn_diag diag = {severity, code, place, message};
  if (ctx->on_diag) ctx->on_diag(ctx->on_diag_user, &diag);
}

qn_status qn_report(qn_context *ctx, qn_severity severity, qn_diag_code code, qn_place place, const char *fmt,
                    va_list args) {
  if (!ctx) return status_of(code);
  if (severity == QN_ERROR) ctx->error_count++;
  if (!ctx->on_diag) return status_of(code);
  char small[512];
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(small, sizeof small, fmt, args);
  size_t size = n < 0 ? 0 : (size_t)n;
  if (n < 0) small[0] = 0;
  char *large = size < sizeof small ? NULL : qn__alloc(&ctx->allocator, size + 1);
  if (large) {
    vsnprintf(large, size + 1, fmt, again);
    deliver(ctx, severity, code, place, (qn_str){large, size});
    qn__free(&ctx->allocator, large, size + 1);
  } else { /* out of memory, a cut message is better than none */
    if (size >= sizeof small) size = sizeof small - 1;
    deliver(ctx, severity, code, place, (qn_str){small, size});
  }
  va_end(again);
  return status_of(code);
}

qn_status(qn_error)(qn_context *ctx, qn_diag_code code, qn_place place, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn_status status = qn_report(ctx, QN_ERROR, code, place, fmt, args);
  va_end(args);
  return status;
}

void qn_warning(qn_context *ctx, qn_diag_code code, qn_place place, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn_report(ctx, QN_WARNING, code, place, fmt, args);
  va_end(args);
}

void qn_note(qn_context *ctx, qn_place place, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn_report(ctx, QN_NOTE, QN_DIAG_NOTE, place, fmt, args);
  va_end(args);
}

qn_status(qn_error_no_memory)(qn_context *ctx) {
  if (!ctx->no_memory) {
    ctx->no_memory = true;
    qn_error(ctx, QN_DIAG_NO_MEMORY, qn_place_file(""), "out of memory: the allocator returned null");
  }
  return QN_ERR_NO_MEMORY;
}

qn_status qn_error_null(qn_context *ctx, const char *function) {
  return (qn_error)(ctx, QN_DIAG_CALL, qn_place_file(""),
                    "%s: a pointer is null that must not be; its declaration tells which may be", function);
}

void qn_context_set_diag_handler(qn_context *ctx, qn_diag_handler handler, void *user, qn_diag_handler *old_handler,
                                 void **old_user) {
  if (old_handler) *old_handler = ctx->on_diag;
  if (old_user) *old_user = ctx->on_diag_user;
  ctx->on_diag = handler;
  ctx->on_diag_user = user;
}

size_t qn_context_error_count(const qn_context *ctx) {
  return ctx ? ctx->error_count : 0;
}

qn_place qn_place_file(const char *file) {
  return (qn_place){.file = qn_str_of(file)};
}
