/* BLOCK_GEMM: for each panel of 32 columns, for each tile of rows, sums of integers over a block and sums of floats
 * over all blocks in registers over the whole of K; then through a small buffer into the epilogue.
 *
 * The panel is one stream of memory. When all rows are one tile it is prefetched some way ahead, and weights that lie
 * in no cache further ahead into the second level, too; when there are more, the first two passes over a panel each
 * prefetch half of the next one. */
#include "block.h"

enum { LINE = 64, FURTHER = 16384 };

/* ---- prefetching ---- */

enum { FIRST_LEVEL = 3, SECOND_LEVEL = 2 };

static void fetch(qn_ll *g, LLVMValueRef at, uint32_t lines, uint32_t level) {
  for (uint32_t l = 0; l < lines; l++) {
    LLVMValueRef args[4] = {qn__ll_gep_const(g, at, (int64_t)l * LINE), qn__ll_i32(g, 0), qn__ll_i32(g, level),
                            qn__ll_i32(g, 1)};
    qn__ll_intrinsic(g, "llvm.prefetch", 1, &g->ptr, 4, args);
  }
}

/* Block `i` of a pass that stands at `here`. */
static void fetch_ahead(qn_ll_block *s, LLVMValueRef here, LLVMValueRef i, uint32_t rows) {
  qn_ll *g = s->g;
  qn_ll_if one, far, several;
  uint32_t lines = (uint32_t)((qn_bpack_bytes(&s->plan->weights) + LINE - 1) / LINE), half = (lines + 1) / 2;
  if (lines > 24) return; /* long blocks: their own loop reads in sequence */
  qn__ll_if_begin(g, &one, s->one_pass);
  fetch(g, qn__ll_gep_const(g, here, s->plan->ahead), lines, FIRST_LEVEL);
  qn__ll_if_begin(g, &far, s->far);
  fetch(g, qn__ll_gep_const(g, here, s->plan->ahead + FURTHER), lines, SECOND_LEVEL);
  qn__ll_if_end(g, &far);
  qn__ll_if_end(g, &one);
  qn__ll_if_begin(g, &several, LLVMBuildNot(g->b, s->one_pass, ""));
  LLVMValueRef later = LLVMBuildICmp(g->b, LLVMIntSGT, s->row, s->first_row, "");
  LLVMValueRef step = qn__ll_add(g, i, LLVMBuildSelect(g->b, later, s->blocks, qn__ll_i64(g, 0), ""));
  LLVMValueRef next = qn__ll_gep(g, s->b, qn__ll_mul(g, qn__ll_add(g, s->panel, qn__ll_i64(g, 1)), s->b_stride));
  fetch(g, qn__ll_gep(g, next, qn__ll_mul_const(g, step, (int64_t)half * LINE)), half,
        rows > 3 ? SECOND_LEVEL : FIRST_LEVEL);
  qn__ll_if_end(g, &several);
}

/* ---- products of integers ---- */

typedef struct tile {
  uint32_t rows;
  LLVMValueRef a[QN_LL_BLOCK_ROWS];                         /* rows, at the present block */
  LLVMValueRef b;                                           /* block of the panel, at the tile's columns */
  LLVMValueRef acc[QN_LL_BLOCK_ROWS * QN_LL_BLOCK_VECTORS]; /* integers */
  LLVMValueRef sum[QN_LL_BLOCK_ROWS * QN_LL_BLOCK_VECTORS]; /* floats */
  bool unshifted;                                           /* high codes have sums of their own, 16 times too large */
  LLVMValueRef high[QN_LL_BLOCK_VECTORS];
} tile;

static uint32_t count_of(const tile *t) {
  return t->rows * QN_LL_BLOCK_VECTORS;
}

