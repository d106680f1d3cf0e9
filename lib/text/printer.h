/* The printer's state, shared by print_*.c. Output leaves through a buffer that empties itself, so memory does not grow
 * with the text; what does grow is one word for each value, the texts of the types, and names made up on the way. */
#ifndef QN_PRINTER_H
#define QN_PRINTER_H
#include "arena.h"
#include "buf.h"
#include "map.h"
#include "vec.h"
#include <quern/text.h>

enum {
  QN__ALIAS_ABOVE = 80,    /* characters of a type's text above which it gets an alias */
  QN__ELIDED_ABOVE = 64,   /* elements above which elide_constants leaves data out */
  QN__HEX_ABOVE = 100,     /* elements above which dense data prints as bytes, as MLIR does */
  QN__RESOURCE_ABOVE = 64, /* elements above which a file's constants become resources */
  QN__TEXT_VERSION = 1     /* quern.version: the newest text this library reads, and what it writes */
};

/* Texts of types by id, made when first printed. */
typedef struct qn__type_texts {
  qn_str *texts; /* data null: not made yet; an alias where the type has one */
  uint32_t size;
  uint32_t aliases; /* given so far */
} qn__type_texts;

/* Names given within one function. */
typedef struct qn__names {
  uint32_t next_number, next_arg;
  QN_VEC(qn_str) texts;
  qn_map used;       /* texts by content */
  qn_idmap suffixes; /* number of a text -> one more than the next number to try behind it */
} qn__names;

/* What a region forgets at its end: names may come again in the next one. */
typedef struct qn__names_mark {
  uint32_t next_number, next_arg, texts;
} qn__names_mark;

typedef struct qn__printer {
  qn_buf out;
  const qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_print_options options;
  unsigned type_flags;
  unsigned indent;
  bool no_memory;
  qn_op target;             /* when not null: only this op is wanted, what comes before it only gives names */
  qn_write_fn target_write; /* takes its text */
  bool done;                /* it has been printed */
  qn_arena arena;
  qn__type_texts types;
  uint32_t *value_names; /* by value: kind in the low 2 bits, a number or the index of a text above; 0 without a name */
  uint32_t num_values;
  qn__names names;
  const qn_idmap *keys; /* attribute id -> name id: constants that become resources; may be null */
} qn__printer;

void qn__printer_init(qn__printer *p, const qn_module *m, const qn_print_options *options, qn_write_fn write,
                      void *user);
qn_status qn__printer_end(qn__printer *p); /* flushes and frees; reports exhausted memory */
void qn__print_module(qn__printer *p);

/* ---- print_type.c ---- */
void qn__print_type(qn__printer *p, qn_type t);
/* Gives aliases to the long types of the module and prints their definitions. */
void qn__print_aliases(qn__printer *p);
/* Calls visit for every type that printing `attr` shows. */
void qn__visit_attr_types(const qn_module *m, qn_attr attr, void (*visit)(void *user, qn_type t), void *user);

/* ---- print_attr.c ---- */
void qn__print_attr(qn__printer *p, qn_attr a);
/* name = value, or the name alone for a unit. */
void qn__print_named_attr(qn__printer *p, qn_named_attr entry);
void qn__print_symbol(qn__printer *p, qn_str name);
/* An attribute that MLIR's own syntax cannot hold: elements or numbers of types it does not have. */
bool qn__attr_is_foreign(const qn__printer *p, qn_attr a);
/* Prints as dense_resource<..>. */
bool qn__attr_is_resource(const qn__printer *p, qn_attr a);
/* The same bits as integers: `dense<..> : tensor<4xi8>` or `3 : i8`. */
void qn__print_attr_bits(qn__printer *p, qn_attr a);

/* ---- print_name.c ---- */
/* A function has names of its own. */
qn__names qn__names_enter(qn__printer *p);
void qn__names_leave(qn__printer *p, qn__names outer);
qn__names_mark qn__names_region(const qn__printer *p);
void qn__names_forget(qn__printer *p, qn__names_mark mark);
void qn__name_arg(qn__printer *p, qn_value v);
void qn__name_results(qn__printer *p, qn_op op);
void qn__print_value(qn__printer *p, qn_value v);
/* %a, %b:2 = ; nothing without results. */
void qn__print_results(qn__printer *p, qn_op op);

/* ---- print_op.c, print_form.c ---- */
void qn__print_op(qn__printer *p, qn_op op); /* from its results to its location, without indentation and newline */
/* False, and nothing printed, when the op is not of the shape its pretty form can show. */
bool qn__print_pretty(qn__printer *p, qn_op op);
/* {, arguments, ops, } on lines of their own; `label` prints the block's arguments. */
void qn__print_region(qn__printer *p, qn_block block, bool label);
void qn__print_operands(qn__printer *p, qn_op op);
void qn__print_types(qn__printer *p, qn_op op, bool results); /* T, U */
void qn__print_signature(qn__printer *p, qn_op op);           /* (T, ..) -> T or (T, ..) */
/* ` {..}`, without defaults and the names in `hidden` (ends with null; may be null); nothing when none is left. */
void qn__print_attr_dict(qn__printer *p, qn_op op, const char *const *hidden, const char *before);
/* The constant's type is one that upstream's op refuses: it is spelled quern.constant. */
bool qn__constant_is_refused(const qn__printer *p, qn_op op);

static inline void qn__put(qn__printer *p, const char *text) {
  qn__buf_c(&p->out, text);
}
/* For literals: the length is known. */
#define qn__put_lit(p, text) qn__buf_put(&(p)->out, "" text, sizeof(text) - 1)
#endif
