/* Reading block-packed weights on each kind of machine: codes out of bytes, codebooks, scales, and dot products. */
#include "block.h"
#include <string.h>

static bool has_avx512(const qn_ll *g) {
  return g->x86 && g->isa->vector_bits == 512;
}
static bool has_avx2(const qn_ll *g) {
  return g->x86 && g->isa->vector_bits == 256;
}
static bool has_sse2(const qn_ll *g) {
  return g->x86 && g->isa->vector_bits == 128;
}
static bool has_vnni(const qn_ll *g) {
  return (has_avx512(g) || has_avx2(g)) && (g->isa->has & QN_ISA_DOT8) && (g->isa->has & QN_ISA_DOT16);
}
static bool is_aarch64(const qn_ll *g, uint32_t has) {
  return !strcmp(g->isa->arch, "aarch64") && (g->isa->has & has);
}
static bool has_vbmi(const qn_ll *g) {
  return has_avx512(g) && (g->isa->has & QN_ISA_PERMUTE8);
}

static LLVMValueRef splat_int(qn_ll_block *s, uint32_t v) {
  return qn__ll_bits(s->g, s->ints, v);
}

/* ---- places ---- */

qn_ll_block_place qn__ll_block_place(qn_ll_block *s, LLVMValueRef block) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  const int64_t codes = (int64_t)qn_bpack_codes_bytes(l), scales = (int64_t)qn_bpack_scales_bytes(l);
  const uint32_t group = qn_bpack_group(l);
  LLVMValueRef at = LLVMBuildAnd(g->b, block, qn__ll_i64(g, group - 1), ""), first = qn__ll_sub(g, block, at);
  LLVMValueRef count = qn__ll_i64(g, group);
  if (group > 1) count = qn__ll_min(g, qn__ll_sub(g, s->blocks, first), count);
  LLVMValueRef start = qn__ll_gep(g, s->b, qn__ll_mul(g, s->panel, s->b_stride));
  start = qn__ll_gep(g, start, qn__ll_mul_const(g, first, (int64_t)qn_bpack_bytes(l)));
  qn_ll_block_place p = {.codes = qn__ll_gep(g, start, qn__ll_mul_const(g, at, codes))};
  LLVMValueRef rest = qn__ll_gep(g, start, qn__ll_mul_const(g, count, codes));
  p.scales = qn__ll_gep(g, rest, qn__ll_mul_const(g, at, scales));
  if (!qn_bpack_has_zeros(l)) return p;
  rest = qn__ll_gep(g, rest, qn__ll_mul_const(g, count, scales));
  p.zeros = qn__ll_gep(g, rest, qn__ll_mul_const(g, at, (int64_t)qn_bpack_zeros_bytes(l)));
  return p;
}

/* From block to block of `bytes`, and of all bytes of blocks that stand apart. */
static LLVMValueRef later(qn_ll_block *s, LLVMValueRef at, uint32_t n, size_t bytes) {
  const qn_bpack_layout *l = &s->plan->weights;
  return qn__ll_gep_const(s->g, at, n * (int64_t)(qn_bpack_group(l) > 1 ? bytes : qn_bpack_bytes(l)));
}

qn_ll_block_place qn__ll_block_later(qn_ll_block *s, const qn_ll_block_place *at, uint32_t n) {
  const qn_bpack_layout *l = &s->plan->weights;
  return (qn_ll_block_place){.codes = later(s, at->codes, n, qn_bpack_codes_bytes(l)),
                             .scales = later(s, at->scales, n, qn_bpack_scales_bytes(l)),
                             .zeros = at->zeros ? later(s, at->zeros, n, qn_bpack_zeros_bytes(l)) : NULL};
}

/* ---- codebooks ---- */

/* Integer codes of 4 bits, less the offset that all have, are a codebook, too, for floats where looking up is one
 * instruction that asks for no mask: cheaper than mask, subtraction and conversion. */
static bool integers_by_table(const qn_ll_block *s) {
  qn_bpack_codes codes = s->plan->weights.codes;
  return s->plan->floats && (codes == QN_BPACK_I4 || codes == QN_BPACK_U4) && has_avx512(s->g);
}

static LLVMValueRef integer_table(qn_ll_block *s) {
  LLVMValueRef entries[16];
  int32_t less = qn_bpack_has_zeros(&s->plan->weights) ? 0 : (int32_t)qn_bpack_bias(&s->plan->weights);
  for (int32_t i = 0; i < 16; i++) entries[i] = LLVMConstReal(s->g->f32, i - less);
  return LLVMConstVector(entries, 16);
}

