/* Modules, ops, values, blocks.
 *
 * A module owns everything in it; ops, values and blocks are ids into its arrays, stable until erased, never reused.
 * Id 0 is null: every accessor takes it and answers null or 0, and every constructor answers null when memory runs
 * out, so a chain of calls needs one check at its end (qn_module_failed). A region is a single block. */
#ifndef QUERN_MODULE_H
#define QUERN_MODULE_H

#include <quern/attr.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_op {
  uint32_t id;
} qn_op;
typedef struct qn_value {
  uint32_t id;
} qn_value;
typedef struct qn_block {
  uint32_t id;
} qn_block;
/* One operand slot of one op; see qn_value_first_use. */
typedef struct qn_use {
  uint32_t id;
} qn_use;
/* Where an op came from: id 0 is unknown. */
typedef struct qn_loc {
  uint32_t id;
} qn_loc;

typedef enum qn_op_kind {
  QN_OP_UNREGISTERED, /* kept under its name; blocks rewriting */
#define QN_OP(symbol, name, operands, results, attrs, regions, traits, rule, doc) QN_OP_##symbol,
#include <quern/ops.def>
#undef QN_OP
  QN_OP_KIND_COUNT
} qn_op_kind;

/* ---- modules ---- */
QN_API qn_module *qn_module_create(qn_context *ctx); /* null when memory runs out */
QN_API void qn_module_destroy(qn_module *m);
QN_API qn_module *qn_module_clone(const qn_module *m); /* shares borrowed data; null when memory runs out */
QN_API qn_context *qn_module_context(const qn_module *m);
QN_API qn_block qn_module_body(const qn_module *m);
/* True once an allocation in this module has failed: its contents are then incomplete. */
QN_API bool qn_module_failed(const qn_module *m);
QN_API qn_attr qn_module_attr(const qn_module *m, const char *name);
QN_API void qn_module_set_attr(qn_module *m, const char *name, qn_attr value); /* null removes */
QN_API qn_attr qn_module_attrs(const qn_module *m);                            /* all, as a dictionary; null if none */
QN_API void qn_module_set_attrs(qn_module *m, qn_attr dict);
/* The function of this name; the first public one when name is null. */
QN_API qn_op qn_module_function(const qn_module *m, const char *name);
/* Calls destroy(object) when the module (and every clone of it) is gone: for files whose data attributes borrow. On
 * failure the object is destroyed at once. */
QN_API qn_status qn_module_keep(qn_module *m, void *object, void (*destroy)(void *object));
/* The same for an object whose memory constants borrow: `passed` is told which bytes will hardly be read again, and may
 * let the system have their pages as long as they come back with the same contents. */
QN_API qn_status qn_module_keep_memory(qn_module *m, void *object, void (*destroy)(void *object),
                                       void (*passed)(void *object, const void *data, size_t size));
/* Tells what is kept that these bytes of a constant have been read for good: packed, say, or copied. */
QN_API void qn_module_passed(const qn_module *m, const void *data, size_t size);
QN_API uint32_t qn_module_op_limit(const qn_module *m);    /* all op ids are below this: size for side tables */
QN_API uint32_t qn_module_value_limit(const qn_module *m); /* likewise for values */

/* ---- locations ---- */
/* `name` (an ONNX node, say) and `file` may be null or empty. */
QN_API qn_loc qn_loc_create(qn_module *m, qn_str file, uint32_t line, uint32_t col, qn_str name);
QN_API qn_place qn_loc_place(const qn_module *m, qn_loc loc);
QN_API qn_place qn_op_place(const qn_module *m, qn_op op);
/* Attaches the text a module was read from, so that diagnostics can show lines. Borrowed. */
QN_API void qn_module_set_source(qn_module *m, qn_str file, qn_str text);

