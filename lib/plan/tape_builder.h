/* Building a tape: instructions are appended through here, which folds constants, removes what computes nothing and
 * gives equal instructions one register. Registers are instruction numbers. When memory runs out `failed` is set and
 * all functions answer 0; it is checked once, at the end. */
#ifndef QN_TAPE_BUILDER_H
#define QN_TAPE_BUILDER_H
#include "map.h"
#include "tape.h"
#include "vec.h"

typedef qn_trange qn__frange;

/* A value of the region: the register that holds it (bits, for floats below 32 bits) and its type in the IR. */
typedef struct qn__tval {
  uint32_t reg;
  qn_scalar type;
} qn__tval;

typedef struct qn__tb {
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  qn_op op; /* being expanded, for diagnostics */
  QN_VEC(qn_tinst) insts;
  QN_VEC(qn__frange) ranges;
  QN_VEC(qn__tval) values;
  qn_map numbers;    /* instruction -> register + 1 */
  qn_idmap value_of; /* value id -> index in values + 1 */
  const qn_scalar *input_mem;
  bool failed;
} qn__tb;

void qn__tb_init(qn__tb *tb, qn_module *m);
void qn__tb_free(qn__tb *tb);

/* Appends unless something equal or simpler exists. */
uint32_t qn__tb_emit(qn__tb *tb, qn_tinst inst);
/* Puts a register where its own instruction is; never folds. */
uint32_t qn__tb_append(qn__tb *tb, qn_tinst inst);
uint32_t qn__tb_const(qn__tb *tb, qn_treg type, uint64_t bits);
uint32_t qn__tb_f(qn__tb *tb, qn_treg type, double value); /* F32 or F64; the value is exact in it */
uint32_t qn__tb_1(qn__tb *tb, qn_topcode op, qn_treg type, uint32_t a);
uint32_t qn__tb_2(qn__tb *tb, qn_topcode op, uint32_t a, uint32_t b);      /* type of a */
uint32_t qn__tb_imm(qn__tb *tb, qn_topcode op, uint32_t a, uint64_t bits); /* b is a constant of a's type */
uint32_t qn__tb_fma(qn__tb *tb, uint32_t a, uint32_t b, uint32_t c);
uint32_t qn__tb_select(qn__tb *tb, uint32_t mask, uint32_t a, uint32_t b);
uint32_t qn__tb_not(qn__tb *tb, uint32_t mask);
/* Predicates as upstream numbers them. */
enum {
  QN__ICMP_EQ,
  QN__ICMP_NE,
  QN__ICMP_SLT,
  QN__ICMP_SLE,
  QN__ICMP_SGT,
  QN__ICMP_SGE,
  QN__ICMP_ULT,
  QN__ICMP_ULE,
  QN__ICMP_UGT,
  QN__ICMP_UGE
};
enum {
  QN__FCMP_FALSE,
  QN__FCMP_OEQ,
  QN__FCMP_OGT,
  QN__FCMP_OGE,
  QN__FCMP_OLT,
  QN__FCMP_OLE,
  QN__FCMP_ONE,
  QN__FCMP_ORD,
  QN__FCMP_UEQ,
  QN__FCMP_UGT,
  QN__FCMP_UGE,
  QN__FCMP_ULT,
  QN__FCMP_ULE,
  QN__FCMP_UNE,
  QN__FCMP_UNO,
  QN__FCMP_TRUE
};
uint32_t qn__tb_icmp(qn__tb *tb, unsigned pred, uint32_t a, uint32_t b);
uint32_t qn__tb_fcmp(qn__tb *tb, unsigned pred, uint32_t a, uint32_t b);

