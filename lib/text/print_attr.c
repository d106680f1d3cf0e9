/* Attributes. */
#include "attr_impl.h"
#include "floattext.h"
#include "hexdata.h"
#include "lexer.h"
#include "printer.h"
#include "scalar.h"
#include "type_text.h"
#include <string.h>

/* ---- numbers ---- */

static void print_int(qn__printer *p, qn_scalar s, int64_t v) {
  if (s == QN_UI64)
    qn__buf_u64(&p->out, (uint64_t)v);
  else
    qn__buf_i64(&p->out, v);
}

/* True when the text is a bit pattern, which does not say its type. */
static bool print_float(qn__printer *p, qn_scalar s, uint64_t bits) {
  char text[QN__FLOAT_TEXT];
  size_t n = qn__float_print(text, s, bits);
  qn__buf_put(&p->out, text, n);
  return n > 1 && text[1] == 'x';
}

static void print_typed(qn__printer *p, qn_type t) {
  qn__put_lit(p, " : ");
  qn__print_type(p, t);
}

/* As in MLIR, numbers without a type are i64 and f64. */
static void print_int_attr(qn__printer *p, qn_attr a) {
  qn_type t = qn_attr_type_of(p->m, a);
  qn_scalar s = qn_type_as_scalar(p->ctx, t);
  print_int(p, s, qn_attr_as_int(p->m, a));
  if (s != QN_I64) print_typed(p, t);
}

static void print_float_attr(qn__printer *p, qn_attr a) {
  qn_type t = qn_attr_type_of(p->m, a);
  qn_scalar s = qn_type_as_scalar(p->ctx, t);
  bool bits = print_float(p, s, qn__attr_bits_of_float(p->m, a));
  if (bits || s != QN_F64) print_typed(p, t);
}

/* ---- lists ---- */

static void print_array(qn__printer *p, qn_attr a) {
  qn__buf_char(&p->out, '[');
  for (uint32_t i = 0, n = qn_attr_size(p->m, a); i < n; i++) {
    if (i) qn__put_lit(p, ", ");
    qn__print_attr(p, qn_attr_at(p->m, a, i));
  }
  qn__buf_char(&p->out, ']');
}

void qn__print_named_attr(qn__printer *p, qn_named_attr entry) {
  qn_str name = qn_name_str(p->ctx, entry.name);
  if (qn__is_bare_id(name))
    qn__buf_str(&p->out, name);
  else
    qn__print_quoted(&p->out, name);
  if (qn_attr_kind_of(p->m, entry.attr) == QN_ATTR_UNIT) return;
  qn__put_lit(p, " = ");
  qn__print_attr(p, entry.attr);
}

static void print_dict(qn__printer *p, qn_attr a) {
  qn__buf_char(&p->out, '{');
  for (uint32_t i = 0, n = qn_attr_size(p->m, a); i < n; i++) {
    if (i) qn__put_lit(p, ", ");
    qn__print_named_attr(p, qn_attr_entry(p->m, a, i));
  }
  qn__buf_char(&p->out, '}');
}

static void print_ints(qn__printer *p, qn_attr a) {
  uint32_t n;
  const int64_t *v = qn_attr_as_ints(p->m, a, &n);
  qn_scalar s = qn__attr_ints_elem(p->m, a);
  qn__put_lit(p, "array<");
  qn__put(p, qn_scalar_get(s)->text);
  for (uint32_t i = 0; i < n; i++) {
    qn__put(p, i ? ", " : ": ");
    if (qn_scalar_is_float(s))
      print_float(p, s, (uint64_t)v[i]);
    else if (s == QN_I1)
      qn__put(p, v[i] ? "true" : "false");
    else
      print_int(p, s, v[i]);
  }
  qn__buf_char(&p->out, '>');
}

/* ---- dense data ---- */

typedef struct elements {
  qn_scalar elem, as; /* how elements are stored, and as what they print */
  const void *data;
  uint32_t rank;
  const int64_t *shape;
  int64_t count;
} elements;

