/* Weights that a second-level cache does not hold are read once in a call. A call that goes through them as the one
 * before did finds none of them there: what comes next was always pushed out by what came last. So every other call
 * goes from the last panels to the first, and finds what the cache does hold (2.4 MB of weights, 2 MB of cache: twice
 * the speed). Panels do not depend on each other, so results are the same in any order. */
#include "program.h"
#include <string.h>

/* A stretch of panels is read front to back in either direction: an eighth of the cache. Weights that lie in no cache
 * gain nothing, and their kernels fetch further ahead when they see how many there are. */
enum { STRETCHES = 8, FEWEST = 2 };

int64_t qn__turn_pieces(const qn_program *p, const qn_job *job) {
  const qn_step *s = job->step;
  bool block = s->plan->kind == QN_KERNEL_BLOCK_GEMM;
  if (job->part != QN_PART_TILES || (!block && s->plan->kind != QN_KERNEL_GEMM)) return 1;
  const qn_gemm_plan *g = &s->plan->u.gemm;
  if (!block && (g->window || g->layout.granule || g->layout.plain)) return 1;
  qn_row_split split = qn__row_split(job->extent[0], g->rows);
  if (split.counts[0] + split.counts[1] != 1 || p->values[s->values[1]].where != QN_AT_CONSTANT) return 1;
  double bytes = (double)job->strides[2] * (double)job->extent[1];
  if (bytes * 4 < p->machine.l2_bytes * 3 || bytes >= p->machine.far_bytes) return 1;
  int64_t pieces = (int64_t)(bytes * (double)STRETCHES / p->machine.l2_bytes);
  if (pieces > job->extent[1]) pieces = job->extent[1];
  return pieces < FEWEST ? 1 : pieces;
}

bool qn__turn_calls(qn_arena *arena, qn_frozen *f) {
  bool any = false;
  for (uint32_t i = 0; i < f->num_calls; i++) any |= f->calls[i].turn > 1;
  if (!any) return true;
  f->back = qn__arena_copy(arena, f->calls, f->num_calls * sizeof *f->calls);
  for (uint32_t i = 0; f->back && i < f->num_calls; i++) {
    uint32_t n = f->calls[i].turn; /* of the first of those that change places */
    for (uint32_t k = 0; k < n; k++) f->back[i + k] = f->calls[i + n - 1 - k];
  }
  return f->back != NULL;
}
