/* Making code on several threads: of the call that needs it, and behind the back of calls. */
#include "thread.h"
#include "units_impl.h"
#include <stdio.h>
#include <string.h>

void qn__unit_finish(qn_units *units, qn_unit *u, const qn_made *made) {
  pthread_mutex_lock(&units->lock);
  u->code = made->code;
  u->origin = made->origin;
  u->ms = made->ms;
  u->problem_code = made->problem_code;
  memcpy(u->problem, made->problem, sizeof u->problem);
  if (!made->code && !made->again)
    snprintf(u->slow, sizeof u->slow, "LLVM could not make its code, libtcc's scalar code runs: %s", u->problem);
  if (made->code) atomic_store_explicit(&u->fn, made->code->functions[0], memory_order_release);
  atomic_store(&u->state, made->code ? QN_UNIT_DONE : made->again ? QN_UNIT_IDLE : QN_UNIT_FAILED);
  pthread_cond_broadcast(&units->changed);
  pthread_mutex_unlock(&units->lock);
}

static void make(qn_units *units, qn_unit *u, uint32_t spare) {
  qn_made made;
  qn__unit_make(units, u, spare, &made);
  qn__unit_finish(units, u, &made);
}

/* ---- the queue ---- */

void qn__units_dequeue(qn_units *units, qn_unit *u) {
  if (qn__unit_state(u) != QN_UNIT_QUEUED) return;
  qn_unit **at = &units->first_queued, *before = NULL;
  while (*at != u) before = *at, at = &(*at)->next_queued;
  *at = u->next_queued;
  if (units->last_queued == u) units->last_queued = before;
  u->next_queued = NULL;
  atomic_store(&u->state, QN_UNIT_IDLE);
}

/* With the lock held: makes what is first in the queue. */
static bool make_first(qn_units *units) {
  qn_unit *u = units->first_queued;
  if (!u) return false;
  qn__units_dequeue(units, u);
  atomic_store(&u->state, QN_UNIT_RUNNING);
  pthread_mutex_unlock(&units->lock);
  make(units, u, 0);
  pthread_mutex_lock(&units->lock);
  return true;
}

static void *work(void *arg) {
  qn_worker *w = arg;
  qn_units *units = w->units;
  pthread_mutex_lock(&units->lock);
  while (make_first(units)) continue;
  w->finished = true;
  pthread_mutex_unlock(&units->lock);
  return NULL;
}

/* With the lock held: one more worker if fewer than `most` are at work. Those that have ended are waited for: they hold
 * no lock any more. */
static void start_worker(qn_units *units, uint32_t most) {
  qn_worker *place = NULL;
  uint32_t busy = 0;
  for (uint32_t i = 0; i < QN__MAX_WORKERS; i++) {
    qn_worker *w = &units->workers[i];
    if (w->started && w->finished) {
      pthread_join(w->id, NULL);
      w->started = false;
    }
    if (w->started)
      busy++;
    else
      place = w;
  }
  if (busy >= most || !place) return;
  *place = (qn_worker){.units = units};
  place->started = qn__thread_start(&place->id, work, place); /* if not, whoever needs the unit makes it */
}

void qn__units_queue(qn_units *units, uint32_t n, qn_unit *const *list, uint32_t threads) {
  pthread_mutex_lock(&units->lock);
  for (uint32_t i = 0; i < n; i++) {
    qn_unit *u = list[i];
    if (qn__unit_state(u) != QN_UNIT_IDLE) continue;
    if (units->last_queued)
      units->last_queued->next_queued = u;
    else
      units->first_queued = u;
    units->last_queued = u;
    atomic_store(&u->state, QN_UNIT_QUEUED);
    start_worker(units, threads);
  }
  pthread_mutex_unlock(&units->lock);
}

void qn__units_join(qn_units *units) {
  for (uint32_t i = 0; i < QN__MAX_WORKERS; i++) {
    if (units->workers[i].started) pthread_join(units->workers[i].id, NULL);
    units->workers[i].started = false;
  }
}

/* ---- now ---- */

