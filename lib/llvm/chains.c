/* Chains to what is stored: words, or what is packed to bytes. */
#include "chain.h"

static const qn_tape *tape_to(qn_ll *g, const qn_tape *tape, const qn_ll_narrow *n) {
  qn_tape *t = qn__arena_copy(g->arena, tape, sizeof *tape);
  uint32_t *outputs = qn__arena_array(g->arena, 1, sizeof *outputs);
  qn_tinst *insts = qn__arena_array(g->arena, tape->num_insts, sizeof *insts);
  if (!t || !outputs || !insts) return NULL;
  for (uint32_t i = 0; i < tape->num_insts; i++) insts[i] = tape->insts[i];
  if (n->scaled) insts[n->convert].a = n->convert_from;
  outputs[0] = n->reg;
  t->insts = insts, t->outputs = outputs, t->num_outputs = 1;
  return t;
}

/* The chain to what is packed, whose registers are those of the tape. */
static bool find_packed(qn_ll *g, const qn_tape *tape, const uint8_t *vary, qn_ll_chains *c, uint32_t i) {
  const qn_tape *t = tape_to(g, tape, &c->narrow[i]);
  if (!t || !qn__ll_chain_find(g, t, vary, &c->chain[i])) return false;
  return c->chain[i].region.tape->num_insts == tape->num_insts;
}

static bool find_bytes(qn_ll *g, const qn_tape *tape, const uint8_t *vary, qn_scalar mem, qn_ll_chains *c) {
  uint32_t n = 0;
  const qn_ll_narrow *scaled = &c->narrow[0];
  if (qn__ll_narrow_find(g, tape, mem, &c->narrow[0]) && scaled->scaled && find_packed(g, tape, vary, c, 0) &&
      !(c->chain[0].region.vary[scaled->multiplier] & QN_LL_BY_ROW))
    n++;
  if (!qn__ll_narrow_find_plain(g, tape, mem, &c->narrow[n]) || !find_packed(g, tape, vary, c, n)) return false;
  c->count = n + 1;
  return true;
}

bool qn__ll_chains_find(qn_ll *g, const qn_tape *tape, const uint8_t *vary, qn_scalar mem, qn_ll_chains *out) {
  uint32_t bits = qn__ll_mem_bits(mem);
  *out = (qn_ll_chains){.count = 1, .bytes = bits == 8};
  if (tape->num_outputs != 1) return false;
  if (out->bytes) return find_bytes(g, tape, vary, mem, out);
  qn_treg type = tape->insts[tape->outputs[0]].type;
  bool words = (bits == 32 && (type == QN_TI32 || type == QN_TF32)) || (bits == 64 && type == QN_TF64);
  return words && qn__ll_chain_find(g, tape, vary, &out->chain[0]);
}
