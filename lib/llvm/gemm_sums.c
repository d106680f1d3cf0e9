/* The sums of one tile, in registers over all of K. */
#include "gemm_impl.h"

static void copy_values(LLVMValueRef *to, const LLVMValueRef *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) to[i] = from[i];
}

/* One block where the row operands are the fewer: they stay in registers, and each vector of B is used up at once. */
static void block_by_columns(qn_ll_tile *t, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                             LLVMValueRef *shared, LLVMValueRef *acc) {
  qn_ll_operand a[QN_LL_MAX_OPERANDS], b;
  for (uint32_t r = 0; r < t->acc_rows; r++) t->dot->load_a(t, r, block, j, blocks, partial, &shared[r], &a[r]);
  for (uint32_t v = 0; v < t->vectors; v++) {
    t->dot->load_b(t, v, j, &b);
    for (uint32_t r = 0; r < t->acc_rows; r++)
      acc[r * t->vectors + v] = t->dot->madd(t, acc[r * t->vectors + v], &a[r], &b);
  }
}

static void blocks_step(qn_ll_tile *t, LLVMValueRef block, uint32_t blocks, bool partial) {
  if (t->dot->step && !partial && blocks == t->dot->shares) {
    t->dot->step(t, block, blocks);
    return;
  }
  LLVMValueRef shared[QN_LL_MAX_OPERANDS] = {0};
  for (uint32_t j = 0; j < blocks; j++) {
    qn_ll_operand b[QN_LL_MAX_VECTORS], a;
    LLVMValueRef *acc = t->acc + (size_t)(j % t->sets) * t->acc_rows * t->vectors;
    if (t->dot->by_columns) {
      block_by_columns(t, block, j, blocks, partial, shared, acc);
      continue;
    }
    for (uint32_t v = 0; v < t->vectors; v++) t->dot->load_b(t, v, j, &b[v]);
    for (uint32_t r = 0; r < t->acc_rows; r++) {
      t->dot->load_a(t, r, block, j, blocks, partial, &shared[r], &a);
      for (uint32_t v = 0; v < t->vectors; v++)
        acc[r * t->vectors + v] = t->dot->madd(t, acc[r * t->vectors + v], &a, &b[v]);
    }
  }
}

/* Rows of tall tiles in groups of three, so that one register per group and one for the stride address them all. */
enum { FEW_ROWS = 5, ROW_GROUP = 3, MOST_GROUPS = (QN_LL_MAX_ROWS + ROW_GROUP - 1) / ROW_GROUP };

/* The rows' addresses at the present block, from those of each group's first row. */
static void group_rows(gemm_state *s, LLVMValueRef *groups) {
  qn_ll *g = s->g;
  for (uint32_t r = 0; r < s->tile.rows; r++) {
    uint32_t within = r % ROW_GROUP;
    LLVMValueRef offset = within == 2 ? LLVMBuildShl(g->b, s->a_stride, qn__ll_i64(g, 1), "") : s->a_stride;
    s->tile.a[r] = within ? qn__ll_gep(g, groups[r / ROW_GROUP], offset) : groups[r / ROW_GROUP];
  }
}

/* Blocks start .. end-1, `unroll` at a time, one turn in any case with `once`. The panels' pointers move along and
 * are left after the last block. */
