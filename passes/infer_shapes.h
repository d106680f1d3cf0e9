/* Shared by the files of infer-shapes. */
#ifndef QN_INFER_SHAPES_H
#define QN_INFER_SHAPES_H
#include "functions.h"

/* A named size: what it is bound to, and which name it turned out to be equal to. */
typedef struct sizes_entry {
  qn_name name, same_as; /* itself when nothing is known */
  int64_t size;          /* QN_DYNAMIC when not bound */
} sizes_entry;

typedef struct sizes {
  qn_context *ctx;
  const qn_allocator *allocator;
  QN_VEC(sizes_entry) entries;
  qn_idmap index; /* name id -> place + 1 */
  bool changed;
} sizes;

/* From option bind: holds in every function. */
typedef struct sizes_bound {
  qn_name name;
  int64_t size;
} sizes_bound;

typedef struct shapes_frame {
  uint32_t func;
  qn_op at;
} shapes_frame;

enum { SHAPES_UNSEEN, SHAPES_ON_STACK, SHAPES_DONE };

typedef struct shapes {
  qn_pass_run *run;
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  functions functions;
  uint8_t *state; /* per function */
  QN_VEC(sizes_bound) bound;
  sizes sizes; /* of one public function and the private ones it calls: names mean the same size in those only */
  QN_VEC(uint32_t) touched; /* the functions of that scope */
  QN_VEC(shapes_frame) stack;
  QN_VEC(qn_type) types; /* a rule's answer */
  int64_t refined;
} shapes;

/* Reads option bind, gives names to the inputs' nameless sizes, and binds. */
qn_status qn__bind_sizes(shapes *p);
#endif