/* Row `j` of codes: 4 k of the low half, and for 4-bit codes 4 k of the high half of the block. */
static void codes_row(qn_ll_block *s, tile *t, LLVMValueRef b, LLVMValueRef a_step, uint32_t j) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  LLVMValueRef raw[QN_LL_BLOCK_VECTORS], codes[QN_LL_BLOCK_VECTORS];
  uint32_t halves = qn_bpack_bits(l) == 4 ? 2 : 1;
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++)
    raw[v] = qn__ll_load_vec(g, s->ints, qn__ll_gep_const(g, b, ((int64_t)j * QN_BPACK_PANEL + v * s->lanes) * 4), 4);
  for (uint32_t h = 0; h < halves; h++) {
    LLVMValueRef *sums = h && t->unshifted ? t->high : t->acc;
    for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++)
      codes[v] = h && t->unshifted ? qn__ll_block_high(s, raw[v]) : qn__ll_block_codes(s, raw[v], h != 0);
    for (uint32_t r = 0; r < t->rows; r++) {
      LLVMValueRef a = a_step ? qn__ll_gep(g, t->a[r], a_step) : t->a[r];
      a = qn__ll_gep_const(g, a, (int64_t)j * 4 + (h ? l->block / 2 : 0));
      for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
        LLVMValueRef *acc = &sums[r * QN_LL_BLOCK_VECTORS + v];
        *acc = qn__ll_block_dot(s, *acc, codes[v], a);
      }
    }
  }
}

/* All rows of codes of a block: unrolled, or, of a long one, four at a time. */
static void codes_of_block(qn_ll_block *s, tile *t) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  uint32_t rows = l->block / (qn_bpack_bits(l) == 4 ? 8 : 4), step = rows % 4 ? 1 : 4;
  if (rows <= 8) {
    for (uint32_t j = 0; j < rows; j++) codes_row(s, t, t->b, NULL, j);
    return;
  }
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, rows), step, count_of(t), t->acc);
  LLVMValueRef b = qn__ll_gep(g, t->b, qn__ll_mul_const(g, f.i, QN_BPACK_PANEL * 4)),
               a_step = qn__ll_mul_const(g, f.i, 4);
  for (uint32_t j = 0; j < step; j++) codes_row(s, t, b, a_step, j);
  qn__ll_for_end(g, &f, t->acc);
}

/* sum = fma(f32(acc), a's scale * b's, sum) */
static void scale_block(qn_ll_block *s, tile *t) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  LLVMValueRef scales[QN_LL_BLOCK_VECTORS];
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
    LLVMValueRef columns = qn__ll_add(g, s->column, qn__ll_i64(g, v * s->lanes));
    LLVMValueRef at = qn__ll_gep_const(g, t->b, (int64_t)qn_bpack_scales_at(l));
    at = qn__ll_gep(g, at,
                    qn__ll_mul_const(g, s->column, (int64_t)qn_bpack_scale_bytes(l) - 4)); /* t->b moved by 4 each */
    scales[v] = qn__ll_block_scales(s, qn__ll_gep_const(g, at, (int64_t)v * s->lanes * qn_bpack_scale_bytes(l)));
    if (!qn_bpack_has_zeros(l)) continue;
    at = qn__ll_gep_const(g, t->b, (int64_t)qn_bpack_zeros_at(l));
    at = qn__ll_gep(g, qn__ll_gep(g, at, qn__ll_mul_const(g, s->column, -4)), columns);
    LLVMValueRef zeros = qn__ll_block_zero_vector(s, at);
    for (uint32_t r = 0; r < t->rows; r++) {
      LLVMValueRef *acc = &t->acc[r * QN_LL_BLOCK_VECTORS + v];
      *acc = qn__ll_block_zeros(s, *acc, zeros, qn__ll_gep_const(g, t->a[r], (int64_t)l->block + 4));
    }
  }
  for (uint32_t r = 0; r < t->rows; r++) {
    LLVMValueRef own = qn__ll_load_vec(g, g->f32, qn__ll_gep_const(g, t->a[r], l->block), 4);
    own = qn__ll_splat(g, own, s->lanes);
    for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
      uint32_t i = r * QN_LL_BLOCK_VECTORS + v;
      LLVMValueRef x = LLVMBuildSIToFP(g->b, t->acc[i], s->floats, "");
      t->sum[i] = qn__ll_fma(g, x, LLVMBuildFMul(g->b, own, scales[v], ""), t->sum[i], false, s->lanes);
    }
  }
}

