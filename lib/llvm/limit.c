/* The machine's limits: loops that do one thing on independent registers, and nothing else. */
#include "tile.h"

enum { CHAINS = 20, CHAINS_16 = 12, TURNS = 4, READS = 8 }; /* registers leave room for two operands and a temporary */

/* One turn of one chain; adds what it does to *amount. */
typedef LLVMValueRef (*turn_fn)(qn_ll *g, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b, double *amount);

/* 8-bit dot products where the row has them, else 32-bit multiply-adds. */
static LLVMValueRef int8_turn(qn_ll *g, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b, double *amount) {
  LLVMTypeRef type = LLVMTypeOf(acc);
  LLVMValueRef args[3] = {acc, a, b};
  if (g->x86 && (g->isa->has & QN_ISA_DOT8)) {
    bool wide = g->isa->vector_bits == 512;
    *amount += wide ? 64 : 32;
    const char *name = wide ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
    return qn__ll_target_intrinsic(g, name, type, 3, args);
  }
  if (g->x86) { /* exact products of bytes are made by 16-bit ones */
    bool avx2 = g->isa->vector_bits == 256;
    *amount += avx2 ? 16 : 8;
    LLVMValueRef pair[2] = {acc, b};
    const char *name = avx2 ? "llvm.x86.avx2.pmadd.wd" : "llvm.x86.sse2.pmadd.wd";
    return LLVMBuildAdd(g->b, qn__ll_target_intrinsic(g, name, type, 2, pair), a, "");
  }
  *amount += g->lanes;
  return LLVMBuildAdd(g->b, LLVMBuildMul(g->b, acc, b, ""), a, "");
}

static LLVMValueRef f32_turn(qn_ll *g, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b, double *amount) {
  *amount += g->lanes;
  if (!g->isa->has_fma) return LLVMBuildFAdd(g->b, LLVMBuildFMul(g->b, acc, b, ""), a, "");
  LLVMTypeRef type = LLVMTypeOf(acc);
  LLVMValueRef args[3] = {acc, b, a};
  return qn__ll_intrinsic(g, "llvm.fma", 1, &type, 3, args);
}

/* An operand of which nothing is known while compiling, each lane of it `seed` changed a little. */
static LLVMValueRef unknown(qn_ll *g, LLVMTypeRef type, uint32_t seed) {
  LLVMTypeRef ints = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef x = qn__ll_splat(g, LLVMBuildTrunc(g->b, qn__ll_arg_end(g, 0), g->i32, ""), g->lanes);
  x = LLVMBuildXor(g->b, LLVMBuildAnd(g->b, x, qn__ll_bits(g, ints, 0x0fff), ""), qn__ll_bits(g, ints, seed), "");
  return LLVMBuildBitCast(g->b, x, type, "");
}

static void keep(qn_ll *g, const LLVMValueRef *acc, uint32_t n) {
  LLVMTypeRef ints = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef all = LLVMBuildBitCast(g->b, acc[0], ints, "");
  for (uint32_t i = 1; i < n; i++) all = LLVMBuildXor(g->b, all, LLVMBuildBitCast(g->b, acc[i], ints, ""), "");
  LLVMSetVolatile(LLVMBuildStore(g->b, all, qn__ll_slot(g, ints, 1)), true);
}

/* Operands near 1.0 when they are floats: no turn may meet a denormal. */
enum { SEED_A = 0x01020304, SEED_B = 0x3f800000 };

static void compute_loop(qn_ll *g, LLVMTypeRef type, turn_fn turn, double *amount) {
  LLVMValueRef acc[CHAINS], b = unknown(g, type, SEED_B);
  LLVMValueRef a = turn == f32_turn ? unknown(g, type, SEED_B | 1) : unknown(g, type, SEED_A);
  uint32_t chains = g->isa->num_registers > 16 ? CHAINS : CHAINS_16;
  for (uint32_t i = 0; i < chains; i++) acc[i] = unknown(g, type, SEED_B + i);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, chains, acc);
  for (uint32_t t = 0; t < TURNS; t++)
    for (uint32_t i = 0; i < chains; i++) acc[i] = turn(g, acc[i], a, b, amount);
  qn__ll_for_end(g, &f, acc);
  keep(g, acc, chains);
}

static void read_loop(qn_ll *g, double *amount) {
  LLVMTypeRef type = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef acc[READS], from = qn__ll_arg_ptr(g, 0);
  int64_t bytes = g->isa->vector_bits / 8;
  for (uint32_t i = 0; i < READS; i++) acc[i] = qn__ll_bits(g, type, i);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, READS, acc);
  LLVMValueRef at = qn__ll_gep(g, from, qn__ll_mul(g, f.i, qn__ll_i64(g, READS * bytes)));
  for (uint32_t i = 0; i < READS; i++)
    acc[i] = LLVMBuildXor(g->b, acc[i], qn__ll_load_vec(g, type, qn__ll_gep_const(g, at, i * bytes), 1), "");
  qn__ll_for_end(g, &f, acc);
  keep(g, acc, READS);
  *amount = (double)(READS * bytes);
}

static void write_loop(qn_ll *g, qn_limit_kind kind, double *amount) {
  *amount = 0;
  switch (kind) {
  case QN_LIMIT_INT8: compute_loop(g, LLVMVectorType(g->i32, g->lanes), int8_turn, amount); break;
  case QN_LIMIT_F32: compute_loop(g, LLVMVectorType(g->f32, g->lanes), f32_turn, amount); break;
  case QN_LIMIT_READ: read_loop(g, amount); break;
  }
}

qn_status qn__ll_limit(qn_context *ctx, const qn_isa *isa, qn_limit_kind kind, qn_code **out, double *per_iteration) {
  qn_ll_module m;
  *out = NULL;
  qn_status status = qn__ll_module_start(ctx, isa, "limit", &m);
  if (status == QN_OK) {
    qn_ll g;
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(ctx));
    qn__ll_init(&g, &m, &arena, isa, "limit");
    qn__ll_function_begin(&g, "qn_limit");
    write_loop(&g, kind, per_iteration);
    qn__ll_function_end(&g);
    qn__ll_done(&g);
    qn__arena_free(&arena);
  }
  if (status == QN_OK) status = qn__ll_module_verify(&m);
  const char *symbol = "qn_limit";
  if (status == QN_OK) status = qn__ll_jit(&m, 1, &symbol, out);
  qn__ll_module_destroy(&m);
  return status;
}