static elements elements_of(const qn__printer *p, qn_attr a) {
  qn_type t = qn_attr_type_of(p->m, a);
  elements e = {.elem = qn_type_memory(p->ctx, t),
                .data = qn_attr_data(p->m, a),
                .rank = qn_type_rank(p->ctx, t),
                .shape = qn_type_shape(p->ctx, t),
                .count = qn_type_count(p->ctx, t)};
  e.as = e.elem;
  return e;
}

static void print_element(qn__printer *p, const elements *e, size_t i) {
  if (qn_scalar_is_float(e->as)) {
    print_float(p, e->as, qn__load_bits(e->elem, e->data, i));
  } else if (e->as == QN_I1) {
    qn__put(p, qn__load_bits(e->elem, e->data, i) ? "true" : "false");
  } else {
    uint64_t bits = qn__load_bits(e->elem, e->data, i);
    print_int(p, e->as, qn__load_i64(e->as, &bits, 0));
  }
}

static void print_nested(qn__printer *p, const elements *e, uint32_t depth, size_t *at) {
  qn__buf_char(&p->out, '[');
  for (int64_t i = 0; i < e->shape[depth] && !p->out.failed; i++) {
    if (i) qn__put_lit(p, ", ");
    if (depth + 1 < e->rank)
      print_nested(p, e, depth + 1, at);
    else
      print_element(p, e, (*at)++);
  }
  qn__buf_char(&p->out, ']');
}

static void print_zero(qn__printer *p, const elements *e) {
  static const uint64_t zero;
  elements one = *e;
  one.data = &zero;
  print_element(p, &one, 0);
}

static void print_elements(qn__printer *p, qn_attr a, const elements *e) {
  size_t at = 0;
  qn__put_lit(p, "dense<");
  if (e->count == 0) {
    /* nothing: dense<> */
  } else if (p->options.elide_constants && e->count > QN__ELIDED_ABOVE) {
    print_zero(p, e);
  } else if (qn_attr_is_splat(p->m, a) || e->rank == 0) {
    print_element(p, e, 0);
  } else if (p->options.hex || e->count > QN__HEX_ABOVE) {
    qn__hex_print(&p->out, e->elem, (uint64_t)e->count, e->data);
  } else {
    print_nested(p, e, 0, &at);
  }
  qn__buf_char(&p->out, '>');
}

static qn_name resource_of(const qn__printer *p, qn_attr a) {
  if (p->options.inline_) return (qn_name){0};
  uint32_t given = p->keys ? qn__idmap_get(p->keys, a.id) : 0;
  return given ? (qn_name){given} : qn_attr_resource(p->m, a);
}

static void print_dense(qn__printer *p, qn_attr a) {
  qn_name key = resource_of(p, a);
  if (key.id) {
    qn_str name = qn_name_str(p->ctx, key);
    qn__put_lit(p, "dense_resource<");
    if (qn__is_bare_id(name))
      qn__buf_str(&p->out, name);
    else
      qn__print_quoted(&p->out, name);
    qn__buf_char(&p->out, '>');
  } else {
    elements e = elements_of(p, a);
    print_elements(p, a, &e);
  }
  print_typed(p, qn_attr_type_of(p->m, a));
}

/* ---- what MLIR cannot hold ---- */

static bool type_is_foreign(const qn__printer *p, qn_type t) {
  qn_type elem = qn_type_elem(p->ctx, t);
  if (qn_type_kind_of(p->ctx, elem) != QN_TYPE_SCALAR) return true;
  return qn__type_is_opaque_in_generic(p->ctx, elem, p->type_flags);
}

bool qn__attr_is_resource(const qn__printer *p, qn_attr a) {
  return qn_attr_kind_of(p->m, a) == QN_ATTR_DENSE && resource_of(p, a).id != 0;
}

bool qn__attr_is_foreign(const qn__printer *p, qn_attr a) {
  qn_attr_kind kind = qn_attr_kind_of(p->m, a);
  return (kind == QN_ATTR_DENSE || kind == QN_ATTR_FLOAT) && type_is_foreign(p, qn_attr_type_of(p->m, a));
}

