/* The inside of a context. Folders above base keep their per-context state in a slot each, made on first use and
 * destroyed with the context, so that base knows nothing of them. */
#ifndef QN_CONTEXT_IMPL_H
#define QN_CONTEXT_IMPL_H
#include "arena.h"
#include "map.h"
#include "vec.h"
#include <quern/context.h>

typedef enum qn_slot { QN__SLOT_IR, QN__SLOT_PASS, QN__SLOT_PLAN, QN__SLOT_ENGINE, QN__SLOT_COUNT } qn_slot;

struct qn_context {
  qn_allocator allocator;
  qn_arena arena; /* interned text and types: lives as long as the context */
  qn_diag_handler on_diag;
  void *on_diag_user;
  qn_trace_handler on_trace;
  void *on_trace_user;
  qn_call_handler on_call;
  void *on_call_user;
  qn_progress_handler on_progress;
  void *on_progress_user;
  uint32_t symbols;
  size_t error_count;
  bool no_memory; /* reported already */
  QN_VEC(qn_str) names;
  qn_map name_map;
  struct {
    void *state;
    void (*destroy)(qn_context *ctx, void *state);
  } slots[QN__SLOT_COUNT];
};

/* The name if it is interned, else id 0: nothing is allocated. */
qn_name qn__name_find(const qn_context *ctx, qn_str text);
#endif
