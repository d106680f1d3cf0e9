/* Evaluating functions op by op: where values live and when they die. */
#ifndef QN_WALK_H
#define QN_WALK_H
#include "interp.h"
#include "map.h"
#include "vec.h"

/* Calls inside calls; the verifier forbids recursion, so a chain is as long as a program has functions. */
enum { QN__MAX_CALL_DEPTH = 64 };

typedef struct qn__slot {
  qn_tensor t;
  size_t bytes;
  uint32_t uses; /* operands still to be read */
  bool owned;    /* freed with the slot */
  struct qn__slot *next_free;
} qn__slot;

/* A named size within one activation of a function. */
typedef struct qn__symbol {
  qn_name name;
  int64_t size;
} qn__symbol;

struct qn__walk {
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  const qn_eval_options *options;
  qn_arena arena;   /* slots and the table of them */
  qn__slot **slots; /* by value id; functions do not recurse, so a value has one slot at a time */
  uint32_t num_values;
  qn__slot *free_slots;
  qn_op stack[QN__MAX_CALL_DEPTH];
  uint32_t depth;
  bool checked; /* calls do not multiply past all bounds */
};

qn_status qn__walk_init(qn__walk *w, qn_module *m, const qn_eval_options *options);
void qn__walk_free(qn__walk *w);
/* Evaluates func; `at` is the op to report arguments at. out gets owned tensors. */
qn_status qn__walk_function(qn__walk *w, qn_op func, qn_op at, uint32_t num_in, const qn_tensor *const *in,
                            uint32_t num_out, qn_tensor *out);

/* A value against its declared type: element type and static sizes. `what` begins the message. On success the tensor's
 * element type becomes exactly the declared memory type. */
qn_status qn__check_value(qn_module *m, qn_op at, qn_type type, const char *what, qn_tensor *t);
/* A tensor that can be walked at all. */
qn_status qn__check_tensor(qn_module *m, qn_op at, const char *what, const qn_tensor *t);
/* Runs one op with these operands. Results are as in qn__frame; on failure all are freed. */
qn_status qn__run_op(qn__walk *w, qn_module *m, qn_op op, uint32_t num_in, const qn_tensor *const *in,
                     const size_t *in_bytes, qn_tensor *out, size_t *out_bytes, bool *borrowed);
#endif
