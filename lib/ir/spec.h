/* The columns of ops.def, parsed: operand, result and region names, attributes with kinds and defaults. Pass options
 * are written in the same form. */
#ifndef QN_SPEC_H
#define QN_SPEC_H
#include <quern/module.h>

/* "a, b, c?" is 2..3, "x*" is 0..UINT32_MAX. */
typedef struct qn_count_spec {
  uint32_t min, max;
} qn_count_spec;
qn_count_spec qn__count_spec(const char *names);
/* Name i of such a list without its mark; a `*` name answers for all that follow. Empty past the end. */
qn_str qn__spec_name(const char *names, uint32_t i);

typedef enum qn_attr_spec_kind {
  QN__SPEC_BOOL,
  QN__SPEC_INT,
  QN__SPEC_FLOAT,
  QN__SPEC_STRING,
  QN__SPEC_TYPE,
  QN__SPEC_ARRAY,
  QN__SPEC_INTS,
  QN__SPEC_DENSE,
  QN__SPEC_SYMBOL,
  QN__SPEC_DICT,
  QN__SPEC_ANY,
  QN__SPEC_CHOICE /* a string, one of `choices` */
} qn_attr_spec_kind;

typedef struct qn_attr_spec {
  qn_str name;
  qn_name id; /* of name; 0 when parsed without a context */
  qn_attr_spec_kind kind;
  qn_str kind_text; /* "bool"; for a choice the alternatives: "f32|fixed|single" */
  bool optional;    /* may be absent: `?` or a default */
  bool has_default;
  qn_str default_text;
  bool default_bool;
  int64_t default_int;
  double default_float;
} qn_attr_spec;

/* Parses the attribute at *cursor of a column and moves the cursor behind it; false at the end. */
bool qn__attr_spec_next(const char **cursor, qn_attr_spec *out);
bool qn__attr_spec_has_choice(const qn_attr_spec *spec, qn_str text);

typedef struct qn_op_spec {
  qn_count_spec operands, results, regions;
  uint32_t num_attrs;
  const qn_attr_spec *attrs;
} qn_op_spec;

/* The row's columns, parsed once per context. Null when memory runs out (reported). */
const qn_op_spec *qn__op_spec(qn_context *ctx, qn_op_kind kind);
const qn_attr_spec *qn__op_spec_attr(const qn_op_spec *spec, qn_name name); /* null when there is none */
/* True when leaving `attr` out would mean the same. */
bool qn__attr_is_default(const qn_module *m, const qn_attr_spec *spec, qn_attr attr);
#endif
