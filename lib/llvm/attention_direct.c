/* ATTENTION of one or two queries of codes: each key is multiplied where it lies, 64 codes of it by 64 of the query at
 * once, and each value where it lies, four keys' rows at once. Bringing a block into layouts first, as is right for
 * more queries, would take several times as long as multiplying it.
 *
 * Queries are signed here, and keys made unsigned by adding 128, of which the sums' first value takes 128 times the
 * query's codes away again: so sums over keys' codes, which unsigned queries need, are never taken. */
#include "attention.h"

enum { CODES = 64, KEYS = 16, QUAD = 4 };

bool qn__ll_attention_direct(const qn_ll_attention *t) {
  const qn_ll *g = t->g;
  const qn_attention_plan *p = t->plan;
  return p->direct && t->rows <= QN_ATTENTION_DIRECT_ROWS && g->x86 && g->masked && g->lanes == 16 &&
         (g->isa->has & QN_ISA_DOT8);
}

static LLVMValueRef dot(qn_ll *g, LLVMValueRef sums, LLVMValueRef u, LLVMValueRef s) {
  LLVMValueRef args[3] = {sums, u, s};
  return qn__ll_target_intrinsic(g, "llvm.x86.avx512.vpdpbusd.512", LLVMVectorType(g->i32, KEYS), 3, args);
}

/* ---- scores ---- */

typedef struct keys {
  qn_ll_attention *t;
  LLVMValueRef k, d;
  uint32_t chunks;   /* of a key, the last of which may not be whole */
  LLVMValueRef rest; /* which codes of that there are */
  LLVMValueRef q[QN_ATTENTION_DIRECT_ROWS][QN_ATTENTION_DIRECT_CODES / CODES], start[QN_ATTENTION_DIRECT_ROWS];
} keys;

static LLVMValueRef chunk(keys *w, LLVMValueRef row, uint32_t i) {
  qn_ll *g = w->t->g;
  const qn_ll_place at = {QN_I8, QN_ACCESS_DENSE, row, NULL};
  return qn__ll_load(g, &at, qn__ll_i64(g, (int64_t)i * CODES), CODES, i + 1 == w->chunks ? w->rest : NULL);
}

static void prepare(keys *w, LLVMValueRef q, LLVMValueRef q_row) {
  qn_ll *g = w->t->g;
  LLVMTypeRef bytes = LLVMVectorType(g->i8, CODES), sums = LLVMVectorType(g->i32, KEYS);
  uint32_t whole = w->t->plan->d / CODES, more = w->t->plan->d % CODES;
  w->chunks = whole + (more != 0);
  w->rest = NULL;
  if (more) {
    LLVMValueRef lanes[CODES];
    for (uint32_t i = 0; i < CODES; i++) lanes[i] = LLVMConstInt(g->i1, i < more, false);
    w->rest = LLVMConstVector(lanes, CODES);
  }
  for (uint32_t r = 0; r < w->t->rows; r++) {
    LLVMValueRef row = qn__ll_gep(g, q, qn__ll_mul(g, qn__ll_i64(g, r), q_row)), all = LLVMConstNull(sums);
    for (uint32_t i = 0; i < w->chunks; i++) {
      w->q[r][i] = chunk(w, row, i);
      all = dot(g, all, qn__ll_bits(g, bytes, 0x80), w->q[r][i]);
    }
    w->start[r] = LLVMBuildSub(g->b, LLVMConstNull(sums), all, "");
  }
}

