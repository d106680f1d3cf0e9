/* The reader's state, shared by its files: parser.c (tokens, limits), parse_error.c, parse_number.c, parse_type.c,
 * parse_quant.c, parse_attr.c, parse_dense.c, parse_loc.c, parse_op.c, parse_form.c, parse_func.c, parse_module.c.
 *
 * Every parse function returns false after it has reported an error (or found memory exhausted); the caller unwinds to
 * the op loop, which goes on at the next op, so that one run reports several errors. */
#ifndef QN_PARSER_H
#define QN_PARSER_H
#include "arena.h"
#include "lexer.h"
#include "map.h"
#include "resource.h"
#include "scope.h"
#include "vec.h"
#include <quern/text.h>

enum {
  QN__PARSE_MAX_ERRORS = 20,
  QN__PARSE_MAX_DEPTH = 64, /* regions, types and attributes inside each other, all together */
  QN__TYPE_CACHE = 256,
  QN__OP_CACHE = 64
};

/* The spelling of a tensor type and what it means: types repeat on every line. */
typedef struct qn__type_span {
  const char *at;
  uint32_t size;
  qn_type type;
} qn__type_span;

/* The name of an op and its kind, likewise. */
typedef struct qn__op_span {
  qn_str name;
  qn_op_kind kind;
} qn__op_span;

/* An op whose location is a #name that was not defined yet. */
typedef struct qn__late_loc {
  qn_op op; /* null: the alias `name` stands for `target` */
  uint32_t name, target;
  uint32_t line, col;
} qn__late_loc;

typedef struct qn__result_name {
  qn__token token;
  uint32_t count;
} qn__result_name;

struct qn__parser {
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_module *m; /* null while a type alone is read */
  qn_str text, file;
  qn__lexer lx; /* stands behind `tok` */
  qn__token tok;
  unsigned depth, errors;
  bool stop; /* too many errors, or memory is exhausted: every loop ends */
  bool no_memory;
  bool allow_unregistered;
  void (*passed)(void *user, const char *at); /* text before `at` is unlikely to be read again; may be null */
  void *passed_user;
  const char *passed_at;
  qn_arena scratch;
  qn_idmap type_aliases, attr_aliases, loc_aliases; /* name id -> id */
  QN_VEC(qn__late_loc) late_locs;
  qn__type_span last_type, type_cache[QN__TYPE_CACHE];
  qn__op_span op_cache[QN__OP_CACHE];
  qn__resources resources;
  qn__scope scope;
  /* Stacks: an op's parts lie above the sizes they had when it began. */
  QN_VEC(qn_value) values;
  QN_VEC(qn_type) types;
  QN_VEC(qn_named_attr) attrs;
  QN_VEC(qn_attr) items;
  QN_VEC(qn__result_name) results;
};

/* What lies on a stack from `base` on; null when nothing does. */
#define qn__above(v, base) ((v)->size > (base) ? (v)->data + (base) : NULL)

/* ---- parser.c ---- */
void qn__parser_init(qn__parser *p, qn_context *ctx, qn_module *m, qn_str text, qn_str file);
void qn__parser_free(qn__parser *p);
qn_status qn__parser_status(const qn__parser *p);

static inline void qn__advance(qn__parser *p) {
  qn__lex(&p->lx, &p->tok);
}
static inline bool qn__at(const qn__parser *p, uint32_t kind) {
  return p->tok.kind == kind;
}
/* Moves on when the token is of this kind. */
static inline bool qn__take(qn__parser *p, uint32_t kind) {
  if (p->tok.kind != kind) return false;
  qn__advance(p);
  return true;
}
bool qn__at_word(const qn__parser *p, const char *word);
bool qn__take_word(qn__parser *p, const char *word);
/* "expected <what>" unless the token is of this kind, which is then passed. */
bool qn__expect(qn__parser *p, uint32_t kind, const char *what);
/* Text taken by hand from p->tok.at on: the next token begins at `at`. */
void qn__resume_at(qn__parser *p, const char *at);

/* ---- parse_error.c ---- */
qn_place qn__place(const qn__parser *p, const qn__token *at);
/* Reports and returns false. */
bool qn__fail(qn__parser *p, const qn__token *at, qn_diag_code code, const char *fmt, ...) QN_PRINTF(4, 5);
/* "expected <what>, found '<token>'" at the current token. */
bool qn__expected(qn__parser *p, const char *fmt, ...) QN_PRINTF(2, 3);
/* Counts an error that someone else has reported. */
bool qn__failed(qn__parser *p);
bool qn__out_of_memory(qn__parser *p);
/* Guards recursion. */
bool qn__enter(qn__parser *p);
static inline void qn__leave(qn__parser *p) {
  p->depth--;
}
/* A quoted token's meaning, in scratch memory. */
bool qn__string(qn__parser *p, const qn__token *at, qn_str quoted, qn_str *out);
/* @name or @"name": the token's meaning; moves on. */
bool qn__symbol(qn__parser *p, qn_str *out);

