/* What the epilogue of a window as assembly needs of values by column: computed before the text runs, for some hundred
 * channels at a time. */
#include "window_write.h"

uint32_t qn__ll_window_values(const text *t) {
  return t->all.chain[0].num_columns + (t->all.count > 1 ? t->all.chain[1].num_columns : 0);
}

/* Of a panel whose channels stand apart vector j has those of 16 L + 4 j .. + 3 in its 128-bit lane L; it has a byte
 * for each channel, and where it is of several pixels all of that as many times. */
static void store_apart(text *t, LLVMValueRef v, LLVMValueRef values, LLVMValueRef at, uint32_t panel) {
  qn_ll *g = t->g;
  LLVMValueRef within = LLVMBuildAnd(g->b, at, qn__ll_i64(g, (int64_t)panel - 1), "");
  LLVMValueRef block = qn__ll_mul(g, qn__ll_sub(g, at, within), qn__ll_i64(g, 4));
  LLVMValueRef to = qn__ll_gep(g, values, qn__ll_add(g, block, within));
  for (uint32_t j = 0; j < 4; j++) {
    LLVMValueRef picks[4];
    for (uint32_t i = 0; i < 4; i++) picks[i] = qn__ll_i32(g, 4 * j + i);
    LLVMValueRef lane = LLVMBuildShuffleVector(g->b, v, v, LLVMConstVector(picks, 4), "");
    for (uint32_t k = 0; k < t->at_once; k++)
      qn__ll_store_vec(g, lane, qn__ll_gep_const(g, to, (int64_t)j * t->vector_bytes + k * panel), 4);
  }
}

/* Those of a vector, from `first` + f.i on; whether packs may be used for it, if there is a question. */
static LLVMValueRef vector_columns(text *t, LLVMValueRef first, LLVMValueRef at, LLVMValueRef mask, uint32_t apart) {
  qn_ll *g = t->g;
  uint32_t before = 0;
  for (uint32_t k = 0; k < t->all.count; k++) {
    qn_ll_chain *c = &t->all.chain[k];
    qn__ll_region_load(&c->region, QN_LL_BY_LANE, t->places, qn__ll_add(g, first, at), g->lanes, mask);
    qn__ll_region_emit(&c->region, QN_LL_BY_LANE, 0, 0, g->lanes);
    for (uint32_t i = 0; i < c->num_columns; i++, before++) {
      LLVMValueRef v = qn__ll_region_get(&c->region, c->columns[i], g->lanes);
      LLVMValueRef values = qn__ll_gep_const(g, t->table, before * CHANNELS * t->value_bytes);
      if (apart)
        store_apart(t, v, values, at, apart);
      else
        qn__ll_store_vec(g, v, qn__ll_gep(g, values, qn__ll_mul(g, at, qn__ll_i64(g, t->value_bytes))), 4);
    }
  }
  if (t->all.count < 2) return NULL;
  LLVMValueRef m = qn__ll_region_get(&t->all.chain[0].region, t->all.narrow[0].multiplier, g->lanes);
  return qn__ll_narrow_check(g, 1, &m);
}

/* Values by column of `count` channels: in a function that is compiled slowly, as they are a good part of a small
 * image. */
void qn__ll_window_set_values(text *t, LLVMValueRef first, LLVMValueRef count, uint32_t apart) {
  qn_ll *g = t->g;
  qn_ll_outline o;
  qn_ll_for f;
  bool check = t->all.count > 1;
  if (qn__ll_window_values(t) == 0 && !check) return;
  qn__ll_outline_begin(g, &o, "columns");
  LLVMValueRef lanes = qn__ll_i64(g, g->lanes), good = qn__ll_i64(g, 1), end = count;
  /* All of a panel is computed with: what is past its channels must not be such as takes long, which tiny floats do. */
  if (apart)
    end = LLVMBuildAnd(g->b, qn__ll_add(g, count, qn__ll_i64(g, apart - 1)), qn__ll_i64(g, -(int64_t)apart), "");
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), end, g->lanes, check ? 1 : 0, &good);
  LLVMValueRef mask = NULL;
  /* Vectors of f64 have fewer channels than are computed at once. */
  if (t->plan->tile.text_masks || t->value_bytes > 4) {
    LLVMValueRef left = qn__ll_sub(g, count, f.i), zero = qn__ll_i64(g, 0);
    left = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, left, zero, ""), left, zero, "");
    mask = qn__ll_mask(g, qn__ll_min(g, left, lanes));
  }
  LLVMValueRef fits = vector_columns(t, first, f.i, mask, apart);
  if (check) good = LLVMBuildAnd(g->b, good, LLVMBuildZExt(g->b, fits, g->i64, ""), "");
  qn__ll_for_end(g, &f, &good);
  if (check) set(t, PACKED, good);
  qn__ll_outline_end(g, &o);
}