/* Sums of KEYS keys from `first` of the block on. */
static void some_keys(keys *w, LLVMValueRef first, bool part) {
  qn_ll_attention *t = w->t;
  qn_ll *g = t->g;
  LLVMValueRef sums[QN_ATTENTION_DIRECT_ROWS][KEYS], flip = qn__ll_bits(g, LLVMVectorType(g->i8, CODES), 0x80);
  LLVMValueRef last = qn__ll_sub(g, t->keys, qn__ll_i64(g, 1)), from = qn__ll_add(g, t->block, first);
  LLVMValueRef base = qn__ll_gep(g, w->k, qn__ll_mul(g, from, w->d));
  for (uint32_t j = 0; j < KEYS; j++) {
    LLVMValueRef row = qn__ll_gep_const(g, base, (int64_t)j * t->plan->d);
    if (part) {
      LLVMValueRef key = qn__ll_min(g, qn__ll_add(g, from, qn__ll_i64(g, j)), last);
      row = qn__ll_gep(g, w->k, qn__ll_mul(g, key, w->d));
    }
    for (uint32_t r = 0; r < t->rows; r++) sums[r][j] = w->start[r];
    for (uint32_t i = 0; i < w->chunks; i++) {
      LLVMValueRef k = LLVMBuildXor(g->b, chunk(w, row, i), flip, "");
      for (uint32_t r = 0; r < t->rows; r++) sums[r][j] = dot(g, sums[r][j], k, w->q[r][i]);
    }
  }
  for (uint32_t r = 0; r < t->rows; r++) {
    LLVMValueRef to = qn__ll_gep_const(g, t->memory, t->at.scores + (int64_t)r * t->plan->key_block * 4);
    qn__ll_store_vec(g, qn__ll_attention_fold_vectors(g, sums[r], QN_LL_FOLD_ADD),
                     qn__ll_gep(g, to, qn__ll_mul(g, first, qn__ll_i64(g, 4))), 4);
  }
}

static void all_keys(keys *w, bool part) {
  qn_ll *g = w->t->g;
  qn_ll_for f;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, w->t->plan->key_block), KEYS, 0, NULL);
  some_keys(w, f.i, part);
  qn__ll_for_end(g, &f, NULL);
}

void qn__ll_attention_direct_scores(qn_ll_attention *t, LLVMValueRef q, LLVMValueRef q_row, LLVMValueRef k) {
  qn_ll *g = t->g;
  keys w = {.t = t, .k = k, .d = qn__ll_i64(g, t->plan->d)};
  LLVMValueRef end = qn__ll_add(g, t->block, qn__ll_i64(g, t->plan->key_block));
  LLVMValueRef whole = LLVMBuildICmp(g->b, LLVMIntSLE, end, t->keys, "");
  qn_ll_if yes, no;
  prepare(&w, q, q_row);
  qn__ll_if_begin(g, &yes, whole);
  all_keys(&w, false);
  qn__ll_if_end(g, &yes);
  qn__ll_if_begin(g, &no, LLVMBuildNot(g->b, whole, ""));
  all_keys(&w, true);
  qn__ll_if_end(g, &no);
}

/* ---- values ---- */

typedef struct values {
  qn_ll_attention *t;
  LLVMValueRef v;     /* the present columns of the first value */
  LLVMValueRef *sums; /* per row four vectors; vector j has columns 16 L + 4 j .. + 3 in its 128-bit lane L */
} values;

/* Bytes of the 128-bit lanes of a and b in turns, `size` of them at a time: of the lower halves, or the upper ones. */
static LLVMValueRef mixed(qn_ll *g, LLVMValueRef a, LLVMValueRef b, uint32_t size, bool upper) {
  LLVMValueRef picks[CODES];
  for (uint32_t i = 0; i < CODES; i++) {
    uint32_t lane = i / 16 * 16, at = i % 16, from = at / (2 * size) * size + at % size + (upper ? 8 : 0);
    picks[i] = qn__ll_i32(g, lane + from + (at / size % 2 ? CODES : 0));
  }
  return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(picks, CODES), "");
}