/* The signless integer of as many bits, a byte at least. */
static qn_scalar bits_scalar(qn_scalar s) {
  unsigned bits = qn_scalar_get(s)->bits;
  return bits <= 8 ? QN_I8 : bits == 16 ? QN_I16 : bits == 32 ? QN_I32 : QN_I64;
}

static void print_bits(qn__printer *p, qn_scalar as, uint64_t bits) {
  print_int(p, as, qn__load_i64(as, &bits, 0));
}

static void print_dense_bits(qn__printer *p, qn_attr a) {
  elements e = elements_of(p, a);
  qn_type t = qn_attr_type_of(p->m, a);
  e.as = bits_scalar(e.elem);
  print_elements(p, a, &e);
  print_typed(p, qn_type_tensor(p->ctx, qn_type_scalar(p->ctx, e.as), e.rank, qn_type_shape(p->ctx, t)));
}

void qn__print_attr_bits(qn__printer *p, qn_attr a) {
  if (qn_attr_kind_of(p->m, a) == QN_ATTR_DENSE) {
    print_dense_bits(p, a);
    return;
  }
  qn_scalar as = bits_scalar(qn_type_as_scalar(p->ctx, qn_attr_type_of(p->m, a)));
  print_bits(p, as, qn__attr_bits_of_float(p->m, a));
  print_typed(p, qn_type_scalar(p->ctx, as));
}

/* In generic text: kept by mlir-opt as the text of a dialect's attribute, and read back as what it is. */
static void print_foreign(qn__printer *p, qn_attr a) {
  /* Aliases do not reach into text that mlir-opt does not parse. */
  qn__type_texts outer = p->types;
  p->types = (qn__type_texts){0};
  qn__put_lit(p, "#quern.attr<");
  if (qn_attr_kind_of(p->m, a) == QN_ATTR_DENSE)
    print_dense(p, a);
  else
    print_float_attr(p, a);
  qn__buf_char(&p->out, '>');
  qn__free(p->allocator, p->types.texts, p->types.size * sizeof *p->types.texts);
  p->types = outer;
}

/* ---- all kinds ---- */

void qn__print_symbol(qn__printer *p, qn_str name) {
  qn__buf_char(&p->out, '@');
  if (qn__is_suffix_id(name))
    qn__buf_str(&p->out, name);
  else
    qn__print_quoted(&p->out, name);
}

static void print_dialect(qn__printer *p, qn_attr a) {
  qn_str text = qn_attr_as_string(p->m, a);
  qn__buf_char(&p->out, '#');
  qn__buf_str(&p->out, qn_attr_dialect_name(p->m, a));
  if (text.size == 0) return;
  qn__buf_char(&p->out, '<');
  qn__buf_str(&p->out, text);
  qn__buf_char(&p->out, '>');
}

void qn__print_attr(qn__printer *p, qn_attr a) {
  if (p->options.generic && qn__attr_is_foreign(p, a)) {
    print_foreign(p, a);
    return;
  }
  switch (qn_attr_kind_of(p->m, a)) {
  case QN_ATTR_NULL:
  case QN_ATTR_UNIT: qn__put_lit(p, "unit"); break;
  case QN_ATTR_BOOL: qn__put(p, qn_attr_as_bool(p->m, a) ? "true" : "false"); break;
  case QN_ATTR_INT: print_int_attr(p, a); break;
  case QN_ATTR_FLOAT: print_float_attr(p, a); break;
  case QN_ATTR_STRING: qn__print_quoted(&p->out, qn_attr_as_string(p->m, a)); break;
  case QN_ATTR_TYPE: qn__print_type(p, qn_attr_as_type(p->m, a)); break;
  case QN_ATTR_ARRAY: print_array(p, a); break;
  case QN_ATTR_DICT: print_dict(p, a); break;
  case QN_ATTR_INTS: print_ints(p, a); break;
  case QN_ATTR_DENSE: print_dense(p, a); break;
  case QN_ATTR_SYMBOL: qn__print_symbol(p, qn_attr_as_string(p->m, a)); break;
  case QN_ATTR_DIALECT: print_dialect(p, a); break;
  }
}
