/* The table of units of a context: finding, sharing and releasing them. */
#include "units.h"
#include "cache.h"
#include "context_impl.h"
#include "units_impl.h"
#include <string.h>

qn_plans *qn__plans_create(qn_context *ctx) {
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_plans *p = qn__alloc_zero(a, sizeof *p);
  if (!p) return NULL;
  p->allocator = *a;
  p->refs = 1;
  qn__arena_init(&p->arena, &p->allocator);
  return p;
}

void qn__plans_release(qn_plans *p) {
  if (!p || --p->refs) return;
  qn_allocator a = p->allocator;
  qn__arena_free(&p->arena);
  qn__free(&a, p, sizeof *p);
}

/* ---- the table ---- */

static void drop_cache(qn_units *units) {
  if (units->cache) qn__cache_close(units->cache);
  qn__free(&units->allocator, units->cache, sizeof *units->cache);
  units->cache = NULL;
}

static void destroy(qn_context *ctx, void *state) {
  qn_units *units = state;
  qn__units_join(units); /* programs are destroyed before their context: there are no units left */
  drop_cache(units);
  qn__pieces_destroy(&units->pieces);
  pthread_cond_destroy(&units->changed);
  pthread_mutex_destroy(&units->lock);
  qn__free(qn_context_allocator(ctx), units, sizeof *units);
}

qn_units *qn__units_of(qn_context *ctx) {
  qn_units *units = ctx->slots[QN__SLOT_ENGINE].state;
  if (units) return units;
  units = qn__alloc_zero(qn_context_allocator(ctx), sizeof *units);
  if (!units) {
    qn_error_no_memory(ctx);
    return NULL;
  }
  units->allocator = *qn_context_allocator(ctx);
  units->symbols = ctx->symbols;
  pthread_mutex_init(&units->lock, NULL);
  pthread_cond_init(&units->changed, NULL);
  qn__pieces_init(&units->pieces);
  ctx->slots[QN__SLOT_ENGINE].state = units;
  ctx->slots[QN__SLOT_ENGINE].destroy = destroy;
  return units;
}

static bool same(const qn_unit *u, const char *engine, const qn_body *body) {
  return !strcmp(u->engine, engine) && u->body.part == body->part && u->body.rows == body->rows &&
         u->body.plan->hash == body->plan->hash && u->body.plan->check == body->plan->check &&
         !strcmp(u->body.symbol, body->symbol);
}

qn_unit *qn__unit_get(qn_units *units, const char *engine, const qn_body *body, qn_plans *plans) {
  qn_unit **bucket = &units->buckets[body->plan->hash % QN__UNIT_BUCKETS], *u = *bucket;
  while (u && !same(u, engine, body)) u = u->next;
  if (u) {
    u->refs++;
    return u;
  }
  u = qn__alloc_zero(&units->allocator, sizeof *u);
  if (!u) return NULL;
  u->engine = engine, u->body = *body, u->plans = plans, u->refs = 1;
  plans->refs++;
  u->next = *bucket;
  *bucket = u;
  return u;
}

void qn__unit_settle(qn_units *units, qn_unit *u) {
  if (!u || u->refs != 1) return;
  pthread_mutex_lock(&units->lock);
  qn__units_dequeue(units, u);
  while (qn__unit_state(u) == QN_UNIT_RUNNING) pthread_cond_wait(&units->changed, &units->lock);
  pthread_mutex_unlock(&units->lock);
}

void qn__unit_release(qn_units *units, qn_unit *u) {
  qn__unit_settle(units, u);
  if (!u || --u->refs) return;
  qn_unit **at = &units->buckets[u->body.plan->hash % QN__UNIT_BUCKETS];
  while (*at != u) at = &(*at)->next;
  *at = u->next;
  if (u->code) u->code->destroy(u->code);
  qn__plans_release(u->plans);
  qn__free(&units->allocator, u, sizeof *u);
}

qn_status qn__unit_load(qn_units *units, qn_unit *u, const void *object, size_t size, qn_context *ctx) {
  pthread_mutex_lock(&units->lock);
  while (qn__unit_state(u) == QN_UNIT_RUNNING) pthread_cond_wait(&units->changed, &units->lock);
  bool done = qn__unit_state(u) == QN_UNIT_DONE;
  if (!done) {
    qn__units_dequeue(units, u);
    atomic_store(&u->state, QN_UNIT_RUNNING);
  }
  pthread_mutex_unlock(&units->lock);
  if (done) return QN_OK;
  qn_made made = {.origin = QN_UNIT_LOADED};
  qn_status status = qn__object_load(ctx, object, size, 1, &u->body, &made.code);
  if (status) made.again = true; /* the caller has been told; code may still be made another way */
  qn__unit_finish(units, u, &made);
  return status;
}

/* ---- the cache folder ---- */

qn_status qn_engine_set_cache(qn_context *ctx, const char *folder, uint64_t max_bytes) {
  if (!ctx) return qn_error_null(ctx, __func__);
  qn_units *units = qn__units_of(ctx);
  if (!units) return QN_ERR_NO_MEMORY;
  qn__units_join(units); /* nobody may be using the old one */
  drop_cache(units);
  if (!folder) return QN_OK;
  qn_cache *c = qn__alloc(&units->allocator, sizeof *c);
  if (!c) return qn_error_no_memory(ctx);
  if (!qn__cache_init(c, folder, max_bytes ? max_bytes : (uint64_t)256 << 20)) {
    qn__free(&units->allocator, c, sizeof *c);
    return qn_error(ctx, QN_DIAG_LIMIT, qn_place_file(""), "the cache folder's path is too long");
  }
  units->cache = c;
  return QN_OK;
}

void qn__units_report(qn_units *units, qn_context *ctx) {
  qn_cache *c = units->cache;
  if (!c) return;
  pthread_mutex_lock(&c->lock);
  if (c->note[0] && !c->told)
    qn_trace(ctx, "cache folder %s is %s: %s", c->folder, c->readable ? "read, not written" : "not used", c->note);
  c->told |= c->note[0] != 0;
  pthread_mutex_unlock(&c->lock);
}