/* Four keys from `first` of the block on; `part`: some may be missing, whose codes are 0. */
static void quad(values *w, LLVMValueRef first, bool part) {
  qn_ll_attention *t = w->t;
  qn_ll *g = t->g;
  LLVMTypeRef bytes = LLVMVectorType(g->i8, CODES), dwords = LLVMVectorType(g->i32, KEYS);
  LLVMValueRef row[QUAD], half[QUAD], last = qn__ll_sub(g, t->keys, qn__ll_i64(g, 1));
  for (uint32_t i = 0; i < QUAD; i++) {
    LLVMValueRef key = qn__ll_add(g, qn__ll_add(g, t->block, first), qn__ll_i64(g, i));
    if (part) key = qn__ll_min(g, key, last);
    row[i] = qn__ll_load_vec(g, bytes, qn__ll_gep(g, w->v, qn__ll_mul(g, key, qn__ll_i64(g, t->plan->dv))), 1);
  }
  for (uint32_t i = 0; i < 2; i++) {
    half[i] = mixed(g, row[0], row[1], 1, i);
    half[2 + i] = mixed(g, row[2], row[3], 1, i);
  }
  for (uint32_t j = 0; j < QUAD; j++) {
    LLVMValueRef b = mixed(g, half[j / 2], half[2 + j / 2], 2, j % 2);
    for (uint32_t r = 0; r < t->rows; r++) {
      LLVMValueRef at = qn__ll_gep_const(g, t->memory, t->at.codes + (int64_t)r * t->plan->key_block);
      LLVMValueRef code = qn__ll_load_vec(g, g->i32, qn__ll_gep(g, at, first), 1);
      LLVMValueRef *sum = &w->sums[r * QUAD + j];
      *sum = dot(g, *sum, qn__ll_splat(g, code, LLVMGetVectorSize(dwords)), b);
    }
  }
}

/* o of CODES columns from `column` on. */
static void columns(values *w, LLVMValueRef column) {
  qn_ll_attention *t = w->t;
  qn_ll *g = t->g;
  LLVMTypeRef floats = LLVMVectorType(g->f32, KEYS);
  for (uint32_t r = 0; r < t->rows; r++) {
    qn__ll_transpose_lanes(g, &w->sums[r * QUAD]);
    LLVMValueRef c = qn__ll_load_vec(g, g->f32, qn__ll_gep_const(g, t->memory, t->at.factor + (int64_t)r * 4), 4);
    c = qn__ll_splat(g, c, KEYS);
    for (uint32_t j = 0; j < QUAD; j++) {
      int64_t o = t->at.out + ((int64_t)r * t->plan->dv_room + (int64_t)j * KEYS) * 4;
      LLVMValueRef at = qn__ll_gep(g, qn__ll_gep_const(g, t->memory, o), qn__ll_mul(g, column, qn__ll_i64(g, 4)));
      LLVMValueRef sum = LLVMBuildSIToFP(g->b, w->sums[r * QUAD + j], floats, "");
      qn__ll_store_vec(g, qn__ll_fma(g, qn__ll_load_vec(g, floats, at, 4), c, sum, false, KEYS), at, 4);
    }
  }
}

void qn__ll_attention_direct_values(qn_ll_attention *t, LLVMValueRef v, LLVMValueRef count) {
  qn_ll *g = t->g;
  LLVMValueRef sums[QN_ATTENTION_DIRECT_ROWS * QUAD], zero = qn__ll_i64(g, 0);
  LLVMValueRef whole = LLVMBuildAnd(g->b, count, qn__ll_i64(g, -QUAD), "");
  values w = {.t = t, .sums = sums};
  qn_ll_for all, quads;
  qn__ll_do_begin(g, &all, zero, qn__ll_i64(g, t->plan->dv), CODES, 0, NULL);
  w.v = qn__ll_gep(g, v, all.i);
  for (uint32_t i = 0; i < t->rows * QUAD; i++) sums[i] = LLVMConstNull(LLVMVectorType(g->i32, KEYS));
  qn__ll_for_begin(g, &quads, zero, whole, QUAD, t->rows * QUAD, sums);
  quad(&w, quads.i, false);
  qn__ll_for_end(g, &quads, sums);
  qn__ll_for_begin(g, &quads, whole, count, QUAD, t->rows * QUAD, sums);
  quad(&w, quads.i, true);
  qn__ll_for_end(g, &quads, sums);
  columns(&w, all.i);
  qn__ll_for_end(g, &all, NULL);
}