void qn__ll_block_table(qn_ll_block *s, LLVMValueRef header) {
  qn_ll *g = s->g;
  if (s->plan->weights.codes == QN_BPACK_T4) {
    if (has_avx512(g) || has_avx2(g)) {
      s->table[0] = qn__ll_load_vec(g, s->bytes, header, 16);
      return;
    }
    for (uint32_t i = 0; i < 16; i++)
      s->table[i] = qn__ll_splat(g, qn__ll_load_vec(g, g->i8, qn__ll_gep_const(g, header, i), 1), s->lanes * 4);
    return;
  }
  if (integers_by_table(s)) s->table[0] = integer_table(s);
  if (s->plan->weights.codes != QN_BPACK_V4) return;
  if (has_avx512(g) || has_avx2(g)) {
    for (uint32_t i = 0; i * s->lanes < 16; i++)
      s->table[i] = qn__ll_load_vec(g, s->floats, qn__ll_gep_const(g, header, (int64_t)i * s->lanes * 4), 16);
    return;
  }
  for (uint32_t i = 0; i < 16; i++)
    s->table[i] = qn__ll_splat(g, qn__ll_load_vec(g, g->f32, qn__ll_gep_const(g, header, 4 * (int64_t)i), 4), s->lanes);
}

/* Entry by entry where no instruction looks up. */
static LLVMValueRef choose(qn_ll_block *s, LLVMValueRef index) {
  qn_ll *g = s->g;
  LLVMValueRef v = s->table[0];
  for (uint32_t i = 1; i < 16; i++) {
    LLVMValueRef is = LLVMBuildICmp(g->b, LLVMIntEQ, index, qn__ll_bits(g, LLVMTypeOf(index), i), "");
    v = LLVMBuildSelect(g->b, is, s->table[i], v, "");
  }
  return v;
}

static LLVMValueRef look_up_bytes(qn_ll_block *s, LLVMValueRef index) {
  qn_ll *g = s->g;
  LLVMValueRef args[2] = {s->table[0], index};
  if (has_avx512(g)) return qn__ll_target_intrinsic(g, "llvm.x86.avx512.pshuf.b.512", s->bytes, 2, args);
  if (has_avx2(g)) return qn__ll_target_intrinsic(g, "llvm.x86.avx2.pshuf.b", s->bytes, 2, args);
  return choose(s, LLVMBuildBitCast(g->b, index, s->bytes, ""));
}

static LLVMValueRef look_up_floats(qn_ll_block *s, LLVMValueRef index) {
  qn_ll *g = s->g;
  if (has_avx512(g)) { /* reads the low four bits of each index */
    LLVMValueRef args[2] = {s->table[0], index};
    return qn__ll_target_intrinsic(g, "llvm.x86.avx512.permvar.sf.512", s->floats, 2, args);
  }
  if (has_avx2(g)) { /* the low three */
    LLVMValueRef half[2];
    for (uint32_t i = 0; i < 2; i++) {
      LLVMValueRef args[2] = {s->table[i], index};
      half[i] = qn__ll_target_intrinsic(g, "llvm.x86.avx2.permps", s->floats, 2, args);
    }
    LLVMValueRef bit = LLVMBuildAnd(g->b, index, splat_int(s, 8), "");
    return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, bit, splat_int(s, 0), ""), half[0], half[1], "");
  }
  return choose(s, LLVMBuildAnd(g->b, index, splat_int(s, 15), ""));
}

/* ---- integers ---- */

LLVMValueRef qn__ll_block_codes(qn_ll_block *s, LLVMValueRef raw, bool high) {
  qn_ll *g = s->g;
  if (qn_bpack_bits(&s->plan->weights) == 8) return raw;
  LLVMValueRef v = high ? LLVMBuildLShr(g->b, raw, splat_int(s, 4), "") : raw;
  bool table = s->plan->weights.codes == QN_BPACK_T4;
  if (table && has_vbmi(g)) { /* reads the low six bits of each index, and the table is there four times */
    LLVMValueRef args[2] = {s->table[0], v};
    return qn__ll_target_intrinsic(g, "llvm.x86.avx512.permvar.qi.512", s->ints, 2, args);
  }
  v = LLVMBuildAnd(g->b, v, splat_int(s, 0x0F0F0F0Fu), "");
  return table ? LLVMBuildBitCast(g->b, look_up_bytes(s, v), s->ints, "") : v;
}

