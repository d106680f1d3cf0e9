/* Memory between pages that no one may touch, and parallel-fors that keep no order: what a compiled program must live
 * with. A kernel that reads or writes beyond what it was given ends the test. */
#ifndef QN_TEST_GUARDED_H
#define QN_TEST_GUARDED_H
#include <quern/quern.h>

typedef struct guarded {
  char *map, *data;
  size_t map_bytes, bytes;
} guarded;

/* `bytes` that end where the page ends, or begin (but for `skew` bytes, which keeps them from being aligned) where it
 * begins. What lies beside them on their pages must stay as it is. */
guarded guarded_take(size_t bytes, bool at_end, size_t skew);
/* The data is not written from here on. */
void guarded_freeze(guarded *g);
/* False when bytes beside the data have changed. */
bool guarded_release(guarded *g);

/* The i-th way of running items: a pool's, backwards, in an order that changes, from both ends; more items than a pool
 * has threads. `pool` is used by the first one only. */
qn_parallel any_parallel(qn_pool *pool, int i);
enum { PARALLEL_KINDS = 4 };
#endif