static void blocks_loop(gemm_state *s, LLVMValueRef start, LLVMValueRef end, uint32_t unroll, bool once) {
  qn_ll_tile *t = &s->tile;
  qn_ll *g = t->g;
  uint32_t sums = t->acc_rows * t->vectors * (unroll >= t->sets ? t->sets : 1), n = sums + t->panels;
  int64_t bytes = (int64_t)t->plan->layout.panel_width * t->plan->layout.k_block * qn__ll_mem_bits(t->plan->rhs) / 8;
  int64_t a_bytes = (int64_t)t->plan->layout.k_block * qn__ll_mem_bits(t->plan->lhs) / 8;
  bool fetch = s->fetch.ahead != NULL, grouped = t->rows > FEW_ROWS && !s->plan->window;
  uint32_t groups = grouped ? (t->rows + ROW_GROUP - 1) / ROW_GROUP : 0, first_group = n + fetch;
  LLVMValueRef carried[QN_LL_MAX_CARRIED], rows[QN_LL_MAX_ROWS];
  LLVMValueRef ahead_step = fetch ? qn__ll_mul(g, s->fetch.ahead_step, qn__ll_i64(g, unroll)) : NULL;
  qn_ll_for f;
  copy_values(rows, t->a, t->rows);
  copy_values(carried, t->acc, sums);
  copy_values(carried + sums, t->b, t->panels);
  if (fetch) carried[n] = s->fetch.ahead;
  for (uint32_t i = 0; i < groups; i++)
    carried[first_group + i] = qn__ll_gep(g, t->a[i * ROW_GROUP], qn__ll_mul(g, start, qn__ll_i64(g, a_bytes)));
  (once ? qn__ll_do_begin : qn__ll_for_begin)(g, &f, start, end, unroll, first_group + groups, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  LLVMValueRef ahead = fetch ? carried[n] : NULL, at[MOST_GROUPS];
  copy_values(at, carried + first_group, groups);
  if (fetch) qn__ll_gemm_fetch(s, f.i, unroll, ahead);
  if (grouped) group_rows(s, at);
  blocks_step(t, grouped ? qn__ll_i64(g, 0) : f.i, unroll, false);
  for (uint32_t p = 0; p < t->panels; p++)
    carried[sums + p] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, t->b[p], bytes * unroll), "");
  if (fetch) carried[n] = LLVMBuildFreeze(g->b, qn__ll_gep(g, ahead, ahead_step), "");
  for (uint32_t i = 0; i < groups; i++)
    carried[first_group + i] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, at[i], a_bytes * unroll), "");
  copy_values(carried, t->acc, sums);
  qn__ll_for_end(g, &f, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  copy_values(t->a, rows, t->rows);
  if (fetch) s->fetch.ahead = carried[n];
}

/* ---- partial blocks ---- */

/* Rows' partial blocks are kept as words where ways to multiply take them so. */
static bool keeps_tails(const qn_gemm_plan *p) {
  uint32_t bits = qn__ll_mem_bits(p->lhs) * p->layout.k_block;
  return !p->lhs_padded && p->layout.k_block > 1 && !qn__ll_mem_float(p->lhs) && (bits == 32 || bits == 64);
}

static LLVMTypeRef word_type(qn_ll *g, const qn_gemm_plan *plan) {
  return LLVMIntTypeInContext(g->ctx, qn__ll_mem_bits(plan->lhs) * plan->layout.k_block);
}

/* Fewer bytes than a word has: each, and the last one for those that are not there. */
static LLVMValueRef short_row(qn_ll *g, LLVMTypeRef type, LLVMValueRef row, LLVMValueRef bytes) {
  LLVMValueRef word = LLVMConstNull(type), last = qn__ll_sub(g, bytes, qn__ll_i64(g, 1));
  for (uint32_t i = 0; i + 1 < LLVMGetIntTypeWidth(type) / 8; i++) {
    LLVMValueRef at = i ? qn__ll_min(g, qn__ll_i64(g, i), last) : qn__ll_i64(g, 0);
    LLVMValueRef x = LLVMBuildZExt(g->b, qn__ll_load_vec(g, g->i8, qn__ll_gep(g, row, at), 1), type, "");
    LLVMValueRef shift = LLVMBuildIntCast2(g->b, qn__ll_mul(g, at, qn__ll_i64(g, 8)), type, false, "");
    word = LLVMBuildOr(g->b, word, LLVMBuildShl(g->b, x, shift, ""), "");
  }
  return word;
}

/* The last, partial block of each row as a word, zeros above. Its bytes are the top ones of the word that ends where
 * the row ends; rows shorter than a word are put together. Nothing outside the row is read. */
