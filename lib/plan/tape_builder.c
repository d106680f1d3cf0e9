#include "tape_builder.h"
#include <string.h>

void qn__tb_init(qn__tb *tb, qn_module *m) {
  *tb = (qn__tb){.m = m, .ctx = qn_module_context(m)};
  tb->allocator = qn_context_allocator(tb->ctx);
}

void qn__tb_free(qn__tb *tb) {
  qn__vec_free(tb->allocator, &tb->insts);
  qn__vec_free(tb->allocator, &tb->ranges);
  qn__vec_free(tb->allocator, &tb->values);
  qn__map_free(tb->allocator, &tb->numbers);
  qn__idmap_free(tb->allocator, &tb->value_of);
}

static uint32_t hash_of(const qn_tinst *i) {
  uint64_t words[3] = {(uint64_t)i->op | (uint64_t)i->type << 8 | (uint64_t)i->pred << 16 | (uint64_t)i->a << 32,
                       (uint64_t)i->b | (uint64_t)i->c << 32, i->imm};
  return qn__hash(words, sizeof words, 0);
}

static bool same(const void *owner, const void *key, uint32_t id) {
  const qn__tb *tb = owner;
  const qn_tinst *x = key, *y = &tb->insts.data[id - 1];
  return x->op == y->op && x->type == y->type && x->pred == y->pred && x->a == y->a && x->b == y->b && x->c == y->c &&
         x->imm == y->imm;
}

uint32_t qn__tb_append(qn__tb *tb, qn_tinst inst) {
  if (tb->failed) return 0;
  uint32_t hash = hash_of(&inst);
  uint32_t known = qn__map_find(&tb->numbers, hash, same, tb, &inst);
  if (known) return known - 1;
  qn__frange range = qn__tape_range(tb, &inst);
  if (!qn__push(tb->allocator, &tb->insts, inst) || !qn__push(tb->allocator, &tb->ranges, range) ||
      !qn__map_add(tb->allocator, &tb->numbers, hash, tb->insts.size)) {
    tb->failed = true;
    return 0;
  }
  return tb->insts.size - 1;
}

uint32_t qn__tb_emit(qn__tb *tb, qn_tinst inst) {
  uint32_t reg;
  if (tb->failed) return 0;
  if (qn__tape_fold(tb, &inst, &reg)) return reg;
  return qn__tb_append(tb, inst);
}

static uint64_t mask_of(qn_treg type) {
  uint32_t bits = qn__tape_bits(type);
  return bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

uint32_t qn__tb_const(qn__tb *tb, qn_treg type, uint64_t bits) {
  return qn__tb_append(tb, (qn_tinst){.op = QN_T_CONST, .type = (uint8_t)type, .imm = bits & mask_of(type)});
}

uint32_t qn__tb_f(qn__tb *tb, qn_treg type, double value) {
  float single = (float)value;
  uint32_t low;
  uint64_t bits;
  memcpy(&low, &single, sizeof low);
  memcpy(&bits, &value, sizeof bits);
  return qn__tb_const(tb, type, type == QN_TF32 ? low : bits);
}

int64_t qn__tb_sconst(const qn__tb *tb, uint32_t reg) {
  uint64_t v = qn__tb_inst(tb, reg)->imm, top = (mask_of(qn__tb_type(tb, reg)) >> 1) + 1;
  return (int64_t)((v ^ top) - top);
}

uint32_t qn__tb_1(qn__tb *tb, qn_topcode op, qn_treg type, uint32_t a) {
  return qn__tb_emit(tb, (qn_tinst){.op = (uint8_t)op, .type = (uint8_t)type, .a = a});
}

uint32_t qn__tb_2(qn__tb *tb, qn_topcode op, uint32_t a, uint32_t b) {
  return qn__tb_emit(tb, (qn_tinst){.op = (uint8_t)op, .type = (uint8_t)qn__tb_type(tb, a), .a = a, .b = b});
}

uint32_t qn__tb_imm(qn__tb *tb, qn_topcode op, uint32_t a, uint64_t bits) {
  return qn__tb_2(tb, op, a, qn__tb_const(tb, qn__tb_type(tb, a), bits));
}

uint32_t qn__tb_fma(qn__tb *tb, uint32_t a, uint32_t b, uint32_t c) {
  return qn__tb_emit(tb, (qn_tinst){.op = QN_T_FMA, .type = (uint8_t)qn__tb_type(tb, a), .a = a, .b = b, .c = c});
}

uint32_t qn__tb_select(qn__tb *tb, uint32_t mask, uint32_t a, uint32_t b) {
  return qn__tb_emit(tb, (qn_tinst){.op = QN_T_SELECT, .type = (uint8_t)qn__tb_type(tb, a), .a = mask, .b = a, .c = b});
}

uint32_t qn__tb_not(qn__tb *tb, uint32_t mask) {
  return qn__tb_imm(tb, QN_T_XOR, mask, 1);
}

uint32_t qn__tb_icmp(qn__tb *tb, unsigned pred, uint32_t a, uint32_t b) {
  return qn__tb_emit(tb, (qn_tinst){.op = QN_T_ICMP, .type = QN_TI1, .pred = (uint8_t)pred, .a = a, .b = b});
}

uint32_t qn__tb_fcmp(qn__tb *tb, unsigned pred, uint32_t a, uint32_t b) {
  return qn__tb_emit(tb, (qn_tinst){.op = QN_T_FCMP, .type = QN_TI1, .pred = (uint8_t)pred, .a = a, .b = b});
}