static void block_step(qn_ll_block *s, tile *t) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  for (uint32_t r = 0; r < t->rows; r++) {
    LLVMValueRef start = qn__ll_bits(g, s->ints, 0);
    if (!qn_bpack_has_zeros(l)) {
      start = qn__ll_load_vec(g, g->i32, qn__ll_gep_const(g, t->a[r], (int64_t)l->block + 4), 4);
      start = qn__ll_splat(g, start, s->lanes);
    }
    for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) t->acc[r * QN_LL_BLOCK_VECTORS + v] = start;
  }
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) t->high[v] = qn__ll_bits(g, s->ints, 0);
  codes_of_block(s, t);
  for (uint32_t v = 0; t->unshifted && v < QN_LL_BLOCK_VECTORS; v++) {
    LLVMValueRef high = LLVMBuildAShr(g->b, t->high[v], qn__ll_bits(g, s->ints, 4), "");
    t->acc[v] = LLVMBuildAdd(g->b, t->acc[v], high, "");
  }
  scale_block(s, t);
}

/* Loops over blocks [start, end) with the sums carried. `body` finds t->a and t->b at its block. */
typedef void (*block_fn)(qn_ll_block *s, tile *t);

static void blocks_loop(qn_ll_block *s, tile *t, LLVMValueRef end, int64_t a_bytes, bool ahead, block_fn body) {
  qn_ll *g = s->g;
  uint32_t n = count_of(t);
  LLVMValueRef carried[QN_LL_MAX_CARRIED], rows[QN_LL_BLOCK_ROWS];
  qn_ll_for f;
  for (uint32_t i = 0; i < n; i++) carried[i] = t->sum[i];
  carried[n] = t->b;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), end, 1, n + 1, carried);
  for (uint32_t i = 0; i < n; i++) t->sum[i] = carried[i];
  t->b = carried[n];
  if (ahead) fetch_ahead(s, t->b, f.i, t->rows);
  LLVMValueRef at = qn__ll_mul_const(g, f.i, a_bytes);
  for (uint32_t r = 0; r < t->rows; r++) {
    rows[r] = t->a[r];
    t->a[r] = qn__ll_gep(g, rows[r], at);
  }
  body(s, t);
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = rows[r];
  for (uint32_t i = 0; i < n; i++) carried[i] = t->sum[i];
  carried[n] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, t->b, (int64_t)qn_bpack_bytes(&s->plan->weights)), "");
  qn__ll_for_end(g, &f, carried);
  for (uint32_t i = 0; i < n; i++) t->sum[i] = carried[i];
  t->b = carried[n];
}

/* ---- products of floats: one fma chain in ascending k ---- */

typedef struct float_block {
  LLVMValueRef scales[QN_LL_BLOCK_VECTORS], zeros[QN_LL_BLOCK_VECTORS];
} float_block;

static float_block read_scales(qn_ll_block *s, const tile *t) {
  float_block f;
  qn__ll_block_read_scales(s, qn__ll_gep(s->g, t->b, qn__ll_mul_const(s->g, s->column, -4)), f.scales, f.zeros);
  return f;
}

