/* The inside of a module: arrays of records that name each other by index. Record 0 of each array is all zero and
 * stands for null, so that reading through a null id needs no branch but the bounds check. */
#ifndef QN_MODULE_IMPL_H
#define QN_MODULE_IMPL_H
#include "arena.h"
#include "attr_impl.h"
#include "module_access.h"
#include "vec.h"
#include <quern/module.h>

/* qn_op_rec.kind: below QN_OP_KIND_COUNT a kind of the table; QN__OP_ERASED; otherwise an unregistered op, whose name's
 * id is added to QN_OP_KIND_COUNT. */
#define QN__OP_ERASED UINT32_MAX
/* qn_value_rec.def: the defining op, or with this bit the block that the value is an argument of. */
#define QN__DEF_BLOCK 0x80000000u

typedef struct qn_op_rec {
  uint32_t kind;
  uint32_t parent, prev, next; /* block and neighbours */
  uint32_t loc, attrs;
  uint32_t first_operand, num_operands; /* uses */
  uint32_t first_result, num_results;   /* values */
  uint32_t first_region, num_regions;   /* blocks */
} qn_op_rec;

typedef struct qn_value_rec {
  uint32_t type, def, index, first_use, name;
} qn_value_rec;

typedef struct qn_use_rec {
  uint32_t value, op, prev, next; /* neighbours in the value's list */
} qn_use_rec;

typedef struct qn_block_rec {
  uint32_t op; /* the holder; 0 for the module's body and for erased blocks */
  uint32_t first, last;
  uint32_t num_args, cap_args;
  uint32_t *args; /* values; in the arena */
} qn_block_rec;

typedef struct qn_loc_rec {
  uint32_t name, file, line, col;
} qn_loc_rec;

/* An object kept alive for borrowed data; shared by a module and its clones. */
typedef struct qn_keep {
  uint32_t refs;
  void *object;
  void (*destroy)(void *object);
  void (*passed)(void *object, const void *data, size_t size); /* may be null */
} qn_keep;

typedef struct qn_source {
  uint32_t file; /* name */
  qn_str text;
} qn_source;

struct qn_module {
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_arena arena;
  bool failed;
  uint32_t body; /* block */
  qn_attr attrs; /* the module's own dictionary */
  QN_VEC(qn_op_rec) ops;
  QN_VEC(qn_value_rec) values;
  QN_VEC(qn_use_rec) uses;
  QN_VEC(qn_block_rec) blocks;
  QN_VEC(qn_loc_rec) locs;
  QN_VEC(qn_keep *) keeps;
  QN_VEC(qn_source) sources;
  qn_attr_table attr_table;
  /* Functions by name, filled when a name is first looked for. An entry is checked against the op on every use, so
   * renaming and erasing need not touch it. */
  qn_map symbols;
  bool symbols_complete; /* set during verification: a name not found does not exist */
};

static inline const qn_op_rec *qn__op_rec(const qn_module *m, qn_op op) {
  return &m->ops.data[op.id < m->ops.size ? op.id : 0];
}
static inline const qn_value_rec *qn__value_rec(const qn_module *m, qn_value v) {
  return &m->values.data[v.id < m->values.size ? v.id : 0];
}
static inline const qn_block_rec *qn__block_rec(const qn_module *m, qn_block b) {
  return &m->blocks.data[b.id < m->blocks.size ? b.id : 0];
}
/* True when `op` names a record that can be changed: not null, not erased. */
static inline bool qn__op_live(const qn_module *m, qn_op op) {
  return op.id != 0 && op.id < m->ops.size && m->ops.data[op.id].kind != QN__OP_ERASED;
}

/* A detached op with uses, results and regions; 0 when memory runs out. */
uint32_t qn__op_new(qn_module *m, uint32_t kind, const qn_op_desc *desc, qn_attr attrs, qn_loc loc);
/* Puts a detached op before `before` (same block), or at the end of `block` when before is 0. */
void qn__op_link(qn_module *m, uint32_t op, uint32_t block, uint32_t before);
/* Links a detached op where the builder points. */
void qn__builder_insert(qn_builder *b, uint32_t op);
/* Makes an empty block; the caller has reserved room. */
uint32_t qn__block_new(qn_module *m, uint32_t op);
/* Puts operand slot `use` into the list of `value` / takes it out of the list it is in. */
void qn__use_link(qn_module *m, uint32_t use, uint32_t value);
void qn__use_unlink(qn_module *m, uint32_t use);
/* The op after `at` in a walk over `root` and everything in its regions, holders first; 0 at the end. No recursion:
 * programs can nest arbitrarily deep. */
uint32_t qn__walk_next(const qn_module *m, uint32_t root, uint32_t at);
/* The dictionary with `name` set to `value`, or without it when value is null. Null for an empty one. */
qn_attr qn__dict_with(qn_module *m, qn_attr dict, qn_name name, qn_attr value);
/* The entry whose name is this text; null when absent. */
qn_attr qn__dict_find(const qn_module *m, qn_attr dict, const char *name);
/* The function of this name, null when there is none. */
qn_op qn__symbol_find(qn_module *m, qn_str name);
/* Enters all functions; each duplicate is reported when `report`. */
qn_status qn__symbols_fill(qn_module *m, bool report);
/* Shares every kept object of `from` with `to`. */
bool qn__keeps_share(qn_module *to, const qn_module *from);
#endif