/* ---- ops ---- */
QN_API qn_op_kind qn_op_kind_of(const qn_module *m, qn_op op);
QN_API qn_str qn_op_name(const qn_module *m, qn_op op); /* "quern.matmul" */
QN_API qn_loc qn_op_loc(const qn_module *m, qn_op op);
QN_API void qn_op_set_loc(qn_module *m, qn_op op, qn_loc loc);
QN_API uint32_t qn_op_num_operands(const qn_module *m, qn_op op);
QN_API qn_value qn_op_operand(const qn_module *m, qn_op op, uint32_t i);
QN_API void qn_op_set_operand(qn_module *m, qn_op op, uint32_t i, qn_value v);
QN_API uint32_t qn_op_num_results(const qn_module *m, qn_op op);
QN_API qn_value qn_op_result(const qn_module *m, qn_op op, uint32_t i);
QN_API uint32_t qn_op_num_regions(const qn_module *m, qn_op op);
QN_API qn_block qn_op_region(const qn_module *m, qn_op op, uint32_t i);
QN_API qn_attr qn_op_attr(const qn_module *m, qn_op op, const char *name); /* null when absent, defaults not applied */
QN_API qn_attr qn_op_attr_n(const qn_module *m, qn_op op, qn_name name);
QN_API void qn_op_set_attr(qn_module *m, qn_op op, const char *name, qn_attr value); /* null removes */
QN_API qn_attr qn_op_attrs(const qn_module *m, qn_op op);                            /* dictionary, null when empty */
QN_API void qn_op_set_attrs(qn_module *m, qn_op op, qn_attr dict);
/* The attribute, or the default that ops.def gives it. */
QN_API bool qn_op_get_bool(const qn_module *m, qn_op op, const char *name);
QN_API int64_t qn_op_get_int(const qn_module *m, qn_op op, const char *name);
QN_API double qn_op_get_float(const qn_module *m, qn_op op, const char *name);
QN_API qn_str qn_op_get_string(const qn_module *m, qn_op op, const char *name);
QN_API qn_block qn_op_parent(const qn_module *m, qn_op op); /* null once detached */
QN_API qn_op qn_op_next(const qn_module *m, qn_op op);
QN_API qn_op qn_op_prev(const qn_module *m, qn_op op);
/* The op must have no used results; its regions go with it. */
QN_API void qn_op_erase(qn_module *m, qn_op op);
QN_API bool qn_op_is_erased(const qn_module *m, qn_op op);
QN_API void qn_op_move_before(qn_module *m, qn_op op, qn_op before);
QN_API void qn_op_move_to_end(qn_module *m, qn_op op, qn_block block);

/* ---- blocks ---- */
QN_API qn_op qn_block_first(const qn_module *m, qn_block b);
QN_API qn_op qn_block_last(const qn_module *m, qn_block b);
QN_API qn_op qn_block_op(const qn_module *m, qn_block b); /* the op that holds it; null for the module's body */
QN_API uint32_t qn_block_num_args(const qn_module *m, qn_block b);
QN_API qn_value qn_block_arg(const qn_module *m, qn_block b, uint32_t i);
QN_API qn_value qn_block_add_arg(qn_module *m, qn_block b, qn_type type, qn_name name_hint);
QN_API void qn_block_erase_arg(qn_module *m, qn_block b, uint32_t i); /* must be unused */

/* ---- values ---- */
QN_API qn_type qn_value_type(const qn_module *m, qn_value v);
QN_API void qn_value_set_type(qn_module *m, qn_value v, qn_type type);
QN_API qn_op qn_value_op(const qn_module *m, qn_value v);       /* defining op; null for block arguments */
QN_API qn_block qn_value_block(const qn_module *m, qn_value v); /* the block an argument belongs to; else null */
QN_API uint32_t qn_value_index(const qn_module *m, qn_value v); /* result or argument number */
/* A name for printing, kept through reading and printing; id 0 for numbered values. */
QN_API qn_name qn_value_name(const qn_module *m, qn_value v);
QN_API void qn_value_set_name(qn_module *m, qn_value v, qn_name name);
/* Uses in no particular order: for (u = first; u.id; u = next). Setting the operand of a use ends its membership. */
QN_API qn_use qn_value_first_use(const qn_module *m, qn_value v);
QN_API qn_use qn_use_next(const qn_module *m, qn_use u);
QN_API qn_op qn_use_op(const qn_module *m, qn_use u);
QN_API uint32_t qn_use_index(const qn_module *m, qn_use u);
QN_API bool qn_value_has_one_use(const qn_module *m, qn_value v);
static inline bool qn_value_is_used(const qn_module *m, qn_value v) {
  return qn_value_first_use(m, v).id != 0;
}
QN_API void qn_value_replace(qn_module *m, qn_value old_value, qn_value new_value); /* all uses */

/* ---- building ---- */
/* Where new ops go: before `before`, or at the end of `block` when it is null. */
typedef struct qn_builder {
  qn_module *module;
  qn_block block;
  qn_op before;
  qn_loc loc;
} qn_builder;

QN_API qn_builder qn_builder_at_end(qn_module *m, qn_block block);
QN_API qn_builder qn_builder_before(qn_module *m, qn_op op); /* takes op's location too */
QN_API qn_builder qn_builder_after(qn_module *m, qn_op op);

typedef struct qn_op_desc {
  qn_op_kind kind;
  qn_name name; /* for QN_OP_UNREGISTERED */
  uint32_t num_operands;
  const qn_value *operands;
  uint32_t num_results;
  const qn_type *results;
  uint32_t num_attrs;
  const qn_named_attr *attrs;
  qn_attr attr_dict;    /* used when attrs is null */
  uint32_t num_regions; /* empty blocks are made */
} qn_op_desc;