/* One k: its codes are bits shift .. of row j of codes, a element k of the rows' present block. */
static void float_step(qn_ll_block *s, tile *t, const float_block *f, LLVMValueRef j, LLVMValueRef shift,
                       LLVMValueRef k) {
  qn_ll *g = s->g;
  LLVMValueRef x[QN_LL_BLOCK_VECTORS], row = qn__ll_gep(g, t->b, qn__ll_mul_const(g, j, QN_BPACK_PANEL * 4));
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
    LLVMValueRef raw = qn__ll_load_vec(g, s->ints, qn__ll_gep_const(g, row, (int64_t)v * s->lanes * 4), 4);
    x[v] = qn__ll_block_float(s, raw, shift, f->scales[v], f->zeros[v]);
  }
  for (uint32_t r = 0; r < t->rows; r++) {
    LLVMValueRef a = qn__ll_load_vec(g, g->f32, qn__ll_gep(g, t->a[r], qn__ll_mul_const(g, k, 4)), 4);
    a = qn__ll_splat(g, a, s->lanes);
    for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
      LLVMValueRef *sum = &t->sum[r * QN_LL_BLOCK_VECTORS + v];
      *sum = qn__ll_fma(g, a, x[v], *sum, false, s->lanes);
    }
  }
}

static void float_block_step(qn_ll_block *s, tile *t) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  const float_block scales = read_scales(s, t);
  uint32_t halves = qn_bpack_bits(l) == 4 ? 2 : 1, rows = l->block / (4 * halves);
  for (uint32_t h = 0; h < halves; h++) {
    qn_ll_for f;
    qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, rows), 1, count_of(t), t->sum);
    LLVMValueRef first = qn__ll_add(g, qn__ll_mul_const(g, f.i, 4), qn__ll_i64(g, (int64_t)h * l->block / 2));
    for (uint32_t i = 0; i < 4; i++)
      float_step(s, t, &scales, f.i, qn__ll_i32(g, 8 * i + 4 * h), qn__ll_add(g, first, qn__ll_i64(g, i)));
    qn__ll_for_end(g, &f, t->sum);
  }
}

/* The last block, of which only `left` values of k exist: none of a's is read past them. */
static void float_tail(qn_ll_block *s, tile *t, LLVMValueRef left) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  bool narrow = qn_bpack_bits(l) == 4;
  qn_ll_for f;
  const float_block scales = read_scales(s, t);
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), left, 1, count_of(t), t->sum);
  LLVMValueRef kk = f.i, high = qn__ll_i64(g, 0), half = qn__ll_i64(g, l->block / 2);
  if (narrow) {
    LLVMValueRef upper = LLVMBuildICmp(g->b, LLVMIntSGE, f.i, half, "");
    kk = LLVMBuildSelect(g->b, upper, qn__ll_sub(g, f.i, half), f.i, "");
    high = LLVMBuildSelect(g->b, upper, qn__ll_i64(g, 4), high, "");
  }
  LLVMValueRef j = LLVMBuildLShr(g->b, kk, qn__ll_i64(g, 2), "");
  LLVMValueRef shift = qn__ll_mul_const(g, LLVMBuildAnd(g->b, kk, qn__ll_i64(g, 3), ""), 8);
  shift = LLVMBuildTrunc(g->b, qn__ll_add(g, shift, high), g->i32, "");
  float_step(s, t, &scales, j, shift, f.i);
  qn__ll_for_end(g, &f, t->sum);
}