/* Codes above 127. */
static bool whole_bytes(const qn_ll_block *s) {
  return qn_bpack_bits(&s->plan->weights) == 8 || s->plan->weights.codes == QN_BPACK_T4;
}

bool qn__ll_block_whole_bytes(const qn_ll_block *s, uint32_t rows) {
  const qn_bpack_layout *l = &s->plan->weights;
  return rows <= 2 && qn_bpack_bits(l) == 4 && !whole_bytes(s) && has_vnni(s->g);
}

LLVMValueRef qn__ll_block_high(qn_ll_block *s, LLVMValueRef raw) {
  return LLVMBuildAnd(s->g->b, raw, splat_int(s, 0xF0F0F0F0u), "");
}

static LLVMValueRef vnni(qn_ll_block *s, const char *wide, const char *half, LLVMValueRef acc, LLVMValueRef x,
                         LLVMValueRef y) {
  LLVMValueRef args[3] = {acc, x, y};
  return qn__ll_target_intrinsic(s->g, has_avx512(s->g) ? wide : half, s->ints, 3, args);
}

/* Bytes 0 and 2 of each lane, then 1 and 3, as 16 bits. */
static LLVMValueRef sse2_dot(qn_ll_block *s, LLVMValueRef acc, LLVMValueRef codes, LLVMValueRef word) {
  qn_ll *g = s->g;
  LLVMTypeRef halves = LLVMVectorType(g->i16, s->lanes * 2);
  LLVMValueRef eight = qn__ll_bits(g, halves, 8), u = LLVMBuildBitCast(g->b, codes, halves, "");
  LLVMValueRef a = LLVMBuildBitCast(g->b, word, halves, "");
  LLVMValueRef even[2] = {LLVMBuildAnd(g->b, u, qn__ll_bits(g, halves, 0xFF), ""),
                          LLVMBuildAShr(g->b, LLVMBuildShl(g->b, a, eight, ""), eight, "")};
  LLVMValueRef odd[2] = {LLVMBuildLShr(g->b, u, eight, ""), LLVMBuildAShr(g->b, a, eight, "")};
  acc = LLVMBuildAdd(g->b, acc, qn__ll_target_intrinsic(g, "llvm.x86.sse2.pmadd.wd", s->ints, 2, even), "");
  return LLVMBuildAdd(g->b, acc, qn__ll_target_intrinsic(g, "llvm.x86.sse2.pmadd.wd", s->ints, 2, odd), "");
}

static LLVMValueRef neon_dot(qn_ll_block *s, const char *name, LLVMValueRef acc, LLVMValueRef codes,
                             LLVMValueRef word) {
  qn_ll *g = s->g;
  LLVMTypeRef overloads[2] = {s->ints, s->bytes};
  LLVMValueRef args[3] = {acc, LLVMBuildBitCast(g->b, codes, s->bytes, ""), LLVMBuildBitCast(g->b, word, s->bytes, "")};
  return qn__ll_intrinsic(g, name, 2, overloads, 3, args);
}

static LLVMValueRef pairs(qn_ll_block *s, LLVMValueRef codes, LLVMValueRef a) {
  qn_ll *g = s->g;
  LLVMTypeRef halves = LLVMVectorType(g->i16, s->lanes * 2);
  LLVMValueRef args[2] = {codes, a};
  LLVMValueRef sums[2] = {qn__ll_target_intrinsic(g, "llvm.x86.avx2.pmadd.ub.sw", halves, 2, args),
                          qn__ll_bits(g, halves, 1)};
  return qn__ll_target_intrinsic(g, "llvm.x86.avx2.pmadd.wd", s->ints, 2, sums);
}