/* Makes an op as described, without checking it. Null when memory runs out. */
QN_API qn_op qn_op_create(qn_builder *b, const qn_op_desc *desc);
/* The common case: result types come from the op's rule. A failing rule reports a diagnostic and answers null. */
QN_API qn_op qn_op_build(qn_builder *b, qn_op_kind kind, uint32_t num_operands, const qn_value *operands,
                         uint32_t num_attrs, const qn_named_attr *attrs);
/* Short forms for ops with one result; null on failure. */
QN_API qn_value qn_build1(qn_builder *b, qn_op_kind kind, qn_value a);
QN_API qn_value qn_build2(qn_builder *b, qn_op_kind kind, qn_value a, qn_value c);
/* An op with one operand and a result type of the caller's choice: casts. */
QN_API qn_value qn_build_cast(qn_builder *b, qn_op_kind kind, qn_value a, qn_type result);
QN_API qn_value qn_build_constant(qn_builder *b, qn_attr value); /* dense, int or float */
QN_API qn_named_attr qn_named(qn_module *m, const char *name, qn_attr value);
/* A function with an empty body whose block has the inputs as arguments. */
QN_API qn_op qn_build_function(qn_builder *b, qn_str name, qn_type function_type, bool is_public);
/* Copies an op and its regions; operands are looked up in `map` (old value id -> new value id, 0 = the same). */
QN_API qn_op qn_op_clone(qn_builder *b, const qn_module *from, qn_op op, const uint32_t *map, uint32_t map_size);

/* ---- functions ---- */
QN_API bool qn_func_is_public(const qn_module *m, qn_op func);
QN_API qn_str qn_func_name(const qn_module *m, qn_op func);
QN_API qn_block qn_func_body(const qn_module *m, qn_op func);
QN_API qn_op qn_func_return(const qn_module *m, qn_op func);
/* LIMIT, at the call where it is met, when calls multiply to more than can be inlined or evaluated (a million ops):
 * those that are reached from `func`, or, where that is null, all of the module. */
QN_API qn_status qn_module_check_calls(qn_module *m, qn_op func);
/* Recomputes function_type from the arguments and the returned values. */
QN_API void qn_func_update_type(qn_module *m, qn_op func);
/* Names of inputs and outputs: attribute quern.name, else the value's name hint, else "argN" / "outN". */
QN_API qn_str qn_func_input_name(const qn_module *m, qn_op func, uint32_t i);
QN_API qn_str qn_func_output_name(const qn_module *m, qn_op func, uint32_t i);
QN_API void qn_func_set_input_name(qn_module *m, qn_op func, uint32_t i, qn_str name);
QN_API void qn_func_set_output_name(qn_module *m, qn_op func, uint32_t i, qn_str name);

/* ---- reference and checking ---- */
typedef enum qn_trait {
  QN_PURE = 1,        /* no effect but its results: may be removed, merged, folded */
  QN_ELEMENTWISE = 2, /* NumPy broadcasting of operands */
  QN_COMMUTATIVE = 4,
  QN_TERMINATOR = 8,
  QN_SCALAR_OP = 16, /* region bodies only, on scalars */
  QN_TENSOR_OP = 32, /* quern.* and quant.* level */
  QN_KERNEL_OP = 64, /* kern.* level, outside regions */
  QN_SYMBOL_OP = 128 /* functions */
} qn_trait;

typedef struct qn_op_info {
  const char *symbol, *name, *operands, *results, *attrs, *regions, *doc;
  uint32_t traits;
} qn_op_info;
QN_API const qn_op_info *qn_op_info_get(qn_op_kind kind); /* never null */
QN_API qn_op_kind qn_op_kind_find(const qn_context *ctx, qn_str name);
static inline bool qn_op_has(const qn_module *m, qn_op op, qn_trait t) {
  return (qn_op_info_get(qn_op_kind_of(m, op))->traits & (uint32_t)t) != 0;
}

/* Checks structure, counts, attributes and every op's rule; all errors are reported. */
QN_API qn_status qn_module_verify(qn_module *m);
QN_API qn_status qn_op_verify(qn_module *m, qn_op op);
/* Runs the op's rule: writes num_results types. Declared result types are consulted where operands do not decide. */
QN_API qn_status qn_op_infer(qn_module *m, qn_op op, qn_type *results);

/* Report at an op. */
QN_API qn_status qn_op_error(const qn_module *m, qn_op op, qn_diag_code code, const char *fmt, ...) QN_PRINTF(4, 5);
QN_API void qn_op_warning(const qn_module *m, qn_op op, qn_diag_code code, const char *fmt, ...) QN_PRINTF(4, 5);
QN_API void qn_op_note(const qn_module *m, qn_op op, const char *fmt, ...) QN_PRINTF(3, 4);

#ifdef __clang_analyzer__ /* as in context.h */
#  define qn_op_error(...) ((void)(qn_op_error)(__VA_ARGS__), QN_ERR_INPUT)
#endif

#ifdef __cplusplus
}
#endif
#endif
