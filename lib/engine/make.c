/* From one body to machine code. Where objects can be loaded, code comes as an object, whether it was generated now or
 * lies in the cache folder; one loader places it. */
#include "buf.h"
#include "cache.h"
#include "clock.h"
#include "context_impl.h"
#include "units_impl.h"
#include <stdio.h>
#include <string.h>

bool qn__engine_has_objects(const char *engine) {
#if defined(__x86_64__)
  return !strcmp(engine, "llvm");
#else
  (void)engine;
  return false;
#endif
}

static bool into_buf(void *user, const char *data, size_t size) {
  qn__buf_put(user, data, size);
  return !((qn_buf *)user)->failed;
}

qn_status qn__body_object(qn_units *units, qn_context *ctx, const qn_body *body, uint32_t spare, qn_buf *out,
                          qn_unit_origin *origin) {
  const qn_backend *backend;
  qn_aot aot = {.num_bodies = 1, .bodies = body, .pieces = &units->pieces.store, .spare = spare};
  qn_cache_key key;
  bool cached = units->cache && qn__cache_key(body, &key);
  size_t start = out->size;
  if (cached && *origin != QN_UNIT_COMPILED && qn__cache_get(units->cache, &key, out)) {
    *origin = QN_UNIT_CACHED;
    return QN_OK;
  }
  *origin = QN_UNIT_COMPILED;
  qn_status status = qn__backend_find(ctx, "llvm", &backend);
  if (!status) status = backend->emit(ctx, &aot, QN_EMIT_OBJ, into_buf, out);
  if (out->failed) return qn_error_no_memory(ctx);
  if (!status && cached) qn__cache_put(units->cache, &key, out->data + start, out->size - start);
  return status;
}

static qn_status from_object(qn_units *units, qn_context *ctx, const qn_unit *u, uint32_t spare, qn_made *out) {
  qn_buf object;
  qn__buf_init(&object, qn_context_allocator(ctx));
  out->origin = QN_UNIT_CACHED;
  qn_status status = qn__body_object(units, ctx, &u->body, spare, &object, &out->origin);
  if (!status) status = qn__object_load(ctx, object.data, object.size, 1, &u->body, &out->code);
  if (status == QN_ERR_INPUT && out->origin == QN_UNIT_CACHED) { /* whole, but not what this loader takes */
    out->problem[0] = 0;
    out->origin = QN_UNIT_COMPILED;
    qn__buf_free(&object);
    status = qn__body_object(units, ctx, &u->body, spare, &object, &out->origin);
    if (!status) status = qn__object_load(ctx, object.data, object.size, 1, &u->body, &out->code);
  }
  qn__buf_free(&object);
  return status;
}

static qn_status from_backend(qn_context *ctx, const qn_unit *u, qn_made *out) {
  const qn_backend *backend;
  qn_status status = qn__backend_find(ctx, u->engine, &backend);
  return status ? status : backend->jit(ctx, 1, &u->body, &out->code);
}

/* The first error is kept: it is reported where the code is needed. */
static void keep_problem(void *user, const qn_diag *d) {
  qn_made *made = user;
  if (d->severity != QN_ERROR || made->problem[0]) return;
  made->problem_code = d->code;
  snprintf(made->problem, sizeof made->problem, "%.*s", (int)d->message.size, d->message.data);
}

void qn__unit_make(qn_units *units, const qn_unit *u, uint32_t spare, qn_made *out) {
  *out = (qn_made){.problem_code = QN_DIAG_NO_MEMORY};
  double start = qn__now_ns();
  qn_context_options options = {.on_diag = keep_problem, .on_diag_user = out, .symbols = units->symbols};
  qn_context *ctx = qn_context_create(&options);
  qn_status status = QN_ERR_NO_MEMORY;
  if (ctx)
    status = qn__engine_has_objects(u->engine) ? from_object(units, ctx, u, spare, out) : from_backend(ctx, u, out);
  if (ctx) qn_context_destroy(ctx);
  if (status && !out->problem[0]) snprintf(out->problem, sizeof out->problem, "out of memory");
  out->again = status == QN_ERR_NO_MEMORY;
  out->ms = (qn__now_ns() - start) * 1e-6;
}

void qn__unit_from_cache(qn_units *units, const qn_unit *u, qn_made *out) {
  *out = (qn_made){.origin = QN_UNIT_CACHED, .again = true};
  double start = qn__now_ns();
  qn_cache_key key;
  qn_context_options options = {.on_diag = keep_problem, .on_diag_user = out, .symbols = units->symbols};
  qn_context *ctx = qn_context_create(&options);
  if (!ctx) return;
  qn_buf object;
  qn__buf_init(&object, qn_context_allocator(ctx));
  if (qn__cache_key(&u->body, &key) && qn__cache_get(units->cache, &key, &object))
    qn__object_load(ctx, object.data, object.size, 1, &u->body, &out->code); /* if it cannot, it is compiled */
  qn__buf_free(&object);
  qn_context_destroy(ctx);
  out->ms = (qn__now_ns() - start) * 1e-6;
}
