/* The store of functions that bodies have in common. */
#include "pieces.h"
#include <stdio.h>
#include <string.h>

enum { MOST_BYTES = 8 << 20 };

struct qn_piece {
  char name[QN_PIECE_NAME];
  bool busy;
  qn_piece_object object; /* without data: nobody has made it */
  qn_piece *next;
};

static qn_piece *find(qn_pieces *p, const char *name) {
  qn_piece *e = p->first;
  while (e && strcmp(e->name, name)) e = e->next;
  return e;
}

static qn_piece *add(qn_pieces *p, const char *name) {
  qn_piece *e = p->bytes < MOST_BYTES ? qn__arena_new(&p->arena, qn_piece) : NULL;
  if (!e) return NULL;
  snprintf(e->name, sizeof e->name, "%s", name);
  e->next = p->first;
  p->first = e;
  return e;
}

static qn_piece_state take(void *user, const char *name, bool wait, qn_piece_object *out) {
  qn_pieces *p = user;
  pthread_mutex_lock(&p->lock);
  qn_piece *e = find(p, name);
  while (e && e->busy && wait) pthread_cond_wait(&p->given, &p->lock);
  if (!e) e = add(p, name);
  qn_piece_state state = !e               ? QN_PIECE_YOURS
                         : e->busy        ? QN_PIECE_BUSY
                         : e->object.data ? QN_PIECE_KNOWN
                                          : QN_PIECE_YOURS;
  if (state == QN_PIECE_KNOWN) *out = e->object;
  if (state == QN_PIECE_YOURS && e) e->busy = true;
  pthread_mutex_unlock(&p->lock);
  return state;
}

static void give(void *user, uint32_t count, const char *const *names, const void *object, size_t size) {
  qn_pieces *p = user;
  pthread_mutex_lock(&p->lock);
  void *copy = object && p->bytes < MOST_BYTES ? qn__arena_copy(&p->arena, object, size) : NULL;
  if (copy) p->bytes += size;
  for (uint32_t i = 0; i < count; i++) {
    qn_piece *e = find(p, names[i]);
    if (!e) continue;
    e->busy = false;
    if (copy) e->object = (qn_piece_object){copy, size};
  }
  pthread_cond_broadcast(&p->given);
  pthread_mutex_unlock(&p->lock);
}

void qn__pieces_init(qn_pieces *p) {
  *p = (qn_pieces){.store = {p, take, give}};
  p->allocator = qn_allocator_default();
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->given, NULL);
  qn__arena_init(&p->arena, &p->allocator);
}

void qn__pieces_destroy(qn_pieces *p) {
  qn__arena_free(&p->arena);
  pthread_cond_destroy(&p->given);
  pthread_mutex_destroy(&p->lock);
}