static void keep_tails(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  qn_ll_if some, whole, shorter;
  LLVMTypeRef type = word_type(g, s->plan);
  int64_t size = (int64_t)LLVMGetIntTypeWidth(type) / 8;
  LLVMValueRef bytes = qn__ll_mul(g, t->k_size, qn__ll_i64(g, qn__ll_mem_bits(s->plan->lhs) / 8));
  LLVMValueRef word = qn__ll_i64(g, size), rest = LLVMBuildAnd(g->b, bytes, qn__ll_i64(g, size - 1), "");
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSGT, s->all_blocks, s->full_blocks, ""));
  qn__ll_if_begin(g, &whole, LLVMBuildICmp(g->b, LLVMIntSGE, bytes, word, ""));
  LLVMValueRef shift =
      LLVMBuildAnd(g->b, qn__ll_mul(g, qn__ll_sub(g, word, rest), qn__ll_i64(g, 8)), qn__ll_i64(g, 8 * size - 1), "");
  shift = LLVMBuildIntCast2(g->b, shift, type, false, "");
  for (uint32_t r = 0; r < t->rows; r++) {
    LLVMValueRef x = qn__ll_load_vec(g, type, qn__ll_gep(g, t->a[r], qn__ll_sub(g, bytes, word)), 1);
    qn__ll_store_vec(g, LLVMBuildLShr(g->b, x, shift, ""), qn__ll_gep_const(g, t->tails, size * r), 1);
  }
  qn__ll_if_end(g, &whole);
  qn__ll_if_begin(g, &shorter, LLVMBuildICmp(g->b, LLVMIntSLT, bytes, word, ""));
  for (uint32_t r = 0; r < t->rows; r++)
    qn__ll_store_vec(g, short_row(g, type, t->a[r], bytes), qn__ll_gep_const(g, t->tails, size * r), 1);
  qn__ll_if_end(g, &shorter);
  qn__ll_if_end(g, &some);
}

/* The last block where it is a partial one. As a loop it would have what it reads taken out of it by LLVM, for which
 * registers are lacking. */
static void partial_block(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  qn_ll_if some;
  uint32_t sums = t->acc_rows * t->vectors;
  int64_t bytes = (int64_t)t->plan->layout.panel_width * t->plan->layout.k_block * qn__ll_mem_bits(t->plan->rhs) / 8;
  LLVMValueRef before[QN_LL_MAX_CARRIED], b[QN_LL_MAX_VECTORS];
  copy_values(before, t->acc, sums);
  copy_values(b, t->b, t->panels);
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b)};
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSGT, s->all_blocks, s->full_blocks, ""));
  blocks_step(t, s->full_blocks, 1, true);
  for (uint32_t p = 0; p < t->panels; p++) t->b[p] = qn__ll_gep_const(g, t->b[p], bytes);
  from[1] = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &some);
  for (uint32_t i = 0; i < sums + t->panels; i++) {
    LLVMValueRef *x = i < sums ? &t->acc[i] : &t->b[i - sums];
    LLVMValueRef both[2] = {i < sums ? before[i] : b[i - sums], *x};
    *x = LLVMBuildPhi(g->b, LLVMTypeOf(both[0]), "");
    LLVMAddIncoming(*x, both, from, 2);
  }
}

/* K of the rows, or of one segment of them. */
static void accumulate_run(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  bool partial = !s->plan->lhs_padded && s->plan->layout.k_block > 1;
  LLVMValueRef done = qn__ll_i64(g, 0), blocks = partial ? s->full_blocks : s->all_blocks;
  if (qn__ll_gemm_text_serves(s)) {
    qn__ll_gemm_text_run(s);
    return;
  }
  if (partial && t->tails) keep_tails(s);
  /* Without a loop for what is left over, which is as much code as a turn of one block and never run. */
  if (s->plan->turns_of && s->plan->turns_of % t->unroll == 0) {
    blocks_loop(s, done, blocks, t->unroll, true);
    return;
  }
  if (t->unroll > 1) {
    LLVMValueRef whole = LLVMBuildAnd(g->b, blocks, qn__ll_i64(g, -(int64_t)t->unroll), "");
    blocks_loop(s, done, whole, t->unroll, false);
    done = whole;
  }
  blocks_loop(s, done, blocks, 1, t->unroll == 1 && !partial && !s->plan->window);
  if (partial) partial_block(s);
}

/* Inside a loop over segments: sums, the panels' pointers and what is prefetched are carried around it, rows move by
 * `step` bytes; or granules, whose rows are so many values of k from the first as the list says. */
