/* The context: its life, interned names, tracing. Diagnostics are in diag.c. */
#include "context_impl.h"
#include <stdio.h>
#include <string.h>

qn_context *qn_context_create(const qn_context_options *options) {
  static const qn_context_options none;
  if (!options) options = &none;
  qn_allocator allocator = options->allocator ? *options->allocator : qn_allocator_default();
  qn_context *ctx = qn__alloc_zero(&allocator, sizeof *ctx);
  if (!ctx) return NULL;
  ctx->allocator = allocator;
  ctx->on_diag = options->on_diag;
  ctx->on_diag_user = options->on_diag_user;
  ctx->on_trace = options->on_trace;
  ctx->on_trace_user = options->on_trace_user;
  ctx->on_call = options->on_call;
  ctx->on_call_user = options->on_call_user;
  ctx->on_progress = options->on_progress;
  ctx->on_progress_user = options->on_progress_user;
  ctx->symbols = options->symbols;
  qn__arena_init(&ctx->arena, &ctx->allocator);
  const qn_str empty = {"", 0};
  if (!qn__push(&ctx->allocator, &ctx->names, empty)) {
    qn_context_destroy(ctx);
    return NULL;
  }
  return ctx;
}

void qn_context_destroy(qn_context *ctx) {
  if (!ctx) return;
  for (int i = QN__SLOT_COUNT; i-- > 0;) {
    if (ctx->slots[i].state && ctx->slots[i].destroy) ctx->slots[i].destroy(ctx, ctx->slots[i].state);
    ctx->slots[i].state = NULL;
  }
  qn_allocator allocator = ctx->allocator;
  qn__map_free(&allocator, &ctx->name_map);
  qn__vec_free(&allocator, &ctx->names);
  qn__arena_free(&ctx->arena);
  qn__free(&allocator, ctx, sizeof *ctx);
}

const qn_allocator *qn_context_allocator(qn_context *ctx) {
  return ctx ? &ctx->allocator : NULL;
}

static bool name_equal(const void *owner, const void *key, uint32_t id) {
  const qn_context *ctx = owner;
  const qn_str *text = key;
  return qn_str_eq(ctx->names.data[id], *text);
}

qn_name qn__name_find(const qn_context *ctx, qn_str text) {
  if (text.size == 0) return (qn_name){0};
  return (qn_name){qn__map_find(&ctx->name_map, qn__hash(text.data, text.size, 0), name_equal, ctx, &text)};
}

qn_name qn_name_of(qn_context *ctx, qn_str text) {
  if (text.size == 0) return (qn_name){0};
  uint32_t hash = qn__hash(text.data, text.size, 0);
  uint32_t id = qn__map_find(&ctx->name_map, hash, name_equal, ctx, &text);
  if (id) return (qn_name){id};
  if (!qn__reserve(&ctx->allocator, &ctx->names, 1)) goto exhausted;
  qn_str copy = qn__arena_str(&ctx->arena, text);
  if (!copy.data || !qn__map_add(&ctx->allocator, &ctx->name_map, hash, ctx->names.size)) goto exhausted;
  id = ctx->names.size++;
  ctx->names.data[id] = copy;
  return (qn_name){id};
exhausted:
  qn_error_no_memory(ctx);
  return (qn_name){0};
}

qn_name qn_name_of_c(qn_context *ctx, const char *text) {
  return qn_name_of(ctx, qn_str_of(text));
}

qn_str qn_name_str(const qn_context *ctx, qn_name name) {
  return ctx->names.data[name.id < ctx->names.size ? name.id : 0];
}

void qn_context_set_call_handler(qn_context *ctx, qn_call_handler handler, void *user, qn_call_handler *old_handler,
                                 void **old_user) {
  if (old_handler) *old_handler = ctx->on_call;
  if (old_user) *old_user = ctx->on_call_user;
  ctx->on_call = handler;
  ctx->on_call_user = user;
}

bool qn_trace_enabled(const qn_context *ctx) {
  return ctx->on_trace != NULL;
}

void qn_trace(qn_context *ctx, const char *fmt, ...) {
  if (!ctx->on_trace) return;
  char line[512];
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(line, sizeof line, fmt, args);
  va_end(args);
  if (n < 0) return;
  ctx->on_trace(ctx->on_trace_user, (qn_str){line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1});
}

void qn_progress(qn_context *ctx, const char *what, int64_t done, int64_t total) {
  if (ctx->on_progress) ctx->on_progress(ctx->on_progress_user, what, done, total);
}
