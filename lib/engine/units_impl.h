/* The inside of the table of units: units.c finds and releases, make.c makes code, workers.c does so on threads. */
#ifndef QN_UNITS_IMPL_H
#define QN_UNITS_IMPL_H
#include "pieces.h"
#include "program.h"
#include "units.h"
#include <pthread.h>

enum { QN__UNIT_BUCKETS = 128, QN__MAX_WORKERS = 8 };

typedef struct qn_worker {
  pthread_t id;
  bool started, finished;
  qn_units *units;
} qn_worker;

struct qn_units {
  qn_allocator allocator; /* the context's: used on its thread only */
  uint32_t symbols;       /* as the context has it */
  pthread_mutex_t lock;
  pthread_cond_t changed;             /* some unit's state */
  qn_unit *buckets[QN__UNIT_BUCKETS]; /* touched on the context's thread only */
  qn_unit *first_queued, *last_queued;
  qn_worker workers[QN__MAX_WORKERS];
  struct qn_cache *cache; /* null for none */
  qn_pieces pieces;
};

/* What came of making a unit's code. */
typedef struct qn_made {
  qn_code *code; /* null: it failed */
  qn_unit_origin origin;
  double ms;
  bool again; /* failed, but worth another attempt: memory ran out */
  qn_diag_code problem_code;
  char problem[240];
} qn_made;

/* Makes the code of a unit, `spare` more threads may help. Takes no lock; the unit is marked as running. */
void qn__unit_make(qn_units *units, const qn_unit *u, uint32_t spare, qn_made *out);
/* The same from the cache folder only; when it is not there, out->again is set. */
void qn__unit_from_cache(qn_units *units, const qn_unit *u, qn_made *out);
/* Gives the unit what was made and wakes who waits for it. */
void qn__unit_finish(qn_units *units, qn_unit *u, const qn_made *made);
/* With the lock held: takes it out of the queue if it is in there, so that it is idle. */
void qn__units_dequeue(qn_units *units, qn_unit *u);
/* Ends the table's own threads; the queue is empty. */
void qn__units_join(qn_units *units);
#endif