LLVMValueRef qn__ll_block_dot(qn_ll_block *s, LLVMValueRef acc, LLVMValueRef codes, LLVMValueRef a) {
  qn_ll *g = s->g;
  LLVMValueRef word = qn__ll_splat(g, qn__ll_load_vec(g, g->i32, a, 4), s->lanes);
  if (has_vnni(g)) return vnni(s, "llvm.x86.avx512.vpdpbusd.512", "llvm.x86.avx512.vpdpbusd.256", acc, codes, word);
  if (has_avx2(g)) {
    if (!whole_bytes(s)) return LLVMBuildAdd(g->b, acc, pairs(s, codes, word), "");
    /* 2 * 127 * 128 fits 16 bits, 2 * 255 * 127 does not: the top bits apart. */
    LLVMValueRef low = LLVMBuildAnd(g->b, codes, splat_int(s, 0x7F7F7F7Fu), "");
    LLVMValueRef top = LLVMBuildAnd(g->b, codes, splat_int(s, 0x80808080u), "");
    acc = LLVMBuildAdd(g->b, acc, pairs(s, low, word), "");
    return LLVMBuildAdd(g->b, acc, pairs(s, top, word), "");
  }
  if (has_sse2(g)) return sse2_dot(s, acc, codes, word);
  if (is_aarch64(g, QN_ISA_SVE)) return qn__ll_sve_usdot(g, acc, codes, word);
  if (is_aarch64(g, QN_ISA_MATRIX8)) return neon_dot(s, "llvm.aarch64.neon.usdot", acc, codes, word);
  if (is_aarch64(g, QN_ISA_DOT8) && !whole_bytes(s))
    return neon_dot(s, "llvm.aarch64.neon.sdot", acc, codes, word); /* codes below 128 are signed bytes too */
  for (uint32_t i = 0; i < 4; i++) {
    LLVMValueRef u = LLVMBuildLShr(g->b, codes, splat_int(s, 8 * i), "");
    if (i < 3) u = LLVMBuildAnd(g->b, u, splat_int(s, 0xFF), "");
    LLVMValueRef x = LLVMBuildSExt(g->b, qn__ll_load_vec(g, g->i8, qn__ll_gep_const(g, a, i), 1), g->i32, "");
    acc = LLVMBuildAdd(g->b, acc, LLVMBuildMul(g->b, u, qn__ll_splat(g, x, s->lanes), ""), "");
  }
  return acc;
}

/* `lanes` bytes at `at`, from the tile's column on. */
static LLVMValueRef zero_bytes(qn_ll_block *s, LLVMValueRef at) {
  qn_ll *g = s->g;
  LLVMValueRef v = qn__ll_load_vec(g, LLVMVectorType(g->i8, s->lanes), qn__ll_gep(g, at, s->column), 1);
  return LLVMBuildZExt(g->b, v, s->ints, "");
}

void qn__ll_block_zero_points(qn_ll_block *s, const qn_ll_block_place *place, bool whole, LLVMValueRef *zeros) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  LLVMValueRef at = place->zeros, both = zero_bytes(s, at);
  bool narrow = qn_bpack_bits(l) == 4;
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
    if (!narrow)
      zeros[v] = v ? zero_bytes(s, qn__ll_gep_const(g, at, v * QN_BPACK_PAIRS)) : both;
    else if (whole)
      zeros[v] = v ? LLVMBuildAnd(g->b, both, splat_int(s, 0xF0), "") : both;
    else
      zeros[v] = v ? LLVMBuildLShr(g->b, both, splat_int(s, 4), "") : LLVMBuildAnd(g->b, both, splat_int(s, 15), "");
  }
}

LLVMValueRef qn__ll_block_zeros(qn_ll_block *s, LLVMValueRef acc, LLVMValueRef zeros, LLVMValueRef sum) {
  qn_ll *g = s->g;
  LLVMValueRef word = qn__ll_splat(g, qn__ll_load_vec(g, g->i32, sum, 4), s->lanes);
  if (has_vnni(g)) /* pairs of a zero point and 0, and the sum's low half */
    return vnni(s, "llvm.x86.avx512.vpdpwssd.512", "llvm.x86.avx512.vpdpwssd.256", acc, zeros, word);
  if (has_avx2(g)) {
    LLVMValueRef args[2] = {zeros, word};
    return LLVMBuildAdd(g->b, acc, qn__ll_target_intrinsic(g, "llvm.x86.avx2.pmadd.wd", s->ints, 2, args), "");
  }
  return LLVMBuildAdd(g->b, acc, LLVMBuildMul(g->b, zeros, word, ""), "");
}

/* ---- scales ---- */

static LLVMValueRef load(qn_ll_block *s, LLVMTypeRef type, LLVMValueRef at, uint32_t align) {
  LLVMValueRef v = qn__ll_load_vec(s->g, type, at, align);
  if (s->in_order) LLVMSetVolatile(v, true);
  return v;
}

