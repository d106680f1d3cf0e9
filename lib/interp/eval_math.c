/* Elementwise tensor ops: each is one or two scalar ops over broadcast operands. */
#include "interp.h"

typedef enum form { FORM_FLOAT, FORM_SIGNED, FORM_UNSIGNED } form;

static form form_of(qn_scalar s) {
  if (qn_scalar_is_float(s)) return FORM_FLOAT;
  return qn_scalar_get(s)->cls == QN_UNSIGNED || s == QN_I1 ? FORM_UNSIGNED : FORM_SIGNED;
}

#define BINARY(symbol, on_float, on_signed, on_unsigned)                                                               \
  static qn_status eval_##symbol(qn__frame *f, qn_op op) {                                                             \
    static const qn__evaluator *const by_form[] = {&qn__eval_##on_float, &qn__eval_##on_signed,                        \
                                                   &qn__eval_##on_unsigned};                                           \
    (void)op;                                                                                                          \
    return qn__map_op(f, by_form[form_of(f->in[0]->elem)], 0);                                                         \
  }                                                                                                                    \
  const qn__evaluator qn__eval_##symbol = {.eval = eval_##symbol};

BINARY(ADD, ADDF, ADDI, ADDI)
BINARY(SUB, SUBF, SUBI, SUBI)
BINARY(MUL, MULF, MULI, MULI)
BINARY(DIV, DIVF, DIVSI, DIVUI)
BINARY(MAXIMUM, MAXIMUMF, MAXSI, MAXUI)
BINARY(MINIMUM, MINIMUMF, MINSI, MINUI)

#define UNARY(symbol, scalar)                                                                                          \
  static qn_status eval_##symbol(qn__frame *f, qn_op op) {                                                             \
    (void)op;                                                                                                          \
    return qn__map_op(f, &qn__eval_##scalar, 0);                                                                       \
  }                                                                                                                    \
  const qn__evaluator qn__eval_##symbol = {.eval = eval_##symbol};

UNARY(EXP, MATH_EXP)
UNARY(LOG, MATH_LOG)
UNARY(SQRT, MATH_SQRT)
UNARY(TANH, MATH_TANH)
UNARY(ERF, MATH_ERF)
UNARY(SIGMOID, MATH_SIGMOID)
UNARY(FLOOR, MATH_FLOOR)
UNARY(CEIL, MATH_CEIL)
UNARY(ROUND, MATH_ROUNDEVEN)

static qn_status eval_gelu(qn__frame *f, qn_op op) {
  return qn__map_op(f, &qn__eval_MATH_GELU, qn__eval_MATH_GELU.imm(f->m, op));
}
const qn__evaluator qn__eval_GELU = {.eval = eval_gelu};

/* A script of one argument with room for a few instructions. */
static qn__script *start(qn__frame *f, uint32_t *x) {
  qn__script *p = qn__script_new(f->scratch, 1, 6, 1);
  if (!p) {
    qn_error_no_memory(f->ctx);
    return NULL;
  }
  p->types[0] = f->in[0]->elem;
  *x = 0;
  return p;
}

static uint32_t two(qn__script *p, const qn__evaluator *op, uint32_t a, uint32_t b) {
  return qn__script_op(p, op, 2, (const uint32_t[]){a, b}, p->types[0], 0);
}

static qn_status eval_neg(qn__frame *f, qn_op op) {
  (void)op;
  uint32_t x;
  qn_scalar t = f->in[0]->elem;
  if (qn_scalar_is_float(t)) return qn__map_op(f, &qn__eval_NEGF, 0);
  qn__script *p = start(f, &x);
  if (!p) return QN_ERR_NO_MEMORY;
  p->yields[0] = two(p, &qn__eval_SUBI, qn__script_const(p, t, 0), x);
  return qn__map_script(f, p);
}
const qn__evaluator qn__eval_NEG = {.eval = eval_neg};