typedef struct batch {
  qn_units *units;
  qn_unit *const *list;
  uint32_t n;
  uint32_t threads; /* those that are at it */
  atomic_uint next;
} batch;

/* With the lock held: whether this thread may make the unit now. */
static bool claim(qn_units *units, qn_unit *u) {
  qn__units_dequeue(units, u);
  if (qn__unit_state(u) != QN_UNIT_IDLE) return false;
  atomic_store(&u->state, QN_UNIT_RUNNING);
  return true;
}

static void *run_batch(void *arg) {
  batch *b = arg;
  for (;;) {
    uint32_t i = atomic_fetch_add(&b->next, 1);
    if (i >= b->n) return NULL;
    pthread_mutex_lock(&b->units->lock);
    bool mine = claim(b->units, b->list[i]);
    pthread_mutex_unlock(&b->units->lock);
    /* Who makes the last may have help: others will soon have nothing to do. */
    if (mine) make(b->units, b->list[i], b->threads > 1 && i + 1 == b->n);
  }
}

static uint32_t count_missing(uint32_t n, qn_unit *const *list) {
  uint32_t missing = 0;
  for (uint32_t i = 0; i < n; i++) missing += qn__unit_state(list[i]) < QN_UNIT_RUNNING;
  return missing;
}

static void wait_for(qn_units *units, uint32_t n, qn_unit *const *list) {
  pthread_mutex_lock(&units->lock);
  for (uint32_t i = 0; i < n; i++)
    while (qn__unit_state(list[i]) == QN_UNIT_RUNNING) pthread_cond_wait(&units->changed, &units->lock);
  pthread_mutex_unlock(&units->lock);
}

void qn__unit_make_cached(qn_units *units, qn_unit *u) {
  if (!units->cache || !qn__engine_has_objects(u->engine)) return;
  pthread_mutex_lock(&units->lock);
  bool mine = claim(units, u);
  pthread_mutex_unlock(&units->lock);
  if (!mine) return;
  qn_made made;
  qn__unit_from_cache(units, u, &made);
  qn__unit_finish(units, u, &made);
}

void qn__units_make(qn_units *units, uint32_t n, qn_unit *const *list, uint32_t threads) {
  for (uint32_t i = 0; i < n; i++) qn__unit_make_cached(units, list[i]); /* in less time than starting a thread takes */
  uint32_t missing = count_missing(n, list), helpers = 0;
  pthread_t ids[QN__MAX_WORKERS];
  batch b = {.units = units, .list = list, .n = n, .threads = threads};
  if (missing) {
    while (helpers + 1 < threads && helpers + 1 < missing && helpers < QN__MAX_WORKERS &&
           qn__thread_start(&ids[helpers], run_batch, &b))
      helpers++;
    run_batch(&b);
    for (uint32_t i = 0; i < helpers; i++) pthread_join(ids[i], NULL);
  }
  wait_for(units, n, list);
}

/* A call's wait for one unit: what it makes meanwhile. */
typedef struct wait {
  qn_units *units;
  qn_unit *u;
  bool help;
} wait;

static void *run_wait(void *arg) {
  wait *w = arg;
  batch b = {.units = w->units, .list = &w->u, .n = 1, .threads = w->help ? 2 : 1};
  run_batch(&b);
  pthread_mutex_lock(&w->units->lock);
  while (w->help && qn__unit_state(w->u) == QN_UNIT_RUNNING && make_first(w->units)) continue;
  pthread_mutex_unlock(&w->units->lock);
  return NULL;
}

void qn__unit_make_apart(qn_units *units, qn_unit *u, bool help) {
  wait w = {units, u, help};
  pthread_t id;
  qn_unit_state state = qn__unit_state(u);
  if (state < QN_UNIT_RUNNING || (help && state == QN_UNIT_RUNNING)) {
    bool small =
        !strcmp(u->engine, "tcc"); /* its needs are known, and starting a thread may take longer than it does */
    if (!small && qn__thread_start(&id, run_wait, &w))
      pthread_join(id, NULL);
    else
      run_wait(&w);
  }
  wait_for(units, 1, &u);
}