/* ---- parse_number.c ---- */
/* An integer with its sign, in i64, or up to 2^64-1 (then *above is true and the value is its bits). */
bool qn__parse_integer(qn__parser *p, int64_t *out, bool *above);
bool qn__parse_i64(qn__parser *p, int64_t *out);
/* A decimal (rounded once) or, after 0x, the bits of the format. */
bool qn__parse_float(qn__parser *p, qn_scalar format, uint64_t *bits);
bool qn__parse_f32(qn__parser *p, float *out);
bool qn__parse_f64(qn__parser *p, double *out);
/* Whether an integer written with this sign fits the type. */
bool qn__int_fits(qn_scalar s, int64_t v, bool above);

/* ---- parse_type.c, parse_quant.c ---- */
bool qn__at_type(const qn__parser *p); /* a type begins here */
bool qn__parse_type(qn__parser *p, qn_type *out);
/* (T, ..): pushes the types. */
bool qn__parse_type_list(qn__parser *p, uint32_t *count);
/* What follows `->`: T or (T, ..). */
bool qn__parse_result_types(qn__parser *p, uint32_t *count);
/* Behind !quant.NAME or !quern.NAME (the token `start`), at the `<`. *known is false when no such type exists. */
bool qn__parse_quant_type(qn__parser *p, const qn__token *start, qn_str name, qn_type *out, bool *known);

/* ---- parse_attr.c, parse_dense.c ---- */
bool qn__parse_attr(qn__parser *p, qn_attr *out);
/* {name = value, ..}: pushes the entries, each name once among those above `base`. */
bool qn__parse_attr_entries(qn__parser *p, uint32_t base);
bool qn__parse_dict(qn__parser *p, qn_attr *out);
bool qn__parse_dense(qn__parser *p, qn_attr *out);          /* at `dense` */
bool qn__parse_dense_resource(qn__parser *p, qn_attr *out); /* at `dense_resource` */
/* <key>, the key bare or quoted. */
bool qn__parse_resource_key(qn__parser *p, qn__token *at, qn_str *key);
/* The attribute's bits as elements of another type of the same memory size per element, as `dense<[..]> : tensor<4xi8>`
 * gives them for tensor<4xf4E2M1FN>. */
bool qn__reinterpret(qn__parser *p, const qn__token *at, qn_attr value, qn_type type, qn_attr *out);

/* ---- parse_loc.c ---- */
/* loc(..) if it comes next; *loc keeps its value otherwise. *late is the id of an alias not defined yet, or 0. */
bool qn__parse_trailing_loc(qn__parser *p, qn_loc *loc, uint32_t *late);
bool qn__parse_loc(qn__parser *p, qn_loc *loc, uint32_t *late); /* at the word loc */
bool qn__add_late_loc(qn__parser *p, qn_op op, uint32_t alias, uint32_t target, const qn__token *at);
bool qn__define_loc(qn__parser *p, uint32_t alias, qn_loc loc);
bool qn__resolve_locs(qn__parser *p); /* at the end of the text */

/* ---- ops ---- */
/* An op while it is read. */
typedef struct qn__draft {
  qn__token name; /* also the op's place */
  qn_op_kind kind;
  qn_name unregistered;
  bool reinterpret; /* spelled quern.constant: the value's bits are meant in the result's type */
  uint32_t first_value, first_type, first_attr, first_result; /* bases of the stacks */
  uint32_t num_inputs, num_results;                           /* types: inputs, then results */
  qn_builder *builder;
  qn_op op; /* made already, because it has regions */
} qn__draft;

bool qn__parse_op(qn__parser *p, qn_builder *b);
/* The same; after an error reading goes on where the next op begins. */
void qn__parse_op_or_recover(qn__parser *p, qn_builder *b);
/* Ops up to `}` or the end of the text. */
void qn__parse_ops(qn__parser *p, qn_block block);
/* Makes the op before its types are known, so that its regions can be read. */
bool qn__draft_begin_regions(qn__parser *p, qn__draft *d, uint32_t num_regions);
/* { [^bb0(%a: T, ..):] ops } into an empty block. */
bool qn__parse_region(qn__parser *p, qn_block block);
/* %a, %b: pushes the values; none when no % comes next. */
bool qn__parse_operands(qn__parser *p);
/* (T, ..) -> T or (T, ..). */
bool qn__parse_signature(qn__parser *p, qn__draft *d);
bool qn__push_attr(qn__parser *p, const char *name, qn_attr value);
bool qn__parse_pretty(qn__parser *p, qn__draft *d); /* parse_form.c */
bool qn__parse_func(qn__parser *p, qn__draft *d);   /* parse_func.c */
/* %name: T [loc(..)]: a block argument; its token goes to *name. */
bool qn__parse_argument(qn__parser *p, qn__token *name, qn_type *type);
bool qn__add_argument(qn__parser *p, qn_block block, const qn__token *name, qn_type type);
#endif