static qn_status eval_abs(qn__frame *f, qn_op op) {
  (void)op;
  uint32_t x;
  qn_scalar t = f->in[0]->elem;
  if (qn_scalar_is_float(t)) return qn__map_op(f, &qn__eval_MATH_ABSF, 0);
  qn__script *p = start(f, &x);
  if (!p) return QN_ERR_NO_MEMORY;
  if (form_of(t) == FORM_SIGNED) x = two(p, &qn__eval_MAXSI, x, two(p, &qn__eval_SUBI, qn__script_const(p, t, 0), x));
  p->yields[0] = x;
  return qn__map_script(f, p);
}
const qn__evaluator qn__eval_ABS = {.eval = eval_abs};

static const qn__evaluator *larger(qn_scalar t) {
  static const qn__evaluator *const by_form[] = {&qn__eval_MAXIMUMF, &qn__eval_MAXSI, &qn__eval_MAXUI};
  return by_form[form_of(t)];
}

static const qn__evaluator *smaller(qn_scalar t) {
  static const qn__evaluator *const by_form[] = {&qn__eval_MINIMUMF, &qn__eval_MINSI, &qn__eval_MINUI};
  return by_form[form_of(t)];
}

static qn_status eval_relu(qn__frame *f, qn_op op) {
  (void)op;
  uint32_t x;
  qn_scalar t = f->in[0]->elem;
  qn__script *p = start(f, &x);
  if (!p) return QN_ERR_NO_MEMORY;
  p->yields[0] = two(p, larger(t), x, qn__script_const(p, t, 0));
  return qn__map_script(f, p);
}
const qn__evaluator qn__eval_RELU = {.eval = eval_relu};

static qn_status eval_clip(qn__frame *f, qn_op op) {
  uint32_t x;
  qn_scalar t = f->in[0]->elem;
  double lo = qn_op_get_float(f->m, op, "min"), hi = qn_op_get_float(f->m, op, "max");
  qn__script *p = start(f, &x);
  if (!p) return QN_ERR_NO_MEMORY;
  x = two(p, larger(t), x, qn__script_const_f64(p, t, lo));
  p->yields[0] = two(p, smaller(t), x, qn__script_const_f64(p, t, hi));
  return qn__map_script(f, p);
}
const qn__evaluator qn__eval_CLIP = {.eval = eval_clip};

/* ---- cast ---- */

enum { PREDICATE_NE = 1, PREDICATE_UNE = 13 };

static qn_status cast_to_bool(qn__frame *f) {
  uint32_t x;
  qn_scalar from = f->in[0]->elem;
  bool is_float = qn_scalar_is_float(from);
  qn__script *p = start(f, &x);
  if (!p) return QN_ERR_NO_MEMORY;
  uint32_t zero = qn__script_const(p, from, 0);
  p->yields[0] = qn__script_op(p, is_float ? &qn__eval_CMPF : &qn__eval_CMPI, 2, (const uint32_t[]){x, zero}, QN_I1,
                               is_float ? PREDICATE_UNE : PREDICATE_NE);
  return qn__map_script(f, p);
}

/* i1 holds 0 or 1 as a number, and anything but 0 becomes 1. */
static qn_status eval_cast(qn__frame *f, qn_op op) {
  (void)op;
  qn_scalar from = f->in[0]->elem, to = qn_type_memory(f->ctx, qn__out_elem(f, 0));
  if (to == QN_I1) return cast_to_bool(f);
  form a = form_of(from), b = form_of(to);
  const qn__evaluator *step;
  if (a == FORM_FLOAT && b == FORM_FLOAT)
    step = &qn__eval_TRUNCF;
  else if (a == FORM_FLOAT)
    step = b == FORM_SIGNED ? &qn__eval_FPTOSI : &qn__eval_FPTOUI;
  else if (b == FORM_FLOAT)
    step = a == FORM_SIGNED ? &qn__eval_SITOFP : &qn__eval_UITOFP;
  else
    step = a == FORM_SIGNED ? &qn__eval_EXTSI : &qn__eval_EXTUI;
  return qn__map_op(f, step, 0);
}
const qn__evaluator qn__eval_CAST = {.eval = eval_cast};