static inline qn_treg qn__tb_type(const qn__tb *tb, uint32_t reg) {
  return reg < tb->insts.size ? (qn_treg)tb->insts.data[reg].type : QN_TI1;
}
static inline const qn_tinst *qn__tb_inst(const qn__tb *tb, uint32_t reg) {
  return &tb->insts.data[reg];
}
static inline bool qn__tb_is_const(const qn__tb *tb, uint32_t reg) {
  return reg < tb->insts.size && tb->insts.data[reg].op == QN_T_CONST;
}
/* The constant's bits sign-extended from its width. */
int64_t qn__tb_sconst(const qn__tb *tb, uint32_t reg);

/* tape_fold.c: the register that `inst` can be replaced with, or false. May rewrite `inst` to a simpler form. */
bool qn__tape_fold(qn__tb *tb, qn_tinst *inst, uint32_t *reg);
/* tape_range.c */
qn__frange qn__tape_range(const qn__tb *tb, const qn_tinst *inst);
static inline qn__frange qn__tb_range(const qn__tb *tb, uint32_t reg) {
  return reg < tb->ranges.size ? tb->ranges.data[reg] : (qn__frange){-1.0 / 0.0, 1.0 / 0.0, true};
}

/* ---- region values (tape.c, and of integers tape_int.c) ---- */
/* The value of an operand; type QN_SCALAR_NONE when it is not defined in the region. */
qn__tval qn__tb_operand(qn__tb *tb, uint32_t i);
/* The comparison's number; -1 when it has none. Attributes without a default are read directly: asking for defaults can
 * run out of memory. */
int64_t qn__tb_predicate(const qn__tb *tb);
/* Sub-byte integers live in I8 with unspecified high bits; these make them defined. Others come back as they are. */
uint32_t qn__tb_signed(qn__tb *tb, qn__tval v);
uint32_t qn__tb_unsigned(qn__tb *tb, qn__tval v);

/* ---- floats (tape_convert.c) ---- */
/* A float value in a register of the type that arithmetic on it is done in, F64 for f64, else F32; exact. */
uint32_t qn__tb_widen(qn__tb *tb, qn__tval v);
/* A register of type F32 or F64 as a value of float type `to`, rounded once. */
uint32_t qn__tb_narrow(qn__tb *tb, uint32_t reg, qn_scalar to);
/* As float_to_int of the IR: truncated, saturated, NaN to 0; result in `to`'s register type. */
uint32_t qn__tb_float_to_int(qn__tb *tb, uint32_t reg, qn_scalar to, bool is_signed);
uint32_t qn__tb_int_to_float(qn__tb *tb, qn__tval v, qn_scalar to, bool is_signed);
uint32_t qn__tb_bitcast(qn__tb *tb, uint32_t reg); /* I32 <-> F32, I64 <-> F64 */
uint32_t qn__tb_abs(qn__tb *tb, uint32_t reg);

/* ---- one function per family of ops: computes the single result of tb->op ---- */
typedef qn_status (*qn__tape_handler)(qn__tb *tb, unsigned param, qn__tval *result);
#define QN__TAPE_HANDLER(name) qn_status qn__tape_##name(qn__tb *tb, unsigned param, qn__tval *result)
QN__TAPE_HANDLER(constant);
QN__TAPE_HANDLER(int_binary);
QN__TAPE_HANDLER(cmpi);
QN__TAPE_HANDLER(cmpf);
QN__TAPE_HANDLER(select);
QN__TAPE_HANDLER(extend);
QN__TAPE_HANDLER(trunci);
QN__TAPE_HANDLER(bitcast);
QN__TAPE_HANDLER(float_binary);
QN__TAPE_HANDLER(float_unary);
QN__TAPE_HANDLER(sign);
QN__TAPE_HANDLER(fma);
QN__TAPE_HANDLER(convert_float);
QN__TAPE_HANDLER(int_to_float);
QN__TAPE_HANDLER(float_to_int);
QN__TAPE_HANDLER(elementary);
QN__TAPE_HANDLER(all);
/* Reports that the op has no expansion for its types. */
qn_status qn__tb_unsupported(qn__tb *tb, const char *why);
#endif
