/* Which pretty form an op has, and the words in it: what reader and printer must agree on. */
#ifndef QN_FORMS_H
#define QN_FORMS_H
#include <quern/module.h>

typedef enum qn__form {
  QN__FORM_RULE,     /* the rule for our own ops: generic without quotes and operand parentheses */
  QN__FORM_SAME,     /* arith.addi %a, %b : T */
  QN__FORM_TO,       /* arith.extsi %x : A to B */
  QN__FORM_COMPARE,  /* arith.cmpi slt, %a, %b : T */
  QN__FORM_SELECT,   /* arith.select %c, %a, %b : T */
  QN__FORM_CONSTANT, /* arith.constant 1 : i32 */
  QN__FORM_VALUES,   /* return %a, %b : T, U */
  QN__FORM_CALL,     /* call @f(%a) : (T) -> U */
  QN__FORM_FUNC
} qn__form;
qn__form qn__form_of(qn_op_kind kind);

/* Names that stand for a table's op beside its own: return, call, quern.constant and the quern casts. */
qn_op_kind qn__op_alias(qn_str name);
/* What is printed for a function's terminator and calls in pretty text: the name without its dialect. */
const char *qn__short_name(qn_op_kind kind);
/* What generic text says for an op that upstream's own would refuse: quern.constant and the quern casts. */
const char *qn__refused_name(qn_op_kind kind);

/* The number of a comparison's predicate, -1 when it has none of this name; and back, null out of range. */
int qn__predicate_find(qn_op_kind kind, qn_str word);
const char *qn__predicate_word(qn_op_kind kind, int64_t predicate);
const char *qn__predicate_list(qn_op_kind kind);
#endif
