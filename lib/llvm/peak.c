/* The machine's peak: a loop of independent dot products on registers, nothing else. */
#include "tile.h"

enum { CHAINS = 20, CHAINS_16 = 12, TURNS = 4 }; /* registers leave room for two operands and a temporary */

/* 8-bit dot products where the row has them, else 32-bit multiply-adds. */
static LLVMValueRef one(qn_ll *g, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b, double *macs) {
  LLVMTypeRef type = LLVMTypeOf(acc);
  LLVMValueRef args[3] = {acc, a, b};
  if (g->masked) {
    *macs = 64;
    return qn__ll_target_intrinsic(g, "llvm.x86.avx512.vpdpbusd.512", type, 3, args);
  }
  if (g->x86) { /* exact products of bytes are made by 16-bit ones */
    bool avx2 = g->isa->vector_bits == 256;
    *macs = avx2 ? 16 : 8;
    LLVMValueRef pair[2] = {acc, b};
    const char *name = avx2 ? "llvm.x86.avx2.pmadd.wd" : "llvm.x86.sse2.pmadd.wd";
    return LLVMBuildAdd(g->b, qn__ll_target_intrinsic(g, name, type, 2, pair), a, "");
  }
  *macs = g->lanes;
  return LLVMBuildAdd(g->b, LLVMBuildMul(g->b, acc, b, ""), a, "");
}

static qn_status write_loop(qn_ll *g, double *ops) {
  LLVMTypeRef type = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef acc[CHAINS];
  uint32_t chains = g->isa->num_registers > 16 ? CHAINS : CHAINS_16;
  /* Operands from memory, so that nothing is known about them. */
  LLVMValueRef b = qn__ll_splat(g, LLVMBuildTrunc(g->b, qn__ll_arg_end(g, 0), g->i32, ""), g->lanes);
  LLVMValueRef a = LLVMBuildXor(g->b, b, qn__ll_bits(g, type, 0x01020304), "");
  for (uint32_t i = 0; i < chains; i++) acc[i] = qn__ll_bits(g, type, i);
  double macs = 0;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, chains, acc);
  for (uint32_t turn = 0; turn < TURNS; turn++)
    for (uint32_t i = 0; i < chains; i++) acc[i] = one(g, acc[i], a, b, &macs);
  qn__ll_for_end(g, &f, acc);
  LLVMValueRef all = acc[0];
  for (uint32_t i = 1; i < chains; i++) all = LLVMBuildXor(g->b, all, acc[i], "");
  LLVMValueRef sink = qn__ll_slot(g, type, 1);
  LLVMValueRef store = LLVMBuildStore(g->b, all, sink);
  LLVMSetVolatile(store, true);
  *ops = macs * chains * TURNS;
  return QN_OK;
}

qn_status qn__ll_peak(qn_context *ctx, const qn_isa *isa, qn_code **out, double *ops_per_iteration) {
  qn_ll_module m;
  *out = NULL;
  qn_status status = qn__ll_module_start(ctx, isa, "peak", &m);
  if (status == QN_OK) {
    qn_ll g;
    qn_arena arena;
    qn__arena_init(&arena, qn_context_allocator(ctx));
    qn__ll_init(&g, &m, &arena, isa, "peak");
    qn__ll_function_begin(&g, "qn_peak");
    status = write_loop(&g, ops_per_iteration);
    qn__ll_function_end(&g);
    qn__ll_done(&g);
    qn__arena_free(&arena);
  }
  if (status == QN_OK) status = qn__ll_module_verify(&m);
  const char *symbol = "qn_peak";
  if (status == QN_OK) status = qn__ll_jit(&m, 1, &symbol, out);
  qn__ll_module_destroy(&m);
  return status;
}
