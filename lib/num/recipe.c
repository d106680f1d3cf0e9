/* The evaluator: each instruction runs over a strip of lanes before the next one, so that dispatch costs little. */
#include "recipe.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANES = 64, MAX_REGS = 128, MAX_INPUTS = 2 };

typedef union lanes {
  float f[LANES];
  uint32_t u[LANES];
} lanes;

const qn_recipe_op_info qn__recipe_ops[QN__OP_COUNT] = {
#define QN_RECIPE_OP(symbol, result, a, b, c, operands, meaning)                                                       \
  {#symbol, QN__RECIPE_##result, {QN__RECIPE_##a, QN__RECIPE_##b, QN__RECIPE_##c}, operands, meaning},
#include "recipe_ops.def"
#undef QN_RECIPE_OP
};

typedef void (*op_fn)(lanes *r, const lanes *a, const lanes *b, const lanes *c, uint32_t imm, size_t n);

#define OP(symbol, lane, expr)                                                                                         \
  static void op_##symbol(lanes *restrict r, const lanes *a, const lanes *b, const lanes *c, uint32_t imm, size_t n) { \
    (void)a, (void)b, (void)c, (void)imm;                                                                              \
    for (size_t i = 0; i < n; i++) r->lane[i] = (expr);                                                                \
  }
#define TRUTH(cond) ((cond) ? UINT32_MAX : 0u)
/* Order of two's complement numbers as that of unsigned ones. */
#define BIASED(x) ((x) ^ 0x80000000u)

static int32_t as_signed(uint32_t u) {
  return u < 0x80000000u ? (int32_t)u : -1 - (int32_t)(UINT32_MAX - u);
}

static float power_of_two(uint32_t n) {
  lanes p;
  p.u[0] = (n + 127) << 23;
  return p.f[0];
}

/* By two normal powers of two, the first product exact, the second rounds; any c if a is NaN. */
static float scale(float a, uint32_t c, uint32_t is_normal) {
  uint32_t half = is_normal ? c : (BIASED(c) >> 1) - (0x80000000u >> 1);
  float y = a * power_of_two(half);
  return is_normal ? y : y * power_of_two(c - half);
}

OP(CONST_I, u, imm)
OP(CONST_F, u, imm)
OP(FADD, f, a->f[i] + b->f[i])
OP(FSUB, f, a->f[i] - b->f[i])
OP(FMUL, f, a->f[i] * b->f[i])
OP(FDIV, f, a->f[i] / b->f[i])
OP(FMA, f, fmaf(a->f[i], b->f[i], c->f[i]))
OP(SCALE, f, scale(a->f[i], c->u[i], imm))
OP(FLT, u, TRUTH(a->f[i] < b->f[i]))
OP(FEQ, u, TRUTH(a->f[i] == b->f[i]))
OP(ILT, u, TRUTH(BIASED(a->u[i]) < BIASED(b->u[i])))
OP(IEQ, u, TRUTH(a->u[i] == b->u[i]))
OP(ISELECT, u, (a->u[i] & b->u[i]) | (~a->u[i] & c->u[i]))
OP(IADD, u, a->u[i] + b->u[i])
OP(ISUB, u, a->u[i] - b->u[i])
OP(IAND, u, a->u[i] & b->u[i])
OP(IOR, u, a->u[i] | b->u[i])
OP(IXOR, u, a->u[i] ^ b->u[i])
OP(SHL, u, a->u[i] << imm)
OP(SHR, u, a->u[i] >> imm)
OP(SAR, u, (BIASED(a->u[i]) >> imm) - (0x80000000u >> imm))
OP(I2F, f, (float)as_signed(a->u[i]))
OP(BITS_F, u, a->u[i])

static const op_fn table[QN__OP_COUNT] = {
    [QN__OP_CONST_F] = op_CONST_F, [QN__OP_CONST_I] = op_CONST_I, [QN__OP_FADD] = op_FADD, [QN__OP_FSUB] = op_FSUB,
    [QN__OP_FMUL] = op_FMUL,       [QN__OP_FDIV] = op_FDIV,       [QN__OP_FMA] = op_FMA,   [QN__OP_SCALE] = op_SCALE,
    [QN__OP_FLT] = op_FLT,         [QN__OP_FEQ] = op_FEQ,         [QN__OP_ILT] = op_ILT,   [QN__OP_IEQ] = op_IEQ,
    [QN__OP_FSELECT] = op_ISELECT, [QN__OP_ISELECT] = op_ISELECT, [QN__OP_IADD] = op_IADD, [QN__OP_ISUB] = op_ISUB,
    [QN__OP_IAND] = op_IAND,       [QN__OP_IOR] = op_IOR,         [QN__OP_IXOR] = op_IXOR, [QN__OP_SHL] = op_SHL,
    [QN__OP_SHR] = op_SHR,         [QN__OP_SAR] = op_SAR,         [QN__OP_I2F] = op_I2F,   [QN__OP_BITS_F] = op_BITS_F,
    [QN__OP_BITS_I] = op_BITS_F,
};

/* regs[0 .. num_inputs) hold the inputs. */
static const lanes *run(const qn_recipe *r, lanes *regs, size_t n) {
  for (unsigned i = r->num_inputs; i < r->size; i++) {
    const qn_recipe_inst *in = &r->code[i];
    table[in->op](&regs[i], &regs[in->a], &regs[in->b], &regs[in->c], in->imm.u, n);
  }
  return &regs[r->size - 1];
}

void qn__recipe_map(const qn_recipe *r, const void *const *inputs, void *out, size_t n) {
  lanes regs[MAX_REGS];
  for (size_t at = 0; at < n; at += LANES) {
    size_t count = n - at < LANES ? n - at : LANES;
    for (unsigned k = 0; k < r->num_inputs && k < MAX_INPUTS; k++)
      memcpy(&regs[k], (const char *)inputs[k] + 4 * at, 4 * count);
    memcpy((char *)out + 4 * at, run(r, regs, count), 4 * count);
  }
}

uint32_t qn__recipe_eval_bits(const qn_recipe *r, const uint32_t *inputs) {
  const void *in[MAX_INPUTS] = {inputs, inputs + 1};
  uint32_t out;
  qn__recipe_map(r, in, &out, 1);
  return out;
}

float qn__recipe_eval(const qn_recipe *r, float x) {
  const void *in[MAX_INPUTS] = {&x, &x}; /* a recipe of two gets x twice rather than whatever lies there */
  float out;
  qn__recipe_map(r, in, &out, 1);
  return out;
}

float qn__recipe_eval2(const qn_recipe *r, float x, float y) {
  const void *in[MAX_INPUTS] = {&x, &y};
  float out;
  qn__recipe_map(r, in, &out, 1);
  return out;
}

const qn_recipe *qn__recipe_find(const char *name) {
  for (int i = 0; i < QN__RECIPE_COUNT; i++) {
    if (strcmp(qn__recipes[i].name, name) == 0) return &qn__recipes[i];
  }
  return NULL;
}