static void float_product(qn_ll_block *s, tile *t) {
  qn_ll *g = s->g;
  LLVMValueRef block = qn__ll_i64(g, s->plan->weights.block), full = LLVMBuildUDiv(g->b, s->k_size, block, "");
  LLVMValueRef done = qn__ll_mul(g, full, block), left = qn__ll_sub(g, s->k_size, done);
  blocks_loop(s, t, full, (int64_t)s->plan->weights.block * 4, true, float_block_step);
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = qn__ll_gep(g, t->a[r], qn__ll_mul_const(g, done, 4));
  /* A block that does not exist is not read: the last one stands in for it and no k is. */
  LLVMValueRef none = LLVMBuildICmp(g->b, LLVMIntEQ, left, qn__ll_i64(g, 0), "");
  LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
  LLVMValueRef saved[QN_LL_BLOCK_ROWS * QN_LL_BLOCK_VECTORS];
  for (uint32_t i = 0; i < count_of(t); i++) saved[i] = t->sum[i];
  qn_ll_if tail;
  qn__ll_if_begin(g, &tail, LLVMBuildNot(g->b, none, ""));
  float_tail(s, t, left);
  LLVMBasicBlockRef after = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &tail);
  for (uint32_t i = 0; i < count_of(t); i++) {
    LLVMValueRef phi = LLVMBuildPhi(g->b, s->floats, ""), both[2] = {saved[i], t->sum[i]};
    LLVMBasicBlockRef from[2] = {before, after};
    LLVMAddIncoming(phi, both, from, 2);
    t->sum[i] = phi;
  }
}

/* ---- tiles ---- */

static void multiply(qn_ll_block *s, uint32_t rows, LLVMValueRef epilogue) {
  qn_ll *g = s->g;
  tile t = {.rows = rows, .unshifted = !s->plan->floats && qn__ll_block_unshifted(s, rows)};
  for (uint32_t r = 0; r < rows; r++)
    t.a[r] = qn__ll_gep(g, s->a, qn__ll_mul(g, qn__ll_add(g, s->row, qn__ll_i64(g, r)), s->a_stride));
  t.b = qn__ll_gep(g, s->b, qn__ll_mul(g, s->panel, s->b_stride));
  t.b = qn__ll_gep(g, t.b, qn__ll_mul_const(g, s->column, 4));
  for (uint32_t i = 0; i < count_of(&t); i++) t.sum[i] = LLVMConstNull(s->floats);
  if (s->plan->floats)
    float_product(s, &t);
  else
    blocks_loop(s, &t, s->blocks, (int64_t)s->plan->weights.block + 8, true, block_step);
  for (uint32_t i = 0; i < count_of(&t); i++)
    qn__ll_store_vec(g, t.sum[i], qn__ll_gep_const(g, s->sums, (int64_t)i * s->lanes * 4), 4);
  LLVMValueRef column = qn__ll_add(g, qn__ll_mul_const(g, s->panel, QN_BPACK_PANEL), s->column);
  qn__ll_epilogue_call(g, epilogue, s->sums, s->row, rows, column, QN_LL_BLOCK_VECTORS * s->lanes);
}

static void rows_loop(qn_ll_block *s, LLVMValueRef start, LLVMValueRef end, uint32_t rows, LLVMValueRef epilogue) {
  qn_ll_for f;
  qn__ll_for_begin(s->g, &f, start, end, rows, 0, NULL);
  s->row = f.i;
  multiply(s, rows, epilogue);
  qn__ll_for_end(s->g, &f, NULL);
}

static void start(qn_ll_block *s, const qn_body *body) {
  qn_ll *g = s->g;
  s->plan = &body->plan->u.block;
  s->lanes = g->isa->vector_bits / 32;
  s->ints = LLVMVectorType(g->i32, s->lanes);
  s->floats = LLVMVectorType(g->f32, s->lanes);
  s->bytes = LLVMVectorType(g->i8, s->lanes * 4);
  s->a = qn__ll_arg_ptr(g, 0);
  s->a_stride = qn__ll_arg_stride(g, 0);
  s->b_stride = qn__ll_arg_stride(g, 2);
  s->k_size = qn__ll_arg_size(g, 2);
  s->blocks = qn__ll_arg_size(g, 3);
  LLVMValueRef header = qn__ll_arg_ptr(g, 1);
  s->b = qn__ll_gep_const(g, header, (int64_t)qn_bpack_header(&s->plan->weights));
  qn__ll_block_table(s, header);
  s->sums = qn__ll_slot(g, g->i8, QN_LL_BLOCK_ROWS * QN_BPACK_PANEL * 4);
}

