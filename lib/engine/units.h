/* Bodies as machine code. A unit is one body for one code generator; all programs of a context that need the same body
 * share its unit, whichever of them asked for it first, and the last one frees it.
 *
 * A unit's function is null until its code is there and never changes afterwards, so callers read it without a lock.
 * Everything else is guarded by the table's lock. Units are made and released on the context's thread; code for them is
 * made on any thread, with contexts and memory of its own (the C library's: an embedder's allocator belongs to the
 * context's thread), so that calls may do it. */
#ifndef QN_UNITS_H
#define QN_UNITS_H
#include "arena.h"
#include "backend.h"
#include <quern/context.h>
#include <stdatomic.h>

/* Kernel plans of a program, alive as long as a unit needs one of them. */
typedef struct qn_plans {
  qn_allocator allocator;
  qn_arena arena;
  uint32_t refs;
} qn_plans;
qn_plans *qn__plans_create(qn_context *ctx); /* with one reference; null when memory runs out */
void qn__plans_release(qn_plans *plans);

typedef enum qn_unit_state {
  QN_UNIT_IDLE,
  QN_UNIT_QUEUED,
  QN_UNIT_RUNNING,
  QN_UNIT_DONE,
  QN_UNIT_FAILED
} qn_unit_state;
typedef enum qn_unit_origin { QN_UNIT_COMPILED, QN_UNIT_CACHED, QN_UNIT_LOADED } qn_unit_origin;

typedef struct qn_unit {
  _Atomic(qn_kernel_fn) fn;
  atomic_int state; /* qn_unit_state; written under the lock */
  qn_body body;
  qn_plans *plans; /* keeps body.plan */
  const char *engine;
  struct qn_unit *next, *next_queued; /* of the bucket, of the queue */
  uint32_t refs;
  qn_code *code;
  qn_unit_origin origin;
  double ms; /* that making it took */
  qn_diag_code problem_code;
  char problem[240]; /* when it failed: why */
  char slow[320];    /* the same for who looks at a program that runs without it */
  /* Touched on the context's thread only: */
  bool told;      /* its failure has been reported */
  bool told_made; /* its code has been */
} qn_unit;

typedef struct qn_units qn_units;
/* The context's table, made at the first use. Null after reporting that memory ran out. */
qn_units *qn__units_of(qn_context *ctx);

/* The unit of a body, with a reference more. Null when memory runs out. */
qn_unit *qn__unit_get(qn_units *units, const char *engine, const qn_body *body, qn_plans *plans);
/* Before the last reference goes: nobody will make its code any more; waits for who is making it. */
void qn__unit_settle(qn_units *units, qn_unit *u);
/* Gives the reference back; waits when the last one goes while code is being made. */
void qn__unit_release(qn_units *units, qn_unit *u);
/* Gives a unit code from an object (an ELF file in memory) unless it has some. */
qn_status qn__unit_load(qn_units *units, qn_unit *u, const void *object, size_t size, qn_context *ctx);

/* Makes the code of those units that have none on `threads` threads at once, this one included, and waits for what
 * other threads are making. Afterwards each unit is done or failed. */
void qn__units_make(qn_units *units, uint32_t n, qn_unit *const *list, uint32_t threads);
/* Takes a unit's code from the cache folder, if it is there. */
void qn__unit_make_cached(qn_units *units, qn_unit *u);
/* One unit; by a code generator that needs much stack on a thread that has it: calls run on their caller's. With
 * `help`, while another thread makes it, this one makes what is queued. */
void qn__unit_make_apart(qn_units *units, qn_unit *u, bool help);
/* Has threads of the table's own make the code some time. */
void qn__units_queue(qn_units *units, uint32_t n, qn_unit *const *list, uint32_t threads);

/* The object of a body: from the cache folder unless *origin says that it must be compiled, or made by the code
 * generator, with `spare` threads more. Appends to `out`. */
struct qn_buf;
qn_status qn__body_object(qn_units *units, qn_context *ctx, const qn_body *body, uint32_t spare, struct qn_buf *out,
                          qn_unit_origin *origin);
/* Tells the context, once, what is wrong with its cache folder. */
void qn__units_report(qn_units *units, qn_context *ctx);
/* Whether objects of this engine can be loaded here; else its own jit places code. */
bool qn__engine_has_objects(const char *engine);

static inline qn_kernel_fn qn__unit_fn(const qn_unit *u) {
  return atomic_load_explicit(&((qn_unit *)(uintptr_t)u)->fn, memory_order_acquire);
}
static inline qn_unit_state qn__unit_state(const qn_unit *u) {
  return (qn_unit_state)atomic_load_explicit(&((qn_unit *)(uintptr_t)u)->state, memory_order_acquire);
}
#endif