static LLVMValueRef scales_at(qn_ll_block *s, LLVMValueRef at) {
  qn_ll *g = s->g;
  qn_scalar type = s->plan->weights.scales;
  if (type == QN_F32) return load(s, s->floats, at, 4);
  LLVMTypeRef narrow = type == QN_F8E8M0FNU ? g->i8 : g->i16;
  if (type == QN_F16 && (has_avx512(g) || has_avx2(g))) {
    LLVMTypeRef halves = LLVMVectorType(LLVMHalfTypeInContext(g->ctx), s->lanes);
    return LLVMBuildFPExt(g->b, load(s, halves, at, 2), s->floats, "");
  }
  LLVMValueRef bits = load(s, LLVMVectorType(narrow, s->lanes), at, 1);
  uint32_t shift = type == QN_F8E8M0FNU ? 23 : type == QN_BF16 ? 16 : 13;
  bits = LLVMBuildShl(g->b, LLVMBuildZExt(g->b, bits, s->ints, ""), splat_int(s, shift), "");
  LLVMValueRef v = LLVMBuildBitCast(g->b, bits, s->floats, "");
  /* f16: the exponents differ by 112; exact, for subnormals too, as scales are positive and finite. */
  return type == QN_F16 ? LLVMBuildFMul(g->b, v, qn__ll_bits(g, s->floats, 0x77800000u), "") : v;
}

void qn__ll_block_scales(qn_ll_block *s, const qn_ll_block_place *place, LLVMValueRef *scales) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  int64_t bytes = qn_bpack_scale_bytes(l);
  LLVMValueRef at = qn__ll_gep(g, place->scales, qn__ll_mul_const(g, s->column, bytes));
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++)
    scales[v] = scales_at(s, qn__ll_gep_const(g, at, v * QN_BPACK_PAIRS * bytes));
}

/* ---- floats ---- */

LLVMValueRef qn__ll_block_raw(qn_ll_block *s, LLVMValueRef row, uint32_t v) {
  qn_ll *g = s->g;
  int64_t half = qn_bpack_bits(&s->plan->weights) == 4 ? 0 : QN_BPACK_PAIRS * 4;
  row = qn__ll_gep(g, row, qn__ll_mul_const(g, s->column, 4));
  return load(s, s->ints, qn__ll_gep_const(g, row, v * half), 4);
}

uint32_t qn__ll_block_shift(const qn_ll_block *s, uint32_t i, uint32_t v) {
  return 8 * i + (qn_bpack_bits(&s->plan->weights) == 4 ? 4 * v : 0);
}

void qn__ll_block_read_scales(qn_ll_block *s, const qn_ll_block_place *at, LLVMValueRef *scales, LLVMValueRef *zeros) {
  qn_ll *g = s->g;
  qn__ll_block_scales(s, at, scales);
  bool have = qn_bpack_has_zeros(&s->plan->weights);
  if (have) qn__ll_block_zero_points(s, at, false, zeros);
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
    if (!have)
      zeros[v] = NULL;
    else if (integers_by_table(s))
      zeros[v] = LLVMBuildSIToFP(g->b, zeros[v], s->floats, "");
  }
}

LLVMValueRef qn__ll_block_float(qn_ll_block *s, LLVMValueRef raw, LLVMValueRef shift, LLVMValueRef scales,
                                LLVMValueRef zeros) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  LLVMValueRef u = LLVMBuildLShr(g->b, raw, qn__ll_splat(g, shift, s->lanes), "");
  LLVMValueRef x;
  if (l->codes == QN_BPACK_V4) {
    x = look_up_floats(s, u);
  } else if (integers_by_table(s)) {
    x = look_up_floats(s, u);
    if (zeros) x = LLVMBuildFSub(g->b, x, zeros, "");
  } else {
    u = LLVMBuildAnd(g->b, u, splat_int(s, qn_bpack_bits(l) == 8 ? 0xFF : 0xF), "");
    if (l->codes == QN_BPACK_T4) {
      /* The low byte of each lane is looked up; the others index entry 0 and are cut off. */
      u = LLVMBuildAnd(g->b, LLVMBuildBitCast(g->b, look_up_bytes(s, u), s->ints, ""), splat_int(s, 0xFF), "");
    }
    LLVMValueRef less = zeros ? zeros : splat_int(s, (uint32_t)qn_bpack_bias(l));
    x = LLVMBuildSIToFP(g->b, LLVMBuildSub(g->b, u, less, ""), s->floats, "");
  }
  return LLVMBuildFMul(g->b, x, scales, "");
}