static void segments_loop(gemm_state *s, LLVMValueRef count, LLVMValueRef step, LLVMValueRef list,
                          void (*inner)(gemm_state *)) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  uint32_t sums = t->acc_rows * t->vectors * t->sets, n = sums + t->panels;
  LLVMValueRef carried[QN_LL_MAX_CARRIED], first[QN_LL_MAX_ROWS];
  qn_ll_for f;
  copy_values(first, t->a, t->rows);
  copy_values(carried, t->acc, sums);
  copy_values(carried + sums, t->b, t->panels);
  carried[n] = s->fetch.ahead;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), count, 1, n + (s->fetch.ahead ? 1 : 0), carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  if (s->fetch.ahead) s->fetch.ahead = carried[n];
  LLVMValueRef at = f.i;
  if (list) {
    at = qn__ll_load_vec(g, g->i32, qn__ll_gep(g, list, qn__ll_mul(g, f.i, qn__ll_i64(g, 4))), 4);
    at = LLVMBuildZExt(g->b, at, g->i64, "");
  }
  LLVMValueRef offset = qn__ll_mul(g, at, step);
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = qn__ll_gep(g, first[r], offset);
  inner(s);
  copy_values(carried, t->acc, sums);
  copy_values(carried + sums, t->b, t->panels);
  carried[n] = s->fetch.ahead;
  qn__ll_for_end(g, &f, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  copy_values(t->a, first, t->rows);
  if (s->fetch.ahead) s->fetch.ahead = carried[n];
}

static void inner_segments(gemm_state *s) {
  if (s->plan->window_inner)
    segments_loop(s, s->image[6], s->image[11], NULL, accumulate_run);
  else
    accumulate_run(s);
}

static LLVMValueRef granule_number(gemm_state *s, LLVMValueRef index) {
  qn_ll *g = s->g;
  LLVMValueRef at = qn__ll_gep(g, s->b, qn__ll_mul(g, index, qn__ll_i64(g, 4)));
  return LLVMBuildZExt(g->b, qn__ll_load_vec(g, g->i32, at, 4), g->i64, "");
}

static LLVMValueRef granules_at(gemm_state *s, LLVMValueRef index) {
  qn_ll *g = s->g;
  const qn_layout *l = &s->plan->layout;
  int64_t bytes = (int64_t)l->granule * l->panel_width * qn__ll_mem_bits(s->plan->rhs) / 8;
  return qn__ll_gep(g, qn__ll_gep(g, s->b, qn__ll_arg_size(g, 3)), qn__ll_mul(g, index, qn__ll_i64(g, bytes)));
}

gemm_granules qn__ll_gemm_granules(gemm_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef width = qn__ll_i64(g, s->plan->layout.panel_width), one = qn__ll_i64(g, 1);
  LLVMValueRef panels = LLVMBuildUDiv(g->b, qn__ll_add(g, qn__ll_arg_size(g, 1), qn__ll_sub(g, width, one)), width, "");
  LLVMValueRef from = granule_number(s, s->panel), to = granule_number(s, qn__ll_add(g, s->panel, one));
  LLVMValueRef first = qn__ll_add(g, qn__ll_add(g, panels, one), from);
  LLVMValueRef list = qn__ll_gep(g, s->b, qn__ll_mul(g, first, qn__ll_i64(g, 4)));
  return (gemm_granules){list, qn__ll_sub(g, to, from), granules_at(s, from)};
}

static void accumulate_granules(gemm_state *s, const gemm_granules *some) {
  qn_ll *g = s->g;
  const qn_layout *l = &s->plan->layout;
  gemm_state outer = *s;
  s->full_blocks = s->all_blocks = qn__ll_i64(g, l->granule / l->k_block);
  segments_loop(s, some->count, qn__ll_i64(g, qn__ll_mem_bits(s->plan->lhs) / 8), some->list, accumulate_run);
  s->full_blocks = outer.full_blocks, s->all_blocks = outer.all_blocks;
}

/* Where accumulators are something else than the sums of their rows, start values are added in the end. */
static bool starts_plainly(const qn_ll_dot *dot) {
  return !dot->finish && !dot->more && !dot->even;
}

static LLVMValueRef start_value(gemm_state *s, LLVMValueRef row, uint32_t v) {
  int64_t bytes = (int64_t)s->tile.acc_lanes * qn__ll_mem_bits(s->plan->acc) / 8;
  return qn__ll_load_vec(s->g, s->tile.acc_type, qn__ll_gep_const(s->g, row, v * bytes), 1);
}

/* Rows after the first start from memory of their own where an earlier piece left it. (Loading all in any case is
 * slower by half a tile's stores, which loads that look alike to the processor wait for.) */