qn_status qn__ll_block_gemm(qn_ll *g, const qn_body *body) {
  qn_ll_block s = {.g = g};
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1);
  bool mixed = (body->rows & QN_ROWS_MIXED) && rows > 1;
  if (rows == 0 || rows > QN_LL_BLOCK_ROWS || QN_BPACK_PANEL * 32 % (g->isa->vector_bits * QN_LL_BLOCK_VECTORS))
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "tiles of blocks have 1 to %d rows", QN_LL_BLOCK_ROWS);
  start(&s, body);
  LLVMValueRef epilogue = qn__ll_epilogue_function(g, body, false, NULL, NULL);
  s.first_row = qn__ll_arg_begin(g, 0);
  LLVMValueRef end = qn__ll_arg_end(g, 0), count = qn__ll_sub(g, end, s.first_row), middle = end;
  s.one_pass = LLVMBuildICmp(g->b, LLVMIntSLE, count, qn__ll_i64(g, rows), "");
  LLVMValueRef bytes = qn__ll_mul(g, qn__ll_sub(g, qn__ll_arg_end(g, 1), qn__ll_arg_begin(g, 1)), s.b_stride);
  s.far = LLVMBuildICmp(g->b, LLVMIntSGE, bytes, qn__ll_i64(g, (int64_t)s.plan->gemm.far_bytes), "");
  if (mixed) { /* tiles = ceil(count / rows); all but count - tiles * (rows - 1) of them are one row lower */
    LLVMValueRef tiles = LLVMBuildUDiv(g->b, qn__ll_add(g, count, qn__ll_i64(g, rows - 1)), qn__ll_i64(g, rows), "");
    LLVMValueRef tall = qn__ll_sub(g, count, qn__ll_mul_const(g, tiles, (int64_t)rows - 1));
    middle = qn__ll_add(g, s.first_row, qn__ll_mul_const(g, tall, rows));
  }
  if (s.plan->floats) {
    qn_ll_if several;
    LLVMValueRef more = mixed ? LLVMConstInt(g->i1, 1, false) : LLVMBuildNot(g->b, s.one_pass, "");
    LLVMValueRef height = qn__ll_i64(g, rows), tiles = LLVMBuildUDiv(g->b, count, height, ""), tall = tiles;
    if (mixed) {
      tall = LLVMBuildUDiv(g->b, qn__ll_sub(g, middle, s.first_row), height, "");
      tiles = LLVMBuildUDiv(g->b, qn__ll_sub(g, end, middle), qn__ll_i64(g, rows - 1), "");
      tiles = qn__ll_add(g, tall, tiles);
    }
    qn__ll_if_begin(g, &several, more);
    qn__ll_block_slab(&s, rows, tall, tiles, epilogue);
    qn__ll_if_end(g, &several);
    if (mixed) return QN_OK; /* never of one tile */
    middle = LLVMBuildSelect(g->b, more, s.first_row, end, "");
  }
  qn_ll_for panels, groups;
  uint32_t width = QN_LL_BLOCK_VECTORS * s.lanes;
  qn__ll_for_begin(g, &panels, qn__ll_arg_begin(g, 1), qn__ll_arg_end(g, 1), 1, 0, NULL);
  s.panel = panels.i;
  s.column = qn__ll_i64(g, 0);
  if (width < QN_BPACK_PANEL) {
    qn__ll_for_begin(g, &groups, qn__ll_i64(g, 0), qn__ll_i64(g, QN_BPACK_PANEL), width, 0, NULL);
    s.column = groups.i;
  }
  rows_loop(&s, s.first_row, middle, rows, epilogue);
  if (mixed) rows_loop(&s, middle, end, rows - 1, epilogue);
  if (width < QN_BPACK_PANEL) qn__ll_for_end(g, &groups, NULL);
  qn__ll_for_end(g, &panels, NULL);
  return QN_OK;
}
