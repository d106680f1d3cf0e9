/* Facts about tapes that need no module: opcode names, register types, hashes. */
#include "tape.h"
#include "tape_hash.h"

const qn_tape_op qn__tape_ops[] = {
#define QN_TAPE(symbol, name, args, doc) {name, args},
#include "tape.def"
#undef QN_TAPE
};

uint32_t qn__tape_bits(qn_treg t) {
  static const uint8_t bits[] = {1, 8, 16, 32, 64, 32, 64};
  return (unsigned)t < sizeof bits ? bits[t] : 0;
}

qn_treg qn__tape_reg(qn_scalar mem) {
  if (mem == QN_F32) return QN_TF32;
  if (mem == QN_F64) return QN_TF64;
  if (mem == QN_I1) return QN_TI1;
  switch (qn_scalar_get(mem)->bits) {
  case 16: return QN_TI16;
  case 32: return QN_TI32;
  case 64: return QN_TI64;
  default: return QN_TI8;
  }
}

uint64_t qn__tape_hash(const qn_tape *t, uint64_t seed) {
  uint64_t h = qn__mix(seed, (uint64_t)t->num_insts << 32 | (uint64_t)t->num_inputs << 16 | t->num_outputs);
  for (uint32_t i = 0; i < t->num_insts; i++) {
    const qn_tinst *x = &t->insts[i];
    h = qn__mix(h, (uint64_t)x->op | (uint64_t)x->type << 8 | (uint64_t)x->pred << 16 | (uint64_t)x->stage << 24 |
                       (uint64_t)x->a << 32);
    h = qn__mix(h, (uint64_t)x->b | (uint64_t)x->c << 32);
    if (x->op == QN_T_CONST) h = qn__mix(h, x->imm);
  }
  for (uint32_t i = 0; i < t->num_inputs; i++) h = qn__mix(h, (uint64_t)t->input_mem[i]);
  for (uint32_t i = 0; i < t->num_outputs; i++)
    h = qn__mix(h, (uint64_t)t->outputs[i] << 8 | (uint64_t)t->output_mem[i]);
  return h;
}