static void resume_rows(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  qn_ll_if again;
  LLVMValueRef left[QN_LL_MAX_ACC], row = s->start;
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b)};
  uint32_t count = t->rows * t->vectors;
  qn__ll_if_begin(g, &again, LLVMBuildICmp(g->b, LLVMIntNE, s->start_pitch, qn__ll_i64(g, 0), ""));
  from[1] = LLVMGetInsertBlock(g->b);
  for (uint32_t i = t->vectors; i < count; i++) {
    if (i % t->vectors == 0) row = qn__ll_gep(g, row, s->start_pitch);
    left[i] = start_value(s, row, i % t->vectors);
  }
  qn__ll_if_end(g, &again);
  for (uint32_t i = t->vectors; i < count; i++) {
    LLVMValueRef both[2] = {t->acc[i], left[i]}, x = LLVMBuildPhi(g->b, t->acc_type, "");
    LLVMAddIncoming(x, both, from, 2);
    t->acc[i] = x;
  }
}

static void begin_sums(gemm_state *s) {
  qn_ll_tile *t = &s->tile;
  uint32_t count = t->acc_rows * t->vectors;
  for (uint32_t i = 0; i < count * t->sets; i++) t->acc[i] = LLVMConstNull(t->acc_type);
  if (!s->start || !starts_plainly(t->dot)) return;
  for (uint32_t v = 0; v < t->vectors; v++) {
    LLVMValueRef x = start_value(s, s->start, v);
    for (uint32_t r = 0; r < t->rows; r++) t->acc[r * t->vectors + v] = x;
  }
  if (s->start_pitch) resume_rows(s);
}

static void keep_sums(gemm_state *s) {
  qn_ll_tile *t = &s->tile;
  uint32_t count = t->acc_rows * t->vectors;
  int64_t bytes = (int64_t)t->acc_lanes * qn__ll_mem_bits(s->plan->acc) / 8;
  for (uint32_t i = count; i < count * t->sets; i++)
    t->acc[i % count] = LLVMBuildAdd(s->g->b, t->acc[i % count], t->acc[i], "");
  if (t->dot->finish) t->dot->finish(t);
  for (uint32_t v = 0; s->start && !starts_plainly(t->dot) && v < t->vectors; v++) {
    LLVMValueRef x = start_value(s, s->start, v);
    for (uint32_t r = 0; r < t->rows; r++)
      t->acc[r * t->vectors + v] = LLVMBuildAdd(s->g->b, t->acc[r * t->vectors + v], x, "");
  }
  for (uint32_t i = 0; i < t->rows * t->vectors; i++)
    qn__ll_store_vec(s->g, t->acc[i], qn__ll_gep_const(s->g, s->sums, i * bytes), 1);
}

static void row_addresses(gemm_state *s) {
  qn_ll_tile *t = &s->tile;
  if (s->places.some) {
    qn__ll_gemm_places_rows(s);
    return;
  }
  t->a[0] = s->a;
  for (uint32_t r = 1; r < t->rows; r++) t->a[r] = qn__ll_gep(s->g, t->a[r - 1], s->a_stride);
}

void qn__ll_gemm_sums(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  const qn_layout *l = &s->plan->layout;
  LLVMValueRef block = qn__ll_i64(g, l->k_block), up = qn__ll_i64(g, l->k_block - 1);
  s->full_blocks = LLVMBuildUDiv(g->b, t->k_size, block, "");
  s->all_blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, t->k_size, up), block, "");
  t->tails = keeps_tails(s->plan) && !qn__ll_gemm_text_serves(s) ? qn__ll_slot(g, g->i64, QN_LL_MAX_ROWS) : NULL;
  if (!s->places.pads) row_addresses(s);
  if (s->fetch.a_step) s->fetch.a = qn__ll_gep(g, t->a[t->rows - 1], s->a_stride);
  gemm_granules granules = {NULL, NULL, NULL};
  if (l->granule) granules = qn__ll_gemm_granules(s);
  t->b[0] = l->granule ? qn__ll_gemm_columns(s, granules.values) : s->b;
  for (uint32_t p = 1; p < t->panels; p++) t->b[p] = qn__ll_gep(g, t->b[p - 1], s->b_stride);
  if (!s->places.pads) begin_sums(s);
  if (l->granule)
    accumulate_granules(s, &granules);
  else if (s->places.pads)
    qn__ll_gemm_places_loop(s, begin_sums, accumulate_run);
  else if (s->plan->window)
    segments_loop(s, s->image[5], s->image[10], NULL, inner_segments);
  else
    accumulate_run(s);
  keep_sums(s);
}
